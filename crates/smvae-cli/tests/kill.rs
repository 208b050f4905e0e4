//! The built program, killed at moments that a seed chooses and started again: a run and an
//! experiment come to the results they would have had.

mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use support::{check, folder_with_corpus, smvae};

/// A folder with the corpus `corpus`.
fn folder() -> tempfile::TempDir {
    folder_with_corpus("corpus", 40, 8)
}

/// Moments between nothing and a span of time, from a seed (Knuth's generator).
struct Moments(u64);

impl Moments {
    fn next(&mut self, within: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        within.mul_f64((self.0 >> 40) as f64 / (1u64 << 24) as f64)
    }
}

/// Kills a process after a while, unless it ends before; whether it was killed.
fn kill(mut child: Child, after: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < after {
        if child.try_wait().expect("our own child").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // SIGKILL, on Unix.
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    true
}

fn spawn(dir: &Path, line: &str) -> Child {
    smvae(dir, line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// Lines of JSON without what differs between two runs of one seed.
fn lines(path: &Path, but_for: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a file of the run");
    let parse = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        line.as_object_mut().expect("an object").remove(but_for).expect("there");
        line
    };
    text.lines().map(parse).collect()
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("weights.safetensors")).expect("weights")
}

#[test]
fn a_killed_run_continues_to_the_same_bits() {
    let dir = folder();
    let dir = dir.path();
    let train = "train --data corpus --image-features corpus/features.safetensors --text-encoder tiny --hidden-dim 8 \
                 --latent-dim 4 --max-width 3 --labelled 12 --semi --batch 3 --unlabelled-batch 3 --epochs 10 \
                 --eval-every 2 --checkpoint-every 1 --threads 2 --out";
    let start = Instant::now();
    check(dir, &format!("{train} whole"), "", 0);
    let within = start.elapsed();
    let (mut moments, mut kills) = (Moments(7), 0);
    while kills < 6 {
        let begun = dir.join("killed/config.json").exists();
        let line = if begun { "train --resume killed".to_owned() } else { format!("{train} killed") };
        if !kill(spawn(dir, &line), moments.next(within.div_f64(4.0))) {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 2, "it was too quick to be killed");
    let (_, log) = check(dir, "train --resume killed", "", 0);
    assert!(log.contains("done after 10 epochs") || log.contains("nothing to do"), "{log}");
    let [whole, killed] = ["whole", "killed"].map(|name| dir.join(name));
    assert_eq!(lines(&killed.join("metrics.jsonl"), "timing"), lines(&whole.join("metrics.jsonl"), "timing"));
    assert!(weights(&killed) == weights(&whole), "other weights");
    assert!(check(dir, "train --resume killed", "", 0).1.contains("finished: there is nothing to do"));
    assert!(
        check(dir, "train --resume corpus", "", 1).1.contains("corpus is not a run folder: config.json is missing")
    );
    assert!(check(dir, "train --resume killed --seed 3", "", 2).1.contains("--seed: a resumed run has"));
}

const EXPERIMENT: &str = r#"
text_encoder = "tiny"
baseline = "supervised"
[corpora.synthetic]
data = "corpus"
image_features = "corpus/features.safetensors"
[settings]
input = { max_width = 3 }
model = { hidden_dim = 8, latent_dim = 4 }
training = { epochs = 4, batch_size = 3, unlabelled_batch_size = 3, checkpoint_every = 1 }
[methods.supervised]
[methods.semi]
training = { semi = true }
[methods.text]
images = false
[[grids]]
corpora = ["synthetic"]
methods = ["supervised", "semi"]
labels = [8]
draws = [0, 1]
[[grids]]
corpora = ["synthetic"]
methods = ["text", "supervised"]
labels = [8]
draws = [1]
dev_only = true
dev_labels = 4
"#;

const RUNS: [&str; 6] = [
    "synthetic-supervised-8-d0-s0",
    "synthetic-supervised-8-d1-s0",
    "synthetic-semi-8-d0-s0",
    "synthetic-semi-8-d1-s0",
    "synthetic-text-8-d1-s0-dev4",
    "synthetic-supervised-8-d1-s0-dev4",
];

fn write(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("experiment.toml");
    std::fs::write(&path, text).expect("writes");
    path
}

#[test]
fn a_killed_experiment_continues_to_the_same_results() {
    let dir = folder();
    let dir = dir.path();
    write(dir, EXPERIMENT);
    let line = "experiment experiment.toml --jobs 2 --threads 1 --out";
    let (plan, _) = check(dir, &format!("{line} whole --dry-run"), "", 0);
    assert!(RUNS.iter().all(|id| plan.contains(id)) && plan.contains("6 runs, 0 done"), "{plan}");
    let start = Instant::now();
    let (table, log) = check(dir, &format!("{line} whole"), "", 0);
    let within = start.elapsed();
    assert!(table.contains("6 of 6 runs are finished") && table.contains("minus supervised"), "{table}\n{log}");

    let (mut moments, mut kills) = (Moments(3), 0);
    while kills < 3 && kill(spawn(dir, &format!("{line} killed")), moments.next(within.div_f64(1.5))) {
        kills += 1;
    }
    assert!(kills >= 1, "it was too quick to be killed");
    // Whatever the last kill left behind has ended by then, or is waited for.
    check(dir, &format!("{line} killed"), "", 0);
    let [whole, killed] = ["whole", "killed"].map(|name| dir.join(name));
    let results = lines(&killed.join("results.jsonl"), "seconds");
    assert_eq!(results, lines(&whole.join("results.jsonl"), "seconds"));
    assert_eq!(results.iter().map(|result| result["run"]["id"].as_str().expect("a name")).collect::<Vec<_>>(), RUNS);
    for id in RUNS {
        assert!(weights(&killed.join("runs").join(id)) == weights(&whole.join("runs").join(id)), "other weights: {id}");
    }
    let read = |folder: &Path, file: &str| std::fs::read(folder.join(file)).expect("a file of the experiment");
    assert!(read(&killed, "summary.json") == read(&whole, "summary.json"));
    assert!(read(&killed, "summary.csv") == read(&whole, "summary.csv"));
    let opened: Vec<bool> = results.iter().map(|result| !result["test"].is_null()).collect();
    assert_eq!(opened, [true, true, true, true, false, false]);
}

#[test]
fn an_experiment_that_fails_leaves_no_process_behind() {
    let dir = folder();
    let dir = dir.path();
    write(dir, EXPERIMENT);
    let [first, second] = [0, 1].map(|i| dir.join("out/runs").join(RUNS[i]));
    // The second run cannot be begun while the first is under way.
    std::fs::create_dir_all(second.join("log.txt")).expect("writable");
    let (_, log) = check(dir, "experiment experiment.toml --jobs 2 --threads 1 --out out", "", 1);
    assert!(log.contains("log.txt"), "{log}");
    assert!(first.join("files.json").exists(), "its process was waited for, which writes this first");
    let lock = std::fs::File::open(first.join("lock")).expect("it has worked there");
    lock.try_lock().expect("it does not any more");
    drop(lock);
    std::fs::remove_dir(second.join("log.txt")).expect("it is empty");
    check(dir, "experiment experiment.toml --jobs 2 --threads 1 --out out", "", 0);
}

#[test]
fn an_experiment_says_what_is_wrong() {
    let dir = folder();
    let dir = dir.path();
    let small = EXPERIMENT.replace("epochs = 4", "epochs = 1").replace("draws = [0, 1]", "draws = [0]");
    write(dir, &small);
    let line = "experiment experiment.toml --threads 1 --out out";
    check(dir, line, "", 0);
    let (table, _) = check(dir, "experiment --summary out", "", 0);
    assert!(table.contains("4 of 4 runs are finished") && table.contains("synthetic semi"), "{table}");
    let before = lines(&dir.join("out/results.jsonl"), "threads");
    assert!(check(dir, line, "", 0).1.contains("4 runs, 4 finished before"));
    assert_eq!(lines(&dir.join("out/results.jsonl"), "threads"), before, "finished runs are not run again");

    // What is finished elsewhere is not run again either; what is not, is.
    let results = std::fs::read_to_string(dir.join("out/results.jsonl")).expect("it was written");
    let three: String = results.split_inclusive('\n').take(3).collect();
    std::fs::write(dir.join("three.jsonl"), three).expect("writes");
    let taken = "experiment experiment.toml --threads 1 --finished three.jsonl --out taken";
    assert!(check(dir, &format!("{taken} --dry-run"), "", 0).0.contains("4 runs, 3 done"));
    assert!(check(dir, &format!("{taken} --limit 0"), "", 0).0.contains("3 of 4 runs are finished"));
    std::fs::remove_dir_all(dir.join("taken")).expect("it is ours");
    let (_, log) = check(dir, taken, "", 0);
    assert!(log.contains("3 runs are taken from other results") && log.contains("4 runs, 3 finished before"), "{log}");
    let here = |id: &str| dir.join("taken/runs").join(id).join("run.json").exists();
    assert_eq!(
        ["text-8-d1-s0-dev4", "supervised-8-d1-s0-dev4"].map(|id| here(&format!("synthetic-{id}"))),
        [false, true]
    );
    let taken_results = lines(&dir.join("taken/results.jsonl"), "seconds");
    assert_eq!(taken_results, lines(&dir.join("out/results.jsonl"), "seconds"));
    assert!(check(dir, taken, "", 0).1.contains("0 runs are taken"), "they are here by now");
    let valid = std::fs::read_to_string(dir.join("corpus/valid.txt")).expect("it is there");
    std::fs::write(dir.join("corpus/valid.txt"), valid.clone() + "\nIMGID:0\nOslo\tB-LOC\n").expect("writes");
    let (_, log) = check(dir, &taken.replace("--out taken", "--out other"), "", 1);
    assert!(log.contains("than the experiment has now: file of dev, sha256 "), "{log}");
    // Nor do runs that are finished here count, if they read others.
    let (_, log) = check(dir, line, "", 1);
    assert!(log.contains("than the experiment has now: file of dev, sha256 "), "{log}");
    std::fs::write(dir.join("corpus/valid.txt"), valid).expect("writes");
    // What was begun with other files begins anew, whatever it has come to.
    let run = dir.join("out/runs/synthetic-semi-8-d0-s0");
    std::fs::remove_file(run.join("result.json")).expect("it is there");
    std::fs::write(run.join("weights.safetensors"), "of another encoder").expect("writes");
    let files = std::fs::read_to_string(run.join("files.json")).expect("it was written");
    std::fs::write(run.join("files.json"), files.replace("tiny", "another")).expect("writes");
    check(dir, line, "", 0);
    assert_eq!(lines(&dir.join("out/results.jsonl"), "seconds"), taken_results);
    check(dir, "report --text taken", "", 0);
    assert!(check(dir, &taken.replace("three", "four"), "", 1).1.contains("cannot read four.jsonl"));

    write(dir, &small.replace("semi = true", "semi = true, head_lr = 0.5"));
    let (_, log) = check(dir, line, "", 1);
    assert!(log.contains("the run synthetic-semi-8-d0-s0 was finished"), "{log}");
    assert!(log.contains("training.head_lr 0.001 -> 0.5"), "{log}");
    let (_, log) = check(dir, &taken.replace("--out taken", "--out other"), "", 1);
    assert!(log.contains("training.head_lr 0.001 -> 0.5") && log.contains("three.jsonl"), "{log}");
    assert!(!dir.join("other").exists());

    write(dir, &small.replace("labels = [8]\ndraws = [0]", "labels = [8, 999]\ndraws = [0]"));
    let (_, log) = check(dir, line, "", 1);
    assert!(log.contains("2 runs failed: synthetic-supervised-999-d0-s0, synthetic-semi-999-d0-s0"), "{log}");
    assert!(log.contains("the number of training posts, got 999"), "{log}");
    let failed = std::fs::read_to_string(dir.join("out/runs/synthetic-semi-999-d0-s0/failed.json")).expect("recorded");
    assert!(failed.contains("got 999"), "{failed}");
    assert!(check(dir, &format!("{line} --dry-run"), "", 0).0.contains("6 runs, 4 done"));

    write(dir, &small.replace("[methods.text]", "[methods.txet]"));
    assert!(check(dir, line, "", 2).1.contains("experiment.toml:23: there is no method \"text\""));
    write(dir, &small.replace("dev_labels = 4", "dev_labels = 999"));
    let (_, log) = check(dir, &line.replace("--out out", "--out dev"), "", 1);
    assert!(log.contains("the setting `dev_labels` must be at most the number of dev's posts, got 999"), "{log}");
    assert!(check(dir, "experiment absent.toml --out out", "", 1).1.contains("cannot read absent.toml"));
    assert!(check(dir, "experiment --summary corpus", "", 1).1.contains("cannot read corpus/summary.json"));
    check(dir, "experiment experiment.toml", "", 2);
}

#[test]
fn labelled_posts_are_drawn_and_used() {
    let dir = folder();
    let dir = dir.path();
    check(dir, "draw --data corpus --labels 5 --seed 1 --out draw-5-1.json", "", 0);
    check(dir, "draw --data corpus --labels 41 --seed 1 --out draw-41-1.json", "", 2);
    let text = EXPERIMENT.split("[[grids]]").next().expect("before the grids").replace("epochs = 4", "epochs = 1");
    let grid =
        "[[grids]]\ncorpora = [\"synthetic\"]\nmethods = [\"text\"]\nlabels = [5]\ndraws = [1]\ndev_only = true\n";
    let draws = "data = \"corpus\"\ndraws = \"draw-{labels}-{draw}.json\"";
    for (name, text) in [("drawn", text.clone()), ("given", text.replace("data = \"corpus\"", draws))] {
        write(dir, &(text + grid));
        check(dir, &format!("experiment experiment.toml --threads 1 --out {name}"), "", 0);
    }
    let run = |name: &str| weights(&dir.join(name).join("runs/synthetic-text-5-d1-s0"));
    assert!(run("drawn") == run("given"), "a manifest is the draw of its seed");
}
