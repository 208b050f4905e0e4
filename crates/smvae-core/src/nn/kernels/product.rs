//! Matrix products beside kernels: those of candle, cuBLAS on a GPU, outside of its graph.

use super::Output;
use candle_core::backend::BackendStorage;
use candle_core::{Result, Storage, Tensor, bail};

/// `a b` for `a: [m, k]` and `b: [k, n]`, none of them empty, each contiguous or the transpose of a
/// matrix that is.
///
/// # Errors
/// If the shapes do not fit, or the matrices lie apart.
pub(in crate::nn) fn product(a: &Tensor, b: &Tensor) -> Result<Output> {
    let ((m, k), (k_of_b, n)) = (a.dims2()?, b.dims2()?);
    if k != k_of_b {
        bail!("a product of {:?} and {:?}", a.dims(), b.dims());
    }
    let ((a, a_l), (b, b_l)) = (a.storage_and_layout(), b.storage_and_layout());
    let size = (1, m, n, k);
    let storage = match (&*a, &*b) {
        (Storage::Cpu(a), Storage::Cpu(b)) => Storage::Cpu(a.matmul(b, size, a_l, b_l)?),
        (Storage::Cuda(a), Storage::Cuda(b)) => Storage::Cuda(a.matmul(b, size, a_l, b_l)?),
        _ => bail!("a product of a matrix on the CPU and one on a GPU"),
    };
    Ok(Output::of_parts(storage, (m, n).into()))
}
