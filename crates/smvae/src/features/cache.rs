//! A cache of vectors: those of a folder of images are made once and found again by what they
//! depend on.
//!
//! The name of a file in the cache is a digest of the model's weights, the preprocessing, the
//! version of this library, the settings, and the name and content of every file of the folder: if
//! any of it changes, the name does. What was made of a folder the last time is noted, so that only
//! images that changed or are new are computed.

use crate::error::{Error, Result};
use crate::features::description::FeatureDescription;
use crate::features::extract::{Listed, digest_of_all, extract_listing};
use crate::features::key::model_key;
use crate::features::listing::{ImageFile, Listing, list};
use crate::features::read::bytes_of;
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
/// As [`extract`](super::extract()); [`Error::ImagesChanged`] if the folder changes meanwhile.
pub fn cached_features(
    folder: impl AsRef<Path>,
    model: &VisionModel,
    cache: impl AsRef<Path>,
    settings: &FeatureSettings,
    on_progress: &mut dyn FnMut(FeatureProgress) -> Flow,
) -> Result<(Option<ImageVectors>, Option<FeatureSummary>)> {
    let (folder, cache) = (folder.as_ref(), cache.as_ref());
    let listing = list(folder, settings.ids)?;
    let images_sha256 = digest_of(&listing, settings);
    let FeatureSettings { precision, limits, any_extension, ids, .. } = settings;
    let made_by = format!("{precision:?} {limits:?} {any_extension}{}", ids.key());
    let key = format!("{} {images_sha256} {made_by}", model_key(model));
    let path = cache.join(format!("{}.safetensors", &sha256_hex(key.as_bytes())[..32]));
    if path.exists() {
        return Ok((Some(ImageVectors::load(&path)?), None));
    }
    crate::files::create_folder(cache)?;
    // What this folder's vectors were made of the last time.
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let last = format!("{} {} {made_by}", real.display(), model_key(model));
    let notes = cache.join(format!("folder-{}.json", &sha256_hex(last.as_bytes())[..32]));
    let listed = Listed { list: || Ok(listing), from: folder, notes: &notes };
    let summary = match extract_listing(listed, model, &path, settings, on_progress) {
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

/// The digest that a file of these images will have, without making any vector.
fn digest_of(listing: &Listing, settings: &FeatureSettings) -> String {
    let names: Vec<_> = listing.files.iter().flat_map(ImageFile::candidates).collect();
    let read = names.par_iter().map(|(name, path)| (*name, bytes_of(path, &settings.limits)));
    let read: Vec<(&str, Result<String, String>)> = read.map(|(name, b)| (name, b.map(|b| sha256_hex(&b)))).collect();
    let (mut digests, mut bad) = (BTreeMap::new(), listing.bad.clone());
    for (file, digest) in read {
        match digest {
            Ok(digest) => {
                digests.insert(file.to_owned(), digest);
            }
            Err(reason) => bad.push(BadImage { file: file.to_owned(), reason }),
        }
    }
    digest_of_all(&digests, &bad)
}
