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
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Row = (usize, usize, usize, f32);

    fn candidates(rows: &[Row]) -> Vec<Candidate> {
        rows.iter().map(|&(a, b, class, score)| Candidate { span: Span::new(a, b), class, score }).collect()
    }

    #[track_caller]
    fn check(rows: &[Row], want: &[usize]) {
        let all = candidates(rows);
        let want: Vec<String> = want.iter().map(|&i| format!("{:?}", all[i])).collect();
        let got: Vec<String> = decode(&all).iter().map(|c| format!("{c:?}")).collect();
        assert_eq!(got, want, "{rows:?}");
    }

    #[test]
    fn the_best_of_overlapping_spans_is_kept() {
        check(&[], &[]);
        check(&[(0, 1, 0, 0.9)], &[]);
        check(&[(0, 2, 1, 0.5), (1, 3, 1, 0.6)], &[1]);
        check(&[(0, 2, 1, 0.5), (2, 3, 1, 0.6)], &[0, 1]);
        check(&[(0, 9, 1, 0.5), (4, 5, 2, 0.6), (7, 9, 1, 0.4), (0, 4, 1, 0.1)], &[3, 1, 2]);
        // `O` takes no words, however sure it is.
        check(&[(0, 2, 0, 0.99), (0, 2, 1, 0.3)], &[1]);
    }

    #[test]
    fn ties_go_to_the_earlier_candidate() {
        check(&[(0, 2, 1, 0.5), (1, 3, 2, 0.5), (2, 4, 1, 0.5)], &[0, 2]);
        check(&[(1, 3, 2, 0.5), (0, 2, 1, 0.5), (2, 4, 1, 0.5)], &[0]);
        check(&[(0, 1, 1, -0.0), (0, 1, 2, 0.0)], &[0]);
    }

    #[test]
    fn odd_input_is_no_panic() {
        for nan in [f32::NAN, -f32::NAN] {
            check(&[(0, 2, 1, nan), (1, 3, 1, 0.1), (5, 6, 1, nan)], &[1, 2]);
            check(&[(0, 1, 1, nan), (0, 1, 2, nan), (0, 1, 3, f32::NEG_INFINITY)], &[2]);
        }
        check(&[(3, 3, 1, 0.9), (4, 2, 1, 0.9), (2, 5, 1, 0.1), (0, usize::MAX, 1, 0.05)], &[2]);
    }

    proptest! {
        #[test]
        fn equals_the_quadratic_definition(
            rows in prop::collection::vec((0usize..12, 1usize..5, 0usize..3, 0u8..4), 0..40)
        ) {
            let rows: Vec<Row> = rows.iter().map(|&(a, w, class, s)| (a, a + w, class, f32::from(s))).collect();
            let all = candidates(&rows);
            let mut ranked = all.clone();
            ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
            let mut want: Vec<Candidate> = Vec::new();
            for c in ranked {
                if c.class != 0 && want.iter().all(|k| !k.span.overlaps(c.span)) {
                    want.push(c);
                }
            }
            want.sort_by_key(|c| c.span);
            prop_assert_eq!(decode(&all), want);
        }
    }

    #[test]
    fn a_hundred_thousand_candidates_are_no_trouble() {
        let rows: Vec<Row> = (0..100_000).map(|i| (i, i + 2, 1, (i % 2) as f32)).collect();
        assert_eq!(decode(&candidates(&rows)).len(), 50_000);
    }
}
