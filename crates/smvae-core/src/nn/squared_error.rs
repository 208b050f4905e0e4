//! Mean squared error of each row in one pass: `y_r = mean_d (a_rd - b_rd)^2`, with its own
//! backward.

mod kernels;

use super::dispatch::{has_kernels, is_fused};
use super::lanes::sum_of_pairs;
use super::real::{Real, Values, for_real, values, vectorised};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Mean squared error of each row; `a`, `b`: `[rows, d]`, returns `[rows]`.
///
/// # Errors
/// If the shapes differ or the number type is neither f32 nor f64.
pub fn squared_error(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.dims2()?;
    if a.dims() != b.dims() {
        candle_core::bail!("squared_error: the shapes {:?} and {:?} differ", a.dims(), b.dims());
    }
    if is_fused(a) {
        return a.contiguous()?.apply_op2(&b.contiguous()?, SquaredError);
    }
    if has_kernels(a) {
        return kernels::squared_error(&a.contiguous()?, &b.contiguous()?);
    }
    (a - b)?.sqr()?.mean(D::Minus1)
}

struct SquaredError;

impl CustomOp2 for SquaredError {
    fn name(&self) -> &'static str {
        "squared-error"
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_l: &Layout, b: &CpuStorage, b_l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, d) = a_l.shape().dims2()?;
        for_real!(a.dtype(), "squared_error", T => {
            let (a, b) = (values::<T>(a, a_l)?, values::<T>(b, b_l)?);
            let mut y = vec![T::ZERO; rows];
            let n = T::of(d as f64);
            y.par_iter_mut().zip(a.par_chunks(d).zip(b.par_chunks(d))).with_min_len(64).for_each(|(y, (a, b))| {
                vectorised(
                    #[inline(always)]
                    || *y = sum_of_pairs(a, b, |a, b| (a - b) * (a - b)) / n,
                );
            });
            Ok((T::into_storage(y), rows.into()))
        })
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, d) = a.dims2()?;
        for_real!(a.dtype(), "squared_error", T => {
            let (a_s, b_s, dy) = (Values::<T>::of(a)?, Values::<T>::of(b)?, Values::<T>::of(dy)?);
            let grad = |sign: f64| -> Result<Tensor> {
                let scale = T::of(sign * 2.0 / d as f64);
                let mut da = vec![T::ZERO; a.elem_count()];
                a_s.with(|a| b_s.with(|b| dy.with(|dy| {
                    let rows = da.par_chunks_mut(d).zip(a.par_chunks(d).zip(b.par_chunks(d))).zip(dy);
                    rows.with_min_len(64).for_each(|((da, (a, b)), dy)| {
                        vectorised(
                            #[inline(always)]
                            || da.iter_mut().zip(a.iter().zip(b)).for_each(|(d, (a, b))| *d = scale * *dy * (*a - *b)),
                        );
                    });
                })))???;
                Tensor::from_vec(da, a.shape(), a.device())
            };
            let of = |x: &Tensor, sign| x.track_op().then(|| grad(sign)).transpose();
            Ok((of(a, 1.0)?, of(b, -1.0)?))
        })
    }
}
