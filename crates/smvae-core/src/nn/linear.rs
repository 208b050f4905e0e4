//! Linear layer: `y = x W' + b` with `x: [rows, in]`, `W: [out, in]`, `b: [out]`.
//!
//! One operation with its own backward: the bias is the product's initial value, and the gradient of the bias is one
//! pass over the rows (candle's `sum_keepdim(0)` reads them by columns).

use super::dispatch::is_fused;
use super::matrix::{Mat, MatMut, Threads, Write, add_column_sums, matmul};
use super::real::{Real, Values, for_real, values};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder};

/// A linear layer with bias, parameters `weight` and `bias`.
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

    /// A layer from a builder; a fresh one is initialised with Glorot's uniform weights and zero bias.
    ///
    /// # Errors
    /// Those of the builder: a missing tensor, a wrong shape.
    pub fn load(in_dim: usize, out_dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let bound = (6.0 / (in_dim + out_dim) as f64).sqrt();
        let weight = vb.get_with_hints((out_dim, in_dim), "weight", Init::Uniform { lo: -bound, up: bound })?;
        Ok(Self { weight, bias: vb.get_with_hints(out_dim, "bias", Init::Const(0.0))? })
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
}

/// `x W' + b` for `x: [rows, in]`, `weight: [out, in]`, `bias: [out]`; returns `[rows, out]`.
///
/// # Errors
/// If the shapes do not fit or the number type is neither f32 nor f64.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
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
        x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, LinearOp)
    } else {
        // cuBLAS takes no rows that lie apart, as those of a part of a weight do.
        x.contiguous()?.matmul(&weight.contiguous()?.t()?)?.broadcast_add(bias)
    }
}

struct LinearOp;

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
            let mut y = Vec::with_capacity(rows * d_out);
            (0..rows).for_each(|_| y.extend_from_slice(b));
            let (x, w) = (Mat::new(x, rows, d_in), Mat::new(w, d_out, d_in));
            matmul(MatMut::new(&mut y, rows, d_out), x, w.t(), T::ONE, Write::Add, Threads::All);
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
        for_real!(x.dtype(), "linear", T => backward::<T>(x, w, b, dy))
    }
}

type Grads = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

fn backward<T: Real>(x: &Tensor, w: &Tensor, b: &Tensor, dy: &Tensor) -> Result<Grads> {
    let ((rows, d_in), (d_out, _)) = (x.dims2()?, w.dims2()?);
    let dy = Values::<T>::of(dy)?;
    // A frozen weight, or an input behind a stop-gradient, costs no product.
    let dx = x.track_op().then(|| {
        let mut dx = vec![T::ZERO; rows * d_in];
        Values::<T>::of(w)?.with(|w| {
            dy.with(|dy| {
                let (dy, w) = (Mat::new(dy, rows, d_out), Mat::new(w, d_out, d_in));
                matmul(MatMut::new(&mut dx, rows, d_in), dy, w, T::ONE, Write::Overwrite, Threads::All);
            })
        })??;
        Tensor::from_vec(dx, x.shape(), x.device())
    });
    let dw = w.track_op().then(|| {
        let mut dw = vec![T::ZERO; d_out * d_in];
        Values::<T>::of(x)?.with(|x| {
            dy.with(|dy| {
                let (dy, x) = (Mat::new(dy, rows, d_out), Mat::new(x, rows, d_in));
                matmul(MatMut::new(&mut dw, d_out, d_in), dy.t(), x, T::ONE, Write::Overwrite, Threads::All);
            })
        })??;
        Tensor::from_vec(dw, w.shape(), w.device())
    });
    let db = b.track_op().then(|| {
        let mut db = vec![T::ZERO; d_out];
        dy.with(|dy| add_column_sums(dy, &mut db))?;
        Tensor::from_vec(db, d_out, b.device())
    });
    Ok((dx.transpose()?, dw.transpose()?, db.transpose()?))
}
