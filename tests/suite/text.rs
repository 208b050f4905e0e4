//! What it costs to be given text instead of the corpus's words: the test posts of a corpus, joined
//! to text by two sets of rules, against the same posts as words. Entities are compared by their
//! characters.
//!
//! Needs a run on a real corpus, which takes minutes to train: `SMVAE_TEXT_RUNS` names run folders,
//! separated by colons. The table of `docs/words.md` is printed by
//!
//! ```text
//! SMVAE_TEXT_RUNS=$PWD/runs/t17 cargo test --test suite text_costs -- --nocapture
//! ```
//!
//! The first rules are `smvae_data::words::rejoin`; the second, `rules.rs`, were made without
//! knowing how text is split.

mod rules;

use crate::fixture::load;
use crate::golden::skipped;
use smvae::core::metrics::Scores;
use smvae::data::corpus::load_split;
use smvae::data::words::{Rejoined, WordConvention, rejoin};
use smvae::data::{Entity, Sample, Split};
use smvae::{Post, Predictor, RunInfo};
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;

/// The most F1 that text may cost, in percent.
const LIMIT: f64 = 0.5;

#[test]
fn text_costs_little_f1() {
    let Some(runs) = std::env::var_os("SMVAE_TEXT_RUNS") else {
        return skipped("text_costs_little_f1", "SMVAE_TEXT_RUNS names no run folders");
    };
    for run in std::env::split_paths(&runs) {
        check(&run);
    }
}

#[track_caller]
fn check(run: &Path) {
    let config = RunInfo::read(run).expect("a run folder").config;
    let corpus = config.data.as_deref().expect("a run on a corpus in a folder");
    let samples = load_split(corpus, Split::Test).expect("its test split").samples;
    let model = load(run).expect("a complete folder");

    let convention = model.words();
    let by_words = measure(&model, &samples, Post::from_words, |words| {
        let post = Post::from_words(words.to_vec());
        (0..words.len()).map(|i| post.mention(smvae::core::Span::new(i, i + 1))).map(|m| m.start..m.end).collect()
    });
    print(run, "the corpus's words", &by_words, &by_words);
    let row = |name: &str, join: &dyn Fn(&[String]) -> Rejoined, convention: &WordConvention| {
        let post = |words: Vec<String>| Post::split(join(&words).text, convention);
        let scores = measure(&model, &samples, post, |words| join(words).chars);
        print(run, name, &scores, &by_words);
        by_words.overall.f1() - scores.overall.f1()
    };
    let first = |words: &[String]| rejoin(words, &convention);
    let second = |words: &[String]| {
        let (text, chars) = rules::rejoin(words);
        Rejoined { text, chars }
    };
    row("text by the first rules, split at white space", &first, &WordConvention::WHITESPACE);
    row("text by the second rules, split at white space", &second, &WordConvention::WHITESPACE);
    let costs =
        [row("text by the first rules", &first, &convention), row("text by the second rules", &second, &convention)];
    assert!(costs.iter().all(|cost| *cost <= LIMIT), "text costs {costs:?} of F1, more than {LIMIT}");
}

/// Scores in characters: `post` makes a post of words, `chars` says where each word stands in its
/// text.
fn measure(
    model: &Predictor,
    samples: &[Sample],
    post: impl Fn(Vec<String>) -> Post,
    chars: impl Fn(&[String]) -> Vec<Range<usize>>,
) -> Scores {
    let posts: Vec<Post> = samples.iter().map(|sample| post(sample.words.clone())).collect();
    let mut scores = Scores::default();
    for (sample, found) in samples.iter().zip(model.predict(&posts).expect("valid posts")) {
        let at = chars(&sample.words);
        let gold = sample.entities(model.config().input.convention).expect("well-formed tags");
        let in_chars = |e: &Entity| Entity::new(at[e.span.start].start, at[e.span.end - 1].end, e.label.as_str());
        let gold: Vec<Entity> = gold.iter().map(in_chars).collect();
        let found: Vec<Entity> = found.entities.iter().map(|e| Entity::new(e.start, e.end, e.label.as_str())).collect();
        scores.add(&gold, &found);
    }
    scores
}

fn print(run: &Path, text: &str, scores: &Scores, by_words: &Scores) {
    let (all, name) = (scores.overall, run.file_name().unwrap_or_default().to_string_lossy());
    let difference = all.f1() - by_words.overall.f1();
    let (precision, recall, f1) = (all.precision(), all.recall(), all.f1());
    // Past libtest, which keeps what a test that passes prints.
    let _ =
        writeln!(std::io::stderr(), "| {name} | {text} | {precision:.2} | {recall:.2} | {f1:.2} | {difference:+.2} |");
}
