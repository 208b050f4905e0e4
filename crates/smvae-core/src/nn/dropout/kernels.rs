//! Dropout by kernels, which compute the mask where they need it.

use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1, node2};
use super::mask::Mask;
use candle_core::{Result, Tensor};

const DROPOUT: Kernel = Kernel::new("dropout", "dropout");
const DROPOUT_ADD: Kernel = Kernel::new("dropout", "dropout_add");

/// `x` is contiguous.
pub(super) fn dropout(x: &Tensor, mask: Mask) -> Result<Tensor> {
    node1(apply(x, mask)?, [x], DropoutBackward(Some(mask)))
}

/// `dropout(x) + y`; `x` and `y` contiguous, of one shape.
pub(super) fn dropout_add(x: &Tensor, y: &Tensor, mask: Mask) -> Result<Tensor> {
    let (mut sum, n) = (Output::like(x)?, x.elem_count());
    let [seed, threshold, scale] = mask.arguments();
    let args = &mut [Arg::Out(&mut sum), Arg::In(x), Arg::In(y), n.into(), seed, threshold, scale];
    launch(DROPOUT_ADD, Grid::numbers(n), args, x.device())?;
    node2(sum, [x, y], DropoutBackward(Some(mask)))
}

fn apply(x: &Tensor, mask: Mask) -> Result<Output> {
    let (mut y, n) = (Output::like(x)?, x.elem_count());
    let [seed, threshold, scale] = mask.arguments();
    launch(
        DROPOUT,
        Grid::numbers(n),
        &mut [Arg::Out(&mut y), Arg::In(x), n.into(), seed, threshold, scale],
        x.device(),
    )?;
    Ok(y)
}

/// Of `dropout(x)` and of `dropout(x) + y`; without a mask nothing is dropped.
pub(in crate::nn) struct DropoutBackward(pub(in crate::nn) Option<Mask>);

impl DropoutBackward {
    fn dx(&self, dy: &Tensor) -> Result<Tensor> {
        self.0.map_or_else(|| Ok(dy.clone()), |mask| Ok(apply(dy, mask)?.into_tensor()))
    }
}

impl Backward<1> for DropoutBackward {
    const NAME: &'static str = "dropout";

    fn backward(&self, _: [&Tensor; 1], dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(self.dx(dy)?)])
    }
}

impl Backward<2> for DropoutBackward {
    const NAME: &'static str = "dropout-add";

    fn backward(&self, _: [&Tensor; 2], dy: &Tensor) -> Result<[Option<Tensor>; 2]> {
        Ok([Some(self.dx(dy)?), Some(dy.clone())])
    }
}
