//! Activations by kernels: a launch forward and one backward.

use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1};
use super::kind::Activation;
use candle_core::{Result, Tensor};

const FORWARD: Kernel = Kernel::new("activation", "activation_forward");
const BACKWARD: Kernel = Kernel::new("activation", "activation_backward");

/// Which activation, as `activation.cuh` numbers them, and the slope of a leaky ReLU.
pub(in crate::nn) fn arguments<'a>(activation: Option<Activation>) -> [Arg<'a>; 2] {
    let (which, leak) = match activation {
        None => (0, 0.0),
        Some(Activation::GeluErf) => (1, 0.0),
        Some(Activation::GeluTanh) => (2, 0.0),
        Some(Activation::LeakyRelu(slope)) => (3, slope),
    };
    [Arg::U32(which), Arg::F32(leak as f32)]
}

/// `x` is contiguous.
pub(super) fn activation(x: &Tensor, activation: Activation) -> Result<Tensor> {
    let (mut y, n) = (Output::like(x)?, x.elem_count());
    let [which, leak] = arguments(Some(activation));
    launch(FORWARD, Grid::numbers(n), &mut [Arg::Out(&mut y), Arg::In(x), n.into(), which, leak], x.device())?;
    node1(y, [x], ActivationBackward(activation))
}

struct ActivationBackward(Activation);

impl Backward<1> for ActivationBackward {
    const NAME: &'static str = "activation";

    fn backward(&self, [x]: [&Tensor; 1], dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let (mut dx, n) = (Output::like(x)?, x.elem_count());
        let [which, leak] = arguments(Some(self.0));
        let args = &mut [Arg::Out(&mut dx), Arg::In(x), Arg::In(dy), n.into(), which, leak];
        launch(BACKWARD, Grid::numbers(n), args, x.device())?;
        Ok([Some(dx.into_tensor())])
    }
}
