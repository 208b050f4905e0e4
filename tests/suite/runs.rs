//! Runs from end to end on the synthetic corpus with the tiny encoder: what a run folder promises.

use crate::fixture::{Fixture, bytes, forget_digests, load, metrics, small, small_with};
use crate::golden::root;
use smvae::config::Freeze;
use smvae::core::candle_core::{Device, safetensors};
use smvae::core::nn::Parameters;
use smvae::data::Split;
use smvae::encoders::text::{TransformerConfig, load_weights};
use smvae::encoders::weights::{Missing, Weights};
use smvae::{Config, EncoderSource, Error, Event, Flow, ImageTrust, RunInfo};
use smvae::{TrainInput, evaluate, train, train_with};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_same_seed_gives_the_same_bits_and_another_does_not() {
    let fixture = Fixture::new();
    for name in ["a", "b"] {
        fixture.train(name, &small(), Some(&fixture.images)).expect("a run");
    }
    fixture.train("c", &small_with(|c| c.seed = 1), Some(&fixture.images)).expect("a run");
    let [a, b, c] = ["a", "b", "c"].map(|name| fixture.out(name));
    assert_eq!(metrics(&a).len(), 2);
    assert_eq!(metrics(&a), metrics(&b));
    assert_eq!(bytes(&a, "weights.safetensors"), bytes(&b, "weights.safetensors"));
    assert_eq!(bytes(&a, "selection.json"), bytes(&b, "selection.json"));
    assert_ne!(bytes(&a, "weights.safetensors"), bytes(&c, "weights.safetensors"));
    assert_ne!(bytes(&a, "selection.json"), bytes(&c, "selection.json"));
}

#[test]
fn losses_of_several_steps_read_at_once_are_the_same() {
    let fixture = Fixture::new();
    let run = |name: &str, every: usize| {
        let (out, mut steps) = (fixture.out(name), Vec::new());
        let input = fixture.input(Some(&fixture.images)).with_reports_every(every);
        let mut watch = |event: &Event| {
            if let Event::Step { step, report, .. } = event {
                assert!(report.loss != 0.0, "something to tell from the first step on");
                steps.push(*step);
            }
            Flow::Continue
        };
        train_with(&input, &small(), &out, &mut watch).expect("a run");
        assert_eq!(steps, [1, 2, 3, 4]);
        (metrics(&out), bytes(&out, "weights.safetensors"))
    };
    assert!(run("each", 1) == run("several", 3));
}

#[test]
fn a_run_folder_is_all_a_predictor_needs() {
    let fixture = Fixture::new();
    let summary = fixture.train("run", &small(), Some(&fixture.images)).expect("a run");
    let moved = fixture.out("moved");
    std::fs::rename(&summary.folder, &moved).expect("the same disk");
    let predictor = load(&moved).and_then(|p| p.with_images(fixture.images.clone(), ImageTrust::Recorded));
    let predictor = predictor.expect("a complete folder");
    let evaluation = evaluate(&predictor, &fixture.corpus.dev);
    let evaluation = evaluation.expect("valid posts");
    assert_eq!(Some(evaluation.scores), summary.best, "dev scores are those of training");
    let info = RunInfo::read(&moved).expect("a complete folder");
    let saved = info.predictions(Split::Dev).expect("readable").expect("training leaves them");
    for (i, post) in saved.iter().enumerate() {
        assert_eq!(post.words, fixture.corpus.dev[i].words);
        let what = |entities: &[smvae::ScoredEntity]| -> Vec<_> {
            entities.iter().map(|e| (e.start..e.end, e.words.clone(), e.label.clone())).collect()
        };
        assert_eq!(what(&post.entities), what(&evaluation.predictions[i]), "those of the best epoch");
        for entity in &post.entities {
            let class = predictor.labels().index(&entity.label).expect("a class of the run");
            assert_eq!(entity.probabilities[class], entity.score);
            assert!((entity.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert_eq!(post.text.get(entity.start..entity.end), Some(entity.text.as_str()), "synthetic text is ASCII");
        }
    }
    assert_eq!(info.config.model.image_dim, Some(fixture.images.width()));
    assert_eq!(info.selection.as_ref().expect("a trained model").labelled.len(), 8);
    assert_eq!(info.epochs.len(), 2);
    assert_eq!(info.best().map(|record| record.epoch), summary.best_epoch);
}

#[test]
fn a_stopped_run_loads() {
    let fixture = Fixture::new();
    let mut steps = 0;
    let summary = train_with(&fixture.input(None), &small(), fixture.out("run"), &mut |event| {
        steps += usize::from(matches!(event, Event::Step { .. }));
        if steps == 1 { Flow::Stop } else { Flow::Continue }
    })
    .expect("stopping is not an error");
    assert!(summary.stopped && summary.best.is_none());
    assert_eq!(steps, 1);
    load(&summary.folder).expect("a loadable folder");
}

#[test]
fn the_authors_presets_train() {
    let fixture = Fixture::new();
    for name in ["twitter2015", "twitter2017"] {
        let mut config = Config::preset(name).expect("a known name");
        config.labelled = Some(8);
        config.model.hidden_dim = 8;
        config.training.max_steps = Some(3);
        let summary = fixture.train(name, &config, Some(&fixture.images)).expect("a run");
        let info = RunInfo::read(&summary.folder).expect("a complete folder");
        assert_eq!(info.epochs.last().map(|record| record.step), Some(3), "{name}");
        assert!(info.epochs.iter().all(|record| record.train.loss.is_finite()), "{name}");
    }
}

/// Breaks a good run folder and returns the error of loading it.
#[track_caller]
fn check_broken(fixture: &Fixture, break_it: impl Fn(&Path)) -> String {
    let folder = fixture.out("broken");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).expect("a writable folder");
    for entry in std::fs::read_dir(fixture.out("good")).expect("the good run") {
        let path = entry.expect("a readable folder").path();
        std::fs::copy(&path, folder.join(path.file_name().expect("a file"))).expect("a copy");
    }
    break_it(&folder);
    // Digests would find most of it first; folders of earlier versions have none.
    forget_digests(&folder);
    load(&folder).expect_err("a broken folder").to_string()
}

#[test]
fn what_is_wrong_with_a_run_folder_is_said() {
    let fixture = Fixture::new();
    let config = small_with(|c| c.training.max_steps = Some(1));
    fixture.train("good", &config, Some(&fixture.images)).expect("a run");
    let again = fixture.train("good", &config, None).expect_err("it exists");
    assert!(matches!(again, Error::RunExists { .. }), "{again}");

    let replace = |file: &'static str, from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let text = String::from_utf8(bytes(folder, file)).expect("UTF-8");
            assert!(text.contains(from), "{file} has no {from}");
            std::fs::write(folder.join(file), text.replace(from, to)).expect("writable");
        }
    };
    let check = |break_it: &dyn Fn(&Path), want: &str| {
        let message = check_broken(&fixture, break_it);
        assert!(message.contains(want), "{message:?} does not say {want:?}");
    };
    check(&|folder| std::fs::remove_file(folder.join("config.json")).expect("there"), "config.json is missing");
    check(&|folder| std::fs::remove_file(folder.join("weights.safetensors")).expect("there"), "weights.safetensors");
    check(&|folder| std::fs::remove_file(folder.join("images.json")).expect("there"), "image_dim");
    check(&|folder| std::fs::write(folder.join("weights.safetensors"), b"x").expect("writable"), "safetensors");
    check(&replace("config.json", "\"format_version\": 1", "\"format_version\": 2, \"new\": 1"), "newer");
    check(&replace("config.json", "\"seed\"", "\"sed\""), "sed");
    check(&replace("config.json", "\"hidden_dim\": 8", "\"hidden_dim\": 9"), "weights.safetensors");
    check(&replace("labels.json", "\"O\"", "\"o\""), "labels.json");
    check(&replace("images.json", "\"mean\": [", "\"mean\": [0.5,"), "images.json");
}

#[test]
fn what_cannot_be_trained_on_is_said() {
    let fixture = Fixture::new();
    let check = |config: Config, want: &str| {
        let message = fixture.train("none", &config, None).expect_err(want).to_string();
        assert!(message.contains(want), "{message:?} does not say {want:?}");
        assert!(!fixture.out("none").exists(), "nothing is left behind");
    };
    check(small_with(|c| c.labelled = Some(1000)), "labelled");
    check(small_with(|c| c.labelled = Some(0)), "labelled");
    check(small_with(|c| c.labelled = Some(60)), "no posts without labels: all 60 posts of train are labelled");
    check(small_with(|c| c.labelled = None), "no posts without labels");
    let mut missing = fixture.input(None);
    missing.encoder = EncoderSource::Folder("/no/such/folder".into());
    let error = train(&missing, &small(), fixture.out("none")).expect_err("no encoder");
    assert!(error.to_string().starts_with("/no/such/folder is not a folder"), "{error}");
}

#[test]
fn a_run_is_replaced_only_by_one_that_can_begin() {
    let fixture = Fixture::new();
    let config = small_with(|c| c.training.max_steps = Some(1));
    let summary = fixture.train("run", &config, None).expect("a run");
    std::fs::write(summary.folder.join("notes.txt"), "mine").expect("writable");
    let mut input = fixture.input(None);
    input.replace_run = true;
    let mut replace = |encoder| {
        input.encoder = encoder;
        let mut other = config.clone();
        other.seed = 1;
        train(&input, &other, &summary.folder)
    };
    replace(EncoderSource::Folder("/no/such/folder".into())).expect_err("no encoder");
    assert_eq!(RunInfo::read(&summary.folder).expect("the old run").config.seed, 0);
    replace(EncoderSource::Tiny).expect("a new run");
    assert_eq!(RunInfo::read(&summary.folder).expect("the new run").config.seed, 1);
    assert_eq!(bytes(&summary.folder, "notes.txt"), b"mine");
    let other = fixture.out("data");
    assert!(matches!(smvae::remove_run(&other), Err(Error::NoRun { .. })));
    assert!(other.join("train.txt").exists(), "a folder that is not a run is left alone");
}

#[test]
#[cfg(unix)]
fn a_path_that_cannot_be_recorded_replaces_no_run() {
    use std::os::unix::ffi::OsStrExt as _;
    let fixture = Fixture::new();
    let config = small_with(|c| c.training.max_steps = Some(1));
    let old = fixture.train("run", &config, None).expect("a run").folder;
    let bad = Path::new(std::ffi::OsStr::from_bytes(b"posts-\xff.jsonl"));
    let input = fixture.input(None).replacing_run(true);
    let names: [fn(&mut Config, &Path); 2] =
        [|config, path| config.data = Some(path.to_owned()), |config, path| config.unlabelled = Some(path.to_owned())];
    for name in names {
        let mut config = config.clone();
        name(&mut config, bad);
        let error = train(&input, &config, &old).expect_err("the run could not record it");
        assert!(matches!(&error, Error::NotUtf8 { path } if path == bad), "{error}");
        RunInfo::read(&old).expect("the old run");
    }
}

#[test]
fn a_run_that_is_stopped_before_it_begins_replaces_none() {
    let fixture = Fixture::new();
    let config = small_with(|c| c.training.max_steps = Some(1));
    let old = fixture.train("run", &config, None).expect("a run").folder;
    let names = || {
        let entries = std::fs::read_dir(&old).expect("a folder").map(|entry| entry.expect("readable").file_name());
        entries.collect::<BTreeSet<_>>()
    };
    let (files, weights) = (names(), bytes(&old, "weights.safetensors"));
    let input = fixture.input(None).replacing_run(true);
    let mut stop = |event: &Event| if matches!(event, Event::Loaded(_)) { Flow::Stop } else { Flow::Continue };
    let other = small_with(|c| c.seed = 1);
    let summary = train_with(&input, &other, &old, &mut stop).expect("stopping is not an error");
    assert!(summary.stopped && summary.kept_old_run && summary.best.is_none() && summary.epochs == 0);
    assert_eq!(names(), files);
    assert!(bytes(&old, "weights.safetensors") == weights);
    assert_eq!(RunInfo::read(&old).expect("the old run").config.seed, 0);
    // Where there is nothing to keep, what was stopped can be resumed.
    let summary = train_with(&input, &other, fixture.out("new"), &mut stop).expect("stopping is not an error");
    assert!(summary.stopped && !summary.kept_old_run && RunInfo::exists(&summary.folder));
    let new = summary.folder;
    assert!(RunInfo::is_finished(&old).expect("a run") && !RunInfo::is_finished(&new).expect("a run"));
    // A run of an early version does not say.
    std::fs::remove_file(new.join("run.json")).expect("it is there");
    assert!(RunInfo::is_finished(&new).expect("a run"));
    std::fs::write(new.join("run.json"), "{").expect("writable");
    assert!(matches!(RunInfo::is_finished(&new), Err(Error::Json { .. })));
}

#[test]
fn files_that_are_no_runs_are_not_written_over() {
    let fixture = Fixture::new();
    let model = fixture.out("model");
    std::fs::create_dir(&model).expect("writable");
    for (name, text) in [("config.json", "{\"model_type\": \"bert\"}"), ("tokenizer.json", "{}")] {
        std::fs::write(model.join(name), text).expect("writable");
    }
    let mut input = fixture.input(None);
    for replace_run in [false, true] {
        input.replace_run = replace_run;
        let error = train(&input, &small(), &model).expect_err("it is not a run");
        assert!(matches!(error, Error::ForeignFolder { file: "config.json", .. }), "{error}");
    }
    assert_eq!(bytes(&model, "tokenizer.json"), b"{}");
    assert!(!RunInfo::exists(&model) && std::fs::read_dir(&model).expect("there").count() == 2);
}

#[test]
fn files_of_the_names_of_a_run_make_none() {
    let fixture = Fixture::new();
    let folder = fixture.out("model");
    let check = |files: &[&str], named: &str| {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("writable");
        files.iter().for_each(|name| std::fs::write(folder.join(name), "{\"layers\": 2}").expect("writable"));
        for replace in [false, true] {
            let error =
                train(&fixture.input(None).replacing_run(replace), &small(), &folder).expect_err("it is no run");
            assert!(matches!(error, Error::ForeignFolder { file, .. } if file == named), "{files:?}: {error}");
        }
        smvae::remove_run(&folder).expect_err("it is no run");
        files.iter().for_each(|name| assert_eq!(bytes(&folder, name), b"{\"layers\": 2}", "{files:?}: {name}"));
        assert_eq!(std::fs::read_dir(&folder).expect("there").count(), files.len());
    };
    check(&["encoder.json"], "encoder.json");
    check(&["encoder.json", "tokenizer.json"], "tokenizer.json");
    check(&["config.json", "encoder.json", "tokenizer.json"], "config.json");
    check(&["soft-labels.safetensors", "run.json"], "run.json");
}

#[test]
#[cfg(unix)]
fn two_processes_never_train_one_run() {
    let fixture = Fixture::new();
    let run = fixture.out("run");
    let mut others = Vec::new();
    // A lock belongs to an opened folder, so that this process counts as another one.
    let mut stop = |event: &Event| {
        if !matches!(event, Event::Step { step: 1, .. }) {
            return Flow::Continue;
        }
        let mut input = fixture.input(None);
        input.replace_run = true;
        others.push(train(&input, &small(), &run));
        others.push(smvae::resume(&input, &run));
        Flow::Stop
    };
    train_with(&fixture.input(None), &small(), &run, &mut stop).expect("stopping is not an error");
    assert!(others.len() == 2 && others.iter().all(|other| matches!(other, Err(Error::Busy { .. }))), "{others:?}");
    smvae::resume(&fixture.input(None), &run).expect("the lock is gone");
}

#[test]
fn malformed_tags_are_an_error_before_anything_is_written() {
    let fixture = Fixture::new();
    let mut train_split = fixture.corpus.train.clone();
    train_split.iter_mut().for_each(|sample| sample.tags.push("B-PER".to_owned()));
    let error = TrainInput::from_samples(&train_split, &fixture.corpus.dev, EncoderSource::Tiny)
        .expect_err("more tags than words");
    assert!(error.to_string().contains("the tags of the post"), "{error}");
    let mut dev = fixture.corpus.dev.clone();
    dev[0].tags[0] = "malformed".to_owned();
    let error = train(&fixture.input(None).with_dev(&dev), &small(), fixture.out("run")).expect_err("a malformed tag");
    assert!(error.to_string().contains("tags of the post"), "{error}");
    assert!(!fixture.out("run").exists());
}

#[test]
fn what_is_frozen_does_not_move() {
    let fixture = Fixture::new();
    let folder = root().join("tests/golden/hf_families/bert");
    let loaded = Parameters::new(0, &Device::Cpu);
    let encoder = TransformerConfig::from_file(folder.join("config.json")).expect("a model folder");
    let weights = Weights::from_folder(&folder).expect("a model folder");
    load_weights(&encoder, weights, Missing::Refuse, &loaded, "encoder").expect("its weights");
    let before = loaded.snapshot().expect("copies");
    let check = |freeze: Freeze, is_frozen: fn(&str) -> bool| {
        let mut config = small();
        config.training.freeze = freeze;
        config.training.max_steps = Some(3);
        config.training.layer_decay = 0.9;
        let mut input = fixture.input(None);
        input.encoder = EncoderSource::Folder(folder.clone());
        let (out, mut told) = (fixture.out(&format!("{freeze:?}")), (0, 0));
        let summary = train_with(&input, &config, &out, &mut |event| {
            if let Event::Started { parameters, trained, .. } = event {
                told = (*parameters, *trained);
            }
            Flow::Continue
        });
        let after = safetensors::load(summary.expect("a run").folder.join("weights.safetensors"), &Device::Cpu);
        let after = after.expect("weights of a run");
        let mut n_frozen = 0;
        for (name, old) in &before {
            let moved =
                (old - &after[name]).and_then(|x| x.abs()?.sum_all()?.to_scalar::<f32>()).expect("one shape") > 0.0;
            // A key's bias has no effect, so that it may stay as it is.
            assert!(moved != is_frozen(name) || name.ends_with("key.bias"), "{freeze:?}: {name}, moved {moved}");
            n_frozen += if is_frozen(name) { old.elem_count() } else { 0 };
        }
        assert_eq!(told.0 - told.1, n_frozen, "{freeze:?}");
        let run = RunInfo::read(&out).expect("a run").config;
        assert_eq!(run.text_encoder.as_deref(), folder.to_str());
        assert_eq!(run.training.freeze, freeze);
    };
    let embeddings = |name: &str| name.starts_with("encoder.embeddings.");
    check(Freeze::None, |_| false);
    check(Freeze::Lowest(0), embeddings);
    check(Freeze::Lowest(1), |name| {
        name.starts_with("encoder.embeddings.") || name.starts_with("encoder.encoder.layer.0.")
    });
    check(Freeze::All, |_| true);
    let too_many = small_with(|c| c.training.freeze = Freeze::Lowest(3));
    let error = fixture.train("none", &too_many, None).expect_err("two layers");
    assert!(error.to_string().contains("freeze"), "{error}");
}
