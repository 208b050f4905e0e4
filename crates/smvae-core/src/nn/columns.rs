//! A linear layer on some columns of a flat weight:
//! `y = onto + x (sum_t sign_t W[:, at_t .. at_t + in])'`.
//!
//! The span layer `W [z; s; e; s-e; s*e]` is one weight in the checkpoint and several products
//! here. A view of its columns would cost a copy in each direction, and each view a gradient of the
//! whole weight; this reads the columns where they are, and writes their gradient where it belongs.

mod kernels;

use super::dispatch::{has_kernels, is_fused};
use super::gradients::accumulate_part;
use super::matrix::{Mat, MatMut, Write, add_column_sums, product, product_alike, repeated};
use super::real::{Real, Values, for_real, values};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use kernels::Terms;

/// Columns of a weight that stand for one factor, the first of them and their sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Added.
    Plus(usize),
    /// Subtracted.
    Minus(usize),
}

/// `onto + x W'`, `W` being the sum of `terms`, each as many columns of `weight: [out, all]` as
/// `x: [rows, in]` has. `onto` is a bias `[out]`, or has one row for each row of `x`,
/// `[rows, out]`; returns `[rows, out]`.
///
/// # Errors
/// If the shapes do not fit, there is no term, `out` is 0, or the number type is neither f32 nor
/// f64.
pub fn linear_columns(x: &Tensor, weight: &Tensor, terms: &[Columns], onto: &Tensor) -> Result<Tensor> {
    let ((rows, d_in), (d_out, all)) = (x.dims2()?, weight.dims2()?);
    let outside = terms.iter().any(|term| term.first() > all || all - term.first() < d_in);
    if terms.is_empty() || d_out == 0 || outside || (onto.dims() != [d_out] && onto.dims() != [rows, d_out]) {
        candle_core::bail!(
            "linear_columns: x {:?}, the columns {terms:?} of weight {:?} and onto {:?} do not fit",
            x.dims(),
            weight.dims(),
            onto.dims()
        );
    }
    if is_fused(x) {
        let keep = [x, weight, onto].iter().any(|t| t.track_op());
        let op = LinearColumns { terms: terms.to_vec(), keep };
        return x.contiguous()?.apply_op3(&weight.contiguous()?, &onto.contiguous()?, op);
    }
    if has_kernels(x)
        && has_kernels(weight)
        && let Some(terms) = Terms::new(terms.iter().map(|term| (term.first(), term.is_plus())))
    {
        return kernels::linear_columns(&x.contiguous()?, &weight.contiguous()?, terms, &onto.contiguous()?);
    }
    composed(x, weight, terms, onto)
}

pub(super) fn composed(x: &Tensor, weight: &Tensor, terms: &[Columns], onto: &Tensor) -> Result<Tensor> {
    let mut sum = Tensor::zeros((weight.dim(0)?, x.dim(1)?), x.dtype(), x.device())?;
    for term in terms {
        let columns = weight.narrow(1, term.first(), x.dim(1)?)?;
        sum = if term.is_plus() { (sum + columns)? } else { (sum - columns)? };
    }
    x.contiguous()?.matmul(&sum.t()?)?.broadcast_add(onto)
}

impl Columns {
    fn first(self) -> usize {
        match self {
            Self::Plus(first) | Self::Minus(first) => first,
        }
    }

    fn is_plus(self) -> bool {
        matches!(self, Self::Plus(_))
    }

    /// `to += sign from`, row by row.
    fn add<T: Real>(self, to: &mut [T], from: &[T]) {
        let pairs = to.iter_mut().zip(from);
        if self.is_plus() { pairs.for_each(|(t, f)| *t += *f) } else { pairs.for_each(|(t, f)| *t -= *f) }
    }
}

struct LinearColumns {
    terms: Vec<Columns>,
    /// Whether there will be a backward pass.
    keep: bool,
}

impl LinearColumns {
    /// Calls `f` with the sum of the terms, `[out, in]`.
    fn with_weight<T: Real, R>(
        &self,
        weight: &[T],
        (d_out, all): (usize, usize),
        d_in: usize,
        f: impl FnOnce(Mat<'_, T>) -> R,
    ) -> R {
        if let [Columns::Plus(first)] = self.terms[..] {
            return f(Mat::strided(&weight[first..], d_out, d_in, all));
        }
        let mut sum = vec![T::ZERO; d_out * d_in];
        for (sum, row) in sum.chunks_exact_mut(d_in).zip(weight.chunks_exact(all)) {
            self.terms.iter().for_each(|term| term.add(sum, &row[term.first()..][..d_in]));
        }
        f(Mat::new(&sum, d_out, d_in))
    }

    /// Adds `dy' x` to the columns of every term.
    fn weight_gradient<T: Real>(&self, dw: &mut [T], all: usize, dy: Mat<'_, T>, x: Mat<'_, T>) {
        let ((_, d_out), (_, d_in)) = (dy.dims(), x.dims());
        if let [Columns::Plus(first)] = self.terms[..] {
            let dw = MatMut::strided(&mut dw[first..], d_out, d_in, all);
            return product(dw, dy.t(), x, Write::Add);
        }
        let mut sum = vec![T::ZERO; d_out * d_in];
        product(MatMut::new(&mut sum, d_out, d_in), dy.t(), x, Write::Overwrite);
        for (dw, sum) in dw.chunks_exact_mut(all).zip(sum.chunks_exact(d_in)) {
            self.terms.iter().for_each(|term| term.add(&mut dw[term.first()..][..d_in], sum));
        }
    }
}

impl CustomOp3 for LinearColumns {
    fn name(&self) -> &'static str {
        "linear-columns"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        w: &CpuStorage,
        w_l: &Layout,
        onto: &CpuStorage,
        onto_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((rows, d_in), size) = (x_l.shape().dims2()?, w_l.shape().dims2()?);
        for_real!(x.dtype(), "linear_columns", T => {
            let (x, w, onto) = (values::<T>(x, x_l)?, values::<T>(w, w_l)?, values::<T>(onto, onto_l)?);
            let mut y = if onto_l.dims().len() == 1 { repeated(onto, rows) } else { onto.to_vec() };
            self.with_weight(w, size, d_in, |w| {
                let (y, x) = (MatMut::new(&mut y, rows, size.0), Mat::new(x, rows, d_in));
                if self.keep {
                    product(y, x, w.t(), Write::Add);
                } else {
                    product_alike(y, x, w.t(), Write::Add);
                }
            });
            Ok((T::into_storage(y), (rows, size.0).into()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        onto: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        for_real!(x.dtype(), "linear_columns", T => {
            let ((rows, d_in), size) = (x.dims2()?, w.dims2()?);
            let (xs, ws, dys) = (Values::<T>::of(x)?, Values::<T>::of(w)?, Values::<T>::of(dy)?);
            let dx = accumulate_part(x, |dx| ws.with(|w| dys.with(|dy| self.with_weight(w, size, d_in, |w| {
                let dx = MatMut::new(dx, rows, d_in);
                product(dx, Mat::new(dy, rows, size.0), w, Write::Add);
            })))?)?;
            let dw = accumulate_part(w, |dw| xs.with(|x| dys.with(|dy| {
                self.weight_gradient(dw, size.1, Mat::new(dy, rows, size.0), Mat::new(x, rows, d_in));
            }))?)?;
            let d_onto = if onto.rank() == 1 {
                accumulate_part(onto, |db| dys.with(|dy| add_column_sums(dy, db)))?
            } else {
                Some(dy.clone())
            };
            Ok((dx, dw, d_onto))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn a_weight_without_rows_is_an_error() -> Result<()> {
        let ones = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu);
        let run = |d_out: usize, terms: &[Columns]| -> Result<Tensor> {
            linear_columns(&ones(&[3, 2])?, &ones(&[d_out, 4])?, terms, &ones(&[d_out])?)
        };
        let (one, two) = ([Columns::Plus(1)], [Columns::Plus(1), Columns::Minus(0)]);
        for terms in [&one[..], &two] {
            assert_eq!(run(5, terms)?.dims(), [3, 5]);
            assert!(run(0, terms).is_err());
        }
        Ok(())
    }
}
