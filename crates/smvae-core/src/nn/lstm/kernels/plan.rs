//! What the forward and the backward pass share: which step is where, and what one leaves for the
//! other.

use super::super::super::kernels::{Arg, Grid, Kernel, Output, launch};
use super::super::steps::Steps;
use candle_core::{DType, Device, Result, Tensor, bail};
use std::ops::Range;

const CLEAR_ROWS: Kernel = Kernel::new("lstm", "lstm_clear_rows");

/// The address of nothing.
pub(super) const NONE: Arg<'static> = Arg::U64(0);

/// What the recurrence of one bidirectional LSTM takes, contiguous.
#[derive(Clone, Debug)]
pub(in crate::nn) struct Inputs {
    /// Projected inputs, `[rows, 8h]`.
    pub(super) projected: Tensor,
    /// Recurrent weights of both directions, `[4h, h]`.
    pub(super) weight_hh: [Tensor; 2],
}

impl Inputs {
    pub(in crate::nn) fn new(projected: &Tensor, weight_hh: [&Tensor; 2]) -> Result<Self> {
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

    pub(super) fn track(&self) -> bool {
        self.projected.track_op() || self.weight_hh.iter().any(|weight| weight.track_op())
    }
}

/// In which order what is computed.
pub(super) struct Plan {
    pub(super) steps: Steps,
    /// Number of texts, which all have a row.
    pub(super) texts: usize,
    pub(super) rows: usize,
    pub(super) h: usize,
    /// What a step has to know of its rows: `table` of cuda/lstm.cu.
    table: Tensor,
    /// Rows outside of every range.
    outside: Tensor,
}

/// The recurrence, but for its inputs.
pub(super) struct Recurrence {
    pub(super) plan: Plan,
    /// Two directions for each LSTM, `[directions, 4h, h]`.
    pub(super) weights: Tensor,
}

/// What the forward pass leaves for the backward pass.
pub(super) struct Trace {
    /// After their nonlinearities, `[directions, positions, 4h]`.
    pub(super) gates: Tensor,
    /// Hidden states and cells before each position but those of the first step,
    /// `[directions, positions - texts, h]`.
    pub(super) hiddens: Tensor,
    pub(super) cells: Tensor,
}

impl Plan {
    pub(super) fn new(ranges: &[Range<usize>], rows: usize, h: usize, device: &Device) -> Result<Self> {
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
    pub(super) fn later_positions(&self) -> usize {
        self.steps.n_positions() - self.texts
    }

    /// A thread for each unit of the texts of a step.
    pub(super) fn grid(&self, step: usize, directions: usize) -> Grid {
        Grid::numbers(directions * self.steps.step(step).len() * self.h)
    }

    /// What kernels have to know of a step.
    pub(super) fn args(&self, step: usize) -> [Arg<'_>; 5] {
        let [texts, step, steps, h] = [self.texts, step, self.steps.n_steps(), self.h].map(Arg::from);
        [Arg::Of(&self.table, DType::U32), texts, step, steps, h]
    }

    /// Zeros in the rows outside of every range.
    pub(super) fn clear(&self, x: &mut Output, width: usize) -> Result<()> {
        let n = self.outside.elem_count();
        let args = &mut [Arg::Out(x), Arg::Of(&self.outside, DType::U32), n.into(), width.into()];
        launch(CLEAR_ROWS, Grid::numbers(n * width), args, self.table.device())
    }
}
