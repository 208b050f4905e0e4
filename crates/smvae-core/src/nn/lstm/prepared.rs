//! A bidirectional LSTM whose weights are kept in the arrangement of a form: products of the
//! inputs, some steps at once, and those of the hidden states, step by step. Gates, cells and
//! hidden states are f32.

use super::super::matrix::{Packed, Rows, Write, multiply};
use super::super::precision::Form;
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
pub(super) struct PreparedLstm {
    directions: [Direction; 2],
}

#[derive(Clone, Debug)]
struct Direction {
    /// From inputs to gates, with the bias.
    input: Arc<Packed>,
    /// From hidden states to gates.
    hidden: Arc<Packed>,
}

impl PreparedLstm {
    /// From `weight_ih: [4h, in]`, `weight_hh: [4h, h]` and `bias: [4h]`.
    ///
    /// # Errors
    /// For weights without numbers, of another type than f32, and of no arrangement in this form.
    pub(super) fn new(ih: [&Tensor; 2], hh: [&Tensor; 2], bias: [&Tensor; 2], form: Form) -> Result<Self> {
        let pack = |weight: &Tensor, bias: &[f32]| -> Result<Arc<Packed>> {
            let (n, k) = weight.dims2()?;
            if n == 0 || k == 0 {
                bail!("BiLstm: weights [{n}, {k}] have nothing that could be arranged");
            }
            match Values::<f32>::of(weight)?.with(|w| Packed::new(w, n, k, bias, form))? {
                Some(packed) => Ok(Arc::new(packed)),
                None => {
                    bail!("BiLstm: weights [{n}, {k}] have no arrangement for {form} on this CPU: take another form")
                }
            }
        };
        let direction = |i: usize| -> Result<Direction> {
            let bias = bias[i].to_vec1::<f32>()?;
            Ok(Direction { input: pack(ih[i], &bias)?, hidden: pack(hh[i], &vec![0.0; bias.len()])? })
        };
        Ok(Self { directions: [direction(0)?, direction(1)?] })
    }

    /// Runs over each range of the rows of `x: [rows, in]`; returns `[rows, 2 h]`.
    pub(super) fn forward(&self, x: &Tensor, ranges: &[Range<usize>]) -> Result<Tensor> {
        let ((rows, width), (k, h4)) = (x.dims2()?, self.directions[0].input.dims());
        if width != k {
            bail!("BiLstm: x {:?} and weights [{h4}, {k}] do not fit", x.dims());
        }
        let (steps, h) = (Steps::new(ranges), h4 / 4);
        let mut inputs = Rows::default();
        Values::<f32>::of(x)?.with(|x| inputs.take(x, &self.directions[0].input))?;
        let run = |direction: usize| {
            let of = &self.directions[direction];
            let products = PackedProducts { of, inputs: &inputs, some: Rows::default(), before: Rows::default() };
            hiddens(&steps, direction, h, AT_ONCE, products)
        };
        let (a, b) = rayon::join(|| run(0), || run(1));
        Tensor::from_vec(in_rows(&steps, [&a, &b], rows, h), (rows, 2 * h), x.device())
    }
}

struct PackedProducts<'a> {
    of: &'a Direction,
    inputs: &'a Rows,
    some: Rows,
    before: Rows,
}

impl Products<f32> for PackedProducts<'_> {
    fn project(&mut self, rows: &[usize], gates: &mut Vec<f32>) {
        self.some.gather(self.inputs, rows, &self.of.input);
        gates.resize(rows.len() * self.of.input.dims().1, 0.0);
        multiply(&self.some, &self.of.input, gates, Write::Overwrite);
    }

    fn recur(&mut self, before: &[f32], gates: &mut [f32]) {
        self.before.take(before, &self.of.hidden);
        multiply(&self.before, &self.of.hidden, gates, Write::Add);
    }
}
