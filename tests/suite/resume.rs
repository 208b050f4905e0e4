//! A run that was killed at any moment and resumed gives what it would have given, bit by bit.
//!
//! A kill leaves the run folder as it is at that moment, so that a copy of it taken there is a
//! killed run.

use crate::device::device;
use crate::fixture::{Fixture, bytes, metrics, small};
use smvae::core::LabelSet;
use smvae::data::Split;
use smvae::{Config, EncoderSource, Error, Event, Flow, PostPrediction, RunInfo, RunState, RunSummary, TrainInput};
use smvae::{resume, resume_with, train, train_with};
use std::path::{Path, PathBuf};

/// Semi-supervised, six steps; the first epoch ends without an evaluation on dev.
fn config(checkpoint_every: usize) -> Config {
    let mut config = small();
    config.training.epochs = Some(3);
    config.training.eval_every = 2;
    config.training.checkpoint_every = Some(checkpoint_every);
    config
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a writable folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("a readable folder").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, target).expect("a copy");
        }
    }
}

fn resume_run(fixture: &Fixture, run: &Path) -> smvae::Result<RunSummary> {
    resume(&fixture.input(Some(&fixture.images)), run)
}

#[track_caller]
fn check_same(got: &Path, want: &Path, when: &str) {
    assert_eq!(metrics(got), metrics(want), "{when}");
    assert!(bytes(got, "weights.safetensors") == bytes(want, "weights.safetensors"), "other weights, {when}");
    assert!(RunState::read(got).expect("a run").finished, "{when}");
    assert!(!got.join("checkpoint").exists(), "{when}");
}

/// Copies the run at every event, and resumes every copy.
#[track_caller]
fn check_killed_anywhere(checkpoint_every: usize, reports_every: Option<usize>) {
    let fixture = Fixture::new();
    let whole = fixture.out("whole");
    let mut killed: Vec<(String, PathBuf)> = Vec::new();
    let input = fixture.input(Some(&fixture.images)).with_reports_every(reports_every);
    train_with(&input, &config(checkpoint_every), &whole, &mut |event| {
        let when = match event {
            Event::Step { step, .. } => format!("step {step}"),
            Event::Evaluating { done, .. } => format!("evaluation of {done}"),
            Event::Epoch(record) => format!("epoch {}", record.epoch),
            Event::Started { .. } => "start".to_owned(),
            _ => return Flow::Continue,
        };
        let to = fixture.out(&format!("killed-{}", killed.len()));
        copy(&whole, &to);
        killed.push((when, to));
        Flow::Continue
    })
    .expect("a run");
    assert!(killed.iter().filter(|(when, _)| when.starts_with("step")).count() == 6, "{killed:?}");
    for (when, run) in killed {
        let summary = resume_run(&fixture, &run).unwrap_or_else(|e| panic!("{when}: {e}"));
        check_same(&run, &whole, &format!("killed at {when}, a checkpoint every {checkpoint_every}"));
        assert_eq!(summary.best_epoch, RunInfo::read(&whole).expect("a run").best().map(|record| record.epoch));
    }
}

#[test]
fn a_run_killed_at_any_moment_resumes() {
    check_killed_anywhere(1, None);
    check_killed_anywhere(2, Some(4));
    check_killed_anywhere(5, None);
}

#[test]
fn a_run_stopped_after_every_step_resumes() {
    let fixture = Fixture::new();
    let images = Some(&fixture.images);
    let config = config(1000);
    fixture.train("whole", &config, images).expect("a run");
    let run = fixture.out("stopped");
    let mut stop = |event: &Event| if matches!(event, Event::Step { .. }) { Flow::Stop } else { Flow::Continue };
    let mut summary = train_with(&fixture.input(images), &config, &run, &mut stop).expect("stopping is not an error");
    let mut stops = 0;
    while !RunState::read(&run).expect("a run").finished {
        stops += 1;
        assert!(summary.stopped && RunInfo::read(&run).is_ok());
        summary = resume_with(&fixture.input(images), &run, &mut stop).expect("stopping is not an error");
    }
    assert_eq!(stops, 6);
    check_same(&run, &fixture.out("whole"), "stopped after every step");
    assert!(!resume_run(&fixture, &run).expect("nothing to do").stopped);
}

#[test]
fn a_run_stopped_before_its_first_step_resumes() {
    let fixture = Fixture::new();
    let whole = fixture.out("whole");
    train(&fixture.input(None), &config(1), &whole).expect("a run");
    let run = fixture.out("run");
    let mut stop = |event: &Event| if matches!(event, Event::Loaded(_)) { Flow::Stop } else { Flow::Continue };
    let summary = train_with(&fixture.input(None), &config(1), &run, &mut stop).expect("stopping is not an error");
    assert!(summary.stopped && summary.best.is_none());
    assert!(!resume(&fixture.input(None), &run).expect("it can be resumed").stopped);
    check_same(&run, &whole, "stopped when the encoder was loaded");
}

#[test]
fn a_resumed_run_says_with_how_many_threads_it_began() {
    let fixture = Fixture::new();
    let (run, anew) = (fixture.out("run"), fixture.out("anew"));
    let mut stop = |event: &Event| if matches!(event, Event::Step { .. }) { Flow::Stop } else { Flow::Continue };
    train_with(&fixture.input(None), &config(1), &run, &mut stop).expect("stopping is not an error");
    let threads = |run: &Path| RunState::read(run).expect("a run").threads;
    let now = threads(&run);
    let text = String::from_utf8(bytes(&run, "run.json")).expect("UTF-8");
    let other = text.replace(&format!("\"threads\": {now}"), &format!("\"threads\": {}", now + 5));
    std::fs::write(run.join("run.json"), other).expect("writable");
    assert_eq!(threads(&run), now + 5);
    copy(&run, &anew);
    std::fs::remove_dir_all(anew.join("checkpoint")).expect("there");
    for run in [&run, &anew] {
        assert!(resume(&fixture.input(None), run).is_ok_and(|summary| !summary.stopped));
    }
    assert_eq!((threads(&run), threads(&anew)), (now + 5, now), "without a checkpoint it begins now");
}

#[test]
fn files_that_have_moved_are_recorded() {
    let fixture = Fixture::new();
    let run = fixture.out("run");
    let [old, new, corpus] = ["old.jsonl", "new.jsonl", "moved"].map(|name| fixture.out(name));
    let mut config = config(1);
    config.unlabelled = Some(old);
    let mut stop = |event: &Event| if matches!(event, Event::Step { .. }) { Flow::Stop } else { Flow::Continue };
    train_with(&fixture.input(None), &config, &run, &mut stop).expect("stopping is not an error");
    let input = fixture.input(None).in_folder(corpus.clone()).with_unlabelled_file(new.clone());
    resume_with(&input, &run, &mut stop).expect("stopping is not an error");
    resume(&fixture.input(None), &run).expect("what it recorded is enough");
    let config = RunInfo::read(&run).expect("a run").config;
    assert_eq!((config.data, config.unlabelled), (Some(corpus), Some(new)));
}

#[test]
fn a_stop_does_not_wait_for_the_rest_of_an_evaluation() {
    let fixture = Fixture::new();
    // So many posts that they do not fit the batches that are computed at once.
    let dev: Vec<_> = fixture.corpus.dev.iter().cycle().take(2000).cloned().collect();
    let input = || fixture.input(None).with_dev(&dev);
    let (whole, run) = (fixture.out("whole"), fixture.out("run"));
    train(&input(), &config(1), &whole).expect("a run");
    let mut heard = 0;
    let mut stop = |event: &Event| {
        let Event::Evaluating { done, total } = event else { return Flow::Continue };
        heard += 1;
        assert!(done < total && *total == 2000);
        Flow::Stop
    };
    let summary = train_with(&input(), &config(1), &run, &mut stop).expect("stopping is not an error");
    assert!(summary.stopped && summary.best.is_none());
    assert_eq!(heard, 1, "nothing is evaluated after that");
    assert!(!resume(&input(), &run).expect("it can be resumed").stopped);
    check_same(&run, &whole, "stopped in an evaluation");
}

#[test]
fn a_training_that_diverges_names_step_term_and_posts_and_keeps_what_it_has() {
    let fixture = Fixture::new();
    let run = fixture.out("run");
    let mut config = config(1);
    config.training.eval_every = 1;
    // Weights of the first step that overflow in the next.
    (config.training.head_lr, config.training.warmup) = (1e30, 0.0);
    let check = |error: Error| {
        let Error::Diverged { folder, labelled, unlabelled, source } = &error else { panic!("{error}") };
        assert_eq!(folder, &run);
        let message = error.to_string();
        assert!(message.contains("at step 2") && message.contains("the posts of the step are"), "{message}");
        assert!(message.contains(&source.to_string()), "{message}");
        for (position, id) in labelled.iter().chain(unlabelled) {
            assert_eq!(&fixture.corpus.train[*position].image_id, id);
        }
        assert!(!labelled.is_empty() && unlabelled.len() == 3, "{message}");
    };
    check(train(&fixture.input(None), &config, &run).expect_err("it diverges"));
    let state: serde_json::Value = serde_json::from_slice(&bytes(&run.join("checkpoint"), "state.json")).expect("JSON");
    assert_eq!(state["position"]["steps"], 1, "the checkpoint before that step is there");
    check(resume(&fixture.input(None), &run).expect_err("it diverges again"));
}

#[test]
fn patience_begins_with_the_first_entity() {
    let fixture = Fixture::new();
    let mut config = small();
    (config.training.epochs, config.training.patience) = (Some(4), 1);
    (config.training.head_lr, config.training.encoder_lr) = (0.0, 0.0);
    let summary = train(&fixture.input(None), &config, fixture.out("run")).expect("a run");
    let f1 = summary.best.expect("dev was evaluated").overall.f1();
    // Nothing is learned at a rate of 0: either nothing is ever found, or the first epoch is the
    // best.
    assert_eq!(summary.epochs, if f1 == 0.0 { 4 } else { 2 });
}

#[test]
fn what_was_said_of_lost_weights_goes_with_them() {
    let fixture = Fixture::new();
    let run = fixture.out("run");
    let mut stop = |event: &Event| if matches!(event, Event::Step { .. }) { Flow::Stop } else { Flow::Continue };
    train_with(&fixture.input(None), &config(1), &run, &mut stop).expect("stopping is not an error");
    let judgement = ["decision.json", "predictions-valid.jsonl", "calibration.json"].map(|file| run.join(file));
    let check = |begin_anew: bool| {
        // As a run leaves them that was killed after its first evaluation and before the next
        // checkpoint.
        std::fs::write(&judgement[0], "{\"outside_bias\": 3.0}").expect("writable");
        std::fs::write(&judgement[1], "").expect("writable");
        std::fs::write(&judgement[2], "").expect("writable");
        if begin_anew {
            std::fs::remove_dir_all(run.join("checkpoint")).expect("there");
        }
        let mut stop = |event: &Event| if matches!(event, Event::Started { .. }) { Flow::Stop } else { Flow::Continue };
        resume_with(&fixture.input(None), &run, &mut stop).expect("stopping is not an error");
        assert!(judgement.iter().all(|path| !path.exists()), "{begin_anew}");
    };
    check(false);
    check(true);
}

#[test]
fn what_is_not_the_runs_own_is_refused() {
    let fixture = Fixture::new();
    let run = fixture.out("run");
    let mut stop = |event: &Event| if matches!(event, Event::Step { .. }) { Flow::Stop } else { Flow::Continue };
    train_with(&fixture.input(Some(&fixture.images)), &config(1), &run, &mut stop).expect("stopping is not an error");
    let other = fixture.out("other");
    train_with(&fixture.input(None), &config(1), &other, &mut stop).expect("stopping is not an error");

    let error = resume_with(&fixture.input(None), &run, &mut stop).expect_err("no images");
    assert!(matches!(&error, Error::OtherRun { what: "image vectors' sha256", .. }), "{error}");
    let input = fixture.input(Some(&fixture.images)).with_dev(&fixture.corpus.test);
    let error = resume_with(&input, &run, &mut stop).expect_err("another dev");
    assert!(matches!(&error, Error::OtherRun { what: "sha256 of dev's posts", .. }), "{error}");
    let mut train_split = fixture.corpus.train.clone();
    train_split[0].words[0].push('x');
    let input = TrainInput::from_samples(&train_split, &fixture.corpus.dev, EncoderSource::Tiny).expect("tags");
    let input = input.with_images(&fixture.images).on(device());
    let error = resume_with(&input, &run, &mut stop).expect_err("another training split by the old name");
    assert!(matches!(&error, Error::OtherRun { what: "sha256 of the training posts", .. }), "{error}");
    let (labels, text) = (run.join("labels.json"), std::fs::read_to_string(run.join("labels.json")).expect("labels"));
    let turned: Vec<&str> = fixture.corpus.labels.types().iter().rev().map(String::as_str).collect();
    let turned = LabelSet::new(turned).expect("the same types");
    std::fs::write(&labels, serde_json::to_string(&turned).expect("serialises")).expect("writable");
    let error = resume_with(&fixture.input(Some(&fixture.images)), &run, &mut stop).expect_err("another order");
    assert!(matches!(&error, Error::OtherRun { what: "label set", .. }), "{error}");
    std::fs::write(&labels, text).expect("writable");
    assert!(run.join("weights.safetensors").exists(), "what is refused changes nothing");

    let check = |break_it: &dyn Fn(&Path), file: &str, why: &str| {
        let broken = fixture.out("broken");
        let _ = std::fs::remove_dir_all(&broken);
        copy(&run, &broken);
        break_it(&broken.join("checkpoint"));
        let error = resume_run(&fixture, &broken).expect_err(why);
        let message = error.to_string();
        assert!(matches!(error, Error::Checkpoint { .. }), "{message}");
        assert!(message.contains(file) && message.contains(why), "{message:?} does not say {file} and {why}");
        std::fs::remove_dir_all(broken.join("checkpoint")).expect("the remedy");
        resume_run(&fixture, &broken).expect("the remedy helps");
    };
    let tensors = |folder: &Path| {
        let names = ["tensors-0.safetensors", "tensors-1.safetensors"].map(|name| folder.join(name));
        names.into_iter().find(|path| path.exists()).expect("a checkpoint")
    };
    let flip = |folder: &Path| {
        let mut content = std::fs::read(tensors(folder)).expect("readable");
        let middle = content.len() / 2;
        content[middle] ^= 1;
        std::fs::write(tensors(folder), content).expect("writable");
    };
    check(&flip, "safetensors", "it is damaged");
    check(&|folder| std::fs::remove_file(tensors(folder)).expect("there"), "safetensors", "cannot read");
    check(&|folder| std::fs::write(folder.join("state.json"), "{").expect("writable"), "state.json", "EOF");
    check(&|folder| copy(&other.join("checkpoint"), folder), "state.json", "other settings or data");
    let newer = |folder: &Path| {
        let text = String::from_utf8(bytes(folder, "state.json")).expect("UTF-8");
        std::fs::write(folder.join("state.json"), text.replace("\"format_version\": 1", "\"format_version\": 2"))
            .expect("writable");
    };
    check(&newer, "state.json", "format version is 2");

    let mut stop = |event: &Event| {
        if matches!(event, Event::Epoch(record) if record.best) { Flow::Stop } else { Flow::Continue }
    };
    resume_with(&fixture.input(Some(&fixture.images)), &run, &mut stop).expect("stopping is not an error");
    std::fs::remove_file(run.join("weights.safetensors")).expect("those of the best epoch");
    let error = resume_run(&fixture, &run).expect_err("its best weights are gone");
    assert!(matches!(error, Error::NoRun { missing: "weights.safetensors", .. }), "{error}");
}

#[test]
fn what_was_evaluated_of_earlier_weights_is_removed() {
    let fixture = Fixture::new();
    let run = fixture.out("run");
    // Before dev is scored for the first time, after the second epoch.
    let mut stop = |event: &Event| if matches!(event, Event::Epoch(_)) { Flow::Stop } else { Flow::Continue };
    let stopped = train_with(&fixture.input(Some(&fixture.images)), &config(1), &run, &mut stop);
    assert!(stopped.expect("it began").stopped);
    let info = RunInfo::read(&run).expect("a run");
    let n = fixture.corpus.dev.len();
    let found = PostPrediction::join(&fixture.corpus.dev, &vec![Vec::new(); n], &vec![Vec::new(); n], |_| None);
    for split in [Split::Dev, Split::Test] {
        info.save_text_predictions(split, &found).expect("writable");
    }
    info.save_predictions(Split::Test, &found).expect("writable");
    resume_run(&fixture, &run).expect("it resumes");
    assert!(info.predictions(Split::Dev).expect("readable").is_some(), "dev was scored");
    for split in [Split::Dev, Split::Test] {
        assert_eq!(info.text_predictions(split).expect("readable"), None, "{split}");
    }
    assert_eq!(info.predictions(Split::Test).expect("readable"), None);
}
