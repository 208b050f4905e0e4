//! The constants of one parameter's Adam step, and that step on the CPU: weights and moments in
//! place in one pass.
//!
//! A gradient that is zero but for some rows (a table of embeddings) is never made dense: of a row
//! that has had no gradient yet, the moments are zero and stay so, and the weights only decay, with
//! the same bits as in the long form.

use super::config::{AdamConfig, AdamForm};
use crate::Result;
use crate::nn::Gradients;
use crate::nn::gradients::Gradient;
use crate::nn::real::{Values, vectorised};
use candle_core::{CpuStorage, InplaceOp1, Layout, Tensor, Var};
use rayon::prelude::*;
use std::sync::Mutex;

/// The constants of one parameter's step.
#[derive(Clone, Copy)]
pub(super) struct Update {
    pub beta1: f64,
    pub beta2: f64,
    /// Weights are multiplied by it.
    pub keep: f64,
    /// `w -= rate m / (sqrt(v) * root + eps)`.
    pub rate: f64,
    pub root: f64,
    pub eps: f64,
}

impl Update {
    pub(super) fn new(config: &AdamConfig, lr: f64, step: u64, rank: usize) -> Self {
        let (correct1, correct2) = (1.0 - config.beta1.powf(step as f64), 1.0 - config.beta2.powf(step as f64));
        let (rate, root) = match config.form {
            AdamForm::PyTorch => (lr / correct1, 1.0 / correct2.sqrt()),
            AdamForm::Keras => (lr * correct2.sqrt() / correct1, 1.0),
        };
        let decay = if rank > 1 { config.weight_decay } else { 0.0 };
        Self { beta1: config.beta1, beta2: config.beta2, keep: 1.0 - lr * decay, rate, root, eps: config.eps }
    }

    /// Numbers one after another.
    fn run(&self, w: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], clip: f32) {
        let (b1, b2) = (self.beta1 as f32, self.beta2 as f32);
        let (keep, rate, root, eps) = (self.keep as f32, self.rate as f32, self.root as f32, self.eps as f32);
        vectorised(
            #[inline(always)]
            || {
                for (((w, m), v), g) in w.iter_mut().zip(m).zip(v).zip(g) {
                    let g = g * clip;
                    *m = b1 * *m + (1.0 - b1) * g;
                    *v = b2 * *v + (1.0 - b2) * g * g;
                    *w = keep * *w - rate * *m / (v.sqrt() * root + eps);
                }
            },
        );
    }
}

/// First and second moment of a parameter on the CPU.
#[derive(Debug)]
pub(super) struct Slices {
    m: Vec<f32>,
    v: Vec<f32>,
    /// Which rows ever had a gradient; `None` if that is not known.
    seen: Option<Vec<bool>>,
}

/// The gradient of one parameter, wherever it is.
#[derive(Clone, Copy)]
pub(super) enum SlotGradient<'a> {
    InPlace(Gradient<'a>),
    Tensor(&'a Tensor),
}

impl<'a> SlotGradient<'a> {
    pub(super) fn of(gradients: &'a Gradients, var: &Var) -> Option<Self> {
        gradients.in_place(var).map(Self::InPlace).or_else(|| gradients.tensor(var).map(Self::Tensor))
    }

    /// The gradient on another device.
    pub(super) fn tensor(self) -> Result<&'a Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            Self::InPlace(_) => {
                let message = "adam: only gradients of variables on the CPU are written in place";
                Err(candle_core::Error::Msg(message.to_owned()).into())
            }
        }
    }
}

/// Sum of squares of all gradients, in f64, in an order that does not depend on the number of
/// threads.
pub(super) fn sum_of_squares<'a>(gradients: impl Iterator<Item = SlotGradient<'a>>) -> Result<f64> {
    let mut sum = 0.0;
    for gradient in gradients {
        sum += match gradient {
            SlotGradient::InPlace(Gradient::Dense(values) | Gradient::Rows(_, values)) => square_sum(values),
            SlotGradient::Tensor(x) => Values::<f32>::of(x)?.with(square_sum)?,
        };
    }
    Ok(sum)
}

impl Slices {
    /// These moments, each as long as the parameter.
    pub(super) fn new(m: Vec<f32>, v: Vec<f32>) -> Self {
        Self { m, v, seen: None }
    }

    /// Both moments.
    pub(super) fn values(&self) -> [&[f32]; 2] {
        [&self.m, &self.v]
    }

    /// One step of a parameter and of its moments, which these are; the gradient counts `clip`
    /// times.
    pub(super) fn update(&mut self, var: &Var, grad: SlotGradient<'_>, clip: f64, update: Update) -> Result<()> {
        match grad {
            SlotGradient::InPlace(grad) => self.in_place(var, grad, clip, update),
            SlotGradient::Tensor(grad) => {
                Values::<f32>::of(grad)?.with(|grad| self.in_place(var, Gradient::Dense(grad), clip, update))?
            }
        }
    }

    fn in_place(&mut self, var: &Var, grad: Gradient<'_>, clip: f64, update: Update) -> Result<()> {
        let op = InPlace { moments: Mutex::new(self), grad, clip: clip as f32, update };
        Ok(var.as_tensor().inplace_op1(&op)?)
    }

    fn dense(&mut self, w: &mut [f32], g: &[f32], clip: f32, u: Update) {
        self.seen = None;
        let chunks = w.par_chunks_mut(CHUNK).zip(self.m.par_chunks_mut(CHUNK)).zip(self.v.par_chunks_mut(CHUNK));
        chunks.zip(g.par_chunks(CHUNK)).for_each(|(((w, m), v), g)| u.run(w, m, v, g, clip));
    }

    /// `at`: the position in `g` of each row of `w`, if it has a gradient.
    fn rows(&mut self, w: &mut [f32], width: usize, at: &[Option<usize>], g: &[f32], clip: f32, u: Update) {
        let Self { m, v, seen } = self;
        let has_moments = |m: &[f32], v: &[f32]| m.iter().chain(v).any(|x| *x != 0.0);
        let seen = seen.get_or_insert_with(|| {
            m.par_chunks(width).zip(v.par_chunks(width)).map(|(m, v)| has_moments(m, v)).collect()
        });
        let (zeros, keep) = (vec![0.0; width], u.keep as f32);
        let rows = w.par_chunks_mut(width).zip(m.par_chunks_mut(width)).zip(v.par_chunks_mut(width));
        rows.zip(seen.par_iter_mut().zip(at)).with_min_len(64).for_each(|(((w, m), v), (seen, at))| {
            *seen |= at.is_some();
            if *seen {
                u.run(w, m, v, at.map_or(&zeros, |at| &g[at * width..][..width]), clip);
            } else if keep != 1.0 {
                w.iter_mut().for_each(|w| *w *= keep);
            }
        });
    }
}

struct InPlace<'a> {
    /// candle hands an operation to its kernel by shared reference.
    moments: Mutex<&'a mut Slices>,
    grad: Gradient<'a>,
    clip: f32,
    update: Update,
}

impl InplaceOp1 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(&self, w: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(w), Some((from, to))) = (w, layout.contiguous_offsets()) else {
            candle_core::bail!("adam: expected contiguous f32 weights");
        };
        let w = &mut w[from..to];
        let mut moments = self.moments.lock().expect("locked once, here");
        match self.grad {
            Gradient::Dense(g) if g.len() == w.len() => moments.dense(w, g, self.clip, self.update),
            Gradient::Dense(g) => candle_core::bail!("adam: {} gradients of {} weights", g.len(), w.len()),
            Gradient::Rows(rows, g) => {
                let (n_rows, width) = layout.shape().dims2()?;
                let mut at = vec![None; n_rows];
                rows.iter().for_each(|(row, position)| at[*row as usize] = Some(*position));
                moments.rows(w, width, &at, g, self.clip, self.update);
            }
        }
        Ok(())
    }
}

/// Numbers a task of the thread pool works on.
const CHUNK: usize = 32 * 1024;

fn square_sum(x: &[f32]) -> f64 {
    let sums: Vec<f64> = x.par_chunks(CHUNK).map(chunk_square_sum).collect();
    sums.into_iter().sum()
}

fn chunk_square_sum(x: &[f32]) -> f64 {
    let mut lanes = [0f32; 32];
    let chunks = x.chunks_exact(32);
    let rest: f32 = chunks.remainder().iter().map(|v| v * v).sum();
    vectorised(
        #[inline(always)]
        || {
            for chunk in chunks {
                lanes.iter_mut().zip(chunk).for_each(|(s, v)| *s += v * v);
            }
        },
    );
    lanes.iter().map(|s| f64::from(*s)).sum::<f64>() + f64::from(rest)
}
