//! Posts over the piece limit, and what is told of spans: windows, candidates, calibrated scores.

use crate::device::device;
use crate::fixture::{Fixture, forget_digests, load, small};
use smvae::core::calibration::tempered;
use smvae::data::synthetic::{SyntheticConfig, generate};
use smvae::data::{Corpus, Sample, Split};
use smvae::{Config, EncoderSource, Error, LoadOptions, Post, Prediction, PredictionSettings, Predictor, RunInfo};
use smvae::{PostPrediction, ScoredEntity, TrainInput, evaluate, train};
use std::collections::BTreeSet;
use std::path::Path;

fn load_as(run: &Path, prediction: PredictionSettings) -> smvae::Result<Predictor> {
    Predictor::load_with(run, &LoadOptions::on(device()).with_prediction(prediction))
}

/// Changes a setting of a run.
fn set(run: &Path, part: &str, name: &str, value: usize) {
    let path = run.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("there")).expect("JSON");
    config[part][name] = value.into();
    std::fs::write(path, config.to_string()).expect("writable");
    forget_digests(run);
}

fn told(entity: &ScoredEntity) -> (std::ops::Range<usize>, String) {
    (entity.words.clone(), entity.label.clone())
}

fn joined(samples: &[Sample]) -> Sample {
    Sample {
        words: samples.iter().flat_map(|sample| sample.words.clone()).collect(),
        tags: samples.iter().flat_map(|sample| sample.tags.clone()).collect(),
        ..samples[0].clone()
    }
}

#[test]
fn no_word_of_ten_thousand_goes_unread() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut settings = SyntheticConfig { n_train: 400, n_dev: 64, n_test: 160, ..SyntheticConfig::default() };
    (settings.ambiguous, settings.phrases, settings.names) = (0.0, 1, 40);
    generate(&settings).and_then(|corpus| corpus.write_to(folder.path().join("data"))).expect("a writable folder");
    let mut corpus = Corpus::load(folder.path().join("data")).expect("our own files");
    // Long ones: an encoder that starts untrained knows only the positions it has seen.
    for split in [&mut corpus.train, &mut corpus.dev, &mut corpus.test] {
        *split = split.chunks(8).map(joined).collect();
    }
    let mut config = Config::default();
    (config.model.hidden_dim, config.model.latent_dim, config.objective.kl_weight) = (32, 8, 0.01);
    (config.input.max_width, config.input.max_pieces) = (2, 42);
    (config.training.encoder_lr, config.training.head_lr) = (1e-3, 2e-3);
    (config.training.epochs, config.training.eval_every) = (Some(30), 10);
    (config.training.batch_size, config.training.negatives) = (4, Some(5.0));
    let run = folder.path().join("run");
    train(&TrainInput::new(&corpus, EncoderSource::Tiny).on(device()), &config, &run).expect("a run");

    // The posts of the test split, over and over, as one post.
    let predictor = load(&run).expect("a complete folder");
    let posts: Vec<Post> = corpus.test.iter().map(Post::from).collect();
    let alone: Vec<Prediction> = predictor.predict(&posts).expect("valid posts");
    let (mut words, mut want) = (Vec::new(), BTreeSet::new());
    for (post, found) in posts.iter().zip(&alone).cycle() {
        want.extend(found.entities.iter().map(|e| (e.words.start + words.len(), e.words.end + words.len())));
        words.extend_from_slice(post.words());
        if words.len() >= 10_000 {
            break;
        }
    }
    let long = Post::from_words(words);
    let check = |found: &Prediction, from: usize, to: usize, least: f64, most: f64| {
        let here = |start: usize| (from..to).contains(&start);
        let spans: BTreeSet<_> = found.entities.iter().map(|e| (e.words.start, e.words.end)).collect();
        let want: Vec<_> = want.iter().filter(|(start, _)| here(*start)).collect();
        let share = want.iter().filter(|span| spans.contains(span)).count() as f64 / want.len() as f64;
        assert!(want.len() > 50, "there is nothing to find: {}", want.len());
        assert!((least..=most).contains(&share), "{share} of what is found alone is found from {from} on");
    };
    let found = predictor.predict_one(&long).expect("a valid post");
    assert_eq!(found.words_cut, 0);
    (0..10_000).step_by(2000).for_each(|from| check(&found, from, from + 2000, 0.6, 1.0));
    let text: Vec<char> = long.text().chars().collect();
    for entity in &found.entities {
        assert_eq!(text[entity.start..entity.end].iter().collect::<String>(), entity.text);
    }

    // With seven pieces on each side instead of forty, most is found all the same.
    set(&run, "input", "max_pieces", 24);
    let narrow = load(&run).expect("a complete folder");
    let (mut same, mut all) = (0, 0);
    for (whole, part) in alone.iter().zip(narrow.predict(&posts).expect("valid posts")) {
        assert_eq!(part.words_cut, 0);
        let part: Vec<_> = part.entities.iter().map(told).collect();
        same += whole.entities.iter().filter(|entity| part.contains(&told(entity))).count();
        all += whole.entities.len();
    }
    assert!(posts.iter().any(|post| post.words().len() > 24) && same * 2 >= all, "{same} of {all}");

    // Cut, as before there were windows.
    let cut = load_as(&run, PredictionSettings::default().without_windows()).expect("a complete folder");
    let found = cut.predict_one(&long).expect("a valid post");
    assert_eq!(found.words_cut, long.words().len() - 22);
    assert!(found.entities.iter().all(|entity| entity.words.end <= 22));
}

#[test]
fn every_span_of_a_long_post_is_told_once() {
    let fixture = Fixture::new();
    let run = fixture.train("run", &small(), Some(&fixture.images)).expect("a run").folder;
    set(&run, "input", "max_pieces", 20);
    let predictor = load_as(&run, PredictionSettings::default().with_all_above(0.0)).expect("a complete folder");
    let images = fixture.images.clone();
    let predictor = predictor.with_images(images, smvae::ImageTrust::Recorded).expect("its own vectors");
    let (n_labels, width) = (predictor.labels().n_classes() - 1, predictor.config().input.max_width);
    for n in [1, 18, 19, 40, 150] {
        let words = (0..n).map(|i| ["see", "Oslo", "http://t.co/x", "now"][i % 4].to_owned()).collect();
        let post = Post::from_words(words).with_image(fixture.corpus.train[0].image_id.clone());
        let read = n - (n + 1) / 4;
        let found = predictor.predict_one(&post).expect("a valid post");
        assert!(found.words_cut == 0 && !found.image_missing);
        let candidates = found.candidates.expect("they were asked for");
        let spans: BTreeSet<_> =
            candidates.iter().map(told).map(|(words, label)| (words.start, words.end, label)).collect();
        let want: usize = (0..read).map(|start| width.min(read - start)).sum();
        assert_eq!((candidates.len(), spans.len()), (want * n_labels, want * n_labels), "{n} words");
        assert!(candidates.is_sorted_by_key(|c| (c.words.start, c.words.end)));
    }
}

#[test]
fn candidates_are_above_the_probability_and_entities_stay() {
    let fixture = Fixture::new();
    let run = fixture.train("run", &small(), None).expect("a run").folder;
    // So that something is found.
    std::fs::write(run.join("decision.json"), r#"{"outside_bias": 3.0}"#).expect("writable");
    let posts: Vec<Post> = fixture.corpus.test.iter().map(Post::from).collect();
    let predict = |settings| load_as(&run, settings).expect("a run").predict(&posts).expect("valid posts");
    let plain = predict(PredictionSettings::default());
    let asked = predict(PredictionSettings::default().with_all_above(0.3));
    let mut n = 0;
    for (plain, asked) in plain.iter().zip(&asked) {
        assert_eq!((&plain.entities, &plain.candidates), (&asked.entities, &None));
        let candidates = asked.candidates.as_ref().expect("they were asked for");
        assert!(candidates.iter().all(|c| c.score >= 0.3));
        let above = asked.entities.iter().filter(|entity| entity.score >= 0.3);
        assert!(above.clone().all(|entity| candidates.contains(entity)), "{candidates:?}");
        n += candidates.len();
    }
    assert!(n > 0, "a test of nothing");
    for (probability, is_right) in [(0.0, true), (1.0, true), (-0.1, false), (1.1, false), (f32::NAN, false)] {
        let loaded = load_as(&run, PredictionSettings::default().with_all_above(probability));
        assert_eq!(loaded.is_ok(), is_right, "{probability}");
    }
}

#[test]
fn calibrated_scores_are_other_scores_of_the_same_entities() {
    let fixture = Fixture::new();
    let mut config = small();
    config.training.tune_decision = true;
    config.training.epochs = Some(6);
    config.training.head_lr = 2e-3;
    let run = fixture.train("run", &config, None).expect("a run").folder;
    let posts: Vec<Post> = fixture.corpus.test.iter().map(Post::from).collect();
    let plain = load(&run).expect("a run").predict(&posts).expect("valid posts");
    assert!(plain.iter().any(|found| !found.entities.is_empty()), "a test of nothing");
    let saved: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("calibration.json")).expect("there")).expect("JSON");
    let temperature = saved["temperature"].as_f64().expect("a number");

    let check = |what: &str| {
        let predictor = load_as(&run, PredictionSettings::default().calibrated()).expect(what);
        for (plain, calibrated) in plain.iter().zip(predictor.predict(&posts).expect("valid posts")) {
            assert_eq!(plain.entities.len(), calibrated.entities.len(), "{what}");
            for (plain, calibrated) in plain.entities.iter().zip(&calibrated.entities) {
                assert_eq!(told(plain), told(calibrated), "{what}");
                let class = predictor.labels().index(&plain.label).expect("its own label");
                let want = tempered(&plain.probabilities, temperature)[class] as f32;
                assert_eq!(calibrated.score.to_bits(), want.to_bits(), "{what}");
            }
        }
        // Evaluation is what a temperature is fitted on.
        let scored = |predictor: &Predictor| evaluate(predictor, &fixture.corpus.test).expect("valid").predictions;
        assert_eq!(scored(&predictor), scored(&load(&run).expect("a run")), "{what}");
    };
    check("as training saved it");
    // A run of an earlier version has what was found in dev, which has the same temperature.
    std::fs::remove_file(run.join("calibration.json")).expect("there");
    forget_digests(&run);
    check("fitted on what was found in dev");
    std::fs::remove_file(run.join("predictions-valid.jsonl")).expect("there");
    let error = load_as(&run, PredictionSettings::default().calibrated()).expect_err("nothing tells it");
    assert!(matches!(error, Error::NoTemperature { .. }), "{error}");
    assert!(load(&run).is_ok());
    // The remedy that the message names.
    let (dev, gold) = (&fixture.corpus.dev, smvae::data::gold_entities(&fixture.corpus.dev, config.input.convention));
    let found = evaluate(&load(&run).expect("a run"), dev).expect("valid posts").predictions;
    let predictions = PostPrediction::join(dev, &gold.expect("valid tags"), &found, |_| None);
    RunInfo::read(&run).expect("a run").save_predictions(Split::Dev, &predictions).expect("writable");
    check("evaluated again");
    std::fs::write(run.join("calibration.json"), r#"{"temperature": 0.0, "entities": 3}"#).expect("writable");
    let error = load_as(&run, PredictionSettings::default().calibrated()).expect_err("no temperature").to_string();
    assert!(error.contains("the temperature 0 is not above 0"), "{error}");
}
