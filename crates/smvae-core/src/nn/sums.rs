//! Sums by kernels that gradients of parameters are made of.

use super::kernels::{Arg, Grid, Kernel, Output, launch};
use candle_core::{Result, Tensor};

const COLUMN_SUMS: Kernel = Kernel::new("sums", "column_sums");
const PARTIAL_COLUMN_SUMS: Kernel = Kernel::new("sums", "partial_column_sums");
const ADD_TO: Kernel = Kernel::new("sums", "add_to");

/// Rows that are summed at once.
pub(super) const CHUNK: usize = 64;

/// The sum over rows of each column of `x: [rows, d]`, contiguous: `[d]`.
pub(super) fn column_sums(x: &Tensor) -> Result<Tensor> {
    let (rows, d) = x.dims2()?;
    let chunks = rows.div_ceil(CHUNK);
    if chunks <= 1 {
        return column_sums_of_parts(x);
    }
    let mut partial = Output::new((chunks, d), x.device())?;
    let args = &mut [Arg::Out(&mut partial), Arg::In(x), rows.into(), d.into(), CHUNK.into()];
    launch(PARTIAL_COLUMN_SUMS, Grid::new([d.div_ceil(128), chunks, 1], 128), args, x.device())?;
    column_sums_of_parts(&partial.into_tensor())
}

/// The same in one launch, for few rows.
pub(super) fn column_sums_of_parts(x: &Tensor) -> Result<Tensor> {
    let (rows, d) = x.dims2()?;
    let mut sums = Output::new(d, x.device())?;
    launch(COLUMN_SUMS, Grid::numbers(d), &mut [Arg::Out(&mut sums), Arg::In(x), rows.into(), d.into()], x.device())?;
    Ok(sums.into_tensor())
}

/// `sum += x`, in place; both contiguous.
pub(super) fn add_to(sum: &Tensor, x: &Tensor) -> Result<()> {
    let n = sum.elem_count();
    launch(ADD_TO, Grid::numbers(n), &mut [Arg::Write(sum), Arg::In(x), n.into()], x.device())
}
