//! One image on its way to the network: its file is read, its content digested, and, unless its
//! vector is known, decoded and prepared.
//!
//! Of several files of one id the first that can be used is the image; all are digested.

use crate::features::journal::Journal;
use crate::features::listing::ImageFile;
use crate::features::settings::FeatureSettings;
use smvae_data::files::sha256_hex;
use smvae_encoders::vision::{DecodeLimits, VisionModel, check_bytes, check_extension, decode};
use std::io::Read as _;
use std::path::Path;

/// The files of an id, read.
pub(super) struct Read {
    pub(super) id: String,
    pub(super) seen: Vec<Seen>,
    pub(super) outcome: Outcome,
}

/// A file that was looked at.
pub(super) struct Seen {
    pub(super) file: String,
    /// SHA-256 of its content. `None` if it could not be read.
    pub(super) sha256: Option<String>,
    /// Why it is not the image of its id. `None` for the one that is.
    pub(super) reason: Option<String>,
}

/// What becomes of an id.
pub(super) enum Outcome {
    /// No file of it can be used.
    Bad,
    /// Its vector is known.
    Known,
    /// It is to go through the network.
    Pixels(Vec<f32>),
}

impl Read {
    pub(super) fn take_pixels(&mut self) -> Option<(String, Vec<f32>)> {
        match &mut self.outcome {
            Outcome::Pixels(pixels) => Some((self.id.clone(), std::mem::take(pixels))),
            _ => None,
        }
    }
}

pub(super) fn read(image: &ImageFile, journal: &Journal, model: &VisionModel, settings: &FeatureSettings) -> Read {
    let mut read = Read { id: image.id.clone(), seen: Vec::new(), outcome: Outcome::Bad };
    let mut taken: Option<&str> = None;
    for (file, path) in image.candidates() {
        let mut seen = Seen { file: file.to_owned(), sha256: None, reason: None };
        match bytes_of(path, &settings.limits) {
            Err(reason) => seen.reason = Some(reason),
            Ok(bytes) => {
                let sha256 = sha256_hex(&bytes);
                if let Some(other) = taken {
                    seen.reason = Some(format!("{other} has the same id"));
                } else if journal.has(&image.id, &sha256) {
                    (read.outcome, taken) = (Outcome::Known, Some(file));
                } else {
                    match pixels_of(path, &bytes, model, settings) {
                        Ok(pixels) => (read.outcome, taken) = (Outcome::Pixels(pixels), Some(file)),
                        Err(reason) => seen.reason = Some(reason),
                    }
                }
                seen.sha256 = Some(sha256);
            }
        }
        read.seen.push(seen);
    }
    read
}

/// The pixels of an image as the network takes them, or why it cannot be used.
pub(crate) fn pixels_of(
    path: &Path,
    bytes: &[u8],
    model: &VisionModel,
    settings: &FeatureSettings,
) -> Result<Vec<f32>, String> {
    let preprocessing = &model.identity.preprocessing;
    let name = if settings.any_extension { Ok(()) } else { check_extension(path, bytes) };
    let image = name.and_then(|()| decode(bytes, &settings.limits, &preprocessing.reading()));
    image.map(|image| preprocessing.apply(&image)).map_err(|fault| fault.to_string())
}

/// The content of a file, which is not read beyond the limit.
pub(crate) fn bytes_of(path: &Path, limits: &DecodeLimits) -> Result<Vec<u8>, String> {
    let read = || {
        let file = std::fs::File::open(path)?;
        let size = file.metadata()?.len();
        let mut bytes = Vec::new();
        if check_bytes(size, limits).is_ok() {
            file.take(limits.bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        }
        Ok::<_, std::io::Error>((size, bytes))
    };
    let (size, bytes) = read().map_err(|e| format!("it cannot be read: {e}"))?;
    check_bytes(size.max(bytes.len() as u64), limits).map_err(|fault| fault.to_string())?;
    Ok(bytes)
}
