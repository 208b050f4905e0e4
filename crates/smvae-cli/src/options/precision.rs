//! In which numbers a trained model multiplies.

use super::device::NumberType;
use crate::options::by_name;
use crate::progress::{detail, say};
use clap::Args;
use smvae::core::nn::{Form, Precision, Unit};
use smvae::{LoadOptions, Predictor};

/// In which numbers a trained model computes.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PrecisionArgs {
    /// Number type of the text encoder; f16 and bf16, on a GPU, take half the memory.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    dtype: NumberType,
    /// What large products are computed in on the CPU: f32, bf16, int8 or auto.
    ///
    /// auto is int8 on a CPU that has a unit for it. In int8 the weights take a quarter of the
    /// memory, in bf16 half, and almost the same entities are found (docs/precision.md).
    #[arg(long, value_name = "NAME", default_value_t = Precision::F32, value_parser = by_name::<Precision>)]
    precision: Precision,
    /// The last unit that may multiply bf16 and int8, of portable, vnni, avx512bf16 and amx, to see
    /// what other CPUs do.
    #[arg(long, hide = true, value_name = "NAME", value_parser = by_name::<Unit>)]
    cpu_unit: Option<Unit>,
}

impl PrecisionArgs {
    /// Options of loading with these.
    pub(crate) fn options(self) -> LoadOptions {
        let options = LoadOptions::default().with_dtype(self.dtype.dtype()).with_precision(self.precision);
        self.cpu_unit.map_or(options.clone(), |unit| options.with_unit(unit))
    }

    /// What the answers of a model depend on of these.
    pub(crate) fn origin(self, model: &Predictor) -> String {
        let form = match model.form() {
            // The one unit whose last bits are its own.
            form @ Form::Bf16(Unit::Avx512Bf16) => form.to_string(),
            form => form.name().to_owned(),
        };
        format!("{} for the text encoder, {form} for products", self.dtype.dtype().as_str())
    }

    /// Says what a model computes in, where it was not plainly asked for.
    pub(crate) fn tell(self, model: &Predictor) {
        detail(|| format!("the text encoder is in {}, products are in {}", self.dtype.dtype().as_str(), model.form()));
        match (self.precision, model.form()) {
            (Precision::F32, _) => {}
            (_, form) if !form.is_fast() => {
                say(format!("computing in {form}, which is slower than f32 on this CPU (docs/precision.md)"));
            }
            (_, form) => say(format!("computing in {form}")),
        }
    }
}
