//! A bidirectional LSTM whose products are in int8: those of the inputs, all at once, and those of
//! the hidden states, step by step, each row with a scale of its own. Gates, cells and hidden states
//! are f32.

use super::super::linear::Linear;
use super::super::matrix::{Packed, Rows, Write, multiply};
use super::super::precision::Unit;
use super::super::quantized::QuantizedLinear;
use super::super::real::Values;
use super::inference::{hiddens, in_rows};
use super::steps::Steps;
use candle_core::{Result, Tensor};
use std::ops::Range;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(super) struct QuantizedLstm {
    /// Both directions, forward first.
    input: QuantizedLinear,
    hidden: [Arc<Packed>; 2],
    unit: Unit,
}

impl QuantizedLstm {
    /// From the layer of the inputs, `[8h, in]`, and the recurrent weights, `[4h, h]`.
    pub(super) fn new(input: &Linear, weight_hh: [&Tensor; 2], unit: Unit) -> Result<Self> {
        let pack = |weight: &Tensor| -> Result<Arc<Packed>> {
            let (n, k) = weight.dims2()?;
            Ok(Arc::new(Values::<f32>::of(weight)?.with(|w| Packed::new(w, n, k, &vec![0.0; n]))?))
        };
        let [forward, reverse] = weight_hh.map(pack);
        Ok(Self { input: QuantizedLinear::new(input, unit)?, hidden: [forward?, reverse?], unit })
    }

    /// Runs over each range of the rows of `x: [rows, in]`; returns `[rows, 2 h]`.
    pub(super) fn forward(&self, x: &Tensor, ranges: &[Range<usize>]) -> Result<Tensor> {
        let projected = self.input.forward(x)?;
        let (rows, h) = (projected.dim(0)?, projected.dim(1)? / 8);
        let steps = Steps::new(ranges);
        let out = Values::<f32>::of(&projected)?.with(|projected| {
            let run = |direction: usize| {
                let mut before = Rows::default();
                hiddens(&steps, projected, h, direction, |states, gates| {
                    before.quantise(states, h);
                    multiply(self.unit, &before, &self.hidden[direction], gates, Write::Add);
                })
            };
            let (a, b) = rayon::join(|| run(0), || run(1));
            in_rows(&steps, [&a, &b], rows, h)
        })?;
        Tensor::from_vec(out, (rows, 2 * h), x.device())
    }
}
