//! The terms of the negative ELBO of scored rows.

use super::images::ImageReconstruction;
use super::kernels;
use super::losses::log_softmax;
use super::noise::Noise;
use crate::model::{BatchSpan, Decoders, Features, SpanBatch, SpanModel, SpanScores};
use crate::nn::dispatch::has_kernels;
use crate::nn::select::select_rows;
use crate::vae::{ElboTerms, kl_standard_normal, kl_standard_normal_times, mean_squared_error};
use crate::{Error, Result};
use candle_core::{D, Tensor};

/// Scored rows on the way to their negative ELBO.
pub(super) struct Rows<'a> {
    image_reconstruction: ImageReconstruction,
    decoders: &'a Decoders,
    features: &'a Features,
    scores: &'a SpanScores,
    noise: &'a Noise,
    /// [`SpanModel::targets`] of the rows.
    targets: Tensor,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        image_reconstruction: ImageReconstruction,
        model: &'a SpanModel,
        features: &'a Features,
        scores: &'a SpanScores,
        batch: &'a SpanBatch,
        spans: &[BatchSpan],
        noise: &'a Noise,
    ) -> Result<Self> {
        let decoders = model.decoders.as_ref().ok_or(Error::NoDecoders)?;
        let targets = model.targets(features, batch, spans)?;
        Ok(Self { image_reconstruction, decoders, features, scores, noise, targets })
    }

    /// The five terms of each row.
    pub(super) fn terms(&self) -> Result<ElboTerms> {
        let SpanScores { logits, text, .. } = self.scores;
        let decoded = if has_kernels(logits) {
            self.decoders.text_of(&kernels::decoder_input(logits, text, &self.noise.text)?)?
        } else {
            let probabilities = candle_nn::ops::softmax(logits, D::Minus1)?;
            self.decoders.text(&probabilities, &text.sample(&self.noise.text)?)?
        };
        self.terms_with(mean_squared_error(&decoded, &self.targets)?)
    }

    /// The five terms of each row with the text's reconstruction expected under the class
    /// probabilities, and the KL divergence of these from the prior, `[classes]`.
    pub(super) fn marginal_terms(&self, prior: &[f32]) -> Result<(ElboTerms, Tensor)> {
        let log_q = log_softmax(&self.scores.logits)?;
        let q = log_q.exp()?;
        let (rows, classes) = q.dims2()?;
        let z = self.scores.text.sample(&self.noise.text)?;
        let mut expected = q.narrow(1, 0, 1)?.squeeze(1)?.zeros_like()?;
        for class in 0..classes {
            let one_hot: Vec<f32> = (0..rows * classes).map(|i| f32::from(i % classes == class)).collect();
            let one_hot = Tensor::from_vec(one_hot, (rows, classes), q.device())?.to_dtype(q.dtype())?;
            let mse = mean_squared_error(&self.decoders.text(&one_hot, &z)?, &self.targets)?;
            expected = (expected + (q.narrow(1, class, 1)?.squeeze(1)? * mse)?)?;
        }
        let log_prior = Tensor::from_slice(prior, classes, q.device())?.to_dtype(q.dtype())?.log()?;
        let kl_class = (&q * log_q.broadcast_sub(&log_prior)?)?.sum(D::Minus1)?;
        Ok((self.terms_with(expected)?, kl_class))
    }

    /// All five terms, with this reconstruction of the text; the four others do not depend on the
    /// class.
    fn terms_with(&self, mse_text: Tensor) -> Result<ElboTerms> {
        let Self { decoders, features, scores, .. } = self;
        let kl_text = kl_standard_normal(&scores.text)?;
        let (mse_image, kl_image, kl_fused) = match (&features.image, &features.images) {
            (Some(image), Some(target)) => {
                // Once per text, then copied to the rows of its spans.
                let rows = |of_text: &Tensor| select_rows(of_text, &scores.text_index, Some(&scores.has_image));
                let decoded = decoders.image(&image.sample(&self.noise.image)?)?;
                let mse = decoded
                    .map(|d| self.image_reconstruction.terms(decoders, &d, target, &features.has_image))
                    .transpose()?;
                let kl_fused = kl_standard_normal_times(&scores.fused, &scores.has_image)?;
                let kl_image = rows(&kl_standard_normal(image)?)?;
                (mse.map_or_else(|| kl_image.zeros_like(), |mse| rows(&mse))?, kl_image, kl_fused)
            }
            _ => (kl_text.zeros_like()?, kl_text.zeros_like()?, kl_text.zeros_like()?),
        };
        Ok(ElboTerms { mse_text, mse_image, kl_text, kl_image, kl_fused })
    }
}
