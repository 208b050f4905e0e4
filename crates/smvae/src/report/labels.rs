//! F1 against the number of labelled posts: the mean of each method over draws and seeds, with its
//! interval.
//!
//! The points of a corpus, which are drawn together, are of one split: test where all of its runs
//! have that, as an experiment's results may, else dev.

use crate::experiment::statistics::{half_width, independent, mean_and_sd};
use crate::report::scores::Score;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

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
    /// The split: `test` if every run of the corpus has it, else `dev`.
    pub split: &'static str,
    /// Mean F1, in percent.
    pub mean: f64,
    /// Standard deviation (of a sample). `None` for a single run.
    pub deviation: Option<f64>,
    /// Lower end of the 95 % confidence interval of the mean over draws. `None` for a single run.
    pub low: Option<f64>,
    /// Upper end of that interval.
    pub high: Option<f64>,
    /// Number of runs.
    pub n: usize,
    /// F1 of each run, in percent.
    pub values: Vec<f64>,
}

/// The points of all corpora.
pub(super) fn points(scores: &[Score]) -> Vec<LabelsPoint> {
    let without_test = scores.iter().filter(|score| score.test.is_none());
    let without_test: BTreeSet<&str> = without_test.map(|score| score.place.corpus.as_str()).collect();
    let f1 = |score: &Score| {
        let cut = score.place.dev_labels.map_or(String::new(), |n| format!(", dev of {n}"));
        let method = format!("{}{cut}", score.method);
        let test = score.test.filter(|_| !without_test.contains(score.place.corpus.as_str()));
        let (split, f1) = test.map_or(("dev", score.dev), |f1| ("test", f1));
        Some(((score.place.corpus.clone(), method, score.posts?, split), f1))
    };
    average(scores.iter().filter_map(|score| Some((f1(score)?, score.pair.0.as_str()))))
}

/// Whether the points say more than the table of runs.
pub(super) fn worth_showing(points: &[LabelsPoint]) -> bool {
    points.iter().any(|point| point.n > 1 || point.labelled != points[0].labelled)
}

/// Corpus, method, number of labelled posts and split of a point.
type Group = (String, String, usize, &'static str);

/// The point of each group of scores.
fn average<'a>(scores: impl Iterator<Item = ((Group, f64), &'a str)>) -> Vec<LabelsPoint> {
    let mut groups: BTreeMap<Group, Vec<(&str, f64)>> = BTreeMap::new();
    for ((group, f1), draw) in scores {
        groups.entry(group).or_default().push((draw, f1));
    }
    let point = |((corpus, method, labelled, split), runs): (Group, Vec<(&str, f64)>)| {
        let values: Vec<f64> = runs.iter().map(|(_, f1)| *f1).collect();
        let (mean, deviation) = mean_and_sd(&values)?;
        let n = values.len();
        // Several runs of one draw say less than as many draws.
        let draws = independent(runs.into_iter());
        // It is around their mean, which is another than that of the runs where draws have unlike
        // numbers of them.
        let (middle, sd) = mean_and_sd(&draws)?;
        let half = sd.map(|sd| half_width(sd, draws.len()));
        let (low, high) = (half.map(|half| middle - half), half.map(|half| middle + half));
        Some(LabelsPoint { corpus, method, labelled, split, mean, deviation, low, high, n, values })
    };
    groups.into_iter().filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::spec::LabelCount;
    use crate::report::place::Place;

    #[test]
    fn the_points_of_a_corpus_are_of_one_split() {
        let score = |corpus: &str, labels: usize, test: Option<f64>| Score {
            place: Place { corpus: corpus.to_owned(), labels: LabelCount::Count(labels), dev_labels: None },
            method: "m".to_owned(),
            pair: (String::new(), 0),
            posts: Some(labels),
            dev: 1.0,
            test,
        };
        let scores = [
            score("closed", 9, None),
            score("mixed", 9, Some(2.0)),
            score("mixed", 20, None),
            score("open", 9, Some(2.0)),
        ];
        let got: Vec<_> = points(&scores).into_iter().map(|p| (p.corpus, p.labelled, p.split, p.mean)).collect();
        let want = [("closed", 9, "dev", 1.0), ("mixed", 9, "dev", 1.0), ("mixed", 20, "dev", 1.0)];
        let want = want.into_iter().chain([("open", 9, "test", 2.0)]);
        assert_eq!(got, want.map(|(corpus, n, split, f1)| (corpus.to_owned(), n, split, f1)).collect::<Vec<_>>());
    }

    #[test]
    fn means_and_deviations_are_over_the_runs_of_a_method() {
        let scores = [("b", 50, 60.0), ("a", 100, 70.0), ("a", 50, 61.0), ("a", 50, 65.0)];
        let score = |(method, n, f1): (&str, usize, f64)| ((String::new(), method.to_owned(), n, "dev"), f1);
        let points = average(scores.map(|scored| (score(scored), "of one draw")).into_iter());
        let got: Vec<_> = points.iter().map(|p| (p.method.as_str(), p.labelled, p.mean, p.n)).collect();
        assert_eq!(got, [("a", 50, 63.0, 2), ("a", 100, 70.0, 1), ("b", 50, 60.0, 1)]);
        assert_eq!(points[0].deviation, Some(8f64.sqrt()));
        // Student's t is 12.706 with one degree of freedom.
        assert!((points[0].high.expect("two runs") - 63.0 - 2.0 * 12.706_2).abs() < 1e-3);
        assert_eq!((points[1].deviation, points[1].low), (None, None));
        assert!(worth_showing(&points) && !worth_showing(&points[1..2]) && !worth_showing(&[]));
        // Two seeds of each of two draws are two numbers that do not depend on each other.
        let of_draws = [("1", 60.0), ("1", 62.0), ("2", 64.0), ("2", 66.0)];
        let point = &average(of_draws.map(|(draw, f1)| (score(("a", 50, f1)), draw)).into_iter())[0];
        assert_eq!((point.n, point.mean), (4, 63.0));
        assert!((point.high.expect("two draws") - 63.0 - 2.0 * 12.706_2).abs() < 1e-3);
        // One draw has more seeds than the other: the interval is that of the two draws.
        let unlike = [("1", 60.0), ("1", 60.0), ("1", 60.0), ("2", 64.0)];
        let point = &average(unlike.map(|(draw, f1)| (score(("a", 50, f1)), draw)).into_iter())[0];
        assert_eq!((point.n, point.mean), (4, 61.0));
        let (low, high) = (point.low.expect("two draws"), point.high.expect("two draws"));
        assert!(((low + high) / 2.0 - 62.0).abs() < 1e-9 && (high - 62.0 - 2.0 * 12.706_2).abs() < 1e-3);
    }
}
