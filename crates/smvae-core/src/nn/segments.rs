//! Means over ranges of rows: `y_r = mean(x[a_r..b_r])`, the features of words (over their pieces)
//! and of spans.
//!
//! A mean commutes with a linear layer, bias included, so that spans need no product of their own:
//! project the tokens, then average. Ranges that begin at one row and grow, as the candidate spans
//! of a text do, share their sums: each adds the rows by which it is longer than the one before,
//! and in the backward pass each row is reached once for all of them.

mod kernels;

use super::dispatch::{has_kernels, is_fused};
use super::lanes::add;
use super::real::{Real, Values, for_real, values, vectorised};
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
    if has_kernels(x) && !ranges.is_empty() {
        return kernels::segment_mean(&x.contiguous()?, ranges);
    }
    composed(x, ranges)
}

/// Ranges that share a product.
const WINDOW: usize = 64;

/// Products of matrices of averaging weights, `[windows, WINDOW, height]`, with the rows they need,
/// `[windows, height, d]`. Ranges near each other in the list are near each other in `x`, so that a
/// window of them is low. Of a matrix of all ranges by all rows, all but a hundredth would be
/// zeros.
pub(super) fn composed(x: &Tensor, ranges: &[Range<usize>]) -> Result<Tensor> {
    let (rows, d) = x.dims2()?;
    if ranges.is_empty() {
        return Tensor::zeros((0, d), x.dtype(), x.device());
    }
    let windows: Vec<&[Range<usize>]> = ranges.chunks(WINDOW).collect();
    let first = |window: &[Range<usize>]| window.iter().map(|r| r.start).min().unwrap_or(0);
    let height = |window: &&[Range<usize>]| window.iter().map(|r| r.end).max().unwrap_or(0) - first(window);
    let height = windows.iter().map(height).max().unwrap_or(0);
    let mut index = Vec::with_capacity(windows.len() * height);
    let mut weights = vec![0f32; windows.len() * WINDOW * height];
    for (window, weights) in windows.iter().zip(weights.chunks_mut(WINDOW * height)) {
        let first = first(window);
        // A lower window is filled up with rows that no range of it has.
        index.extend((first..first + height).map(|row| row.min(rows - 1) as u32));
        for (range, weights) in window.iter().zip(weights.chunks_mut(height)) {
            weights[range.start - first..range.end - first].fill(1.0 / range.len() as f32);
        }
    }
    let index = Tensor::from_vec(index, windows.len() * height, x.device())?;
    let of_windows = x.contiguous()?.index_select(&index, 0)?.reshape((windows.len(), height, d))?;
    let weights = Tensor::from_vec(weights, (windows.len(), WINDOW, height), x.device())?.to_dtype(x.dtype())?;
    weights.matmul(&of_windows)?.reshape((windows.len() * WINDOW, d))?.narrow(0, 0, ranges.len())
}

struct SegmentMean {
    ranges: Vec<Range<usize>>,
}

/// Means that a task of the thread pool makes.
const MEANS: usize = 64;

impl SegmentMean {
    fn forward<T: Real>(&self, x: &[T], d: usize) -> Vec<T> {
        let mut y = vec![T::ZERO; self.ranges.len() * d];
        y.par_chunks_mut(MEANS * d).zip(self.ranges.par_chunks(MEANS)).for_each(|(y, ranges)| {
            vectorised(
                #[inline(always)]
                || {
                    let mut sum = vec![T::ZERO; d];
                    let mut summed = 0..0;
                    for (y, range) in y.chunks_exact_mut(d).zip(ranges) {
                        if !grows(&summed, range) {
                            sum.fill(T::ZERO);
                            summed = range.start..range.start;
                        }
                        x[summed.end * d..range.end * d].chunks_exact(d).for_each(|row| add(&mut sum, row));
                        summed = range.clone();
                        let scale = T::of(1.0 / range.len() as f64);
                        y.iter_mut().zip(&sum).for_each(|(y, sum)| *y = *sum * scale);
                    }
                },
            );
        });
        y
    }

    /// Gradient of x, `[rows, d]`.
    fn backward<T: Real>(&self, dy: &[T], rows: usize, d: usize) -> Vec<T> {
        let mut dx = vec![T::ZERO; rows * d];
        let mut blocks = Vec::new();
        let (mut rest, mut row) = (dx.as_mut_slice(), 0);
        for (ranges, end) in blocks_of(&self.ranges) {
            let (block, later) = rest.split_at_mut((end - row) * d);
            blocks.push((block, row, ranges));
            (rest, row) = (later, end);
        }
        blocks.into_par_iter().for_each(|(dx, first_row, of_block)| {
            vectorised(
                #[inline(always)]
                || {
                    let mut sum = vec![T::ZERO; d];
                    for r in of_block.clone().rev() {
                        let range = &self.ranges[r];
                        let before = if r > of_block.start { &self.ranges[r - 1] } else { &(0..0) };
                        let scale = T::of(1.0 / range.len() as f64);
                        sum.iter_mut().zip(&dy[r * d..][..d]).for_each(|(s, g)| *s += scale * *g);
                        // Rows that the range before has too are reached with it.
                        let begin = if grows(before, range) { before.end } else { range.start };
                        let reached = (begin - first_row) * d..(range.end - first_row) * d;
                        dx[reached].chunks_exact_mut(d).for_each(|row| add(row, &sum));
                        if begin == range.start {
                            sum.fill(T::ZERO);
                        }
                    }
                },
            );
        });
        dx
    }
}

/// Whether `range` is `before`, perhaps longer.
fn grows(before: &Range<usize>, range: &Range<usize>) -> bool {
    !before.is_empty() && before.start == range.start && before.end <= range.end
}

/// Consecutive ranges that share no row with those of other blocks, each block with one past its
/// last row. Ranges that are out of order are one block.
fn blocks_of(ranges: &[Range<usize>]) -> Vec<(Range<usize>, usize)> {
    let mut blocks: Vec<(Range<usize>, usize)> = Vec::new();
    for (r, range) in ranges.iter().enumerate() {
        match blocks.last_mut() {
            Some((of_block, end)) if range.start < *end => {
                *of_block = of_block.start..r + 1;
                *end = range.end.max(*end);
            }
            _ => blocks.push((r..r + 1, range.end)),
        }
        // A range that reaches into earlier blocks joins them.
        while blocks.len() > 1 && range.start < blocks[blocks.len() - 2].1 {
            let (of_block, end) = blocks.pop().expect("more than one");
            let last = blocks.last_mut().expect("more than one");
            *last = (last.0.start..of_block.end, last.1.max(end));
        }
    }
    blocks
}

impl CustomOp1 for SegmentMean {
    fn name(&self) -> &'static str {
        "segment-mean"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, d) = x_l.shape().dims2()?;
        for_real!(x.dtype(), "segment_mean", T => {
            Ok((T::into_storage(self.forward(values::<T>(x, x_l)?, d)), (self.ranges.len(), d).into()))
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (rows, d) = x.dims2()?;
        for_real!(x.dtype(), "segment_mean", T => {
            let dx = Values::<T>::of(dy)?.with(|dy| self.backward(dy, rows, d))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}
