//! `smvae features`: vectors of a folder of images, and the same for commands that are given a folder.

use crate::failure::Usage;
use crate::interrupt;
use crate::options::{DeviceArgs, NumberType, VisionArgs};
use crate::output::print_json;
use crate::progress::{Progress, say};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use smvae::Flow;
use smvae::data::{ImageVectors, Precision};
use smvae::encoders::vision::{self, Compute, DecodeLimits, Preprocessing, VisionIdentity, VisionModel};
use smvae::features::{
    FeatureProgress, FeatureSettings, FeatureSummary, VisionSource, cached_features, features, open_vision,
};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct FeaturesArgs {
    /// The folder of images; folders in it are passed over.
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// A frozen vision model: a folder with a ResNet, ViT or CLIP of transformers or timm, one of the Hugging Face hub such
    /// as microsoft/resnet-50, or a weights file of torchvision's.
    #[arg(long, value_name = "MODEL")]
    vision: String,
    /// The file to write: safetensors, a tensor an image id.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it is there already.
    #[arg(long)]
    overwrite: bool,
    /// Prepare images as this says, instead of as the model's files do.
    #[arg(long, value_name = "NAME", value_parser = vision::PRESETS)]
    preprocessing: Option<String>,
    /// The numbers of the file.
    #[arg(long, value_name = "f32|f16", default_value = "f32")]
    precision: PrecisionArg,
    /// Images that go through the network at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    /// The most pixels of an image; larger ones are left out before they are decoded.
    #[arg(long, value_name = "N", default_value_t = DecodeLimits::default().pixels)]
    max_pixels: u64,
    /// The most bytes of a file.
    #[arg(long, value_name = "N", default_value_t = DecodeLimits::default().bytes)]
    max_bytes: u64,
    /// Read files whose extension says something else than their content.
    #[arg(long)]
    any_extension: bool,
    /// Print the counts and the files that were left out as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
    /// What the network computes in; f16 and bf16, on a GPU, are quicker.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    dtype: NumberType,
}

/// [`Precision`] as an option.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PrecisionArg {
    F32,
    F16,
}

impl From<PrecisionArg> for Precision {
    fn from(precision: PrecisionArg) -> Self {
        match precision {
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::F16 => Self::F16,
        }
    }
}

pub(crate) fn run(args: &FeaturesArgs) -> anyhow::Result<()> {
    let preprocessing = args.preprocessing.as_deref().map(Preprocessing::preset).transpose()?;
    interrupt::catch()?;
    let model = open(&VisionSource { name: args.vision.clone(), preprocessing }, args.device, args.dtype)?;
    let settings = FeatureSettings {
        batch: args.batch as usize,
        precision: args.precision.into(),
        limits: DecodeLimits { bytes: args.max_bytes, pixels: args.max_pixels },
        any_extension: args.any_extension,
        overwrite: args.overwrite,
    };
    let summary = with_progress(|on_progress| features(&args.images, &model, &args.out, &settings, on_progress))?;
    if args.json {
        print_json(&summary)?;
    }
    tell(&summary, args.json);
    if summary.stopped {
        say("stopped: the same command goes on from here");
    } else {
        say(format!("next: smvae train --image-features {} ...", args.out.display()));
    }
    Ok(())
}

/// The vectors of a folder for training or for a trained model, made now or found in the cache. `trained_with` is what
/// made those of training; without --vision it is looked for where it was then.
pub(crate) fn vectors_of(
    folder: &Path,
    args: &VisionArgs,
    trained_with: Option<&VisionIdentity>,
    device: DeviceArgs,
) -> anyhow::Result<ImageVectors> {
    let missing = || Usage("--images needs --vision, the vision model that makes vectors of them".to_owned());
    let mut source = match (&args.vision, trained_with) {
        (Some(name), _) => VisionSource { name: name.clone(), preprocessing: None },
        (None, Some(identity)) => VisionSource::of(identity),
        (None, None) => return Err(missing().into()),
    };
    if let Some(name) = &args.preprocessing {
        source.preprocessing = Some(Preprocessing::preset(name)?);
    }
    // The vectors of other images have to be made as those of training were.
    source.preprocessing = source.preprocessing.or_else(|| trained_with.map(|identity| identity.preprocessing.clone()));
    let model = open(&source, device, NumberType::F32)?;
    let cache = args.feature_cache.clone().or_else(default_cache);
    let cache = cache.ok_or_else(|| Usage("there is no home folder for vectors: give --feature-cache".to_owned()))?;
    let settings = FeatureSettings::default();
    let made = with_progress(|on_progress| cached_features(folder, &model, &cache, &settings, on_progress));
    let (vectors, summary) = made?;
    if let Some(summary) = &summary {
        tell(summary, false);
    }
    vectors.context("stopped while vectors of images were made: the same command goes on from there")
}

fn open(source: &VisionSource, device: DeviceArgs, dtype: NumberType) -> anyhow::Result<VisionModel> {
    let compute = Compute { device: device.open()?, dtype: dtype.dtype() };
    let mut progress = Progress::new("KiB");
    let kib = |bytes: u64| (bytes / 1024) as usize;
    Ok(open_vision(source, compute, &mut |file, done, total| {
        progress.update(kib(done), total.map_or(0, kib), || file.to_owned());
        interrupt::flow()
    })?)
}

fn default_cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    cache.map(|cache| cache.join("smvae/features"))
}

/// Shows how far it has come, and ends it after Ctrl-C.
fn with_progress<T>(
    work: impl FnOnce(&mut dyn FnMut(FeatureProgress) -> Flow) -> smvae::Result<T>,
) -> anyhow::Result<T> {
    let mut progress = Progress::new("images");
    Ok(work(&mut |FeatureProgress { done, total, images_per_second }| {
        progress.update(done, total, || format!("{images_per_second:.1} images/s"));
        interrupt::flow()
    })?)
}

/// Counts, and what was left out with the reason.
fn tell(summary: &FeatureSummary, counts_only: bool) {
    let FeatureSummary { vectors, width, resumed, bad, seconds, .. } = summary;
    let before = if *resumed > 0 { format!(", {resumed} of them made before") } else { String::new() };
    say(format!("{vectors} vectors of {width} numbers{before}, {seconds:.1} s"));
    if !bad.is_empty() {
        say(format!("{} files were left out", bad.len()));
    }
    for image in bad.iter().filter(|_| !counts_only) {
        say(format!("  {}: {}", image.file, image.reason));
    }
}
