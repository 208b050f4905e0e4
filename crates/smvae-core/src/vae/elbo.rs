//! The five terms of the multimodal evidence lower bound, a number a row each, not reduced.

use crate::Result;
use candle_core::Tensor;

/// The negative ELBO of each row as its terms, `[rows]` each; to be minimised.
#[derive(Clone, Debug)]
pub struct ElboTerms {
    /// Reconstruction of the text feature.
    pub mse_text: Tensor,
    /// Reconstruction of the image feature; 0 where there is no image.
    pub mse_image: Tensor,
    /// `KL(text expert || N(0, I))`.
    pub kl_text: Tensor,
    /// `KL(image expert || N(0, I))`; 0 where there is no image.
    pub kl_image: Tensor,
    /// `KL(product || N(0, I))`; 0 where there is no image.
    pub kl_fused: Tensor,
}

impl ElboTerms {
    /// The terms with the names used in logs, in the order they are documented.
    pub fn named(&self) -> [(&'static str, &Tensor); 5] {
        [
            ("mse_text", &self.mse_text),
            ("mse_image", &self.mse_image),
            ("kl_text", &self.kl_text),
            ("kl_image", &self.kl_image),
            ("kl_fused", &self.kl_fused),
        ]
    }

    /// Weighted sum of the reconstructions and the divergences, `[rows]`; by default the negative
    /// ELBO.
    ///
    /// # Errors
    /// If the terms differ in length.
    ///
    /// # Source
    /// Zhou et al. (2022), section 3.4: the unsupervised loss; weights: Higgins et al. (2017),
    /// beta-VAE; free bits: Kingma et al. (2016).
    pub fn weighted_sum(&self, weights: LossWeights) -> Result<Tensor> {
        let floor = |kl: &Tensor| if weights.free_bits > 0.0 { kl.maximum(weights.free_bits) } else { Ok(kl.clone()) };
        let divergences = ((floor(&self.kl_text)? + floor(&self.kl_image)?)? + floor(&self.kl_fused)?)?;
        let reconstructions = ((&self.mse_text + &self.mse_image)? * weights.reconstruction)?;
        Ok((reconstructions + (divergences * weights.kl)?)?)
    }
}

/// Weights of the terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossWeights {
    /// Of the two reconstructions.
    pub reconstruction: f64,
    /// Of the three divergences.
    pub kl: f64,
    /// Nats below which a divergence of a row counts as so many and has no gradient: free bits.
    pub free_bits: f64,
}

impl Default for LossWeights {
    /// The negative ELBO.
    fn default() -> Self {
        Self { reconstruction: 1.0, kl: 1.0, free_bits: 0.0 }
    }
}
