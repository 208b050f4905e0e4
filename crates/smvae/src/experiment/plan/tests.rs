//! Tests of the plan of an experiment: its runs, their names, and the errors of malformed files.

use super::*;

const FILE: &str = r#"
text_encoder = "tiny"
baseline = "base"
[corpora.c]
data = "data"
image_features = "images"
draws = "draws/c-{labels}-{draw}.json"
[settings]
training = { eval_every = 2, patience = 3 }
[methods.base]
[methods.semi]
training = { semi = true, patience = 4 }
[methods.text]
images = false
[[grids]]
corpora = ["c"]
methods = ["base", "semi", "text"]
labels = [5, "all"]
draws = [0, 1]
dev_only = true
[[grids]]
corpora = ["c"]
methods = ["base"]
labels = [5]
draws = [1, 2]
seeds = [0, 7]
"#;

const HEIRS: &str = r#"
text_encoder = "tiny"
corpora.c = { data = "data", image_features = "images" }
settings = { training = { patience = 3 } }
[methods.base]
training = { semi = true, eval_every = 2 }
[methods.heir]
like = "base"
images = false
training = { eval_every = 4 }
[methods.an-heir-of-the-heir]
like = "heir"
training = { patience = 5 }
[[grids]]
corpora = ["c"]
methods = ["base", "heir", "an-heir-of-the-heir"]
labels = ["all"]
draws = [0]
"#;

fn plan(text: &str) -> Result<Plan> {
    Reader { path: Path::new("/x/experiment.toml"), text }.plan()
}

#[test]
fn a_file_is_every_run_once() {
    let plan = plan(FILE).expect("valid");
    let ids: Vec<(&str, bool)> = plan.runs.iter().map(|run| (run.run.id.as_str(), run.run.dev_only)).collect();
    let want = [
        ("c-base-5-d0-s0", true),
        ("c-base-5-d1-s0", false),
        ("c-base-all-d0-s0", true),
        ("c-semi-5-d0-s0", true),
        ("c-semi-5-d1-s0", true),
        ("c-semi-all-d0-s0", true),
        ("c-text-5-d0-s0", true),
        ("c-text-5-d1-s0", true),
        ("c-text-all-d0-s0", true),
        ("c-base-5-d1-s7", false),
        ("c-base-5-d2-s0", false),
        ("c-base-5-d2-s7", false),
    ];
    assert_eq!(ids, want);
    let semi = &plan.runs[4];
    let TrainingSeen { semi: is_semi, patience, eval_every } = seen(semi);
    assert_eq!((is_semi, patience, eval_every), (true, 4, 2));
    assert_eq!((semi.run.config.labelled, semi.run.config.selection_seed), (Some(5), Some(1)));
    assert_eq!(semi.sources.selection.as_deref(), Some(Path::new("/x/draws/c-5-1.json")));
    assert_eq!(semi.sources.images.as_deref(), Some(Path::new("/x/images")));
    assert_eq!((&plan.runs[6].sources.images, &plan.runs[8].sources.selection), (&None, &None));
}

#[test]
fn two_runs_have_two_names() {
    let text = r#"
text_encoder = "tiny"
corpora = { a = { data = "a" }, a-b = { data = "b" } }
methods = { c = {}, b-c = {} }
grids = [
    { corpora = ["a"], methods = ["b-c"], labels = [5], draws = [0] },
    { corpora = ["a-b"], methods = ["c"], labels = [5], draws = [0] },
]"#;
    let error = plan(text).expect_err("one name").to_string();
    assert_eq!(error, "/x/experiment.toml:7: a-b-c-5-d0-s0 would be the name of two runs: rename a corpus or a method");
}

struct TrainingSeen {
    semi: bool,
    patience: usize,
    eval_every: usize,
}

fn seen(run: &RunSpec) -> TrainingSeen {
    let training = &run.run.config.training;
    TrainingSeen { semi: training.semi, patience: training.patience, eval_every: training.eval_every }
}

#[test]
fn what_makes_no_sense_is_named_with_its_line() {
    let check = |from: &str, to: &str, line: usize, want: &str| {
        assert!(FILE.contains(from));
        let error = plan(&FILE.replacen(from, to, 1)).expect_err(want).to_string();
        assert!(error.starts_with(&format!("/x/experiment.toml:{line}: ")) && error.contains(want), "{error}");
    };
    check("baseline =", "basline =", 3, "unknown field `basline`");
    check("\"base\"\n", "\"best\"\n", 3, "there is no method \"best\"; there are base, semi, text");
    check("patience = 3", "patience = 0", 8, "settings: the setting `training.patience` must be at least 1");
    check("semi = true", "semi = 1", 11, "method semi: invalid type");
    check("semi = true", "smi = true", 11, "method semi: unknown field `smi`");
    check("eval_every = 2", "eval_every = 2, dropout = nan", 8, "neither nan nor inf");
    check("semi = true", "semi = true, negatives = inf", 11, "neither nan nor inf");
    check("images = false", "images = 0", 13, "images must be true or false");
    check("images = false", "seed = 1", 13, "seed is not a setting of a method");
    check("images = false", "preset = \"x\"", 13, "preset");
    check("[\"c\"]", "[\"d\"]", 16, "there is no corpus \"d\"; there are c");
    check("labels = [5, \"all\"]", "labels = [5, \"most\"]", 18, "labels must be a number or \"all\"");
    check("labels = [5, \"all\"]", "labels = [0]", 18, "at least 1");
    check("[methods.text]", "[methods.\"a/b\"]", 13, "part of folder names");
    check("dev_only = true", "dev_labels = 0", 20, "dev_labels must be at least 1");
    check("[settings]", "[settings]\nlike = \"base\"", 8, "settings cannot be like a method");
    check("draws = [0, 1]", "draws = [0, 1", 20, "missing comma");
}

#[test]
fn a_method_builds_on_another() {
    let settings: Vec<_> = plan(HEIRS)
        .expect("valid")
        .runs
        .iter()
        .map(|run| {
            let TrainingSeen { semi, patience, eval_every } = seen(run);
            (semi, patience, eval_every, run.run.images)
        })
        .collect();
    assert_eq!(settings, [(true, 3, 2, true), (true, 3, 4, false), (true, 5, 4, false)]);

    let check = |from: &str, to: &str, line: usize, want: &str| {
        let error = plan(&HEIRS.replacen(from, to, 1)).expect_err(want).to_string();
        assert!(error.starts_with(&format!("/x/experiment.toml:{line}: ")) && error.contains(want), "{error}");
    };
    check("\"base\"", "\"bass\"", 7, "there is no method \"bass\"; there are an-heir-of-the-heir, base, heir");
    check("\"base\"", "1", 7, "there is no method \"1\"");
    check("\"base\"", "\"an-heir-of-the-heir\"", 7, "method an-heir-of-the-heir is like itself");
    // The line where the mistake is, not where it is inherited.
    check("eval_every = 2", "eval_every = 0", 5, "method base: the setting `training.eval_every`");
}

#[test]
fn only_what_changes_a_result_differs() {
    let runs = |from: &str, to: &str| plan(&FILE.replacen(from, to, 1)).expect("valid").runs[3].clone();
    let then = runs("", "");
    let check = |from: &str, to: &str, want: Option<&str>| {
        assert_eq!(then.run.difference(&runs(from, to).run).as_deref(), want, "{to}");
    };
    check("", "", None);
    check("\"data\"", "\"elsewhere\"", None);
    check("patience = 4", "patience = 5", Some("training.patience 4 -> 5"));
    check("semi = true,", "semi = true, checkpoint_every = 3,", None);
    check("image_features = \"images\"", "", Some("images true -> false"));
    check("[methods.semi]", "[methods.semi]\nbf16 = true", Some("bf16 absent -> true"));
    // Files leave this setting out at its default.
    check("patience = 4", "patience = 4, caption_dropout = 0.1", Some("training.caption_dropout 0.0 -> 0.1"));
}

const CHOSEN: &str = r#"
text_encoder = "tiny"
corpora.c = { data = "data", draws = "draws/c-{labels}-{draw}.json" }
[methods.base]
[methods.rich]
choose = { strategy = "entities", first = 4, step = 2, with = "base" }
[methods.pupil]
training = { semi = true }
choose = { same_as = "rich" }
[[grids]]
corpora = ["c"]
methods = ["pupil"]
labels = [8]
draws = [3]
[[grids]]
corpora = ["c"]
methods = ["base"]
labels = [4]
draws = [3]
"#;

#[test]
fn a_run_comes_after_those_that_choose_for_it() {
    let plan = plan(CHOSEN).expect("valid");
    let run = |spec: &RunSpec| {
        let (choice, run) = (spec.run.choice.as_ref(), &spec.run);
        (run.id.clone(), choice.and_then(|choice| choice.after.clone()), run.manifest, run.dev_only)
    };
    let ids = ["c-base-4-d3-s0", "c-rich-6-d3-s0", "c-rich-8-d3-s0", "c-pupil-8-d3-s0"].map(str::to_owned);
    let [base, six, eight, pupil] = ids;
    let want = [
        (base.clone(), None, true, false),
        (six.clone(), Some(base.clone()), false, true),
        (eight.clone(), Some(six.clone()), false, true),
        (pupil, Some(eight.clone()), false, false),
    ];
    assert_eq!(plan.runs.iter().map(run).collect::<Vec<_>>(), want);
    // What they read is known of a run that begins with them.
    let before = |i: usize| plan.runs[i].sources.before.as_deref();
    assert_eq!((before(0), before(1)), (None, Some(&plan.runs[0].sources)));
    assert_eq!((before(2), before(3)), (Some(&plan.runs[1].sources), Some(&plan.runs[2].sources)));
    // The models of runs that are done elsewhere are needed as far back as something is left to do.
    let without = |open: &'static [usize]| plan.needed(|spec| !open.iter().any(|i| plan.runs[*i].run == spec.run));
    assert_eq!(without(&[]).len(), 0);
    assert_eq!(without(&[1]).into_iter().collect::<Vec<_>>(), [&base]);
    assert_eq!(without(&[3]).into_iter().collect::<Vec<_>>(), [&base, &six, &eight]);
}

#[test]
fn posts_that_were_chosen_before_come_from_files() {
    let file = CHOSEN.replace("same_as = \"rich\"", "manifest = \"chosen/{corpus}-rich-{labels}-{draw}.json\"");
    let chosen = plan(&file).expect("valid");
    let [pupil, _base] = chosen.runs.as_slice() else { panic!("no run goes before: {:?}", chosen.runs) };
    assert_eq!((pupil.run.id.as_str(), &pupil.run.choice, pupil.run.manifest), ("c-pupil-8-d3-s0", &None, true));
    assert_eq!(pupil.sources.selection.as_deref(), Some(Path::new("/x/chosen/c-rich-8-3.json")));
    let error = plan(&CHOSEN.replace("labels = [8]", "labels = [\"all\"]")).expect_err("no choice").to_string();
    assert!(error.contains("experiment.toml:12: method pupil chooses its labelled posts: labels = \"all\""), "{error}");
}

#[test]
fn a_chosen_run_is_another_if_the_run_that_chose_for_it_is() {
    let last = |text: &str| plan(text).expect("valid").runs[3].run.clone();
    let then = last(CHOSEN);
    #[track_caller]
    fn check(then: &Run, now: &Run, differs: bool) {
        let difference = then.difference(now);
        let told =
            difference.as_ref().is_some_and(|told| told.starts_with("sha256 of the settings of the run before "));
        assert_eq!((told, difference.is_some()), (differs, differs), "{difference:?}");
    }
    check(&then, &then, false);
    // What is changed is two runs back.
    let base = |settings: &str| last(&CHOSEN.replace("[methods.base]\n", &format!("[methods.base]\n{settings}\n")));
    check(&then, &base("training = { patience = 9 }"), true);
    check(&then, &base("training = { checkpoint_every = 9 }"), false);
    // Results of earlier versions do not say.
    let mut earlier = base("training = { patience = 9 }");
    earlier.choice.as_mut().expect("its posts are chosen").after_sha256 = None;
    check(&earlier, &then, false);
    check(&then, &earlier, false);
    // Whether the run before opens its test split changes nothing.
    let mut before = plan(CHOSEN).expect("valid").runs[2].run.clone();
    let digest = before.settings_sha256();
    before.dev_only = !before.dev_only;
    assert_eq!(before.settings_sha256(), digest);
}

#[test]
fn draws_of_a_method_that_begins_with_none_are_no_repetitions() {
    let with = |rule: &str, draws: &str| {
        let file = CHOSEN.replace("strategy = \"entities\", first = 4, step = 2, with = \"base\"", rule);
        plan(&file.replacen("draws = [3]", draws, 1)).map(|_| ())
    };
    let check = |rule: &str| {
        assert!(with(rule, "draws = [3]").is_ok(), "{rule}");
        let error = with(rule, "draws = [3, 4]").expect_err(rule).to_string();
        assert!(error.contains("experiment.toml:12: method pupil begins with no draw"), "{error}");
    };
    check("strategy = \"names\"");
    check("strategy = \"names\", step = 4");
    assert!(
        with("strategy = \"names\", first = 4, with = \"base\"", "draws = [3, 4]").is_ok(),
        "it begins with a draw"
    );
    assert!(with("strategy = \"typical\"", "draws = [3, 4]").is_ok(), "it takes a sample of the pool");
}

#[test]
fn methods_that_choose_for_each_other_are_an_error() {
    let file = CHOSEN.replace("strategy = \"entities\", first = 4, step = 2, with = \"base\"", "same_as = \"pupil\"");
    let error = plan(&file).expect_err("a circle").to_string();
    assert!(error.contains("experiment.toml:12: the labelled posts of c-pupil-8-d3-s0 are those of itself"), "{error}");
    for (rule, why) in [
        ("strategy = \"entitys\"", "experiment.toml:5: method rich: choose: unknown variant `entitys`"),
        ("strategy = \"entities\"", "experiment.toml:5: method rich: choose: entities needs a model: state first"),
        ("same_as = \"nobody\"", "there is no method \"nobody\"; there are base, pupil, rich"),
        ("first = -1", "choose: invalid value"),
        ("strategy = \"names\", image_share = 0.5", "experiment.toml:12: method rich on c: choose: image_share needs"),
    ] {
        let file = CHOSEN.replace("strategy = \"entities\", first = 4, step = 2, with = \"base\"", rule);
        let error = plan(&file).expect_err(rule).to_string();
        assert!(error.contains(why), "{rule}: {error}");
    }
}
