//! What helps where labelled posts are few: teachers and their soft labels, averages of weights,
//! the decision between O and the rest, and the options that ablations change. That a run with them
//! can be resumed after a kill is tested here too.

use crate::fixture::{Fixture, bytes, metrics, small};
use smvae::config::{AverageConfig, ImageUse};
use smvae::core::model::Fusion;
use smvae::core::objective::{ImageReconstruction, UnlabelledClass};
use smvae::data::ImageVectors;
use smvae::{Config, Decision, Distillation, Event, Flow, Predictor, RunInfo, RunState};
use smvae::{evaluate, evaluate_as_authors, resume_with, train, train_with};
use std::collections::BTreeSet;

fn with_teachers() -> Config {
    let mut teacher = small().training;
    (teacher.semi, teacher.tune_decision) = (false, true);
    let mut config = small();
    let mut distillation = Distillation::default();
    (distillation.teachers, distillation.training) = (2, teacher);
    config.distillation = Some(distillation);
    config.objective.lambda = 0.0;
    config.training.balance_unlabelled = true;
    config
}

/// An average that teaches from this share of the steps on.
fn average(decay: f64, teach_from: f64) -> AverageConfig {
    let mut average = AverageConfig::default();
    (average.decay, average.teach_from) = (decay, Some(teach_from));
    average
}

fn averaged() -> Config {
    let mut config = small();
    config.average = Some(average(0.5, 0.25));
    config.training.tune_decision = true;
    config
}

#[test]
fn a_student_learns_from_its_teachers() {
    let fixture = Fixture::new();
    let images = Some(&fixture.images);
    let mut teachers = BTreeSet::new();
    let out = fixture.out("student");
    train_with(&fixture.input(images), &with_teachers(), &out, &mut |event| {
        if let Event::Teacher { number, teachers: n, event } = event {
            assert_eq!(*n, 2);
            if let Event::Epoch(record) = event.as_ref() {
                assert!(record.train.soft_ce == 0.0, "a teacher has none");
                teachers.insert((*number, record.epoch));
            }
        }
        Flow::Continue
    })
    .expect("a run");
    assert_eq!(teachers, BTreeSet::from([(1, 1), (1, 2), (2, 1), (2, 2)]));
    assert!(out.join("soft-labels.safetensors").is_file());
    let known = RunInfo::read(&out).expect("a run").teachers;
    assert!(known.len() == 2 && known[0].seed != known[1].seed, "{known:?}");
    assert!(known.iter().all(|teacher| teacher.dev_f1.is_some() && teacher.seconds > 0.0), "{known:?}");
    assert!(!out.join("teacher-1").exists() && !out.join("teacher-2").exists(), "they are not needed any more");
    assert!(metrics(&out)[0]["train"]["soft_ce"].as_f64().expect("a number") > 0.0);

    // Where no span has a target, nothing is taught: another run.
    let mut sceptic = with_teachers();
    sceptic.distillation.as_mut().expect("just made").confidence = 1.0;
    fixture.train("sceptic", &sceptic, images).expect("a run");
    assert_eq!(metrics(&fixture.out("sceptic"))[0]["train"]["soft_ce"], 0.0);
    assert_ne!(bytes(&fixture.out("sceptic"), "weights.safetensors"), bytes(&out, "weights.safetensors"));
}

#[test]
fn a_student_of_an_earlier_generation_teaches_the_next() {
    let fixture = Fixture::new();
    let images = Some(&fixture.images);
    let mut config = with_teachers();
    config.distillation.as_mut().expect("just made").generations = 2;
    let mut learned = Vec::new();
    let out = fixture.out("second");
    train_with(&fixture.input(images), &config, &out, &mut |event| {
        if let Event::Teacher { number, teachers: 3, event } = event
            && let Event::Epoch(record) = event.as_ref()
            && record.epoch == 1
        {
            learned.push((*number, record.train.soft_ce > 0.0));
        }
        Flow::Continue
    })
    .expect("a run");
    assert_eq!(learned, [(1, false), (2, false), (3, true)], "the third is a student");
    assert_eq!(RunInfo::read(&out).expect("a run").teachers.len(), 3);
    assert!(!out.join("teacher-3").exists());
    // What the third says counts: the run learns other soft labels than a run of one generation.
    fixture.train("first", &with_teachers(), images).expect("a run");
    let labels = |name: &str| bytes(&fixture.out(name), "soft-labels.safetensors");
    assert_eq!(labels("first").len(), labels("second").len());
    assert_ne!(labels("first"), labels("second"));
}

#[test]
fn a_run_that_is_replaced_leaves_no_teacher_behind() {
    let fixture = Fixture::new();
    let images = Some(&fixture.images);
    let out = fixture.out("replaced");
    let mut stop_in_second_teacher = |event: &Event| match event {
        Event::Teacher { number: 2, event, .. } if matches!(event.as_ref(), Event::Step { .. }) => Flow::Stop,
        _ => Flow::Continue,
    };
    train_with(&fixture.input(images), &with_teachers(), &out, &mut stop_in_second_teacher)
        .expect("stopping is not an error");
    assert!(out.join("teacher-1").exists() && out.join("teacher-2").exists());
    let mut other = with_teachers();
    other.seed = 5;
    let mut input = fixture.input(images);
    input.replace_run = true;
    train(&input, &other, &out).expect("another run in its place");
    fixture.train("other", &other, images).expect("a run");
    assert_eq!(metrics(&out), metrics(&fixture.out("other")));
    assert!(!out.join("teacher-1").exists() && !out.join("teacher-2").exists());
}

/// A process may be killed while the teachers are removed, one after another.
#[test]
fn a_teacher_that_was_left_behind_teaches_nobody() {
    let fixture = Fixture::new();
    let images = Some(&fixture.images);
    let out = fixture.out("student");
    let mut stop_in_student =
        |event: &Event| if matches!(event, Event::Step { .. }) { Flow::Stop } else { Flow::Continue };
    train_with(&fixture.input(images), &with_teachers(), &out, &mut stop_in_student).expect("stopping is no error");
    assert!(out.join("soft-labels.safetensors").is_file() && !out.join("teacher-1").exists());
    let leave_second = || {
        fixture.train("foreign", &small(), images).expect("a run");
        std::fs::rename(fixture.out("foreign"), out.join("teacher-2")).expect("writable");
    };
    leave_second();
    resume_with(&fixture.input(images), &out, &mut |_| Flow::Continue).expect("the rest of the run");
    assert!(!out.join("teacher-2").exists(), "the soft labels were saved already");
    leave_second();
    let mut input = fixture.input(images);
    input.replace_run = true;
    train(&input, &with_teachers(), &out).expect("another run in its place");
    assert!(!out.join("teacher-2").exists());
    fixture.train("alone", &with_teachers(), images).expect("a run");
    assert_eq!(metrics(&out), metrics(&fixture.out("alone")));
    // In a folder that is no run, nobody knows whose it is.
    let elsewhere = fixture.out("elsewhere");
    std::fs::create_dir_all(&elsewhere).expect("writable");
    fixture.train("foreign", &small(), images).expect("a run");
    std::fs::rename(fixture.out("foreign"), elsewhere.join("teacher-1")).expect("writable");
    for replace_run in [false, true] {
        let mut input = fixture.input(images);
        input.replace_run = replace_run;
        let error = train(&input, &with_teachers(), &elsewhere).expect_err("a run of somebody");
        assert!(error.to_string().contains("teacher-N"), "{error}");
        assert!(elsewhere.join("teacher-1/weights.safetensors").is_file(), "nothing of it is lost");
    }
}

/// Stops and resumes a run with images after every step, which comes to the bits of a run that was
/// not stopped.
#[track_caller]
pub(crate) fn check_stops(config: &Config) {
    let fixture = Fixture::new();
    check_stops_on(&fixture, Some(&fixture.images), config);
}

/// The same on this corpus, with these image vectors.
#[track_caller]
pub(crate) fn check_stops_on(fixture: &Fixture, images: Option<&ImageVectors>, config: &Config) {
    let whole = fixture.out("whole");
    fixture.train("whole", config, images).expect("a run");
    let run = fixture.out("stopped");
    let mut stop = |event: &Event| match event {
        Event::Step { .. } => Flow::Stop,
        Event::Teacher { event, .. } if matches!(event.as_ref(), Event::Step { .. }) => Flow::Stop,
        _ => Flow::Continue,
    };
    let mut stops = 0;
    let summary = train_with(&fixture.input(images), config, &run, &mut stop).expect("stopping is not an error");
    assert_eq!(
        summary.has_weights(),
        config.distillation.is_none(),
        "those of a run whose teachers are trained come later"
    );
    while !RunState::read(&run).expect("a run").finished {
        stops += 1;
        resume_with(&fixture.input(images), &run, &mut stop).expect("stopping is not an error");
    }
    assert!(stops >= 4, "{stops}");
    assert_eq!(metrics(&run), metrics(&whole));
    assert!(bytes(&run, "weights.safetensors") == bytes(&whole, "weights.safetensors"), "other weights");
}

#[test]
fn runs_with_teachers_or_averages_resume_after_every_step() {
    check_stops(&averaged());
    let mut config = with_teachers();
    check_stops(&config);
    let distillation = config.distillation.as_mut().expect("just made");
    (distillation.teachers, distillation.generations) = (1, 2);
    check_stops(&config);
}

#[test]
fn the_decision_that_was_tuned_on_dev_is_the_models() {
    let fixture = Fixture::new();
    let mut config = small();
    (config.training.tune_decision, config.training.epochs) = (true, Some(12));
    config.training.semi = false;
    fixture.train("tuned", &config, None).expect("a run");
    let out = fixture.out("tuned");
    let best = metrics(&out).into_iter().rfind(|record| record["best"] == true).expect("dev was evaluated");
    let predictor = Predictor::load(&out).expect("a run folder");
    assert_eq!(f64::from(predictor.decision().outside_bias), best["outside_bias"].as_f64().expect("a number"));
    assert_ne!(predictor.decision(), Decision::default(), "an untrained model calls all O, unless it is biased");
    let again = evaluate(&predictor, &fixture.corpus.dev).expect("scores");
    assert_eq!(serde_json::to_value(&again.scores).expect("JSON"), best["dev"]);
}

#[test]
fn every_option_changes_the_run() {
    let fixture = Fixture::new();
    let images = Some(&fixture.images);
    let mut seen = BTreeSet::new();
    let mut check = |name: &str, change: fn(&mut Config)| {
        let mut config = small();
        // Some unlabelled spans must pass the paper's mask for the options of the unlabelled term
        // to matter.
        (config.training.head_lr, config.training.epochs) = (0.02, Some(6));
        change(&mut config);
        fixture.train(name, &config, images).unwrap_or_else(|e| panic!("{name}: {e}"));
        let records = metrics(&fixture.out(name));
        assert!(records.iter().all(|record| record["train"]["loss"].is_f64()), "{name}: a loss that is not a number");
        assert!(
            seen.insert(records.iter().map(|r| r["train"].to_string()).collect::<String>()),
            "{name} changed nothing"
        );
    };
    check("default", |_| {});
    check("prior", |c| c.model.fusion = Fusion::ProductWithPrior);
    check("mean", |c| c.model.fusion = Fusion::Mean);
    check("no-z", |c| c.model.latent_in_classifier = false);
    check("shapes", |c| c.model.word_shapes = true);
    check("widths", |c| c.model.span_widths = true);
    check("r-drop", |c| c.objective.r_drop = 1.0);
    check("borders", |c| c.objective.boundary_smoothing = 0.1);
    check("biaffine", |c| c.model.biaffine_dim = Some(6));
    check("shuffled", |c| c.input.image = ImageUse::Shuffled);
    check("zero", |c| c.input.image = ImageUse::Zero);
    check("no-vae", |c| c.objective.vae = false);
    check("kl-weight", |c| c.objective.kl_weight = 0.01);
    check("annealing", |c| c.objective.kl_warmup = 1.0);
    check("free-bits", |c| c.objective.free_bits = 2.0);
    check("reconstruction", |c| c.objective.reconstruction_weight = 2.0);
    check("marginal", |c| c.objective.unlabelled = UnlabelledClass::Marginal);
    check("marginal-frequencies", |c| c.objective.unlabelled = UnlabelledClass::MarginalFrequencies);
    check("mean-teacher", |c| c.average = Some(average(0.9, 0.0)));
    check("image-dropout", |c| c.training.image_dropout = 0.5);
    check("image-in-classifier", |c| c.model.image_in_classifier = true);
    check("gaussian", |c| c.objective.image_reconstruction = ImageReconstruction::Gaussian);
    check("contrastive", |c| c.objective.image_reconstruction = ImageReconstruction::Contrastive);
    check("gate", |c| c.model.image_gate = true);
    check("gate-of-mean", |c| (c.model.image_gate, c.model.fusion) = (true, Fusion::Mean));
    check("gate-and-classifier", |c| (c.model.image_gate, c.model.image_in_classifier) = (true, true));
    check("negatives", |c| c.training.negatives = Some(2.0));
}

#[test]
fn the_authors_protocol_has_the_same_entities_and_its_samples_are_the_seeds() {
    let fixture = Fixture::new();
    let mut config = small();
    (config.training.epochs, config.training.semi, config.training.head_lr) = (Some(20), false, 0.01);
    fixture.train("run", &config, None).expect("a run");
    let predictor = Predictor::load(fixture.out("run")).expect("a run folder");
    let test = &fixture.corpus.test;
    let theirs = |seed| evaluate_as_authors(&predictor, test, seed).expect("scores");
    let ours = evaluate(&predictor, test).expect("scores").scores;
    // No two synthetic posts of this split have one text, and their tags are well-formed.
    assert_eq!(theirs(0).overall.gold, ours.overall.gold);
    assert_eq!(theirs(0), theirs(0));
    let twice: Vec<_> = test.iter().chain(test).cloned().collect();
    let merged = evaluate_as_authors(&predictor, &twice, 0).expect("scores");
    assert_eq!(merged.overall.gold, ours.overall.gold, "posts of equal text count once");

    let mut with_urls = config.clone();
    with_urls.input.drop_urls = false;
    with_urls.training.epochs = Some(1);
    fixture.train("urls", &with_urls, None).expect("a run");
    let predictor = Predictor::load(fixture.out("urls")).expect("a run folder");
    let error = evaluate_as_authors(&predictor, test, 0).expect_err("URLs").to_string();
    assert!(error.contains("drop_urls"), "{error}");
}
