//! Deep biaffine scores of a span, one for each class, of its first and its last word (Dozat &
//! Manning 2017; for entities Yu et al. 2020):
//!
//! ```text
//! s = lrelu(W_s x_first + b_s),  e = lrelu(W_e x_last + b_e)         [words, r]
//! score_c = (U_c s + b_c) . e                                        [spans, classes]
//! ```
//! `x` is what the classifier's LSTM makes of a word. All but the last product is computed once per
//! word. The scores are added to the logits.

use super::BatchSpan;
use super::config::{LEAKY_SLOPE, ModelConfig};
use crate::Result;
use crate::nn::{Activation, Linear, embedding};
use candle_core::{D, Tensor};
use candle_nn::VarBuilder;

/// The layers.
#[derive(Clone, Debug)]
pub(super) struct Biaffine {
    first: Linear,
    last: Linear,
    /// From `s` to `U_c s + b_c` of every class, one after another.
    classes: Linear,
    dim: usize,
}

/// What the layers make of each word.
#[derive(Clone, Debug)]
pub(super) struct BiaffineWords {
    /// `U_c s + b_c`, `[words, classes r]`.
    first: Tensor,
    /// `e`, `[words, r]`.
    last: Tensor,
}

impl Biaffine {
    /// The layers, if the configuration asks for them.
    pub(super) fn load(config: &ModelConfig, n_classes: usize, vb: &VarBuilder<'_>) -> Result<Option<Self>> {
        let Some(dim) = config.biaffine_dim else { return Ok(None) };
        let width = 2 * config.hidden_dim;
        Ok(Some(Self {
            first: Linear::load(width, dim, vb.pp("first"))?,
            last: Linear::load(width, dim, vb.pp("last"))?,
            classes: Linear::load(dim, n_classes * dim, vb.pp("classes"))?,
            dim,
        }))
    }

    /// What is computed once per word, of `words: [words, 2k]`.
    pub(super) fn of_words(&self, words: &Tensor) -> Result<BiaffineWords> {
        let project = |layer: &Linear| layer.forward_activated(words, Activation::LeakyRelu(LEAKY_SLOPE));
        Ok(BiaffineWords { first: self.classes.forward(&project(&self.first)?)?, last: project(&self.last)? })
    }

    /// Scores of spans, `[spans, classes]`.
    pub(super) fn scores(&self, words: &BiaffineWords, spans: &[BatchSpan]) -> Result<Tensor> {
        let first: Vec<u32> = spans.iter().map(|span| span.words.start as u32).collect();
        let last: Vec<u32> = spans.iter().map(|span| span.words.end as u32 - 1).collect();
        let classes = words.first.dim(1)? / self.dim;
        let first = embedding(&words.first, &first)?.reshape((spans.len(), classes, self.dim))?;
        let last = embedding(&words.last, &last)?.unsqueeze(1)?;
        Ok(first.broadcast_mul(&last)?.sum(D::Minus1)?)
    }
}
