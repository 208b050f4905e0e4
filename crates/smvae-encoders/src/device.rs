//! Where tensors are: the choice of a device by name, and what stands in the way of CUDA.
//!
//! A device that was asked for is used, or there is an error; another one is never used silently.
//! Only [`DeviceChoice::Auto`] may end on the CPU, and [`best`] says why it does.

pub use crate::error::NoCuda;

use crate::{Error, Result};
use smvae_core::candle_core::{self, Device, DeviceLocation};
use std::fmt;
use std::str::FromStr;

/// A device by name: `cpu`, `cuda`, `cuda:N`, `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The processor.
    #[default]
    Cpu,
    /// The NVIDIA GPU of this number, from 0.
    Cuda(usize),
    /// The first GPU, or the processor if there is none that can be used.
    Auto,
}

/// Opens a device.
///
/// # Errors
/// [`Error::Device`] with what stands in the way; never for [`DeviceChoice::Cpu`] and
/// [`DeviceChoice::Auto`].
pub fn open(choice: DeviceChoice) -> Result<Device> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto => Ok(best().0),
        DeviceChoice::Cuda(number) => cuda(number).map_err(|why| Error::Device { device: choice.to_string(), why }),
    }
}

/// The first GPU, or the processor and why it is not a GPU.
pub fn best() -> (Device, Option<NoCuda>) {
    match cuda(0) {
        Ok(device) => (device, None),
        Err(why) => (Device::Cpu, Some(why)),
    }
}

/// Whether products on CUDA devices of this process may round what they multiply to TF32, 11
/// significant bits. They may not unless this function allows it; without the feature `cuda` it
/// changes nothing.
pub fn allow_tf32(allowed: bool) {
    candle_core::cuda::set_gemm_reduced_precision_f32(allowed);
}

/// Whether layers of this process may multiply in bf16, 8 significant bits, as
/// [`smvae_core::nn::precision::allow_bf16`] says. They may not unless this function allows it.
pub fn allow_bf16(allowed: bool) {
    smvae_core::nn::precision::allow_bf16(allowed);
}

/// What [`describe`] adds to the name of a device that computes in TF32.
const TF32: &str = ", tf32";

/// What it adds after that where layers multiply in bf16.
const BF16: &str = ", bf16";

/// The name of a device, `cpu` or `cuda:N`, and what it multiplies in: as a run records it.
pub fn describe(device: &Device) -> String {
    let tf32 = device.is_cuda() && candle_core::cuda::gemm_reduced_precision_f32();
    let bf16 = smvae_core::nn::precision::bf16_is_allowed();
    format!("{}{}{}", name(device), if tf32 { TF32 } else { "" }, if bf16 { BF16 } else { "" })
}

/// A device, read from what [`describe`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described<'a> {
    /// `cpu` or `cuda:N`.
    pub name: &'a str,
    /// Whether products are in TF32.
    pub tf32: bool,
    /// Whether those of layers are in bf16.
    pub bf16: bool,
}

/// The name of a device and what it multiplies in, read from what [`describe`] returned.
pub fn described(description: &str) -> Described<'_> {
    let (rest, bf16) = without(description, BF16);
    let (name, tf32) = without(rest, TF32);
    Described { name, tf32, bf16 }
}

/// A text without a suffix, and whether it had it.
fn without<'a>(text: &'a str, suffix: &str) -> (&'a str, bool) {
    text.strip_suffix(suffix).map_or((text, false), |text| (text, true))
}

/// The name of a device, `cpu` or `cuda:N`.
pub fn name(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "cpu".to_owned(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<Device, NoCuda> {
    Err(NoCuda::Feature)
}

#[cfg(feature = "cuda")]
fn cuda(number: usize) -> Result<Device, NoCuda> {
    use candle_core::cuda_backend::cudarc::driver::{result, sys::CUresult};
    match result::init() {
        Err(e) if e.0 == CUresult::CUDA_ERROR_NO_DEVICE => return Err(NoCuda::Device { count: 0 }),
        Err(e) => return Err(NoCuda::Driver { why: format!("{:?}", e.0) }),
        Ok(()) => {}
    }
    let count = result::device::get_count().map_err(|e| NoCuda::Driver { why: format!("{:?}", e.0) })?;
    if number as i64 >= i64::from(count) {
        return Err(NoCuda::Device { count: count as usize });
    }
    smvae_core::cuda::open(number).map_err(|e| NoCuda::Unusable { why: e.to_string() })
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| text.parse().map(Self::Cuda).ok();
        let choice = match text {
            "cpu" => Some(Self::Cpu),
            "auto" => Some(Self::Auto),
            "cuda" => Some(Self::Cuda(0)),
            _ => text.strip_prefix("cuda:").and_then(number),
        };
        choice.ok_or_else(|| Error::DeviceName { got: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_keeps_is_read_again() {
        let check = |kept: &str, want: DeviceChoice, tf32: bool, bf16: bool| {
            let found = described(kept);
            assert_eq!((found.tf32, found.bf16), (tf32, bf16), "{kept}");
            assert_eq!(found.name.parse::<DeviceChoice>().expect("a name"), want, "{kept}");
        };
        check(&describe(&Device::Cpu), DeviceChoice::Cpu, false, false);
        check("cuda:1", DeviceChoice::Cuda(1), false, false);
        check("cuda:1, tf32", DeviceChoice::Cuda(1), true, false);
        check("cpu, bf16", DeviceChoice::Cpu, false, true);
        check("cuda:1, bf16", DeviceChoice::Cuda(1), false, true);
        check("cuda:1, tf32, bf16", DeviceChoice::Cuda(1), true, true);
    }

    #[test]
    fn names_are_read_and_written() {
        let check = |text: &str, want: Option<DeviceChoice>| assert_eq!(text.parse().ok(), want, "{text}");
        check("cpu", Some(DeviceChoice::Cpu));
        check("auto", Some(DeviceChoice::Auto));
        check("cuda", Some(DeviceChoice::Cuda(0)));
        check("cuda:3", Some(DeviceChoice::Cuda(3)));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            check(wrong, None);
        }
        assert_eq!(DeviceChoice::Cuda(3).to_string(), "cuda:3");
    }

    #[test]
    fn the_processor_is_always_there() {
        assert_eq!(name(&open(DeviceChoice::Cpu).expect("a processor")), "cpu");
        let (device, why) = best();
        assert_eq!(device.is_cpu(), why.is_some(), "only what stands in the way leads to the processor");
        assert_eq!(name(&open(DeviceChoice::Auto).expect("never an error")), name(&device));
    }

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_that_says_why() {
        let Err(Error::Device { device, why }) = open(DeviceChoice::Cuda(99)) else { panic!("there are no 100 GPUs") };
        assert_eq!(device, "cuda:99");
        assert_eq!(matches!(why, NoCuda::Feature), cfg!(not(feature = "cuda")), "{why}");
    }
}
