//! Results of the runs of an experiment, and the files that hold them.
//!
//! ```text
//! DIR/runs/<id>/result.json   a RunResult, written last; the rest of the folder is an ordinary run folder
//! DIR/runs/<id>/failed.json   a Failure in its place
//! DIR/results.jsonl           one RunResult per line, in the order of the experiment
//! DIR/results.csv             one row per run x split x type, the type `all` first:
//!     id, corpus, method, labels, draw, seed, dev_labels, split (dev or test), type, precision, recall, f1 (percent),
//!     gold, predicted, correct (numbers of entities), best_epoch, epochs, steps, seconds, teacher_seconds,
//!     threads
//! DIR/summary.json, summary.csv   see [`statistics`](super::statistics)
//! ```
//! The fields have the names that they have in the structs here. Every file is replaced as a whole.
//! In CSV, a name that begins like a formula has an apostrophe before it.

use crate::error::Result;
use crate::experiment::digests::Digests;
use crate::experiment::spec::Run;
use crate::experiment::spec::RunSpec;
use crate::files::folder::file_in;
use crate::files::{read_json_if_there, read_json_lines, write_json};
use serde::{Deserialize, Serialize};
use smvae_core::metrics::{Counts, Scores};
use smvae_data::files::write_atomically;
use smvae_data::formats::table::cell;
use smvae_data::{Convention, Sample};
use std::fmt;
use std::path::{Path, PathBuf};

/// One finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunResult {
    /// What it was.
    pub run: Run,
    /// Which files it read.
    pub files: Digests,
    /// The epoch whose weights were kept: the best on dev.
    pub best_epoch: Option<usize>,
    /// Epochs of training.
    pub epochs: usize,
    /// Steps of training.
    pub steps: usize,
    /// Seconds of training and of its evaluations, without pauses, and without those of its
    /// teachers.
    pub seconds: f64,
    /// Seconds of its teachers. `None` for a run without teachers, or in files of versions that did
    /// not count them.
    #[serde(default)]
    pub teacher_seconds: Option<f64>,
    /// What labelling its posts costs a person. `None` in files of versions that did not count it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<LabellingCost>,
    /// Threads it was trained with.
    pub threads: usize,
    /// Scores on dev, of the best epoch.
    pub dev: Scores,
    /// Scores on test. `None` if it stayed closed.
    pub test: Option<Scores>,
    /// Scores on test of the same model from the text alone, without images and captions. `None` if
    /// nobody asked or the model reads neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_text: Option<Scores>,
}

/// What a person reads and marks to label the posts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LabellingCost {
    /// Words of the labelled posts.
    pub words: usize,
    /// Entities in them.
    pub entities: usize,
}

impl LabellingCost {
    /// Of these labelled posts.
    ///
    /// # Errors
    /// [`smvae_data::Error::Tags`] for malformed tags.
    pub fn of<'s>(posts: impl IntoIterator<Item = &'s Sample>, convention: Convention) -> Result<Self> {
        let mut cost = Self { words: 0, entities: 0 };
        for post in posts {
            cost.words += post.words.len();
            cost.entities += post.entities(convention)?.len();
        }
        Ok(cost)
    }
}

/// One run that ended with an error. The next start of the experiment tries it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Failure {
    /// Name of the run.
    pub id: String,
    /// What went wrong.
    pub error: String,
}

impl Failure {
    /// The failure of the run with this id.
    pub fn new(id: impl Into<String>, error: impl Into<String>) -> Self {
        Self { id: id.into(), error: error.into() }
    }

    /// Writes it into the run's folder.
    ///
    /// # Errors
    /// [`smvae_data::Error::Write`]; [`Error::Unsafe`](crate::Error::Unsafe) where a link leads out
    /// of the folder.
    pub fn write(&self, run: impl AsRef<Path>) -> Result<()> {
        write_json(&file_in(run.as_ref(), FAILED)?, self)
    }
}

/// The file of an experiment's results in its folder.
pub(crate) const RESULTS: &str = "results.jsonl";
/// The file of a run's result in its folder.
pub const RESULT: &str = "result.json";
/// The file of a run's failure in its folder.
pub const FAILED: &str = "failed.json";
/// The folder of the runs' folders.
pub const RUNS: &str = "runs";

impl RunResult {
    /// Reads the result in a run's folder. `None` if there is no result yet.
    ///
    /// # Errors
    /// [`Error::Read`](crate::Error::Read) and [`Error::Json`](crate::Error::Json) for a file that
    /// cannot be read or is not a result.
    pub fn read(run: impl AsRef<Path>) -> Result<Option<Self>> {
        read_json_if_there(&file_in(run.as_ref(), RESULT)?, "result of a run")
    }

    /// Whether this result has all that the specification asks for.
    pub fn answers(&self, spec: &RunSpec) -> bool {
        spec.run.dev_only || self.test.is_some()
    }

    /// Writes it into the run's folder.
    ///
    /// # Errors
    /// [`smvae_data::Error::Write`].
    pub fn write(&self, run: impl AsRef<Path>) -> Result<()> {
        write_json(&file_in(run.as_ref(), RESULT)?, self)
    }
}

/// Reads all results of an experiment from its `results.jsonl`.
///
/// # Errors
/// [`Error::Read`](crate::Error::Read); [`Error::JsonLine`](crate::Error::JsonLine) for a line that
/// is not a result.
pub fn read_results(file: impl AsRef<Path>) -> Result<Vec<RunResult>> {
    read_json_lines(file.as_ref(), "result of an experiment")
}

/// Where an experiment's results are.
pub fn results_file(dir: impl AsRef<Path>) -> PathBuf {
    dir.as_ref().join(RESULTS)
}

/// Writes `results.jsonl` and `results.csv`.
///
/// # Errors
/// [`smvae_data::Error::Write`].
pub fn write_results(dir: impl AsRef<Path>, results: &[RunResult]) -> Result<()> {
    let dir = dir.as_ref();
    let json = |result| serde_json::to_string(result).expect("our own types have string keys") + "\n";
    let lines: String = results.iter().map(json).collect();
    write_atomically(&file_in(dir, RESULTS)?, lines.as_bytes())?;
    let header = "id,corpus,method,labels,draw,seed,dev_labels,split,type,precision,recall,f1,gold,predicted,correct,\
                  best_epoch,epochs,steps,seconds,teacher_seconds,threads\n";
    let rows: String = results.iter().flat_map(csv_rows).collect();
    Ok(write_atomically(&file_in(dir, "results.csv")?, (header.to_owned() + &rows).as_bytes())?)
}

/// The folder of a run.
pub fn run_folder(dir: impl AsRef<Path>, id: &str) -> PathBuf {
    dir.as_ref().join(RUNS).join(id)
}

/// A file of an experiment's folder, or of a run's, for writing.
///
/// # Errors
/// [`crate::Error::Unsafe`] for what leads out of the folder, such as a link, and for what is no
/// file.
pub fn file_of(folder: impl AsRef<Path>, name: &str) -> Result<PathBuf> {
    file_in(folder.as_ref(), name)
}

fn csv_rows(result: &RunResult) -> Vec<String> {
    let mut rows = Vec::new();
    for (split, scores) in [("dev", Some(&result.dev)), ("test", result.test.as_ref())] {
        let Some(scores) = scores else { continue };
        rows.push(csv_row(result, split, "all", scores.overall));
        rows.extend(scores.types.iter().map(|(name, counts)| csv_row(result, split, name, *counts)));
    }
    rows
}

fn csv_row(result: &RunResult, split: &str, of_type: &str, counts: Counts) -> String {
    let Run { id, corpus, method, labels, draw, seed, .. } = &result.run;
    let RunResult { epochs, steps, seconds, threads, .. } = result;
    let (dev_labels, best) = (optional(result.run.dev_labels), optional(result.best_epoch));
    let teacher_seconds = optional(result.teacher_seconds);
    let (precision, recall, f1) = (counts.precision(), counts.recall(), counts.f1());
    let Counts { gold, predicted, correct } = counts;
    let [id, corpus, method, of_type] = [id.as_str(), corpus, method, of_type].map(cell);
    format!(
        "{id},{corpus},{method},{labels},{draw},{seed},{dev_labels},{split},{of_type},{precision},{recall},{f1},\
         {gold},{predicted},{correct},{best},{epochs},{steps},{seconds},{teacher_seconds},{threads}\n"
    )
}

/// A cell that may be empty.
pub(super) fn optional(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(unix)]
    fn nothing_is_written_through_a_link() {
        use super::{FAILED, Failure, write_results};
        let outer = tempfile::tempdir().expect("a temporary folder");
        let folder = outer.path().join("experiment");
        std::fs::create_dir(&folder).expect("writable");
        for name in ["results.jsonl", "results.csv", FAILED] {
            let outside = outer.path().join(name);
            std::fs::write(&outside, "mine").expect("writable");
            std::os::unix::fs::symlink(&outside, folder.join(name)).expect("writable");
        }
        write_results(&folder, &[]).expect_err("it leads out");
        Failure::new("a", "b").write(&folder).expect_err("it leads out");
        for name in ["results.jsonl", "results.csv", FAILED] {
            assert_eq!(std::fs::read_to_string(outer.path().join(name)).expect("there"), "mine");
        }
    }
}
