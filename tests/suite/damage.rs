//! A run folder that is not what training left: damage is found and named.

use crate::device::device;
use crate::fixture::{Fixture, bytes, forget_digests, load, small_with};
use smvae::{Error, LoadOptions, Predictor, RunInfo, RunState};
use std::path::Path;

/// A run of one step with image vectors.
fn run(fixture: &Fixture) -> std::path::PathBuf {
    let config = small_with(|c| c.training.max_steps = Some(1));
    fixture.train("run", &config, Some(&fixture.images)).expect("a run").folder
}

#[track_caller]
fn check_damaged(folder: &Path, options: &LoadOptions, file: &str, want: &str) {
    let error = Predictor::load_with(folder, options).expect_err(file);
    let Error::Damaged { path, why } = error else { panic!("{file}: {error}") };
    assert_eq!(path, folder.join(file));
    assert!(why.contains(want), "{why:?} does not say {want:?}");
}

#[test]
fn one_flipped_bit_is_found_and_the_file_is_named() {
    let fixture = Fixture::new();
    let folder = run(&fixture);
    let (digests, sizes) = (LoadOptions::on(device()), LoadOptions::on(device()).verifying(false));
    for file in ["weights.safetensors", "tokenizer.json", "encoder.json", "labels.json", "words.json", "images.json"] {
        let good = bytes(&folder, file);
        // In the first byte of a file it may be that nothing can be read; at the end of the weights
        // every number remains a number.
        for at in [0, good.len() / 2, good.len() - 2] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(folder.join(file), &bad).expect("writable");
            check_damaged(&folder, &digests, file, "its sha256 is");
        }
        std::fs::write(folder.join(file), &good[..good.len() - 1]).expect("writable");
        check_damaged(&folder, &sizes, file, "bytes, not");
        std::fs::remove_file(folder.join(file)).expect("there");
        if !matches!(file, "encoder.json") {
            check_damaged(&folder, &sizes, file, "it is missing");
        }
        std::fs::write(folder.join(file), good).expect("writable");
    }
    load(&folder).expect("as it was");
    let mut bad = bytes(&folder, "weights.safetensors");
    *bad.last_mut().expect("not empty") ^= 1;
    std::fs::write(folder.join("weights.safetensors"), bad).expect("writable");
    Predictor::load_with(&folder, &sizes).expect("nobody looks at the digests");
}

#[test]
fn every_file_but_predictions_and_the_card_has_a_digest_and_all_of_them_are_compared() {
    let fixture = Fixture::new();
    let folder = run(&fixture);
    let info = RunInfo::read(&folder).expect("a run");
    let files = info.files.as_ref().expect("a finished run");
    let entries = std::fs::read_dir(&folder).expect("there").map(|entry| entry.expect("readable").file_name());
    for file in entries.map(|name| name.into_string().expect("UTF-8")) {
        let listed = !(file == "run.json" || file == "README.md" || file.starts_with("predictions"));
        assert_eq!(files.contains_key(&file), listed, "{file}");
    }
    let damaged = || -> Vec<String> {
        let checks = info.verify().expect("readable").expect("a finished run");
        checks.into_iter().filter(|check| check.problem.is_some()).map(|check| check.file).collect()
    };
    assert!(damaged().is_empty());
    std::fs::remove_file(folder.join("selection.json")).expect("there");
    std::fs::write(folder.join("metrics.jsonl"), "").expect("writable");
    assert_eq!(damaged(), ["metrics.jsonl", "selection.json"]);
    load(&folder).expect("a model does not need them");
}

#[test]
fn a_run_of_an_earlier_version_has_no_digests_and_loads() {
    let fixture = Fixture::new();
    let folder = run(&fixture);
    let edit = |change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let mut state: serde_json::Value = serde_json::from_slice(&bytes(&folder, "run.json")).expect("JSON");
        change(state.as_object_mut().expect("an object"));
        std::fs::write(folder.join("run.json"), state.to_string()).expect("writable");
    };
    edit(&|state| drop(state["files"].as_object_mut().expect("digests").insert("../notes".into(), state_entry())));
    assert!(matches!(load(&folder), Err(Error::Inconsistent { .. })), "it lists what is no file of a run");
    edit(&|state| drop(state.remove("files")));
    load(&folder).expect("an old run");
    assert!(RunState::read(&folder).expect("a run").finished);
    let info = RunInfo::read(&folder).expect("a run");
    assert!(info.files.is_none() && info.verify().expect("readable").is_none());
}

#[test]
fn a_decision_that_leaves_no_probability_is_refused() {
    let fixture = Fixture::new();
    let folder = run(&fixture);
    forget_digests(&folder);
    for bias in ["81", "-81", "1e30"] {
        std::fs::write(folder.join("decision.json"), format!("{{\"outside_bias\": {bias}}}")).expect("writable");
        let message = load(&folder).expect_err(bias).to_string();
        assert!(message.contains("decision.json") && message.contains("outside_bias must be in -80..80"), "{message}");
    }
    std::fs::write(folder.join("decision.json"), "{\"outside_bias\": -2.5}").expect("writable");
    load(&folder).expect("a bias that training may choose");
}

#[test]
fn parameters_are_counted_without_reading_them() {
    let fixture = Fixture::new();
    let folder = run(&fixture);
    let weights = bytes(&folder, "weights.safetensors");
    let n = RunInfo::read(&folder).expect("a run").parameters.expect("weights");
    let header = 8 + u64::from_le_bytes(weights[..8].try_into().expect("eight bytes")) as usize;
    assert_eq!(n, (weights.len() - header) / 4);
    let path = folder.join("weights.safetensors");
    // A file of the right size that holds nothing behind its header.
    std::fs::write(&path, &weights[..header]).expect("writable");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("writable");
    file.set_len(weights.len() as u64).expect("writable");
    assert_eq!(RunInfo::read(&folder).expect("its header is there").parameters, Some(n));
    for length in [header, header / 2] {
        std::fs::write(&path, &weights[..length]).expect("writable");
        assert!(matches!(RunInfo::read(&folder), Err(Error::Inconsistent { .. })), "{length}");
    }
}

fn state_entry() -> serde_json::Value {
    serde_json::json!({"size": 1, "sha256": "00"})
}
