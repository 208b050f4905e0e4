//! F1 against the number of labelled tweets: the mean of each method, over draws and seeds, with its deviation.
//!
//! The points are of an experiment's `results.jsonl` where there is one, on test; else of the runs themselves, on dev.

use super::RunReport;
use crate::Result;
use crate::files::read_json_lines;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A method at a number of labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelsPoint {
    /// The method.
    pub method: String,
    /// Labelled tweets.
    pub labelled: usize,
    /// Mean F1, in percent.
    pub mean: f64,
    /// Standard deviation (of a sample); none of a single run.
    pub deviation: Option<f64>,
    /// Number of runs.
    pub n: usize,
}

/// What is read of a line of `results.jsonl`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ResultLine {
    /// Name of the run's folder.
    pub run: String,
    /// The method.
    pub method: String,
    /// Labelled tweets.
    pub labelled: usize,
    /// F1 on test, in percent; none if the experiment leaves test closed.
    pub test_f1: Option<f64>,
}

/// The results of an experiment; nothing for a folder that is none.
pub(super) fn read_results(folder: &Path) -> Result<Vec<ResultLine>> {
    let path = folder.join("results.jsonl");
    if path.is_file() { read_json_lines(&path, "result of an experiment") } else { Ok(Vec::new()) }
}

/// The points, and the split they are of.
pub(super) fn points(results: &[ResultLine], runs: &[RunReport]) -> (Vec<LabelsPoint>, &'static str) {
    let test = average(results.iter().filter_map(|r| Some((r.method.clone(), r.labelled, r.test_f1?))));
    if !test.is_empty() {
        return (test, "test");
    }
    let dev = |run: &RunReport| Some((run.method.clone(), run.labelled?, run.dev.as_ref()?.overall.f1()));
    (average(runs.iter().filter_map(dev)), "dev")
}

/// Groups scores by method and number of labels.
fn average(scores: impl Iterator<Item = (String, usize, f64)>) -> Vec<LabelsPoint> {
    let mut groups: BTreeMap<(String, usize), Vec<f64>> = BTreeMap::new();
    for (method, labelled, f1) in scores {
        groups.entry((method, labelled)).or_default().push(f1);
    }
    let point = |((method, labelled), f1): ((String, usize), Vec<f64>)| {
        let n = f1.len();
        let mean = f1.iter().sum::<f64>() / n as f64;
        let squares: f64 = f1.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        LabelsPoint { method, labelled, mean, deviation, n }
    };
    groups.into_iter().map(point).collect()
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
    }
}
