//! How a run folder is loaded: where its model computes, in which numbers, and what is checked.

use crate::inference::settings::PredictionSettings;
use smvae_core::candle_core::{DType, Device};
use smvae_core::nn::{Precision, Unit};
use smvae_data::words::WordConvention;

/// How a run folder is loaded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Where tensors lie.
    pub device: Device,
    /// The number type of the text encoder: f32, or on a GPU also f16 or bf16, which take half the
    /// memory.
    pub dtype: DType,
    /// In which numbers the large products are computed: those of the text encoder, the LSTMs and
    /// the span layer. Default: f32, the bits of training's evaluation. In int8 their weights take
    /// a quarter of the memory, in bf16 half, and on a CPU with a unit for it they take much less
    /// time.
    pub precision: Precision,
    /// The last unit that may multiply int8 and bf16. Default: the last of this CPU.
    pub unit: Unit,
    /// How text is split into words. `None` splits as the corpus of the run was split.
    pub words: Option<WordConvention>,
    /// How posts are read and what is told of them.
    pub prediction: PredictionSettings,
    /// Whether files are compared with the digests that training left; their sizes always are. It
    /// takes about a second for a gigabyte, most of it while the weights are read.
    pub verify: bool,
}

impl Default for LoadOptions {
    /// On the CPU, in f32, with digests compared.
    fn default() -> Self {
        let prediction = PredictionSettings::default();
        let (precision, unit) = (Precision::F32, Unit::best());
        Self { device: Device::Cpu, dtype: DType::F32, precision, unit, words: None, prediction, verify: true }
    }
}

impl LoadOptions {
    /// On a device, in f32.
    pub fn on(device: Device) -> Self {
        Self { device, ..Self::default() }
    }

    /// The same with the text encoder in another number type.
    pub fn with_dtype(self, dtype: DType) -> Self {
        Self { dtype, ..self }
    }

    /// The same with products in other numbers.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same with int8 and bf16 multiplied by this unit or one before it, to see what a
    /// machine without the later ones does.
    pub fn with_unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// The same with text split into words by another convention.
    pub fn with_words(self, words: WordConvention) -> Self {
        Self { words: Some(words), ..self }
    }

    /// The same with posts read and told by other settings.
    pub fn with_prediction(self, prediction: PredictionSettings) -> Self {
        Self { prediction, ..self }
    }

    /// The same with digests compared, or only sizes.
    pub fn verifying(self, verify: bool) -> Self {
        Self { verify, ..self }
    }
}
