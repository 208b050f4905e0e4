//! Sends the images of a folder through a network, batch by batch, into a journal and then a file.

use crate::error::Error;
use crate::error::Result;
use crate::features::description::FeatureDescription;
use crate::features::journal::Journal;
use crate::features::listing;
use crate::features::listing::ImageFile;
use crate::features::listing::Listing;
use crate::features::settings::BadImage;
use crate::features::settings::FeatureProgress;
use crate::features::settings::FeatureSettings;
use crate::features::settings::FeatureSummary;
use crate::flow::Flow;
use rayon::prelude::*;
use smvae_data::ImageVectors;
use smvae_data::files::sha256_hex;
use smvae_encoders::vision::DecodeLimits;
use smvae_encoders::vision::VisionIdentity;
use smvae_encoders::vision::VisionModel;
use smvae_encoders::vision::check_bytes;
use smvae_encoders::vision::check_extension;
use smvae_encoders::vision::decode;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

/// Version of the library, on which vectors depend too.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes the vectors of all images in a folder (of folders in it only by the setting
/// [`by_path`](FeatureSettings::by_path)) and writes them to `out`.
///
/// # Errors
/// A folder that cannot be read or has no usable image; a file that exists already, unless the
/// settings replace it; a file that cannot be written; those of the network. A bad image is not an
/// error.
pub fn extract(
    folder: impl AsRef<Path>,
    model: &VisionModel,
    out: impl AsRef<Path>,
    settings: &FeatureSettings,
    on_progress: &mut dyn FnMut(FeatureProgress) -> Flow,
) -> Result<FeatureSummary> {
    let (folder, out, start) = (folder.as_ref(), out.as_ref(), Instant::now());
    check(out, settings)?;
    let Listing { files, mut bad } = listing::list(folder, settings.by_path)?;
    let total = files.len() + bad.len();
    let (key, width) = (journal_key(model, settings), model.encoder.width());
    let waiting = FeatureProgress { done: 0, total, images_per_second: 0.0 };
    let Some(mut journal) = Journal::open(out, &key, width, &mut || on_progress(waiting))? else {
        let seconds = start.elapsed().as_secs_f64();
        return Ok(FeatureSummary { vectors: 0, width, resumed: 0, bad, stopped: true, seconds });
    };
    if out.exists() && !settings.overwrite {
        // Another process made them while this one waited for it.
        journal.remove()?;
        return Err(Error::FeaturesExist { path: out.to_owned() });
    }
    let resumed_before = journal.len();
    let mut run = Run { model, settings, journal: &mut journal, digests: BTreeMap::new(), done: BTreeMap::new() };
    let stopped = run.all(&files, &mut bad, &mut |computed, done| {
        let images_per_second = computed as f64 / start.elapsed().as_secs_f64().max(1e-9);
        on_progress(FeatureProgress { done, total, images_per_second })
    })?;
    let (digests, done) = (run.digests, run.done);
    bad.sort_by(|a, b| a.file.cmp(&b.file));
    if !stopped && done.is_empty() {
        journal.remove()?;
        return Err(no_image(folder, &bad));
    }
    if !stopped {
        let description = FeatureDescription {
            vision: model.identity.clone(),
            library_version: VERSION.to_owned(),
            images_sha256: digest_of_all(&digests, &bad),
        };
        let text = serde_json::to_string(&description).expect("our own types have string keys and no failing parts");
        let vectors = journal.take(done.keys());
        ImageVectors::from_map(vectors)?.with_description(text).save_as(out, settings.precision)?;
        journal.remove()?;
    }
    let resumed = resumed_before.min(done.values().filter(|from_journal| **from_journal).count());
    let seconds = start.elapsed().as_secs_f64();
    Ok(FeatureSummary { vectors: done.len(), width, resumed, bad, stopped, seconds })
}

fn check(out: &Path, settings: &FeatureSettings) -> Result<()> {
    if settings.batch == 0 {
        return Err(Error::setting("batch", "at least 1", 0));
    }
    if out.is_dir() {
        return Err(Error::Write { path: out.to_owned(), source: std::io::ErrorKind::IsADirectory.into() });
    }
    if out.exists() && !settings.overwrite {
        return Err(Error::FeaturesExist { path: out.to_owned() });
    }
    Ok(())
}

/// What a journal's vectors depend on besides the images.
fn journal_key(model: &VisionModel, settings: &FeatureSettings) -> String {
    let by_path = if settings.by_path { " by path" } else { "" };
    sha256_hex(format!("{} {:?} {}{by_path}", model_key(model), settings.limits, settings.any_extension).as_bytes())
}

/// What the vectors of a model depend on besides the images.
pub(crate) fn model_key(model: &VisionModel) -> String {
    let VisionIdentity { sha256, preprocessing, .. } = &model.identity;
    let parts = (VERSION, sha256, preprocessing, model.dtype.as_str());
    let text = serde_json::to_string(&parts).expect("our own types have no failing parts");
    sha256_hex(text.as_bytes())
}

/// Digest of a folder: every file with the digest of its content, or with the reason why that is
/// not known.
pub(crate) fn digest_of_all(digests: &BTreeMap<String, String>, bad: &[BadImage]) -> String {
    let unread = bad.iter().filter(|b| !digests.contains_key(&b.file)).map(|b| (&b.file, &b.reason));
    let all: BTreeMap<&String, &String> = digests.iter().chain(unread).collect();
    sha256_hex(serde_json::to_string(&all).expect("a map of strings").as_bytes())
}

/// One call at work.
struct Run<'a> {
    model: &'a VisionModel,
    settings: &'a FeatureSettings,
    journal: &'a mut Journal,
    /// SHA-256 of the content by file name.
    digests: BTreeMap<String, String>,
    /// Ids with a vector in the journal, and whether it was there before.
    done: BTreeMap<String, bool>,
}

impl Run<'_> {
    /// Does all files. Answers true if the callback ended it early, which is told how many images
    /// went through the network and how many files are done.
    fn all(
        &mut self,
        files: &[ImageFile],
        bad: &mut Vec<BadImage>,
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<bool> {
        let (mut computed, mut done) = (0, bad.len());
        let mut chunks = files.chunks(self.settings.batch);
        let prepare = |chunk: Option<&[ImageFile]>, journal: &Journal| -> Vec<Read> {
            let read = |file: &ImageFile| read(file, journal, self.model, self.settings);
            chunk.unwrap_or_default().par_iter().map(read).collect()
        };
        let mut ready = prepare(chunks.next(), self.journal);
        while !ready.is_empty() {
            let (waiting, pixels): (Vec<_>, Vec<_>) = ready.iter_mut().filter_map(Read::take_pixels).unzip();
            let encode = || if pixels.is_empty() { Ok(Vec::new()) } else { self.model.encode(&pixels) };
            // The next images are decoded while these are computed, so that the device never waits
            // for them.
            let (vectors, next) = rayon::join(encode, || prepare(chunks.next(), self.journal));
            done += ready.len();
            computed += waiting.len();
            let vectors: BTreeMap<String, Vec<f32>> = waiting.into_iter().zip(vectors?).collect();
            for read in std::mem::replace(&mut ready, next) {
                self.keep(read, &vectors, bad)?;
            }
            self.journal.flush()?;
            if on_progress(computed, done) == Flow::Stop && !ready.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn keep(&mut self, read: Read, vectors: &BTreeMap<String, Vec<f32>>, bad: &mut Vec<BadImage>) -> Result<()> {
        let Read { id, file, sha256, outcome } = read;
        if let Some(sha256) = &sha256 {
            self.digests.insert(file.clone(), sha256.clone());
        }
        match (outcome, sha256, vectors.get(&id)) {
            (Outcome::Bad(reason), ..) => bad.push(BadImage { file, reason }),
            (Outcome::Known, ..) => {
                self.done.insert(id, true);
            }
            (Outcome::Pixels(_), Some(_), Some(vector)) if vector.iter().any(|x| !x.is_finite()) => {
                let reason = "its vector is not finite: the network overflows on it".to_owned();
                bad.push(BadImage { file, reason });
            }
            (Outcome::Pixels(_), Some(sha256), Some(vector)) => {
                self.journal.add(&id, &sha256, vector)?;
                self.done.insert(id, false);
            }
            (Outcome::Pixels(_), ..) => unreachable!("what was prepared was read and given a vector"),
        }
        Ok(())
    }
}

/// A file that was read.
struct Read {
    id: String,
    file: String,
    /// `None` if it could not be read.
    sha256: Option<String>,
    outcome: Outcome,
}

enum Outcome {
    Bad(String),
    /// Its vector is in the journal.
    Known,
    Pixels(Vec<f32>),
}

impl Read {
    fn take_pixels(&mut self) -> Option<(String, Vec<f32>)> {
        match &mut self.outcome {
            Outcome::Pixels(pixels) => Some((self.id.clone(), std::mem::take(pixels))),
            _ => None,
        }
    }
}

fn read(file: &ImageFile, journal: &Journal, model: &VisionModel, settings: &FeatureSettings) -> Read {
    let mut read = Read { id: file.id.clone(), file: file.name.clone(), sha256: None, outcome: Outcome::Known };
    let bytes = match bytes_of(&file.path, &settings.limits) {
        Ok(bytes) => bytes,
        Err(reason) => return Read { outcome: Outcome::Bad(reason), ..read },
    };
    let sha256 = sha256_hex(&bytes);
    if !journal.has(&file.id, &sha256) {
        read.outcome = match pixels_of(&file.path, &bytes, model, settings) {
            Ok(pixels) => Outcome::Pixels(pixels),
            Err(reason) => Outcome::Bad(reason),
        };
    }
    Read { sha256: Some(sha256), ..read }
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
    let image = name.and_then(|()| decode(bytes, &settings.limits, preprocessing.upright));
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

fn no_image(folder: &Path, bad: &[BadImage]) -> Error {
    let first = bad.first().map(|b| format!("{}: {}", b.file, b.reason));
    Error::NoImageFiles { folder: folder.to_owned(), bad: bad.len(), first: first.unwrap_or_default() }
}
