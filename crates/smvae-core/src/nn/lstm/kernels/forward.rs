//! The forward pass of the recurrence, of one LSTM or of two.

use super::super::super::kernels::{Arg, Kernel, Output, launch};
use super::plan::{Inputs, NONE, Plan, Recurrence, Trace};
use candle_core::Result;

const FORWARD: Kernel = Kernel::new("lstm", "lstm_forward");

/// The outputs and, for a backward pass, the trace.
pub(super) fn run<const N: usize>(
    recurrence: &Recurrence,
    lstms: &[Inputs; N],
    keep: bool,
) -> Result<(Vec<Output>, Option<Trace>)> {
    let plan = &recurrence.plan;
    let Plan { steps, texts, rows, h, .. } = plan;
    let (directions, device) = (2 * N, recurrence.weights.device());
    let new = |n: usize, width: usize| Output::new((directions, n, width), device).map(Output::into_tensor);
    let gates = keep.then(|| new(steps.n_positions(), 4 * h)).transpose()?;
    // Without a backward pass, those of the step before alone.
    let after_first = if steps.n_steps() > 1 { steps.step(1).len() } else { 0 };
    let states = if keep { plan.later_positions() } else { after_first };
    // Candle lets nobody write to an empty tensor.
    let (hiddens, cells) = (new(states.max(1), *h)?, new(states.max(1), *h)?);
    let mut outs = lstms.iter().map(|_| Output::new((*rows, 2 * h), device)).collect::<Result<Vec<_>>>()?;
    let weights_t = recurrence.weights.transpose(1, 2)?;
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
        args.extend(plan.args(step));
        args.push(directions.into());
        launch(FORWARD, plan.grid(step, directions), &mut args, device)?;
    }
    outs.iter_mut().try_for_each(|out| plan.clear(out, 2 * h))?;
    Ok((outs, gates.map(|gates| Trace { gates, hiddens, cells })))
}
