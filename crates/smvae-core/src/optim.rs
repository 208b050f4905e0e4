//! Adam with decoupled weight decay, in two forms, with clipping, parameter groups and a state that can be saved.
//!
//! ```text
//! m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   w = w - lr decay w, then
//! PyTorch:  w -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)         Loshchilov & Hutter (2019)
//! Keras:    w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)         eps is not corrected: larger at first
//! ```
//! On the CPU one pass over each parameter updates weights and moments in place. Parameters without a gradient are left
//! as they are.

use crate::nn::dispatch::is_fused;
use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Storage, Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Where epsilon stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdamForm {
    /// Added to the root of the corrected second moment.
    #[default]
    PyTorch,
    /// Added to the root of the uncorrected one, as in the authors' program.
    Keras,
}

/// Settings of [`Adam`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// Where epsilon stands.
    pub form: AdamForm,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the step finite where the gradient is zero.
    pub eps: f64,
    /// Decoupled weight decay; biases and layer norms, the parameters of one dimension, are exempt.
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; none for no clipping.
    pub clip_norm: Option<f64>,
}

impl Default for AdamConfig {
    /// AdamW as it is used to fine-tune BERT.
    fn default() -> Self {
        Self { form: AdamForm::PyTorch, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01, clip_norm: Some(1.0) }
    }
}

impl AdamConfig {
    /// Adam as Keras has it, without decay and clipping: the authors' optimizer.
    pub fn keras() -> Self {
        Self { form: AdamForm::Keras, eps: 1e-7, weight_decay: 0.0, clip_norm: None, ..Self::default() }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Setting`] for one out of its range.
    pub fn validate(&self) -> Result<()> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let checks = [
            ("beta1", "in [0, 1)", self.beta1, (0.0..1.0).contains(&self.beta1)),
            ("beta2", "in [0, 1)", self.beta2, (0.0..1.0).contains(&self.beta2)),
            ("eps", "above 0", self.eps, positive(self.eps)),
            ("weight_decay", "at least 0", self.weight_decay, self.weight_decay == 0.0 || positive(self.weight_decay)),
            ("clip_norm", "above 0", self.clip_norm.unwrap_or(1.0), positive(self.clip_norm.unwrap_or(1.0))),
        ];
        match checks.into_iter().find(|(.., fine)| !fine) {
            Some((name, want, got, _)) => Err(Error::Setting { name, want, got: got.to_string() }),
            None => Ok(()),
        }
    }
}

/// The optimizer of a set of parameters.
#[derive(Debug)]
pub struct Adam {
    slots: Vec<Slot>,
    config: AdamConfig,
    step: u64,
}

#[derive(Debug)]
struct Slot {
    name: String,
    var: Var,
    group: usize,
    moments: Moments,
}

/// First and second moment.
#[derive(Debug)]
enum Moments {
    /// In place, on the CPU, f32.
    Slices(Vec<f32>, Vec<f32>),
    /// Composed of tensor operations, elsewhere.
    Tensors(Tensor, Tensor),
}

impl Adam {
    /// An optimizer of `parameters`, in this order; `group` tells the group of a parameter by its name, whose learning
    /// rate [`Adam::step`] is given.
    ///
    /// # Errors
    /// A setting out of range; a parameter that is not f32.
    pub fn new(parameters: Vec<(String, Var)>, group: impl Fn(&str) -> usize, config: AdamConfig) -> Result<Self> {
        config.validate()?;
        let slots = parameters.into_iter().map(|(name, var)| {
            if var.dtype() != candle_core::DType::F32 {
                let got = format!("{:?} for {name}", var.dtype());
                return Err(Error::Setting { name: "number type", want: "f32 to be trained", got });
            }
            let moments = if is_fused(&var) {
                Moments::Slices(vec![0.0; var.elem_count()], vec![0.0; var.elem_count()])
            } else {
                Moments::Tensors(var.zeros_like()?, var.zeros_like()?)
            };
            Ok(Slot { group: group(&name), name, var, moments })
        });
        Ok(Self { slots: slots.collect::<Result<_>>()?, config, step: 0 })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Updates every parameter that has a gradient; `rates` are the learning rates of the groups. Returns the global
    /// norm of the gradients before clipping.
    ///
    /// # Errors
    /// [`Error::Length`] if a group has no rate; [`Error::NotFinite`] if the norm is not finite, and then nothing was
    /// changed.
    pub fn step(&mut self, grads: &GradStore, rates: &[f64]) -> Result<f64> {
        let groups = self.slots.iter().map(|s| s.group + 1).max().unwrap_or(0);
        if rates.len() < groups {
            return Err(Error::Length { op: "Adam::step", what: "learning rates", got: rates.len(), want: groups });
        }
        let norm = self.global_norm(grads)?;
        if !norm.is_finite() {
            return Err(Error::NotFinite { what: "the norm of the gradients", got: norm, step: self.step + 1 });
        }
        let clip = self.config.clip_norm.map_or(1.0, |max| (max / (norm + 1e-6)).min(1.0));
        self.step += 1;
        for slot in &mut self.slots {
            if let Some(grad) = grads.get(&slot.var) {
                let update = Update::new(&self.config, rates[slot.group], clip, self.step, slot.var.rank());
                slot.update(&grad.contiguous()?, update)?;
            }
        }
        Ok(norm)
    }

    fn global_norm(&self, grads: &GradStore) -> Result<f64> {
        let grads: Vec<&Tensor> = self.slots.iter().filter_map(|slot| grads.get(&slot.var)).collect();
        let (on_cpu, elsewhere): (Vec<&Tensor>, Vec<&Tensor>) = grads.into_iter().partition(|grad| is_fused(grad));
        let sums = on_cpu.into_iter().map(square_sum).collect::<Result<Vec<f64>>>()?;
        Ok((sums.into_iter().sum::<f64>() + composed_square_sum(&elsewhere)?).sqrt())
    }

    /// The moments as tensors, `{name}.m` and `{name}.v`; with [`Adam::steps`] all there is to save.
    ///
    /// # Errors
    /// Those of the copies.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for slot in &self.slots {
            let (m, v) = match &slot.moments {
                Moments::Tensors(m, v) => (m.clone(), v.clone()),
                Moments::Slices(m, v) => {
                    let tensor = |x: &[f32]| Tensor::from_slice(x, slot.var.shape(), slot.var.device());
                    (tensor(m)?, tensor(v)?)
                }
            };
            state.insert(format!("{}.m", slot.name), m);
            state.insert(format!("{}.v", slot.name), v);
        }
        Ok(state)
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// [`Error::Shape`] if a tensor is missing (then its shape is empty) or has another shape.
    pub fn load_state(&mut self, step: u64, state: &BTreeMap<String, Tensor>) -> Result<()> {
        for slot in &mut self.slots {
            let get = |suffix: &str| -> Result<Tensor> {
                let want = slot.var.dims();
                match state.get(&format!("{}.{suffix}", slot.name)) {
                    Some(tensor) if tensor.dims() == want => Ok(tensor.to_device(slot.var.device())?),
                    other => Err(Error::Shape {
                        op: "Adam::load_state",
                        argument: "a moment",
                        got: other.map_or_else(Vec::new, |t| t.dims().to_vec()),
                        want: want.to_vec(),
                    }),
                }
            };
            let (m, v) = (get("m")?, get("v")?);
            slot.moments = match &slot.moments {
                Moments::Tensors(..) => Moments::Tensors(m, v),
                Moments::Slices(..) => Moments::Slices(m.flatten_all()?.to_vec1()?, v.flatten_all()?.to_vec1()?),
            };
        }
        self.step = step;
        Ok(())
    }
}

/// The constants of one parameter's step.
#[derive(Clone, Copy)]
struct Update {
    beta1: f64,
    beta2: f64,
    /// Gradients are multiplied by it.
    clip: f64,
    /// Weights are multiplied by it.
    keep: f64,
    /// `w -= rate m / (sqrt(v) * root + eps)`.
    rate: f64,
    root: f64,
    eps: f64,
}

impl Update {
    fn new(config: &AdamConfig, lr: f64, clip: f64, step: u64, rank: usize) -> Self {
        let (correct1, correct2) = (1.0 - config.beta1.powf(step as f64), 1.0 - config.beta2.powf(step as f64));
        let (rate, root) = match config.form {
            AdamForm::PyTorch => (lr / correct1, 1.0 / correct2.sqrt()),
            AdamForm::Keras => (lr * correct2.sqrt() / correct1, 1.0),
        };
        let decay = if rank > 1 { config.weight_decay } else { 0.0 };
        Self { beta1: config.beta1, beta2: config.beta2, clip, keep: 1.0 - lr * decay, rate, root, eps: config.eps }
    }
}

impl Slot {
    fn update(&mut self, grad: &Tensor, u: Update) -> Result<()> {
        match &mut self.moments {
            Moments::Slices(m, v) => {
                let op = InPlace { moments: Mutex::new((m, v)), update: u };
                self.var.as_tensor().inplace_op2(grad, &op)?;
            }
            Moments::Tensors(m, v) => {
                let grad = (grad * u.clip)?;
                *m = ((&*m * u.beta1)? + (&grad * (1.0 - u.beta1))?)?;
                *v = ((&*v * u.beta2)? + (grad.sqr()? * (1.0 - u.beta2))?)?;
                let step = ((&*m * u.rate)? / ((v.sqrt()? * u.root)? + u.eps)?)?;
                self.var.set(&((self.var.as_tensor() * u.keep)? - step)?)?;
            }
        }
        Ok(())
    }
}

/// Numbers a task of the thread pool works on.
const CHUNK: usize = 32 * 1024;

struct InPlace<'a> {
    /// candle hands an operation to its kernel by shared reference.
    moments: Mutex<(&'a mut Vec<f32>, &'a mut Vec<f32>)>,
    update: Update,
}

impl InplaceOp2 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(&self, w: &mut CpuStorage, w_l: &Layout, g: &CpuStorage, g_l: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(w), CpuStorage::F32(g)) = (w, g) else {
            candle_core::bail!("adam: expected f32 weights and gradients");
        };
        let (Some(w_at), Some(g_at)) = (w_l.contiguous_offsets(), g_l.contiguous_offsets()) else {
            candle_core::bail!("adam: expected contiguous weights and gradients");
        };
        let (w, g) = (&mut w[w_at.0..w_at.1], &g[g_at.0..g_at.1]);
        let mut moments = self.moments.lock().expect("locked once, here");
        let (m, v) = &mut *moments;
        let u = self.update;
        let (b1, b2, clip) = (u.beta1 as f32, u.beta2 as f32, u.clip as f32);
        let (keep, rate, root, eps) = (u.keep as f32, u.rate as f32, u.root as f32, u.eps as f32);
        let chunks = w.par_chunks_mut(CHUNK).zip(m.par_chunks_mut(CHUNK)).zip(v.par_chunks_mut(CHUNK));
        chunks.zip(g.par_chunks(CHUNK)).for_each(|(((w, m), v), g)| {
            for (((w, m), v), g) in w.iter_mut().zip(m).zip(v).zip(g) {
                let g = g * clip;
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *w = keep * *w - rate * *m / (v.sqrt() * root + eps);
            }
        });
        Ok(())
    }
}

/// Sum of squares, in f64, in an order that does not depend on the number of threads.
fn square_sum(x: &Tensor) -> Result<f64> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let (Storage::Cpu(CpuStorage::F32(values)), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else {
        return composed_square_sum(&[&x]);
    };
    let sums: Vec<f64> = values[from..to].par_chunks(CHUNK).map(chunk_square_sum).collect();
    Ok(sums.into_iter().sum())
}

/// The same of candle's operations, over several tensors of a device: one number is waited for.
fn composed_square_sum(tensors: &[&Tensor]) -> Result<f64> {
    if tensors.is_empty() {
        return Ok(0.0);
    }
    let sums = tensors.iter().map(|x| x.sqr()?.sum_all()).collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Tensor::stack(&sums, 0)?.to_dtype(candle_core::DType::F64)?.sum_all()?.to_scalar()?)
}

fn chunk_square_sum(x: &[f32]) -> f64 {
    let mut lanes = [0f32; 16];
    let chunks = x.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().map(|v| v * v).sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(s, v)| *s += v * v);
    }
    lanes.iter().map(|s| f64::from(*s)).sum::<f64>() + f64::from(rest)
}
