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

    /// Sum of the reconstructions and, weighted, the divergences, `[rows]`; a weight of 1 makes it the negative ELBO.
    ///
    /// # Errors
    /// If the terms differ in length.
    ///
    /// # Source
    /// Zhou et al. (2022), section 3.4: the unsupervised loss; the weight: Higgins et al. (2017), beta-VAE.
    pub fn weighted_sum(&self, kl_weight: f64) -> Result<Tensor> {
        let divergences = ((&self.kl_text + &self.kl_image)? + &self.kl_fused)?;
        Ok(((&self.mse_text + &self.mse_image)? + (divergences * kl_weight)?)?)
    }
}
