//! Bidirectional LSTM over packed texts that respects lengths, with a hand-written backward.
//!
//! `i, f, o = sigmoid(.)`, `g = tanh(.)` of `W_ih x_t + W_hh h_{t-1} + b` (rows in the order i, f,
//! g, o); `c_t = f c_{t-1} + i g`, `h_t = o tanh(c_t)`. The backward direction starts at a text's
//! last row. `x: [rows, in]` to `[rows, 2 h]`, forward direction first; rows outside of every range
//! stay 0.
//!
//! Inside, rows are in step order: texts by falling length, and for each step the rows of all texts
//! that still run. A step is then one product on consecutive rows, its active texts are a prefix of
//! the step before, and the two directions run on two threads. Kernels run both directions of a
//! step at once, and forward those of a second LSTM with them ([`BiLstm::forward_both`]). cuDNN's
//! RNN, which the feature `cudnn` could reach, is not used: nothing here could be compared with it.

mod cell;
mod composed;
#[cfg(test)]
mod device_tests;
mod inference;
mod kernels;
mod prepared;
mod recurrence;
mod steps;

use super::dispatch::{has_kernels, is_fused};
use super::linear::linear;
use super::precision::Form;
use super::stack_rows::stack_rows;
use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};
use kernels::Inputs;
use prepared::PreparedLstm;
use recurrence::Recurrence;
use std::ops::Range;

pub(super) use composed::composed;

/// Parameters of both directions: `weight_ih [4h, in]`, `weight_hh [4h, h]`, `bias [4h]`, and the
/// same with the suffix `_reverse`.
#[derive(Clone, Debug)]
pub struct BiLstm {
    kept: Kept,
}

/// How the parameters are kept.
#[derive(Clone, Debug)]
enum Kept {
    Plain(Weights),
    /// What a layer that only predicts makes of them once, which they are views of.
    Arranged(Weights, Arranged),
    /// The same in the arrangement of a form, without the others.
    Prepared(PreparedLstm),
}

#[derive(Clone, Debug)]
struct Weights {
    ih: [Tensor; 2],
    hh: [Tensor; 2],
    bias: [Tensor; 2],
}

/// Parameters as the forward pass on the CPU takes them.
#[derive(Clone, Debug)]
struct Arranged {
    /// `[8h, in]` and `[8h]`, forward direction first.
    weight_ih: Tensor,
    bias: Tensor,
    /// Transposed, `[h, 4h]`.
    weight_hh: [Tensor; 2],
}

impl BiLstm {
    /// A layer from a builder; a fresh one is uniform in `1 / sqrt(h)`, with zero bias.
    ///
    /// # Errors
    /// Those of the builder: a missing tensor, a wrong shape.
    pub fn load(in_dim: usize, hidden_dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let bound = 1.0 / (hidden_dim as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let both = |name: &str, cols: usize| -> Result<[Tensor; 2]> {
            let get = |suffix: &str| vb.get_with_hints((4 * hidden_dim, cols), &format!("{name}{suffix}"), init);
            Ok([get("")?, get("_reverse")?])
        };
        let bias = |suffix: &str| vb.get_with_hints(4 * hidden_dim, &format!("bias{suffix}"), Init::Const(0.0));
        let (ih, hh) = (both("weight_ih", in_dim)?, both("weight_hh", hidden_dim)?);
        Ok(Self { kept: Kept::Plain(Weights { ih, hh, bias: [bias("")?, bias("_reverse")?] }) })
    }

    /// Arranges the parameters for predictions on the CPU in this form, once instead of in each
    /// forward pass; later changes of the parameters are not seen. In f32 no bit of an answer
    /// depends on it. In int8 and bf16 the cells stay in the number type of what comes, f32. Once
    /// the products have the arrangement of a form they keep it: another form is ignored.
    ///
    /// # Errors
    /// If a tensor cannot be copied; for int8 and bf16, for parameters that are not f32 on the CPU,
    /// that have no numbers, or whose rows are too long for int8.
    pub fn prepare(&mut self, form: Form) -> Result<()> {
        if self.fits(form) { self.pack(form) } else { self.arrange() }
    }

    /// Whether all products have an arrangement in this form.
    fn fits(&self, form: Form) -> bool {
        match &self.kept {
            Kept::Plain(Weights { ih, hh, .. }) => form.rearranges(&ih[0]) && form.rearranges(&hh[0]),
            _ => form != Form::F32,
        }
    }

    fn arrange(&mut self) -> Result<()> {
        if let Kept::Plain(Weights { ih, hh, bias }) = &self.kept
            && is_fused(&bias[0])
        {
            let weight_hh = [hh[0].t()?.contiguous()?, hh[1].t()?.contiguous()?];
            let (weight_ih, bias) = (Tensor::cat(ih, 0)?, bias.clone());
            // Views of the copies, so that the memory is not taken twice.
            let h4 = bias[0].dim(0)?;
            let ih = [weight_ih.narrow(0, 0, h4)?, weight_ih.narrow(0, h4, h4)?];
            let hh = [weight_hh[0].t()?, weight_hh[1].t()?];
            let arranged = Arranged { weight_ih, bias: Tensor::cat(&bias, 0)?, weight_hh };
            self.kept = Kept::Arranged(Weights { ih, hh, bias }, arranged);
        }
        Ok(())
    }

    fn pack(&mut self, form: Form) -> Result<()> {
        if let Kept::Plain(Weights { ih, hh, bias }) | Kept::Arranged(Weights { ih, hh, bias }, _) = &self.kept {
            let layer = PreparedLstm::new(ih.each_ref(), hh.each_ref(), bias.each_ref(), form)?;
            self.kept = Kept::Prepared(layer);
        }
        Ok(())
    }

    /// Runs over each range of the rows of `x: [rows, in]`, none of which overlap; returns
    /// `[rows, 2 h]`.
    ///
    /// # Errors
    /// If the shapes do not fit, a range is out of bounds, or the number type is neither f32 nor
    /// f64.
    pub fn forward(&self, x: &Tensor, ranges: &[Range<usize>]) -> Result<Tensor> {
        match &self.kept {
            Kept::Prepared(layer) => {
                check(ranges, x.dim(0)?)?;
                layer.forward(x, ranges)
            }
            Kept::Arranged(_, arranged) if is_fused(x) => {
                let projected = linear(x, &arranged.weight_ih, &arranged.bias)?;
                let [forward, reverse] = &arranged.weight_hh;
                run(&projected, [forward, reverse], ranges, true)
            }
            Kept::Plain(weights) | Kept::Arranged(weights, _) => {
                recurrence(&weights.project(x)?, weights.hh.each_ref(), ranges)
            }
        }
    }

    /// What [`BiLstm::forward`] returns of two layers over the same ranges, each with an `x` of its
    /// own. On a GPU, the steps of layers of one width are launched together, forward.
    ///
    /// # Errors
    /// As [`BiLstm::forward`].
    pub fn forward_both([a, b]: [&Self; 2], [x, y]: [&Tensor; 2], ranges: &[Range<usize>]) -> Result<[Tensor; 2]> {
        if let (Kept::Plain(a), Kept::Plain(b)) = (&a.kept, &b.kept)
            && has_kernels(x)
        {
            let [of_x, of_y] = [a.project(x)?, b.project(y)?];
            return recurrences([&of_x, &of_y], [a.hh.each_ref(), b.hh.each_ref()], ranges);
        }
        Ok([a.forward(x, ranges)?, b.forward(y, ranges)?])
    }
}

impl Weights {
    /// The part of the gates that comes from the inputs, `[rows, 8 h]`, forward direction first.
    fn project(&self, x: &Tensor) -> Result<Tensor> {
        let ([forward, reverse], [bias, bias_reverse]) = (&self.ih, &self.bias);
        linear(x, &stack_rows(forward, reverse)?, &stack_rows(bias, bias_reverse)?)
    }
}

/// Whether all ranges are within as many rows.
fn check(ranges: &[Range<usize>], rows: usize) -> Result<()> {
    match ranges.iter().find(|r| r.start > r.end || r.end > rows) {
        Some(bad) => candle_core::bail!("BiLstm: the range {bad:?} is outside of the {rows} rows of x"),
        None => Ok(()),
    }
}

/// The recurrent part: from projected inputs `[rows, 8 h]`, forward direction first, to
/// `[rows, 2 h]`.
pub(super) fn recurrence(projected: &Tensor, weight_hh: [&Tensor; 2], ranges: &[Range<usize>]) -> Result<Tensor> {
    run(projected, weight_hh, ranges, false)
}

/// The same of two LSTMs, in the same launches where kernels run and the shapes are the same.
pub(super) fn recurrences(
    projected: [&Tensor; 2],
    weight_hh: [[&Tensor; 2]; 2],
    ranges: &[Range<usize>],
) -> Result<[Tensor; 2]> {
    let ([a, b], [of_a, of_b]) = (projected, weight_hh);
    if !has_kernels(a) || !has_kernels(b) || a.dims() != b.dims() || ranges.iter().all(Range::is_empty) {
        return Ok([recurrence(a, of_a, ranges)?, recurrence(b, of_b, ranges)?]);
    }
    check(ranges, a.dim(0)?)?;
    kernels::recurrences(&[Inputs::new(a, of_a)?, Inputs::new(b, of_b)?], ranges)
}

fn run(projected: &Tensor, weight_hh: [&Tensor; 2], ranges: &[Range<usize>], is_transposed: bool) -> Result<Tensor> {
    let (rows, h) = (projected.dim(0)?, projected.dim(1)? / 8);
    check(ranges, rows)?;
    if is_fused(projected) {
        let keep = [projected, weight_hh[0], weight_hh[1]].iter().any(|t| t.track_op());
        let op = Recurrence::new(ranges, h, is_transposed, keep);
        projected.contiguous()?.apply_op3(&weight_hh[0].contiguous()?, &weight_hh[1].contiguous()?, op)
    } else if has_kernels(projected) && !ranges.iter().all(Range::is_empty) {
        let [out] = kernels::recurrences(&[Inputs::new(projected, weight_hh)?], ranges)?;
        Ok(out)
    } else {
        composed(projected, weight_hh, ranges, h)
    }
}
