//! Rows of a tensor by an index that lies on its device: `y_i = factor_i x[index_i]`, such as what
//! is known of a text for each of its spans.
//!
//! Not for tables with many rows, whose gradient this would write as a whole: that is
//! [`embedding`](super::embedding()).

mod kernels;

use super::dispatch::has_kernels;
use candle_core::{Result, Tensor};

/// Row `index[i]` of `x: [rows, d]` or `[rows]` for each `i`, times `factor[i]` if there are
/// factors; `index: [n]`, u32, and `factor: [n]`, through which no gradient goes. Returns `[n, d]`
/// or `[n]`.
///
/// # Errors
/// If the shapes do not fit or, on the CPU, an index is out of range; on a GPU that is not checked.
pub(crate) fn select_rows(x: &Tensor, index: &Tensor, factor: Option<&Tensor>) -> Result<Tensor> {
    if factor.is_some_and(|factor| factor.dims() != index.dims()) {
        candle_core::bail!("select_rows: as many factors as rows, {:?}", index.dims());
    }
    if has_kernels(x) && index.elem_count() > 0 {
        return kernels::select_rows(&x.contiguous()?, index, factor);
    }
    let rows = x.index_select(index, 0)?;
    match factor {
        None => Ok(rows),
        Some(factor) if rows.rank() == 1 => rows * factor,
        Some(factor) => rows.broadcast_mul(&factor.unsqueeze(1)?),
    }
}
