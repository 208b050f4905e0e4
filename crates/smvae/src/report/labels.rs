//! F1 against the number of labelled posts: the mean of each method over draws and seeds, with its
//! deviation.
//!
//! The points come from an experiment's `results.jsonl`, on test, where there is one; else from the
//! runs themselves, on dev.

use crate::error::Result;
use crate::experiment::results::{self, RESULTS, RunResult};
use crate::experiment::spec::LabelCount;
use crate::experiment::statistics::mean_and_sd;
use crate::files::folder::file_in;
use crate::report::run::RunReport;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A method at a number of labelled posts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LabelsPoint {
    /// The method.
    pub method: String,
    /// Labelled posts.
    pub labelled: usize,
    /// Mean F1, in percent.
    pub mean: f64,
    /// Standard deviation (of a sample). `None` for a single run.
    pub deviation: Option<f64>,
    /// Number of runs.
    pub n: usize,
}

/// The method of a result, with the corpus if there are several, and with dev's size if dev was
/// cut: runs that may be averaged have the same text here.
pub(super) fn method(result: &RunResult, all: &[RunResult]) -> String {
    let corpora: BTreeSet<&str> = all.iter().map(|result| result.run.corpus.as_str()).collect();
    let corpus = if corpora.len() > 1 { format!("{}: ", result.run.corpus) } else { String::new() };
    let cut = result.run.dev_labels.map_or(String::new(), |n| format!(", dev of {n}"));
    format!("{corpus}{}{cut}", result.run.method)
}

/// The method of a run that belongs to no experiment. Where other runs of the method have another
/// corpus or other settings, the name of the first run like it ([`RunReport::repeats`]) follows.
fn method_of_run(run: &RunReport, all: &[RunReport]) -> String {
    let of_method = || all.iter().filter(|other| other.method == run.method);
    if of_method().all(|other| other.repeats == run.repeats) {
        return run.method.clone();
    }
    let first = of_method().find(|other| other.repeats == run.repeats).unwrap_or(run);
    format!("{}, as {}", run.method, first.name)
}

/// Number of labelled posts; for `all`, as many as the run's selection has.
fn labelled(result: &RunResult, runs: &[RunReport]) -> Option<usize> {
    match result.run.labels {
        LabelCount::Count(n) => Some(n),
        LabelCount::All => runs.iter().find(|run| run.name == result.run.id)?.labelled,
    }
}

/// The results of an experiment; empty for other folders.
pub(super) fn read_results(folder: &Path) -> Result<Vec<RunResult>> {
    let file = file_in(folder, RESULTS)?;
    if file.is_file() { results::read_results(&file) } else { Ok(Vec::new()) }
}

/// The points, and their split: test if every result has it.
pub(super) fn points(results: &[RunResult], runs: &[RunReport]) -> (Vec<LabelsPoint>, &'static str) {
    if results.is_empty() {
        let dev = |run: &RunReport| Some((method_of_run(run, runs), run.labelled?, run.dev.as_ref()?.overall.f1()));
        return (average(runs.iter().filter_map(dev)), "dev");
    }
    let on_test = results.iter().all(|result| result.test.is_some());
    let score = |result: &RunResult| {
        let scores = if on_test { result.test.as_ref()? } else { &result.dev };
        Some((method(result, results), labelled(result, runs)?, scores.overall.f1()))
    };
    (average(results.iter().filter_map(score)), if on_test { "test" } else { "dev" })
}

/// Whether the points say more than the table of runs.
pub(super) fn worth_showing(points: &[LabelsPoint]) -> bool {
    points.iter().any(|point| point.n > 1 || point.labelled != points[0].labelled)
}

/// Groups scores by method and number of labels.
fn average(scores: impl Iterator<Item = (String, usize, f64)>) -> Vec<LabelsPoint> {
    let mut groups: BTreeMap<(String, usize), Vec<f64>> = BTreeMap::new();
    for (method, labelled, f1) in scores {
        groups.entry((method, labelled)).or_default().push(f1);
    }
    let point = |((method, labelled), f1): ((String, usize), Vec<f64>)| {
        let (mean, deviation) = mean_and_sd(&f1)?;
        Some(LabelsPoint { method, labelled, mean, deviation, n: f1.len() })
    };
    groups.into_iter().filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_deviations_are_over_the_runs_of_a_method() {
        let scores = [("b", 50, 60.0), ("a", 100, 70.0), ("a", 50, 61.0), ("a", 50, 65.0)];
        let points = average(scores.into_iter().map(|(method, n, f1)| (method.to_owned(), n, f1)));
        let got: Vec<_> = points.iter().map(|p| (p.method.as_str(), p.labelled, p.mean, p.n)).collect();
        assert_eq!(got, [("a", 50, 63.0, 2), ("a", 100, 70.0, 1), ("b", 50, 60.0, 1)]);
        assert_eq!(points[0].deviation, Some(8f64.sqrt()));
        assert_eq!(points[1].deviation, None);
        assert!(worth_showing(&points) && !worth_showing(&points[1..2]) && !worth_showing(&[]));
    }
}
