//! Tests of the synthetic corpus: determinism, what the text tells, what the image tells, from how
//! many labels.

use super::*;
use crate::{Convention, Corpus};
use std::collections::BTreeSet;

fn made(edit: impl Fn(&mut SyntheticConfig)) -> Synthetic {
    let mut config = SyntheticConfig::default();
    edit(&mut config);
    generate(&config).expect("a valid config")
}

/// `(sample, entity, whether the phrase is neutral)` of every entity.
fn entities(samples: &[Sample]) -> Vec<(&Sample, Entity, bool)> {
    let words = |phrases: &[&'static str]| -> BTreeSet<&'static str> {
        phrases.iter().flat_map(|phrase| phrase.split(' ')).filter(|word| !word.starts_with('@')).collect()
    };
    let neutral = &words(&phrases::NEUTRAL) - &words(phrases::CUES.as_flattened());
    let list = |sample| Sample::entities(sample, Convention::Strict).expect("written by us").into_iter();
    let is_neutral = |sample: &Sample| sample.words.iter().any(|w| neutral.contains(w.to_lowercase().as_str()));
    samples.iter().flat_map(|s| list(s).map(move |e| (s, e, is_neutral(s)))).collect()
}

/// The class whose mean image of the posts `of` is nearest, by label; trained on posts with one
/// type only.
fn nearest_mean_accuracy(made: &Synthetic, labelled: &[Sample]) -> f64 {
    let one_type = |samples: &[Sample]| -> Vec<(String, Vec<f32>)> {
        let mut rows = Vec::new();
        for sample in samples {
            let types: BTreeSet<String> =
                sample.entities(Convention::Strict).expect("ours").into_iter().map(|e| e.label).collect();
            if types.len() == 1 {
                let image = made.images.get(&sample.image_id).expect("every post has one").to_vec();
                rows.push((types.into_iter().next().expect("one type"), image));
            }
        }
        rows
    };
    let mut means: BTreeMap<String, (Vec<f32>, f32)> = BTreeMap::new();
    for (label, image) in one_type(labelled) {
        let (sum, n) = means.entry(label).or_insert_with(|| (vec![0.0; image.len()], 0.0));
        sum.iter_mut().zip(&image).for_each(|(s, v)| *s += v);
        *n += 1.0;
    }
    let distance = |image: &[f32], (sum, n): &(Vec<f32>, f32)| -> f32 {
        image.iter().zip(sum).map(|(v, s)| (v - s / n).powi(2)).sum()
    };
    let test = one_type(&made.test);
    let right = test.iter().filter(|(label, image)| {
        let nearest = means.iter().min_by(|a, b| distance(image, a.1).total_cmp(&distance(image, b.1)));
        nearest.is_some_and(|(name, _)| name == label)
    });
    right.count() as f64 / test.len() as f64
}

#[test]
fn the_same_config_makes_the_same_bytes() {
    let made = made(|c| (c.n_train, c.n_dev, c.n_test) = (20, 5, 5));
    let text = writer::to_text(&made.train).expect("writable");
    let digests = [files::sha256_hex(text.as_bytes()), made.images.sha256().to_owned()];
    assert_eq!(
        digests,
        [
            "6513683559c50893ebc4c8c38b991d15e84ca6f43c4139e52f17a5e1064fb07f",
            "789a8fdd9523828a5785ce1805195bb8f741367e0310fa980cbb546f3c717d4c"
        ],
        "pinned: another machine, another version, the same corpus"
    );
}

#[test]
fn another_size_of_train_leaves_the_rest_as_it_is() {
    let (a, b) = (made(|c| c.n_train = 5), made(|c| c.n_train = 50));
    assert_eq!((&a.test, &a.train[..]), (&b.test, &b.train[..5]));
    assert_ne!(a.test, made(|c| c.seed = 1).test);
}

#[test]
fn a_folder_is_a_corpus() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let made = made(|c| c.n_train = 100);
    made.write_to(dir.path().join("new")).expect("writes");
    let corpus = Corpus::load(dir.path().join("new")).expect("a corpus");
    let images = ImageVectors::load(dir.path().join("new").join(FEATURES_FILE)).expect("vectors");
    assert_eq!(corpus.labels.types(), TYPES);
    for split in Split::ALL {
        assert_eq!(corpus.split(split), made.split(split));
        assert_eq!(images.coverage(corpus.split(split)).expect("its own").missing, 0);
    }
    assert_eq!((images.len(), images.sha256()), (100 + 200 + 400, made.images.sha256()));
}

#[test]
fn shares_are_what_the_config_says() {
    let made = made(|c| c.n_train = 4000);
    let all = entities(&made.train);
    let share = |n: usize, of: usize| n as f64 / of as f64;
    let near = |got: f64, want: f64| assert!((got - want).abs() < 0.04, "{got} is not about {want}");
    near(share(all.iter().filter(|e| e.2).count(), all.len()), 0.6);
    near(share(made.train.iter().filter(|s| s.tags.iter().all(|t| t == "O")).count(), 4000), 0.1);
    for kind in TYPES {
        let of_kind: Vec<_> = all.iter().filter(|e| e.1.label == kind).collect();
        near(share(of_kind.len(), all.len()), 0.25);
        let capital = |s: &Sample, e: &Entity| s.words[e.span.start].starts_with(char::is_uppercase);
        near(share(of_kind.iter().filter(|(s, e, _)| capital(s, e)).count(), of_kind.len()), 0.5);
    }
    let name = |(s, e, _): &(&Sample, Entity, bool)| s.words[e.span.start].to_lowercase();
    let seen: BTreeSet<String> = all.iter().map(name).collect();
    let test = entities(&made.test);
    near(share(test.iter().filter(|e| !seen.contains(&name(e))).count(), test.len()), 0.3);
    let words: BTreeSet<String> = made.train.iter().flat_map(|s| &s.words).map(|w| w.to_lowercase()).collect();
    assert!((200..600).contains(&words.len()), "{} words", words.len());
}

#[test]
fn the_text_does_not_tell_the_type_of_an_ambiguous_entity() {
    let made = made(|c| c.n_train = 4000);
    // The best guess from all the words of a post but its name, and from the name: the type seen
    // most with it in train.
    let context = |s: &Sample, e: &Entity| -> String {
        let other = |i: &usize| !(e.span.start..e.span.end).contains(i);
        (0..s.words.len()).filter(other).map(|i| s.words[i].to_lowercase()).collect::<Vec<_>>().join(" ")
    };
    let name = |s: &Sample, e: &Entity| s.words[e.span.start].to_lowercase();
    for key in [&context as &dyn Fn(&Sample, &Entity) -> String, &name] {
        let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for (s, e, _) in entities(&made.train).iter().filter(|e| e.2) {
            *counts.entry(key(s, e)).or_default().entry(e.label.clone()).or_default() += 1;
        }
        let (mut right, mut known) = (0usize, 0usize);
        for (s, e, _) in entities(&made.test).iter().filter(|e| e.2) {
            let Some(seen) = counts.get(&key(s, e)) else { continue };
            known += 1;
            right += usize::from(seen.iter().max_by_key(|(_, n)| **n).is_some_and(|(label, _)| *label == e.label));
        }
        let accuracy = right as f64 / known as f64;
        assert!(known > 50 && accuracy < 0.4, "{right} of {known}");
    }
}

#[test]
fn the_image_tells_the_type_and_better_from_more_posts() {
    for seed in 0..3 {
        let made = made(|c| c.seed = seed);
        let (few, all) = (nearest_mean_accuracy(&made, &made.train[..20]), nearest_mean_accuracy(&made, &made.train));
        assert!(all > 0.9, "seed {seed}: all labels {all}");
        assert!(few > 0.4 && few < all - 0.1, "seed {seed}: 20 labels {few}, all labels {all}");
    }
    let silent = made(|c| c.image_noise = 0.0);
    assert_eq!(nearest_mean_accuracy(&silent, &silent.train), 1.0);
}

#[test]
fn settings_out_of_range_are_errors() {
    let base = SyntheticConfig::default;
    for (name, config) in [
        ("n_test", SyntheticConfig { n_test: 0, ..base() }),
        ("image_dim", SyntheticConfig { image_dim: 7, ..base() }),
        ("image_noise", SyntheticConfig { image_noise: f32::NAN, ..base() }),
        ("ambiguous", SyntheticConfig { ambiguous: 1.1, ..base() }),
        ("plain", SyntheticConfig { plain: f64::NAN, ..base() }),
        ("names", SyntheticConfig { names: 2, ..base() }),
        ("phrases", SyntheticConfig { phrases: 9, ..base() }),
    ] {
        let got = generate(&config);
        assert!(matches!(got, Err(Error::Setting { name: n, .. }) if n == name), "{name}");
    }
    let least = SyntheticConfig { names: 3, phrases: 1, image_dim: 8, n_train: 1, n_dev: 1, n_test: 1, ..base() };
    assert!(generate(&least).is_ok());
}
