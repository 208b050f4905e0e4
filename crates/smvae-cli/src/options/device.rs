//! Where to compute, and in which number type.

use crate::progress::{detail, say};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use smvae::core::candle_core::{self, DType};
use smvae::encoders::device::{self, DeviceChoice};

/// Where to compute.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DeviceArgs {
    /// Where to compute: cpu, cuda (the first NVIDIA GPU), cuda:N, or auto.
    ///
    /// auto is a GPU if there is one.
    #[arg(long, value_name = "NAME", default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
    /// On a GPU, matrix products use TF32 (11 significant bits), which is several times faster;
    /// `--tf32 0` turns it off.
    #[arg(
        long,
        value_name = "0|1",
        default_value = "1",
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new(), hide_possible_values = true
    )]
    tf32: bool,
}

impl DeviceArgs {
    /// What was asked for.
    pub(crate) fn name(self) -> String {
        self.device.to_string()
    }

    /// These options, for another process of this program.
    pub(crate) fn to_args(self) -> [String; 4] {
        ["--device".to_owned(), self.device.to_string(), "--tf32".to_owned(), u8::from(self.tf32).to_string()]
    }

    /// Opens the device; for `auto`, says which one it is, and why it is not a GPU.
    pub(crate) fn open(self) -> anyhow::Result<candle_core::Device> {
        device::allow_tf32(self.tf32);
        if self.device != DeviceChoice::Auto {
            let device = device::open(self.device)?;
            detail(|| format!("computing on {}", device::describe(&device)));
            return Ok(device);
        }
        let (chosen, why) = device::best();
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        say(format!("computing on {}{why}", device::describe(&chosen)));
        Ok(chosen)
    }
}

/// What an encoder computes in.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum NumberType {
    #[default]
    F32,
    F16,
    Bf16,
}

impl NumberType {
    /// What candle calls it.
    pub(crate) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}
