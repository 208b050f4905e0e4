//! F1 against the number of labelled posts: the mean of each method over draws and seeds, with its
//! interval.
//!
//! The points are those of test where every run has it, as an experiment's results may; else those
//! of dev.

use crate::experiment::statistics::{half_width, mean_and_sd};
use crate::report::scores::Score;
use serde::Serialize;
use std::collections::BTreeMap;

/// A method at a number of labelled posts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LabelsPoint {
    /// Name of the corpus; empty if it is not known.
    pub corpus: String,
    /// The method, with dev's size if dev was cut.
    pub method: String,
    /// Labelled posts.
    pub labelled: usize,
    /// Mean F1, in percent.
    pub mean: f64,
    /// Standard deviation (of a sample). `None` for a single run.
    pub deviation: Option<f64>,
    /// Lower end of the 95 % confidence interval of the mean. `None` for a single run.
    pub low: Option<f64>,
    /// Upper end of that interval.
    pub high: Option<f64>,
    /// Number of runs.
    pub n: usize,
    /// F1 of each run, in percent.
    pub values: Vec<f64>,
}

/// The points, and their split: test if every result has it.
pub(super) fn points(scores: &[Score]) -> (Vec<LabelsPoint>, &'static str) {
    let on_test = !scores.is_empty() && scores.iter().all(|score| score.test.is_some());
    let f1 = |score: &Score| {
        let cut = score.place.dev_labels.map_or(String::new(), |n| format!(", dev of {n}"));
        let method = format!("{}{cut}", score.method);
        let f1 = if on_test { score.test? } else { score.dev };
        Some(((score.place.corpus.clone(), method, score.posts?), f1))
    };
    (average(scores.iter().filter_map(f1)), if on_test { "test" } else { "dev" })
}

/// Whether the points say more than the table of runs.
pub(super) fn worth_showing(points: &[LabelsPoint]) -> bool {
    points.iter().any(|point| point.n > 1 || point.labelled != points[0].labelled)
}

/// Groups scores by corpus, method and number of labels.
fn average(scores: impl Iterator<Item = ((String, String, usize), f64)>) -> Vec<LabelsPoint> {
    let mut groups: BTreeMap<(String, String, usize), Vec<f64>> = BTreeMap::new();
    for (key, f1) in scores {
        groups.entry(key).or_default().push(f1);
    }
    let point = |((corpus, method, labelled), values): ((String, String, usize), Vec<f64>)| {
        let (mean, deviation) = mean_and_sd(&values)?;
        let n = values.len();
        let half = deviation.map(|sd| half_width(sd, n));
        let (low, high) = (half.map(|half| mean - half), half.map(|half| mean + half));
        Some(LabelsPoint { corpus, method, labelled, mean, deviation, low, high, n, values })
    };
    groups.into_iter().filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_deviations_are_over_the_runs_of_a_method() {
        let scores = [("b", 50, 60.0), ("a", 100, 70.0), ("a", 50, 61.0), ("a", 50, 65.0)];
        let points = average(scores.into_iter().map(|(method, n, f1)| ((String::new(), method.to_owned(), n), f1)));
        let got: Vec<_> = points.iter().map(|p| (p.method.as_str(), p.labelled, p.mean, p.n)).collect();
        assert_eq!(got, [("a", 50, 63.0, 2), ("a", 100, 70.0, 1), ("b", 50, 60.0, 1)]);
        assert_eq!(points[0].deviation, Some(8f64.sqrt()));
        // Student's t is 12.706 with one degree of freedom.
        assert!((points[0].high.expect("two runs") - 63.0 - 2.0 * 12.706_2).abs() < 1e-3);
        assert_eq!((points[1].deviation, points[1].low), (None, None));
        assert!(worth_showing(&points) && !worth_showing(&points[1..2]) && !worth_showing(&[]));
    }
}
