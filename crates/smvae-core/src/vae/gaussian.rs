//! One diagonal Gaussian per row, `N(mu, diag exp(log_var))`.

use super::{expect_dims, kernels};
use crate::Result;
use crate::nn::dispatch::has_kernels;
use crate::nn::select::select_rows;
use candle_core::Tensor;

/// Log-variances are clamped to this range: at its ends every function of this module and every
/// gradient is finite in f32, and no trained network comes near them.
pub const LOG_VAR_RANGE: (f64, f64) = (-50.0, 50.0);

/// Diagonal Gaussians, one per row.
#[derive(Clone, Debug)]
pub struct Gaussian {
    /// Means, `[rows, latent]`.
    pub mu: Tensor,
    /// Logarithms of the variances, `[rows, latent]`, in [`LOG_VAR_RANGE`].
    pub log_var: Tensor,
}

impl Gaussian {
    /// Gaussians from the output of a network; `log_var` is clamped to [`LOG_VAR_RANGE`].
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the two shapes differ.
    pub fn new(mu: Tensor, log_var: &Tensor) -> Result<Self> {
        expect_dims("Gaussian::new", "log_var", log_var, mu.dims())?;
        let log_var = if has_kernels(log_var) {
            kernels::clamp(&log_var.contiguous()?, LOG_VAR_RANGE)?
        } else {
            log_var.clamp(LOG_VAR_RANGE.0, LOG_VAR_RANGE.1)?
        };
        Ok(Self { mu, log_var })
    }

    /// Reparameterised sample `mu + sigma * noise`, with `noise ~ N(0, I)` of the same shape
    /// `[rows, latent]`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the noise has another shape.
    ///
    /// # Source
    /// Kingma & Welling (2014), section 2.4.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        expect_dims("Gaussian::sample", "noise", noise, self.mu.dims())?;
        if has_kernels(&self.mu) {
            return Ok(kernels::sample(&self.mu.contiguous()?, &self.log_var.contiguous()?, &noise.contiguous()?)?);
        }
        Ok((&self.mu + (self.log_var.clone() * 0.5)?.exp()? * noise)?)
    }

    /// Checks that means and log-variances are `[rows, latent]`, and returns both sizes.
    pub(super) fn dims(&self, op: &'static str) -> Result<(usize, usize)> {
        expect_dims(op, "log_var", &self.log_var, self.mu.dims())?;
        Ok(self.mu.dims2()?)
    }

    /// The same Gaussians for other rows: row `i` of the result is row `index[i]`.
    ///
    /// # Errors
    /// On the CPU, if an index is out of range; on a GPU that is not checked.
    pub fn select(&self, index: &Tensor) -> Result<Self> {
        Ok(Self { mu: select_rows(&self.mu, index, None)?, log_var: select_rows(&self.log_var, index, None)? })
    }
}
