//! First and second moments of all parameters, in the form that their device asks for, and from
//! and to what is saved.

use super::elsewhere;
use super::update::Slices;
use crate::Result;
use crate::nn::dispatch::is_at_hand;
use candle_core::{Device, Tensor, Var};

/// The moments of all parameters, in their order.
#[derive(Debug)]
pub(super) enum Moments {
    /// On the CPU.
    Slices(Vec<Slices>),
    /// Elsewhere.
    Tensors(Vec<elsewhere::Moments>),
}

impl Moments {
    /// Zeros.
    pub(super) fn zeros(vars: &[&Var]) -> Result<Self> {
        if are_at_hand(vars) {
            let zeros = |var: &&Var| Slices::new(vec![0.0; var.elem_count()], vec![0.0; var.elem_count()]);
            return Ok(Self::Slices(vars.iter().map(zeros).collect()));
        }
        let zeros = vars.iter().map(|var| Ok([var.zeros_like()?, var.zeros_like()?]));
        Ok(Self::Tensors(zeros.collect::<Result<_>>()?))
    }

    /// These tensors, m and v of each parameter, in its shape.
    pub(super) fn from_tensors(vars: &[&Var], tensors: &[[&Tensor; 2]]) -> Result<Self> {
        if are_at_hand(vars) {
            let values = |x: &Tensor| x.flatten_all()?.to_vec1();
            let slices = tensors.iter().map(|[m, v]| Ok(Slices::new(values(m)?, values(v)?)));
            return Ok(Self::Slices(slices.collect::<Result<_>>()?));
        }
        let copied = vars.iter().zip(tensors).map(|(var, [m, v])| {
            let device = var.device();
            Ok([copy_on(m, device)?, copy_on(v, device)?])
        });
        Ok(Self::Tensors(copied.collect::<Result<_>>()?))
    }

    /// The moments of each parameter as tensors of its shape, on the CPU: copies that no later step
    /// changes.
    pub(super) fn tensors(&self, vars: &[&Var]) -> Result<Vec<[Tensor; 2]>> {
        let on_cpu = |x: &Tensor| copy_on(x, &Device::Cpu);
        match self {
            Self::Tensors(all) => all.iter().map(|[m, v]| Ok([on_cpu(m)?, on_cpu(v)?])).collect(),
            Self::Slices(all) => vars.iter().zip(all).map(|(var, slices)| of_slices(var, slices)).collect(),
        }
    }
}

/// A copy on a device, also where the tensor is there already.
fn copy_on(x: &Tensor, device: &Device) -> Result<Tensor> {
    Ok(if x.device().same_device(device) { x.copy()? } else { x.to_device(device)? })
}

fn of_slices(var: &Var, slices: &Slices) -> Result<[Tensor; 2]> {
    let [m, v] = slices.values().map(|values| Tensor::from_slice(values, var.shape(), &Device::Cpu));
    Ok([m?, v?])
}

fn are_at_hand(vars: &[&Var]) -> bool {
    vars.iter().all(|var| is_at_hand(var.device()))
}
