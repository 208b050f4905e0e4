//! Layer norms by kernels: a block a row.

use super::super::gradients::accumulate_tensor;
use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node3};
use super::super::sums::column_sums_of_parts;
use candle_core::{Result, Tensor};

const FORWARD: Kernel = Kernel::new("layer_norm", "layer_norm_forward");
const BACKWARD: Kernel = Kernel::new("layer_norm", "layer_norm_backward");

/// Blocks of the backward pass: each leaves what its rows add to the gradients of the parameters.
/// Fixed, so that the order of the sums depends on nothing but the number of rows.
const PARTS: usize = 128;

/// `x: [rows, d]`, `w` and `b` `[d]`, all contiguous.
pub(super) fn layer_norm(x: &Tensor, w: &Tensor, b: &Tensor, eps: f64) -> Result<Tensor> {
    let (rows, d) = x.dims2()?;
    let mut y = Output::like(x)?;
    let args = &mut [Arg::Out(&mut y), Arg::In(x), Arg::In(w), Arg::In(b), rows.into(), d.into(), Arg::F32(eps as f32)];
    launch(FORWARD, Grid::rows(rows, d), args, x.device())?;
    node3(y, [x, w, b], LayerNormBackward { eps })
}

pub(in crate::nn) struct LayerNormBackward {
    pub(in crate::nn) eps: f64,
}

impl Backward<3> for LayerNormBackward {
    const NAME: &'static str = "layer-norm";

    fn backward(&self, [x, w, b]: [&Tensor; 3], dy: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let (rows, d) = x.dims2()?;
        let parts = rows.min(PARTS);
        let (mut dx, mut partial) = (Output::like(x)?, Output::new((parts, 2, d), x.device())?);
        let args = &mut [
            Arg::Out(&mut dx),
            Arg::Out(&mut partial),
            Arg::In(x),
            Arg::In(w),
            Arg::In(dy),
            rows.into(),
            d.into(),
            Arg::F32(self.eps as f32),
        ];
        launch(BACKWARD, Grid::rows(parts, d), args, x.device())?;
        let sums = column_sums_of_parts(&partial.into_tensor().reshape((parts, 2 * d))?)?;
        Ok([
            Some(dx.into_tensor()),
            accumulate_tensor(w, sums.narrow(0, 0, d)?)?,
            accumulate_tensor(b, sums.narrow(0, d, d)?)?,
        ])
    }
}
