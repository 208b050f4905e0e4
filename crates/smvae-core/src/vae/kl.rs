//! Kullback-Leibler divergences of diagonal Gaussians in closed form, in nats, summed over the latent dimensions:
//!
//! `KL(N(mu, s^2) || N(0, I)) = 1/2 sum_d (mu_d^2 + s_d^2 - 1 - log s_d^2)`.

use super::{Gaussian, expect_dims};
use crate::Result;
use candle_core::{D, Tensor};

/// Divergence of each row's Gaussian from the standard normal; returns `[rows]`, at least zero up to rounding.
///
/// # Errors
/// Those of the tensor operations.
///
/// # Source
/// Kingma & Welling (2014), appendix B.
pub fn kl_standard_normal(q: &Gaussian) -> Result<Tensor> {
    let per_dim = ((q.mu.sqr()? + q.log_var.exp()?)? - (&q.log_var + 1.0)?)?;
    Ok((per_dim.sum(D::Minus1)? * 0.5)?)
}

/// Log-ratios of two variances beyond this count as this: the exponential, and the sum of many, is finite in f32. Only
/// variances at opposite ends of [`LOG_VAR_RANGE`](super::LOG_VAR_RANGE) are that far apart.
const MAX_LOG_RATIO: f64 = 80.0;

/// Divergence `KL(q || p)` of each row; returns `[rows]`. A variance of q more than `e^80` times that of p counts as
/// that many.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes differ.
pub fn kl_divergence(q: &Gaussian, p: &Gaussian) -> Result<Tensor> {
    expect_dims("kl_divergence", "p", &p.mu, q.mu.dims())?;
    let log_ratio = (&p.log_var - &q.log_var)?;
    // s_q^2 / s_p^2 with the exponents taken together, so that neither overflows alone.
    let ratio = log_ratio.neg()?.minimum(MAX_LOG_RATIO)?.exp()?;
    let distance = ((&q.mu - &p.mu)?.sqr()? * p.log_var.neg()?.exp()?)?;
    let per_dim = ((ratio + distance)? + (log_ratio - 1.0)?)?;
    Ok((per_dim.sum(D::Minus1)? * 0.5)?)
}
