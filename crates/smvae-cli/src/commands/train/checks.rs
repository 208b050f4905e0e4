//! What is refused before training, and what is said of its posts.

use crate::failure::Usage;
use crate::labels::LabelCounts;
use crate::output::file_of;
use smvae::RunInfo;
use smvae::config::InputConfig;
use smvae::data::corpus::split_path;
use smvae::data::duplicates::key;
use smvae::data::{Sample, Split, gold_entities};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// Refuses the folder of a corpus as that of a run, whose files would lie among those of the
/// corpus. A folder that holds a run already is that of a run, whatever else lies in it.
pub(super) fn refuse_corpus(out: &Path) -> Result<(), Usage> {
    if RunInfo::exists(out) || file_of(out, Split::Train).is_none() {
        return Ok(());
    }
    Err(Usage(format!("--out {} is the folder of a corpus: name another, such as runs/mine", out.display())))
}

/// Refuses a folder of runs, or of an experiment, as that of a run: whoever looks for runs there
/// would find the new one alone.
pub(super) fn refuse_runs(out: &Path) -> Result<(), Usage> {
    let has_run = |folder: &PathBuf| {
        std::fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|entry| RunInfo::exists(entry.path())))
    };
    if RunInfo::exists(out) {
        return Ok(());
    }
    let Some(folder) = [out.to_owned(), out.join("runs")].into_iter().find(has_run) else { return Ok(()) };
    let (out, such) = (out.display(), folder.join("mine"));
    Err(Usage(format!("--out {out} holds runs: name one in it, such as {}", such.display())))
}

/// Refuses a split of the corpus as posts without labels. No file is opened.
pub(super) fn refuse_split(unlabelled: &Path, corpus: &Path) -> Result<(), Usage> {
    let Ok(place) = unlabelled.canonicalize() else { return Ok(()) };
    let is_it = |split: &Split| {
        split_path(corpus, *split).is_ok_and(|path| path.canonicalize().is_ok_and(|other| other == place))
    };
    let Some(split) = Split::ALL.into_iter().find(is_it) else { return Ok(()) };
    Err(Usage(format!(
        "--unlabelled {} is the {split} split of the corpus: name a file of other posts, such as the unlabelled.jsonl \
         of `split --rest-of`",
        unlabelled.display()
    )))
}

/// A warning where posts of dev say what posts of train say: a model knows them by heart.
pub(super) fn repeated(train: &[Sample], dev: &[Sample]) -> Option<String> {
    let known: HashSet<u64> = train.iter().map(|sample| key(&sample.words)).collect();
    let n = dev.iter().filter(|sample| known.contains(&key(&sample.words))).count();
    let say = if n == 1 { "says" } else { "say" };
    let all = dev.len();
    (n > 0)
        .then(|| format!("warning: {n} of {all} posts of dev {say} what a post of train says: F1 on dev will flatter"))
}

/// How many entities train has of each label.
pub(super) fn labels(train: &[Sample], input: &InputConfig) -> anyhow::Result<LabelCounts> {
    let mut counts = LabelCounts::default();
    gold_entities(train, input.convention)?.iter().for_each(|entities| counts.add(entities));
    Ok(counts)
}

/// Whose labels are counted: where a run has fewer labelled posts than the split has, it does not
/// learn from all of them.
pub(super) fn labels_of(n_labelled: usize, n_posts: usize) -> String {
    if n_labelled < n_posts { format!("labels of all {n_posts} posts of train") } else { "labels".to_owned() }
}

/// What to say of entities that no candidate span can match, since they are wider than
/// `--max-width`; a line for each split that has some.
pub(super) fn wide(splits: &[(&str, &[Sample])], input: &InputConfig) -> anyhow::Result<Vec<String>> {
    let max_width = input.max_width;
    let mut lines = Vec::new();
    for (split, samples) in splits {
        // Of each type, entities in all and those that are too wide.
        let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for entity in gold_entities(samples, input.convention)?.into_iter().flatten() {
            let (all, wide) = counts.entry(entity.label).or_default();
            *all += 1;
            *wide += usize::from(entity.span.width() > max_width);
        }
        counts.retain(|_, (_, wide)| *wide > 0);
        if !counts.is_empty() {
            let types: Vec<_> = counts.iter().map(|(label, (all, wide))| format!("{wide} of {all} {label}")).collect();
            lines.push(format!(
                "warning: entities of {split} are wider than --max-width {max_width}, so that no model finds them: {}",
                types.join(", ")
            ));
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posts(texts: &[&str]) -> Vec<Sample> {
        let post =
            |text: &&str| Sample { words: vec![(*text).to_owned()], tags: vec!["O".to_owned()], ..Sample::default() };
        texts.iter().map(post).collect()
    }

    /// What makes a folder a run.
    fn make_run(folder: &Path) {
        std::fs::create_dir_all(folder).expect("writable");
        for file in ["config.json", "encoder.json"] {
            std::fs::write(folder.join(file), "{}").expect("writable");
        }
    }

    #[test]
    fn posts_of_dev_that_train_has_are_counted() {
        let train = posts(&["Oslo wins!", "Rome"]);
        assert_eq!(repeated(&train, &posts(&["Paris", "London"])), None);
        let warning = repeated(&train, &posts(&["oslo wins", "Paris", "Rome"])).expect("two of them");
        assert_eq!(warning, "warning: 2 of 3 posts of dev say what a post of train says: F1 on dev will flatter");
        assert!(
            repeated(&train, &posts(&["rome"])).is_some_and(|warning| warning.contains("1 of 1 posts of dev says"))
        );
    }

    #[test]
    fn labels_are_those_of_the_whole_split() {
        assert_eq!(labels_of(10, 54), "labels of all 54 posts of train");
        assert_eq!(labels_of(54, 54), "labels");
    }

    #[test]
    fn a_folder_of_runs_is_none() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| dir.path().join(name);
        make_run(&at("runs/first"));
        make_run(&at("run"));
        // A run may hold others, such as its teachers.
        make_run(&at("run/teacher-1"));
        std::fs::create_dir(at("empty")).expect("writable");
        for folder in ["runs/first", "runs/new", "run", "empty", "absent"] {
            refuse_runs(&at(folder)).expect(folder);
        }
        for folder in ["runs", "."] {
            assert!(refuse_runs(&at(folder)).is_err(), "{folder}");
        }
        std::fs::remove_dir_all(at("run")).expect("it is there");
        let error = refuse_runs(dir.path()).expect_err("those of runs").to_string();
        assert!(error.ends_with(&format!("such as {}", at("runs/mine").display())), "{error}");
    }

    #[test]
    fn folders_and_files_of_a_corpus_are_told() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("corpus/runs")).expect("writable");
        for file in ["corpus/train.txt", "corpus/valid.txt", "corpus/test.jsonl", "corpus/unlabelled.jsonl"] {
            std::fs::write(at(file), "x").expect("writable");
        }
        assert!(refuse_corpus(&at("corpus/runs/../../corpus")).is_err());
        for folder in ["corpus/runs", "absent"] {
            refuse_corpus(&at(folder)).expect(folder);
        }
        make_run(&at("mine"));
        std::fs::write(at("mine/train.csv"), "x").expect("writable");
        refuse_corpus(&at("mine")).expect("it holds a run");
        let corpus = at("corpus");
        for (file, want) in [
            ("corpus/test.jsonl", Some("is the test split of the corpus")),
            ("corpus/runs/../valid.txt", Some("is the dev split of the corpus")),
            ("corpus/unlabelled.jsonl", None),
            ("absent.jsonl", None),
        ] {
            let got = refuse_split(&at(file), &corpus).err().map(|error| error.to_string());
            let is_so = want.map_or(got.is_none(), |want| got.as_ref().is_some_and(|got| got.contains(want)));
            assert!(is_so, "{file}: {got:?}");
        }
    }
}
