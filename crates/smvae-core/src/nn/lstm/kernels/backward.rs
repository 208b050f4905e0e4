//! The backward pass of the recurrence, of one LSTM.

use super::super::super::gradients::accumulate_tensor;
use super::super::super::kernels::{Arg, Backward, Kernel, Output, launch, node3};
use super::plan::{Inputs, NONE, Recurrence, Trace};
use candle_core::{Result, Tensor};
use std::sync::Arc;

const BACKWARD: Kernel = Kernel::new("lstm", "lstm_backward");

/// The output of each LSTM as a function of its inputs.
pub(super) fn nodes(outs: Vec<Output>, lstms: &[Inputs], recurrence: Recurrence, trace: Trace) -> Result<Vec<Tensor>> {
    let shared = Arc::new((recurrence, trace));
    let node = |(i, (out, lstm)): (usize, (Output, &Inputs))| {
        let [forward, reverse] = &lstm.weight_hh;
        node3(out, [&lstm.projected, forward, reverse], LstmBackward { shared: Arc::clone(&shared), lstm: i })
    };
    outs.into_iter().zip(lstms).enumerate().map(node).collect()
}

struct LstmBackward {
    /// Those of all LSTMs that ran together.
    shared: Arc<(Recurrence, Trace)>,
    lstm: usize,
}

impl Backward<3> for LstmBackward {
    const NAME: &'static str = "bilstm";

    fn backward(&self, [projected, forward, reverse]: [&Tensor; 3], dout: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let (recurrence, trace) = &*self.shared;
        let own = |of_all: &Tensor| of_all.narrow(0, 2 * self.lstm, 2);
        let (weights, trace) = (own(&recurrence.weights)?, trace.part(own)?);
        let (dprojected, dgates) = recurrence.backward(&weights, &trace, dout)?;
        let dweights = recurrence.weight_gradients(&weights, &trace, &dgates)?;
        Ok([
            accumulate_tensor(projected, dprojected)?,
            accumulate_tensor(forward, dweights.get(0)?)?,
            accumulate_tensor(reverse, dweights.get(1)?)?,
        ])
    }
}

impl Trace {
    fn part(&self, of: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { gates: of(&self.gates)?, hiddens: of(&self.hiddens)?, cells: of(&self.cells)? })
    }
}

impl Recurrence {
    /// Gradients of the projected inputs, `[rows, 8h]`, and the same in step order,
    /// `[2, positions, 4h]`.
    fn backward(&self, weights: &Tensor, trace: &Trace, dout: &Tensor) -> Result<(Tensor, Tensor)> {
        let (plan, device) = (&self.plan, weights.device());
        let (steps, h) = (&plan.steps, plan.h);
        let mut dprojected = Output::new((plan.rows, 8 * h), device)?;
        let dgates = Output::new((2, steps.n_positions(), 4 * h), device)?.into_tensor();
        let dcells = Output::new((2, plan.texts, h), device)?.into_tensor();
        // That of the hidden states that the step has left for the one after.
        let mut dhidden: Option<Tensor> = None;
        for step in (0..steps.n_steps()).rev() {
            let mut args = vec![
                Arg::Out(&mut dprojected),
                Arg::Write(&dgates),
                Arg::Write(&dcells),
                Arg::In(dout),
                dhidden.as_ref().map_or(NONE, Arg::In),
                Arg::In(&trace.gates),
                Arg::In(&trace.cells),
            ];
            args.extend(plan.args(step));
            launch(BACKWARD, plan.grid(step, 2), &mut args, device)?;
            if step > 0 {
                let at = steps.step(step);
                dhidden = Some(dgates.narrow(1, at.start, at.len())?.matmul(weights)?);
            }
        }
        plan.clear(&mut dprojected, 8 * h)?;
        Ok((dprojected.into_tensor(), dgates))
    }

    /// `[2, 4h, h]`: one product over all positions that have a step before them.
    fn weight_gradients(&self, weights: &Tensor, trace: &Trace, dgates: &Tensor) -> Result<Tensor> {
        let n = self.plan.later_positions();
        if n == 0 {
            return weights.zeros_like();
        }
        dgates.narrow(1, self.plan.texts, n)?.transpose(1, 2)?.matmul(&trace.hiddens)
    }
}
