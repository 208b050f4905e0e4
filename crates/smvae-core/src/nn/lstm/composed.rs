//! The recurrence of candle's operations, for devices other than the CPU.

use super::steps::Steps;
use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;
use std::ops::Range;

/// From projected inputs `[rows, 8 h]` to `[rows, 2 h]`: one step of all texts, in both directions,
/// at a time.
pub(in crate::nn) fn composed(
    projected: &Tensor,
    weight_hh: [&Tensor; 2],
    ranges: &[Range<usize>],
    h: usize,
) -> Result<Tensor> {
    let (steps, device) = (Steps::new(ranges), projected.device());
    let index = |rows: &[usize]| Tensor::from_iter(rows.iter().map(|row| *row as u32), device);
    let of_direction = |(direction, rows): (usize, &Vec<usize>)| {
        projected.narrow(1, direction * 4 * h, 4 * h)?.contiguous()?.index_select(&index(rows)?, 0)
    };
    let inputs = steps.rows.iter().enumerate().map(of_direction).collect::<Result<Vec<_>>>()?;
    // [2, positions, 4h] and [2, h, 4h].
    let (inputs, weight) = (Tensor::stack(&inputs, 0)?, Tensor::stack(&[weight_hh[0].t()?, weight_hh[1].t()?], 0)?);
    let mut state: Option<[Tensor; 2]> = None;
    let mut hiddens = Vec::with_capacity(steps.n_steps() + 1);
    for at in (0..steps.n_steps()).map(|step| steps.step(step)) {
        let inputs = inputs.narrow(1, at.start, at.len())?;
        let new = composed_cell(&inputs, state.as_ref(), &weight, h)?;
        hiddens.push(new[0].clone());
        state = Some(new);
    }
    // A last position that is 0, for the rows outside of every range.
    hiddens.push(Tensor::zeros((2, 1, h), projected.dtype(), device)?);
    let hiddens = Tensor::cat(&hiddens, 1)?;
    let back = |direction: usize| {
        let mut positions = vec![steps.n_positions(); projected.dim(0)?];
        steps.rows[direction].iter().enumerate().for_each(|(position, row)| positions[*row] = position);
        hiddens.get(direction)?.index_select(&index(&positions)?, 0)
    };
    Tensor::cat(&[back(0)?, back(1)?], 1)
}

/// Hidden state and cell `[2, texts, h]` after a step, from its inputs `[2, texts, 4h]` and the
/// step before, which may have had more texts.
fn composed_cell(inputs: &Tensor, before: Option<&[Tensor; 2]>, weight: &Tensor, h: usize) -> Result<[Tensor; 2]> {
    let n = inputs.dim(1)?;
    let gates = match before {
        Some([hidden, _]) => (inputs + hidden.narrow(1, 0, n)?.contiguous()?.matmul(weight)?)?,
        None => inputs.clone(),
    };
    let gate = |k: usize| gates.narrow(2, k * h, h);
    let mut cell = (sigmoid(&gate(0)?)? * gate(2)?.tanh()?)?;
    if let Some([_, before]) = before {
        cell = (cell + (sigmoid(&gate(1)?)? * before.narrow(1, 0, n)?)?)?;
    }
    Ok([(sigmoid(&gate(3)?)? * cell.tanh()?)?, cell])
}
