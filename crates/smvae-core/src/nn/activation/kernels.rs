//! Activations by kernels: a launch forward and one backward.

use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1};
use candle_core::{Result, Tensor};

const FORWARD: Kernel = Kernel::new("activation", "activation_forward");
const BACKWARD: Kernel = Kernel::new("activation", "activation_backward");

/// An activation, or nothing, as the kernels know it.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Function {
    /// As `activation.cuh` numbers them.
    number: u32,
    /// The slope of a leaky ReLU below zero.
    leak: f32,
}

impl Function {
    pub(in crate::nn) const IDENTITY: Self = Self { number: 0, leak: 0.0 };
    pub(super) const GELU_ERF: Self = Self { number: 1, leak: 0.0 };
    pub(super) const GELU_TANH: Self = Self { number: 2, leak: 0.0 };

    pub(super) fn leaky_relu(slope: f64) -> Self {
        Self { number: 3, leak: slope as f32 }
    }

    /// What the kernels take last.
    pub(in crate::nn) fn arguments<'a>(self) -> [Arg<'a>; 2] {
        [Arg::U32(self.number), Arg::F32(self.leak)]
    }
}

/// `x` is contiguous.
pub(super) fn activation(x: &Tensor, function: Function) -> Result<Tensor> {
    let (mut y, n) = (Output::like(x)?, x.elem_count());
    let [number, leak] = function.arguments();
    launch(FORWARD, Grid::numbers(n), &mut [Arg::Out(&mut y), Arg::In(x), n.into(), number, leak], x.device())?;
    node1(y, [x], ActivationBackward(function))
}

struct ActivationBackward(Function);

impl Backward<1> for ActivationBackward {
    const NAME: &'static str = "activation";

    fn backward(&self, [x]: [&Tensor; 1], dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let (mut dx, n) = (Output::like(x)?, x.elem_count());
        let [number, leak] = self.0.arguments();
        let args = &mut [Arg::Out(&mut dx), Arg::In(x), Arg::In(dy), n.into(), number, leak];
        launch(BACKWARD, Grid::numbers(n), args, x.device())?;
        Ok([Some(dx.into_tensor())])
    }
}
