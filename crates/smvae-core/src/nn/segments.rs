//! Means over ranges of rows: `y_r = mean(x[a_r..b_r])`, the features of words (over their pieces) and of spans.
//!
//! A mean commutes with a linear layer, bias included, so that spans need no product of their own: project the tokens,
//! then average.

use super::dispatch::is_fused;
use super::real::{Real, Values, for_real, values};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::ops::Range;

/// Means of rows of `x: [rows, d]` over half-open ranges; returns `[ranges, d]`.
///
/// # Errors
/// If a range is empty or ends after the last row, or the number type is neither f32 nor f64.
pub fn segment_mean(x: &Tensor, ranges: &[Range<usize>]) -> Result<Tensor> {
    let (rows, _) = x.dims2()?;
    if let Some(bad) = ranges.iter().find(|r| r.start >= r.end || r.end > rows) {
        candle_core::bail!("segment_mean: the range {bad:?} is empty or outside of the {rows} rows of x");
    }
    if is_fused(x) {
        return x.contiguous()?.apply_op1(SegmentMean { ranges: ranges.to_vec() });
    }
    composed(x, ranges)
}

/// A product with a matrix of the averaging weights.
pub(super) fn composed(x: &Tensor, ranges: &[Range<usize>]) -> Result<Tensor> {
    let (rows, _) = x.dims2()?;
    let mut weights = vec![0f32; ranges.len() * rows];
    for (r, range) in ranges.iter().enumerate() {
        weights[r * rows..][range.clone()].fill(1.0 / range.len() as f32);
    }
    Tensor::from_vec(weights, (ranges.len(), rows), x.device())?.to_dtype(x.dtype())?.matmul(&x.contiguous()?)
}

struct SegmentMean {
    ranges: Vec<Range<usize>>,
}

impl CustomOp1 for SegmentMean {
    fn name(&self) -> &'static str {
        "segment-mean"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, d) = x_l.shape().dims2()?;
        for_real!(x.dtype(), "segment_mean", T => {
            let x = values::<T>(x, x_l)?;
            let mut y = vec![T::ZERO; self.ranges.len() * d];
            y.par_chunks_mut(d).zip(&self.ranges).with_min_len(64).for_each(|(y, range)| {
                for row in x[range.start * d..range.end * d].chunks_exact(d) {
                    y.iter_mut().zip(row).for_each(|(y, x)| *y += *x);
                }
                let scale = T::of(1.0 / range.len() as f64);
                y.iter_mut().for_each(|y| *y *= scale);
            });
            Ok((T::into_storage(y), (self.ranges.len(), d).into()))
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (_, d) = x.dims2()?;
        for_real!(x.dtype(), "segment_mean", T => {
            let mut dx = vec![T::ZERO; x.elem_count()];
            Values::<T>::of(dy)?.with(|dy| {
                for (dy, range) in dy.chunks_exact(d).zip(&self.ranges) {
                    let scale = T::of(1.0 / range.len() as f64);
                    for row in dx[range.start * d..range.end * d].chunks_exact_mut(d) {
                        row.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += scale * *dy);
                    }
                }
            })?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}
