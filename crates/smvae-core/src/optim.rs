//! Adam with decoupled weight decay, in two forms, with clipping, parameter groups and a state that can be saved.
//!
//! ```text
//! m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   w = w - lr decay w, then
//! PyTorch:  w -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)         Loshchilov & Hutter (2019)
//! Keras:    w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)         eps is not corrected: larger at first
//! ```
//! Parameters without a gradient are left as they are.

mod update;

use crate::nn::Gradients;
use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use update::{Moments, SlotGradient, Update, sum_of_squares};

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
    /// Kept for its memory.
    gradients: Gradients,
}

#[derive(Debug)]
struct Slot {
    name: String,
    var: Var,
    group: usize,
    moments: Moments,
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
            Ok(Slot { group: group(&name), name, moments: Moments::new(&var)?, var })
        });
        Ok(Self { slots: slots.collect::<Result<_>>()?, config, step: 0, gradients: Gradients::default() })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Goes back from a scalar loss and updates every parameter it depends on, and no other; `rates` are the learning rates
    /// of the groups. Returns the global norm of the gradients before clipping. Quicker than [`Adam::step`], since gradients are
    /// written into memory that is kept from step to step ([`Gradients`]).
    ///
    /// # Errors
    /// As [`Adam::step`]; those of the backward pass.
    pub fn minimise(&mut self, loss: &Tensor, rates: &[f64]) -> Result<f64> {
        self.gradients.backward(loss)?;
        let gradients = std::mem::take(&mut self.gradients);
        let norm = self.update(|var| SlotGradient::of(&gradients, var), rates);
        self.gradients = gradients;
        norm
    }

    /// Updates every parameter that has a gradient in candle's store; `rates` are the learning rates of the groups.
    /// Returns the global norm of the gradients before clipping.
    ///
    /// # Errors
    /// [`Error::Length`] if a group has no rate, [`Error::Setting`] for a rate that is negative or not finite;
    /// [`Error::NotFinite`] if the norm is not finite. Then nothing was changed.
    pub fn step(&mut self, grads: &GradStore, rates: &[f64]) -> Result<f64> {
        self.update(|var| grads.get(var).map(SlotGradient::Tensor), rates)
    }

    fn update<'g>(&mut self, gradient: impl Fn(&Var) -> Option<SlotGradient<'g>>, rates: &[f64]) -> Result<f64> {
        let groups = self.slots.iter().map(|s| s.group + 1).max().unwrap_or(0);
        if rates.len() < groups {
            return Err(Error::Length { op: "Adam::step", what: "learning rates", got: rates.len(), want: groups });
        }
        if let Some(rate) = rates.iter().find(|rate| !(rate.is_finite() && **rate >= 0.0)) {
            let want = "a finite number, at least 0";
            return Err(Error::Setting { name: "learning rate", want, got: rate.to_string() });
        }
        let norm = sum_of_squares(self.slots.iter().filter_map(|slot| gradient(&slot.var)))?.sqrt();
        if !norm.is_finite() {
            return Err(Error::NotFinite { what: "the norm of the gradients", got: norm, step: self.step + 1 });
        }
        let clip = self.config.clip_norm.map_or(1.0, |max| (max / (norm + 1e-6)).min(1.0));
        self.step += 1;
        for slot in &mut self.slots {
            if let Some(grad) = gradient(&slot.var) {
                let update = Update::new(&self.config, rates[slot.group], clip, self.step, slot.var.rank());
                slot.moments.update(&slot.var, grad, update)?;
            }
        }
        Ok(norm)
    }

    /// The moments as tensors, `{name}.m` and `{name}.v`; with [`Adam::steps`] all there is to save.
    ///
    /// # Errors
    /// Those of the copies.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for slot in &self.slots {
            let (m, v) = slot.moments.tensors(&slot.var)?;
            state.insert(format!("{}.m", slot.name), m);
            state.insert(format!("{}.v", slot.name), v);
        }
        Ok(state)
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// [`Error::Moment`] if a tensor is missing or has another shape. Then nothing was changed.
    pub fn load_state(&mut self, step: u64, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let mut moments = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            let get = |suffix: &str| -> Result<Tensor> {
                let want = slot.var.dims();
                let name = format!("{}.{suffix}", slot.name);
                match state.get(&name) {
                    Some(tensor) if tensor.dims() == want => Ok(tensor.to_device(slot.var.device())?),
                    other => {
                        let got = other.map(|tensor| tensor.dims().to_vec());
                        Err(Error::Moment { name, got, want: want.to_vec() })
                    }
                }
            };
            moments.push(Moments::from_tensors(&get("m")?, &get("v")?)?);
        }
        self.slots.iter_mut().zip(moments).for_each(|(slot, moments)| slot.moments = moments);
        self.step = step;
        Ok(())
    }
}
