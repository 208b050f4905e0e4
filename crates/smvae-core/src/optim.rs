//! Adam with decoupled weight decay, in two forms, with clipping, parameter groups and a state that
//! can be saved.
//!
//! ```text
//! m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   w = w - lr decay w, then
//! PyTorch:  w -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
//! Keras:    w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)
//! ```
//! The first is that of Loshchilov & Hutter (2019); in the second eps is not corrected, so that it
//! is larger at first.
//!
//! Parameters without a gradient are left as they are.

mod config;
mod update;

pub use config::{AdamConfig, AdamForm};

use crate::nn::Gradients;
use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use std::collections::BTreeMap;
use update::{Moments, SlotGradient, Update, sum_of_squares};

/// The optimizer of a set of parameters.
#[derive(Debug)]
pub struct Adam {
    slots: Vec<Slot>,
    config: AdamConfig,
    step: u64,
    /// Kept so that its memory is reused.
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
    /// An optimizer of `parameters`, in this order; `group` tells the group of a parameter by its
    /// name, whose learning rate [`Adam::step`] is given.
    ///
    /// # Errors
    /// A setting out of range; a parameter that is not f32.
    pub fn new(parameters: Vec<(String, Var)>, group: impl Fn(&str) -> usize, config: AdamConfig) -> Result<Self> {
        config.validate()?;
        let slots = parameters.into_iter().map(|(name, var)| {
            if var.dtype() != candle_core::DType::F32 {
                let got = format!("{:?} for {name}", var.dtype());
                return Err(Error::setting("number type", "f32 to be trained", got));
            }
            Ok(Slot { group: group(&name), name, moments: Moments::new(&var)?, var })
        });
        Ok(Self { slots: slots.collect::<Result<_>>()?, config, step: 0, gradients: Gradients::default() })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Goes back from a scalar loss and updates every parameter it depends on, and no other;
    /// `rates` are the learning rates of the groups. Returns the global norm of the gradients
    /// before clipping. Quicker than [`Adam::step`], since gradients are written into memory that
    /// is kept from step to step ([`Gradients`]).
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

    /// Updates every parameter that has a gradient in candle's store; `rates` are the learning
    /// rates of the groups. Returns the global norm of the gradients before clipping.
    ///
    /// # Errors
    /// [`Error::Length`] if a group has no rate, [`Error::Setting`] for a rate that is negative or
    /// not finite; [`Error::NotFinite`] if the norm is not finite. Then nothing was changed.
    pub fn step(&mut self, grads: &GradStore, rates: &[f64]) -> Result<f64> {
        self.update(|var| grads.get(var).map(SlotGradient::Tensor), rates)
    }

    fn update<'g>(&mut self, gradient: impl Fn(&Var) -> Option<SlotGradient<'g>>, rates: &[f64]) -> Result<f64> {
        let groups = self.slots.iter().map(|s| s.group + 1).max().unwrap_or(0);
        if rates.len() < groups {
            return Err(Error::Length { op: "Adam::step", what: "learning rates", got: rates.len(), want: groups });
        }
        if let Some(rate) = rates.iter().find(|rate| !(rate.is_finite() && **rate >= 0.0)) {
            return Err(Error::setting("learning rate", "a finite number, at least 0", rate));
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

    /// The moments as tensors, `{name}.m` and `{name}.v`; with [`Adam::steps`] all there is to
    /// save.
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

    /// Continues from a saved state.
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
