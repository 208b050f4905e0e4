//! `smvae features`: vectors of a folder of images.

use crate::interrupt;
use crate::options::{DeviceArgs, NumberType, by_name};
use crate::output::print_json;
use crate::progress::say;
use crate::vectors::{open, tell, with_progress};
use clap::Args;
use smvae::data::Precision;
use smvae::encoders::vision::{self, DecodeLimits, Preprocessing};
use smvae::features::{FeatureSettings, VisionSource, extract};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct FeaturesArgs {
    /// The folder of images; folders inside it are skipped, unless --by-path takes them in.
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// A frozen vision model: a folder with a ResNet, ViT or CLIP of transformers or timm, a model
    /// of the Hugging Face hub such as microsoft/resnet-50, or a weights file of torchvision.
    #[arg(long, value_name = "MODEL")]
    vision: String,
    /// The file to write: safetensors, one tensor per image id.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it is there already.
    #[arg(long)]
    overwrite: bool,
    /// Preprocess images as this preset says, instead of as the model's files say.
    #[arg(long, value_name = "NAME", value_parser = vision::PRESETS)]
    preprocessing: Option<String>,
    /// Number type of the file.
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = by_name::<Precision>)]
    precision: Precision,
    /// Images that go through the network at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    /// The most pixels an image may have; larger ones are left out before they are decoded.
    #[arg(long, value_name = "N", default_value_t = DecodeLimits::default().pixels)]
    max_pixels: u64,
    /// The most bytes a file may have.
    #[arg(long, value_name = "N", default_value_t = DecodeLimits::default().bytes)]
    max_bytes: u64,
    /// Also read files whose extension does not match their content.
    #[arg(long)]
    any_extension: bool,
    /// Take images of folders inside the folder too; the id of an image is then its path in the
    /// folder, with its extension, as posts may name it.
    #[arg(long)]
    by_path: bool,
    /// Print the counts and the files that were left out as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
    /// Number type the network computes in; f16 and bf16, on a GPU, are faster.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    dtype: NumberType,
}

pub(crate) fn run(args: &FeaturesArgs) -> anyhow::Result<()> {
    let preprocessing = args.preprocessing.as_deref().map(Preprocessing::preset).transpose()?;
    interrupt::catch()?;
    let mut source = VisionSource::named(args.vision.as_str());
    source.preprocessing = preprocessing;
    let model = open(&source, args.device, args.dtype)?;
    let mut settings = FeatureSettings::default();
    (settings.batch, settings.precision) = (args.batch as usize, args.precision);
    (settings.limits.bytes, settings.limits.pixels) = (args.max_bytes, args.max_pixels);
    (settings.any_extension, settings.overwrite) = (args.any_extension, args.overwrite);
    settings.by_path = args.by_path;
    let summary = with_progress(|on_progress| extract(&args.images, &model, &args.out, &settings, on_progress))?;
    if args.json {
        print_json(&summary)?;
    }
    tell(&summary, args.json);
    if summary.stopped {
        say("stopped: run the same command again to continue");
    } else {
        say(format!("next: smvae train --image-features {} ...", args.out.display()));
    }
    interrupt::end(summary.stopped)
}
