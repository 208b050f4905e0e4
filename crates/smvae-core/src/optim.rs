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
mod elsewhere;
mod kernels;
mod moments;
#[cfg(test)]
mod tests;
mod update;

pub use config::{AdamConfig, AdamForm};

use crate::nn::Gradients;
use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use elsewhere::Parameter;
use moments::Moments;
use std::collections::BTreeMap;
use update::{SlotGradient, Update, sum_of_squares};

/// The optimizer of a set of parameters.
#[derive(Debug)]
pub struct Adam {
    slots: Vec<Slot>,
    moments: Moments,
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
}

/// The global norm of a step's gradients before clipping.
#[derive(Clone, Debug)]
pub(crate) enum Norm {
    /// A number.
    Read(f64),
    /// A scalar of f64, on the device. If it is not finite, the step has changed nothing.
    Unread(Tensor),
}

impl Adam {
    /// An optimizer of `parameters`, in this order; `group` tells the group of a parameter by its
    /// name, whose learning rate [`Adam::step`] is given.
    ///
    /// # Errors
    /// A setting out of range; a parameter that is not f32; parameters on several devices.
    pub fn new(parameters: Vec<(String, Var)>, group: impl Fn(&str) -> usize, config: AdamConfig) -> Result<Self> {
        config.validate()?;
        if let Some((name, var)) = parameters.iter().find(|(_, var)| var.dtype() != candle_core::DType::F32) {
            let got = format!("{:?} for {name}", var.dtype());
            return Err(Error::setting("number type", "f32 to be trained", got));
        }
        let is_apart = |var: &Var| !var.device().same_device(parameters[0].1.device());
        if let Some((name, _)) = parameters.iter().find(|(_, var)| is_apart(var)) {
            return Err(Error::setting("device", "the same for all parameters", format!("another one for {name}")));
        }
        let vars: Vec<&Var> = parameters.iter().map(|(_, var)| var).collect();
        let moments = Moments::zeros(&vars)?;
        let slots = parameters.into_iter().map(|(name, var)| Slot { group: group(&name), name, var });
        Ok(Self { slots: slots.collect(), moments, config, step: 0, gradients: Gradients::default() })
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
        let norm = self.minimise_if(loss, None, rates)?;
        self.read(&norm)
    }

    /// [`Adam::minimise`] without waiting for the device. Elsewhere than on the CPU, the step is
    /// counted even if its norm is not finite or `may`, a scalar of u8, is 0, so that nothing is
    /// changed.
    pub(crate) fn minimise_if(&mut self, loss: &Tensor, may: Option<&Tensor>, rates: &[f64]) -> Result<Norm> {
        self.gradients.backward(loss)?;
        let gradients = std::mem::take(&mut self.gradients);
        let norm = self.update(|var| SlotGradient::of(&gradients, var), may, rates);
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
        let norm = self.update(|var| grads.get(var).map(SlotGradient::Tensor), None, rates)?;
        self.read(&norm)
    }

    /// The norm of the last step as a number. A step that has changed nothing is not counted.
    fn read(&mut self, norm: &Norm) -> Result<f64> {
        let norm = match norm {
            Norm::Read(norm) => return Ok(*norm),
            Norm::Unread(norm) => norm.to_scalar::<f64>()?,
        };
        let checked = expect_finite(norm, self.step);
        self.step -= u64::from(checked.is_err());
        checked
    }

    fn update<'g>(
        &mut self,
        gradient: impl Fn(&Var) -> Option<SlotGradient<'g>>,
        may: Option<&Tensor>,
        rates: &[f64],
    ) -> Result<Norm> {
        let groups = self.slots.iter().map(|s| s.group + 1).max().unwrap_or(0);
        if rates.len() < groups {
            return Err(Error::Length { op: "Adam::step", what: "learning rates", got: rates.len(), want: groups });
        }
        if let Some(rate) = rates.iter().find(|rate| !(rate.is_finite() && **rate >= 0.0)) {
            return Err(Error::setting("learning rate", "a finite number, at least 0", rate));
        }
        let Self { slots, moments, config, step, .. } = self;
        let next = *step + 1;
        let constants = |slot: &Slot| Update::new(config, rates[slot.group], next, slot.var.rank());
        let norm = match moments {
            Moments::Slices(moments) => {
                let norm = sum_of_squares(slots.iter().filter_map(|slot| gradient(&slot.var)))?.sqrt();
                expect_finite(norm, next)?;
                let clip = config.clip_norm.map_or(1.0, |max| (max / (norm + 1e-6)).min(1.0));
                for (slot, moments) in slots.iter().zip(moments) {
                    if let Some(grad) = gradient(&slot.var) {
                        moments.update(&slot.var, grad, clip, constants(slot))?;
                    }
                }
                Norm::Read(norm)
            }
            Moments::Tensors(moments) => {
                let mut parameters = Vec::with_capacity(slots.len());
                for (slot, moments) in slots.iter().zip(moments) {
                    if let Some(found) = gradient(&slot.var) {
                        let (var, gradient, update) = (&slot.var, found.tensor()?, constants(slot));
                        parameters.push(Parameter { var, gradient, moments, update });
                    }
                }
                let update = if kernels::fit(&parameters) { kernels::update } else { elsewhere::update };
                update(parameters, config.clip_norm, may)?.map_or(Norm::Read(0.0), Norm::Unread)
            }
        };
        *step = next;
        Ok(norm)
    }

    /// The moments as tensors, `{name}.m` and `{name}.v`; with [`Adam::steps`] all there is to
    /// save.
    ///
    /// # Errors
    /// [`Error::Candle`] if a tensor cannot be copied.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let moments = self.moments.tensors(&self.vars())?;
        let named =
            |(slot, [m, v]): (&Slot, [Tensor; 2])| [(format!("{}.m", slot.name), m), (format!("{}.v", slot.name), v)];
        Ok(self.slots.iter().zip(moments).flat_map(named).collect())
    }

    /// Continues from a saved state.
    ///
    /// # Errors
    /// [`Error::Moment`] if a tensor is missing or has another shape. Then nothing was changed.
    pub fn load_state(&mut self, step: u64, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let get = |slot: &Slot, suffix: &str| {
            let (name, want) = (format!("{}.{suffix}", slot.name), slot.var.dims());
            match state.get(&name) {
                Some(tensor) if tensor.dims() == want => Ok(tensor),
                other => {
                    let got = other.map(|tensor| tensor.dims().to_vec());
                    Err(Error::Moment { name, got, want: want.to_vec() })
                }
            }
        };
        let moments = self.slots.iter().map(|slot| Ok([get(slot, "m")?, get(slot, "v")?]));
        self.moments = Moments::from_tensors(&self.vars(), &moments.collect::<Result<Vec<_>>>()?)?;
        self.step = step;
        Ok(())
    }

    fn vars(&self) -> Vec<&Var> {
        self.slots.iter().map(|slot| &slot.var).collect()
    }
}

/// The norm of a step's gradients, if it is finite.
pub(crate) fn expect_finite(norm: f64, step: u64) -> Result<f64> {
    if norm.is_finite() {
        return Ok(norm);
    }
    Err(Error::NotFinite { what: "the norm of the gradients", got: norm, step })
}
