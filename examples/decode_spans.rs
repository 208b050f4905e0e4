//! From scored spans to entities to scores, without tensors and without a model.
//!
//! Shows candidate spans, greedy decoding and conlleval's scores: all a tagger of your own needs
//! from `smvae-core`, which builds with `default-features = false` for this. Needs nothing; prints
//! the entities and a table:
//!
//! ```text
//! cargo run --example decode_spans
//! ```

use smvae::core::decode::{Candidate, decode};
use smvae::core::metrics::Scores;
use smvae::core::spans::candidate_spans;
use smvae::core::{Entity, LabelSet, Span};

fn main() -> smvae::core::Result<()> {
    let words = ["Lady", "Gaga", "lands", "in", "New", "York"];
    let labels = LabelSet::new(["LOC", "PER"])?;

    // Stands for a model: class (0 is O) and probability of every span of up to three words.
    let belief = |span: Span| match (span.start, span.end) {
        (0, 2) => (2, 0.9),
        (1, 2) => (2, 0.7), // overlaps the better (0, 2) and loses
        (4, 6) => (1, 0.8),
        (5, 6) => (2, 0.3),
        _ => (0, 0.99),
    };
    let candidates: Vec<Candidate> = candidate_spans(words.len(), 3)
        .map(|span| {
            let (class, score) = belief(span);
            Candidate { span, class, score }
        })
        .collect();

    let found: Vec<Entity> = decode(&candidates)
        .iter()
        .map(|c| Entity::new(c.span.start, c.span.end, labels.name(c.class).expect("a class of this label set")))
        .collect();
    for Entity { span, label } in &found {
        println!("{label} {}", words[span.start..span.end].join(" "));
    }

    let gold = [Entity::new(0, 2, "PER"), Entity::new(4, 6, "LOC")];
    let mut scores = Scores::default();
    scores.add(&gold, &found);
    println!("\n{scores}");

    assert_eq!(found, gold);
    assert_eq!(scores.overall.f1(), 100.0);
    Ok(())
}
