//! Decoding: from scored spans that may overlap to entities that do not.
//!
//! Greedy, in descending order of score: a span is kept if it shares no word with one that was kept
//! before it. What it does not do: no threshold and no search for the best set; only spans of class
//! `O` are not entities.

use crate::Span;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A span with the class a model gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Where, in words.
    pub span: Span,
    /// The most probable class; 0 is `O`, as in [`LabelSet`](crate::LabelSet).
    pub class: usize,
    /// Probability of that class. Only its order matters.
    pub score: f32,
}

/// The candidates that are entities: those whose class is not `O`, by descending score, each kept
/// if it overlaps no kept one; returned in order of their first word.
///
/// Of equal scores the earlier candidate wins. A score that is not a number comes last, and a span
/// without words is never an entity. Takes `O(n log n)`.
///
/// ```
/// use smvae_core::{Span, decode::{Candidate, decode}};
/// let scored = [(0, 2, 1, 0.6), (1, 3, 2, 0.9), (3, 4, 0, 0.99), (3, 5, 1, 0.4)]
///     .map(|(start, end, class, score)| Candidate { span: Span::new(start, end), class, score });
/// assert_eq!(decode(&scored), [scored[1], scored[3]]);
/// ```
///
/// # Source
/// Zhou et al. (2022), section 3.5; `conflict_judge` in the authors' program.
pub fn decode(candidates: &[Candidate]) -> Vec<Candidate> {
    let mut ranked: Vec<&Candidate> = candidates.iter().filter(|c| c.class != 0 && c.span.width() > 0).collect();
    ranked.sort_by(|a, b| descending(a.score, b.score));
    // Kept spans are disjoint: the last of them that starts before a span ends is the only one that
    // can overlap it.
    let mut kept: BTreeMap<usize, &Candidate> = BTreeMap::new();
    for candidate in ranked {
        let neighbour = kept.range(..candidate.span.end).next_back();
        if neighbour.is_none_or(|(_, other)| !other.span.overlaps(candidate.span)) {
            kept.insert(candidate.span.start, candidate);
        }
    }
    kept.into_values().copied().collect()
}

/// Descending order of scores, with what is not a number last.
fn descending(a: f32, b: f32) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

#[cfg(test)]
mod tests;
