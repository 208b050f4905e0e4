//! Runs from end to end on the synthetic corpus with the tiny encoder: what a run folder promises.

use crate::fixture::{Fixture, bytes, load, metrics, small, small_with};
use crate::golden::root;
use smvae::config::Freeze;
use smvae::core::Convention;
use smvae::core::candle_core::{DType, Device, safetensors};
use smvae::core::nn::Parameters;
use smvae::data::words::WordConvention;
use smvae::data::{ImageVectors, Split};
use smvae::encoders::text::{TransformerConfig, load_weights};
use smvae::encoders::weights::{Missing, Weights};
use smvae::{Config, EncoderSource, Error, Event, Flow, ImageTrust, LoadOptions, Post, Prediction, Predictor, RunInfo};
use smvae::{TrainInput, evaluate, evaluate_with, train, train_with};
use std::collections::BTreeMap;
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
fn a_post_that_cannot_be_computed_takes_no_other_with_it() {
    let fixture = Fixture::new();
    let out = fixture.train("run", &small(), None).expect("a run").folder;
    // A word piece that the table of embeddings has no row for.
    let path = out.join("tokenizer.json");
    let mut tokenizer: serde_json::Value = serde_json::from_slice(&bytes(&out, "tokenizer.json")).expect("JSON");
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().expect("word pieces");
    vocabulary.insert("zzz".to_owned(), (vocabulary.len() + 7).into());
    std::fs::write(path, tokenizer.to_string()).expect("writable");

    let predictor = load(&out).expect("a complete folder");
    let posts = ["one good post", "zzz", "another", "zzz zzz", ""].map(|text| predictor.post(text));
    assert!(predictor.predict(&posts).is_err());
    let found = predictor.predict_each(&posts);
    assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false, true]);
}

#[test]
fn weights_that_are_not_finite_are_an_error_and_not_an_empty_answer() {
    let fixture = Fixture::new();
    let out = fixture.train("run", &small(), None).expect("a run").folder;
    let path = out.join("weights.safetensors");
    let weights = safetensors::load(&path, &Device::Cpu).expect("weights");
    let check = |part: &str, want: &str| {
        let mut broken = weights.clone();
        for (_, tensor) in broken.iter_mut().filter(|(name, _)| name.starts_with(part)) {
            *tensor = (tensor.ones_like().expect("ones") * f64::NAN).expect("the same type");
        }
        safetensors::save(&broken, &path).expect("writable");
        let predictor = load(&out).expect("a complete folder");
        let error = predictor.predict_text("met Zarko in Oslo").expect_err(want).to_string();
        assert!(error.contains(want), "{error}");
        assert!(evaluate(&predictor, &fixture.corpus.test).is_err());
    };
    check("encoder.", "the vectors of the text encoder are not finite");
    check("model.", "the logits of the spans are not finite");
}

#[test]
fn text_is_split_as_the_corpus_of_the_run_was() {
    let fixture = Fixture::new();
    let words = |input: &TrainInput<'_>, name: &str| {
        train(input, &small(), fixture.out(name)).expect("a run");
        RunInfo::read(fixture.out(name)).expect("a complete folder").words
    };
    let told = WordConvention::of_corpus(fixture.corpus.train.iter().map(|sample| &sample.words));
    assert_eq!(words(&fixture.input(None), "told"), Some(told));
    let mut asked = fixture.input(None);
    asked.words = Some(WordConvention::TWITTER2017);
    assert_eq!(words(&asked, "asked"), Some(WordConvention::TWITTER2017));
    let predictor = load(fixture.out("asked")).expect("a complete folder");
    assert_eq!(predictor.post("#Oslo's").words(), ["#", "Oslo", "'", "s"]);
    let found = predictor.predict_text("see #Oslo.").expect("a valid text");
    assert!(found.entities.iter().all(|e| "see #Oslo.".get(e.start..e.end) == Some(&e.text)), "{found:?}");
    // A run of an earlier version does not say.
    std::fs::remove_file(fixture.out("asked").join("words.json")).expect("there");
    let predictor = load(fixture.out("asked")).expect("it loads");
    assert!(!predictor.words_are_known() && predictor.words() == WordConvention::default());
}

#[test]
fn half_precision_is_for_gpus() {
    let fixture = Fixture::new();
    fixture.train("run", &small(), None).expect("a run");
    for dtype in [DType::F16, DType::BF16, DType::F64] {
        let error = Predictor::load_with(fixture.out("run"), &LoadOptions::default().with_dtype(dtype))
            .expect_err("not on the CPU");
        assert!(error.to_string().contains("dtype"), "{error}");
    }
}

#[test]
fn image_vectors_other_than_the_models_are_refused() {
    let fixture = Fixture::new();
    fixture.train("run", &small(), Some(&fixture.images)).expect("a run");
    fixture.train("text", &small(), None).expect("a run");
    let load = |name: &str| load(fixture.out(name)).expect("a complete folder");
    let vectors = |width: usize| {
        let map = fixture.corpus.train.iter().map(|sample| (sample.image_id.clone(), vec![1.0; width]));
        ImageVectors::from_map(map.collect::<BTreeMap<_, _>>()).expect("equal widths")
    };
    let width = fixture.images.width();
    assert!(matches!(load("run").with_images(vectors(width + 1), ImageTrust::Any), Err(Error::OtherImages { .. })));
    assert!(matches!(load("run").with_images(vectors(width), ImageTrust::Recorded), Err(Error::OtherImages { .. })));
    assert!(load("run").with_images(vectors(width), ImageTrust::Any).is_ok());
    assert!(matches!(load("text").with_images(vectors(width), ImageTrust::Any), Err(Error::NoImages)));
}

#[test]
fn posts_without_an_image_are_trained_on_and_predicted() {
    let fixture = Fixture::new();
    let half = fixture.corpus.train.iter().step_by(2).map(|sample| {
        let vector = fixture.images.get(&sample.image_id).expect("every post has one").to_vec();
        (sample.image_id.clone(), vector)
    });
    let half = ImageVectors::from_map(half.collect::<BTreeMap<_, _>>()).expect("equal widths");
    let summary = fixture.train("run", &small(), Some(&half)).expect("a run");
    let predictor = load(&summary.folder).expect("a complete folder");
    let test = &fixture.corpus.test;
    let evaluation = evaluate_with(&predictor, test, Convention::Strict, &mut |_, _| Flow::Continue).expect("valid");
    assert_eq!(evaluation.expect("not ended").images_missing, test.len());
    let ended = evaluate_with(&predictor, test, Convention::Strict, &mut |done, total| {
        assert!(done <= total);
        Flow::Stop
    });
    assert!(ended.expect("no error").is_none_or(|all| all.predictions.len() == test.len()));
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

#[test]
fn any_post_is_predicted_in_its_place() {
    let fixture = Fixture::new();
    let summary = fixture.train("run", &small(), None).expect("a run");
    let predictor = load(&summary.folder).expect("a complete folder");
    let mut posts: Vec<Post> = fixture.corpus.test.iter().map(Post::from).collect();
    let alone: Vec<_> = posts.iter().map(|post| predictor.predict_one(post).expect("valid")).collect();
    posts.extend(
        ["", "http://t.co/x", "\u{a0}", &"word ".repeat(2000), "<script> 🐘 #x"].map(|text| predictor.post(text)),
    );
    let mut last = (0, 0);
    let found = predictor.predict_with(&posts, &mut |done, total| {
        last = (done, total);
        Flow::Continue
    });
    let found = found.expect("valid posts").expect("not ended");
    assert_eq!(last, (posts.len(), posts.len()));
    assert_eq!(found.len(), posts.len());
    for (one, all) in alone.iter().zip(&found) {
        let spans = |found: &Prediction| -> Vec<_> {
            found.entities.iter().map(|e| (e.words.clone(), e.label.clone())).collect()
        };
        assert_eq!(spans(one), spans(all), "a post's neighbours do not matter");
    }
    for (post, found) in posts.iter().zip(&found) {
        assert!(found.entities.iter().all(|e| e.words.end <= post.words().len() && !e.text.is_empty()), "{post:?}");
        assert_eq!(found.words_cut > 0, post.words().len() == 2000, "{post:?}");
    }
}

#[test]
fn a_post_whose_image_has_no_vector_is_read_without_it_and_told() {
    let fixture = Fixture::new();
    let summary = fixture.train("run", &small(), Some(&fixture.images)).expect("a run");
    let predictor = load(&summary.folder).expect("a complete folder");
    let known = Post::from(&fixture.corpus.test[0]);
    let none = Post::from_words(known.words().to_vec());
    let absent = none.clone().with_image("absent");
    let posts = [known, none, absent];
    let missing = |predictor: &Predictor| -> Vec<bool> {
        let found = predictor.predict(&posts).expect("valid posts");
        assert_eq!(found[1].entities, found[2].entities);
        found.iter().map(|found| found.image_missing).collect()
    };
    assert_eq!(missing(&predictor), [true, false, true], "nobody gave it vectors");
    let predictor = predictor.with_images(fixture.images.clone(), ImageTrust::Recorded).expect("its own vectors");
    assert_eq!(missing(&predictor), [false, false, true]);
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
