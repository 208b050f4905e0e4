//! What a model is given: packed pieces, the words they belong to, spans of these words, one image
//! vector per text.

use crate::nn::embedding;
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
    /// Pieces of all texts, and of their contexts, if there are some.
    pub pieces: PackedPieces,
    /// For every word of every text in order, the rows of `pieces` it consists of, counted over the
    /// whole batch without contexts; never empty, and never a text's first row, which is `[CLS]`
    /// (checked where it matters: with [`Quirks::shifted_spans`](super::Quirks::shifted_spans)).
    pub words: Vec<Range<usize>>,
    /// The shape of each word ([`crate::shapes`]); empty for a model that does not look at them.
    pub shapes: Vec<u32>,
    /// Candidate spans, the rows of everything a model puts out.
    pub spans: Vec<BatchSpan>,
    /// Image vectors `[texts, image_dim]`, zeros where a text has no image; `None` means text only.
    /// A model without images ignores them.
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
    /// [`Error::Length`] or [`Error::Batch`] naming what does not fit.
    pub fn validate(&self) -> Result<()> {
        const OP: &str = "SpanBatch";
        let (n_texts, n_rows) = (self.n_texts(), self.pieces.own_layout().n_rows());
        let fail = |what, got, want| Err(Error::Length { op: OP, what, got, want });
        if self.has_image.len() != n_texts {
            return fail("has_image flags", self.has_image.len(), n_texts);
        }
        let n_images = self.images.as_ref().map(|images| images.dims2()).transpose()?.map(|(rows, _)| rows);
        match n_images {
            Some(got) if got != n_texts => return fail("image rows", got, n_texts),
            None if self.has_image.contains(&true) => return fail("image rows, since a text has one", 0, n_texts),
            _ => {}
        }
        if !self.shapes.is_empty() && self.shapes.len() != self.words.len() {
            return fail("word shapes", self.shapes.len(), self.words.len());
        }
        let mut end = 0;
        for (index, word) in self.words.iter().enumerate() {
            let fail = |why| Err(Error::Batch { what: "word", index, got: word.clone(), why });
            if word.start >= word.end {
                return fail("has no rows");
            }
            if word.end > n_rows {
                return fail("reaches past the last row");
            }
            if word.start < end {
                return fail("begins before the word before it ends: rows are counted over the whole batch");
            }
            end = word.end;
        }
        self.check_spans(&self.spans)
    }

    /// Checks that spans are of words of this batch, and of the text they name.
    pub(crate) fn check_spans(&self, spans: &[BatchSpan]) -> Result<()> {
        for (index, BatchSpan { text, words }) in spans.iter().enumerate() {
            let fail = |why| Err(Error::Batch { what: "span", index, got: words.start..words.end, why });
            if words.start >= words.end {
                return fail("has no words");
            }
            if words.end > self.words.len() {
                return fail("reaches past the last word");
            }
            if *text >= self.n_texts() {
                return fail("names a text that there is not");
            }
            let its = self.pieces.own_layout().rows(*text);
            if self.words[words.start].start < its.start || self.words[words.end - 1].end > its.end {
                return fail("is not of words of its text: words are counted over the whole batch");
            }
        }
        Ok(())
    }

    /// Checks that one piece to the left of each span there is one of its text, as there always is
    /// if no word is a text's first piece, `[CLS]`.
    pub(crate) fn check_shifted(&self, spans: &[BatchSpan]) -> Result<()> {
        let is_first =
            |span: &BatchSpan| self.words[span.words.start].start <= self.pieces.own_layout().rows(span.text).start;
        match spans.iter().position(is_first) {
            None => Ok(()),
            Some(index) => {
                let got = spans[index].words.start..spans[index].words.end;
                let why = "begins with the first piece of its text, `[CLS]`, to the left of which there is none";
                Err(Error::Batch { what: "span", index, got, why })
            }
        }
    }

    /// Drops the rows of contexts: of the encoder's vectors `h: [rows, d]` those of the texts.
    pub(crate) fn without_contexts(&self, h: &Tensor) -> Result<Tensor> {
        if !self.pieces.has_contexts() {
            return Ok(h.clone());
        }
        let kept: Vec<u32> = self.pieces.own_and_context().flat_map(|[own, _]| own).map(|row| row as u32).collect();
        Ok(embedding(h, &kept)?)
    }

    /// The shape of the word each piece belongs to; the value `none` for pieces that belong to no
    /// word.
    pub(crate) fn piece_shapes(&self, none: u32) -> Vec<u32> {
        let mut shapes = vec![none; self.pieces.own_layout().n_rows()];
        for (word, shape) in self.words.iter().zip(&self.shapes) {
            shapes[word.clone()].fill(*shape);
        }
        shapes
    }

    /// Rows of `pieces` a span consists of, one piece further left if `shifted`.
    pub(crate) fn piece_rows(&self, span: &BatchSpan, shifted: bool) -> Range<usize> {
        let (start, end) = (self.words[span.words.start].start, self.words[span.words.end - 1].end);
        // `check_shifted` was asked before.
        let left = usize::from(shifted);
        start.saturating_sub(left)..end.saturating_sub(left).max(1)
    }
}
