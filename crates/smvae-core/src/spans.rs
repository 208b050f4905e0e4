//! Spans of words, half-open, and their enumeration.
//!
//! A text of `n` words has `n (n + 1) / 2` spans; with a width limit `w <= n` there are
//! `w n - w (w - 1) / 2`. Everywhere in this workspace a span counts words, never pieces;
//! conversion happens where pieces are made.

use serde::{Deserialize, Serialize};

/// A half-open range of words `[start, end)`. Ordered by `start`, then by `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First word.
    pub start: usize,
    /// One past the last word.
    pub end: usize,
}

impl Span {
    /// The span `[start, end)`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Number of words; 0 for a span that ends before it starts.
    pub fn width(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether two spans share a word. Spans that only touch do not overlap, nor does an empty one.
    pub fn overlaps(self, other: Self) -> bool {
        self.start.max(other.start) < self.end.min(other.end)
    }
}

/// A typed span.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// Where, in words.
    pub span: Span,
    /// Type, such as `PER`; never `O`.
    pub label: String,
}

impl Entity {
    /// An entity over the words `[start, end)`.
    pub fn new(start: usize, end: usize, label: impl Into<String>) -> Self {
        Self { span: Span::new(start, end), label: label.into() }
    }
}

/// All spans of a text of `n_words` words that are at most `max_width` words wide, by start, then
/// by end.
///
/// ```
/// use smvae_core::spans::{Span, candidate_spans, count_candidate_spans};
/// let spans: Vec<Span> = candidate_spans(3, 2).collect();
/// assert_eq!(spans, [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)].map(|(a, b)| Span::new(a, b)));
/// assert_eq!(spans.len(), count_candidate_spans(3, 2));
/// ```
///
/// # Source
/// Zhou et al. (2022), section 3.1: every span is a candidate; the width limit is ours.
pub fn candidate_spans(n_words: usize, max_width: usize) -> impl Iterator<Item = Span> + Clone {
    (0..n_words).flat_map(move |start| {
        let last = start.saturating_add(max_width).min(n_words);
        (start + 1..=last).map(move |end| Span { start, end })
    })
}

/// The number of spans [`candidate_spans`] yields, in closed form; `usize::MAX` if it is larger.
pub fn count_candidate_spans(n_words: usize, max_width: usize) -> usize {
    // No product of two lengths overflows twice their bits.
    let (n, w) = (n_words as u128, max_width.min(n_words) as u128);
    usize::try_from(w * n - w * w.saturating_sub(1) / 2).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn enumeration_is_sorted_complete_and_counted(n in 0usize..30, w in 0usize..40) {
            let spans: Vec<Span> = candidate_spans(n, w).collect();
            prop_assert_eq!(spans.len(), count_candidate_spans(n, w));
            prop_assert!(spans.is_sorted() && spans.windows(2).all(|p| p[0] != p[1]));
            prop_assert!(spans.iter().all(|s| s.width() >= 1 && s.width() <= w && s.end <= n));
        }

        #[test]
        fn overlap_is_a_shared_word(a in 0usize..8, b in 0usize..8, c in 0usize..8, d in 0usize..8) {
            let shared = (a..b).any(|word| (c..d).contains(&word));
            prop_assert_eq!(Span::new(a, b).overlaps(Span::new(c, d)), shared);
            prop_assert_eq!(Span::new(c, d).overlaps(Span::new(a, b)), shared);
        }
    }

    #[test]
    fn a_limit_wider_than_usize_arithmetic_is_no_limit() {
        assert_eq!(candidate_spans(4, usize::MAX).count(), 10);
        assert_eq!(count_candidate_spans(usize::MAX, 1), usize::MAX);
        assert_eq!(count_candidate_spans(usize::MAX, 2), usize::MAX, "as near as it gets");
        assert_eq!(count_candidate_spans(usize::MAX, usize::MAX), usize::MAX);
    }
}
