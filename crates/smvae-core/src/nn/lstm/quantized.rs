//! A bidirectional LSTM whose products are in int8: those of the inputs, some steps at once, and
//! those of the hidden states, step by step, each row with a scale of its own. Gates, cells and
//! hidden states are f32.

use super::super::matrix::{Packed, Rows, Write, multiply};
use super::super::precision::Unit;
use super::super::real::Values;
use super::inference::{Products, hiddens, in_rows};
use super::steps::Steps;
use candle_core::{Result, Tensor, bail};
use std::ops::Range;
use std::sync::Arc;

/// Rows whose inputs are projected at once: enough that a weight is read once for many, few enough
/// that their gates stay in the cache.
const AT_ONCE: usize = 96;

/// Both directions, forward first.
#[derive(Clone, Debug)]
pub(super) struct QuantizedLstm {
    directions: [Direction; 2],
    unit: Unit,
}

#[derive(Clone, Debug)]
struct Direction {
    /// From inputs to gates, with the bias.
    input: Arc<Packed>,
    /// From hidden states to gates.
    hidden: Arc<Packed>,
}

impl QuantizedLstm {
    /// From `weight_ih: [4h, in]`, `weight_hh: [4h, h]` and `bias: [4h]`.
    pub(super) fn new(ih: [&Tensor; 2], hh: [&Tensor; 2], bias: [&Tensor; 2], unit: Unit) -> Result<Self> {
        let pack = |weight: &Tensor, bias: &[f32]| -> Result<Arc<Packed>> {
            let (n, k) = weight.dims2()?;
            Ok(Arc::new(Values::<f32>::of(weight)?.with(|w| Packed::new(w, n, k, bias))?))
        };
        let direction = |i: usize| -> Result<Direction> {
            let bias = bias[i].to_vec1::<f32>()?;
            Ok(Direction { input: pack(ih[i], &bias)?, hidden: pack(hh[i], &vec![0.0; bias.len()])? })
        };
        Ok(Self { directions: [direction(0)?, direction(1)?], unit })
    }

    /// Runs over each range of the rows of `x: [rows, in]`; returns `[rows, 2 h]`.
    pub(super) fn forward(&self, x: &Tensor, ranges: &[Range<usize>]) -> Result<Tensor> {
        let ((rows, width), (k, h4)) = (x.dims2()?, self.directions[0].input.dims());
        if width != k {
            bail!("BiLstm: x {:?} and weights [{h4}, {k}] do not fit", x.dims());
        }
        let (steps, h) = (Steps::new(ranges), h4 / 4);
        let mut inputs = Rows::default();
        Values::<f32>::of(x)?.with(|x| inputs.quantise(x, k))?;
        let run = |direction: usize| {
            let (of, unit) = (&self.directions[direction], self.unit);
            let products = Int8Products { of, unit, inputs: &inputs, some: Rows::default(), before: Rows::default() };
            hiddens(&steps, direction, h, AT_ONCE, products)
        };
        let (a, b) = rayon::join(|| run(0), || run(1));
        Tensor::from_vec(in_rows(&steps, [&a, &b], rows, h), (rows, 2 * h), x.device())
    }
}

struct Int8Products<'a> {
    of: &'a Direction,
    unit: Unit,
    inputs: &'a Rows,
    some: Rows,
    before: Rows,
}

impl Products<f32> for Int8Products<'_> {
    fn project(&mut self, rows: &[usize], gates: &mut Vec<f32>) {
        self.some.gather(self.inputs, rows);
        gates.resize(rows.len() * self.of.input.dims().1, 0.0);
        multiply(self.unit, &self.some, &self.of.input, gates, Write::Overwrite);
    }

    fn recur(&mut self, before: &[f32], gates: &mut [f32]) {
        self.before.quantise(before, self.of.hidden.dims().0);
        multiply(self.unit, &self.before, &self.of.hidden, gates, Write::Add);
    }
}
