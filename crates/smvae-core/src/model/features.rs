//! What the span model knows of a batch before any span is scored.

use super::biaffine::BiaffineWords;
use crate::vae::Gaussian;
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
