//! Mistakes by their kind: which type was taken for which, and what is wrong with each entity.
//!
//! An entity of one side with an equal-boundary entity of the other side is right or of the wrong
//! type. Otherwise, if it overlaps an entity of its type on the other side, its boundary is wrong;
//! else it is missed (gold) or spurious (predicted). An overlap with another type alone is not a
//! wrong boundary: neither where nor what is right, so that the gold entity is missed and the
//! predicted one spurious.
//!
//! What this does not do: scores, which are in [`metrics`](crate::metrics).

use crate::labels::OUTSIDE;
use crate::{Entity, Span};
use serde::Serialize;
use std::collections::BTreeMap;

/// What became of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Words and type are right.
    Correct,
    /// Predicted where gold has nothing of its type.
    Spurious,
    /// A gold entity of which nothing was found.
    Missed,
    /// The words are right, the type is not.
    WrongType,
    /// It overlaps an entity of its type, with other words.
    WrongBoundary,
}

/// Outcomes of one text's entities, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Of each gold entity; never [`Outcome::Spurious`].
    pub gold: Vec<Outcome>,
    /// Of each predicted entity; never [`Outcome::Missed`].
    pub predicted: Vec<Outcome>,
}

/// Judges the entities of one text.
///
/// ```
/// use smvae_core::{Entity, confusion::{Outcome, judge}};
/// let gold = [Entity::new(0, 2, "PER"), Entity::new(3, 4, "LOC")];
/// let judged = judge(&gold, &[Entity::new(0, 1, "PER")]);
/// assert_eq!(judged.gold, [Outcome::WrongBoundary, Outcome::Missed]);
/// assert_eq!(judged.predicted, [Outcome::WrongBoundary]);
/// ```
pub fn judge(gold: &[Entity], predicted: &[Entity]) -> Judged {
    let side = |these: &[Entity], others: &[Entity], unmatched| {
        let outcome = |entity: &Entity| {
            if others.contains(entity) {
                Outcome::Correct
            } else if others.iter().any(|other| other.span == entity.span) {
                Outcome::WrongType
            } else if others.iter().any(|o| o.label == entity.label && o.span.overlaps(entity.span)) {
                Outcome::WrongBoundary
            } else {
                unmatched
            }
        };
        these.iter().map(outcome).collect()
    };
    Judged { gold: side(gold, predicted, Outcome::Missed), predicted: side(predicted, gold, Outcome::Spurious) }
}

/// How often a gold type was predicted as each type, comparing entities with equal words; `O`
/// stands for no entity.
///
/// The row of `O` counts predictions without a gold entity of the same words, its column gold
/// entities without a prediction of the same words; an entity with a wrong boundary is in both. `O`
/// with `O` is not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    counts: BTreeMap<(String, String), usize>,
}

impl Confusion {
    /// Counts the entities of one text. Of two entities of one side with equal words, the last
    /// counts.
    pub fn add(&mut self, gold: &[Entity], predicted: &[Entity]) {
        let labels = |entities: &[Entity]| -> BTreeMap<Span, String> {
            entities.iter().map(|e| (e.span, e.label.clone())).collect()
        };
        let (gold, mut predicted) = (labels(gold), labels(predicted));
        let outside = || OUTSIDE.to_owned();
        for (span, gold) in gold {
            *self.counts.entry((gold, predicted.remove(&span).unwrap_or_else(outside))).or_default() += 1;
        }
        for predicted in predicted.into_values() {
            *self.counts.entry((outside(), predicted)).or_default() += 1;
        }
    }

    /// How often `gold` was predicted as `predicted`.
    pub fn count(&self, gold: &str, predicted: &str) -> usize {
        self.counts.get(&(gold.to_owned(), predicted.to_owned())).copied().unwrap_or(0)
    }

    /// Every label that was seen on either side, `O` first, the types in alphabetical order.
    pub fn labels(&self) -> Vec<String> {
        let seen = self.counts.keys().flat_map(|(gold, predicted)| [gold, predicted]).filter(|name| *name != OUTSIDE);
        let types: std::collections::BTreeSet<&String> = seen.collect();
        std::iter::once(OUTSIDE.to_owned()).chain(types.into_iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::entities;
    use Outcome::*;

    #[track_caller]
    fn check(gold: &str, predicted: &str, want_gold: &[Outcome], want_predicted: &[Outcome]) {
        let judged = judge(&entities(gold), &entities(predicted));
        assert_eq!((&*judged.gold, &*judged.predicted), (want_gold, want_predicted), "{gold} / {predicted}");
    }

    #[test]
    fn every_kind_of_mistake() {
        check("", "", &[], &[]);
        check("PER:0-2", "PER:0-2", &[Correct], &[Correct]);
        check("PER:0-2", "LOC:0-2", &[WrongType], &[WrongType]);
        check("PER:0-2", "", &[Missed], &[]);
        check("", "PER:0-2", &[], &[Spurious]);
        check("PER:0-2", "PER:1-3", &[WrongBoundary], &[WrongBoundary]);
        // Two entities of the same words: what scores count as correct is correct.
        check("PER:0-2 LOC:0-2", "PER:0-2", &[Correct, WrongType], &[Correct]);
        check("PER:0-2", "PER:0-2 LOC:0-2", &[Correct], &[Correct, WrongType]);
        // Neither where nor what is right.
        check("PER:0-2", "LOC:1-3", &[Missed], &[Spurious]);
        // Words that only touch are not shared.
        check("PER:0-2", "PER:2-3", &[Missed], &[Spurious]);
        // One entity cut in two, and two taken for one.
        check("PER:0-3", "PER:0-1 PER:2-3", &[WrongBoundary], &[WrongBoundary, WrongBoundary]);
        check("PER:0-1 LOC:2-3", "PER:0-3", &[WrongBoundary, Missed], &[WrongBoundary]);
    }

    #[test]
    fn confusion_counts_every_entity() {
        let mut confusion = Confusion::default();
        assert_eq!(confusion.labels(), ["O"]);
        confusion.add(&entities("PER:0-2 LOC:3-4 ORG:5-6"), &entities("PER:0-2 ORG:3-4 ORG:5-7"));
        confusion.add(&entities("PER:0-1"), &entities("PER:0-1 MISC:2-3"));
        assert_eq!(confusion.labels(), ["O", "LOC", "MISC", "ORG", "PER"]);
        let check = |gold, predicted, want| assert_eq!(confusion.count(gold, predicted), want, "{gold} {predicted}");
        check("PER", "PER", 2);
        check("LOC", "ORG", 1);
        check("ORG", "O", 1);
        check("O", "ORG", 1);
        check("O", "MISC", 1);
        check("O", "O", 0);
        check("X", "PER", 0);
    }
}
