//! Decoders of the text VAE and the image VAE: multilayer perceptrons of two hidden layers.

use super::config::{LEAKY_SLOPE, ModelConfig};
use crate::Result;
use crate::nn::{Activation, Linear};
use candle_core::{D, Tensor};
use candle_nn::VarBuilder;
use candle_nn::init::ZERO;

/// The decoders; used only in training, but saved with the rest.
#[derive(Clone, Debug)]
pub struct Decoders {
    text: [Linear; 3],
    image: Option<[Linear; 3]>,
    /// Logarithm of the variance around what the image decoder puts out, `[1]`, where it is
    /// learned.
    pub(crate) image_log_var: Option<Tensor>,
}

impl Decoders {
    /// Decoders from a builder, with the prefixes `text` and `image`.
    ///
    /// # Errors
    /// Those of the builder: a missing tensor, a wrong shape.
    pub fn load(config: &ModelConfig, text_dim: usize, n_classes: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        let (k, latent) = (config.hidden_dim, config.latent_dim);
        let mlp = |name: &str, from: usize, to: usize| -> Result<[Linear; 3]> {
            let vb = vb.pp(name);
            Ok([
                Linear::load(from, k, vb.pp("hidden_1"))?,
                Linear::load(k, k, vb.pp("hidden_2"))?,
                Linear::load(k, to, vb.pp("output"))?,
            ])
        };
        let image = config.image_width(text_dim).map(|dim| mlp("image", latent, dim)).transpose()?;
        Ok(Self { text: mlp("text", n_classes + latent, text_dim)?, image, image_log_var: None })
    }

    /// Adds the variance around images, from the builder that the decoders came from; a fresh one
    /// is 1. A model of text only stays as it is.
    ///
    /// # Errors
    /// Those of the builder.
    pub(crate) fn learn_image_variance(&mut self, vb: &VarBuilder<'_>) -> Result<()> {
        if self.image.is_some() {
            self.image_log_var = Some(vb.get_with_hints(1, "image_log_var", ZERO)?);
        }
        Ok(())
    }

    /// Text feature of each row, `[rows, text_dim]`, from class probabilities `[rows, classes]` and
    /// a sample of the text expert `[rows, latent]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn text(&self, probabilities: &Tensor, z: &Tensor) -> Result<Tensor> {
        self.text_of(&Tensor::cat(&[probabilities, z], D::Minus1)?)
    }

    /// The same from both in one row, `[rows, classes + latent]`.
    pub(crate) fn text_of(&self, probabilities_and_z: &Tensor) -> Result<Tensor> {
        forward(&self.text, probabilities_and_z)
    }

    /// Image feature of each text, `[texts, image_dim]`, from a sample of the image expert
    /// `[texts, latent]`; `None` for a model of text only.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn image(&self, z: &Tensor) -> Result<Option<Tensor>> {
        self.image.as_ref().map(|layers| forward(layers, z)).transpose()
    }
}

fn forward([first, second, output]: &[Linear; 3], x: &Tensor) -> Result<Tensor> {
    let x = first.forward_activated(x, Activation::LeakyRelu(LEAKY_SLOPE))?;
    let x = second.forward_activated(&x, Activation::LeakyRelu(LEAKY_SLOPE))?;
    Ok(output.forward(&x)?)
}
