//! The mathematics of variational autoencoders as pure functions: tensors in, unreduced rows out,
//! noise an argument.
//!
//! Nothing here has parameters, draws a number or averages over a batch, so it serves any network.
//! Log-variances are clamped to [`LOG_VAR_RANGE`] where a Gaussian is made.

mod elbo;
mod gaussian;
mod kernels;
mod kl;
mod product;
mod reconstruction;
mod two_experts;

pub use elbo::{ElboTerms, LossWeights};
pub use gaussian::{Gaussian, LOG_VAR_RANGE};
pub(crate) use kl::kl_standard_normal_times;
pub use kl::{kl_divergence, kl_standard_normal};
pub use product::{Expert, mean_of_experts, product_of_experts};
pub use reconstruction::{DECODER_LOG_VAR_RANGE, contrastive, gaussian_nll, mean_squared_error};

use crate::{Error, Result};
use candle_core::Tensor;

/// An error unless `tensor` has the shape `want`.
pub(crate) fn expect_dims(op: &'static str, argument: &'static str, tensor: &Tensor, want: &[usize]) -> Result<()> {
    if tensor.dims() == want {
        return Ok(());
    }
    Err(Error::Shape { op, argument, got: tensor.dims().to_vec(), want: want.to_vec() })
}
