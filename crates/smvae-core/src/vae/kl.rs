//! Kullback-Leibler divergences of diagonal Gaussians in closed form, in nats, summed over the
//! latent dimensions:
//!
//! `KL(N(mu, s^2) || N(0, I)) = 1/2 sum_d (mu_d^2 + s_d^2 - 1 - log s_d^2)`.

use super::{Gaussian, expect_dims, kernels};
use crate::Result;
use crate::nn::dispatch::{has_kernels, is_fused};
use crate::nn::lanes::sum_of_pairs;
use crate::nn::real::{Real, Values, for_real, values, vectorised};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, D, Layout, Shape, Tensor};
use rayon::prelude::*;

/// Divergence of each row's Gaussian from the standard normal; returns `[rows]`, at least zero up
/// to rounding.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes of means and log-variances differ.
///
/// # Source
/// Kingma & Welling (2014), appendix B.
pub fn kl_standard_normal(q: &Gaussian) -> Result<Tensor> {
    q.dims("kl_standard_normal")?;
    if has_kernels(&q.mu) {
        return Ok(kernels::kl(&q.mu.contiguous()?, &q.log_var.contiguous()?, None)?);
    }
    if is_fused(&q.mu) {
        return Ok(q.mu.contiguous()?.apply_op2(&q.log_var.contiguous()?, Divergence)?);
    }
    let per_dim = ((q.mu.sqr()? + q.log_var.exp()?)? - (&q.log_var + 1.0)?)?;
    Ok((per_dim.sum(D::Minus1)? * 0.5)?)
}

/// The same, times the factor of each row, `[rows]`, through which no gradient goes.
pub(crate) fn kl_standard_normal_times(q: &Gaussian, factor: &Tensor) -> Result<Tensor> {
    if !has_kernels(&q.mu) {
        return Ok((kl_standard_normal(q)? * factor)?);
    }
    let (rows, _) = q.dims("kl_standard_normal")?;
    expect_dims("kl_standard_normal", "factor", factor, &[rows])?;
    Ok(kernels::kl(&q.mu.contiguous()?, &q.log_var.contiguous()?, Some(factor))?)
}

/// One pass each way; `d mu = mu`, `d log_var = (s^2 - 1) / 2`.
struct Divergence;

impl CustomOp2 for Divergence {
    fn name(&self) -> &'static str {
        "kl-standard-normal"
    }

    fn cpu_fwd(
        &self,
        mu: &CpuStorage,
        mu_l: &Layout,
        log_var: &CpuStorage,
        log_var_l: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (rows, d) = mu_l.shape().dims2()?;
        for_real!(mu.dtype(), "kl_standard_normal", T => {
            let (mu, log_var) = (values::<T>(mu, mu_l)?, values::<T>(log_var, log_var_l)?);
            let mut kl = vec![T::ZERO; rows];
            let of_rows = mu.par_chunks(d.max(1)).zip(log_var.par_chunks(d.max(1)));
            kl.par_iter_mut().zip(of_rows).with_min_len(64).for_each(|(kl, (mu, log_var))| {
                vectorised(
                    #[inline(always)]
                    || *kl = T::of(0.5) * sum_of_pairs(mu, log_var, |mu, l| mu * mu + l.exp() - T::ONE - l),
                );
            });
            Ok((T::into_storage(kl), rows.into()))
        })
    }

    fn bwd(
        &self,
        mu: &Tensor,
        log_var: &Tensor,
        _kl: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        for_real!(mu.dtype(), "kl_standard_normal", T => {
            let dy = Values::<T>::of(dy)?;
            let of_mu = dy.with(|dy| scaled_rows(mu, dy, |mu| mu))??;
            let of_log_var = dy.with(|dy| scaled_rows(log_var, dy, |l| T::of(0.5) * (l.exp() - T::ONE)))??;
            Ok((Some(of_mu), Some(of_log_var)))
        })
    }
}

/// `dy_r slope(x_rd)`, `[rows, d]`.
fn scaled_rows<T: Real>(x: &Tensor, dy: &[T], slope: impl Fn(T) -> T + Sync) -> candle_core::Result<Tensor> {
    let (_, d) = x.dims2()?;
    let mut grad = Values::<T>::of(x)?.with(<[T]>::to_vec)?;
    grad.par_chunks_mut(d.max(1)).zip(dy).with_min_len(64).for_each(|(row, dy)| {
        vectorised(
            #[inline(always)]
            || row.iter_mut().for_each(|x| *x = *dy * slope(*x)),
        );
    });
    Tensor::from_vec(grad, x.shape(), x.device())
}

/// Log-ratios of two variances beyond this count as this: the exponential, and the sum of many, is
/// finite in f32. Only variances at opposite ends of [`LOG_VAR_RANGE`](super::LOG_VAR_RANGE) are
/// that far apart.
const MAX_LOG_RATIO: f64 = 80.0;

/// Divergence `KL(q || p)` of each row; returns `[rows]`. A variance of q above `e^80` times that
/// of p counts as `e^80` times.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes differ.
pub fn kl_divergence(q: &Gaussian, p: &Gaussian) -> Result<Tensor> {
    q.dims("kl_divergence")?;
    p.dims("kl_divergence")?;
    expect_dims("kl_divergence", "p", &p.mu, q.mu.dims())?;
    let log_ratio = (&p.log_var - &q.log_var)?;
    // s_q^2 / s_p^2 with the exponents taken together, so that neither overflows alone.
    let ratio = log_ratio.neg()?.minimum(MAX_LOG_RATIO)?.exp()?;
    let distance = ((&q.mu - &p.mu)?.sqr()? * p.log_var.neg()?.exp()?)?;
    let per_dim = ((ratio + distance)? + (log_ratio - 1.0)?)?;
    Ok((per_dim.sum(D::Minus1)? * 0.5)?)
}
