//! Image vectors of a folder: made by a vision model, or found in the cache. The command `features`
//! does it on its own; `train`, `eval` and `predict` do it when they are given --images.

use crate::failure::Usage;
use crate::interrupt;
use crate::options::{DeviceArgs, NumberType, VisionArgs, set_reading};
use crate::progress::{Progress, say};
use anyhow::Context as _;
use smvae::Flow;
use smvae::data::ImageVectors;
use smvae::encoders::vision::{Compute, Preprocessing, VisionIdentity, VisionModel};
use smvae::features::{
    FeatureProgress, FeatureSettings, FeatureSummary, Ids, PictureFolder, VisionSource, cached_features, open_vision,
};
use std::path::{Path, PathBuf};

/// The vectors of a folder of images, for training or for a trained model: made now, or found in
/// the cache. `trained_with` is the vision model that made the vectors of training; without
/// --vision it is opened from where it was then. `by_path` is whether posts name files.
pub(crate) fn vectors_of(
    folder: &Path,
    args: &VisionArgs,
    trained_with: Option<&VisionIdentity>,
    device: DeviceArgs,
    by_path: bool,
) -> anyhow::Result<ImageVectors> {
    let (model, cache) = model_and_cache(args, trained_with, device)?;
    let mut settings = FeatureSettings::default();
    settings.ids = if by_path { Ids::Paths } else { Ids::Names };
    let made = with_progress(|on_progress| cached_features(folder, &model, &cache, &settings, on_progress));
    let (vectors, summary) = made?;
    if let Some(summary) = &summary {
        tell(summary, false);
    }
    vectors.context("stopped while image vectors were made: run the same command again to continue")
}

/// A folder of images for a trained model whose posts name some of them.
pub(crate) fn pictures_of(
    folder: &Path,
    args: &VisionArgs,
    trained_with: Option<&VisionIdentity>,
    device: DeviceArgs,
) -> anyhow::Result<PictureFolder> {
    let (model, cache) = model_and_cache(args, trained_with, device)?;
    Ok(PictureFolder::open(folder, model, &cache, &FeatureSettings::default())?)
}

/// The vision model that is asked for or was trained with, and where its vectors are kept.
fn model_and_cache(
    args: &VisionArgs,
    trained_with: Option<&VisionIdentity>,
    device: DeviceArgs,
) -> anyhow::Result<(VisionModel, PathBuf)> {
    let missing = || Usage("--images needs --vision, the vision model that makes the vectors".to_owned());
    let mut source = match (&args.vision, trained_with) {
        (Some(name), _) => VisionSource::named(name.as_str()),
        (None, Some(identity)) => VisionSource::of(identity),
        (None, None) => return Err(missing().into()),
    };
    if let Some(name) = &args.preprocessing {
        source.preprocessing = Some(Preprocessing::preset(name)?);
    }
    // A trained model needs vectors that were made as those of its training were.
    source.preprocessing = source.preprocessing.or_else(|| trained_with.map(|identity| identity.preprocessing.clone()));
    let mut model = open(&source, device, NumberType::F32)?;
    set_reading(&mut model, args.allow_truncated, args.transparency);
    let cache = args.feature_cache.clone().or_else(default_cache);
    let cache =
        cache.ok_or_else(|| Usage("there is no home folder to keep vectors in: give --feature-cache".to_owned()))?;
    Ok((model, cache))
}

/// Opens a vision model, from a folder, a file or the hub, with progress while it is fetched.
pub(crate) fn open(source: &VisionSource, device: DeviceArgs, dtype: NumberType) -> anyhow::Result<VisionModel> {
    let compute = Compute { device: device.open()?, dtype: dtype.dtype() };
    let mut progress = Progress::new("KiB");
    let kib = |bytes: u64| (bytes / 1024) as usize;
    Ok(open_vision(source, compute, &mut |file, done, total| {
        progress.update(kib(done), total.map_or(0, kib), || file.to_owned());
        interrupt::flow()
    })?)
}

/// Where vectors are kept if --feature-cache does not say.
fn default_cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    cache.map(|cache| cache.join("smvae/features"))
}

/// Runs `work` with a progress bar, and stops it after Ctrl-C.
pub(crate) fn with_progress<T>(
    work: impl FnOnce(&mut dyn FnMut(FeatureProgress) -> Flow) -> smvae::Result<T>,
) -> anyhow::Result<T> {
    let mut progress = Progress::new("images");
    Ok(work(&mut |FeatureProgress { done, total, images_per_second, .. }| {
        progress.update(done, total, || format!("{images_per_second:.1} images/s"));
        interrupt::flow()
    })?)
}

/// Prints the counts and, unless `counts_only`, which files were left out and why.
pub(crate) fn tell(summary: &FeatureSummary, counts_only: bool) {
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
