//! The noise that latent variables are sampled with.

use crate::Result;
use crate::model::SpanBatch;
use candle_core::Tensor;

/// Noise of one batch, standard normal.
#[derive(Clone, Debug)]
pub struct Noise {
    /// For z, `[rows, latent]`.
    pub z: Tensor,
    /// For the sample the text decoder is given, `[rows, latent]`.
    pub text: Tensor,
    /// For the sample the image decoder is given, `[texts, latent]`.
    pub image: Tensor,
}

impl Noise {
    /// Draws the noise of a batch, on the device and in the number type of `like`.
    ///
    /// # Errors
    /// Those of the copy to the device.
    pub fn draw(batch: &SpanBatch, latent_dim: usize, like: &Tensor, rng: &mut crate::Rng) -> Result<Self> {
        let mut draw = |rows: usize| -> Result<Tensor> {
            Ok(crate::rng::standard_normal((rows, latent_dim), rng, like.device())?.to_dtype(like.dtype())?)
        };
        let rows = batch.spans.len();
        Ok(Self { z: draw(rows)?, text: draw(rows)?, image: draw(batch.n_texts())? })
    }
}
