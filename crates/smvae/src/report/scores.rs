//! The scores of a folder's runs in one form, whether an experiment's results have them or the runs
//! themselves: which of them may be averaged, and which are pairs.

use crate::error::Result;
use crate::experiment::results::{self, RESULTS, RunResult};
use crate::experiment::spec::{LabelCount, Run};
use crate::files::folder::file_in;
use crate::report::place::Place;
use crate::report::run::RunReport;
use std::path::Path;

/// The scores of one run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Score {
    /// Runs of one place are compared with each other.
    pub(super) place: Place,
    /// Runs of one place and method are repetitions.
    pub(super) method: String,
    /// Two runs of one place that are the same here are a pair: the number of the draw and the
    /// seed, and outside an experiment, in place of the number, the digest of the labelled posts.
    /// Where a method chooses its posts, two runs of a pair have different labelled posts: the
    /// draw is only where both began.
    pub(super) pair: (String, u64),
    /// Number of labelled posts; of `all` it is known where the run's folder is there.
    pub(super) posts: Option<usize>,
    /// F1 on dev, in percent.
    pub(super) dev: f64,
    /// F1 on test, in percent. `None` if it stayed closed.
    pub(super) test: Option<f64>,
}

/// The results of an experiment; empty for other folders.
pub(super) fn read_results(folder: &Path) -> Result<Vec<RunResult>> {
    let file = file_in(folder, RESULTS)?;
    if file.is_file() { results::read_results(&file) } else { Ok(Vec::new()) }
}

/// Scores in the order of the results, or of the runs where there are no results.
pub(super) fn of(results: &[RunResult], runs: &[RunReport]) -> Vec<Score> {
    if results.is_empty() {
        return runs.iter().filter_map(|run| of_run(run, runs)).collect();
    }
    results.iter().map(|result| of_result(result, runs)).collect()
}

/// What the run of a result may be compared with.
pub(super) fn place_of(run: &Run) -> Place {
    Place { corpus: run.corpus.clone(), labels: run.labels, dev_labels: run.dev_labels }
}

fn of_result(result: &RunResult, runs: &[RunReport]) -> Score {
    let run = &result.run;
    let posts = match run.labels {
        LabelCount::Count(n) => Some(n),
        LabelCount::All => runs.iter().find(|other| other.name == run.id).and_then(|run| run.labelled),
    };
    Score {
        place: place_of(run),
        method: run.method.clone(),
        pair: (run.draw.to_string(), run.seed),
        posts,
        dev: result.dev.overall.f1(),
        test: result.test.as_ref().map(|test| test.overall.f1()),
    }
}

/// `None` for a run that was not evaluated, or whose labelled posts are not known.
fn of_run(run: &RunReport, all: &[RunReport]) -> Option<Score> {
    Some(Score {
        place: run.place.clone()?,
        method: method_of_run(run, all),
        pair: (run.draw.as_ref()?.posts.clone(), run.seed),
        posts: run.labelled,
        dev: run.dev.as_ref()?.overall.f1(),
        test: run.test_f1,
    })
}

/// The method of a run that belongs to no experiment. Where other runs of the method have another
/// corpus or other settings, the name of the first run like it ([`RunReport::repeats`]) follows.
/// Where runs of one seed have other labelled posts, somebody chose them: the name of the first run
/// with these posts follows.
pub(super) fn method_of_run(run: &RunReport, all: &[RunReport]) -> String {
    let of_method = || all.iter().filter(|other| other.method == run.method);
    let mut name = run.method.clone();
    if of_method().any(|other| other.repeats != run.repeats) {
        let first = of_method().find(|other| other.repeats == run.repeats).unwrap_or(run);
        name += &format!(", as {}", first.name);
    }
    let alike = || of_method().filter(|other| other.repeats == run.repeats && other.labelled == run.labelled);
    if alike().any(|other| seed_of(other) == seed_of(run) && posts_of(other) != posts_of(run)) {
        let first = alike().find(|other| posts_of(other) == posts_of(run)).unwrap_or(run);
        name += &format!(", posts of {}", first.name);
    }
    name
}

fn posts_of(run: &RunReport) -> Option<&str> {
    run.draw.as_ref().map(|draw| draw.posts.as_str())
}

fn seed_of(run: &RunReport) -> Option<u64> {
    run.draw.as_ref().map(|draw| draw.seed)
}
