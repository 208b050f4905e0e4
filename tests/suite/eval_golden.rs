//! Overlap, conlleval and decoding against what the authors' program and conlleval gave. Counts and
//! kept spans are equal. Percentages are equal to 1e-12, a few units in the last place of f64: the
//! files have `correct / n * 100`, and ours is the script's `100 * correct / n`, whose printed
//! digits must come out.

use crate::golden;
use serde::Deserialize;
use smvae_core::decode::{Candidate, decode};
use smvae_core::metrics::{Conlleval, Counts, Scores};
use smvae_core::schemes::Scheme;
use smvae_core::{Convention, Entity, LabelSet, Span};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Units {
    conflict_judge: Vec<(usize, usize, usize, usize, bool)>,
    conlleval_sequences: Vec<Sequence>,
}

#[derive(Deserialize)]
struct Sequence {
    #[serde(rename = "true")]
    gold: Vec<String>,
    pred: Vec<String>,
    p: f64,
    r: f64,
    f1: f64,
    correct: BTreeMap<String, usize>,
    n_true: BTreeMap<String, usize>,
    n_pred: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct DecodeCases {
    types: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    sentences: Vec<Sentence>,
    #[serde(flatten)]
    overall: Row,
    per_type: BTreeMap<String, Row>,
}

/// Spans are inclusive in the files.
#[derive(Deserialize)]
struct Sentence {
    len: usize,
    rows_pred: Vec<(usize, usize, String, f32)>,
    gold: Vec<(usize, usize, String)>,
    kept: Vec<(usize, usize, String)>,
}

#[derive(Deserialize)]
struct Row {
    p: f64,
    r: f64,
    f1: f64,
    correct: usize,
    pred: usize,
    #[serde(rename = "true")]
    gold: usize,
}

#[track_caller]
fn check_ratios(counts: Counts, want: (f64, f64, f64), context: &str) {
    for (got, want) in [(counts.precision(), want.0), (counts.recall(), want.1), (counts.f1(), want.2)] {
        assert!((got - want).abs() <= 1e-12, "{context}: {got} instead of {want}");
    }
}

#[track_caller]
fn check_row(counts: Counts, want: &Row, context: &str) {
    assert_eq!((counts.gold, counts.predicted, counts.correct), (want.gold, want.pred, want.correct), "{context}");
    check_ratios(counts, (want.p, want.r, want.f1), context);
}

#[test]
fn golden_overlap_is_the_authors() {
    let units: Units = golden::json("eval_units.json");
    assert!(!units.conflict_judge.is_empty());
    for (a, b, c, d, want) in units.conflict_judge {
        assert_eq!(Span::new(a, b + 1).overlaps(Span::new(c, d + 1)), want, "[{a}, {b}] and [{c}, {d}]");
    }
}

#[test]
fn golden_conlleval_counts_and_scores() {
    let units: Units = golden::json("eval_units.json");
    assert!(!units.conlleval_sequences.is_empty());
    for (i, s) in units.conlleval_sequences.iter().enumerate() {
        let mut eval = Conlleval::default();
        eval.add(&s.gold, &s.pred).expect("as many gold as predicted tags");
        let Scores { overall, types } = &eval.scores;
        check_ratios(*overall, (s.p, s.r, s.f1), &format!("sequence {i}"));
        assert_eq!(eval.tokens, s.gold.len(), "sequence {i}");
        let count = |f: fn(&Counts) -> usize| -> BTreeMap<String, usize> {
            types.iter().map(|(name, c)| (name.clone(), f(c))).filter(|(_, n)| *n > 0).collect()
        };
        let got = (count(|c| c.gold), count(|c| c.predicted), count(|c| c.correct));
        assert_eq!(got, (s.n_true.clone(), s.n_pred.clone(), s.correct.clone()), "sequence {i}");
    }
}

#[test]
fn golden_decoding_keeps_the_same_spans() {
    let file: DecodeCases = golden::json("decode_cases.json");
    let labels = LabelSet::new(file.types).expect("types of the file");
    assert!(!file.cases.is_empty());
    for (i, case) in file.cases.iter().enumerate() {
        let mut scores = Scores::default();
        for (j, sentence) in case.sentences.iter().enumerate() {
            let kept = predicted(sentence, &labels);
            assert_eq!(kept, entities(&sentence.kept), "case {i}, sentence {j}");
            assert!(kept.iter().all(|e| e.span.end <= sentence.len), "case {i}, sentence {j}");
            scores.add(&entities(&sentence.gold), &kept);
        }
        check_row(scores.overall, &case.overall, &format!("case {i}"));
        for (name, want) in &case.per_type {
            check_row(scores.types.get(name).copied().unwrap_or_default(), want, &format!("case {i}, {name}"));
        }
        assert!(scores.types.keys().all(|name| case.per_type.contains_key(name)), "case {i}");
    }
}

/// The entities that decoding keeps of a sentence's candidates.
fn predicted(sentence: &Sentence, labels: &LabelSet) -> Vec<Entity> {
    let candidate = |(start, last, label, score): &(usize, usize, String, f32)| Candidate {
        span: Span::new(*start, last + 1),
        class: labels.index(label).expect("a type of the file"),
        score: *score,
    };
    let candidates: Vec<Candidate> = sentence.rows_pred.iter().map(candidate).collect();
    let entity = |c: Candidate| Entity { span: c.span, label: labels.name(c.class).expect("its class").to_owned() };
    decode(&candidates).into_iter().map(entity).collect()
}

/// Half-open entities from the inclusive ones of the file, by their first word.
fn entities(rows: &[(usize, usize, String)]) -> Vec<Entity> {
    let mut entities: Vec<Entity> = rows.iter().map(|(a, b, label)| Entity::new(*a, b + 1, label)).collect();
    entities.sort();
    entities
}

#[derive(Deserialize)]
struct TaggedCase {
    scheme: Scheme,
    gold: Vec<String>,
    predicted: Vec<String>,
    strict: Expected,
    default: Option<Expected>,
}

/// Gold, predicted and correct entities; precision, recall and F1.
#[derive(Deserialize)]
struct Expected {
    counts: (usize, usize, usize),
    ratios: (f64, f64, f64),
}

#[test]
fn golden_scores_of_seqeval_in_every_scheme() {
    let cases: Vec<TaggedCase> = golden::json("seqeval_scores.json");
    assert!(cases.len() >= 60);
    for case in &cases {
        for (convention, want) in
            [(Convention::Strict, Some(&case.strict)), (Convention::Conlleval, case.default.as_ref())]
        {
            let Some(want) = want else { continue };
            let mut scores = Scores::default();
            for (gold, predicted) in case.gold.iter().zip(&case.predicted) {
                let read = |text: &str| {
                    let tags: Vec<&str> = text.split(' ').collect();
                    case.scheme.read(&tags, convention).expect("tags of the scheme")
                };
                scores.add(&read(gold), &read(predicted));
            }
            let c = scores.overall;
            let place = format!("{} {convention}: {:?} / {:?}", case.scheme, case.gold, case.predicted);
            assert_eq!((c.gold, c.predicted, c.correct), want.counts, "{place}");
            let ours = [c.precision(), c.recall(), c.f1()];
            let theirs = [want.ratios.0, want.ratios.1, want.ratios.2];
            assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-9), "{place}: {ours:?} {theirs:?}");
        }
    }
}
