//! Activations as one pass forward and one backward: GELU in both forms, leaky ReLU.
//!
//! `gelu_erf(x) = x Phi(x)`, `gelu_tanh(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`,
//! `leaky_relu(x) = max(x, 0) + slope min(x, 0)`.

pub(super) mod kernels;

use super::dispatch::{has_kernels, is_fused};
use super::real::{Real, Values, for_real, values, vectorised};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use kernels::Function;
use rayon::prelude::*;

/// GELU with the error function, BERT's own form. Any shape.
///
/// # Errors
/// If the number type is neither f32 nor f64.
pub fn gelu_erf(x: &Tensor) -> Result<Tensor> {
    apply(x, Activation::GeluErf)
}

/// GELU in its tanh form, as keras-bert and GPT-2 compute it. Any shape.
///
/// # Errors
/// If the number type is neither f32 nor f64.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    apply(x, Activation::GeluTanh)
}

/// Leaky ReLU with this slope for negative numbers. Any shape.
///
/// # Errors
/// If the number type is neither f32 nor f64.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    apply(x, Activation::LeakyRelu(slope))
}

/// An activation, alone or at the end of a linear layer
/// ([`Linear::forward_activated`](super::Linear)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// [`gelu_erf`].
    GeluErf,
    /// [`gelu_tanh`].
    GeluTanh,
    /// [`leaky_relu`] with this slope.
    LeakyRelu(f64),
}

fn apply(x: &Tensor, activation: Activation) -> Result<Tensor> {
    if is_fused(x) {
        x.contiguous()?.apply_op1(activation)
    } else if has_kernels(x) {
        kernels::activation(&x.contiguous()?, activation.function())
    } else {
        activation.composed(x)
    }
}

impl Activation {
    /// The same for kernels.
    pub(super) fn function(self) -> Function {
        match self {
            Self::GeluErf => Function::GELU_ERF,
            Self::GeluTanh => Function::GELU_TANH,
            Self::LeakyRelu(slope) => Function::leaky_relu(slope),
        }
    }

    /// The same of candle's operations.
    pub(super) fn composed(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::GeluErf => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
            Self::LeakyRelu(slope) => candle_nn::ops::leaky_relu(x, slope),
        }
    }

    /// Replaces each number by its activation.
    pub(super) fn apply<T: Real>(self, x: &mut [T]) {
        x.par_chunks_mut(CHUNK).for_each(|x| self.apply_here(x));
    }

    /// The same on this thread.
    pub(super) fn apply_here<T: Real>(self, x: &mut [T]) {
        match self {
            Self::GeluErf => map(x, gelu_erf_value),
            Self::GeluTanh => map(x, gelu_tanh_value),
            Self::LeakyRelu(slope) => {
                let slope = T::of(slope);
                map(
                    x,
                    #[inline(always)]
                    |x| if x > T::ZERO { x } else { slope * x },
                );
            }
        }
    }

    /// The gradient of the input from the input `x` and the gradient `dy` of the output.
    pub(super) fn backward<T: Real>(self, x: &[T], dy: &[T]) -> Vec<T> {
        match self {
            Self::GeluErf => map2(
                x,
                dy,
                #[inline(always)]
                |x, dy| dy * gelu_erf_slope(x),
            ),
            Self::GeluTanh => map2(
                x,
                dy,
                #[inline(always)]
                |x, dy| dy * gelu_tanh_slope(x),
            ),
            Self::LeakyRelu(slope) => {
                let slope = T::of(slope);
                map2(
                    x,
                    dy,
                    #[inline(always)]
                    |x, dy| if x > T::ZERO { dy } else { slope * dy },
                )
            }
        }
    }
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_l: &Layout) -> Result<(CpuStorage, Shape)> {
        for_real!(x.dtype(), "activation", T => {
            let mut y = values::<T>(x, x_l)?.to_vec();
            self.apply(&mut y);
            Ok((T::into_storage(y), x_l.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        for_real!(x.dtype(), "activation", T => {
            let (xs, dys) = (Values::<T>::of(x)?, Values::<T>::of(dy)?);
            let dx = xs.with(|x| dys.with(|dy| self.backward(x, dy)))??;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

#[inline(always)]
fn gelu_erf_value<T: Real>(x: T) -> T {
    T::of(0.5) * x * (T::ONE + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

#[inline(always)]
fn gelu_erf_slope<T: Real>(x: T) -> T {
    let cdf = T::of(0.5) * (T::ONE + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf());
    cdf + x * T::of(0.398_942_280_401_432_7) * (T::of(-0.5) * x * x).exp()
}

#[inline(always)]
fn gelu_tanh_value<T: Real>(x: T) -> T {
    // x/2 (1 + tanh u) = x sigmoid(2u)
    x * (T::of(GELU_SLOPE) * (x + T::of(0.044715) * x * x * x)).sigmoid()
}

#[inline(always)]
fn gelu_tanh_slope<T: Real>(x: T) -> T {
    let s = (T::of(GELU_SLOPE) * (x + T::of(0.044715) * x * x * x)).sigmoid();
    s + x * s * (T::ONE - s) * T::of(GELU_SLOPE) * (T::ONE + T::of(3.0 * 0.044715) * x * x)
}

/// `2 sqrt(2 / pi)`.
const GELU_SLOPE: f64 = 1.595_769_121_605_731;

/// Numbers a task of the thread pool works on.
const CHUNK: usize = 16 * 1024;

fn map<T: Real>(x: &mut [T], f: impl Fn(T) -> T) {
    vectorised(
        #[inline(always)]
        || x.iter_mut().for_each(|x| *x = f(*x)),
    );
}

fn map2<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    let mut y = vec![T::ZERO; a.len()];
    y.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK))).for_each(|(y, (a, b))| {
        vectorised(
            #[inline(always)]
            || {
                // Not by `for_each`: the fold of a `Zip` was left a function of its own, which is
                // compiled for any CPU, number by number.
                for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
                    *y = f(*a, *b);
                }
            },
        );
    });
    y
}
