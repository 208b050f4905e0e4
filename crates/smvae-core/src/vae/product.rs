//! Product of Gaussian experts, in log space:
//!
//! `1/var = sum_i m_i / var_i`, `mu = var sum_i m_i mu_i / var_i`, with `m_i` 1 where expert i is
//! present, else 0.
//!
//! With `a_i = -log var_i`: `log var = -logsumexp(a)` and the weights of the means are
//! `softmax(a)`, so that no variance is ever divided by.

use super::{Gaussian, expect_dims, kernels, two_experts};
use crate::nn::dispatch::{has_kernels, is_fused};
use crate::{Error, Result};
use candle_core::{D, Tensor};

/// One expert of a product.
#[derive(Clone, Debug)]
pub struct Expert<'a> {
    /// Its Gaussian, `[rows, latent]`.
    pub gaussian: &'a Gaussian,
    /// 1 where a row has this expert and 0 where it is missing, `[rows]`, of the Gaussian's number
    /// type; `None` means every row has it. What stands in the rows that are missing must be
    /// finite.
    pub present: Option<&'a Tensor>,
}

impl Expert<'_> {
    /// Checks that it has the shape of another's Gaussian.
    fn check(&self, op: &'static str, like: &Gaussian) -> Result<()> {
        let (rows, _) = self.gaussian.dims(op)?;
        expect_dims(op, "an expert", &self.gaussian.mu, like.mu.dims())?;
        if let Some(present) = self.present {
            expect_dims(op, "present", present, &[rows])?;
        }
        Ok(())
    }
}

impl<'a> From<&'a Gaussian> for Expert<'a> {
    fn from(gaussian: &'a Gaussian) -> Self {
        Self { gaussian, present: None }
    }
}

/// An alternative to the product, to measure what the product is worth: the mean of the means and
/// of the log-variances of `a` and, where it is present, `b`; where `present` is between 0 and 1,
/// it counts for so much less.
///
/// # Errors
/// [`Error::Shape`] if the shapes differ.
pub fn mean_of_experts(a: &Gaussian, b: &Expert<'_>) -> Result<Gaussian> {
    const OP: &str = "mean_of_experts";
    let (rows, _) = a.dims(OP)?;
    b.check(OP, a)?;
    let weight = match b.present {
        Some(present) => (present * 0.5)?,
        None => Tensor::full(0.5f32, rows, a.mu.device())?.to_dtype(a.mu.dtype())?,
    };
    let weight = weight.unsqueeze(1)?;
    let mix = |a: &Tensor, b: &Tensor| -> Result<Tensor> { Ok((a + (b - a)?.broadcast_mul(&weight)?)?) };
    Ok(Gaussian { mu: mix(&a.mu, &b.gaussian.mu)?, log_var: mix(&a.log_var, &b.gaussian.log_var)? })
}

/// Fuses any number of experts. A row must have at least one of them: the result of a row without
/// any is meaningless.
///
/// ```
/// use smvae_core::candle_core::{Device, Tensor};
/// use smvae_core::vae::{Gaussian, product_of_experts};
/// let expert = |mu: f32| -> smvae_core::Result<Gaussian> {
///     let mu = Tensor::new(&[[mu]], &Device::Cpu)?;
///     Gaussian::new(mu.clone(), &mu.zeros_like()?)
/// };
/// let fused = product_of_experts(&[(&expert(0.0)?).into(), (&expert(1.0)?).into()])?;
/// assert_eq!(fused.mu.to_vec2::<f32>()?, [[0.5]]);
/// assert!((fused.log_var.to_vec2::<f32>()?[0][0].exp() - 0.5).abs() < 1e-6);
/// # Ok::<(), smvae_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`] without any expert, [`Error::Shape`] if the shapes differ.
///
/// # Source
/// Zhou et al. (2022), section 3.3; Hinton (2002); Wu & Goodman (2018), section 2.1.
pub fn product_of_experts(experts: &[Expert<'_>]) -> Result<Gaussian> {
    const OP: &str = "product_of_experts";
    let first = experts.first().ok_or(Error::Length { op: OP, what: "experts", got: 0, want: 1 })?;
    experts.iter().try_for_each(|expert| expert.check(OP, first.gaussian))?;
    match experts {
        [a @ Expert { present: None, .. }, b] if is_fused(&first.gaussian.mu) => {
            two_experts::fuse(a.gaussian, b.gaussian, b.present)
        }
        [a @ Expert { present: None, .. }, b] if has_kernels(&first.gaussian.mu) => {
            let mus = [&a.gaussian.mu.contiguous()?, &b.gaussian.mu.contiguous()?];
            let log_vars = [&a.gaussian.log_var.contiguous()?, &b.gaussian.log_var.contiguous()?];
            let [mu, log_var] = kernels::fuse(mus, log_vars, b.present)?;
            Ok(Gaussian { mu, log_var })
        }
        _ => composed(experts),
    }
}

/// Any number of experts by candle's operations.
pub(super) fn composed(experts: &[Expert<'_>]) -> Result<Gaussian> {
    let mut log_precisions = Vec::with_capacity(experts.len());
    for expert in experts {
        let log_precision = expert.gaussian.log_var.neg()?;
        log_precisions.push(match expert.present {
            None => log_precision,
            Some(present) => {
                let present = present.unsqueeze(1)?;
                // Far below any real precision, so that its exponential is 0, yet finite, so that 0
                // times it is 0.
                let absent = ((&present - 1.0)? * 1e4)?;
                log_precision.broadcast_mul(&present)?.broadcast_add(&absent)?
            }
        });
    }
    // [rows, latent, experts]
    let log_precision = Tensor::stack(&log_precisions, D::Minus1)?;
    let log_var = log_precision.log_sum_exp(D::Minus1)?.neg()?;
    let weights = log_precision.broadcast_add(&log_var.unsqueeze(2)?)?.exp()?;
    let means: Vec<&Tensor> = experts.iter().map(|e| &e.gaussian.mu).collect();
    let mu = (Tensor::stack(&means, D::Minus1)? * weights)?.sum(D::Minus1)?;
    Ok(Gaussian { mu, log_var })
}
