//! Two matrices one above the other, with gradients that go straight to where those of each are
//! kept.

mod kernels;

use super::dispatch::{has_kernels, is_fused};
use super::gradients::accumulate_part;
use super::lanes::add;
use super::real::{Real, Values, for_real, values};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use std::ops::Range;

pub(super) use kernels::stacked;

/// The rows of `a`, then those of `b`; of two vectors, the numbers. Its gradients go straight to
/// where those of `a` and `b` are kept, which candle's `cat` would pad and add.
pub(super) fn stack_rows(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if is_fused(a) && a.rank() == 2 {
        a.contiguous()?.apply_op2(&b.contiguous()?, StackRows)
    } else if has_kernels(a) && a.dims() == b.dims() {
        kernels::stack_rows(&a.contiguous()?, &b.contiguous()?)
    } else {
        Tensor::cat(&[a, b], 0)
    }
}

struct StackRows;

impl CustomOp2 for StackRows {
    fn name(&self) -> &'static str {
        "stack-rows"
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_l: &Layout, b: &CpuStorage, b_l: &Layout) -> Result<(CpuStorage, Shape)> {
        let ((n_a, d), (n_b, _)) = (a_l.shape().dims2()?, b_l.shape().dims2()?);
        for_real!(a.dtype(), "stack_rows", T => {
            let rows = [values::<T>(a, a_l)?, values::<T>(b, b_l)?].concat();
            Ok((T::into_storage(rows), (n_a + n_b, d).into()))
        })
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        for_real!(a.dtype(), "stack_rows", T => {
            let dy = Values::<T>::of(dy)?;
            let part = |of: &Tensor, range: Range<usize>| accumulate_part(of, |to: &mut [T]| dy.with(|dy| {
                add(to, &dy[range]);
            }));
            let n = a.elem_count();
            Ok((part(a, 0..n)?, part(b, n..n + b.elem_count())?))
        })
    }
}
