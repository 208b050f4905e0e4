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

use super::super::kernels::{Arg, Grid, Kernel, Output, launch};
use super::super::stack_rows::stacked;
use super::steps::Steps;
use candle_core::{Device, Result, Tensor, bail};
use std::ops::Range;

const FORWARD: Kernel = Kernel::new("lstm", "lstm_forward");
const CLEAR_ROWS: Kernel = Kernel::new("lstm", "lstm_clear_rows");

/// The address of nothing.
const NONE: Arg<'static> = Arg::U64(0);

/// What the recurrence of one bidirectional LSTM takes, contiguous.
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    /// Projected inputs, `[rows, 8h]`.
    projected: Tensor,
    /// Recurrent weights of both directions, `[4h, h]`.
    weight_hh: [Tensor; 2],
}

impl Inputs {
    pub(super) fn new(projected: &Tensor, weight_hh: [&Tensor; 2]) -> Result<Self> {
        let h = projected.dim(1)? / 8;
        if let Some(weight) = weight_hh.iter().find(|weight| weight.dims() != [4 * h, h]) {
            bail!(
                "BiLstm: projected inputs {:?} and recurrent weight {:?} do not fit",
                projected.dims(),
                weight.dims()
            );
        }
        let weight_hh = [weight_hh[0].contiguous()?, weight_hh[1].contiguous()?];
        Ok(Self { projected: projected.contiguous()?, weight_hh })
    }

    fn track(&self) -> bool {
        self.projected.track_op() || self.weight_hh.iter().any(|weight| weight.track_op())
    }
}

/// The outputs `[rows, 2h]` of one LSTM or of two of the same shapes, over ranges that are not all
/// empty.
pub(super) fn recurrences<const N: usize>(lstms: &[Inputs; N], ranges: &[Range<usize>]) -> Result<[Tensor; N]> {
    const { assert!(N == 1 || N == 2) };
    let (rows, width) = lstms[0].projected.dims2()?;
    let weights: Vec<&Tensor> = lstms.iter().flat_map(|lstm| &lstm.weight_hh).collect();
    let plan = Plan::new(ranges, rows, width / 8, lstms[0].projected.device())?;
    let recurrence = Recurrence { plan, weights: stacked(&weights)? };
    let (outs, trace) = recurrence.forward(lstms, lstms.iter().any(Inputs::track))?;
    let outs = match trace {
        Some(trace) => backward::nodes(outs, lstms, recurrence, trace)?,
        None => outs.into_iter().map(Output::into_tensor).collect(),
    };
    Ok(outs.try_into().expect("one for each LSTM"))
}

/// In which order what is computed.
struct Plan {
    steps: Steps,
    /// Number of texts, which all have a row.
    texts: usize,
    rows: usize,
    h: usize,
    /// What a step has to know of its rows: `table` of cuda/lstm.cu.
    table: Tensor,
    /// Rows outside of every range.
    outside: Tensor,
}

/// The recurrence, but for its inputs.
struct Recurrence {
    plan: Plan,
    /// Two directions for each LSTM, `[directions, 4h, h]`.
    weights: Tensor,
}

/// What the forward pass leaves for the backward pass.
struct Trace {
    /// After their nonlinearities, `[directions, positions, 4h]`.
    gates: Tensor,
    /// Hidden states and cells before each position but those of the first step,
    /// `[directions, positions - texts, h]`.
    hiddens: Tensor,
    cells: Tensor,
}

impl Plan {
    fn new(ranges: &[Range<usize>], rows: usize, h: usize, device: &Device) -> Result<Self> {
        let steps = Steps::new(ranges);
        let (texts, positions) = (steps.step(0).len(), steps.n_positions());
        let outside = steps.positions(rows).into_iter().enumerate().filter(|(_, at)| at[0].is_none());
        let outside: Vec<usize> = outside.map(|(row, _)| row).collect();
        // All in one upload. The end is there twice, so that the last step has one after it, too.
        let [first, last] = &steps.rows;
        let parts = [&first[..texts], &last[..texts], &steps.starts, &[positions], &outside];
        let numbers: Vec<u32> = parts.into_iter().flatten().map(|number| *number as u32).collect();
        let n = numbers.len();
        let table = Tensor::from_vec(numbers, n, device)?;
        let outside = table.narrow(0, n - outside.len(), outside.len())?;
        Ok(Self { steps, texts, rows, h, table, outside })
    }

    /// Positions whose states before them are kept.
    fn later_positions(&self) -> usize {
        self.steps.n_positions() - self.texts
    }

    /// A thread for each unit of the texts of a step.
    fn grid(&self, step: usize, directions: usize) -> Grid {
        Grid::numbers(directions * self.steps.step(step).len() * self.h)
    }

    /// What kernels have to know of a step.
    fn args(&self, step: usize) -> [Arg<'_>; 5] {
        let [texts, step, steps, h] = [self.texts, step, self.steps.n_steps(), self.h].map(Arg::from);
        [Arg::In(&self.table), texts, step, steps, h]
    }

    /// Zeros in the rows outside of every range.
    fn clear(&self, x: &mut Output, width: usize) -> Result<()> {
        let n = self.outside.elem_count();
        let args = &mut [Arg::Out(x), Arg::In(&self.outside), n.into(), width.into()];
        launch(CLEAR_ROWS, Grid::numbers(n * width), args, self.table.device())
    }
}

impl Recurrence {
    /// The outputs and, for a backward pass, the trace.
    fn forward<const N: usize>(&self, lstms: &[Inputs; N], keep: bool) -> Result<(Vec<Output>, Option<Trace>)> {
        let Plan { steps, texts, rows, h, .. } = &self.plan;
        let (directions, device) = (2 * N, self.weights.device());
        let new = |n: usize, width: usize| Output::new((directions, n, width), device).map(Output::into_tensor);
        let gates = keep.then(|| new(steps.n_positions(), 4 * h)).transpose()?;
        // Without a backward pass, those of the step before alone.
        let after_first = if steps.n_steps() > 1 { steps.step(1).len() } else { 0 };
        let states = if keep { self.plan.later_positions() } else { after_first };
        // Candle lets nobody write to an empty tensor.
        let (hiddens, cells) = (new(states.max(1), *h)?, new(states.max(1), *h)?);
        let mut outs = lstms.iter().map(|_| Output::new((*rows, 2 * h), device)).collect::<Result<Vec<_>>>()?;
        let weights_t = self.weights.transpose(1, 2)?;
        for step in 0..steps.n_steps() {
            let at = steps.step(step);
            let before = if keep { at.start.saturating_sub(*texts) } else { 0 };
            let product = (step > 0).then(|| hiddens.narrow(1, before, at.len())?.matmul(&weights_t)).transpose()?;
            let mut each = outs.iter_mut().map(Arg::Out);
            let [out_a, out_b] = std::array::from_fn(|_| each.next().unwrap_or(NONE));
            let projected = |i: usize| lstms.get(i).map_or(NONE, |lstm| Arg::In(&lstm.projected));
            let mut args = vec![
                out_a,
                out_b,
                gates.as_ref().map_or(NONE, Arg::Write),
                Arg::Write(&hiddens),
                Arg::Write(&cells),
                projected(0),
                projected(1),
                product.as_ref().map_or(NONE, Arg::In),
            ];
            args.extend(self.plan.args(step));
            args.push(directions.into());
            launch(FORWARD, self.plan.grid(step, directions), &mut args, device)?;
        }
        outs.iter_mut().try_for_each(|out| self.plan.clear(out, 2 * h))?;
        Ok((outs, gates.map(|gates| Trace { gates, hiddens, cells })))
    }
}
