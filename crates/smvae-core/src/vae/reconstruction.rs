//! Reconstruction term: the negative log-likelihood of a Gaussian decoder of unit variance over `d`
//! features, up to a constant and divided by `d / 2`.

use super::expect_dims;
use crate::Result;
use crate::nn::squared_error;
use candle_core::Tensor;

/// Mean over the features of the squared error of each row; `x`, `target`: `[rows, d]`, returns
/// `[rows]`.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes differ.
///
/// # Source
/// Zhou et al. (2022), section 3.4 (reconstruction loss); mean over features as in the authors'
/// program.
pub fn mean_squared_error(x: &Tensor, target: &Tensor) -> Result<Tensor> {
    expect_dims("mean_squared_error", "target", target, x.dims())?;
    Ok(squared_error(x, target)?)
}
