//! The image's own way into the classifier, past the latent variable:
//! `W_2 lrelu(W_1 image + b_1) + b_2` of a post's vector is added inside the span layer's
//! activation for every span of the post, and nothing where a post has no image.

use super::config::{LEAKY_SLOPE, ModelConfig};
use crate::Result;
use crate::nn::{Activation, Linear};
use candle_core::Tensor;
use candle_nn::VarBuilder;

/// Both layers.
#[derive(Clone, Debug)]
pub(super) struct ImageInput {
    hidden: Linear,
    output: Linear,
}

impl ImageInput {
    /// The layers, if the configuration asks for them and there are images.
    pub(super) fn load(config: &ModelConfig, text_dim: usize, vb: &VarBuilder<'_>) -> Result<Option<Self>> {
        let (Some(dim), true) = (config.image_width(text_dim), config.image_in_classifier) else { return Ok(None) };
        let k = config.hidden_dim;
        let (hidden, output) = (Linear::load(dim, k, vb.pp("hidden"))?, Linear::load(k, k, vb.pp("output"))?);
        Ok(Some(Self { hidden, output }))
    }

    /// What is added for the spans of each text, `[texts, k]`, of its vector, `[texts, image_dim]`.
    pub(super) fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let hidden = self.hidden.forward_activated(images, Activation::LeakyRelu(LEAKY_SLOPE))?;
        Ok(self.output.forward(&hidden)?)
    }
}
