//! Captions as context: what reads them, what does not change without them, and what is refused.

use crate::fixture::{Fixture, bytes, load, metrics, small, small_with};
use smvae::config::{CaptionUse, Config};
use smvae::core::nn::Precision;
use smvae::data::{Captions, Sample};
use smvae::{
    CaptionTrust, Error, Event, Flow, LoadOptions, Post, Predictor, RunInfo, RunState, TrainInput, evaluate,
    resume_with, train, train_with,
};
use std::collections::BTreeMap;

/// A caption of every image, in words that are often enough for the tiny encoder to know them.
fn captions(fixture: &Fixture) -> Captions {
    const TEXTS: [&str; 4] = ["a photo", "a photo of the city", "the stage tonight", "two people"];
    let corpus = &fixture.corpus;
    let of_split = |samples: &[Sample]| -> Vec<(String, String)> {
        let captioned =
            samples.iter().enumerate().map(|(i, sample)| (sample.image_id.clone(), TEXTS[i % 4].to_owned()));
        captioned.collect()
    };
    let all = [&corpus.train, &corpus.dev, &corpus.test].into_iter().flat_map(|samples| of_split(samples));
    Captions::from_map(all.collect()).expect("captions")
}

/// A model that was trained with captions, and which it was given.
fn model(fixture: &Fixture, change: impl FnOnce(&mut Config)) -> Predictor {
    let captions = captions(fixture);
    let input = fixture.input(None).with_captions(&captions);
    let folder = train(&input, &small_with(change), fixture.out("run")).expect("a run").folder;
    load(folder).expect("a complete folder").with_captions(captions, CaptionTrust::Recorded).expect("its own")
}

/// Every span of a post with its probabilities, to compare what a model sees.
fn seen(model: &Predictor, post: &Post) -> String {
    format!("{:?}", model.predict_one(post).expect("a valid post").candidates.expect("asked for"))
}

#[test]
fn a_caption_is_seen_and_a_missing_one_is_text_alone() {
    let fixture = Fixture::new();
    let model = model(&fixture, |_| {}).telling_all_above(0.0).expect("a probability");
    let post = model.post("look at this : Zarko");
    let (of_file, other) = ("a photo of the city", "two people");
    let bare = model.clone().without_captions();
    let alone = seen(&bare, &post);
    assert_eq!(seen(&model, &post), alone);
    assert_eq!(seen(&model, &post.clone().with_caption(" ")), alone);
    let with = |caption: &str| seen(&model, &post.clone().with_caption(caption));
    assert!(with(of_file) != alone && with(other) != alone && with(of_file) != with(other));
    // A model that reads none does not see it.
    assert_eq!(seen(&bare, &post.clone().with_caption(of_file)), alone);
    // By the id of the image; the post's own comes first.
    let named = Post::from(&fixture.corpus.test[0]);
    let own = captions(&fixture).get(&fixture.corpus.test[0].image_id).expect("every post has one").to_owned();
    let mut unnamed = named.clone();
    unnamed.image_id = None;
    assert_eq!(seen(&model, &named), seen(&model, &unnamed.clone().with_caption(own)));
    assert_eq!(seen(&model, &named.clone().with_caption("zebra")), seen(&model, &unnamed.with_caption("zebra")));
    let missing = |post: &Post| model.predict_one(post).expect("a valid post").caption_missing;
    assert!(missing(&post) && !missing(&named) && !bare.predict_one(&post).expect("a valid post").caption_missing);
}

#[test]
fn no_bit_depends_on_the_captions_beside_it() {
    let fixture = Fixture::new();
    model(&fixture, |_| {});
    for precision in [Precision::F32, Precision::Int8] {
        let options = LoadOptions::default().with_precision(precision);
        let model = Predictor::load_with(fixture.out("run"), &options).expect("a complete folder");
        let model = model.telling_all_above(0.0).expect("a probability");
        let long = "word Zarko ".repeat(200);
        let texts = ["Oslo", "met Zarko", &long, "", "go"];
        let captions = ["", "a photo of a man", "a stage", "unknown words , and more of them"];
        let post = |i: usize| model.post(texts[i % 5]).with_caption(captions[i % 4]);
        let posts: Vec<Post> = (0..40).map(post).collect();
        let alone: Vec<_> = posts.iter().map(|post| model.predict_one(post).expect("a valid post")).collect();
        assert!(model.predict(&posts).expect("valid posts") == alone, "{precision:?}");
        let without = model.post(&long);
        assert!(seen(&model, &without) != seen(&model, &without.clone().with_caption("a stage")));
    }
}

#[test]
fn a_run_without_captions_is_the_run_it_was() {
    let fixture = Fixture::new();
    let captioned: Vec<Sample> =
        fixture.corpus.train.iter().map(|s| Sample { caption: Some("a cat".to_owned()), ..s.clone() }).collect();
    let plain = fixture.train("plain", &small(), None).expect("a run").folder;
    for file in ["config.json", "run.json"] {
        assert!(!String::from_utf8(bytes(&plain, file)).expect("UTF-8").contains("caption"), "{file}");
    }
    assert!(!plain.join("captions.json").exists() && RunInfo::read(&plain).expect("a run").captions.is_none());
    // A probability that drops captions moves no draw where there is no caption.
    let dropping = small_with(|config| config.training.caption_dropout = 0.5);
    let dropping = fixture.train("dropping", &dropping, None).expect("a run").folder;
    assert!(bytes(&plain, "weights.safetensors") == bytes(&dropping, "weights.safetensors"));
    // With all of them dropped in training, the encoder has learned from text alone; dev has them.
    let input = TrainInput::from_samples(&captioned, &fixture.corpus.dev, smvae::EncoderSource::Tiny).expect("tags");
    let all = small_with(|config| config.training.caption_dropout = 1.0);
    let folder = train(&input, &all, fixture.out("own")).expect("a run").folder;
    let identity = RunInfo::read(&folder).expect("a run").captions.expect("posts have captions");
    assert_eq!((identity.source, identity.sha256), (None, None));
}

#[test]
fn a_run_with_captions_resumes_after_any_step() {
    let fixture = Fixture::new();
    let captions = captions(&fixture);
    let input = || fixture.input(None).with_captions(&captions);
    let mut config = small_with(|config| config.training.caption_dropout = 0.4);
    config.training.checkpoint_every = Some(1000);
    let whole = train(&input(), &config, fixture.out("whole")).expect("a run").folder;
    let kept = train(&input(), &small(), fixture.out("kept")).expect("a run").folder;
    assert!(bytes(&whole, "weights.safetensors") != bytes(&kept, "weights.safetensors"), "some are dropped");
    let run = fixture.out("stopped");
    let mut stop = |event: &Event| if matches!(event, Event::Step { .. }) { Flow::Stop } else { Flow::Continue };
    train_with(&input(), &config, &run, &mut stop).expect("stopping is not an error");
    // Other captions than it began with, or none, are refused.
    let other = Captions::from_map(BTreeMap::from([(fixture.corpus.train[0].image_id.clone(), "a cat".to_owned())]));
    let other = other.expect("a caption");
    for input in [fixture.input(None), fixture.input(None).with_captions(&other)] {
        let refused = resume_with(&input, &run, &mut |_| Flow::Continue).expect_err("other captions").to_string();
        assert!(refused.contains("captions' sha256"), "{refused}");
    }
    let mut stops = 0;
    while !RunState::read(&run).expect("a run").finished {
        stops += 1;
        resume_with(&input(), &run, &mut stop).expect("stopping is not an error");
    }
    assert_eq!(stops, 4);
    assert_eq!(metrics(&run), metrics(&whole));
    assert!(bytes(&run, "weights.safetensors") == bytes(&whole, "weights.safetensors"));
}

#[test]
fn another_posts_caption_is_another_run() {
    let fixture = Fixture::new();
    let own = model(&fixture, |_| {});
    let captions = captions(&fixture);
    let shuffled = small_with(|config| config.input.caption = CaptionUse::Shuffled);
    let input = fixture.input(None).with_captions(&captions);
    let folder = train(&input, &shuffled, fixture.out("shuffled")).expect("a run").folder;
    assert!(bytes(&folder, "weights.safetensors") != bytes(&fixture.out("run"), "weights.safetensors"));
    let refused = train(&fixture.input(None), &shuffled, fixture.out("none")).expect_err("nothing to choose from");
    assert!(refused.to_string().contains("captions by image id"), "{refused}");
    // Without the captions that others are chosen from, no post has one.
    let (given, bare) =
        (evaluate(&own, &fixture.corpus.test), evaluate(&load(folder).expect("a run"), &fixture.corpus.test));
    assert_eq!(given.expect("posts").captions_missing, 0);
    assert_eq!(bare.expect("posts").captions_missing, fixture.corpus.test.len());
}

#[test]
fn teachers_and_students_read_captions() {
    let fixture = Fixture::new();
    let captions = captions(&fixture);
    let mut config = small();
    let mut teachers = smvae::Distillation::default();
    (teachers.teachers, teachers.training) = (1, config.training.clone());
    (teachers.training.semi, teachers.training.epochs) = (false, Some(1));
    config.distillation = Some(teachers);
    let mut taught = 0;
    let input = fixture.input(None).with_captions(&captions);
    train_with(&input, &config, fixture.out("run"), &mut |event| {
        if let Event::Teacher { event, .. } = event
            && let Event::Started { captions: Some(coverage), .. } = &**event
        {
            assert_eq!(coverage.missing, 0);
            taught += 1;
        }
        Flow::Continue
    })
    .expect("a run");
    assert_eq!(taught, 1);
}

#[test]
fn captions_that_do_not_fit_are_refused() {
    let fixture = Fixture::new();
    let captions = captions(&fixture);
    let model = model(&fixture, |_| {});
    let foreign = Captions::from_map(BTreeMap::from([("a".to_owned(), "a cat".to_owned())])).expect("a caption");
    let refused = model.clone().with_captions(foreign.clone(), CaptionTrust::Recorded).expect_err("another file");
    assert!(matches!(&refused, Error::OtherCaptions { .. }), "{refused}");
    model.with_captions(foreign.clone(), CaptionTrust::Any).expect("trusted");
    let plain = load(fixture.train("plain", &small(), None).expect("a run").folder).expect("a run");
    assert!(matches!(plain.with_captions(captions.clone(), CaptionTrust::Any), Err(Error::NoCaptions)));
    let refused =
        train(&fixture.input(None).with_captions(&foreign), &small(), fixture.out("x")).expect_err("no match");
    assert!(refused.to_string().contains("none of the 1 captions belongs to one of the 60 posts"), "{refused}");
    let authors = Config::preset("twitter2017").expect("a preset");
    let refused = train(&fixture.input(None).with_captions(&captions), &authors, fixture.out("x")).expect_err("padded");
    assert!(refused.to_string().contains("captions"), "{refused}");
    assert!(!fixture.out("x").exists());
}
