//! Features of pairs of rows, first and last word of a span: `a[i_r] + b[j_r]` and `x[i_r] * x[j_r]`.
//!
//! With them `W [s; e; s-e; s*e] = (W1 + W3) s + (W2 - W3) e + W4 (s*e)` needs products of words, not of spans, but
//! for the last term.

use super::dispatch::is_fused;
use super::real::{Real, Values, for_real, values};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// Pairs of row indices, shared by the operations of a batch.
#[derive(Clone, Debug)]
pub struct Pairs {
    pairs: Arc<[(u32, u32)]>,
    /// One past the largest index.
    n_rows: usize,
}

impl Pairs {
    /// These pairs, in this order.
    pub fn new(pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let pairs: Arc<[(u32, u32)]> = pairs.into_iter().collect();
        let n_rows = pairs.iter().map(|&(i, j)| i.max(j) as usize + 1).max().unwrap_or(0);
        Self { pairs, n_rows }
    }

    fn check(&self, op: &str, x: &Tensor) -> Result<()> {
        let (rows, _) = x.dims2()?;
        if rows < self.n_rows {
            candle_core::bail!("{op}: a pair names row {}, but there are {rows} rows", self.n_rows - 1);
        }
        Ok(())
    }

    fn indices(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (first, last): (Vec<u32>, Vec<u32>) = self.pairs.iter().copied().unzip();
        let n = self.pairs.len();
        Ok((Tensor::from_vec(first, n, x.device())?, Tensor::from_vec(last, n, x.device())?))
    }
}

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
    let (first, last) = pairs.indices(x)?;
    let x = x.contiguous()?;
    x.index_select(&first, 0)? * x.index_select(&last, 0)?
}

/// `y[r] = f(a[i_r], b[j_r])`, element by element.
fn gather<T: Real>(a: &[T], b: &[T], d: usize, pairs: &[(u32, u32)], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    let mut y = vec![T::ZERO; pairs.len() * d];
    y.par_chunks_mut(d).zip(pairs).with_min_len(64).for_each(|(y, &(i, j))| {
        for ((y, a), b) in y.iter_mut().zip(row(a, i, d)).zip(row(b, j, d)) {
            *y = f(*a, *b);
        }
    });
    y
}

fn row<T>(x: &[T], i: u32, d: usize) -> &[T] {
    &x[i as usize * d..][..d]
}

fn row_mut<T>(x: &mut [T], i: u32, d: usize) -> &mut [T] {
    &mut x[i as usize * d..][..d]
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
        let (_, d) = a.dims2()?;
        for_real!(a.dtype(), "pair_sum", T => {
            let (mut da, mut db) = (vec![T::ZERO; a.elem_count()], vec![T::ZERO; a.elem_count()]);
            let add = |sum: &mut [T], dy: &[T]| sum.iter_mut().zip(dy).for_each(|(s, v)| *s += *v);
            Values::<T>::of(dy)?.with(|dy| {
                for (dy, &(i, j)) in dy.chunks_exact(d).zip(&*self.0.pairs) {
                    add(row_mut(&mut da, i, d), dy);
                    add(row_mut(&mut db, j, d), dy);
                }
            })?;
            Ok((
                Some(Tensor::from_vec(da, a.shape(), a.device())?),
                Some(Tensor::from_vec(db, a.shape(), a.device())?),
            ))
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
        let (_, d) = x.dims2()?;
        for_real!(x.dtype(), "pair_product", T => {
            let mut dx = vec![T::ZERO; x.elem_count()];
            // `to += dy from`; applied both ways, it is 2 x dy where a pair names one row twice, as it must be.
            let add = |to: &mut [T], dy: &[T], from: &[T]| {
                to.iter_mut().zip(dy.iter().zip(from)).for_each(|(t, (g, f))| *t += *g * *f);
            };
            Values::<T>::of(x)?.with(|x| Values::<T>::of(dy)?.with(|dy| {
                for (dy, &(i, j)) in dy.chunks_exact(d).zip(&*self.0.pairs) {
                    add(row_mut(&mut dx, i, d), dy, row(x, j, d));
                    add(row_mut(&mut dx, j, d), dy, row(x, i, d));
                }
            }))??;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}
