//! What a frozen network is to the rest of the crate: pixels in, vectors out, on a device and in a
//! type of numbers. Knows no network.

use crate::Result;
use smvae_core::candle_core::{self, DType, Device, Tensor};

/// A frozen network that gives each image a vector.
pub trait VisionEncoder: std::fmt::Debug + Send + Sync {
    /// Width of an image's vector.
    fn width(&self) -> usize;

    /// `pixels: [batch, 3, h, w]`, f32 on the CPU, to one vector per image: `[batch, width]`, f32
    /// on the CPU. A batch of no images gives no vectors.
    ///
    /// # Errors
    /// Images of another shape, or of a size that the network cannot take; those of candle.
    fn forward(&self, pixels: &Tensor) -> Result<Tensor>;

    /// The same images as a grid of vectors, `[batch, width, h', w']` (7 x 7 for a ResNet at 224
    /// pixels): what [`VisionEncoder::forward`] takes the mean of, or what lies beside its class
    /// token.
    ///
    /// # Errors
    /// As [`VisionEncoder::forward`].
    fn grid(&self, pixels: &Tensor) -> Result<Tensor>;
}

/// Images, height and width of `pixels: [batch, 3, h, w]`.
///
/// # Errors
/// Pixels of another shape, and images of no pixels.
pub(super) fn images_of(pixels: &Tensor) -> candle_core::Result<[usize; 3]> {
    match pixels.dims() {
        &[batch, 3, h, w] if h > 0 && w > 0 => Ok([batch, h, w]),
        other => candle_core::bail!("images of the shape {other:?}, where [batch, 3, h, w] with pixels was expected"),
    }
}

/// Where a frozen network computes, and in which numbers.
#[derive(Clone, Debug)]
pub struct Compute {
    /// Where.
    pub device: Device,
    /// f32, or f16 or bf16 on a GPU.
    pub dtype: DType,
}

impl Default for Compute {
    fn default() -> Self {
        Self { device: Device::Cpu, dtype: DType::F32 }
    }
}

impl Compute {
    /// Checks that the device computes in these numbers.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for anything but f32 on the CPU, and f32, f16 and bf16 elsewhere.
    pub fn validate(&self) -> Result<()> {
        let half = matches!(self.dtype, DType::F16 | DType::BF16);
        if self.dtype == DType::F32 || half && !self.on_host() {
            return Ok(());
        }
        let want = "f32, or f16 or bf16 on a GPU".to_owned();
        Err(crate::Error::Config { field: "dtype", want, got: self.dtype.as_str().to_owned() })
    }

    pub(super) fn on_host(&self) -> bool {
        matches!(self.device, Device::Cpu)
    }

    /// A tensor of the CPU where the network computes.
    pub(super) fn input(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        x.to_device(&self.device)?.to_dtype(if self.on_host() { DType::F32 } else { self.dtype })
    }

    /// A tensor of the network as f32 on the CPU.
    pub(super) fn output(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        x.to_dtype(DType::F32)?.to_device(&Device::Cpu)
    }
}
