//! Where a post that is longer than the piece limit is read: in windows that overlap, each a run of
//! whole words.
//!
//! ```text
//! words    |--------------------------------------------------------------|
//! windows  |------------------|
//!                   |------------------|             every candidate span lies whole in a window,
//!                            |-----------------...   and is scored in the one where it lies deepest
//! ```
//! The depth of a span in a window is the number of pieces between it and the nearer end of the
//! window; the post's own ends do not count, since there is nothing beyond them. A window begins so
//! early that whatever lies less than [`CONTEXT`] pieces deep in the window before it lies as deep
//! as that in its own, with two exceptions: a third of the room is enough where the limit is small,
//! and a window begins at least an eighth of the room after the one before it, unless a span would
//! be in neither. What this does not do: read a word of more pieces than the limit, which is the
//! caller's to leave out, or a span of more.

use std::iter;
use std::ops::Range;

/// Pieces that a span sees on each side, if the post has them.
pub(crate) const CONTEXT: usize = 64;

/// A run of words that is read at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its words.
    pub words: Range<usize>,
    /// For each of its words the ends of the candidate spans that begin there and lie deepest here,
    /// counted over all words.
    pub ends: Vec<Range<usize>>,
}

/// The windows of words with these pieces (half-open, one word after the other), at most `room`
/// pieces each, for spans of up to `max_width` words. No word has more than `room` pieces.
pub(crate) fn windows(words: &[Range<u32>], room: usize, max_width: usize) -> Vec<Window> {
    if words.is_empty() {
        return Vec::new();
    }
    let post = Pieces { words, room, max_width };
    let runs: Vec<Range<usize>> = iter::successors(Some(0..post.reach(0)), |last| post.next(last)).collect();
    let ends = |i: usize| runs[i].clone().map(|start| post.ends(&runs, i, start)).collect();
    (0..runs.len()).map(|i| Window { words: runs[i].clone(), ends: ends(i) }).collect()
}

/// The words of a post as pieces, and what may be read of them at once.
struct Pieces<'a> {
    words: &'a [Range<u32>],
    room: usize,
    max_width: usize,
}

impl Pieces<'_> {
    /// The piece at which a word begins.
    fn start(&self, word: usize) -> usize {
        self.words[word].start as usize
    }

    /// The piece at which the words before this one end.
    fn end(&self, word: usize) -> usize {
        self.words[word - 1].end as usize
    }

    /// The end of the longest run of words from this one that has room.
    fn reach(&self, word: usize) -> usize {
        let last = self.start(word) + self.room;
        word + self.words[word..].partition_point(|w| w.end as usize <= last)
    }

    /// The window after one. `None` after the last.
    fn next(&self, run: &Range<usize>) -> Option<Range<usize>> {
        if run.end == self.words.len() {
            return None;
        }
        let context = CONTEXT.min(self.room / 3);
        // What ends from here on is too near to the end of the window.
        let near = run.clone().find(|word| self.end(run.end) - self.end(word + 1) < context).map_or(run.end, |w| w + 1);
        let first = near.saturating_sub(self.max_width).max(run.start);
        let early = self.start(first).saturating_sub(context);
        let wanted = self.words.partition_point(|w| w.start as usize <= early).saturating_sub(1);
        let least = self.start(run.start) + (self.room / 8).max(1);
        let least = self.words.partition_point(|w| (w.start as usize) < least);
        // The first word with a candidate span that this window does not hold. The word after the
        // window is one at the latest.
        let lost = |word: &usize| self.reach(*word).min(word.saturating_add(self.max_width.max(1))) > run.end;
        let lost = (run.start + 1..run.end).find(lost).unwrap_or(run.end);
        // A window that ends where this one does would be a part of it.
        let start = (wanted.max(least).min(lost)..lost).find(|word| self.reach(*word) > run.end).unwrap_or(lost);
        Some(start..self.reach(start))
    }

    /// The ends of the spans that begin at a word and lie deeper in window `i` than in any other;
    /// of two where they lie equally deep the first has them.
    ///
    /// From window to window a span's distance to the beginning falls and that to the end grows, so
    /// that its depth rises up to the deepest window and falls after it: the neighbours tell.
    fn ends(&self, runs: &[Range<usize>], i: usize, start: usize) -> Range<usize> {
        let depth = |i: usize, end: usize| self.depth(runs, i, start..end);
        let is_deepest = |end: &usize| {
            let here = depth(i, *end);
            let before = i.checked_sub(1).and_then(|before| depth(before, *end));
            let after = (i + 1 < runs.len()).then(|| depth(i + 1, *end)).flatten();
            here > before && here >= after
        };
        let mut ends = (start + 1..=runs[i].end.min(start.saturating_add(self.max_width))).filter(is_deepest);
        // They follow each other: the wider a span, the nearer it is to the end of the window.
        let Some(first) = ends.next() else { return start + 1..start + 1 };
        first..first + 1 + ends.count()
    }

    /// How deep a span lies in window `i`. `None` if it is not whole in there.
    fn depth(&self, runs: &[Range<usize>], i: usize, span: Range<usize>) -> Option<usize> {
        let run = &runs[i];
        let left = if i == 0 { usize::MAX } else { self.start(span.start).checked_sub(self.start(run.start))? };
        let right = if i + 1 == runs.len() { usize::MAX } else { self.end(run.end).checked_sub(self.end(span.end))? };
        Some(left.min(right))
    }
}

#[cfg(test)]
mod tests;
