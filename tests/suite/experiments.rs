//! The experiments of the repository: their files are well-formed, and their draws are what their
//! script makes.

use crate::golden::{root, shared};
use smvae::data::corpus::load_split;
use smvae::data::{Selection, Split, selection};
use smvae::experiment::results::{read_results, write_results};
use smvae::experiment::run::finished_elsewhere;
use smvae::experiment::{KnownDigests, Plan, RunSpec};
use std::path::PathBuf;

const CORPORA: [&str; 2] = ["twitter2015", "twitter2017"];

fn experiments() -> PathBuf {
    root().join("experiments")
}

fn draw(corpus: &str, labels: usize, draw: u64) -> Selection {
    let path = experiments().join(format!("draws/{corpus}-{labels}-{draw}.json"));
    Selection::load(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_run_of_an_experiment_has_its_draw() {
    let read = |file| Plan::read(experiments().join(file)).unwrap_or_else(|e| panic!("{e}")).runs;
    let files = ["few-labels.toml", "options.toml", "authors.toml", "labelling.toml", "captions.toml"];
    let runs = files.map(read).concat();
    assert!(runs.len() > 60, "{}", runs.len());
    let drawn = |run: &&RunSpec| run.run.config.labelled.is_some() && run.run.choice.is_none();
    for run in runs.iter().filter(drawn) {
        let path = run.sources.selection.as_ref().expect("every corpus has draws");
        let selection = Selection::load(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!((Some(selection.n), Some(selection.seed)), (run.run.config.labelled, run.run.config.selection_seed));
    }
}

#[test]
fn draws_are_nested() {
    for corpus in CORPORA {
        for n in 0..10 {
            let [fewest, fewer, more] = [50, 100, 200].map(|labels| draw(corpus, labels, n).labelled);
            assert!(fewest.iter().all(|post| fewer.contains(post)), "{corpus} {n}");
            assert!(fewer.iter().all(|post| more.contains(post)), "{corpus} {n}");
        }
    }
}

/// What `entities` of labelling.toml chose, for others to use: begun with the draw's 50.
#[test]
fn chosen_posts_begin_with_those_of_their_draw() {
    for n in 0..5 {
        let path = experiments().join(format!("chosen/twitter2017-entities-100-{n}.json"));
        let chosen = Selection::load(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let drawn = draw("twitter2017", 50, n);
        assert_eq!((chosen.n, chosen.seed, &chosen.train_sha256), (100, n, &drawn.train_sha256));
        assert!(drawn.labelled.iter().all(|post| chosen.labelled.contains(post)), "{n}");
    }
}

#[test]
fn draws_are_those_of_their_seeds() {
    for corpus in CORPORA {
        let Some(folder) = shared("draws_are_those_of_their_seeds", &format!("data/{corpus}")) else { return };
        let train = load_split(&folder, Split::Train).expect("a corpus");
        for labels in [50, 100, 200] {
            for n in 0..10 {
                let want = selection::select(labels, n, &train.samples, &train.file.sha256).expect("enough posts");
                assert_eq!(draw(corpus, labels, n), want, "{corpus} {labels} {n}");
            }
        }
    }
}

#[test]
fn kept_results_are_of_the_experiments_as_they_are() {
    let Some(_) = shared("kept_results_are_of_the_experiments_as_they_are", "models") else { return };
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    for (name, at_least) in [("few-labels", 60), ("options", 23), ("authors", 1), ("labelling", 22), ("captions", 15)] {
        let plan = Plan::read(experiments().join(format!("{name}.toml"))).unwrap_or_else(|e| panic!("{e}"));
        let kept = experiments().join("results").join(name);
        let file = kept.with_extension("jsonl");
        // Reading says which settings or files differ.
        let results =
            finished_elsewhere(&plan.runs, &file, &mut KnownDigests::default()).unwrap_or_else(|e| panic!("{e}"));
        assert!(results.len() >= at_least, "{name}: {}", results.len());
        assert!(read_results(&file).expect("just read") == results, "{name}: runs that no grid asks for");
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_results(folder.path(), &results).expect("writes");
        let table = read(folder.path().join("results.csv"));
        assert!(table == read(kept.with_extension("csv")), "{name}: the table is another's");
    }
}
