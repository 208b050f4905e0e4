//! What runs without tensors: enumeration of candidate spans, decoding, scoring. Elements are
//! spans, or posts where the name says so.

#[path = "common/settings.rs"]
mod settings;

use criterion::{Criterion, Throughput};
use smvae::core::bio::{read_entities, write_tags};
use smvae::core::decode::{Candidate, decode};
use smvae::core::metrics::{Conlleval, Scores};
use smvae::core::spans::{candidate_spans, count_candidate_spans};
use smvae::core::{Convention, Entity};
use std::hint::black_box;

fn main() {
    let mut criterion = settings::criterion();
    enumeration(&mut criterion);
    decoding(&mut criterion);
    conlleval(&mut criterion);
    criterion.final_summary();
}

/// A post, and a long document at which the cost must still be linear in spans.
fn enumeration(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("enumerate");
    for (n_words, max_width) in [(20, 8), (2000, 8), (2000, 2000)] {
        group.throughput(Throughput::Elements(count_candidate_spans(n_words, max_width) as u64));
        group.bench_function(format!("{n_words} words, width {max_width}"), |bench| {
            // Collected, since a compiler can do a fold over consecutive numbers in its head.
            bench.iter(|| candidate_spans(black_box(n_words), black_box(max_width)).collect::<Vec<_>>());
        });
    }
}

/// All spans of a text as a model scores them: one in eight of a trained model's has a class, and
/// every one of a fresh model's may have.
fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (n_words, one_in) in [(20, 8), (20, 1), (2000, 8)] {
        let candidates = candidates(n_words, one_in);
        group.throughput(Throughput::Elements(candidates.len() as u64));
        group.bench_function(format!("{n_words} words, one span in {one_in} has a class"), |bench| {
            bench.iter(|| decode(black_box(&candidates)));
        });
    }
}

/// Twitter2017's test split in size: 723 posts of 16 words, two entities each.
fn conlleval(criterion: &mut Criterion) {
    const POSTS: usize = 723;
    const WORDS: usize = 16;
    let types = ["LOC", "MISC", "ORG", "PER"];
    let entities = |seed: usize| -> Vec<Vec<Entity>> {
        let post = |i: usize| {
            let start = scatter(i + seed) % (WORDS / 2 - 3);
            [start, start + WORDS / 2]
                .map(|a| Entity::new(a, a + 1 + scatter(i + a) % 3, types[scatter(i) % 4]))
                .to_vec()
        };
        (0..POSTS).map(post).collect()
    };
    let (gold, predicted) = (entities(0), entities(POSTS / 2));
    let tags = |entities: &[Vec<Entity>]| -> Vec<Vec<String>> {
        entities.iter().map(|e| write_tags(e, WORDS).expect("the entities do not overlap")).collect()
    };
    let (gold_tags, predicted_tags) = (tags(&gold), tags(&predicted));

    let mut group = criterion.benchmark_group("score posts");
    group.throughput(Throughput::Elements(POSTS as u64));
    group.bench_function("conlleval on tags", |bench| {
        bench.iter(|| {
            let mut conlleval = Conlleval::default();
            for (gold, predicted) in gold_tags.iter().zip(&predicted_tags) {
                conlleval.add(gold, predicted).expect("tags of the same post");
            }
            conlleval.scores.overall.f1()
        });
    });
    group.bench_function("entities", |bench| {
        bench.iter(|| {
            let mut scores = Scores::default();
            gold.iter().zip(&predicted).for_each(|(gold, predicted)| scores.add(gold, predicted));
            scores.overall.f1()
        });
    });
    group.bench_function("tags to entities", |bench| {
        bench.iter(|| {
            let read = |tags: &Vec<String>| read_entities(tags, Convention::Conlleval).expect("valid tags").len();
            gold_tags.iter().map(read).sum::<usize>()
        });
    });
}

/// All spans up to width 8 with scores, one in `one_in` with a class.
fn candidates(n_words: usize, one_in: usize) -> Vec<Candidate> {
    let scored = candidate_spans(n_words, 8).enumerate().map(|(i, span)| {
        let hash = scatter(i);
        let class = if (hash / 1000).is_multiple_of(one_in) { 1 + hash % 4 } else { 0 };
        Candidate { span, class, score: (hash % 1000) as f32 / 1000.0 }
    });
    scored.collect()
}

/// A number that looks drawn (Knuth's multiplicative hash).
fn scatter(i: usize) -> usize {
    i.wrapping_mul(2_654_435_761) % 1_000_003
}
