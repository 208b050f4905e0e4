//! Bidirectional LSTM over packed texts that respects lengths, with a hand-written backward.
//!
//! `i, f, o = sigmoid(.)`, `g = tanh(.)` of `W_ih x_t + W_hh h_{t-1} + b` (rows in the order i, f,
//! g, o); `c_t = f c_{t-1} + i g`, `h_t = o tanh(c_t)`. The backward direction starts at a text's
//! last row. `x: [rows, in]` to `[rows, 2 h]`, forward direction first; rows outside of every range
//! stay 0.
//!
//! Inside, rows are in step order: texts by falling length, and for each step the rows of all texts
//! that still run. A step is then one product on consecutive rows, its active texts are a prefix of
//! the step before, and the two directions run on two threads.

mod cell;
mod inference;
mod quantized;
mod steps;

use super::dispatch::is_fused;
use super::gradients::{accumulate, accumulate_part};
use super::linear::linear;
use super::matrix::{Mat, MatMut, Threads, Write, matmul, matmul_alike, transposed};
use super::precision::Unit;
use super::real::{Real, Values, for_real, values, vectorised};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use candle_nn::ops::sigmoid;
use candle_nn::{Init, VarBuilder};
use inference::{Products, in_rows};
use quantized::QuantizedLstm;
use rayon::prelude::*;
use std::any::Any;
use std::ops::Range;
use std::sync::OnceLock;
use steps::Steps;

/// Parameters of both directions: `weight_ih [4h, in]`, `weight_hh [4h, h]`, `bias [4h]`, and the
/// same with the suffix `_reverse`.
#[derive(Clone, Debug)]
pub struct BiLstm {
    form: Form,
}

/// How the parameters are kept.
#[derive(Clone, Debug)]
enum Form {
    Plain(Weights),
    /// What a layer that only predicts makes of them once, which they are views of.
    Prepared(Weights, Prepared),
    /// The same in int8, without the others.
    Quantized(QuantizedLstm),
}

#[derive(Clone, Debug)]
struct Weights {
    ih: [Tensor; 2],
    hh: [Tensor; 2],
    bias: [Tensor; 2],
}

/// Parameters as the forward pass on the CPU takes them.
#[derive(Clone, Debug)]
struct Prepared {
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
        Ok(Self { form: Form::Plain(Weights { ih, hh, bias: [bias("")?, bias("_reverse")?] }) })
    }

    /// Arranges the parameters for predictions on the CPU, once instead of in each forward pass;
    /// later changes of the parameters are not seen.
    ///
    /// # Errors
    /// Those of the copies.
    pub fn prepare(&mut self) -> Result<()> {
        if let Form::Plain(Weights { ih, hh, bias }) = &self.form
            && is_fused(&bias[0])
        {
            let weight_hh = [hh[0].t()?.contiguous()?, hh[1].t()?.contiguous()?];
            let (weight_ih, bias) = (Tensor::cat(ih, 0)?, bias.clone());
            // Views of the copies, so that the memory is not taken twice.
            let h4 = bias[0].dim(0)?;
            let ih = [weight_ih.narrow(0, 0, h4)?, weight_ih.narrow(0, h4, h4)?];
            let hh = [weight_hh[0].t()?, weight_hh[1].t()?];
            let prepared = Prepared { weight_ih, bias: Tensor::cat(&bias, 0)?, weight_hh };
            self.form = Form::Prepared(Weights { ih, hh, bias }, prepared);
        }
        Ok(())
    }

    /// Keeps the parameters in int8 alone, for predictions on the CPU, where this unit multiplies
    /// them. The cells stay in the number type of what comes, f32.
    ///
    /// # Errors
    /// For parameters that are not f32 on the CPU.
    pub fn quantize(&mut self, unit: Unit) -> Result<()> {
        if let Form::Plain(Weights { ih, hh, bias }) | Form::Prepared(Weights { ih, hh, bias }, _) = &self.form {
            let layer = QuantizedLstm::new(ih.each_ref(), hh.each_ref(), bias.each_ref(), unit)?;
            self.form = Form::Quantized(layer);
        }
        Ok(())
    }

    /// Runs over each range of the rows of `x: [rows, in]`; returns `[rows, 2 h]`.
    ///
    /// # Errors
    /// If the shapes do not fit, a range is out of bounds, or the number type is neither f32 nor
    /// f64.
    pub fn forward(&self, x: &Tensor, ranges: &[Range<usize>]) -> Result<Tensor> {
        match &self.form {
            Form::Quantized(layer) => {
                check(ranges, x.dim(0)?)?;
                layer.forward(x, ranges)
            }
            Form::Prepared(_, prepared) if is_fused(x) => {
                let projected = linear(x, &prepared.weight_ih, &prepared.bias)?;
                let [forward, reverse] = &prepared.weight_hh;
                run(&projected, [forward, reverse], ranges, true)
            }
            Form::Plain(weights) | Form::Prepared(weights, _) => {
                let [forward, reverse] = &weights.ih;
                let projected = linear(x, &stack_rows(forward, reverse)?, &Tensor::cat(&weights.bias, 0)?)?;
                let [forward, reverse] = &weights.hh;
                recurrence(&projected, [forward, reverse], ranges)
            }
        }
    }
}

/// Whether all ranges are within as many rows.
fn check(ranges: &[Range<usize>], rows: usize) -> Result<()> {
    match ranges.iter().find(|r| r.start > r.end || r.end > rows) {
        Some(bad) => candle_core::bail!("BiLstm: the range {bad:?} is outside of the {rows} rows of x"),
        None => Ok(()),
    }
}

/// The rows of `a`, then those of `b`. Its gradients go straight to where those of `a` and `b` are
/// kept, which candle's `cat` would pad and add.
fn stack_rows(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if is_fused(a) { a.contiguous()?.apply_op2(&b.contiguous()?, StackRows) } else { Tensor::cat(&[a, b], 0) }
}

struct StackRows;

impl CustomOp2 for StackRows {
    fn name(&self) -> &'static str {
        "stack-rows"
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_l: &Layout, b: &CpuStorage, b_l: &Layout) -> Result<(CpuStorage, Shape)> {
        let ((n_a, d), (n_b, _)) = (a_l.shape().dims2()?, b_l.shape().dims2()?);
        for_real!(a.dtype(), "stack_rows", T => {
            let rows = [values::<T>(a, a_l)?, values::<T>(b, b_l)?].concat();
            Ok((T::into_storage(rows), (n_a + n_b, d).into()))
        })
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        for_real!(a.dtype(), "stack_rows", T => {
            let dy = Values::<T>::of(dy)?;
            let part = |of: &Tensor, range: Range<usize>| accumulate_part(of, |to: &mut [T]| dy.with(|dy| {
                to.iter_mut().zip(&dy[range]).for_each(|(t, v)| *t += *v);
            }));
            let n = a.elem_count();
            Ok((part(a, 0..n)?, part(b, n..n + b.elem_count())?))
        })
    }
}

/// The recurrent part: from projected inputs `[rows, 8 h]`, forward direction first, to
/// `[rows, 2 h]`.
pub(super) fn recurrence(projected: &Tensor, weight_hh: [&Tensor; 2], ranges: &[Range<usize>]) -> Result<Tensor> {
    run(projected, weight_hh, ranges, false)
}

fn run(projected: &Tensor, weight_hh: [&Tensor; 2], ranges: &[Range<usize>], is_transposed: bool) -> Result<Tensor> {
    let (rows, h) = (projected.dim(0)?, projected.dim(1)? / 8);
    check(ranges, rows)?;
    if !is_fused(projected) {
        return composed(projected, weight_hh, ranges, h);
    }
    let keep = [projected, weight_hh[0], weight_hh[1]].iter().any(|t| t.track_op());
    let op = Recurrence { steps: Steps::new(ranges), hidden: h, is_transposed, keep, saved: OnceLock::new() };
    projected.contiguous()?.apply_op3(&weight_hh[0].contiguous()?, &weight_hh[1].contiguous()?, op)
}

/// The same of candle's operations: one step of all texts, in both directions, at a time.
pub(super) fn composed(
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

/// The products of a direction whose inputs are projected, `[rows, 8h]`.
struct FloatProducts<'a, T> {
    projected: &'a [T],
    /// `[h, 4h]`.
    weight_t: &'a [T],
    direction: usize,
    h: usize,
}

impl<T: Real> Products<T> for FloatProducts<'_, T> {
    fn project(&mut self, rows: &[usize], gates: &mut Vec<T>) {
        gates.clear();
        for row in rows {
            gates.extend_from_slice(&self.projected[(2 * row + self.direction) * 4 * self.h..][..4 * self.h]);
        }
    }

    fn recur(&mut self, before: &[T], gates: &mut [T]) {
        let (n, h) = (before.len() / self.h, self.h);
        let (before, gates) = (Mat::new(before, n, h), MatMut::new(gates, n, 4 * h));
        matmul_alike(gates, before, Mat::new(self.weight_t, h, 4 * h), Write::Add, Threads::One);
    }
}

struct Recurrence {
    steps: Steps,
    hidden: usize,
    /// Whether the weights are transposed already.
    is_transposed: bool,
    /// Whether there will be a backward pass.
    keep: bool,
    /// What the forward pass leaves for the backward pass, one for each direction; `Trace<T>`.
    saved: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// Values of one direction in step order.
struct Trace<T> {
    /// `[positions, 4h]`, after their nonlinearities.
    gates: Vec<T>,
    /// `[positions, h]`.
    cells: Vec<T>,
    /// `[positions, h]`.
    hiddens: Vec<T>,
}

impl Recurrence {
    /// `weight_t`: the recurrent weight, transposed `[h, 4h]`.
    fn forward<T: Real>(&self, projected: &[T], weight_t: &[T], direction: usize) -> Trace<T> {
        let (h, n) = (self.hidden, self.steps.n_positions());
        let mut gates = Vec::with_capacity(n * 4 * h);
        for &row in &self.steps.rows[direction] {
            gates.extend_from_slice(&projected[(2 * row + direction) * 4 * h..][..4 * h]);
        }
        let (mut cells, mut hiddens) = (vec![T::ZERO; n * h], vec![T::ZERO; n * h]);
        for step in 0..self.steps.n_steps() {
            let at = self.steps.step(step);
            if step > 0 {
                let before = Mat::new(&hiddens[self.steps.previous(step).start * h..], at.len(), h);
                let now = MatMut::new(&mut gates[at.start * 4 * h..at.end * 4 * h], at.len(), 4 * h);
                matmul(now, before, Mat::new(weight_t, h, 4 * h), T::ONE, Write::Add, Threads::One);
            }
            let (old, new) = cells.split_at_mut(at.start * h);
            let old = if step > 0 { &old[self.steps.previous(step).start * h..] } else { &[] };
            for (i, position) in at.enumerate() {
                let gates = &mut gates[position * 4 * h..][..4 * h];
                let (cell, hidden) = (&mut new[i * h..][..h], &mut hiddens[position * h..][..h]);
                let before = old.get(i * h..(i + 1) * h);
                vectorised(
                    #[inline(always)]
                    || cell::forward(gates, before, cell, hidden),
                );
            }
        }
        Trace { gates, cells, hiddens }
    }

    /// The hidden states alone, where no backward pass will come.
    fn hiddens<T: Real>(&self, projected: &[T], weight_t: &[T], direction: usize) -> Vec<T> {
        let products = FloatProducts { projected, weight_t, direction, h: self.hidden };
        inference::hiddens(&self.steps, direction, self.hidden, 1, products)
    }

    /// Both directions at once, with the recurrent weights transposed.
    fn both<T: Real, R: Send>(&self, [w0, w1]: [&[T]; 2], f: impl Fn(&[T], usize) -> R + Sync) -> [R; 2] {
        let h = self.hidden;
        // Transposed once: in a product of few rows, packing a row-major weight would cost as much
        // as the product.
        let run = |w, direction| {
            if self.is_transposed { f(w, direction) } else { f(&transposed(w, 4 * h, h), direction) }
        };
        rayon::join(|| run(w0, 0), || run(w1, 1)).into()
    }

    /// Gradient of the projected input, in step order `[positions, 4h]`.
    fn backward<T: Real>(&self, trace: &Trace<T>, weight: &[T], dout: &[T], direction: usize) -> Vec<T> {
        let (h, n) = (self.hidden, self.steps.n_positions());
        let mut dgates = vec![T::ZERO; n * 4 * h];
        let longest_step = if n == 0 { 0 } else { self.steps.step(0).len() };
        // What the step after sends back; a text that has ended sends nothing.
        let (mut dh, mut dc) = (vec![T::ZERO; longest_step * h], vec![T::ZERO; longest_step * h]);
        for step in (0..self.steps.n_steps()).rev() {
            let at = self.steps.step(step);
            for (i, position) in at.clone().enumerate() {
                let row = self.steps.rows[direction][position];
                let dh = &mut dh[i * h..][..h];
                let before = (step > 0).then(|| {
                    let position = self.steps.previous(step).start + i;
                    &trace.cells[position * h..][..h]
                });
                let (gates, cell) = (&trace.gates[position * 4 * h..][..4 * h], &trace.cells[position * h..][..h]);
                let (dc, dgates) = (&mut dc[i * h..][..h], &mut dgates[position * 4 * h..][..4 * h]);
                let dout = &dout[(2 * row + direction) * h..][..h];
                vectorised(
                    #[inline(always)]
                    || {
                        dh.iter_mut().zip(dout).for_each(|(a, b)| *a += *b);
                        cell::backward(gates, before, cell, dh, dc, dgates);
                    },
                );
            }
            if step > 0 {
                let dgates = Mat::new(&dgates[at.start * 4 * h..], at.len(), 4 * h);
                let dh = MatMut::new(&mut dh, at.len(), h);
                matmul(dh, dgates, Mat::new(weight, 4 * h, h), T::ONE, Write::Overwrite, Threads::One);
            }
        }
        dgates
    }

    /// Gradient of the recurrent weight, `sum over steps of dgates_t' h_{t-1}`, as one product.
    fn weight_gradient<T: Real>(&self, trace: &Trace<T>, dgates: &[T], dweight: &mut [T], write: Write) -> Result<()> {
        let h = self.hidden;
        let mut before = Vec::new();
        for step in 1..self.steps.n_steps() {
            let at = self.steps.previous(step);
            before.extend_from_slice(&trace.hiddens[at.start * h..at.end * h]);
        }
        let (n, first) = (before.len() / h, self.steps.starts.get(1).copied().unwrap_or(0));
        let (later, before) = (Mat::new(&dgates[first * 4 * h..], n, 4 * h), Mat::new(&before, n, h));
        matmul(MatMut::new(dweight, 4 * h, h), later.t(), before, T::ONE, write, Threads::All);
        Ok(())
    }
}

impl CustomOp3 for Recurrence {
    fn name(&self) -> &'static str {
        "bilstm"
    }

    fn cpu_fwd(
        &self,
        projected: &CpuStorage,
        projected_l: &Layout,
        w0: &CpuStorage,
        w0_l: &Layout,
        w1: &CpuStorage,
        w1_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((rows, _), h) = (projected_l.shape().dims2()?, self.hidden);
        for_real!(projected.dtype(), "bilstm", T => {
            let x = values::<T>(projected, projected_l)?;
            let (w0, w1) = (values::<T>(w0, w0_l)?, values::<T>(w1, w1_l)?);
            let out = if self.keep {
                let [a, b] = self.both([w0, w1], |w, direction| self.forward(x, w, direction));
                let out = in_rows(&self.steps, [&a.hiddens, &b.hiddens], rows, h);
                // Set once: candle calls the forward of an operation once.
                let _ = self.saved.set(Box::new([a, b]));
                out
            } else {
                let [a, b] = self.both([w0, w1], |w, direction| self.hiddens(x, w, direction));
                in_rows(&self.steps, [&a, &b], rows, h)
            };
            Ok((T::into_storage(out), (rows, 2 * h).into()))
        })
    }

    fn bwd(
        &self,
        projected: &Tensor,
        w0: &Tensor,
        w1: &Tensor,
        _out: &Tensor,
        dout: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let h = self.hidden;
        for_real!(projected.dtype(), "bilstm", T => {
            let Some([a, b]) = self.saved.get().and_then(|saved| saved.downcast_ref::<[Trace<T>; 2]>()) else {
                candle_core::bail!("bilstm: the backward pass needs the forward pass of the same operation");
            };
            let (w0s, w1s, douts) = (Values::<T>::of(w0)?, Values::<T>::of(w1)?, Values::<T>::of(dout)?);
            let (dg0, dg1) = w0s.with(|w0| w1s.with(|w1| douts.with(|dout| {
                rayon::join(|| self.backward(a, w0, dout, 0), || self.backward(b, w1, dout, 1))
            })))???;
            let positions = self.steps.positions(projected.dim(0)?);
            let mut dx = vec![T::ZERO; projected.elem_count()];
            dx.par_chunks_mut(8 * h).zip(&positions).with_min_len(16).for_each(|(dx, at)| {
                for ((dx, dgates), at) in dx.chunks_exact_mut(4 * h).zip([&dg0, &dg1]).zip(at) {
                    at.iter().for_each(|at| dx.copy_from_slice(&dgates[at * 4 * h..][..4 * h]));
                }
            });
            Ok((
                Some(Tensor::from_vec(dx, projected.shape(), projected.device())?),
                accumulate(w0, |dw, write| self.weight_gradient(a, &dg0, dw, write))?,
                accumulate(w1, |dw, write| self.weight_gradient(b, &dg1, dw, write))?,
            ))
        })
    }
}
