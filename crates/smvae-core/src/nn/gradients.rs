//! The backward pass with gradients of variables written where they are kept.
//!
//! candle's `backward` makes zeros for every gradient, adds to them, and has a new tensor each
//! time: three passes over all parameters that compute nothing. During [`Gradients::backward`] the
//! operations of this module write the gradient of a variable into one buffer that lasts from step
//! to step, as part of the product that makes it, and a table of embeddings keeps the rows that
//! were looked up. What candle's own operations contribute is added to that.
//!
//! `loss.backward()` works as ever: without a running [`Gradients::backward`], operations return
//! tensors.

use super::lanes;
use super::matrix::Write;
use super::real::{Real, Values};
use super::sums::add_to;
use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// Gradients of all variables of a loss. Use one for all steps: its memory is reused.
#[derive(Debug, Default)]
pub struct Gradients {
    kept: Kept,
    rest: Option<GradStore>,
}

/// What the operations of this module write.
#[derive(Debug, Default)]
struct Kept {
    buffers: Buffers,
    /// Gradients that kernels computed, on their device.
    tensors: HashMap<TensorId, Tensor>,
}

/// By variable; iterated over only where the order does not matter.
type Buffers = HashMap<TensorId, Buffer>;

#[derive(Debug)]
struct Buffer {
    values: Vec<f32>,
    /// For a gradient that is zero but for some rows: where each of them lies in `values`, in rows.
    rows: Option<BTreeMap<u32, usize>>,
    /// Whether this backward pass has written to it.
    written: bool,
}

/// The gradient of one variable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gradient<'a> {
    /// All values.
    Dense(&'a [f32]),
    /// Rows of these indices, in ascending order, at these positions (in rows) of the values; zero
    /// elsewhere.
    Rows(&'a BTreeMap<u32, usize>, &'a [f32]),
}

impl Gradients {
    /// Runs the backward pass from a scalar; replaces the gradients of the pass before. After an
    /// error there are none.
    ///
    /// # Errors
    /// Those of the operations' backward passes.
    pub fn backward(&mut self, loss: &Tensor) -> Result<()> {
        self.forget();
        let done = self.run(loss);
        if done.is_err() {
            // Those of a part of the graph are nobody's gradients.
            self.forget();
        }
        done
    }

    /// Leaves no gradient, and the memory of all.
    fn forget(&mut self) {
        self.rest = None;
        self.kept.buffers.values_mut().for_each(|buffer| buffer.written = false);
        self.kept.tensors.clear();
    }

    fn run(&mut self, loss: &Tensor) -> Result<()> {
        let running = Running::begin(std::mem::take(&mut self.kept));
        let rest = loss.backward();
        self.kept = running.end();
        let rest = rest?;
        for (id, buffer) in self.kept.buffers.iter_mut().filter(|(_, buffer)| buffer.written) {
            if let Some(more) = rest.get_id(*id) {
                buffer.add(more)?;
            }
        }
        for (id, sum) in &self.kept.tensors {
            if let Some(more) = rest.get_id(*id) {
                add_to(sum, &more.contiguous()?)?;
            }
        }
        self.rest = Some(rest);
        Ok(())
    }

    /// The gradient of a variable as a tensor of its shape, a copy; `None` if the loss does not
    /// depend on it.
    ///
    /// # Errors
    /// Those of the copy.
    pub fn get(&self, var: &Tensor) -> Result<Option<Tensor>> {
        let dense = |values| Tensor::from_vec(values, var.shape(), var.device());
        match self.kept.buffers.get(&var.id()).filter(|buffer| buffer.written) {
            Some(Buffer { values, rows: None, .. }) => dense(values.clone()).map(Some),
            Some(Buffer { values, rows: Some(rows), .. }) => {
                dense(densified(values, rows, var.elem_count(), width(var)?)).map(Some)
            }
            None => Ok(self.tensor(var).cloned()),
        }
    }

    /// The gradient of a variable if this pass wrote it in place.
    pub(crate) fn in_place(&self, var: &Tensor) -> Option<Gradient<'_>> {
        let buffer = self.kept.buffers.get(&var.id()).filter(|buffer| buffer.written)?;
        Some(match &buffer.rows {
            None => Gradient::Dense(&buffer.values),
            Some(rows) => Gradient::Rows(rows, &buffer.values),
        })
    }

    /// The gradient of a variable if kernels or candle alone computed it.
    pub(crate) fn tensor(&self, var: &Tensor) -> Option<&Tensor> {
        self.kept.tensors.get(&var.id()).or_else(|| self.rest.as_ref()?.get(var))
    }
}

thread_local! {
    /// What the backward pass that runs on this thread has written.
    static RUNNING: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// A backward pass of this thread, until it is dropped. A panic in it, which somebody may catch,
/// ends it too: else every later pass of the thread would write to buffers that nobody reads.
struct Running {
    /// The pass around this one, which a thread pool may have begun on this thread: its buffers are
    /// left alone.
    outer: Option<Kept>,
}

impl Running {
    fn begin(kept: Kept) -> Self {
        Self { outer: RUNNING.replace(Some(kept)) }
    }

    /// Ends it; returns what it has written.
    fn end(self) -> Kept {
        RUNNING.take().unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(self.outer.take());
    }
}

/// Adds what kernels computed to the gradient of a tensor: a new, contiguous tensor that nothing
/// else reads. Returns what an operation's backward has to return, as [`accumulate`] does.
pub(super) fn accumulate_tensor(of: &Tensor, gradient: Tensor) -> Result<Option<Tensor>> {
    if !of.track_op() {
        return Ok(None);
    }
    if !of.is_variable() {
        return Ok(Some(gradient));
    }
    RUNNING.with_borrow_mut(|running| match running {
        None => Ok(Some(gradient)),
        Some(Kept { tensors, .. }) => {
            match tensors.entry(of.id()) {
                Entry::Occupied(sum) => add_to(sum.get(), &gradient)?,
                Entry::Vacant(place) => {
                    place.insert(gradient);
                }
            }
            Ok(None)
        }
    })
}

/// As [`accumulate_tensor`], for kernels that add to a part of the gradient: what `add` is given
/// holds zeros or sums.
pub(super) fn accumulate_part_tensor(of: &Tensor, add: impl FnOnce(&Tensor) -> Result<()>) -> Result<Option<Tensor>> {
    if !of.track_op() {
        return Ok(None);
    }
    let kept = RUNNING.with_borrow(|running| {
        let Some(Kept { tensors, .. }) = running else { return None };
        tensors.get(&of.id()).filter(|_| of.is_variable()).cloned()
    });
    if let Some(sum) = kept {
        return add(&sum).map(|()| None);
    }
    let sum = Tensor::zeros(of.shape(), of.dtype(), of.device())?;
    add(&sum)?;
    accumulate_tensor(of, sum)
}

/// Calls `add` with the place of a tensor's gradient, all of which it must write. Returns what an
/// operation's backward has to return for that tensor: nothing if it needs no gradient or has it in
/// place, else a fresh tensor.
pub(super) fn accumulate<T: Real>(
    of: &Tensor,
    add: impl FnOnce(&mut [T], Write) -> Result<()>,
) -> Result<Option<Tensor>> {
    if !of.track_op() {
        return Ok(None);
    }
    if let Some(mut buffer) = take(of) {
        buffer.make_dense(of)?;
        let write = if buffer.written { Write::Add } else { Write::Overwrite };
        let values = T::of_f32s(&mut buffer.values).expect("only f32 variables have a buffer");
        let done = add(values, write);
        buffer.written = true;
        give_back(of, buffer);
        return done.map(|()| None);
    }
    let mut values = vec![T::ZERO; of.elem_count()];
    add(&mut values, Write::Overwrite)?;
    Tensor::from_vec(values, of.shape(), of.device()).map(Some)
}

/// As [`accumulate`], for an operation that adds to a part of the gradient: what `add` is given
/// holds zeros or sums.
pub(super) fn accumulate_part<T: Real>(
    of: &Tensor,
    add: impl FnOnce(&mut [T]) -> Result<()>,
) -> Result<Option<Tensor>> {
    accumulate(of, |values: &mut [T], write| {
        if write == Write::Overwrite {
            values.fill(T::ZERO);
        }
        add(values)
    })
}

/// Adds row `i` of `grads: [rows.len(), width]` to row `rows[i]` of the gradient of
/// `table: [_, width]`.
pub(super) fn accumulate_rows<T: Real>(table: &Tensor, rows: &[u32], grads: &Tensor) -> Result<Option<Tensor>> {
    let (_, width) = table.dims2()?;
    let grads = Values::<T>::of(grads)?;
    let Some(mut buffer) = take(table) else {
        return accumulate_part(table, |values: &mut [T]| {
            grads.with(|grads| {
                for (row, grad) in rows.iter().zip(grads.chunks_exact(width)) {
                    lanes::add(&mut values[*row as usize * width..][..width], grad);
                }
            })
        });
    };
    if !buffer.written {
        buffer.values.clear();
        buffer.rows = Some(BTreeMap::new());
    }
    let done = grads.with(|grads| {
        for (row, grad) in rows.iter().zip(grads.chunks_exact(width)) {
            let at = buffer.place(*row, width);
            let values = T::of_f32s(&mut buffer.values).expect("only f32 variables have a buffer");
            lanes::add(&mut values[at * width..][..width], grad);
        }
    });
    buffer.written = true;
    give_back(table, buffer);
    done.map(|()| None)
}

/// The buffer of an f32 variable, while a backward pass runs; it is taken so that nothing is
/// borrowed while a product lends this thread to the thread pool.
fn take(of: &Tensor) -> Option<Buffer> {
    if !of.is_variable() || of.dtype() != DType::F32 {
        return None;
    }
    RUNNING.with_borrow_mut(|running| {
        let empty = || Buffer { values: Vec::new(), rows: None, written: false };
        Some(running.as_mut()?.buffers.remove(&of.id()).unwrap_or_else(empty))
    })
}

fn give_back(of: &Tensor, buffer: Buffer) {
    RUNNING.with_borrow_mut(|running| running.as_mut().and_then(|kept| kept.buffers.insert(of.id(), buffer)));
}

impl Buffer {
    fn make_dense(&mut self, of: &Tensor) -> Result<()> {
        match self.rows.take() {
            Some(rows) if self.written => {
                self.values = densified(&self.values, &rows, of.elem_count(), width(of)?);
            }
            // What an earlier pass left is overwritten.
            _ => self.values.resize(of.elem_count(), 0.0),
        }
        Ok(())
    }

    /// The position of a row, which is made if it has none.
    fn place(&mut self, row: u32, width: usize) -> usize {
        let Some(rows) = &mut self.rows else { return row as usize };
        let next = rows.len();
        let at = *rows.entry(row).or_insert(next);
        if at == next {
            self.values.resize((next + 1) * width, 0.0);
        }
        at
    }

    /// Adds a gradient that candle computed.
    fn add(&mut self, more: &Tensor) -> Result<()> {
        self.make_dense(more)?;
        Values::<f32>::of(more)?.with(|more| lanes::add(&mut self.values, more))
    }
}

fn width(table: &Tensor) -> Result<usize> {
    table.dims2().map(|(_, width)| width)
}

fn densified(values: &[f32], rows: &BTreeMap<u32, usize>, n: usize, width: usize) -> Vec<f32> {
    let mut dense = vec![0.0; n];
    for (row, at) in rows {
        dense[*row as usize * width..][..width].copy_from_slice(&values[at * width..][..width]);
    }
    dense
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::dispatch::{Order, kernels};
    use crate::nn::{Columns, embedding, linear, linear_columns};
    use crate::quiet;
    use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Var};

    fn var(shape: &[usize], step: f32) -> Var {
        let values = (0..shape.iter().product::<usize>()).map(|i| (i as f32 * step).sin()).collect();
        Var::from_vec(values, shape, &Device::Cpu).expect("values of this shape")
    }

    /// Gradients in place and candle's are the same, also in the second pass over the same memory,
    /// of fused operations and of kernels.
    #[track_caller]
    fn check(vars: &[&Var], loss: impl Fn(f64) -> Result<Tensor>) {
        compare(vars, &loss);
        if smvae_kernels::emulator::emulator().is_some() {
            kernels(Order::Ascending, || compare(vars, &loss));
        }
    }

    #[track_caller]
    fn compare(vars: &[&Var], loss: impl Fn(f64) -> Result<Tensor>) {
        let mut gradients = Gradients::default();
        for scale in [1.0, -3.0] {
            let loss = loss(scale).expect("the shapes fit");
            gradients.backward(&loss).expect("a backward pass");
            let want = loss.backward().expect("a backward pass");
            for (i, var) in vars.iter().enumerate() {
                let got = gradients.get(var).expect("a copy");
                assert_eq!(got.is_some(), want.get(var).is_some(), "variable {i}");
                for (got, want) in got.iter().zip(want.get(var)) {
                    let difference = (got - want).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>());
                    // Sums of a few numbers of size 10, in another order.
                    assert!(difference.expect("equal shapes") < 1e-5, "variable {i}: {got}, {want}");
                }
            }
        }
    }

    /// What it is given, without a backward pass that works.
    struct Fails {
        by_panic: bool,
    }

    impl CustomOp1 for Fails {
        fn name(&self) -> &'static str {
            "fails"
        }

        fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
            Ok((storage.clone(), layout.shape().clone()))
        }

        fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
            assert!(!self.by_panic, "an operation's");
            candle_core::bail!("an operation's")
        }
    }

    #[test]
    fn a_pass_that_fails_leaves_nothing() -> Result<()> {
        let (x, w) = (var(&[3, 4], 0.7), var(&[4, 4], 0.3));
        let zero = Tensor::zeros(4, DType::F32, &Device::Cpu)?;
        let mut gradients = Gradients::default();
        for by_panic in [false, true] {
            // The outer product has written its gradient before the pass comes to what fails.
            let inner = linear(&x, &w, &zero)?.apply_op1(Fails { by_panic })?;
            let loss = linear(&inner, &w, &zero)?.sum_all()?;
            let done = quiet::catch(|| gradients.backward(&loss));
            assert!(!matches!(done, Ok(Ok(()))));
            assert!(gradients.get(&w)?.is_none(), "a part of a gradient");
            assert!(RUNNING.with_borrow(Option::is_none), "the pass still runs");
            let loss = linear(&x, &w, &zero)?.sum_all()?;
            assert!(loss.backward()?.get(&w).is_some());
            gradients.backward(&loss)?;
            assert!(gradients.get(&w)?.is_some());
        }
        Ok(())
    }

    #[test]
    fn they_are_those_of_candle() {
        let (x, w, table, unused) = (var(&[3, 4], 0.7), var(&[4, 4], 0.3), var(&[5, 4], 1.1), var(&[2, 2], 1.0));
        let zero = Tensor::zeros(4, DType::F32, &Device::Cpu).expect("zeros");
        let twice = |x: &Tensor| linear(&linear(x, &w, &zero)?, &w, &zero);
        check(&[&x, &w, &table, &unused], |scale| (twice(&x)? * scale)?.sqr()?.sum_all());
        // Rows alone; rows, then all of the table; a variable that candle uses as well.
        let looked_up = |ids: &[u32]| embedding(&table, ids);
        check(&[&w, &table], |scale| (twice(&looked_up(&[3, 0, 3])?)? * scale)?.sum_all());
        check(&[&x, &table], |scale| {
            let as_weight = linear(&looked_up(&[1, 1, 4])?, &table, &Tensor::zeros(5, DType::F32, &Device::Cpu)?)?;
            (as_weight.sum_all()? + (x.as_tensor() * scale)?.sum_all()?)? * scale
        });
        // Parts of a weight, twice, and all of it.
        check(&[&x, &w], |scale| {
            let part = linear_columns(&x.narrow(1, 1, 2)?, &w, &[Columns::Plus(1), Columns::Minus(2)], &zero)?;
            let part = linear_columns(&part.narrow(1, 0, 3)?, &w, &[Columns::Plus(0)], &part)?;
            (linear(&part, &w, &zero)? * scale)?.sqr()?.sum_all()
        });
        check(&[&w], |scale| (twice(&w)?.sum_all()? + (w.as_tensor() * scale)?.sum_all()?)? * scale);
    }
}
