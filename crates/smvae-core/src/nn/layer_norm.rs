//! Layer normalisation: `y = (x - mean) / sqrt(var + eps) * weight + bias` over the last dimension
//! of `[rows, d]`.
//!
//! candle's fused form has no backward and reports no error; its composed form takes ten times as
//! long.

pub(super) mod kernels;

use super::dispatch::{has_kernels, is_fused};
use super::gradients::accumulate_part;
use super::lanes::{add, dot, sum};
use super::real::{Real, Values, for_real, values, vectorised};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, D, DType, Layout, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder};
use rayon::prelude::*;

/// A layer norm, parameters `weight` and `bias`.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// A layer with this weight and bias, both `[d]`; if they are not, it is an error where the
    /// layer is used.
    pub fn new(weight: Tensor, bias: Tensor, eps: f64) -> Self {
        Self { weight, bias, eps }
    }

    /// A layer from a builder; a fresh one starts as the plain normalisation.
    ///
    /// # Errors
    /// Those of the builder: a missing tensor, a wrong shape.
    pub fn load(dim: usize, eps: f64, vb: VarBuilder<'_>) -> Result<Self> {
        let weight = vb.get_with_hints(dim, "weight", Init::Const(1.0))?;
        Ok(Self { weight, bias: vb.get_with_hints(dim, "bias", Init::Const(0.0))?, eps })
    }

    /// The same without a bias: zeros that are no parameter.
    ///
    /// # Errors
    /// As [`LayerNorm::load`].
    pub fn load_without_bias(dim: usize, eps: f64, vb: VarBuilder<'_>) -> Result<Self> {
        let weight = vb.get_with_hints(dim, "weight", Init::Const(1.0))?;
        Ok(Self { weight, bias: Tensor::zeros(dim, vb.dtype(), vb.device())?, eps })
    }

    /// The weight, `[d]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[d]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// What is added to the variance of a row.
    pub fn eps(&self) -> f64 {
        self.eps
    }

    /// `x: [rows, d]` to the same shape.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}

/// A layer norm for rows in slices.
#[derive(Clone, Debug)]
pub(super) struct RowNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f64,
}

impl RowNorm {
    /// A copy of the layer's parameters, which are f32.
    ///
    /// # Errors
    /// For a weight and a bias of different lengths, and for other number types.
    pub(super) fn new(layer: &LayerNorm) -> Result<Self> {
        let (weight, bias): (Vec<f32>, Vec<f32>) = (layer.weight.to_vec1()?, layer.bias.to_vec1()?);
        if weight.len() != bias.len() {
            candle_core::bail!("LayerNorm: a weight of {} numbers and a bias of {}", weight.len(), bias.len());
        }
        Ok(Self { weight, bias, eps: layer.eps })
    }

    /// Numbers of a row.
    pub(super) fn width(&self) -> usize {
        self.weight.len()
    }

    /// Normalises each row in its place, with the bits of [`layer_norm`].
    pub(super) fn apply(&self, rows: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                for row in rows.chunks_exact_mut(self.weight.len().max(1)) {
                    let (mean, scale) = moments(row, self.eps);
                    for ((x, w), b) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                        *x = (*x - mean) * scale * *w + *b;
                    }
                }
            },
        );
    }
}

/// Normalises each row of `x: [rows, d]`, with `weight` and `bias` `[d]`.
///
/// # Errors
/// If the shapes do not fit or the number type is neither f32 nor f64.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let (_, d) = x.dims2()?;
    if weight.dims() != [d] || bias.dims() != [d] {
        candle_core::bail!(
            "layer_norm: weight {:?} and bias {:?} must be [{d}], the width of x",
            weight.dims(),
            bias.dims()
        );
    }
    if is_fused(x) {
        x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, LayerNormOp { eps })
    } else if has_kernels(x) {
        kernels::layer_norm(&x.contiguous()?, &weight.contiguous()?, &bias.contiguous()?, eps)
    } else {
        composed(x, weight, bias, eps)
    }
}

pub(super) fn composed(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    if matches!(x.dtype(), DType::F16 | DType::BF16) {
        // Sums of squares lose too much in half precision.
        let wide = |x: &Tensor| x.to_dtype(DType::F32);
        return composed(&wide(x)?, &wide(weight)?, &wide(bias)?, eps)?.to_dtype(x.dtype());
    }
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let var = centred.sqr()?.mean_keepdim(D::Minus1)?;
    centred.broadcast_div(&(var + eps)?.sqrt()?)?.broadcast_mul(weight)?.broadcast_add(bias)
}

struct LayerNormOp {
    eps: f64,
}

impl CustomOp3 for LayerNormOp {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        w: &CpuStorage,
        w_l: &Layout,
        b: &CpuStorage,
        b_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        for_real!(x.dtype(), "layer_norm", T => {
            let (x, w, b) = (values::<T>(x, x_l)?, values::<T>(w, w_l)?, values::<T>(b, b_l)?);
            let mut y = vec![T::ZERO; x.len()];
            y.par_chunks_mut(w.len()).zip(x.par_chunks(w.len())).with_min_len(ROWS).for_each(|(y, x)| {
                vectorised(
                    #[inline(always)]
                    || {
                        let (mean, scale) = moments(x, self.eps);
                        for (((y, x), w), b) in y.iter_mut().zip(x).zip(w).zip(b) {
                            *y = (*x - mean) * scale * *w + *b;
                        }
                    },
                );
            });
            Ok((T::into_storage(y), x_l.shape().clone()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        for_real!(x.dtype(), "layer_norm", T => {
            let (xs, ws, dys) = (Values::<T>::of(x)?, Values::<T>::of(w)?, Values::<T>::of(dy)?);
            let (dx, dw, db) =
                xs.with(|x| ws.with(|w| dys.with(|dy| backward(x, w, dy, self.eps))))???;
            let added = |of: &Tensor, values: &[T]| accumulate_part(of, |sums: &mut [T]| {
                add(sums, values);
                Ok(())
            });
            Ok((Some(Tensor::from_vec(dx, x.shape(), x.device())?), added(w, &dw)?, added(b, &db)?))
        })
    }
}

/// Rows a task of the thread pool works on; fixed, so that sums over rows do not depend on the
/// number of threads.
const ROWS: usize = 64;

/// Mean of a row and one over its standard deviation.
#[inline(always)]
fn moments<T: Real>(x: &[T], eps: f64) -> (T, T) {
    let n = T::of(x.len() as f64);
    let mean = sum(x, |v| v) / n;
    let var = sum(x, |v| (v - mean) * (v - mean)) / n;
    (mean, T::ONE / (var + T::of(eps)).sqrt())
}

/// With `g = dy w` and `n = (x - mean) scale`: `dx = scale (g - mean(g) - n mean(g n))`.
fn backward<T: Real>(x: &[T], w: &[T], dy: &[T], eps: f64) -> (Vec<T>, Vec<T>, Vec<T>) {
    let d = w.len();
    let mut dx = vec![T::ZERO; x.len()];
    let partial: Vec<(Vec<T>, Vec<T>)> = dx
        .par_chunks_mut(d * ROWS)
        .zip(x.par_chunks(d * ROWS).zip(dy.par_chunks(d * ROWS)))
        .map(|(dx, (x, dy))| {
            let (mut dw, mut db, mut g) = (vec![T::ZERO; d], vec![T::ZERO; d], vec![T::ZERO; d]);
            for ((dx, x), dy) in dx.chunks_mut(d).zip(x.chunks(d)).zip(dy.chunks(d)) {
                vectorised(
                    #[inline(always)]
                    || backward_row([x, w, dy], eps, [dx, &mut dw, &mut db, &mut g]),
                );
            }
            (dw, db)
        })
        .collect();
    let (mut dw, mut db) = (vec![T::ZERO; d], vec![T::ZERO; d]);
    for (w, b) in partial {
        add(&mut dw, &w);
        add(&mut db, &b);
    }
    (dx, dw, db)
}

/// One row; `g` is scratch.
#[inline(always)]
fn backward_row<T: Real>([x, w, dy]: [&[T]; 3], eps: f64, [dx, dw, db, g]: [&mut [T]; 4]) {
    let (mean, scale) = moments(x, eps);
    // dx holds the normalised row until it is overwritten below.
    for ((((((dx, g), dw), db), x), w), dy) in dx.iter_mut().zip(&mut *g).zip(dw).zip(db).zip(x).zip(w).zip(dy) {
        *dx = (*x - mean) * scale;
        *g = *dy * *w;
        *dw += *dy * *dx;
        *db += *dy;
    }
    let n = T::of(x.len() as f64);
    let mean_g = sum(g, |v| v) / n;
    let mean_gn = dot(g, dx) / n;
    for (dx, g) in dx.iter_mut().zip(&*g) {
        *dx = scale * (*g - mean_g - *dx * mean_gn);
    }
}
