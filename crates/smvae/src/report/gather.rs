//! The runs of a folder, gathered: what a report is made of.

use crate::error::{Error, Result};
use crate::experiment::run::begun;
use crate::experiment::statistics::{SUMMARY, Summary};
use crate::files::folder::file_in;
use crate::report::answer::Answer;
use crate::report::labels::{self, LabelsPoint};
use crate::report::run::RunReport;
use crate::report::suggested::SuggestedPost;
use crate::report::{compare, scores, sentence};
use crate::run::folder::is_run;
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Everything a report shows.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Name of the folder.
    pub title: String,
    /// Names of the corpora of the runs, as far as they are known.
    pub corpora: Vec<String>,
    /// The command that made the report; whoever gathers it may know.
    pub command: Option<String>,
    /// When it was made; whoever gathers it may say.
    pub date: Option<String>,
    /// Which method finds more, by how much, and whether the data can tell.
    pub answer: Answer,
    /// The runs, by name.
    pub runs: Vec<RunReport>,
    /// Runs of the folder that cannot be read, and why.
    pub unreadable: Vec<(String, String)>,
    /// F1 against the number of labelled posts, by method, then by number. Empty if the table of
    /// runs says as much.
    pub points: Vec<LabelsPoint>,
    /// An experiment's means and differences from its baseline. `None` for other folders.
    pub summary: Option<Summary>,
    /// Posts that should be labelled next. Empty; a caller may fill it with
    /// [`suggestions`](super::suggestions).
    pub suggested: Vec<SuggestedPost>,
}

/// Gathers a report of a run folder, of a folder of runs, or of an experiment, whose runs are in
/// its folder `runs`.
///
/// # Errors
/// [`Error::NoRuns`] for a folder without runs; [`Error::JsonLine`] and the like, naming file and
/// line, for a run with a malformed file, where the folder is a run or all of its runs are so.
pub fn gather(folder: impl AsRef<Path>) -> Result<Report> {
    let folder = folder.as_ref();
    let folders = run_folders(folder)?;
    let results = scores::read_results(folder)?;
    // An experiment may have results without runs, if another machine computed them all.
    if folders.is_empty() && results.is_empty() {
        return Err(Error::NoRuns { path: folder.to_owned() });
    }
    let (mut runs, unreadable) = read_runs(&folders)?;
    for run in &mut runs {
        let result = results.iter().find(|result| result.run.id == run.name);
        // A run that has begun has no result yet, and knows what it is of.
        let begun = || folders.iter().find(|(name, _)| *name == run.name).and_then(|(_, path)| begun(path).ok()?);
        let Some(planned) = result.map(|result| result.run.clone()).or_else(|| Some(begun()?.run)) else { continue };
        run.place = Some(scores::place_of(&planned));
        (run.method, run.corpus) = (planned.method, Some(planned.corpus));
        let test = result.and_then(|result| result.test.as_ref());
        run.test_f1 = test.map(|test| test.overall.f1()).or(run.test_f1);
    }
    // Only an experiment has one.
    let summary = folder.join(SUMMARY).is_file().then(|| Summary::read(folder)).transpose()?;
    let scores = scores::of(&results, &runs);
    let mut answer = compare::answer(&scores, summary.as_ref().and_then(|summary| summary.baseline.as_deref()));
    if let [run] = runs.as_slice() {
        answer.notes.extend(run.splits.last().map(sentence::of_split));
    }
    let mut points = labels::points(&scores);
    if !labels::worth_showing(&points) {
        points.clear();
    }
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let title = absolute.file_name().map_or_else(|| "runs".to_owned(), |name| name.to_string_lossy().into_owned());
    let names = scores.iter().map(|score| score.place.corpus.as_str());
    let corpora = sentence::corpora(names.chain(runs.iter().filter_map(|run| run.corpus.as_deref())));
    let (command, date, suggested) = (None, None, Vec::new());
    Ok(Report { title, corpora, command, date, answer, runs, unreadable, points, summary, suggested })
}

/// Names of runs, and why they cannot be read.
type Unreadable = Vec<(String, String)>;

/// Reads runs; those that cannot be read are named, unless no other is left.
fn read_runs(folders: &[(String, PathBuf)]) -> Result<(Vec<RunReport>, Unreadable)> {
    let (mut runs, mut unreadable, mut first) = (Vec::new(), Vec::new(), None);
    let read: Vec<_> = folders.par_iter().map(|(name, path)| RunReport::read(name, path)).collect();
    for ((name, _), run) in folders.iter().zip(read) {
        match run {
            Ok(run) => runs.push(run),
            Err(error) => {
                unreadable.push((name.clone(), error.to_string()));
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) if runs.is_empty() => Err(error),
        _ => Ok((runs, unreadable)),
    }
}

/// Names and paths of the runs of a folder, perhaps of none.
fn run_folders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    if is_run(folder) {
        let path = folder.canonicalize().map_err(|source| Error::Read { path: folder.to_owned(), source })?;
        return Ok(vec![(name_of(&path), folder.to_owned())]);
    }
    let inner = folder.join("runs");
    let parent = if inner.is_dir() { inner } else { folder.to_owned() };
    let entries = std::fs::read_dir(&parent).map_err(|source| Error::Read { path: parent.clone(), source })?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| Error::Read { path: parent.clone(), source })?.path();
        if is_run(&path) {
            found.push((name_of(&path), path));
        }
    }
    found.sort();
    Ok(found)
}

/// Where the page of a folder lies by default, in the folder.
///
/// # Errors
/// [`Error::Unsafe`] if a link or another thing than a file is in its place.
pub fn page_in(folder: impl AsRef<Path>) -> Result<PathBuf> {
    file_in(folder.as_ref(), "report.html")
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}
