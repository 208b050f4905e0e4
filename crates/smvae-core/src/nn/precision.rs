//! In which numbers the large products of a model that predicts are computed, and by which unit of
//! the CPU; and whether training on a GPU multiplies in bf16.

use crate::{Error, Result};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// f32, in which models are trained.
    #[default]
    F32,
    /// int8, on any CPU; where it has no unit for it, this is slower than f32.
    Int8,
    /// int8 on a CPU that has a unit for it, else f32.
    Auto,
}

/// What products are computed in on some machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// f32, or on a GPU the number type of the weights.
    F32,
    /// int8, by this unit.
    Int8(Unit),
}

/// What multiplies int8. Every unit gives the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unit {
    /// Integers of the CPU, whatever it has.
    Portable,
    /// AVX-512 VNNI, on x86-64: several times as fast as f32. On a CPU without it, this is
    /// [`Unit::Portable`].
    Vnni,
}

/// Whether linear layers in f32 on CUDA devices of this process may round what they multiply, and
/// each product, to bf16, 8 significant bits. They may not unless this function allows it. Sums,
/// weights, and everything that is no product of a linear layer, stay f32;
/// the CPU has no such form.
pub fn allow_bf16(allowed: bool) {
    BF16.store(allowed, Ordering::Relaxed);
}

/// Whether [`allow_bf16`] has allowed it.
pub fn bf16_is_allowed() -> bool {
    BF16.load(Ordering::Relaxed)
}

static BF16: AtomicBool = AtomicBool::new(false);

impl Unit {
    /// The fastest that this CPU has.
    pub fn best() -> Self {
        if super::matrix::has_vnni() { Self::Vnni } else { Self::Portable }
    }

    /// Whether int8 on it is faster than f32.
    pub fn is_fast(self) -> bool {
        self != Self::Portable
    }
}

impl Precision {
    /// What products are computed in on a device, where int8 is multiplied by `unit`.
    ///
    /// # Errors
    /// [`Error::Setting`] for int8 on a GPU, for which there is no kernel.
    pub fn form(self, device: &Device, unit: Unit) -> Result<Form> {
        let unit = if unit == Unit::Vnni { Unit::best() } else { unit };
        match self {
            Self::Int8 if !device.is_cpu() => {
                Err(Error::setting("precision", "f32 or auto on a GPU: int8 is for the CPU", self))
            }
            Self::Int8 => Ok(Form::Int8(unit)),
            Self::Auto if device.is_cpu() && unit.is_fast() => Ok(Form::Int8(unit)),
            Self::F32 | Self::Auto => Ok(Form::F32),
        }
    }
}

impl Form {
    /// `f32` or `int8`: what numbers depend on, whatever unit multiplies them.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8(_) => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
            Self::Auto => "auto",
        })
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str(self.name()),
            Self::Int8(unit) => write!(f, "{} ({unit})", self.name()),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Vnni => "AVX-512 VNNI",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_int8_where_it_is_fast() -> Result<()> {
        let form = |precision: Precision, unit| precision.form(&Device::Cpu, unit);
        assert_eq!(form(Precision::F32, Unit::best())?, Form::F32);
        assert_eq!(form(Precision::Auto, Unit::Portable)?, Form::F32);
        assert_eq!(form(Precision::Int8, Unit::Portable)?, Form::Int8(Unit::Portable));
        let best = Unit::best();
        assert_eq!(form(Precision::Auto, best)?, if best.is_fast() { Form::Int8(best) } else { Form::F32 });
        Ok(())
    }
}
