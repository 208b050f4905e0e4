//! Sends the images of a listing through a network, batch by batch, into a journal and then a file.

use crate::error::{Error, Result};
use crate::features::description::FeatureDescription;
use crate::features::earlier::{self, notes_beside};
use crate::features::journal::Journal;
use crate::features::key::{VERSION, journal_key};
use crate::features::listing::{self, ImageFile, Listing};
use crate::features::read::{Outcome, Read, Seen, read};
use crate::features::settings::{BadImage, FeatureProgress, FeatureSettings, FeatureSummary};
use crate::features::table;
use crate::flow::Flow;
use rayon::prelude::*;
use smvae_data::ImageVectors;
use smvae_data::files::sha256_hex;
use smvae_encoders::vision::VisionModel;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Makes the vectors of all images in a folder (of folders in it only where the setting
/// [`ids`](FeatureSettings::ids) says so) and writes them to `out`.
///
/// Where `out` is replaced and was made with the same model and settings, images that it has
/// vectors of are not computed again, as long as their content is the same; what was made of which
/// content is noted beside it, in a file with `.images.json` at the end of its name.
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
    let (folder, out) = (folder.as_ref(), out.as_ref());
    let list = || listing::list(folder, settings.ids);
    extract_listing(Listed { list, from: folder, notes: &notes_beside(out) }, model, out, settings, on_progress)
}

/// The same for the images that a table names, which lie below a folder: CSV with the columns `id`
/// and `path`, or JSON lines with these fields.
///
/// # Errors
/// As [`extract`]; a table that cannot be read.
pub fn extract_table(
    table: impl AsRef<Path>,
    folder: impl AsRef<Path>,
    model: &VisionModel,
    out: impl AsRef<Path>,
    settings: &FeatureSettings,
    on_progress: &mut dyn FnMut(FeatureProgress) -> Flow,
) -> Result<FeatureSummary> {
    let (table, out) = (table.as_ref(), out.as_ref());
    let list = || table::list(table, folder.as_ref());
    extract_listing(Listed { list, from: table, notes: &notes_beside(out) }, model, out, settings, on_progress)
}

/// What is to be read.
pub(crate) struct Listed<'a, L> {
    /// Lists the images. Called after the settings are checked, since it may take long.
    pub list: L,
    /// The folder or table that lists it.
    pub from: &'a Path,
    /// Where it is noted what was made before, and where it will be.
    pub notes: &'a Path,
}

pub(crate) fn extract_listing(
    listed: Listed<'_, impl FnOnce() -> Result<Listing>>,
    model: &VisionModel,
    out: &Path,
    settings: &FeatureSettings,
    on_progress: &mut dyn FnMut(FeatureProgress) -> Flow,
) -> Result<FeatureSummary> {
    check(out, settings)?;
    let Listed { list, from, notes } = listed;
    let listing = list()?;
    let start = Instant::now();
    let total = listing.count();
    let Listing { files, mut bad } = listing;
    let width = model.encoder.width();
    let waiting = FeatureProgress { done: 0, total, images_per_second: 0.0 };
    let Some(mut journal) = open_journal(out, notes, model, settings, &mut || on_progress(waiting))? else {
        let seconds = start.elapsed().as_secs_f64();
        return Ok(FeatureSummary { vectors: 0, width, resumed: 0, bad, stopped: true, seconds });
    };
    let mut run = Run { model, settings, journal: &mut journal, digests: BTreeMap::new(), done: BTreeMap::new() };
    let stopped = run.all(&files, &mut bad, &mut |computed, done| {
        let images_per_second = computed as f64 / start.elapsed().as_secs_f64().max(1e-9);
        on_progress(FeatureProgress { done, total, images_per_second })
    })?;
    let (digests, done) = (run.digests, run.done);
    bad.sort_by(|a, b| a.file.cmp(&b.file));
    if !stopped && done.is_empty() {
        journal.remove()?;
        return Err(no_image(from, &bad));
    }
    if !stopped {
        let description = FeatureDescription {
            vision: model.identity.clone(),
            library_version: VERSION.to_owned(),
            images_sha256: digest_of_all(&digests, &bad),
        };
        let text = serde_json::to_string(&description).expect("our own types have string keys and no failing parts");
        let images = done.iter().map(|(id, made)| (id.clone(), made.sha256.clone())).collect();
        let vectors = journal.take(done.keys());
        ImageVectors::from_map(vectors)?.with_description(text).save_as(out, settings.precision)?;
        earlier::write(notes, out, notes_key(model, settings), images)?;
        journal.remove()?;
    }
    let resumed = done.values().filter(|made| made.before).count();
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

/// The journal beside `out`, which knows the vectors that were made before. `None` if the callback
/// ended the waiting for another process.
fn open_journal(
    out: &Path,
    notes: &Path,
    model: &VisionModel,
    settings: &FeatureSettings,
    on_wait: &mut dyn FnMut() -> Flow,
) -> Result<Option<Journal>> {
    let width = model.encoder.width();
    let Some(mut journal) = Journal::open(out, &journal_key(model, settings), width, on_wait)? else {
        return Ok(None);
    };
    if out.exists() && !settings.overwrite {
        // Another process made them while this one waited for it.
        journal.remove()?;
        return Err(Error::FeaturesExist { path: out.to_owned() });
    }
    for (id, sha256, vector) in earlier::vectors(notes, &notes_key(model, settings), width) {
        journal.know(id, sha256, vector);
    }
    Ok(Some(journal))
}

/// What vectors must have been made with to be those of this model with these settings.
fn notes_key(model: &VisionModel, settings: &FeatureSettings) -> String {
    format!("{} {:?}", journal_key(model, settings), settings.precision)
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
    /// Ids with a vector in the journal.
    done: BTreeMap<String, Made>,
}

/// Where a vector is from.
struct Made {
    /// Digest of the image.
    sha256: String,
    /// Whether it was there before.
    before: bool,
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
            done += ready.iter().map(|read| read.seen.len()).sum::<usize>();
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
        let Read { id, seen, outcome } = read;
        let chosen = seen.iter().position(|file| file.reason.is_none());
        for (place, Seen { file, sha256, mut reason }) in seen.into_iter().enumerate() {
            if let Some(sha256) = &sha256 {
                self.digests.insert(file.clone(), sha256.clone());
            }
            if let (Some(sha256), true) = (sha256, chosen == Some(place)) {
                let before = matches!(outcome, Outcome::Known);
                match vectors.get(&id) {
                    _ if before => {}
                    Some(vector) if vector.iter().all(|x| x.is_finite()) => self.journal.add(&id, &sha256, vector)?,
                    _ => reason = Some("its vector is not finite: the network overflows on it".to_owned()),
                }
                if reason.is_none() {
                    self.done.insert(id.clone(), Made { sha256, before });
                }
            }
            bad.extend(reason.map(|reason| BadImage { file, reason }));
        }
        Ok(())
    }
}

fn no_image(folder: &Path, bad: &[BadImage]) -> Error {
    let first = bad.first().map(|b| format!("{}: {}", b.file, b.reason));
    Error::NoImageFiles { folder: folder.to_owned(), bad: bad.len(), first: first.unwrap_or_default() }
}
