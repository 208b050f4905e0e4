//! What the span model knows of a batch before any span is scored.

use super::SpanBatch;
use super::biaffine::BiaffineWords;
use crate::vae::Gaussian;
use crate::{Error, Result};
use candle_core::Tensor;

/// What is computed once per piece, word or text, before any span is scored.
#[derive(Clone, Debug)]
pub struct Features {
    /// The encoder's vectors without gradient, `[pieces, d]`: what the text decoder reconstructs.
    pub pieces: Tensor,
    /// Hidden layer of the text expert before mean and activation, `[pieces, k]`.
    pub(super) text_hidden: Tensor,
    /// Means of h2 over each word, `[words, 2k]`.
    pub(super) words: Tensor,
    /// Parts of the span layer that depend on the first and on the last word alone, `[words, k]`
    /// each.
    pub(super) first: Tensor,
    pub(super) last: Tensor,
    /// The same for the biaffine scores, if the model has them.
    pub(super) biaffine: Option<BiaffineWords>,
    /// What the image expert sees of each text, `[texts, image width]`; zeros where there is no
    /// image.
    pub images: Option<Tensor>,
    /// The image expert, one row per text.
    pub image: Option<Gaussian>,
    /// What the span layer adds of the image, `[texts, k]`.
    pub(super) image_input: Option<Tensor>,
    /// 1 for texts with an image, 0 for those without, `[texts]`.
    pub has_image: Tensor,
}

impl Features {
    /// Checks that there are as many texts, words and pieces as in the batch: what reads rows of
    /// the features by the batch's indices checks none of them on a GPU.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub(super) fn check(&self, op: &'static str, batch: &SpanBatch) -> Result<()> {
        let counts = [
            ("texts of the features", self.has_image.dim(0)?, batch.n_texts()),
            ("words of the features", self.words.dim(0)?, batch.words.len()),
            ("pieces of the features", self.pieces.dim(0)?, batch.pieces.own_layout().n_rows()),
        ];
        match counts.into_iter().find(|(_, got, want)| got != want) {
            Some((what, got, want)) => Err(Error::Length { op, what, got, want }),
            None => Ok(()),
        }
    }
}
