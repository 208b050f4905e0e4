//! What a model is given: packed pieces, the words they belong to, spans of these words, an image vector a text.

use crate::{Error, PackedPieces, Result, Span};
use candle_core::Tensor;
use std::ops::Range;

/// A candidate span of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSpan {
    /// Index of its text.
    pub text: usize,
    /// Its words, counted over the whole batch: indices into [`SpanBatch::words`].
    pub words: Span,
}

/// Several texts with their candidate spans and images.
#[derive(Clone, Debug)]
pub struct SpanBatch {
    /// Pieces of all texts.
    pub pieces: PackedPieces,
    /// For every word of every text in order, the rows of `pieces` it consists of; never empty.
    pub words: Vec<Range<usize>>,
    /// The shape of each word ([`crate::shapes`]); empty for a model that does not look at them.
    pub shapes: Vec<u32>,
    /// Candidate spans, the rows of everything a model puts out.
    pub spans: Vec<BatchSpan>,
    /// Image vectors `[texts, image_dim]`, zeros where a text has none; none for text alone.
    pub images: Option<Tensor>,
    /// Whether each text has an image.
    pub has_image: Vec<bool>,
}

impl SpanBatch {
    /// Number of texts.
    pub fn n_texts(&self) -> usize {
        self.pieces.layout().n_texts()
    }

    /// Checks that every index lies inside what it points to.
    ///
    /// # Errors
    /// [`Error::Length`] naming what does not fit.
    pub fn validate(&self) -> Result<()> {
        const OP: &str = "SpanBatch";
        let (n_texts, n_rows) = (self.n_texts(), self.pieces.layout().n_rows());
        let fail = |what, got, want| Err(Error::Length { op: OP, what, got, want });
        if self.has_image.len() != n_texts {
            return fail("has_image flags", self.has_image.len(), n_texts);
        }
        if let Some(images) = &self.images {
            let (got, _) = images.dims2()?;
            if got != n_texts {
                return fail("image rows", got, n_texts);
            }
        }
        if !self.shapes.is_empty() && self.shapes.len() != self.words.len() {
            return fail("word shapes", self.shapes.len(), self.words.len());
        }
        for word in &self.words {
            if word.is_empty() || word.end > n_rows {
                return fail("piece rows of a word", word.end, n_rows);
            }
        }
        self.check_spans(&self.spans)
    }

    /// Checks that spans are of words of this batch, and of the text they name.
    pub(crate) fn check_spans(&self, spans: &[BatchSpan]) -> Result<()> {
        let fail = |what, got, want| Err(Error::Length { op: "SpanBatch", what, got, want });
        for BatchSpan { text, words } in spans {
            if words.start >= words.end || words.end > self.words.len() {
                return fail("words of a span", words.end, self.words.len());
            }
            if *text >= self.n_texts() {
                return fail("texts of a span", *text, self.n_texts());
            }
            let (its, first, last) =
                (self.pieces.layout().rows(*text), &self.words[words.start], &self.words[words.end - 1]);
            if first.start < its.start || last.end > its.end {
                return fail("pieces of the text of a span", last.end, its.end);
            }
        }
        Ok(())
    }

    /// The shape of the word each piece belongs to, `none` for pieces of no word.
    pub(crate) fn piece_shapes(&self, none: u32) -> Vec<u32> {
        let mut shapes = vec![none; self.pieces.layout().n_rows()];
        for (word, shape) in self.words.iter().zip(&self.shapes) {
            shapes[word.clone()].fill(*shape);
        }
        shapes
    }

    /// Rows of `pieces` a span consists of, one piece further left if `shifted`.
    pub(crate) fn piece_rows(&self, span: &BatchSpan, shifted: bool) -> Range<usize> {
        let (start, end) = (self.words[span.words.start].start, self.words[span.words.end - 1].end);
        // A word is never a text's first piece, [CLS], so a piece to the left there always is one.
        let left = usize::from(shifted);
        start.saturating_sub(left)..end.saturating_sub(left).max(1)
    }
}
