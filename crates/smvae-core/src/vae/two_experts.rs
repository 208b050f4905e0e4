//! The product of two Gaussian experts as three operations with their own backward passes, on the
//! CPU.
//!
//! ```text
//! w = sigmoid(log_var_b - log_var_a)                               weight of expert a's mean
//! mu = w mu_a + (1 - w) mu_b,   log var = -logaddexp(-log_var_a, -log_var_b)
//! d log var / d log_var_a = w,   d log var / d log_var_b = 1 - w
//! dw / d log_var_b = w (1 - w) = -dw / d log_var_a
//! ```
//! Where expert b is missing, w is 1. The general form in `product.rs` has a third dimension, the
//! experts, over which candle's reductions are slow; it is what this is tested against.

use super::gaussian::Gaussian;
use crate::nn::real::{Real, Values, for_real, values, vectorised};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// The product of `a` and `b`, where `present` is 1 in the rows that have `b` and 0 in the others;
/// every row has it if `present` is `None`.
pub(super) fn fuse(a: &Gaussian, b: &Gaussian, present: Option<&Tensor>) -> crate::Result<Gaussian> {
    let present: Arc<[bool]> = match present {
        Some(present) => present.to_dtype(DType::F32)?.to_vec1::<f32>()?.into_iter().map(|p| p > 0.5).collect(),
        None => vec![true; a.mu.dim(0)?].into(),
    };
    let log_vars = [a.log_var.contiguous()?, b.log_var.contiguous()?];
    let of_log_vars = |output| log_vars[0].apply_op2(&log_vars[1], OfLogVars { present: present.clone(), output });
    let (weight, log_var) = (of_log_vars(Output::Weight)?, of_log_vars(Output::LogVar)?);
    Ok(Gaussian { mu: a.mu.contiguous()?.apply_op3(&b.mu.contiguous()?, &weight, Mix)?, log_var })
}

#[derive(Clone, Copy, PartialEq)]
enum Output {
    Weight,
    LogVar,
}

struct OfLogVars {
    present: Arc<[bool]>,
    output: Output,
}

/// Rows a task of the thread pool works on.
const ROWS: usize = 64;

/// `f(row, y, a, b)` for each row.
fn by_row<T: Real>(
    a: &[T],
    b: &[T],
    present: &[bool],
    f: impl Fn(T, T) -> T + Sync,
    missing: impl Fn(T) -> T + Sync,
) -> Vec<T> {
    let mut y = vec![T::ZERO; a.len()];
    let d = a.len() / present.len().max(1);
    if d == 0 {
        return y;
    }
    let rows = y.par_chunks_mut(d).zip(a.par_chunks(d).zip(b.par_chunks(d))).zip(present);
    rows.with_min_len(ROWS).for_each(|((y, (a, b)), present)| {
        vectorised(
            #[inline(always)]
            || {
                let pairs = y.iter_mut().zip(a.iter().zip(b));
                if *present {
                    pairs.for_each(|(y, (a, b))| *y = f(*a, *b));
                } else {
                    pairs.for_each(|(y, (a, _))| *y = missing(*a));
                }
            },
        );
    });
    y
}

#[inline(always)]
fn weight<T: Real>(a: T, b: T) -> T {
    (b - a).sigmoid()
}

/// `-log(exp(-a) + exp(-b))`: `a` less what b adds to its precision, or the other way round, so
/// that no exponential overflows.
#[inline(always)]
fn log_var<T: Real>(a: T, b: T) -> T {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    small - (T::ONE + (small - large).exp()).ln()
}

impl CustomOp2 for OfLogVars {
    fn name(&self) -> &'static str {
        "two-experts"
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_l: &Layout, b: &CpuStorage, b_l: &Layout) -> Result<(CpuStorage, Shape)> {
        for_real!(a.dtype(), "two_experts", T => {
            let (a, b) = (values::<T>(a, a_l)?, values::<T>(b, b_l)?);
            let y = match self.output {
                Output::Weight => by_row(a, b, &self.present, weight, |_| T::ONE),
                Output::LogVar => by_row(a, b, &self.present, log_var, |a| a),
            };
            Ok((T::into_storage(y), a_l.shape().clone()))
        })
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        for_real!(a.dtype(), "two_experts", T => {
            let (a_s, b_s, dys) = (Values::<T>::of(a)?, Values::<T>::of(b)?, Values::<T>::of(dy)?);
            let (da, db) = a_s.with(|a| b_s.with(|b| dys.with(|dy| {
                let (mut da, mut db) = match self.output {
                    Output::Weight => {
                        let slope = |a, b| { let w = weight(a, b); w * (T::ONE - w) };
                        let db = by_row(a, b, &self.present, slope, |_| T::ZERO);
                        (db.iter().map(|s| -*s).collect::<Vec<T>>(), db)
                    }
                    Output::LogVar => {
                        let da = by_row(a, b, &self.present, weight, |_| T::ONE);
                        let db = by_row(a, b, &self.present, |a, b| weight(b, a), |_| T::ZERO);
                        (da, db)
                    }
                };
                for grad in [&mut da, &mut db] {
                    grad.par_iter_mut().zip(dy).with_min_len(16 * 1024).for_each(|(g, dy)| *g *= *dy);
                }
                (da, db)
            })))???;
            let tensor = |grad| Tensor::from_vec(grad, a.shape(), a.device()).map(Some);
            Ok((tensor(da)?, tensor(db)?))
        })
    }
}

/// `w a + (1 - w) b`.
struct Mix;

impl CustomOp3 for Mix {
    fn name(&self) -> &'static str {
        "mix"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_l: &Layout,
        b: &CpuStorage,
        b_l: &Layout,
        w: &CpuStorage,
        w_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        for_real!(a.dtype(), "two_experts", T => {
            let (a, b, w) = (values::<T>(a, a_l)?, values::<T>(b, b_l)?, values::<T>(w, w_l)?);
            let y = map3([a, b, w], |a, b, w| w * a + (T::ONE - w) * b);
            Ok((T::into_storage(y), a_l.shape().clone()))
        })
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        w: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        for_real!(a.dtype(), "two_experts", T => {
            let (a_s, b_s, ws, dys) =
                (Values::<T>::of(a)?, Values::<T>::of(b)?, Values::<T>::of(w)?, Values::<T>::of(dy)?);
            let grads = a_s.with(|a| b_s.with(|b| ws.with(|w| dys.with(|dy| {
                let da = map3([w, dy, dy], |w, dy, _| w * dy);
                let db = map3([w, dy, dy], |w, dy, _| (T::ONE - w) * dy);
                [da, db, map3([a, b, dy], |a, b, dy| (a - b) * dy)]
            }))))????;
            let [da, db, dw] = grads.map(|grad| Tensor::from_vec(grad, a.shape(), a.device()).map(Some));
            Ok((da?, db?, dw?))
        })
    }
}

fn map3<T: Real>([a, b, c]: [&[T]; 3], f: impl Fn(T, T, T) -> T + Sync) -> Vec<T> {
    const CHUNK: usize = 16 * 1024;
    let mut y = vec![T::ZERO; a.len()];
    let chunks = y.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK)).zip(c.par_chunks(CHUNK)));
    chunks.for_each(|(y, ((a, b), c))| {
        vectorised(
            #[inline(always)]
            || y.iter_mut().zip(a.iter().zip(b).zip(c)).for_each(|(y, ((a, b), c))| *y = f(*a, *b, *c)),
        );
    });
    y
}
