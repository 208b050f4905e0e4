//! Matrix products of linear layers that launch kernels: those of candle, cuBLAS on a GPU, outside
//! of its graph; in f32, or in bf16 where that is allowed.

use super::super::dispatch::rounds_to_bf16;
use super::Output;
use candle_core::backend::BackendStorage;
use candle_core::{DType, Layout, Result, Shape, Storage, Tensor, bail};

/// `a b` in f32 for `a: [m, k]` and `b: [k, n]`, none of them empty, each contiguous or the
/// transpose of a matrix that is.
///
/// # Errors
/// If the shapes do not fit, or the matrices lie apart.
pub(in crate::nn) fn product(a: &Tensor, b: &Tensor) -> Result<Output> {
    if rounds_to_bf16() {
        return in_bf16(&rounded(a)?, &rounded(b)?);
    }
    let (storage, shape) = multiplied(a, b)?;
    Ok(Output::of_parts(storage, shape))
}

/// A product of numbers in bf16: sums are f32, each is rounded at its end.
fn in_bf16(a: &Tensor, b: &Tensor) -> Result<Output> {
    let (storage, shape) = multiplied(a, b)?;
    let layout = Layout::contiguous(&shape);
    let storage = match storage {
        Storage::Cpu(storage) => Storage::Cpu(storage.to_dtype(&layout, DType::F32)?),
        Storage::Cuda(storage) => Storage::Cuda(storage.to_dtype(&layout, DType::F32)?),
        Storage::Metal(_) => bail!("there are kernels for CUDA devices alone"),
    };
    Ok(Output::of_parts(storage, shape))
}

/// The same in bf16. What is contiguous in memory is converted as it lies there.
fn rounded(x: &Tensor) -> Result<Tensor> {
    let x = x.detach();
    if x.is_contiguous() { x.to_dtype(DType::BF16) } else { x.t()?.to_dtype(DType::BF16)?.t() }
}

fn multiplied(a: &Tensor, b: &Tensor) -> Result<(Storage, Shape)> {
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
    Ok((storage, (m, n).into()))
}
