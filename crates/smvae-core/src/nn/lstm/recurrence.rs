//! The recurrence on slices, forward and backward, a direction a thread.

use super::super::dispatch::rounds_to_bf16;
use super::super::gradients::accumulate;
use super::super::matrix::{Mat, MatMut, RightSide, Write, product, transposed};
use super::super::real::{Real, Values, for_real, values, vectorised};
use super::cell;
use super::inference::{self, Products, in_rows};
use super::steps::Steps;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::any::Any;
use std::ops::Range;
use std::sync::OnceLock;

/// The products of a direction whose inputs are projected, `[rows, 8h]`.
struct FloatProducts<'a, T> {
    projected: Projected<'a, T>,
    /// `[h, 4h]`.
    weight_t: RightSide<'a, T>,
    h: usize,
}

/// The projected inputs of a direction.
struct Projected<'a, T> {
    /// Of both directions, `[rows, 8h]`.
    gates: &'a [T],
    direction: usize,
    h: usize,
}

impl<T: Real> Projected<'_, T> {
    fn copy(&self, rows: &[usize], gates: &mut Vec<T>) {
        gates.clear();
        for row in rows {
            gates.extend_from_slice(&self.gates[(2 * row + self.direction) * 4 * self.h..][..4 * self.h]);
        }
    }
}

impl<T: Real> Products<T> for FloatProducts<'_, T> {
    fn project(&mut self, rows: &[usize], gates: &mut Vec<T>) {
        self.projected.copy(rows, gates);
    }

    fn recur(&mut self, before: &[T], gates: &mut [T]) {
        let (n, h) = (before.len() / self.h, self.h);
        let (before, gates) = (Mat::new(before, n, h), MatMut::new(gates, n, 4 * h));
        self.weight_t.multiply(gates, before, Write::Add);
    }
}

/// The operation: from projected inputs `[rows, 8 h]` and the recurrent weights of both directions
/// to `[rows, 2 h]`.
pub(super) struct Recurrence {
    steps: Steps,
    hidden: usize,
    /// Whether the weights are transposed already.
    is_transposed: bool,
    /// Whether there will be a backward pass.
    keep: bool,
    /// Whether products are in bf16: asked once, by the thread that computes the layer, since tests
    /// say it to a thread.
    rounds: bool,
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
    pub(super) fn new(ranges: &[Range<usize>], hidden: usize, is_transposed: bool, keep: bool) -> Self {
        let (steps, rounds) = (Steps::new(ranges), rounds_to_bf16());
        Self { steps, hidden, is_transposed, keep, rounds, saved: OnceLock::new() }
    }

    /// `weight_t`: the recurrent weight, transposed `[h, 4h]`.
    fn forward<T: Real>(&self, projected: &[T], weight_t: &[T], direction: usize) -> Trace<T> {
        let weight_t = self.right_side(Mat::new(weight_t, self.hidden, 4 * self.hidden));
        let (h, n) = (self.hidden, self.steps.n_positions());
        let mut gates = Vec::with_capacity(n * 4 * h);
        Projected { gates: projected, direction, h }.copy(&self.steps.rows[direction], &mut gates);
        let (mut cells, mut hiddens) = (vec![T::ZERO; n * h], vec![T::ZERO; n * h]);
        for step in 0..self.steps.n_steps() {
            let at = self.steps.step(step);
            if step > 0 {
                let before = Mat::new(&hiddens[self.steps.previous(step).start * h..], at.len(), h);
                let now = MatMut::new(&mut gates[at.start * 4 * h..at.end * 4 * h], at.len(), 4 * h);
                weight_t.multiply(now, before, Write::Add);
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
        let h = self.hidden;
        let projected = Projected { gates: projected, direction, h };
        let products = FloatProducts { projected, weight_t: self.right_side(Mat::new(weight_t, h, 4 * h)), h };
        inference::hiddens(&self.steps, direction, self.hidden, 1, products)
    }

    fn right_side<'a, T: Real>(&self, weight: Mat<'a, T>) -> RightSide<'a, T> {
        RightSide::new(weight, self.keep, self.rounds)
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
        let weight = self.right_side(Mat::new(weight, 4 * h, h));
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
                weight.multiply(dh, dgates, Write::Overwrite);
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
        product(MatMut::new(dweight, 4 * h, h), later.t(), before, write);
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
