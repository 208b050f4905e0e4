//! The end of a residual block by kernels: a product and a launch; three nodes of candle's graph,
//! whose backward passes are those of the three operations.

use super::super::dropout::{Mask, kernels::DropoutBackward};
use super::super::kernels::{Arg, Grid, Kernel, Output, launch, node2, node3, product};
use super::super::layer_norm::kernels::LayerNormBackward;
use super::super::linear::kernels::LinearBackward;
use super::super::{LayerNorm, Linear};
use candle_core::{Result, Tensor};

const FORWARD: Kernel = Kernel::new("layer_norm", "residual_norm_forward");

/// `x: [rows, in]` and `residual: [rows, out]`, contiguous; everything fits.
pub(super) fn residual_end(
    linear: &Linear,
    x: &Tensor,
    residual: &Tensor,
    norm: &LayerNorm,
    mask: Option<Mask>,
) -> Result<Tensor> {
    let (rows, d) = residual.dims2()?;
    let (weight, bias) = (linear.weight().contiguous()?, linear.bias().contiguous()?);
    let (norm_weight, norm_bias) = (norm.weight().contiguous()?, norm.bias().contiguous()?);
    // The bias is added where the product is read: for the backward pass, which reads no result of
    // a linear layer, the product stands for it.
    let product = node3(product(x, &weight.t()?)?, [x, &weight, &bias], LinearBackward(None))?;
    let (mut y, mut sum) = (Output::like(residual)?, Output::like(residual)?);
    let [seed, threshold, scale] = mask.map_or([Arg::U64(0), Arg::U32(0), Arg::F32(1.0)], |mask| mask.arguments());
    let args = &mut [
        Arg::Out(&mut y),
        Arg::Out(&mut sum),
        Arg::In(&product),
        Arg::In(&bias),
        Arg::In(residual),
        Arg::In(&norm_weight),
        Arg::In(&norm_bias),
        rows.into(),
        d.into(),
        Arg::F32(norm.eps() as f32),
        seed,
        threshold,
        scale,
    ];
    launch(FORWARD, Grid::rows(rows, d), args, x.device())?;
    let sum = node2(sum, [&product, residual], DropoutBackward(mask))?;
    node3(y, [&sum, &norm_weight, &norm_bias], LayerNormBackward { eps: norm.eps() })
}
