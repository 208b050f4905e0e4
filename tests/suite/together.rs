//! Several models as one: the mean of what they say, and what they refuse.

use crate::fixture::{Fixture, bytes, forget_digests, load, small_with};
use smvae::{Config, Flow, ImageTrust, LoadOptions, Post, Prediction, PredictionSettings, Predictor};
use smvae::{evaluate, evaluate_as_authors};
use std::collections::BTreeMap;

/// Runs that differ in seed, decision, and whether they use images; the first does.
fn models(fixture: &Fixture) -> [Predictor; 3] {
    [0, 1, 2].map(|seed| {
        let config: Config = small_with(|config| config.seed = seed);
        let images = Some(&fixture.images).filter(|_| seed == 0);
        let name = format!("run-{seed}");
        let run = fixture.train(&name, &config, images).expect("a run").folder;
        if seed == 1 {
            forget_digests(&run);
            std::fs::write(run.join("decision.json"), r#"{"outside_bias": 1.5}"#).expect("writable");
        }
        let model = load(run).expect("a complete folder");
        assert_eq!(model.decision().outside_bias, if seed == 1 { 1.5 } else { 0.0 });
        match images {
            Some(images) => model.with_images(images.clone(), ImageTrust::Recorded).expect("its own"),
            None => model,
        }
    })
}

/// Of every post the score of each span and label.
fn scores(found: &[Prediction]) -> Vec<BTreeMap<(usize, usize, String), f32>> {
    let of_post = |found: &Prediction| {
        let candidates = found.candidates.as_ref().expect("asked for");
        candidates.iter().map(|c| ((c.words.start, c.words.end, c.label.clone()), c.score)).collect()
    };
    found.iter().map(of_post).collect()
}

#[test]
fn several_models_answer_with_the_mean_of_their_probabilities() {
    let fixture = Fixture::new();
    let models = models(&fixture).map(|model| model.telling_all_above(0.0).expect("a probability"));
    let mut posts: Vec<Post> = fixture.corpus.test.iter().map(Post::from).collect();
    // Read in windows.
    posts.push(Post::from_words((0..400).map(|i| format!("word{i}")).collect()));
    posts.push(models[0].post(""));
    let of_each = models.each_ref().map(|model| scores(&model.predict(&posts).expect("valid posts")));
    let together = Predictor::together(models.clone()).expect("models of one corpus");
    assert_eq!(together.n_models(), 3);
    let mut told = Vec::new();
    let mut tell = |done, total| {
        told.push((done, total));
        Flow::Continue
    };
    let found = together.predict_with(&posts, &mut tell).expect("valid posts").expect("not ended");
    assert!(told.is_sorted() && told.last() == Some(&(posts.len(), posts.len())), "{told:?}");
    for (i, mean) in scores(&found).iter().enumerate() {
        assert_eq!(mean.len(), of_each[0][i].len());
        for (key, score) in mean {
            let want = of_each.iter().map(|of| of[i][key]).sum::<f32>() / 3.0;
            assert!((score - want).abs() < 1e-5, "{key:?} of post {i}: {score}, not {want}");
        }
    }
    // In another order, alone, and by the other ways to ask, the same is found.
    let [first, second, third] = models.clone();
    let turned = Predictor::together([third, second, first]).expect("models of one corpus");
    for (a, b) in scores(&turned.predict(&posts).expect("valid posts")).iter().zip(&scores(&found)) {
        assert!(a.iter().zip(b).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-5));
    }
    let alone = Predictor::together([models[1].clone()]).expect("a model");
    assert_eq!(alone.decision(), models[1].decision());
    assert_eq!(scores(&alone.predict(&posts).expect("valid posts")), of_each[1]);
    let each: Vec<Prediction> = together.predict_each(&posts).into_iter().map(|found| found.expect("valid")).collect();
    assert_eq!(each, found);
    let evaluation = evaluate(&together, &fixture.corpus.test).expect("gold labels");
    let entities: Vec<_> = found.iter().map(|found| &found.entities).collect();
    assert_eq!(evaluation.predictions.iter().collect::<Vec<_>>(), entities[..fixture.corpus.test.len()]);
    // Only the first model uses images: without them it misses all.
    let n = fixture.corpus.test.len();
    assert_eq!(evaluation.images_missing, evaluate(&models[0], &fixture.corpus.test).expect("gold").images_missing);
    let blind = evaluate(&together.without_images(), &fixture.corpus.test).expect("gold labels");
    assert_eq!(blind.images_missing, n);
    let seeing = turned.without_images().with_images(fixture.images.clone(), ImageTrust::Recorded).expect("its own");
    let seeing = evaluate(&seeing, &fixture.corpus.test).expect("gold labels");
    assert_eq!(seeing.images_missing, evaluation.images_missing);
}

#[test]
fn models_that_see_other_spans_stand_in_for_each_other() {
    let fixture = Fixture::new();
    let [narrow, wide] = [1, 5].map(|max_width| {
        let name = format!("width-{max_width}");
        let config = small_with(|config| config.input.max_width = max_width);
        load(fixture.train(&name, &config, None).expect("a run").folder).expect("a complete folder")
    });
    let [narrow, wide] = [narrow, wide].map(|model| model.telling_all_above(0.0).expect("a probability"));
    let reach = |models: &[&Predictor]| {
        let together = Predictor::together(models.iter().map(|model| (*model).clone())).expect("models of one corpus");
        evaluate(&together, &fixture.corpus.test).expect("gold labels").out_of_reach
    };
    assert!(reach(&[&narrow]) > reach(&[&wide]), "some entities have two words");
    assert_eq!(reach(&[&narrow, &wide]), reach(&[&wide]));
    assert_eq!(reach(&[&wide, &narrow]), reach(&[&wide]));
    let post = Post::from(&fixture.corpus.test[0]);
    let of = |model: &Predictor| scores(&[model.predict_one(&post).expect("a valid post")]).remove(0);
    let (of_wide, of_narrow) = (of(&wide), of(&narrow));
    let together = Predictor::together([narrow, wide]).expect("models of one corpus");
    for (key, score) in of(&together) {
        let want = (of_wide[&key] + of_narrow.get(&key).copied().unwrap_or(0.0)) / 2.0;
        assert!((score - want).abs() < 1e-5, "{key:?}: {score}, not {want}");
    }
}

#[test]
fn a_callback_stops_between_two_models() {
    let fixture = Fixture::new();
    let [first, second, _] = models(&fixture);
    let together = Predictor::together([first, second]).expect("models of one corpus");
    let posts: Vec<Post> = fixture.corpus.test.iter().map(Post::from).collect();
    let mut told = Vec::new();
    let mut stop = |done, total| {
        told.push((done, total));
        Flow::Stop
    };
    assert_eq!(together.predict_with(&posts, &mut stop).expect("no error"), None);
    assert_eq!(told, [(posts.len() / 2, posts.len())], "the first model had read all, the second none");
}

#[test]
fn what_cannot_answer_together_is_refused() {
    let fixture = Fixture::new();
    let models = models(&fixture);
    let refused = |models: Vec<Predictor>| Predictor::together(models).expect_err("refused").to_string();
    let [first, second, third] = models;
    assert!(refused(Vec::new()).contains("models"));
    let pair = Predictor::together([first.clone(), second.clone()]).expect("models of one corpus");
    assert!(refused(vec![third.clone(), pair.clone()]).contains("together already"));
    let error = evaluate_as_authors(&pair, &fixture.corpus.test, 1).expect_err("refused").to_string();
    assert!(error.contains("authors"), "{error}");

    let folder = fixture.out("run-2");
    forget_digests(&folder);
    let calibrated = LoadOptions::default().with_prediction(PredictionSettings::default().calibrated());
    let calibrated = Predictor::load_with(&folder, &calibrated).expect("dev was scored");
    assert!(refused(vec![first.clone(), calibrated]).contains("calibrated"));
    let surprised = LoadOptions::default().with_prediction(PredictionSettings::default().with_surprise());
    let surprised = Predictor::load_with(&folder, &surprised).expect("it has VAEs");
    assert!(refused(vec![first.clone(), surprised]).contains("surprise"));
    let labels = String::from_utf8(bytes(&folder, "labels.json")).expect("JSON");
    let other = labels.replacen(&first.labels().types()[0], "other", 1);
    std::fs::write(folder.join("labels.json"), other).expect("writable");
    let error = refused(vec![first, load(&folder).expect("it loads")]);
    assert!(error.contains("other") && error.contains("labels"), "{error}");
}
