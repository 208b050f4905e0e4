//! Adam by kernels on a CUDA device, in three launches and one upload, however many parameters
//! there are: sums of squares of chunks of the gradients, their norm, the step. What it computes,
//! and what it does with a step that may not be taken, is what `elsewhere.rs` says; nothing waits
//! for the device.

use super::elsewhere::Parameter;
use crate::Result;
use crate::nn::dispatch::has_kernels;
use crate::nn::kernels::{Arg, Grid, Kernel, Output, THREADS, Table, launch};
use candle_core::{DType, Device, Tensor};

const SQUARE_SUMS: Kernel = Kernel::new("adam", "adam_square_sums");
const NORM: Kernel = Kernel::new("adam", "adam_norm");
const STEP: Kernel = Kernel::new("adam", "adam_step");

/// Whether there are kernels for these parameters.
pub(super) fn fit(parameters: &[Parameter<'_>]) -> bool {
    let fits = |p: &Parameter<'_>| has_kernels(p.var) && has_kernels(p.gradient) && p.gradient.dims() == p.var.dims();
    parameters.iter().all(fits)
}

/// [`elsewhere::update`](super::elsewhere::update) for parameters that [`fit`]; weights and moments
/// are written in place.
pub(super) fn update(
    parameters: Vec<Parameter<'_>>,
    clip_norm: Option<f64>,
    may: Option<&Tensor>,
) -> Result<Option<Tensor>> {
    let Some(first) = parameters.first() else { return Ok(None) };
    let (device, u) = (first.var.device(), first.update);
    // candle leaves the gradient of a weight that was used transposed in the order of its use.
    let gradients = parameters.iter().map(|p| p.gradient.contiguous());
    let gradients = gradients.collect::<candle_core::Result<Vec<_>>>()?;
    let rows = parameters.iter().zip(&gradients).map(|(p, gradient)| {
        let [m, v] = &*p.moments;
        let [rate, keep] = [p.update.rate, p.update.keep].map(|x| Arg::F32(x as f32));
        (p.var.elem_count(), [Arg::Write(p.var), Arg::Write(m), Arg::Write(v), Arg::In(gradient), rate, keep])
    });
    let table = Table::new(rows, device)?;
    let norm = norm(&table, clip_norm, may, device)?;
    let [rows, count, chunks] = table.args();
    // These are the same for all parameters.
    let [beta1, beta2, root, eps] = [u.beta1, u.beta2, u.root, u.eps].map(|x| Arg::F32(x as f32));
    launch(
        STEP,
        table.grid(),
        &mut [rows, count, chunks, Arg::Of(&norm, DType::F64), beta1, beta2, root, eps],
        device,
    )?;
    Ok(Some(norm.get(0)?))
}

/// The norm of the gradients, and what they are multiplied by, or -1 for a step that may not be
/// taken: `[2]`, f64.
fn norm(table: &Table, clip_norm: Option<f64>, may: Option<&Tensor>, device: &Device) -> Result<Tensor> {
    let mut partial = Output::new(table.chunks(), device)?;
    let [rows, count, chunks] = table.args();
    launch(SQUARE_SUMS, table.grid(), &mut [Arg::Out(&mut partial), rows, count, chunks], device)?;
    let (partial, mut norm) = (partial.into_tensor(), Output::of(DType::F64, 2, device)?);
    let args = &mut [
        Arg::Out(&mut norm),
        Arg::In(&partial),
        table.chunks().into(),
        Arg::F64(clip_norm.unwrap_or(f64::INFINITY)),
        Arg::of_or_null(may, DType::U8),
    ];
    launch(NORM, Grid::new([1, 1, 1], THREADS), args, device)?;
    Ok(norm.into_tensor())
}
