//! Features of pairs of rows, first and last word of a span: `a[i_r] + b[j_r]` and
//! `x[i_r] * x[j_r]`.
//!
//! With them `W [s; e; s-e; s*e] = (W1 + W3) s + (W2 - W3) e + W4 (s*e)` needs products of words,
//! not of spans, but for the last term.

mod kernels;
mod lists;

pub use lists::Pairs;

use super::dispatch::{has_kernels, is_fused};
use super::lanes;
use super::real::{Real, Values, for_real, values, vectorised};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use lists::Uses;
use rayon::prelude::*;

/// `a[i] + b[j]` for each pair; `a`, `b`: `[rows, d]`, returns `[pairs, d]`.
///
/// # Errors
/// If the shapes differ, an index is out of range, or the number type is neither f32 nor f64.
pub fn pair_sum(a: &Tensor, b: &Tensor, pairs: &Pairs) -> Result<Tensor> {
    pairs.check("pair_sum", a)?;
    if a.dims() != b.dims() {
        candle_core::bail!("pair_sum: the shapes {:?} and {:?} differ", a.dims(), b.dims());
    }
    if is_fused(a) {
        return a.contiguous()?.apply_op2(&b.contiguous()?, PairSum(pairs.clone()));
    }
    if has_kernels(a) && !pairs.pairs.is_empty() {
        return kernels::pair_sum(&a.contiguous()?, &b.contiguous()?, pairs);
    }
    let (first, last) = pairs.indices(a)?;
    a.contiguous()?.index_select(&first, 0)? + b.contiguous()?.index_select(&last, 0)?
}

/// `x[i] * x[j]` for each pair; `x: [rows, d]`, returns `[pairs, d]`.
///
/// # Errors
/// If an index is out of range or the number type is neither f32 nor f64.
pub fn pair_product(x: &Tensor, pairs: &Pairs) -> Result<Tensor> {
    pairs.check("pair_product", x)?;
    if is_fused(x) {
        return x.contiguous()?.apply_op1(PairProduct(pairs.clone()));
    }
    if has_kernels(x) && !pairs.pairs.is_empty() {
        return kernels::pair_product(&x.contiguous()?, pairs);
    }
    let (first, last) = pairs.indices(x)?;
    let x = x.contiguous()?;
    x.index_select(&first, 0)? * x.index_select(&last, 0)?
}

/// `y[r] = f(a[i_r], b[j_r])`, element by element.
fn gather<T: Real>(a: &[T], b: &[T], d: usize, pairs: &[(u32, u32)], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    let mut y = vec![T::ZERO; pairs.len() * d];
    y.par_chunks_mut(d).zip(pairs).with_min_len(64).for_each(|(y, &(i, j))| {
        let (a, b) = (row(a, i, d), row(b, j, d));
        vectorised(
            #[inline(always)]
            || y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = f(*a, *b)),
        );
    });
    y
}

/// Gradients row by row: calls `add(row of the result, pair)` for each pair that the row is used
/// by.
fn scatter<T: Real>(uses: &Uses, rows: usize, d: usize, add: impl Fn(&mut [T], usize) + Sync) -> Vec<T> {
    let mut dx = vec![T::ZERO; rows * d];
    scatter_onto(&mut dx, uses, d, add);
    dx
}

fn scatter_onto<T: Real>(dx: &mut [T], uses: &Uses, d: usize, add: impl Fn(&mut [T], usize) + Sync) {
    dx.par_chunks_mut(d).enumerate().with_min_len(16).for_each(|(i, dx)| {
        vectorised(
            #[inline(always)]
            || uses.of(i).iter().for_each(|pair| add(dx, *pair as usize)),
        );
    });
}

#[inline(always)]
fn row<T>(x: &[T], i: u32, d: usize) -> &[T] {
    &x[i as usize * d..][..d]
}

struct PairSum(Pairs);

impl CustomOp2 for PairSum {
    fn name(&self) -> &'static str {
        "pair-sum"
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_l: &Layout, b: &CpuStorage, b_l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, d) = a_l.shape().dims2()?;
        for_real!(a.dtype(), "pair_sum", T => {
            let y = gather(values::<T>(a, a_l)?, values::<T>(b, b_l)?, d, &self.0.pairs, |a, b| a + b);
            Ok((T::into_storage(y), (self.0.pairs.len(), d).into()))
        })
    }

    fn bwd(&self, a: &Tensor, _b: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (rows, d) = a.dims2()?;
        for_real!(a.dtype(), "pair_sum", T => {
            Values::<T>::of(dy)?.with(|dy| {
                let add = |sum: &mut [T], pair| lanes::add(sum, row(dy, pair as u32, d));
                let grad = |uses| Tensor::from_vec(scatter(uses, rows, d, add), a.shape(), a.device());
                let [first, last] = self.0.uses();
                Ok((Some(grad(first)?), Some(grad(last)?)))
            })?
        })
    }
}

struct PairProduct(Pairs);

impl CustomOp1 for PairProduct {
    fn name(&self) -> &'static str {
        "pair-product"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, d) = x_l.shape().dims2()?;
        for_real!(x.dtype(), "pair_product", T => {
            let x = values::<T>(x, x_l)?;
            let y = gather(x, x, d, &self.0.pairs, |a, b| a * b);
            Ok((T::into_storage(y), (self.0.pairs.len(), d).into()))
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (rows, d) = x.dims2()?;
        for_real!(x.dtype(), "pair_product", T => {
            let dx = Values::<T>::of(x)?.with(|x| Values::<T>::of(dy)?.with(|dy| {
                // dy times the other row of the pair; applied both ways, it is 2 x dy where a pair
                // names one row twice.
                let add = |sum: &mut [T], pair: usize, other| {
                    let factors = row(dy, pair as u32, d).iter().zip(row(x, other, d));
                    sum.iter_mut().zip(factors).for_each(|(s, (g, v))| *s += *g * *v);
                };
                let ([first, last], pairs) = (self.0.uses(), &self.0.pairs);
                let mut dx = scatter(first, rows, d, #[inline(always)] |sum: &mut [T], r| add(sum, r, pairs[r].1));
                scatter_onto(&mut dx, last, d, #[inline(always)] |sum: &mut [T], r| add(sum, r, pairs[r].0));
                dx
            }))??;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}
