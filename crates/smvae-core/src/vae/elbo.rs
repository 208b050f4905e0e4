//! The five terms of what the paper calls the multimodal evidence lower bound (ELBO): one number
//! per row each, not reduced.
//!
//! Their sum is a negative ELBO in name. It would be one, up to a constant, if the reconstructions
//! were negative log-likelihoods: for a Gaussian decoder of unit variance, half the squared errors
//! *summed* over the features. As in the authors' program they are *means* over the features,
//! while the KL terms are sums over the latent dimensions, so that beside a bound over `d` features
//! the KL terms weigh `d / 2` times as much. (The image's may be a likelihood instead:
//! [`gaussian_nll`](crate::vae::gaussian_nll).) `kl_fused` has no reconstruction of its own, and
//! weights or free bits change the sum further. Of all this only the minimum matters to training;
//! do not read the value as a likelihood.

use super::expect_dims;
use super::kernels::{self, Weighted};
use crate::Result;
use crate::nn::dispatch::has_kernels;
use candle_core::Tensor;

/// The terms of each row, `[rows]` each, whose sum is minimised. The sum is not a bound on a
/// likelihood: its reconstructions are means over features, its KL terms sums over dimensions.
#[derive(Clone, Debug)]
pub struct ElboTerms {
    /// Mean squared error of the text feature's reconstruction.
    pub mse_text: Tensor,
    /// Mean squared error of the image feature's reconstruction, or what
    /// [`ImageReconstruction`](crate::objective::ImageReconstruction) has in its place; 0 where
    /// there is no image.
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

    /// Weighted sum of the reconstructions and the KL terms, `[rows]`; with the default weights the
    /// paper's unsupervised loss.
    ///
    /// # Errors
    /// If the terms differ in length.
    ///
    /// # Source
    /// Zhou et al. (2022), section 3.4: the unsupervised loss; weights: Higgins et al. (2017),
    /// beta-VAE; free bits: Kingma et al. (2016).
    pub fn weighted_sum(&self, weights: LossWeights) -> Result<Tensor> {
        if has_kernels(&self.kl_text) {
            return self.weighted_sum_by_kernels(weights);
        }
        let floor = |kl: &Tensor| if weights.free_bits > 0.0 { kl.maximum(weights.free_bits) } else { Ok(kl.clone()) };
        let divergences = ((floor(&self.kl_text)? + floor(&self.kl_image)?)? + floor(&self.kl_fused)?)?;
        let reconstructions = ((&self.mse_text + &self.mse_image)? * weights.reconstruction)?;
        Ok((reconstructions + (divergences * weights.kl)?)?)
    }

    fn weighted_sum_by_kernels(&self, LossWeights { reconstruction, kl, free_bits }: LossWeights) -> Result<Tensor> {
        let rows = self.kl_text.dims();
        self.named().into_iter().try_for_each(|(name, term)| expect_dims("weighted_sum", name, term, rows))?;
        let divergences = [&self.kl_text, &self.kl_image, &self.kl_fused];
        let divergences = kernels::weighted(divergences, Weighted { weights: [kl; 3], floor: free_bits })?;
        let terms = [&self.mse_text, &self.mse_image, &divergences];
        Ok(kernels::weighted(terms, Weighted { weights: [reconstruction, reconstruction, 1.0], floor: 0.0 })?)
    }
}

/// Weights of the terms of [`ElboTerms`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LossWeights {
    /// Weight of the two reconstructions. Default: 1.
    pub reconstruction: f64,
    /// Weight of the three KL terms. Default: 1.
    pub kl: f64,
    /// Nats below which a KL term of a row counts as this many and has no gradient: free bits.
    /// Default: 0.
    pub free_bits: f64,
}

impl Default for LossWeights {
    /// The paper's: every term weighs 1.
    fn default() -> Self {
        Self { reconstruction: 1.0, kl: 1.0, free_bits: 0.0 }
    }
}
