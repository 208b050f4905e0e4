//! Reconstruction terms, one number per row.
//!
//! The mean squared error is the negative log-likelihood of a Gaussian decoder of unit variance
//! over `d` features, up to a constant and divided by `d / 2`; the Gaussian term is that likelihood
//! with a variance of its own; the contrastive term needs no likelihood: it asks which row of the
//! batch a decoded one belongs to.

use super::expect_dims;
use crate::Result;
use crate::nn::squared_error;
use candle_core::{D, Tensor};
use std::f64::consts::TAU;

/// Log-variances of a decoder are clamped to this range: rows that are decoded exactly would
/// otherwise be infinitely likely.
pub const DECODER_LOG_VAR_RANGE: (f64, f64) = (-10.0, 10.0);

/// What [`contrastive`] takes off the similarity to a row that is passed over: its exponential is 0
/// beside any other.
const PASSED_OVER: f64 = 1e4;

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

/// Negative log-likelihood of each row of `target` under a Gaussian around that of `x`, in nats,
/// *summed* over the features: `d/2 (mse / var + log var + log 2 pi)`. All features share one
/// variance `exp(log_var)`, `log_var: [1]`, which is clamped to [`DECODER_LOG_VAR_RANGE`]; `x`,
/// `target`: `[rows, d]`, returns `[rows]`. Where variances are small it is negative.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes differ.
///
/// # Source
/// Kingma & Welling (2014), appendix C.2; one learned variance for all features: Rybkin et al.
/// (2021), section 3.
pub fn gaussian_nll(x: &Tensor, target: &Tensor, log_var: &Tensor) -> Result<Tensor> {
    expect_dims("gaussian_nll", "log_var", log_var, &[1])?;
    let log_var = log_var.clamp(DECODER_LOG_VAR_RANGE.0, DECODER_LOG_VAR_RANGE.1)?;
    let scaled = mean_squared_error(x, target)?.broadcast_mul(&log_var.neg()?.exp()?)?;
    let per_feature = (scaled.broadcast_add(&log_var)? + TAU.ln())?;
    Ok((per_feature * (0.5 * x.dim(1)? as f64))?)
}

/// How far each row of `x` is from being told to belong to the same row of `target` among all of
/// them: the cross entropy, in nats, of a softmax over cosines divided by `temperature` (InfoNCE).
///
/// `passed_over: [rows, rows]` is 1 at (i, j) where row j of `target` is no wrong answer to row i,
/// such as the same picture, else 0; on its diagonal it must be 0. `x`, `target`: `[rows, d]`,
/// returns `[rows]`: exactly 0, without a gradient, where every other row is passed over, and about
/// `log rows` where nothing is told.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes do not fit.
///
/// # Source
/// van den Oord et al. (2018), equation 4.
pub fn contrastive(x: &Tensor, target: &Tensor, passed_over: &Tensor, temperature: f64) -> Result<Tensor> {
    let (rows, _) = x.dims2()?;
    expect_dims("contrastive", "target", target, x.dims())?;
    expect_dims("contrastive", "passed_over", passed_over, &[rows, rows])?;
    let cosines = unit_rows(x)?.matmul(&unit_rows(target)?.t()?)?;
    let logits = ((cosines / temperature)? - (passed_over * PASSED_OVER)?)?;
    let own = (&logits * Tensor::eye(rows, x.dtype(), x.device())?)?.sum(D::Minus1)?;
    Ok((logits.log_sum_exp(D::Minus1)? - own)?)
}

/// Rows of length 1; those of zeros stay so.
fn unit_rows(x: &Tensor) -> Result<Tensor> {
    let length = (x.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?;
    Ok(x.broadcast_div(&length)?)
}
