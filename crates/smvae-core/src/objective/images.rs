//! What brings the image decoder's output near the image: the ways to compute the term that logs
//! call `mse_image`, one number per text.

use crate::model::Decoders;
use crate::nn::dispatch::is_at_hand;
use crate::vae::{contrastive, gaussian_nll, mean_squared_error};
use crate::{Error, Result};
use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

/// The similarities of [`ImageReconstruction::Contrastive`] are divided by this.
const TEMPERATURE: f64 = 0.1;

/// What brings the image decoder's output near the image, and so what the term `mse_image` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageReconstruction {
    /// The squared error, mean over the dimensions of the vector: the paper.
    #[default]
    Mse,
    /// The negative log-likelihood of the vector in nats, summed over its dimensions, of which all
    /// have one learned variance ([`gaussian_nll`]): with `kl_image` a proper negative ELBO of the
    /// image.
    Gaussian,
    /// Which image of the batch is the post's, in nats ([`contrastive`], temperature 0.1); the
    /// decoder is the projection. Images of equal vectors count as one, and a batch of one image
    /// has a term of 0.
    Contrastive,
}

impl ImageReconstruction {
    /// The term of each text, `[texts]`, of what the decoder made of its image, `decoded: [texts,
    /// d]`. Meaningless where a text has no image.
    pub(super) fn terms(
        self,
        decoders: &Decoders,
        decoded: &Tensor,
        images: &Tensor,
        has_image: &Tensor,
    ) -> Result<Tensor> {
        match self {
            Self::Mse => mean_squared_error(decoded, images),
            Self::Gaussian => {
                let log_var = decoders.image_log_var.as_ref().ok_or(Error::NoImageVariance)?;
                gaussian_nll(decoded, images, log_var)
            }
            Self::Contrastive => contrastive(decoded, images, &passed_over(images, has_image)?, TEMPERATURE),
        }
    }
}

/// 1 at (i, j) where text j has no image or the same one as text i, else 0, `[texts, texts]`.
fn passed_over(images: &Tensor, has_image: &Tensor) -> Result<Tensor> {
    if !is_at_hand(images.device()) {
        return Ok(passed_over_elsewhere(images, has_image)?);
    }
    let vectors = images.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let has_image = has_image.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let n = vectors.len();
    let is_no_answer = |i: usize, j: usize| i != j && (has_image[j] == 0.0 || vectors[i] == vectors[j]);
    let flags: Vec<f32> = (0..n * n).map(|at| f32::from(is_no_answer(at / n, at % n))).collect();
    Ok(Tensor::from_vec(flags, (n, n), images.device())?.to_dtype(images.dtype())?)
}

/// The same without waiting for a device.
fn passed_over_elsewhere(images: &Tensor, has_image: &Tensor) -> candle_core::Result<Tensor> {
    let same = images.unsqueeze(0)?.broadcast_eq(&images.unsqueeze(1)?)?.min(2)?.to_dtype(images.dtype())?;
    let is_wrong_answer = (1.0 - same)?.broadcast_mul(&has_image.to_dtype(images.dtype())?)?;
    let others = (1.0 - Tensor::eye(images.dim(0)?, images.dtype(), images.device())?)?;
    (1.0 - is_wrong_answer)? * others
}

#[cfg(test)]
mod tests {
    use super::passed_over;
    use crate::nn::dispatch::composed;
    use candle_core::{Device, Tensor};

    #[test]
    fn posts_of_one_image_and_those_without_are_no_wrong_answers() -> candle_core::Result<()> {
        let images = Tensor::new(&[[1f32, 2.0], [3.0, 4.0], [1.0, 2.0], [0.0, 0.0]], &Device::Cpu)?;
        let flags = || passed_over(&images, &Tensor::new(&[1f32, 1.0, 1.0, 0.0], &Device::Cpu)?);
        for flags in [flags(), composed(flags)] {
            let flags = flags.expect("as many flags").to_vec2::<f32>()?;
            assert_eq!(flags, [[0., 0., 1., 1.], [0., 0., 0., 1.], [1., 0., 0., 1.], [0., 0., 0., 0.]]);
        }
        Ok(())
    }
}
