//! The end of a residual block: `y = LayerNorm(residual + dropout(x W' + b))`, with
//! `x: [rows, in]`, `W: [out, in]`, `b: [out]`, `residual: [rows, out]`.
//!
//! It is a linear layer, dropout with a sum, and a layer norm, one after another. Kernels do all
//! that comes after the product in one launch.

mod kernels;

use super::dispatch::has_kernels;
use super::dropout::{Mask, dropout_add};
use super::{LayerNorm, Linear};
use candle_core::{Result, Tensor};

/// `norm(residual + dropout(linear(x)))`, dropout with a probability and a generator if there is
/// any, which draws as [`dropout_add`] does. Returns `[rows, out]`.
///
/// # Errors
/// As [`Linear::forward`], [`dropout_add`] and [`LayerNorm::forward`].
pub fn residual_end(
    linear: &Linear,
    x: &Tensor,
    residual: &Tensor,
    norm: &LayerNorm,
    dropout: Option<(f64, &mut crate::Rng)>,
) -> Result<Tensor> {
    if has_kernels(x) && fits(linear, x, residual, norm)? {
        let mask = match dropout {
            Some((p, rng)) => Mask::draw(p, rng)?,
            None => None,
        };
        return kernels::residual_end(linear, &x.contiguous()?, &residual.contiguous()?, norm, mask);
    }
    let x = linear.forward(x)?;
    let sum = match dropout {
        Some((p, rng)) => dropout_add(&x, residual, p, rng)?,
        None => (x + residual)?,
    };
    norm.forward(&sum)
}

/// What does not fit is refused by the operations, each with its own words.
fn fits(linear: &Linear, x: &Tensor, residual: &Tensor, norm: &LayerNorm) -> Result<bool> {
    let ((rows, d_in), (d_out, w_in)) = (x.dims2()?, linear.weight().dims2()?);
    let of_columns = [linear.bias(), norm.weight(), norm.bias()].iter().all(|t| t.dims() == [d_out]);
    Ok(d_in == w_in && residual.dims() == [rows, d_out] && of_columns && has_kernels(linear.weight()))
}
