//! What the results of an experiment say: means, deviations, and differences from a baseline on the
//! same draws.
//!
//! ```text
//! mean = sum x / n,   sd = sqrt(sum (x - mean)^2 / (n - 1))            over the runs of a corpus, labels and method
//! d_i  = x_i - baseline_i                                              paired: same draw, same seed
//! interval = mean d +- t(0.975, n - 1) sd d / sqrt(n)                  Student's t, 95 %
//! ```
//! F1 is in percent, micro over all labels. `DIR/summary.json` is a [`Summary`]; `DIR/summary.csv`
//! has one row per corpus x labels x dev_labels x method x split, with the fields of [`Statistic`]
//! and, named `difference...`, of [`Difference`].

use crate::error::Result;
use crate::experiment::results::{RunResult, optional};
use crate::experiment::spec::{LabelCount, Run};
use crate::files::folder::file_in;
use crate::files::{read_json, write_json};
use serde::{Deserialize, Serialize};
use smvae_data::files::write_atomically;
use smvae_data::formats::table::cell;
use statrs::distribution::{ContinuousCDF as _, StudentsT};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

/// The summary's file in the folder of an experiment.
pub(crate) const SUMMARY: &str = "summary.json";

/// The results of an experiment so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Summary {
    /// The method that the others are compared with. `None` if the experiment names no baseline.
    pub baseline: Option<String>,
    /// Runs of the experiment.
    pub runs: usize,
    /// How many of them are finished.
    pub finished: usize,
    /// One row per corpus x labels x dev_labels x method, in the order of the experiment.
    pub rows: Vec<SummaryRow>,
}

/// All runs of one corpus, number of labels and method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SummaryRow {
    /// Name of the corpus.
    pub corpus: String,
    /// Labelled posts.
    pub labels: LabelCount,
    /// Number of posts that dev was cut to. `None` for all of dev.
    pub dev_labels: Option<usize>,
    /// Name of the method.
    pub method: String,
    /// F1 on dev.
    pub dev: Statistic,
    /// F1 on test. `None` if no run opened it.
    pub test: Option<Statistic>,
}

/// F1 of several runs, in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Statistic {
    /// Number of runs.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation. `None` for a single run.
    pub sd: Option<f64>,
    /// Difference from the baseline. `None` for the baseline itself, and where no draw has both.
    pub difference: Option<Difference>,
}

/// Differences from the baseline on the same draws and seeds, in points of F1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Difference {
    /// Number of pairs: of the draws where there are several, else of the runs.
    pub n: usize,
    /// Mean difference.
    pub mean: f64,
    /// Standard deviation of the differences. `None` for a single pair.
    pub sd: Option<f64>,
    /// Lower end of the 95 % confidence interval of the mean. `None` for a single pair.
    pub low: Option<f64>,
    /// Upper end of that interval.
    pub high: Option<f64>,
}

/// F1 of a run on a split, if the run opened it.
type F1 = fn(&RunResult) -> Option<f64>;

impl Summary {
    /// Summarises results, in their order; `runs` is the number of runs of the whole experiment.
    pub fn of(results: &[RunResult], baseline: Option<&str>, runs: usize) -> Self {
        let mut groups: Vec<Vec<&RunResult>> = Vec::new();
        for result in results {
            match groups.iter_mut().find(|group| key(group[0]) == key(result)) {
                Some(group) => group.push(result),
                None => groups.push(vec![result]),
            }
        }
        let row = |group: &Vec<&RunResult>| {
            let Run { corpus, labels, dev_labels, method, .. } = &group[0].run;
            let of_baseline = |other: &&Vec<&RunResult>| {
                let other = &other[0].run;
                let same = (&other.corpus, other.labels, other.dev_labels) == (corpus, *labels, *dev_labels);
                same && Some(other.method.as_str()) == baseline && other.method != *method
            };
            let base = groups.iter().find(of_baseline).map_or(&[][..], Vec::as_slice);
            let statistic = |f1: F1| Statistic::of(group, base, f1);
            SummaryRow {
                corpus: corpus.clone(),
                labels: *labels,
                dev_labels: *dev_labels,
                method: method.clone(),
                dev: statistic(|run| Some(run.dev.overall.f1())).expect("a group has a run, and a run has dev"),
                test: statistic(|run| run.test.as_ref().map(|test| test.overall.f1())),
            }
        };
        Self {
            baseline: baseline.map(str::to_owned),
            runs,
            finished: results.len(),
            rows: groups.iter().map(row).collect(),
        }
    }

    /// Reads the summary in an experiment's folder.
    ///
    /// # Errors
    /// [`Error::Read`](crate::Error::Read) and [`Error::Json`](crate::Error::Json) for a file that
    /// cannot be read or is not a summary.
    pub fn read(dir: impl AsRef<Path>) -> Result<Self> {
        read_json(&file_in(dir.as_ref(), SUMMARY)?, "summary of an experiment")
    }

    /// Writes `summary.json` and `summary.csv`.
    ///
    /// # Errors
    /// [`smvae_data::Error::Write`].
    pub fn write(&self, dir: impl AsRef<Path>) -> Result<()> {
        let dir = dir.as_ref();
        write_json(&file_in(dir, SUMMARY)?, self)?;
        let header = "corpus,labels,dev_labels,method,split,n,mean,sd,\
                      difference_n,difference,difference_sd,difference_low,difference_high\n";
        let rows: String = self.rows.iter().flat_map(csv_rows).collect();
        Ok(write_atomically(&file_in(dir, "summary.csv")?, (header.to_owned() + &rows).as_bytes())?)
    }
}

fn csv_rows(row: &SummaryRow) -> Vec<String> {
    let labels = row.labels;
    let [corpus, method] = [&row.corpus, &row.method].map(|name| cell(name));
    let splits = [("dev", Some(&row.dev)), ("test", row.test.as_ref())];
    let splits = splits.into_iter().filter_map(|(split, statistic)| Some((split, statistic?)));
    let cells = splits.map(|(split, Statistic { n, mean, sd, difference })| {
        let of = |field: fn(&Difference) -> Option<f64>| optional(difference.as_ref().and_then(field));
        let (pairs, sd, dev_labels) =
            (optional(difference.as_ref().map(|d| d.n)), optional(*sd), optional(row.dev_labels));
        let (difference, difference_sd) = (of(|d| Some(d.mean)), of(|d| d.sd));
        let (low, high) = (of(|d| d.low), of(|d| d.high));
        format!(
            "{corpus},{labels},{dev_labels},{method},{split},{n},{mean},{sd},\
             {pairs},{difference},{difference_sd},{low},{high}\n"
        )
    });
    cells.collect()
}

/// What the runs of a group have in common.
fn key(result: &RunResult) -> (&str, LabelCount, Option<usize>, &str) {
    let Run { corpus, labels, dev_labels, method, .. } = &result.run;
    (corpus, *labels, *dev_labels, method)
}

impl Statistic {
    fn of(runs: &[&RunResult], baseline: &[&RunResult], f1: F1) -> Option<Self> {
        let values: Vec<f64> = runs.iter().filter_map(|run| f1(run)).collect();
        let pair = |result: &RunResult| (result.run.draw, result.run.seed);
        let of_baseline: BTreeMap<(u64, u64), f64> =
            baseline.iter().filter_map(|run| Some((pair(run), f1(run)?))).collect();
        let difference = |run: &&RunResult| Some((run.run.draw, f1(run)? - of_baseline.get(&pair(run))?));
        let differences = independent(runs.iter().filter_map(difference));
        let (mean, sd) = mean_and_sd(&values)?;
        Some(Self { n: values.len(), mean, sd, difference: Difference::of(&differences) })
    }
}

/// Numbers of runs that do not depend on each other: of several runs of one draw, which share their
/// labelled posts, the mean, where there is more than one draw; else those of the runs.
pub(crate) fn independent<D: Ord>(of_runs: impl Iterator<Item = (D, f64)>) -> Vec<f64> {
    let mut draws = BTreeMap::<D, Vec<f64>>::new();
    of_runs.for_each(|(draw, number)| draws.entry(draw).or_default().push(number));
    if draws.len() == 1 {
        return draws.into_values().flatten().collect();
    }
    draws.values().map(|numbers| numbers.iter().sum::<f64>() / numbers.len() as f64).collect()
}

impl Difference {
    /// Summarises paired differences. `None` without a pair.
    pub fn of(differences: &[f64]) -> Option<Self> {
        let (n, (mean, sd)) = (differences.len(), mean_and_sd(differences)?);
        let half = sd.map(|sd| half_width(sd, n));
        Some(Self { n, mean, sd, low: half.map(|half| mean - half), high: half.map(|half| mean + half) })
    }

    /// Whether the whole interval is above 0 (`Greater`) or below it (`Less`). `None` if it holds 0
    /// or there is none: the data cannot tell.
    pub fn sign(&self) -> Option<Ordering> {
        match (self.low?, self.high?) {
            (low, _) if low > 0.0 => Some(Ordering::Greater),
            (_, high) if high < 0.0 => Some(Ordering::Less),
            _ => None,
        }
    }

    /// The number of pairs at which the interval would not hold 0 any more, if mean and deviation
    /// stayed as they are. `None` if that takes more than a thousand, and for a single pair.
    pub fn pairs_to_tell(&self) -> Option<usize> {
        let sd = self.sd?;
        (2..=1000).find(|&n| half_width(sd, n) < self.mean.abs())
    }
}

/// Half the 95 % confidence interval of the mean of `n` values, 2 or more, with this deviation.
pub(crate) fn half_width(sd: f64, n: usize) -> f64 {
    let t = StudentsT::new(0.0, 1.0, (n - 1) as f64).expect("two values or more have a degree of freedom");
    t.inverse_cdf(0.975) * sd / (n as f64).sqrt()
}

/// Mean and sample standard deviation. `None` without values, and no deviation for a single value.
pub(crate) fn mean_and_sd(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    Some((mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Digests;
    use smvae_core::metrics::{Counts, Scores};

    #[track_caller]
    fn check(differences: &[f64], want: (f64, f64, f64, f64)) {
        let got = Difference::of(differences).expect("pairs");
        let got = [got.mean, got.sd.expect("pairs"), got.low.expect("pairs"), got.high.expect("pairs")];
        for (got, want) in got.into_iter().zip([want.0, want.1, want.2, want.3]) {
            assert!((got - want).abs() < 5e-4, "{got} {want}");
        }
    }

    #[test]
    fn runs_of_one_draw_are_no_independent_numbers() {
        let check = |of_runs: &[(u64, f64)], want: &[f64]| assert_eq!(independent(of_runs.iter().copied()), want);
        check(&[(3, 1.0), (1, 2.0), (3, 3.0)], &[2.0, 2.0]);
        check(&[(2, 1.0), (1, 4.0)], &[4.0, 1.0]);
        // Of a single draw there are only its runs.
        check(&[(1, 2.0), (1, 1.0)], &[2.0, 1.0]);
        check(&[], &[]);
    }

    #[test]
    fn intervals_are_those_of_the_tables() {
        // t(0.975) is 12.706 with one degree of freedom, 4.303 with two, 2.776 with four.
        check(&[1.0, 3.0], (2.0, 2f64.sqrt(), 2.0 - 12.7062, 2.0 + 12.7062));
        check(&[1.0, 2.0, 3.0], (2.0, 1.0, 2.0 - 4.30265 / 3f64.sqrt(), 2.0 + 4.30265 / 3f64.sqrt()));
        check(&[2.0, 4.0, 4.0, 5.0, 5.0], (4.0, 1.224_745, 4.0 - 1.52072, 4.0 + 1.52072));
        check(&[1.5, 1.5], (1.5, 0.0, 1.5, 1.5));
        assert_eq!(Difference::of(&[]), None);
        let one = Difference { n: 1, mean: 7.0, sd: None, low: None, high: None };
        assert_eq!(Difference::of(&[7.0]), Some(one));
    }

    #[test]
    fn an_interval_tells_or_says_how_many_pairs_would() {
        let tell = |differences: &[f64]| Difference::of(differences).map(|d| (d.sign(), d.pairs_to_tell()));
        // t(0.975) is 3.182 with three degrees of freedom: 3.182 sqrt(2) / 2 is above 2, and with
        // four 2.776 sqrt(2) / sqrt(5) is below it.
        assert_eq!(tell(&[1.0, 3.0]), Some((None, Some(5))));
        assert_eq!(tell(&[2.0, 4.0, 4.0, 5.0, 5.0]), Some((Some(Ordering::Greater), Some(3))));
        assert_eq!(tell(&[-4.0, -4.0, -5.0]), Some((Some(Ordering::Less), Some(3))));
        assert_eq!(tell(&[-1.0, 1.0]), Some((None, None)));
        assert_eq!(tell(&[0.0, 0.0]), Some((None, None)));
        assert_eq!(tell(&[3.0]), Some((None, None)));
    }

    /// A run whose F1 is `correct` percent on dev, and on test if that is opened.
    fn run(method: &str, draw: u64, correct: usize, dev_only: bool) -> RunResult {
        let scores = Scores { overall: Counts { gold: 100, predicted: 100, correct }, ..Scores::default() };
        RunResult {
            run: Run {
                id: format!("c-{method}-{draw}"),
                corpus: "c".to_owned(),
                method: method.to_owned(),
                labels: LabelCount::Count(5),
                draw,
                seed: 0,
                dev_labels: None,
                dev_only,
                text_alone: false,
                images: true,
                captions: false,
                bf16: false,
                manifest: false,
                choice: None,
                config: crate::Config::default(),
            },
            files: Digests {
                train: "1".to_owned(),
                dev: "2".to_owned(),
                text_encoder: "tiny".to_owned(),
                ..Digests::default()
            },
            best_epoch: Some(1),
            epochs: 1,
            steps: 1,
            seconds: 1.5,
            teacher_seconds: None,
            cost: None,
            threads: 1,
            test: (!dev_only).then(|| scores.clone()),
            test_text: None,
            dev: scores,
        }
    }

    #[test]
    fn methods_are_compared_on_the_draws_that_both_have() {
        let results = [
            run("base", 0, 50, false),
            run("base", 1, 60, false),
            run("new", 1, 63, true),
            run("new", 0, 55, false),
            run("new", 2, 99, false),
        ];
        let summary = Summary::of(&results, Some("base"), 9);
        assert_eq!((summary.runs, summary.finished, summary.rows.len()), (9, 5, 2));
        let [base, new] = &summary.rows[..] else { panic!("two rows") };
        assert_eq!((base.dev.n, base.dev.mean, base.dev.difference.is_none()), (2, 55.0, true));
        let difference = new.dev.difference.as_ref().expect("two pairs");
        assert_eq!((difference.n, difference.mean), (2, 4.0));
        let test = new.test.as_ref().expect("it was opened");
        assert_eq!((test.n, test.mean), (2, 77.0));
        assert_eq!(test.difference.as_ref().map(|d| (d.n, d.mean, d.low)), Some((1, 5.0, None)));
        assert!(Summary::of(&results, None, 9).rows.iter().all(|row| row.dev.difference.is_none()));

        let dir = tempfile::tempdir().expect("a temporary folder");
        summary.write(dir.path()).expect("writes");
        assert_eq!(Summary::read(dir.path()).expect("its own file"), summary);
        let csv = std::fs::read_to_string(dir.path().join("summary.csv")).expect("there");
        let widths: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(widths, [13; 5]);
    }

    #[test]
    fn results_are_read_back_and_tidy() {
        use crate::experiment::results::{read_results, results_file, write_results};
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut results = vec![run("a", 0, 50, false), run("b", 0, 60, true)];
        results[1].run.labels = LabelCount::All;
        results[0].dev.types.insert("PER".to_owned(), Counts { gold: 2, predicted: 2, correct: 1 });
        write_results(dir.path(), &results).expect("writes");
        assert_eq!(read_results(results_file(dir.path())).expect("its own file"), results);
        let csv = std::fs::read_to_string(dir.path().join("results.csv")).expect("there");
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 1 + 3 + 1);
        assert_eq!(lines[2], "c-a-0,c,a,5,0,0,,dev,PER,50,50,50,2,2,1,1,1,1,1.5,,1");
        assert!(lines[4].starts_with("c-b-0,c,b,all,0,0,,dev,all,60,60,60,"));
    }
}
