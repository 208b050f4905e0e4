//! Whether a run folder holds what training left in it: the size and the SHA-256 of each file,
//! which training writes to `run.json` when a run is finished, and the comparison with the files
//! that are there now.
//!
//! Runs of earlier versions, runs that are not finished and converted weights have no digests.
//! Predictions are not listed: evaluation writes them anew; nor are the model card, which people
//! change, and the events for TensorBoard. It finds damage, not deceit: whoever
//! changes a file on purpose can change `run.json` as well.

use crate::error::{Error, Result};
use crate::run::folder::{EVENTS, FILES, METRICS, ORIGIN, RunFolder, SELECTION, SOFT_LABELS, STATE, TEACHERS, WEIGHTS};
use crate::run::predictions;
use crate::run::record::FileDigest;
use smvae_data::Split;
use smvae_data::files::{sha256_file, sha256_hex};
use std::collections::BTreeMap;
use std::path::Path;

/// The files of a run that are not listed: the list itself, what no training leaves, what only
/// people look at, and what evaluation writes anew.
const NOT_LISTED: [&str; 9] = [
    STATE,
    EVENTS,
    ORIGIN,
    predictions::file_name(Split::Train),
    predictions::file_name(Split::Dev),
    predictions::file_name(Split::Test),
    predictions::text_file_name(Split::Train),
    predictions::text_file_name(Split::Dev),
    predictions::text_file_name(Split::Test),
];

/// The listed files that no answer of the model depends on.
const NOT_LOADED: [&str; 4] = [SELECTION, METRICS, SOFT_LABELS, TEACHERS];

/// Sizes and digests by the names of files.
pub(crate) type Digests = BTreeMap<String, FileDigest>;

/// A file of a run, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileCheck {
    /// Its name.
    pub file: String,
    /// What training left.
    pub digest: FileDigest,
    /// How the file that is there now differs. `None` if it does not.
    pub problem: Option<String>,
}

/// Sizes and digests of the listed files that are there now.
///
/// # Errors
/// [`Error::Read`], [`Error::Data`] for a file that cannot be read.
pub(crate) fn of(run: &RunFolder) -> Result<Digests> {
    compute(run, is_listed)
}

fn compute(run: &RunFolder, is_wanted: impl Fn(&str) -> bool) -> Result<Digests> {
    let mut digests = Digests::new();
    for file in FILES.into_iter().filter(|file| is_wanted(file)) {
        let path = run.file(file)?;
        if path.exists() {
            digests.insert(file.to_owned(), FileDigest { size: size(&path)?, sha256: sha256_file(&path)? });
        }
    }
    Ok(digests)
}

fn is_listed(file: &str) -> bool {
    FILES.contains(&file) && !NOT_LISTED.contains(&file)
}

fn is_loaded(file: &str) -> bool {
    is_listed(file) && !NOT_LOADED.contains(&file)
}

/// One digest of the files that the model's answers depend on. A listed file counts as it is
/// listed, and is not read.
///
/// # Errors
/// Those of [`recorded`] and [`of`].
pub(crate) fn one_of_model(run: &RunFolder) -> Result<String> {
    let recorded = recorded(run)?.unwrap_or_default();
    // A file that somebody took out of the list, or added, counts as it is.
    let mut digests = compute(run, |file| is_loaded(file) && !recorded.contains_key(file))?;
    digests.extend(recorded.into_iter().filter(|(file, _)| is_loaded(file)));
    let lines: String = digests.iter().map(|(file, digest)| format!("{file} {}\n", digest.sha256)).collect();
    Ok(sha256_hex(lines.as_bytes()))
}

/// SHA-256 of the weights, found in the same way.
///
/// # Errors
/// As [`one_of_model`].
pub(crate) fn of_weights(run: &RunFolder) -> Result<String> {
    match recorded(run)?.and_then(|mut digests| digests.remove(WEIGHTS)) {
        Some(digest) => Ok(digest.sha256),
        None => Ok(sha256_file(&run.file(WEIGHTS)?)?),
    }
}

/// What training left, for the files that a model is loaded from. `None` for a run without digests.
///
/// # Errors
/// As [`recorded`].
pub(crate) fn of_model(run: &RunFolder) -> Result<Option<Digests>> {
    Ok(recorded(run)?.map(|mut digests| {
        digests.retain(|file, _| is_loaded(file));
        digests
    }))
}

/// What training left. `None` for a run without digests.
///
/// # Errors
/// [`Error::Json`] for a malformed `run.json`, [`Error::Inconsistent`] for one that lists files
/// that no run has.
pub(crate) fn recorded(run: &RunFolder) -> Result<Option<Digests>> {
    let Some(digests) = run.state_if_there()?.and_then(|state| state.files) else { return Ok(None) };
    match digests.keys().find(|file| !is_listed(file)) {
        Some(file) => {
            let why = format!("it lists {file:?}, which is no file of a run");
            Err(Error::Inconsistent { path: run.file(STATE)?, why })
        }
        None => Ok(Some(digests)),
    }
}

/// Compares sizes, which takes no time.
///
/// # Errors
/// [`Error::Damaged`] for the first file that is missing or has another size.
pub(crate) fn check_sizes(run: &RunFolder, digests: &Digests) -> Result<()> {
    first_problem(run, digests, size_problem)
}

/// Compares digests, which reads the files: about a second for a gigabyte.
///
/// # Errors
/// [`Error::Damaged`] for the first file that differs; [`Error::Data`] for one that cannot be read.
pub(crate) fn check_digests(run: &RunFolder, digests: &Digests) -> Result<()> {
    first_problem(run, digests, problem)
}

/// Compares every listed file. `None` for a run without digests.
///
/// # Errors
/// Those of [`recorded`]; [`Error::Data`] for a file that cannot be read.
pub(crate) fn check_all(run: &RunFolder) -> Result<Option<Vec<FileCheck>>> {
    let Some(digests) = recorded(run)? else { return Ok(None) };
    let check = |(file, digest): (String, FileDigest)| {
        let problem = problem(&run.file(&file)?, &digest)?;
        Ok(FileCheck { file, digest, problem })
    };
    digests.into_iter().map(check).collect::<Result<_>>().map(Some)
}

fn first_problem(
    run: &RunFolder,
    digests: &Digests,
    problem: impl Fn(&Path, &FileDigest) -> Result<Option<String>>,
) -> Result<()> {
    for (file, digest) in digests {
        let path = run.file(file)?;
        if let Some(why) = problem(&path, digest)? {
            return Err(Error::Damaged { path, why });
        }
    }
    Ok(())
}

fn problem(path: &Path, want: &FileDigest) -> Result<Option<String>> {
    if let Some(problem) = size_problem(path, want)? {
        return Ok(Some(problem));
    }
    let got = sha256_file(path)?;
    Ok((got != want.sha256).then(|| format!("its sha256 is {got}, not {}", want.sha256)))
}

fn size_problem(path: &Path, want: &FileDigest) -> Result<Option<String>> {
    if !path.exists() {
        return Ok(Some("it is missing".to_owned()));
    }
    let got = size(path)?;
    Ok((got != want.size).then(|| format!("it has {got} bytes, not {}", want.size)))
}

fn size(path: &Path) -> Result<u64> {
    let metadata = path.metadata().map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(metadata.len())
}
