//! A cache of vectors: those of a folder of images are made once and found again by what they
//! depend on.
//!
//! The name of a file in the cache is a digest of the model's weights, the preprocessing, the
//! version of this library, the settings, and the name and content of every file of the folder: if
//! any of it changes, the name does.

use crate::error::{Error, Result};
use crate::features::description::FeatureDescription;
use crate::features::extract::{bytes_of, digest_of_all, extract, model_key};
use crate::features::listing::{Listing, list};
use crate::features::settings::{BadImage, FeatureProgress, FeatureSettings, FeatureSummary};
use crate::flow::Flow;
use rayon::prelude::*;
use smvae_data::ImageVectors;
use smvae_data::files::sha256_hex;
use smvae_encoders::vision::VisionModel;
use std::collections::BTreeMap;
use std::path::Path;

/// The vectors of a folder of images, from the cache or made now. The summary is `None` if the
/// cache had them; the vectors are `None` if the callback ended the work.
///
/// # Errors
/// As [`extract`]; [`Error::ImagesChanged`] if the folder changes meanwhile.
pub fn cached_features(
    folder: impl AsRef<Path>,
    model: &VisionModel,
    cache: impl AsRef<Path>,
    settings: &FeatureSettings,
    on_progress: &mut dyn FnMut(FeatureProgress) -> Flow,
) -> Result<(Option<ImageVectors>, Option<FeatureSummary>)> {
    let (folder, cache) = (folder.as_ref(), cache.as_ref());
    let images_sha256 = digest_of_folder(folder, settings)?;
    let FeatureSettings { precision, limits, any_extension, .. } = settings;
    let by_path = if settings.by_path { " by path" } else { "" };
    let key = format!("{} {images_sha256} {precision:?} {limits:?} {any_extension}{by_path}", model_key(model));
    let path = cache.join(format!("{}.safetensors", &sha256_hex(key.as_bytes())[..32]));
    if path.exists() {
        return Ok((Some(ImageVectors::load(&path)?), None));
    }
    crate::files::create_folder(cache)?;
    let summary = match extract(folder, model, &path, settings, on_progress) {
        // Another process made them meanwhile.
        Err(Error::FeaturesExist { .. }) => return Ok((Some(ImageVectors::load(&path)?), None)),
        made => made?,
    };
    if summary.stopped {
        return Ok((None, Some(summary)));
    }
    let vectors = ImageVectors::load(&path)?;
    if FeatureDescription::of(&vectors).is_none_or(|found| found.images_sha256 != images_sha256) {
        std::fs::remove_file(&path).map_err(|source| Error::Write { path, source })?;
        return Err(Error::ImagesChanged { folder: folder.to_owned() });
    }
    Ok((Some(vectors), Some(summary)))
}

/// The digest that [`extract`] writes into its file, without making any vector.
fn digest_of_folder(folder: &Path, settings: &FeatureSettings) -> Result<String> {
    let Listing { files, mut bad } = list(folder, settings.by_path)?;
    let read = files.par_iter().map(|file| (file.name.clone(), bytes_of(&file.path, &settings.limits)));
    let read: Vec<(String, Result<String, String>)> = read.map(|(name, b)| (name, b.map(|b| sha256_hex(&b)))).collect();
    let mut digests = BTreeMap::new();
    for (file, digest) in read {
        match digest {
            Ok(digest) => {
                digests.insert(file, digest);
            }
            Err(reason) => bad.push(BadImage { file, reason }),
        }
    }
    Ok(digest_of_all(&digests, &bad))
}
