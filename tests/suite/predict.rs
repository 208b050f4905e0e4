//! A trained model at work: what it answers, what it accepts, and that no post harms another.

use crate::fixture::{Fixture, bytes, forget_digests, load, small, small_with};
use smvae::core::Convention;
use smvae::core::candle_core::{DType, Device, safetensors};
use smvae::core::nn::{Form, Precision, Unit};
use smvae::data::words::WordConvention;
use smvae::data::{ImageVectors, Sample};
use smvae::{Config, Error, Flow, ImageTrust, LoadOptions, Post, Prediction, PredictionSettings, Predictor, RunInfo};
use smvae::{TrainInput, evaluate, evaluate_with, train};
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn a_post_that_cannot_be_computed_takes_no_other_with_it() {
    let fixture = Fixture::new();
    let out = fixture.train("run", &small(), None).expect("a run").folder;
    forget_digests(&out);
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
    forget_digests(&out);
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
    forget_digests(&fixture.out("asked"));
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
    // More posts than are scored before the callback is asked.
    let many: Vec<Sample> = test.iter().cycle().take(2000).cloned().collect();
    let ended = evaluate_with(&predictor, &many, Convention::Strict, &mut |done, total| {
        assert!(done < total);
        Flow::Stop
    });
    assert!(ended.expect("no error").is_none());
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
        assert_eq!(found.words_cut, 0, "{post:?}");
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

#[test]
fn a_model_says_how_little_it_expected_a_post() {
    let fixture = Fixture::new();
    let posts: Vec<Post> = fixture.corpus.test.iter().map(Post::from).collect();
    let settings = PredictionSettings::default().with_surprise();
    let with_surprise = |run: &Path, precision| {
        let options = LoadOptions::default().with_prediction(settings).with_precision(precision);
        Predictor::load_with(run, &options)
    };
    let run = fixture.train("run", &small(), Some(&fixture.images)).expect("a run").folder;
    let of = |model: &Predictor| -> Vec<f32> {
        let found = model.predict(&posts).expect("valid posts");
        found.iter().map(|found| found.surprise.expect("asked for")).collect()
    };
    let blind = with_surprise(&run, Precision::F32).expect("it loads");
    let seeing = blind.clone().with_images(fixture.images.clone(), ImageTrust::Recorded).expect("its own vectors");
    let surprise = of(&seeing);
    assert!(surprise.iter().all(|surprise| surprise.is_finite() && *surprise > 0.0), "{surprise:?}");
    assert_ne!(surprise, of(&blind), "the text is decoded with the classes, which depend on the image");
    for (post, surprise) in posts.iter().zip(&surprise) {
        let alone = seeing.predict_one(post).expect("a valid post");
        assert_eq!(alone.surprise, Some(*surprise), "a post's neighbours do not matter");
    }
    let rounded = with_surprise(&run, Precision::Int8).expect("it loads");
    let rounded = rounded.with_images(fixture.images.clone(), ImageTrust::Recorded).expect("its own vectors");
    assert!(surprise.iter().zip(of(&rounded)).all(|(a, b)| (a - b).abs() < 0.05 * a), "in int8");
    let empty = seeing.predict_one(&Post::default()).expect("a valid post");
    assert_eq!((empty.surprise, empty.entities.len()), (None, 0));
    // The same entities as by a model that is not asked.
    let plain = load(&run).expect("it loads").predict(&posts).expect("valid posts");
    let found = blind.predict(&posts).expect("valid posts");
    assert!(plain.iter().zip(found).all(|(plain, found)| plain.surprise.is_none() && plain.entities == found.entities));

    let change = |config: &mut Config| (config.objective.vae, config.model.latent_in_classifier) = (false, false);
    let run = fixture.train("no-vae", &small_with(change), None).expect("a run").folder;
    let error = with_surprise(&run, Precision::F32).expect_err("no VAE").to_string();
    assert!(error.contains("surprise") && error.contains("VAE"), "{error}");
}

/// On the CPU, which int8 and bf16 are for, with every span told.
fn load_in(run: &Path, precision: Precision, unit: Unit) -> Predictor {
    let settings = PredictionSettings::default().with_all_above(0.0);
    let options = LoadOptions::default().with_precision(precision).with_unit(unit).with_prediction(settings);
    Predictor::load_with(run, &options).expect("a complete folder")
}

fn probabilities(found: &[Prediction]) -> Vec<f32> {
    let of_post = |post: &Prediction| post.candidates.clone().expect("asked for");
    found.iter().flat_map(of_post).flat_map(|candidate| candidate.probabilities).collect()
}

#[test]
fn reduced_products_are_close_to_f32_and_no_bit_depends_on_neighbours_or_units() {
    let fixture = Fixture::new();
    let run = fixture.train("run", &small_with(|config| config.training.epochs = Some(8)), None).expect("a run").folder;
    let posts: Vec<Post> = fixture.corpus.test.iter().map(Post::from).collect();
    let plain = load_in(&run, Precision::F32, Unit::best()).predict(&posts).expect("predictions");
    let (plain, best) = (probabilities(&plain), Unit::best());
    for form in [Form::Int8(best.for_int8()), Form::Bf16(best.for_bf16())] {
        let precision = if matches!(form, Form::Int8(_)) { Precision::Int8 } else { Precision::Bf16 };
        let rounded = load_in(&run, precision, best);
        assert_eq!(rounded.form(), form);
        let found = rounded.predict(&posts).expect("predictions");
        let close = probabilities(&found);
        let off = plain.iter().zip(&close).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(plain.len() == close.len() && off > 0.0 && off < 0.05, "{form}: {off}");
        let alone: Vec<Prediction> =
            posts.iter().map(|post| rounded.predict_one(post).expect("a prediction")).collect();
        assert_eq!(alone, found, "{form}: beside other posts");
        let portable = load_in(&run, precision, Unit::Portable).predict(&posts).expect("predictions");
        // The only unit with sums of its own.
        if form == Form::Bf16(Unit::Avx512Bf16) {
            let others = probabilities(&portable);
            let off = others.iter().zip(&close).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 0.01, "{form}: {off} from the portable unit");
        } else {
            assert_eq!(portable, found, "{form}: by another unit");
        }
    }
    let auto = load_in(&run, Precision::Auto, Unit::Portable);
    assert_eq!(auto.form(), Form::F32, "where int8 is slower");
}

#[test]
fn weights_that_are_not_finite_are_an_error_in_other_numbers_too() {
    let fixture = Fixture::new();
    let run = fixture.train("run", &small_with(|_| ()), None).expect("a run").folder;
    let path = run.join("weights.safetensors");
    let weights = safetensors::load(&path, &Device::Cpu).expect("weights");
    forget_digests(&run);
    for (part, value) in [("attention.output.dense.weight", f64::NAN), ("lstm_ner.weight_hh", f64::INFINITY)] {
        let mut broken = weights.clone();
        for (_, tensor) in broken.iter_mut().filter(|(name, _)| name.ends_with(part)) {
            *tensor = (tensor.ones_like().expect("ones") * value).expect("the same type");
        }
        safetensors::save(&broken, &path).expect("writable");
        for precision in [Precision::Int8, Precision::Bf16] {
            let error = load_in(&run, precision, Unit::best()).predict_text("met Zarko in Oslo").expect_err(part);
            assert!(error.to_string().contains("not finite"), "{precision}, {part}: {error}");
        }
    }
}
