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

/// Divergence `KL(q || p)` of each row; returns `[rows]`.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes differ.
pub fn kl_divergence(q: &Gaussian, p: &Gaussian) -> Result<Tensor> {
    expect_dims("kl_divergence", "p", &p.mu, q.mu.dims())?;
    let log_ratio = (&p.log_var - &q.log_var)?;
    // ((mu_q - mu_p)^2 + s_q^2) / s_p^2, with the exponents taken together so that neither overflows alone.
    let distance = ((&q.mu - &p.mu)?.sqr()? * p.log_var.neg()?.exp()?)?;
    let per_dim = ((log_ratio.neg()?.exp()? + distance)? + (log_ratio - 1.0)?)?;
    Ok((per_dim.sum(D::Minus1)? * 0.5)?)
}
