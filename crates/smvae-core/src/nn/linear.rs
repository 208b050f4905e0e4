//! Linear layer: `y = f(x W' + b)` with `x: [rows, in]`, `W: [out, in]`, `b: [out]` and,
//! optionally, an activation `f`.
//!
//! One operation with its own backward: the bias is the product's initial value, the activation is
//! applied to what the product has just written, and the gradient of the bias is one pass over the
//! rows (candle's `sum_keepdim(0)` reads them by columns). Where no backward pass will come, no bit
//! of a row depends on how many rows there are.

pub(super) mod kernels;

use super::activation::Activation;
use super::dispatch::{has_kernels, is_fused};
use super::gradients::{accumulate, accumulate_part};
use super::matrix::{Mat, MatMut, Write, add_column_sums, product, product_alike, repeated};
use super::real::{Real, Values, for_real, values};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder};
use std::any::Any;
use std::sync::OnceLock;

/// A linear layer, parameters `weight` and `bias`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// A layer with this weight `[out, in]` and bias `[out]`.
    pub fn new(weight: Tensor, bias: Tensor) -> Self {
        Self { weight, bias }
    }

    /// A layer from a builder; a fresh one is initialised with Glorot's uniform weights and zero
    /// bias.
    ///
    /// # Errors
    /// Those of the builder: a missing tensor, a wrong shape.
    pub fn load(in_dim: usize, out_dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let weight = Self::load_weight(in_dim, out_dim, &vb)?;
        Ok(Self { weight, bias: vb.get_with_hints(out_dim, "bias", Init::Const(0.0))? })
    }

    /// The same without a bias: zeros that are no parameter.
    ///
    /// # Errors
    /// As [`Linear::load`].
    pub fn load_without_bias(in_dim: usize, out_dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let bias = Tensor::zeros(out_dim, vb.dtype(), vb.device())?;
        Ok(Self { weight: Self::load_weight(in_dim, out_dim, &vb)?, bias })
    }

    fn load_weight(in_dim: usize, out_dim: usize, vb: &VarBuilder<'_>) -> Result<Tensor> {
        let bound = (6.0 / (in_dim + out_dim) as f64).sqrt();
        vb.get_with_hints((out_dim, in_dim), "weight", Init::Uniform { lo: -bound, up: bound })
    }

    /// The weight, `[out, in]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[out]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// `x: [rows, in]` to `[rows, out]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, &self.bias)
    }

    /// `x: [rows, in]` to `[rows, out]`, with an activation.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward_activated(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        run(x, &self.weight, &self.bias, Some(activation))
    }
}

/// `x W' + b` for `x: [rows, in]`, `weight: [out, in]`, `bias: [out]`; returns `[rows, out]`.
///
/// # Errors
/// If the shapes do not fit or the number type is neither f32 nor f64.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    run(x, weight, bias, None)
}

fn run(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Option<Activation>) -> Result<Tensor> {
    let ((_, d_in), (d_out, w_in), d_bias) = (x.dims2()?, weight.dims2()?, bias.dims1()?);
    if d_in != w_in || d_out != d_bias {
        candle_core::bail!(
            "linear: x {:?}, weight {:?} and bias {:?} do not fit",
            x.dims(),
            weight.dims(),
            bias.dims()
        );
    }
    if is_fused(x) {
        let keep = [x, weight, bias].iter().any(|t| t.track_op());
        let op = LinearOp { activation, keep, before: OnceLock::new() };
        return x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op);
    }
    if has_kernels(x) && has_kernels(weight) {
        return kernels::linear(
            &x.contiguous()?,
            &weight.contiguous()?,
            &bias.contiguous()?,
            activation.map(Activation::function),
        );
    }
    // cuBLAS takes no rows that lie apart, as those of a part of a weight do.
    let y = x.contiguous()?.matmul(&weight.contiguous()?.t()?)?.broadcast_add(bias)?;
    if let Some(activation) = activation { activation.composed(&y) } else { Ok(y) }
}

struct LinearOp {
    activation: Option<Activation>,
    /// Whether there will be a backward pass.
    keep: bool,
    /// What the activation was applied to, for the backward pass; `Vec<T>`.
    before: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl CustomOp3 for LinearOp {
    fn name(&self) -> &'static str {
        "linear"
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
        let ((rows, d_in), (d_out, _)) = (x_l.shape().dims2()?, w_l.shape().dims2()?);
        for_real!(x.dtype(), "linear", T => {
            let (x, w, b) = (values::<T>(x, x_l)?, values::<T>(w, w_l)?, values::<T>(b, b_l)?);
            let mut y = repeated(b, rows);
            let (x, w) = (Mat::new(x, rows, d_in), Mat::new(w, d_out, d_in));
            let to = MatMut::new(&mut y, rows, d_out);
            if self.keep {
                product(to, x, w.t(), Write::Add);
            } else {
                product_alike(to, x, w.t(), Write::Add);
            }
            if let Some(activation) = self.activation {
                if self.keep {
                    // Set once: candle calls the forward of an operation once.
                    let _ = self.before.set(Box::new(y.clone()));
                }
                activation.apply(&mut y);
            }
            Ok((T::into_storage(y), (rows, d_out).into()))
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
        for_real!(x.dtype(), "linear", T => {
            let Some(activation) = self.activation else { return backward::<T>(x, w, b, dy) };
            let Some(before) = self.before.get().and_then(|before| before.downcast_ref::<Vec<T>>()) else {
                candle_core::bail!("linear: the backward pass needs the forward pass of the same operation");
            };
            let dy = Values::<T>::of(dy)?.with(|dy| activation.backward(before, dy))?;
            backward::<T>(x, w, b, &Tensor::from_vec(dy, (x.dim(0)?, w.dim(0)?), x.device())?)
        })
    }
}

type Grads = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

fn backward<T: Real>(x: &Tensor, w: &Tensor, b: &Tensor, dy: &Tensor) -> Result<Grads> {
    let ((rows, d_in), (d_out, _)) = (x.dims2()?, w.dims2()?);
    let dy = Values::<T>::of(dy)?;
    // A frozen weight, or an input behind a stop-gradient, costs no product.
    let dx = accumulate(x, |dx: &mut [T], write| {
        Values::<T>::of(w)?.with(|w| {
            dy.with(|dy| {
                let (dy, w) = (Mat::new(dy, rows, d_out), Mat::new(w, d_out, d_in));
                product(MatMut::new(dx, rows, d_in), dy, w, write);
            })
        })?
    })?;
    let dw = accumulate(w, |dw: &mut [T], write| {
        Values::<T>::of(x)?.with(|x| {
            dy.with(|dy| {
                let (dy, x) = (Mat::new(dy, rows, d_out), Mat::new(x, rows, d_in));
                product(MatMut::new(dw, d_out, d_in), dy.t(), x, write);
            })
        })?
    })?;
    let db = accumulate_part(b, |db: &mut [T]| dy.with(|dy| add_column_sums(dy, db)))?;
    Ok((dx, dw, db))
}
