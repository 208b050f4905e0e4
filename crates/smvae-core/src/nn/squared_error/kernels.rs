//! Mean squared error by kernels: a block a row.

use super::super::gradients::accumulate_tensor;
use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node2};
use candle_core::{Result, Tensor};

const FORWARD: Kernel = Kernel::new("losses", "squared_error_forward");
const BACKWARD: Kernel = Kernel::new("losses", "squared_error_backward");

/// `a`, `b`: `[rows, d]`, contiguous.
pub(super) fn squared_error(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (rows, d) = a.dims2()?;
    let mut y = Output::new(rows, a.device())?;
    let args = &mut [Arg::Out(&mut y), Arg::In(a), Arg::In(b), rows.into(), d.into()];
    launch(FORWARD, Grid::rows(rows, d), args, a.device())?;
    node2(y, [a, b], SquaredError)
}

struct SquaredError;

impl Backward<2> for SquaredError {
    const NAME: &'static str = "squared-error";

    fn backward(&self, inputs: [&Tensor; 2], dy: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let [a, b] = inputs;
        let (rows, d) = a.dims2()?;
        let output = |x: &Tensor| x.track_op().then(|| Output::like(x)).transpose();
        let mut grads = [output(a)?, output(b)?];
        // The kernel takes the null pointer for a gradient that nobody asks for.
        let [da, db] = grads.each_mut().map(|grad| grad.as_mut().map_or(Arg::U64(0), Arg::Out));
        let args = &mut [da, db, Arg::In(a), Arg::In(b), Arg::In(dy), rows.into(), d.into()];
        launch(BACKWARD, Grid::rows(rows, d), args, dy.device())?;
        let [da, db] = grads;
        let accumulate = |of, grad: Option<Output>| match grad {
            Some(grad) => accumulate_tensor(of, grad.into_tensor()),
            None => Ok(None),
        };
        Ok([accumulate(a, da)?, accumulate(b, db)?])
    }
}
