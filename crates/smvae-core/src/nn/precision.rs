//! In which numbers the large products of a model that predicts are computed, and by which unit of
//! the CPU; and whether training multiplies in bf16.

use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
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
    /// bf16, on any CPU; where it has no unit for it, this is slower than f32.
    Bf16,
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
    /// bf16, by this unit.
    Bf16(Unit),
    /// int8, by this unit.
    Int8(Unit),
}

/// What multiplies numbers of fewer bits than f32, the later the newer. Every unit gives the same
/// bits in int8. In bf16 AMX and plain code do, but for numbers below 2^-126; AVX-512's instruction
/// adds in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unit {
    /// What every CPU has.
    Portable,
    /// AVX-512 VNNI, on x86-64, for int8: several times as fast as f32.
    Vnni,
    /// AVX-512 BF16, on x86-64, for bf16, and VNNI for int8. On AMD's CPUs it is faster than f32.
    Avx512Bf16,
    /// AMX, on x86-64 with Linux, for int8 and bf16. Where a CPU lacks a unit, the last one before
    /// it takes its place.
    Amx,
}

/// Whether linear layers in f32 of this process, and LSTMs on the CPU, may round what they
/// multiply, and on a GPU each product, to bf16, 8 significant bits. They may not unless this
/// function allows it. Sums, weights, and everything that is no product of a layer's weight, stay
/// f32.
pub fn allow_bf16(allowed: bool) {
    BF16.store(allowed, Ordering::Relaxed);
}

/// Whether [`allow_bf16`] has allowed it.
pub fn bf16_is_allowed() -> bool {
    BF16.load(Ordering::Relaxed)
}

static BF16: AtomicBool = AtomicBool::new(false);

impl Unit {
    /// The last that this CPU has.
    pub fn best() -> Self {
        Self::Amx.or_before()
    }

    /// This one if this CPU has it, else the last one before it that it has.
    pub fn or_before(self) -> Self {
        let all = [Self::Amx, Self::Avx512Bf16, Self::Vnni];
        all.into_iter().find(|unit| *unit <= self && unit.is_there()).unwrap_or(Self::Portable)
    }

    fn is_there(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Vnni => super::matrix::has_vnni(),
            Self::Avx512Bf16 => super::matrix::has_avx512_bf16(),
            Self::Amx => super::matrix::has_amx(),
        }
    }

    /// What multiplies int8 on this CPU where no later unit than this may.
    pub fn for_int8(self) -> Self {
        match self.or_before() {
            Self::Avx512Bf16 => Self::Vnni.or_before(),
            unit => unit,
        }
    }

    /// What multiplies bf16 on this CPU where no later unit than this may.
    pub fn for_bf16(self) -> Self {
        match self.or_before() {
            Self::Vnni => Self::Portable,
            unit => unit,
        }
    }
}

impl Precision {
    /// What products are computed in on a device, by `unit` or one before it.
    ///
    /// # Errors
    /// [`Error::Setting`] for int8 and bf16 on a GPU, for which there is no kernel.
    pub fn form(self, device: &Device, unit: Unit) -> Result<Form> {
        let (int8, bf16) = (Form::Int8(unit.for_int8()), Form::Bf16(unit.for_bf16()));
        match self {
            Self::Int8 | Self::Bf16 if !device.is_cpu() => {
                let expected = "f32 or auto on a GPU: int8 and bf16 products of a model that predicts are for the CPU";
                Err(Error::setting("precision", expected, self))
            }
            Self::Bf16 => Ok(bf16),
            Self::Int8 => Ok(int8),
            Self::Auto if device.is_cpu() && int8.is_fast() => Ok(int8),
            Self::F32 | Self::Auto => Ok(Form::F32),
        }
    }
}

impl Form {
    /// Whether layers that only predict keep a weight `[out, in]` in another arrangement for this
    /// form. In f32 that is so on a CPU with AVX-512, and no bit of an answer depends on it.
    pub fn rearranges(self, weight: &Tensor) -> bool {
        match (self, weight.dims()) {
            (Self::F32, &[n, k]) => {
                weight.device().is_cpu() && weight.dtype() == DType::F32 && super::matrix::has_panels_for(k, n)
            }
            (Self::F32, _) => false,
            _ => true,
        }
    }

    /// Whether it is no slower than f32: by measurements of models (`benches/RESULTS.md`), and for
    /// AMX by those of a loop of nothing else.
    pub fn is_fast(self) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16(Unit::Avx512Bf16) => super::matrix::avx512_bf16_is_fast(),
            Self::Bf16(unit) => unit == Unit::Amx,
            Self::Int8(unit) => unit != Unit::Portable,
        }
    }

    /// `f32`, `bf16` or `int8`, whatever unit multiplies.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16(_) => "bf16",
            Self::Int8(_) => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
            Self::Auto => "auto",
        })
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str(self.name()),
            Self::Bf16(unit) | Self::Int8(unit) => write!(f, "{} ({unit})", self.name()),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Vnni => "AVX-512 VNNI",
            Self::Avx512Bf16 => "AVX-512 BF16",
            Self::Amx => "AMX",
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
        assert_eq!(form(Precision::Bf16, Unit::Vnni)?, Form::Bf16(Unit::Portable));
        assert_eq!(form(Precision::Bf16, Unit::Amx)?, Form::Bf16(Unit::best().for_bf16()));
        let int8 = Form::Int8(Unit::best().for_int8());
        assert_eq!(form(Precision::Int8, Unit::Amx)?, int8, "no unit that is not there");
        assert_eq!(form(Precision::Auto, Unit::best())?, if int8.is_fast() { int8 } else { Form::F32 });
        Ok(())
    }
}
