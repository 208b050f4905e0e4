//! A folder of images to a file of vectors, by a frozen vision model.
//!
//! ```text
//! folder -> listing -> [read, digest, decode, prepare] in parallel, a batch ahead -> network -> journal -> file
//! ```
//! The id of an image is its file's name without the extension. What cannot be used is left out and told with the reason,
//! never replaced. An end before the end (Ctrl-C, a crash) leaves a journal beside the file, from which the next call goes
//! on; the file itself appears whole or not at all.

mod cache;
mod journal;
pub(crate) mod listing;
mod source;

pub use cache::cached_features;
pub use source::{VisionSource, open_vision};

use crate::progress::Flow;
use crate::{Error, Result};
use journal::Journal;
use listing::{ImageFile, Listing};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use smvae_data::files::sha256_hex;
use smvae_data::{ImageVectors, Precision};
use smvae_encoders::vision::{DecodeLimits, VisionIdentity, VisionModel, check_bytes, check_extension, decode};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

/// How vectors are made and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureSettings {
    /// Images that go through the network at once.
    pub batch: usize,
    /// The numbers of the file.
    pub precision: Precision,
    /// What an image may be.
    pub limits: DecodeLimits,
    /// Whether a file may have another extension than its content.
    pub any_extension: bool,
    /// Whether a file that is there already is replaced.
    pub overwrite: bool,
}

impl Default for FeatureSettings {
    fn default() -> Self {
        let limits = DecodeLimits::default();
        Self { batch: 8, precision: Precision::F32, limits, any_extension: false, overwrite: false }
    }
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureProgress {
    /// Images that are done, left out or taken from the journal.
    pub done: usize,
    /// Files of the folder.
    pub total: usize,
    /// Images a second that went through the network, since the start.
    pub images_per_second: f64,
}

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadImage {
    /// Its name in the folder.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureSummary {
    /// Vectors in the file.
    pub vectors: usize,
    /// Width of a vector.
    pub width: usize,
    /// Of the vectors, those that an earlier call had made.
    pub resumed: usize,
    /// Files that were left out, by name.
    pub bad: Vec<BadImage>,
    /// Whether the callback ended it early: there is a journal and no file.
    pub stopped: bool,
    /// Seconds it took.
    pub seconds: f64,
}

/// What a file of vectors says of itself, as JSON under the key `smvae` of its metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureDescription {
    /// Model, revision, digest of the weights, preprocessing.
    pub vision: VisionIdentity,
    /// Version of the library that made it.
    pub library_version: String,
    /// Digest of the names and contents of all files of the folder.
    pub images_sha256: String,
}

impl FeatureDescription {
    /// What vectors say of themselves; none for those of another program.
    pub fn of(images: &ImageVectors) -> Option<Self> {
        serde_json::from_str(images.description()?).ok()
    }
}

/// Version of the library, part of what vectors depend on.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes the vectors of all images in a folder (not of folders in it) and writes them to `out`.
///
/// # Errors
/// A folder that cannot be read or has no image that can be used; a file that is there already, unless it is to be
/// replaced; a file that cannot be written; those of the network. A bad image is no error.
pub fn features(
    folder: &Path,
    model: &VisionModel,
    out: &Path,
    settings: &FeatureSettings,
    on_progress: &mut dyn FnMut(FeatureProgress) -> Flow,
) -> Result<FeatureSummary> {
    let start = Instant::now();
    if settings.batch == 0 {
        return Err(setting("batch", "at least 1", "0"));
    }
    if out.is_dir() {
        return Err(Error::Write { path: out.to_owned(), source: std::io::ErrorKind::IsADirectory.into() });
    }
    if out.exists() && !settings.overwrite {
        return Err(Error::FeaturesExist { path: out.to_owned() });
    }
    let Listing { files, mut bad } = listing::list(folder)?;
    let total = files.len() + bad.len();
    let key = sha256_hex(format!("{} {:?} {}", model_key(model), settings.limits, settings.any_extension).as_bytes());
    let width = model.encoder.width();
    let waiting = FeatureProgress { done: 0, total, images_per_second: 0.0 };
    let Some(mut journal) = Journal::open(out, &key, width, &mut || on_progress(waiting))? else {
        let seconds = start.elapsed().as_secs_f64();
        return Ok(FeatureSummary { vectors: 0, width, resumed: 0, bad, stopped: true, seconds });
    };
    if out.exists() && !settings.overwrite {
        // Another process has made them, while it was waited for.
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
    let mut summary = FeatureSummary {
        vectors: done.len(),
        width,
        resumed: resumed_before.min(done.values().filter(|from_journal| **from_journal).count()),
        bad,
        stopped,
        seconds: 0.0,
    };
    if !stopped {
        if done.is_empty() {
            journal.remove()?;
            return Err(no_image(folder, &summary.bad));
        }
        let description = FeatureDescription {
            vision: model.identity.clone(),
            library_version: VERSION.to_owned(),
            images_sha256: digest_of_all(&digests, &summary.bad),
        };
        let text = serde_json::to_string(&description).expect("our own types have string keys and no failing parts");
        let vectors = journal.take(done.keys());
        ImageVectors::from_map(vectors)?.with_description(text).save_as(out, settings.precision)?;
        journal.remove()?;
    }
    summary.seconds = start.elapsed().as_secs_f64();
    Ok(summary)
}

/// What the vectors of a model depend on besides the images.
fn model_key(model: &VisionModel) -> String {
    let VisionIdentity { sha256, preprocessing, .. } = &model.identity;
    let parts = (VERSION, sha256, preprocessing, model.dtype.as_str());
    let text = serde_json::to_string(&parts).expect("our own types have no failing parts");
    sha256_hex(text.as_bytes())
}

/// Digest of a folder: every file with what it holds, or with why that is not known.
fn digest_of_all(digests: &BTreeMap<String, String>, bad: &[BadImage]) -> String {
    let unread = bad.iter().filter(|b| !digests.contains_key(&b.file)).map(|b| (&b.file, &b.reason));
    let all: BTreeMap<&String, &String> = digests.iter().chain(unread).collect();
    sha256_hex(serde_json::to_string(&all).expect("a map of strings").as_bytes())
}

/// One call at work.
struct Run<'a> {
    model: &'a VisionModel,
    settings: &'a FeatureSettings,
    journal: &'a mut Journal,
    /// sha256 of the content by file name.
    digests: BTreeMap<String, String>,
    /// Ids that have a vector in the journal, and whether it was there before.
    done: BTreeMap<String, bool>,
}

impl Run<'_> {
    /// All files; true if the callback ended it early. It is told how many images went through the network, and how many
    /// files are done.
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
            // The next images are decoded while these are computed: a device would otherwise wait for them.
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
    /// None if it could not be read.
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
        let preprocessing = &model.identity.preprocessing;
        let name = if settings.any_extension { Ok(()) } else { check_extension(Path::new(&file.name), &bytes) };
        let image = name.and_then(|()| decode(&bytes, &settings.limits, preprocessing.upright));
        read.outcome = match image {
            Ok(image) => Outcome::Pixels(preprocessing.apply(&image)),
            Err(fault) => Outcome::Bad(fault.to_string()),
        };
    }
    Read { sha256: Some(sha256), ..read }
}

/// The content of a file, which is not read beyond the limit.
fn bytes_of(path: &Path, limits: &DecodeLimits) -> Result<Vec<u8>, String> {
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

fn setting(name: &'static str, want: &'static str, got: &str) -> Error {
    Error::Core(smvae_core::Error::Setting { name, want, got: got.to_owned() })
}
