//! The whole way of somebody who labels: a pool of posts, what to label next, an export of a tool,
//! a corpus, and training on it beside posts without labels.

mod support;

use serde_json::{Value, json};
use smvae::data::corpus::load_split;
use smvae::data::duplicates::key;
use smvae::data::selection::Selected;
use smvae::data::{Convention, Corpus, ImageVectors, Selection, Split};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use support::{check, folder_with_corpus, json_of};

const TRAIN: &str = "--text-encoder tiny --hidden-dim 8 --latent-dim 4 --epochs 2";

/// A folder with the corpus `data`, the run `run` and `pool.jsonl`, the texts of train with every
/// second one twice.
fn folder() -> tempfile::TempDir {
    let dir = folder_with_corpus("data", 60, 8);
    check(dir.path(), &format!("train --data data --out run {TRAIN}"), "", 0);
    let train = load_split(dir.path().join("data"), Split::Train).expect("our own files").samples;
    let line = |(i, sample): (usize, &smvae::data::Sample)| {
        let post = json!({"id": i.to_string(), "text": sample.words.join(" ")}).to_string() + "\n";
        if i % 2 == 0 { post.clone() + &post.replace("\"text\":\"", "\"text\":\"RT @me: ") } else { post }
    };
    fs::write(dir.path().join("pool.jsonl"), train.iter().enumerate().map(line).collect::<String>()).expect("writable");
    dir
}

/// How many posts of the pool differ: those of a synthetic corpus may be the same by chance.
fn n_distinct(dir: &Path) -> usize {
    let train = load_split(dir.join("data"), Split::Train).expect("our own files").samples;
    train.iter().map(|sample| key(&sample.words)).collect::<HashSet<_>>().len()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(json_of).collect()
}

fn ids(text: &str) -> Vec<String> {
    lines(text).iter().map(|line| line["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn posts_are_suggested_with_reasons_and_what_was_found() {
    let dir = folder();
    let suggest = |options: &str| check(dir.path(), &format!("suggest --pool pool.jsonl {options}"), "", 0);
    let (found, said) = suggest("--n 6 --for-dev 2 --model run");
    assert!(said.contains("6 of 90 posts by entities, 2 of them at random for dev"), "{said}");
    let n = n_distinct(dir.path());
    assert!(
        said.contains(&format!("pool.jsonl: 90 posts: {} that say what others say, {n} to choose from", 90 - n)),
        "{said}"
    );
    let chosen = lines(&found);
    assert_eq!(chosen.len(), 6);
    for (i, line) in chosen.iter().enumerate() {
        let suggested = &line["suggested"];
        // Those for dev are spread among the others.
        let is_for_dev = i == 1 || i == 4;
        assert_eq!(
            (suggested["rank"].as_u64(), suggested["for_dev"].as_bool()),
            (Some(i as u64 + 1), Some(is_for_dev))
        );
        let reason = suggested["reason"].as_str().expect("a reason");
        assert!(if is_for_dev { reason == "at random" } else { reason.ends_with("entities expected") }, "{reason}");
        assert!(line["entities"].is_array() && line["words"].is_array(), "{line}");
    }
    let mut distinct = ids(&found);
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 6);
    let (table, _) = suggest("--n 6 --for-dev 2 --model run --to csv");
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!((rows[0], rows.len()), ("rank,score,reason,for_dev,id,image,text,entities", 7));
    assert!(rows[1].starts_with("1,") && rows[1].contains(" entities expected,false,"), "{}", rows[1]);
    // The same again, and others by another seed or what is labelled.
    assert_eq!(suggest("--n 6 --for-dev 2 --model run").0, found);
    assert!(
        said.contains("6 of these posts are among those that run learned from or was selected on: --exclude ")
            && said.contains("data/train.txt ")
            && said.contains("data/valid.txt leaves them out"),
        "{said}"
    );
    fs::copy(dir.path().join("data/valid.txt"), dir.path().join("mine.txt")).expect("writable");
    let (_, said) = check(dir.path(), "suggest --pool mine.txt --n 3 --model run", "", 0);
    assert!(said.contains("3 of these posts are among those that run learned from"), "{said}");
    fs::write(dir.path().join("done.jsonl"), &found).expect("writable");
    let (rest, said) = suggest("--n 84 --model run --exclude done.jsonl");
    assert!(said.contains(" labelled already, "), "{said}");
    assert!(said.contains("; 84 were asked for, and no more are left"), "{said}");
    assert_eq!(lines(&rest).len(), n - 6, "all others once");
    assert!(ids(&rest).iter().all(|id| !distinct.contains(id)));
    assert_ne!(suggest("--n 6 --strategy random").0, suggest("--n 6 --strategy random --seed 2").0);
    check(dir.path(), &format!("train --data data --out other --seed 2 {TRAIN}"), "", 0);
    let of_two = "disagreement --model run --model other";
    for strategy in ["entropy --model run", "surprise --model run", "typical --model run", of_two, "names"] {
        let (found, said) = suggest(&format!("--n 5 --strategy {strategy}"));
        assert_eq!(lines(&found).len(), 5, "{strategy}: {said}");
    }
    let (found, _) = suggest("--n 5 --strategy surprise --model run");
    let reason = lines(&found)[0]["suggested"]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.starts_with("a VAE loss of "), "{reason}");
}

#[test]
fn images_tell_which_posts_are_alike() {
    let dir = folder_with_corpus("data", 60, 8);
    let dir = dir.path();
    let features = "--image-features data/features.safetensors";
    check(dir, &format!("train --data data --out run {TRAIN}"), "", 0);
    check(dir, &format!("train --data data {features} --out seen {TRAIN}"), "", 0);
    let texts = |options: &str| {
        let (found, _) = check(dir, &format!("suggest --pool data/train.txt --n 20 {options}"), "", 0);
        lines(&found).iter().map(|line| line["words"].clone()).collect::<Vec<_>>()
    };
    // The same vectors with the ids of each other.
    let vectors = ImageVectors::load(dir.join("data/features.safetensors")).expect("our own vectors");
    let ids: Vec<&str> = vectors.ids().collect();
    let others = ids.iter().zip(ids.iter().cycle().skip(7));
    let others = others.map(|(id, other)| ((*id).to_owned(), vectors.get(other).expect("its own id").to_vec()));
    let others = ImageVectors::from_map(others.collect()).expect("of one width");
    others.save(dir.join("others.safetensors")).expect("writable");
    // Without a model, with one of text alone, and with one that has its own vectors.
    for how in ["--strategy names", "--model run", "--model seen --trust-images"] {
        let by_share = |file: &str, share: f32| texts(&format!("{how} --image-features {file} --image-share {share}"));
        let own = by_share("data/features.safetensors", 0.5);
        assert_ne!(own, texts(how.trim_end_matches(" --trust-images")), "{how}");
        assert_ne!(own, by_share("others.safetensors", 0.5), "{how}");
    }
    assert_ne!(texts("--model seen --image-share 0.5"), texts("--model seen"), "the model has vectors");
    let ana = json!({"text": "Ana Silva in Oslo", "image_id": "elsewhere"}).to_string() + "\n";
    let own = json!({"text": "Zarko lands", "image_id": ids[0]}).to_string() + "\n";
    fs::write(dir.join("mine.jsonl"), ana.clone() + &own).expect("writable");
    let (_, said) = check(dir, &format!("suggest --pool mine.jsonl {features} --image-share 0.5"), "", 0);
    assert!(said.contains("1 of 2 posts have no image vector, and are compared by their texts alone"), "{said}");
    fs::write(dir.join("mine.jsonl"), ana).expect("writable");
    let (_, said) = check(dir, &format!("suggest --pool mine.jsonl {features} --image-share 0.5"), "", 0);
    assert!(said.contains("by their texts alone: the vectors have other ids"), "{said}");
    let (_, said) = check(dir, &format!("suggest --pool data/train.txt {features}"), "", 2);
    assert!(said.contains("--image-share says how much they count"), "{said}");
    let (_, said) = check(dir, "suggest --pool data/train.txt --image-share 0.5", "", 2);
    assert!(said.contains("needs --image-features FILE, or --images DIR"), "{said}");
    let (_, said) = check(dir, &format!("suggest --pool data/train.txt {features} --image-share 2"), "", 2);
    assert!(said.contains("--image-share must be 0 to 1, got 2"), "{said}");
}

#[test]
fn a_model_that_reads_captions_reads_those_of_the_pool() {
    let dir = folder_with_corpus("data", 60, 8);
    let dir = dir.path();
    let train = load_split(dir.join("data"), Split::Train).expect("our own files").samples;
    let line = |sample: &smvae::data::Sample| {
        json!({"image_id": sample.image_id, "caption": sample.words.join(" ")}).to_string() + "\n"
    };
    fs::write(dir.join("captions.jsonl"), train.iter().map(line).collect::<String>()).expect("writable");
    check(dir, &format!("train --data data --captions captions.jsonl --out run {TRAIN}"), "", 0);
    let missing = |options: &str| {
        let (found, _) = check(dir, &format!("suggest --pool data/train.txt --n 5 --model run {options}"), "", 0);
        lines(&found).iter().filter(|line| line["caption_missing"] == true).count()
    };
    assert_eq!((missing(""), missing("--captions captions.jsonl")), (0, 0));
    fs::rename(dir.join("captions.jsonl"), dir.join("moved.jsonl")).expect("it is there");
    let (_, said) = check(dir, "suggest --pool data/train.txt --n 5 --model run", "", 0);
    assert!(said.contains("name a copy of their file with --captions"), "{said}");
    assert_eq!((missing(""), missing("--captions moved.jsonl")), (5, 0));
}

#[test]
fn a_manifest_is_what_train_reads() {
    let dir = folder();
    let suggest = "suggest --pool data/train.txt --n 5 --model run --output -";
    check(dir.path(), &format!("{suggest} --manifest one.json"), "", 0);
    check(dir.path(), &format!("{suggest} --labelled one.json --manifest two.json"), "", 0);
    let (alone, _) = check(dir.path(), &format!("{suggest} --to manifest"), "", 0);
    assert_eq!(alone, read(dir.path(), "one.json"));
    let load = |name| Selection::load(dir.path().join(name)).expect("a manifest");
    let (one, two) = (load("one.json"), load("two.json"));
    assert_eq!((one.n, two.n), (5, 10));
    assert!(one.labelled.iter().all(|post| two.labelled.contains(post)));
    let corpus = Corpus::load(dir.path().join("data")).expect("our own files");
    two.split(&corpus.train, &corpus.files.train.sha256).expect("positions of the training split");
    check(dir.path(), &format!("train --data data --labelled two.json --out ten {TRAIN}"), "", 0);
    // Those for dev are not to be trained on.
    let (found, _) = check(dir.path(), &format!("{suggest} --for-dev 2 --manifest three.json"), "", 0);
    assert_eq!((lines(&found).len(), load("three.json").n), (5, 3));
}

#[test]
fn a_copy_of_a_labelled_post_is_not_suggested_wherever_it_stands() {
    let dir = folder();
    let post = |id: &str, words: &str| json!({"id": id, "text": words}).to_string() + "\n";
    let pool = post("copy", "Zarko met Oslo") + &post("other", "the cat sat") + &post("labelled", "Zarko met Oslo");
    fs::write(dir.path().join("three.jsonl"), &pool).expect("writable");
    let digest = smvae::data::files::sha256_file(&dir.path().join("three.jsonl")).expect("readable");
    let third = Selected { position: 2, image_id: String::new() };
    Selection::of(1, digest, [third]).save(dir.path().join("third.json")).expect("writable");
    let suggest = "suggest --pool three.jsonl --n 3 --strategy names --labelled third.json";
    let (found, said) = check(dir.path(), suggest, "", 0);
    assert_eq!(ids(&found), ["other"]);
    assert!(said.contains("three.jsonl: 3 posts: 2 labelled already, 1 to choose from"), "{said}");
}

#[test]
fn what_was_labelled_comes_back_and_trains() {
    let dir = folder();
    let pool = "--pool pool.jsonl --n 40 --for-dev 3 --model run --to label-studio --output tasks.json";
    check(dir.path(), &format!("suggest {pool}"), "", 0);
    let tasks: Vec<Value> = serde_json::from_str(&read(dir.path(), "tasks.json")).expect("an array");
    assert_eq!(tasks.len(), 40);
    let (data, prediction) = (&tasks[0]["data"], &tasks[0]["predictions"][0]);
    assert!(data["reason"].as_str().is_some_and(|reason| reason.ends_with("entities expected")), "{data}");
    let scores: Vec<f64> = tasks.iter().filter_map(|task| task["predictions"][0]["score"].as_f64()).collect();
    assert!(scores.len() == 40 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(prediction["model_version"].as_str().is_some_and(|version| version.starts_with("run@")), "{prediction}");
    fs::write(dir.path().join("export.json"), json!(labelled(dir.path(), tasks)).to_string()).expect("writable");
    let import = "import export.json --to labelled.jsonl --unlabelled rest.jsonl";
    check(dir.path(), &format!("{import} --dev dev.jsonl"), "", 0);
    assert_eq!(
        (lines(&read(dir.path(), "labelled.jsonl")).len(), lines(&read(dir.path(), "dev.jsonl")).len()),
        (35, 3)
    );
    let (_, said) = check(dir.path(), import, "", 2);
    assert!(said.contains("--to labelled.jsonl is there already, and holds 35 labelled posts"), "{said}");
    let (_, said) = check(dir.path(), "import export.json --to other.jsonl --dev dev.jsonl", "", 2);
    assert!(said.contains("--dev dev.jsonl is there already, and holds 3 labelled posts"), "{said}");
    // The week after, what is now a split is replaced; what is no file of posts has none to lose.
    fs::write(dir.path().join("dev.jsonl"), "of an earlier week\n").expect("writable");
    let (_, said) = check(dir.path(), "import export.json --to other.jsonl --dev dev.jsonl", "", 2);
    assert!(said.contains("--dev dev.jsonl is there already: --overwrite replaces it"), "{said}");
    check(dir.path(), &format!("{import} --dev dev.jsonl --overwrite"), "", 0);
    assert_eq!(lines(&read(dir.path(), "dev.jsonl")).len(), 3);
    let (_, said) = check(dir.path(), &format!("{import} --overwrite"), "", 0);
    assert!(said.contains("3 of them were drawn for dev: --dev FILE keeps them apart"), "{said}");
    assert!(said.contains("export.json: 40 posts of Label Studio"), "{said}");
    assert!(said.contains("; 1 nobody has labelled; 1 skipped"), "{said}");
    assert_eq!(lines(&read(dir.path(), "labelled.jsonl")).len(), 38);
    assert_eq!(lines(&read(dir.path(), "rest.jsonl")).len(), 2);
    let split = "split labelled.jsonl --to mine --dev 0.2 --test 0.2 --rest-of pool.jsonl";
    check(dir.path(), split, "", 0);
    let corpus = Corpus::load(dir.path().join("mine")).expect("a corpus");
    assert_eq!((corpus.train.len(), corpus.dev.len(), corpus.test.len()), (22, 8, 8));
    let (_, error) = check(dir.path(), split, "", 2);
    assert!(error.contains("is there already: --overwrite replaces it"), "{error}");
    check(dir.path(), &format!("{split} --overwrite"), "", 0);
    let (_, error) = check(dir.path(), "split labelled.jsonl --to mine --dev 0.2 --test 0.2 --overwrite", "", 2);
    assert!(error.contains("unlabelled.jsonl is the rest of an earlier split"), "{error}");
    // A pool that cannot be read leaves nothing behind.
    check(dir.path(), "split labelled.jsonl --to elsewhere --rest-of absent.jsonl", "", 1);
    assert!(!dir.path().join("elsewhere").exists());
    let rest = lines(&read(dir.path(), "mine/unlabelled.jsonl"));
    assert_eq!(rest.len(), n_distinct(dir.path()) - 22 - 8 - 8, "no post of any split is among them");
    assert!(rest.iter().all(|line| line["id"].is_string() && line["text"].is_string()), "{:?}", rest[0]);
    let train = format!("train --data mine --semi --unlabelled mine/unlabelled.jsonl --out semi --max-steps 3 {TRAIN}");
    let (_, said) = check(dir.path(), &train, "", 0);
    assert!(said.contains(&format!("{} posts without labels from mine/unlabelled.jsonl", rest.len())), "{said}");
    check(dir.path(), "train --resume semi", "", 0);
    let (_, error) = check(dir.path(), &train.replace("--semi ", "").replace("--out semi", "--out other"), "", 2);
    assert!(error.contains("--unlabelled needs --semi"), "{error}");
}

/// The tasks as somebody labelled them who knows the corpus; one was left and one skipped.
fn labelled(dir: &Path, tasks: Vec<Value>) -> Vec<Value> {
    let train = load_split(dir.join("data"), Split::Train).expect("our own files").samples;
    let of_text: HashMap<String, &smvae::data::Sample> =
        train.iter().map(|sample| (sample.words.join(" "), sample)).collect();
    let label = |(i, mut task): (usize, Value)| {
        let text = task["data"]["text"].as_str().expect("a text").trim_start_matches("RT @me: ").to_owned();
        let sample = of_text[&text];
        let start_of = |word: usize| sample.words[..word].iter().map(|word| word.chars().count() + 1).sum::<usize>();
        let shift = task["data"]["text"].as_str().expect("a text").chars().count() - text.chars().count();
        let regions = sample.entities(Convention::Conlleval).expect("our own tags").into_iter().map(|entity| {
            let mention = sample.words[entity.span.start..entity.span.end].join(" ");
            let start = shift + start_of(entity.span.start);
            let end = start + mention.chars().count();
            json!({"type": "labels", "value": {"start": start, "end": end, "text": mention, "labels": [entity.label]}})
        });
        let result = json!({"result": regions.collect::<Vec<_>>(), "was_cancelled": i == 1});
        task["annotations"] = if i == 0 { json!([]) } else { json!([result]) };
        task
    };
    tasks.into_iter().enumerate().map(label).collect()
}

#[test]
fn a_corpus_goes_out_and_comes_back() {
    let dir = folder();
    let of = |name: &str| -> Vec<(Vec<String>, Vec<String>)> {
        let samples = smvae::data::corpus::load_file(dir.path().join(name)).expect("a corpus").samples;
        samples.into_iter().map(|sample| (sample.words, sample.tags)).collect()
    };
    let want = of("data/valid.txt");
    for to in ["label-studio", "doccano", "prodigy", "spacy"] {
        check(dir.path(), &format!("export data --split dev --to {to} --output {to}.json"), "", 0);
        check(dir.path(), &format!("import {to}.json --to {to}.jsonl --words whitespace"), "", 0);
        let back = of(&format!("{to}.jsonl"));
        // Posts that say the same of one image are one.
        assert!(!back.is_empty() && back.iter().all(|post| want.contains(post)), "{to}");
        assert!(want.iter().all(|post| back.iter().any(|other| other.0 == post.0)), "{to}");
    }
    for (to, name) in [("csv", "sheet.csv"), ("huggingface", "tokens.jsonl"), ("conll", "columns.conll")] {
        let (_, said) =
            check(dir.path(), &format!("export data --split dev --to {to} --to-scheme bilou --output {name}"), "", 0);
        assert!(said.contains(&format!("posts of data/valid.txt as {to}")), "{said}");
        assert_eq!(of(name), want, "{to}");
    }
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).expect("a file")
}

#[test]
fn an_experiment_chooses_posts_by_the_models_of_its_earlier_runs() {
    let dir = folder_with_corpus("data", 60, 8);
    let dir = dir.path();
    fs::write(dir.join("labels.toml"), EXPERIMENT).expect("writable");
    let (table, _) = check(dir, "experiment labels.toml --threads 1 --out out", "", 0);
    assert!(table.contains("data rich") && table.contains("minus base"), "{table}");
    let labelled = |id: &str| -> HashSet<usize> {
        let selection = Selection::load(dir.join("out/runs").join(id).join("selection.json")).expect("a manifest");
        selection.labelled.iter().map(|post| post.position).collect()
    };
    let [first, second, third, pupil] =
        ["base-8", "rich-11", "rich-14", "pupil-14"].map(|run| labelled(&format!("data-{run}-d1-s0")));
    assert_eq!((first.len(), second.len(), third.len()), (8, 11, 14));
    assert!(first.is_subset(&second) && second.is_subset(&third) && pupil == third);
    // What labelling costs is counted beside the scores.
    let results = read(dir, "out/results.jsonl");
    let train = load_split(dir.join("data"), Split::Train).expect("our own files").samples;
    let words: usize = third.iter().map(|i| train[*i].words.len()).sum();
    let of = |results: &str, id: &str| lines(results).into_iter().find(|line| line["run"]["id"] == id);
    let rich = of(&results, "data-rich-14-d1-s0").expect("a result");
    assert_eq!(rich["cost"]["words"], words);
    let choice = &rich["run"]["choice"];
    assert_eq!((&choice["strategy"], &choice["after"]), (&json!("entities"), &json!("data-rich-11-d1-s0")));
    // Their model cards say how to train on the same posts again, in spite of the number in the
    // settings.
    let card = read(dir, "out/runs/data-rich-14-d1-s0/README.md");
    let command = card.lines().find_map(|line| line.strip_prefix("smvae train ")).expect("a command");
    let place = |file: &str| format!("out/runs/data-rich-14-d1-s0/{file}.json");
    let command = command.replace("config.json", &place("config")).replace("selection.json", &place("selection"));
    let command = command.replace("CORPUS", "data").replace("RUN", "repeated");
    check(dir, &format!("train {command} --no-captions"), "", 0);
    assert_eq!(read(dir, "repeated/selection.json"), read(dir, &place("selection")));
    // Elsewhere all but the pupil is finished: it needs the posts of a run whose result alone is
    // there, so that this one, and what it began with, is run again. The results are the same.
    let others: String =
        results.lines().filter(|line| !line.contains("data-pupil")).map(|line| line.to_owned() + "\n").collect();
    fs::write(dir.join("others.jsonl"), others).expect("writable");
    let (_, said) = check(dir, "experiment labels.toml --threads 1 --out again --finished others.jsonl", "", 0);
    assert!(said.contains("1 runs are taken from other results"), "{said}");
    let again = read(dir, "again/results.jsonl");
    for id in ["data-rich-14-d1-s0", "data-pupil-14-d1-s0"] {
        assert_eq!(of(&again, id).expect("a result")["test"], of(&results, id).expect("a result")["test"], "{id}");
    }
    // A result without the test split that is asked for is no end: what it needs is run again, too.
    let mut closed = of(&results, "data-pupil-14-d1-s0").expect("a result");
    closed["test"] = json!(null);
    let place = dir.join("closed/runs/data-pupil-14-d1-s0");
    fs::create_dir_all(&place).expect("writable");
    fs::write(place.join("result.json"), closed.to_string()).expect("writable");
    let (_, said) = check(dir, "experiment labels.toml --threads 1 --out closed --finished others.jsonl", "", 0);
    assert!(said.contains("1 runs are taken from other results"), "{said}");
    // Posts that are another run's need no model of it.
    let remove = |path: &str| fs::remove_file(dir.join(path)).expect("it is there");
    let begin_again = |id: &str| fs::remove_dir_all(dir.join("again/runs").join(id)).expect("it is there");
    remove("again/runs/data-rich-14-d1-s0/weights.safetensors");
    begin_again("data-pupil-14-d1-s0");
    check(dir, "experiment labels.toml --threads 1 --out again", "", 0);
    // A folder with a result and no model that chooses is said by name.
    remove("again/runs/data-rich-11-d1-s0/weights.safetensors");
    begin_again("data-rich-14-d1-s0");
    let (_, said) = check(dir, "experiment labels.toml --threads 1 --out again", "", 1);
    assert!(said.contains("data-rich-14-d1-s0 needs the model of data-rich-11-d1-s0, which has none here"), "{said}");
}

const EXPERIMENT: &str = r#"
text_encoder = "tiny"
baseline = "base"
[corpora.data]
data = "data"
[settings]
model = { hidden_dim = 8, latent_dim = 4 }
training = { epochs = 1 }
[methods.base]
[methods.rich]
choose = { strategy = "entities", first = 8, step = 3, with = "base" }
[methods.pupil]
choose = { same_as = "rich" }
[[grids]]
corpora = ["data"]
methods = ["base", "rich", "pupil"]
labels = [14]
draws = [1]
"#;

#[test]
fn spans_that_do_not_fit_are_listed_and_nothing_is_written() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let export = r#"{"id": 7, "text": "Lady Gaga lands", "label": [[0, 6, "PER"]]}"#;
    fs::write(dir.path().join("doccano.jsonl"), export).expect("writable");
    let import = "import doccano.jsonl --to labelled.jsonl";
    let (_, error) = check(dir.path(), import, "", 1);
    assert!(
        error.contains(r#"doccano.jsonl:1 (id 7): "Lady G" (PER, characters 0..6) is not of whole words"#),
        "{error}"
    );
    assert!(error.contains("1 span does not fit the words, and nothing is written"), "{error}");
    assert!(!dir.path().join("labelled.jsonl").exists());
    check(dir.path(), &format!("{import} --misfits move"), "", 0);
    assert_eq!(json_of(&read(dir.path(), "labelled.jsonl"))["entities"], json!([{"words": [0, 2], "label": "PER"}]));
    check(dir.path(), &format!("{import} --misfits drop --overwrite --dev dev.jsonl"), "", 0);
    assert!(!dir.path().join("dev.jsonl").exists(), "no post is for dev");
    assert_eq!(json_of(&read(dir.path(), "labelled.jsonl"))["entities"], json!([]));
    let blank = r#"{"id": 8, "text": "Lady Gaga lands", "label": [[0, 9, ""], [10, 15, "X"]]}"#;
    fs::write(dir.path().join("blank.jsonl"), blank).expect("writable");
    check(dir.path(), "import blank.jsonl --to rest.jsonl --misfits drop", "", 0);
    assert_eq!(json_of(&read(dir.path(), "rest.jsonl"))["entities"], json!([{"words": [2, 3], "label": "X"}]));
    check(dir.path(), "import doccano.jsonl --to labelled.conll --misfits move", "", 0);
    assert_eq!(read(dir.path(), "labelled.conll"), "IMGID:doccano-1-7\nLady\tB-PER\nGaga\tI-PER\nlands\tO\n\n");
}

#[test]
fn what_makes_no_sense_is_said() {
    let dir = folder();
    let fails = |line: &str, code, message: &str| {
        let (_, error) = check(dir.path(), line, "", code);
        assert!(error.contains(message), "{line}\n{error}");
    };
    fails("suggest --pool pool.jsonl --strategy entities", 2, "--strategy entities needs --model RUN");
    fails("suggest --pool pool.jsonl --strategy typical", 2, "needs --text-encoder, or --model RUN");
    fails("suggest --pool pool.jsonl --strategy disagreement --model run", 2, "--model RUN twice at least");
    fails("suggest --pool pool.jsonl --strategy disagreement --model run --model ./run", 2, "is given twice");
    fails("suggest --pool pool.jsonl --output pool.jsonl", 2, "--output pool.jsonl would write over --pool");
    fails("suggest --pool pool.jsonl --output a.json --manifest a.json", 2, "would write over --output");
    fails("import pool.jsonl --to ./pool.jsonl", 2, "would write over an export");
    fails("import pool.jsonl --to a.jsonl --unlabelled a.jsonl", 2, "would write over --to");
    let random =
        "suggest --pool pool.jsonl --strategy random --image-share 0.5 --image-features data/features.safetensors";
    fails(random, 2, "looks at no post");
    fails("suggest --pool pool.jsonl --image-share -0.5", 2, "--image-share must be 0 to 1, got -0.5");
    fails("suggest --pool pool.jsonl --model run --image-share 0.5 --no-images", 2, "cannot be used with");
    fails("suggest --pool pool.jsonl --n 0", 2, "`n` must be at least 1");
    fails("suggest --pool absent.jsonl", 1, "absent.jsonl");
    fails("suggest --pool pool.jsonl --text-encoder tiny", 2, "one that has learnt something");
    fails("suggest --pool pool.jsonl --labelled run/selection.json", 1, "was made from a training file");
    fails("import pool.jsonl --to a.jsonl", 1, "an export of Label Studio");
    fails("import pool.jsonl --to a.csv", 2, "name a .jsonl or a .conll file");
    fails("split pool.jsonl --to mine", 1, "pool.jsonl:1: expected words with labels");
    fails("suggest --pool pool.jsonl --exclude pool.jsonl", 1, "no post is left to suggest: nothing is written");
    fails("split data/train.txt --to mine --dev 0.6 --test 0.6", 2, "`test` must be less than what dev leaves");
    let (found, _) = check(dir.path(), "suggest --pool pool.jsonl --n 1000000000000", "", 0);
    assert_eq!(lines(&found).len(), n_distinct(dir.path()));
    assert!(lines(&found)[0].get("entities").is_none(), "no model has looked");
    fs::write(dir.path().join("found.jsonl"), found).expect("writable");
    fails("import found.jsonl --to a.jsonl", 1, "an export of Label Studio");
    fails("split pool.jsonl --to data", 2, "train.txt is there already");
    fs::write(dir.path().join("bad.jsonl"), "{\"text\": \"Ana in Oslo\"}\n{\"x\": 1}\n").expect("writable");
    let (found, error) = check(dir.path(), "suggest --pool bad.jsonl --n 3", "", 3);
    assert_eq!(lines(&found).len(), 1);
    assert!(error.contains("bad.jsonl:2: expected an object with"), "{error}");
    fails("suggest --pool bad.jsonl --manifest m.json", 1, "bad.jsonl:2");
}
