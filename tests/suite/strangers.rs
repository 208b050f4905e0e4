//! Run folders that somebody else made: nothing outside of them is read, written or removed.
#![cfg(unix)]

use crate::fixture::{Fixture, load, small, small_with};
use smvae::data::{ImageVectors, Split};
use smvae::{Config, Distillation, Error, Event, Flow, RunInfo, resume, train, train_with};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A run of one step that was stopped, or one that is finished.
fn run(fixture: &Fixture, name: &str, finished: bool) -> PathBuf {
    let config = small_with(|c| c.training.max_steps = Some(2));
    let stop = |event: &Event| if matches!(event, Event::Step { .. }) { Flow::Stop } else { Flow::Continue };
    let mut on_event = |event: &Event| if finished { Flow::Continue } else { stop(event) };
    train_with(&fixture.input(None), &config, fixture.out(name), &mut on_event).expect("a run").folder
}

/// Puts a link to a file outside in the place of a file of the run; answers where it leads.
fn lead_out(run: &Path, file: &str) -> PathBuf {
    let outside = run.with_file_name(format!("outside-{}", file.replace('/', "-")));
    std::fs::rename(run.join(file), &outside).or_else(|_| std::fs::write(&outside, "mine")).expect("writable");
    symlink(&outside, run.join(file)).expect("writable");
    outside
}

#[track_caller]
fn check_unsafe<T: std::fmt::Debug>(result: Result<T, Error>, file: &str) {
    match result {
        Err(Error::Unsafe { path, .. }) => assert!(path.ends_with(file), "{} is not {file}", path.display()),
        other => panic!("{file}: {other:?}"),
    }
}

#[test]
fn a_model_is_loaded_from_the_files_of_its_folder_alone() {
    let fixture = Fixture::new();
    for file in ["config.json", "labels.json", "weights.safetensors", "tokenizer.json", "words.json", "run.json"] {
        let folder = run(&fixture, &format!("run-{file}"), true);
        lead_out(&folder, file);
        check_unsafe(load(&folder), file);
    }
    let folder = run(&fixture, "inside", true);
    std::fs::rename(folder.join("weights.safetensors"), folder.join("best.safetensors")).expect("writable");
    symlink("best.safetensors", folder.join("weights.safetensors")).expect("writable");
    load(&folder).expect("a link to a file of the folder is one of its files");
    std::fs::remove_file(folder.join("words.json")).expect("there");
    let pipe = std::process::Command::new("mkfifo").arg(folder.join("words.json")).status();
    assert!(pipe.expect("mkfifo runs").success());
    check_unsafe(load(&folder), "words.json");
}

#[test]
fn predictions_and_results_are_not_written_through_a_link() {
    let fixture = Fixture::new();
    let folder = run(&fixture, "run", true);
    let outside = lead_out(&folder, "predictions-test.jsonl");
    let info = RunInfo::read(&folder).expect("nothing else is wrong");
    check_unsafe(info.save_predictions(Split::Test, &[]), "predictions-test.jsonl");
    check_unsafe(info.predictions(Split::Test), "predictions-test.jsonl");
    assert_eq!(std::fs::read(outside).expect("there"), b"mine");
    let outside = lead_out(&folder, "report.html");
    check_unsafe(smvae::report::page_in(&folder), "report.html");
    assert_eq!(std::fs::read(outside).expect("there"), b"mine");
}

#[test]
fn a_checkpoint_names_no_file_outside() {
    let fixture = Fixture::new();
    let folder = run(&fixture, "run", false);
    let victim = fixture.out("victim");
    std::fs::write(&victim, "mine").expect("writable");
    let path = folder.join("checkpoint/state.json");
    let state = std::fs::read_to_string(&path).expect("a checkpoint");
    for name in ["../../victim", victim.to_str().expect("UTF-8"), "state.json"] {
        std::fs::write(&path, state.replace("tensors-0.safetensors", name)).expect("writable");
        let error = resume(&fixture.input(None), &folder).expect_err(name);
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
    }
    std::fs::write(&path, state).expect("writable");
    // A temporary name of ours leads out: the next checkpoint is not written through it.
    for link in ["weights.safetensors.tmp", "checkpoint/tensors-1.safetensors.tmp", "tokenizer.json.partial"] {
        symlink(&victim, folder.join(link)).expect("writable");
    }
    resume(&fixture.input(None), &folder).expect("the run is as it was");
    assert_eq!(std::fs::read(&victim).expect("there"), b"mine");
}

#[test]
fn folders_of_a_run_are_not_links() {
    let fixture = Fixture::new();
    let other = run(&fixture, "other", true);
    let folder = run(&fixture, "run", false);
    std::fs::rename(folder.join("checkpoint"), fixture.out("elsewhere")).expect("writable");
    symlink(fixture.out("elsewhere"), folder.join("checkpoint")).expect("writable");
    check_unsafe(resume(&fixture.input(None), &folder), "checkpoint");
    symlink(&other, folder.join("teacher-1")).expect("writable");
    let again = fixture.input(None).replacing_run(true);
    train(&again, &small(), &folder).expect("the links are removed, not what they lead to");
    assert!(fixture.out("elsewhere/state.json").exists());
    load(&other).expect("another run");
    let mut taught: Config = small();
    let mut distillation = Distillation::default();
    distillation.teachers = 1;
    taught.distillation = Some(distillation);
    std::fs::remove_dir_all(&folder).expect("writable");
    std::fs::create_dir(&folder).expect("writable");
    symlink(&other, folder.join("teacher-1")).expect("writable");
    let refused = train(&fixture.input(None), &taught, &folder);
    assert!(matches!(refused, Err(Error::ForeignFolder { file: "teacher-N", .. })), "{refused:?}");
    std::fs::remove_file(folder.join("teacher-1")).expect("it is a link");
    let mut stop = |event: &Event| if matches!(event, Event::Teacher { .. }) { Flow::Stop } else { Flow::Continue };
    train_with(&fixture.input(None), &taught, &folder, &mut stop).expect("stopping is not an error");
    std::fs::rename(folder.join("teacher-1"), fixture.out("teacher")).expect("it was begun");
    symlink(&other, folder.join("teacher-1")).expect("writable");
    check_unsafe(resume(&fixture.input(None), &folder), "teacher-1");
}

#[test]
fn vectors_of_training_are_read_from_a_file() {
    let fixture = Fixture::new();
    let config = small_with(|c| c.training.max_steps = Some(1));
    let folder = fixture.train("run", &config, Some(&fixture.images)).expect("a run").folder;
    let recorded = || load(&folder).expect("a run").image_identity().expect("a model of images").recorded_vectors();
    let vectors: ImageVectors = recorded().expect("there").expect("a file");
    assert_eq!(vectors.sha256(), fixture.images.sha256());
    let path = folder.join("images.json");
    let text = std::fs::read_to_string(&path).expect("there");
    let source = fixture.images.path().expect("a file").to_str().expect("UTF-8");
    std::fs::remove_file(folder.join("run.json")).expect("there");
    std::fs::write(&path, text.replace(source, "/dev/zero")).expect("writable");
    check_unsafe(recorded(), "zero");
}
