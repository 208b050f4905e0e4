//! The command line itself: help, completions, manual pages, settings, how much is said, and what
//! a run folder has for people.

mod support;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{check, folder_with_corpus, json_of, run};

const TINY: &str =
    "train --data corpus --text-encoder tiny --hidden-dim 8 --latent-dim 4 --max-width 3 --epochs 3 --threads 2";

fn folder() -> tempfile::TempDir {
    folder_with_corpus("corpus", 40, 8)
}

/// Whether a program of the system is there.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

#[test]
fn settings_that_are_printed_are_read_again() {
    let dir = folder();
    let dir = dir.path();
    for options in [
        "",
        "--preset twitter2017 --epochs 7",
        "--semi --teachers 2 --encoder-lr 1e-4 --batch 4",
        "--average 0.9 --set training.batch_unit=spans --set model.quirks.pad_to=100",
        "--set objective.soft_label_weight=2 --unlabelled-class marginal --freeze 2 --labelled 5",
        "--data corpus --text-encoder tiny --from conll",
    ] {
        let (printed, log) = check(dir, &format!("train --print-config {options}"), "", 0);
        assert_eq!(log, "");
        std::fs::write(dir.join("printed.json"), &printed).expect("writable");
        let (again, _) = check(dir, "train --print-config --config printed.json", "", 0);
        let without_places = |text: &str| {
            let mut config = json_of(text);
            config["data"] = Value::Null;
            config
        };
        assert_eq!(without_places(&again), without_places(&printed), "{options}");
    }
    assert!(!dir.join("run").exists());
    check(dir, &format!("{TINY} --set training.patience=3 --set objective.soft_label_weight=2 --out run"), "", 0);
    let (printed, _) = check(dir, "train --print-config --config run/config.json", "", 0);
    assert_eq!(json_of(&printed)["objective"]["soft_label_weight"], 2.0);
    assert_eq!(json_of(&printed)["training"]["patience"], 3);
    assert_eq!(json_of(&printed)["training"]["epochs"], 3);
}

#[test]
fn every_shell_has_completions() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (script, log) = check(dir.path(), &format!("completions {shell}"), "", 0);
        assert!(script.contains("smvae") && script.contains("resume") && log.is_empty(), "{shell}");
        let checker = match shell {
            "bash" => ("bash", "-n"),
            "zsh" => ("zsh", "-n"),
            "fish" => ("fish", "--no-execute"),
            _ => continue,
        };
        if has(checker.0) {
            std::fs::write(dir.path().join(shell), &script).expect("writable");
            let status = Command::new(checker.0).arg(checker.1).arg(dir.path().join(shell)).status();
            assert!(status.expect("it starts").success(), "{shell}");
        }
    }
    let (code, _, log) = run(dir.path(), "completions tcsh", "");
    assert!(code == Some(2) && log.contains("possible values: bash, elvish, fish, powershell, zsh"), "{log}");
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    let (page, _) = check(dir, "man", "", 0);
    assert!(page.contains(".TH smvae 1") && page.contains("smvae\\-train(1)"), "{page}");
    check(dir, "man share/man1", "", 0);
    let pages = std::fs::read_dir(dir.join("share/man1")).expect("made").map(|entry| entry.expect("readable").path());
    let mut pages: Vec<_> = pages.collect();
    pages.sort();
    let train = std::fs::read_to_string(dir.join("share/man1/smvae-train.1")).expect("a page");
    assert!(train.contains("smvae\\-train") && train.contains("\\-\\-encoder\\-lr"), "{train}");
    assert!(!pages.iter().any(|page| page.ends_with("smvae-experiment-run.1")), "{pages:?}");
    for page in pages {
        // Whichever of them the system has.
        for (renderer, args) in [("man", ["--warnings", "-l"]), ("mandoc", ["-T", "lint"])] {
            if !has(renderer) || renderer == "man" && !has("groff") {
                continue;
            }
            let output = Command::new(renderer).args(args).arg(&page).stdin(Stdio::null()).output().expect("it starts");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
        }
    }
    let (code, _, log) = run(dir, "man share/man1/smvae.1", "");
    assert!(code == Some(1) && log.contains("cannot write share/man1/smvae.1"), "{log}");
}

#[test]
fn the_version_says_what_the_program_is() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    assert_eq!(check(dir.path(), "-V", "", 0).0, format!("smvae {}\n", env!("CARGO_PKG_VERSION")));
    let (version, _) = check(dir.path(), "--version --verbose", "", 0);
    for want in
        ["\nfeatures: ", "\nCPU: ", "cores, ", "\nint8 on this CPU: ", "\nbf16 on this CPU: ", "\n--precision auto: "]
    {
        assert!(version.contains(want), "{want}\n{version}");
    }
    assert!(!version.contains('/'), "no path is in it: {version}");
}

#[test]
fn quiet_says_errors_alone_and_verbose_what_was_chosen() {
    let dir = folder();
    let dir = dir.path();
    let (out, log) = check(dir, &format!("-q {TINY} --out run"), "", 0);
    assert_eq!((out.as_str(), log.as_str()), ("", ""));
    let (scores, log) = check(dir, "eval --model run --data corpus --quiet", "", 0);
    assert!(scores.contains("all") && log.is_empty(), "{scores}{log}");
    let (code, _, log) = run(dir, &format!("{TINY} --out run -q"), "");
    assert!(code == Some(1) && log.starts_with("error: run holds a run already"), "{log}");
    let (_, log) = check(dir, "eval -v --model run --data corpus --precision f32 --threads 2", "", 0);
    for want in [", 2 threads\n", "computing on cpu\n", "the model is run, its labels are", "products are in f32\n"] {
        assert!(log.contains(want), "{want}\n{log}");
    }
    assert!(log.contains("test.txt: 8 posts, sha256 "), "{log}");
    let (code, _, log) = run(dir, "stats --data corpus -q -v", "");
    assert!(code == Some(2) && log.contains("cannot be used with"), "{log}");
}

#[test]
fn stats_begin_with_counts() {
    let dir = folder();
    let (table, _) = check(dir.path(), "stats --data corpus", "", 0);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].split_whitespace().eq(["train", "dev", "test"]) && lines[2].starts_with("posts"), "{table}");
    assert!(lines[lines.len() - 1].starts_with("  sha256 ") && !table.contains("not a known"), "{table}");
}

#[test]
fn a_run_folder_has_a_model_card_that_may_be_changed() {
    let dir = folder();
    let dir = dir.path();
    let card = || std::fs::read_to_string(dir.join("run/README.md")).expect("a card");
    check(dir, &format!("{TINY} --labelled 10 --out run"), "", 0);
    let written = card();
    for want in ["pipeline_tag: token-classification", "# run\n", "10 labelled posts", "| all |", "--data CORPUS"] {
        assert!(written.contains(want), "{want}\n{written}");
    }
    assert!(!written.contains(dir.to_str().expect("UTF-8")), "no place of this machine: {written}");
    for word in std::fs::read_to_string(dir.join("corpus/train.txt")).expect("a corpus").lines() {
        let word = word.split('\t').next().unwrap_or_default();
        // Names of the synthetic corpus are capitalised and long; others are words of the language.
        let is_name = word.len() > 5 && word.starts_with(char::is_uppercase) && !word.starts_with("IMGID");
        assert!(!is_name || !written.contains(word), "the text of a post: {word}\n{written}");
    }
    let mine = written.replace("# run\n", "# Mine\n");
    std::fs::write(dir.join("run/README.md"), &mine).expect("writable");
    let (text, _) = check(dir, "inspect run --verify", "", 0);
    assert!(text.contains("all of them right"), "{text}");
    check(dir, "predict --model run", "{\"text\": \"in Oslo\"}\n", 0);
    check(dir, "train --resume run", "", 0);
    assert_eq!(card(), mine, "a finished run is left as it is");
    let (code, _, log) = run(dir, "predict --model run --output run/README.md", "{\"text\": \"a\"}\n");
    assert!(code == Some(2) && log.contains("a file of a run"), "{log}");
    // With the line that says whose it is, it goes with the run; without, it stays.
    check(dir, &format!("{TINY} --out run --overwrite"), "", 0);
    assert!(card().contains("# run\n") && card().contains("40 labelled posts"), "{}", card());
    std::fs::write(dir.join("run/README.md"), "mine").expect("writable");
    check(dir, &format!("{TINY} --out run --overwrite"), "", 0);
    assert_eq!(card(), "mine");
    // A folder that has one already is no run.
    std::fs::create_dir(dir.join("other")).expect("writable");
    std::fs::write(dir.join("other/README.md"), "theirs").expect("writable");
    check(dir, &format!("{TINY} --out other"), "", 0);
    assert_eq!(std::fs::read_to_string(dir.join("other/README.md")).expect("kept"), "theirs");
}

/// A run that was stopped after some steps, with what it needs to be resumed.
fn stopped(dir: &Path) {
    use smvae::data::Corpus;
    use smvae::{Config, EncoderSource, Event, Flow, TrainInput};
    let corpus = Corpus::load(dir.join("corpus")).expect("a corpus");
    let mut config = Config::default();
    config.data = Some(dir.join("corpus"));
    (config.model.hidden_dim, config.model.latent_dim, config.input.max_width) = (8, 4, 3);
    (config.training.epochs, config.training.batch_size) = (Some(4), 8);
    let input = TrainInput::new(&corpus, EncoderSource::Tiny).with_tensorboard(true);
    let summary = smvae::train_with(&input, &config, dir.join("run"), &mut |event| match event {
        Event::Step { step: 12, .. } => Flow::Stop,
        _ => Flow::Continue,
    });
    assert!(summary.expect("it trains").stopped);
}

#[test]
fn a_run_whose_corpus_has_moved_is_resumed_from_its_new_place() {
    let dir = folder();
    let dir = dir.path();
    stopped(dir);
    let card = std::fs::read_to_string(dir.join("run/README.md")).expect("a card");
    assert!(card.contains("is not finished"), "{card}");
    std::fs::rename(dir.join("corpus"), dir.join("moved")).expect("it moves");
    let (code, _, log) = run(dir, "train --resume run", "");
    assert!(code == Some(2) && log.contains("is not there any more: --data DIR"), "{log}");
    let (code, _, log) = run(dir, "train --resume run --data absent", "");
    assert!(code == Some(1) && log.contains("absent is not a folder"), "{log}");
    // Another corpus is not taken for it.
    let other = folder_with_corpus("corpus", 41, 8);
    let (code, _, log) = run(dir, &format!("train --resume run --data {}", other.path().join("corpus").display()), "");
    assert!(code == Some(1) && log.contains("the run began with another sha256 of the training posts"), "{log}");
    let (_, log) = check(dir, "train --resume run --data moved", "", 0);
    assert!(log.contains("done after 4 epochs"), "{log}");
    let config = json_of(&std::fs::read_to_string(dir.join("run/config.json")).expect("a run"));
    assert_eq!(config["data"].as_str(), dir.join("moved").to_str(), "the run knows the new place");
    check(dir, "inspect run --verify", "", 0);
    let card = std::fs::read_to_string(dir.join("run/README.md")).expect("a card");
    assert!(!card.contains("is not finished") && card.contains("`moved`"), "{card}");
    // Its events are continued, though nobody asks again.
    let events = std::fs::read(dir.join("run/events.out.tfevents.smvae")).expect("events");
    let losses = events.windows(10).filter(|bytes| *bytes == b"train/loss").count();
    assert_eq!(losses, 4, "one event per epoch");
}
