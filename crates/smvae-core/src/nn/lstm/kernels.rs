//! The recurrence by kernels, of one LSTM or of two that run over the same ranges: per step one
//! product of all directions, and one kernel for the rest of the step.
//!
//! What a step leaves for the step after, its hidden states and cells, is stored in the order in
//! which that step reads it, so that nothing is gathered: neither for the product of the step nor
//! for the one product that is the gradient of the recurrent weights.
//!
//! Two LSTMs share the launches of the forward pass alone. A loss may depend on one of them only,
//! as that of unlabelled posts does, and an operation of candle's graph that both shared would send
//! zeros back through the other and everything before it.

mod backward;
mod forward;
mod plan;

use super::super::kernels::Output;
use super::super::stack_rows::stacked;
use candle_core::{Result, Tensor};
use plan::{Plan, Recurrence};
use std::ops::Range;

pub(super) use plan::Inputs;

/// The outputs `[rows, 2h]` of one LSTM or of two of the same shapes, over ranges that are not all
/// empty.
pub(super) fn recurrences<const N: usize>(lstms: &[Inputs; N], ranges: &[Range<usize>]) -> Result<[Tensor; N]> {
    const { assert!(N == 1 || N == 2) };
    let (rows, width) = lstms[0].projected.dims2()?;
    let weights: Vec<&Tensor> = lstms.iter().flat_map(|lstm| &lstm.weight_hh).collect();
    let plan = Plan::new(ranges, rows, width / 8, lstms[0].projected.device())?;
    let recurrence = Recurrence { plan, weights: stacked(&weights)? };
    let (outs, trace) = forward::run(&recurrence, lstms, lstms.iter().any(Inputs::track))?;
    let outs = match trace {
        Some(trace) => backward::nodes(outs, lstms, recurrence, trace)?,
        None => outs.into_iter().map(Output::into_tensor).collect(),
    };
    Ok(outs.try_into().expect("one for each LSTM"))
}
