//! Options that may keep the image expert from collapsing: what each changes, that a run with it
//! resumes and loads, and that a run without it is the run it was. Their gradients are those of
//! `gradients.rs`.

use crate::few_labels::{check_stops, check_stops_on};
use crate::fixture::{Fixture, bytes, load, metrics, small, small_with};
use smvae::core::candle_core::{Device, Tensor, safetensors};
use smvae::core::model::ImageSource;
use smvae::core::objective::ImageReconstruction;
use smvae::{Config, ImageTrust, evaluate};
use std::collections::HashMap;
use std::path::Path;

type Named = (&'static str, fn(&mut Config));

const OPTIONS: [Named; 5] = [
    ("image_dropout", |c| c.training.image_dropout = 0.4),
    ("image_in_classifier", |c| c.model.image_in_classifier = true),
    ("image_reconstruction", |c| c.objective.image_reconstruction = ImageReconstruction::Gaussian),
    ("image_reconstruction", |c| c.objective.image_reconstruction = ImageReconstruction::Contrastive),
    ("image_gate", |c| c.model.image_gate = true),
];

#[test]
fn a_run_with_an_option_resumes_after_every_step() {
    for (_, change) in OPTIONS {
        check_stops(&small_with(change));
    }
}

#[test]
fn a_run_with_an_option_is_read_and_scored_again() {
    let fixture = Fixture::new();
    for (i, (name, change)) in OPTIONS.into_iter().enumerate() {
        let folder =
            fixture.train(&format!("{name}-{i}"), &small_with(change), Some(&fixture.images)).expect("a run").folder;
        assert!(String::from_utf8(bytes(&folder, "config.json")).expect("UTF-8").contains(name), "{name}");
        let model = load(&folder).expect("a complete folder");
        evaluate(&model, &fixture.corpus.dev).expect("scores without images");
        let model = model.with_images(fixture.images.clone(), ImageTrust::Recorded).expect("its own vectors");
        let scores = evaluate(&model, &fixture.corpus.dev).expect("scores").scores;
        let told = metrics(&folder).into_iter().rfind(|record| record["best"] == true);
        assert_eq!(serde_json::to_value(&scores).expect("JSON"), told.expect("dev was evaluated")["dev"], "{name}");
    }
}

#[test]
fn a_run_without_an_option_does_not_name_it() {
    let fixture = Fixture::new();
    let folder = fixture.train("plain", &small(), Some(&fixture.images)).expect("a run").folder;
    let config = String::from_utf8(bytes(&folder, "config.json")).expect("UTF-8");
    let named = Config::default().to_named_json().expect("no path is in it").to_string();
    for (name, _) in OPTIONS {
        assert!(!config.contains(name) && named.contains(name), "{name}");
    }
    assert!(!config.contains("image_source") && named.contains("image_source"));
}

#[test]
fn an_option_needs_images() {
    let fixture = Fixture::new();
    for (name, change) in OPTIONS {
        let error = fixture.train(name, &small_with(change), None).expect_err("no images").to_string();
        assert!(error.contains(name) && error.contains("where there are no image vectors"), "{error}");
        assert!(!fixture.out(name).exists());
    }
}

#[test]
fn a_run_that_sees_no_image_learns_what_text_alone_teaches() {
    let fixture = Fixture::new();
    // Dev has its images: it is scored once, so that it chooses no weights.
    let unseen = small_with(|config| (config.training.image_dropout, config.training.eval_every) = (1.0, 2));
    let text = small_with(|config| config.training.eval_every = 2);
    let unseen = fixture.train("unseen", &unseen, Some(&fixture.images)).expect("a run").folder;
    let text = fixture.train("text", &text, None).expect("a run").folder;
    let (unseen, text) = (weights(&unseen), weights(&text));
    let own: Vec<&str> = unseen.keys().map(String::as_str).filter(|name| !text.contains_key(*name)).collect();
    assert!(own.iter().all(|name| name.contains("image")) && own.len() == 12, "{own:?}");
    for (name, want) in &text {
        assert_eq!(numbers(&unseen[name]), numbers(want), "{name}");
    }
}

/// A corpus whose posts have captions, but for every fifth.
fn captioned() -> Fixture {
    const TEXTS: [&str; 4] = ["a photo", "a photo of the city", "the stage tonight", "two people"];
    let mut fixture = Fixture::new();
    let corpus = &mut fixture.corpus;
    for samples in [&mut corpus.train, &mut corpus.dev, &mut corpus.test] {
        for (i, sample) in samples.iter_mut().enumerate().filter(|(i, _)| i % 5 != 0) {
            sample.caption = Some(TEXTS[i % 4].to_owned());
        }
    }
    fixture
}

#[test]
fn a_caption_stands_for_an_image() {
    let fixture = captioned();
    let with_caption = small_with(|config| config.model.image_source = ImageSource::Caption);
    check_stops_on(&fixture, None, &with_caption);
    let folder = fixture.train("caption", &with_caption, None).expect("a run").folder;
    let told = metrics(&folder).into_iter().rfind(|record| record["best"] == true).expect("dev was evaluated");
    assert!(told["train"]["labelled"]["kl_fused"].as_f64().expect("a number") > 0.0, "{told}");
    let model = load(&folder).expect("a complete folder");
    assert!(model.config().model.image_dim.is_none() && model.image_identity().is_none());
    let scores = evaluate(&model, &fixture.corpus.dev).expect("scores").scores;
    assert_eq!(serde_json::to_value(&scores).expect("JSON"), told["dev"]);
    evaluate(&model.without_captions(), &fixture.corpus.dev).expect("text alone");
    // With everything else that an image may do.
    let whole = small_with(|config| {
        (config.model.image_source, config.model.image_gate) = (ImageSource::Caption, true);
        config.model.image_in_classifier = true;
        config.objective.image_reconstruction = ImageReconstruction::Gaussian;
    });
    check_stops_on(&captioned(), None, &whole);

    let error = fixture.train("both", &with_caption, Some(&fixture.images)).expect_err("vectors too").to_string();
    assert!(error.contains("`model.image_source` must be vectors where there are image vectors"), "{error}");
    let error = Fixture::new().train("none", &with_caption, None).expect_err("no captions").to_string();
    assert!(error.contains("`model.image_source` must be vectors where there are no captions"), "{error}");
}

fn weights(folder: &Path) -> HashMap<String, Tensor> {
    safetensors::load(folder.join("weights.safetensors"), &Device::Cpu).expect("weights")
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("f32")
}
