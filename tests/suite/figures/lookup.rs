//! Looking up what the kept results of the experiments say, written as the pages write it.

use super::path;
use smvae::core::metrics::Scores;
use smvae::experiment::results::read_results;
use smvae::experiment::{Difference, RunResult, Statistic, Summary, SummaryRow};
use std::collections::BTreeMap;

/// The results of the repository's experiments.
pub(super) struct Results {
    pub few_labels: Vec<RunResult>,
    pub options: Vec<RunResult>,
    pub authors: Vec<RunResult>,
    pub labelling: Vec<RunResult>,
    pub captions: Vec<RunResult>,
    pub mpnet: Vec<RunResult>,
    pub bf16: Vec<RunResult>,
}

/// Runs of one method: year of the Twitter corpus, number of labels (or `all`), method; dev is
/// whole.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a>(pub &'a str, pub &'a str, pub &'a str);

#[derive(Clone, Copy, PartialEq)]
pub(super) enum On {
    Dev,
    Test,
}

impl Results {
    pub(super) fn read() -> Self {
        let read = |name: &str| {
            let file = path(&format!("experiments/results/{name}.jsonl"));
            read_results(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
        };
        Self {
            few_labels: read("few-labels"),
            options: read("options"),
            authors: read("authors"),
            labelling: read("labelling"),
            captions: read("captions"),
            mpnet: read("mpnet"),
            bf16: read("bf16"),
        }
    }

    /// A row for every method of the few-label experiment, compared with `baseline`.
    pub(super) fn rows(&self, baseline: &str) -> Vec<SummaryRow> {
        Summary::of(&self.few_labels, Some(baseline), self.few_labels.len()).rows
    }

    fn statistic(&self, cell: Cell<'_>, baseline: &str, on: On) -> Statistic {
        let Cell(year, labels, method) = cell;
        let is_it = |row: &SummaryRow| {
            let place = (row.corpus.as_str(), row.labels.to_string(), row.method.as_str(), row.dev_labels);
            place == (&format!("twitter{year}"), labels.to_owned(), method, None)
        };
        let row = self.rows(baseline).into_iter().find(is_it);
        let row = row.unwrap_or_else(|| panic!("no results of {method} with {labels} labels of Twitter{year}"));
        if on == On::Dev { row.dev } else { row.test.expect("test was scored") }
    }

    /// The mean on test.
    pub(super) fn mean_f1(&self, cell: Cell<'_>) -> f64 {
        self.statistic(cell, "", On::Test).mean
    }

    /// The mean on test of supervised training on random posts: over five draws of 50, ten of 100
    /// and three of 200.
    pub(super) fn random_f1(&self, year: &str, labels: &str) -> f64 {
        let rows = Summary::of(&self.labelling, None, self.labelling.len()).rows;
        let is_it = |row: &SummaryRow| {
            row.corpus.ends_with(year) && row.labels.to_string() == labels && row.method == "supervised"
        };
        let ours = rows.into_iter().find(is_it).and_then(|row| row.test);
        ours.map_or_else(|| self.mean_f1(Cell(year, labels, "supervised")), |test| test.mean)
    }

    /// A method with 100 labels on test, over supervised training on random posts of the same
    /// draws.
    pub(super) fn labelling(&self, year: &str, method: &str) -> Statistic {
        let rows = Summary::of(&self.labelling, Some("supervised"), self.labelling.len()).rows;
        let is_it = |row: &SummaryRow| {
            (row.corpus.ends_with(year), row.labels.to_string().as_str(), row.method.as_str()) == (true, "100", method)
        };
        let row = rows.into_iter().find(is_it).and_then(|row| row.test);
        row.unwrap_or_else(|| panic!("no results of {method} with 100 labels of Twitter{year}"))
    }

    /// That difference.
    pub(super) fn labelling_minus(&self, year: &str, method: &str) -> String {
        difference(&self.labelling(year, method).difference.expect("pairs of runs"))
    }

    /// F1 on test of the runs of MPNet with all labels by the authors' protocol, seed by seed.
    pub(super) fn mpnet_by_authors_protocol(&self, year: &str) -> Vec<f64> {
        let scored = super::read("experiments/results/mpnet-authors-protocol.json");
        let scored: BTreeMap<String, Scores> = serde_json::from_str(&scored).expect("scores by run");
        let of_year = |run: &RunResult| run.run.corpus.ends_with(year) && run.run.method == "full";
        let runs = self.mpnet.iter().filter(|run| of_year(run));
        runs.map(|run| scored[&run.run.id].overall.f1()).collect()
    }

    /// `68.68 ± 1.52` on test.
    pub(super) fn mean(&self, cell: Cell<'_>) -> String {
        self.mean_on(cell, On::Test)
    }

    /// The same on dev or test.
    pub(super) fn mean_on(&self, cell: Cell<'_>, on: On) -> String {
        mean(&self.statistic(cell, "", on))
    }

    /// `+1.78 (+0.87 to +2.69)` on test: over the runs of `baseline` on the same draws.
    pub(super) fn minus(&self, cell: Cell<'_>, baseline: &str) -> String {
        let statistic = self.statistic(cell, baseline, On::Test);
        difference(&statistic.difference.unwrap_or_else(|| panic!("{} and {baseline} have no pair", cell.2)))
    }

    /// The same where dev is cut to 100 posts.
    pub(super) fn minus_with_dev_of_100(&self, cell: Cell<'_>, baseline: &str) -> String {
        let Cell(year, labels, method) = cell;
        let mut rows = self.rows(baseline).into_iter().filter(|row| row.dev_labels == Some(100));
        let row = rows.find(|row| {
            (row.corpus.ends_with(year), row.labels.to_string().as_str(), row.method.as_str()) == (true, labels, method)
        });
        difference(&row.and_then(|row| row.test?.difference).expect("pairs of runs"))
    }

    /// The mean on test over the runs of MPNet by a method, and how many they are.
    pub(super) fn mpnet(&self, year: &str, method: &str) -> String {
        let row = self.mpnet_row(year, method);
        let test = row.test.as_ref().expect("test was scored");
        let runs = if test.n == 1 { "one run".to_owned() } else { format!("{} runs", test.n) };
        format!("{} ({runs})", mean(test))
    }

    /// The runs of MPNet by a method: `full` has all labels, and the others 100.
    pub(super) fn mpnet_row(&self, year: &str, method: &str) -> SummaryRow {
        let mut rows = Summary::of(&self.mpnet, None, self.mpnet.len()).rows.into_iter();
        let row = rows.find(|row| row.corpus.ends_with(year) && row.method == method);
        row.unwrap_or_else(|| panic!("no results with MPNet by {method} of Twitter{year}"))
    }

    /// F1 on dev of one run of the options experiment.
    pub(super) fn option(&self, method: &str) -> f64 {
        self.option_run(method).dev.overall.f1()
    }

    /// A run of the options experiment.
    pub(super) fn option_run(&self, method: &str) -> &RunResult {
        let run = self.options.iter().find(|result| result.run.method == method);
        run.unwrap_or_else(|| panic!("no results of the option {method}"))
    }
}

/// What a run of the options experiment is compared with: the paper's objective if it is
/// semi-supervised as well.
pub(super) fn compared_with(result: &RunResult) -> &'static str {
    if result.run.config.training.semi { "paper" } else { "supervised" }
}

/// Mean and deviation, or the one value there is.
pub(super) fn mean(statistic: &Statistic) -> String {
    statistic.sd.map_or_else(|| format!("{:.2}", statistic.mean), |sd| format!("{:.2} ± {sd:.2}", statistic.mean))
}

/// Mean and deviation of runs that are no row of a summary.
pub(super) fn mean_of(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    format!("{mean:.2} ± {sd:.2}")
}

/// Mean difference and its interval; a single pair has none.
pub(super) fn difference(difference: &Difference) -> String {
    match (difference.low, difference.high) {
        (Some(low), Some(high)) => format!("{:+.2} ({low:+.2} to {high:+.2})", difference.mean),
        _ => format!("{:+.2}", difference.mean),
    }
}
