//! The tables of an experiment's results, for `experiment` and `report`.

use crate::output;
use smvae::experiment::{Statistic, Summary, SummaryRow};

/// Means and differences, one table per split.
pub(crate) fn summary(summary: &Summary) -> String {
    let Summary { runs, finished, baseline, .. } = summary;
    let against = baseline.as_ref().map_or_else(|| "difference".to_owned(), |name| format!("minus {name}"));
    let header = ["F1", "labels", "n", "mean", "sd", against.as_str(), "95 % interval", "pairs"];
    let table = |of: fn(&SummaryRow) -> Option<&Statistic>| {
        let rows = summary.rows.iter().filter_map(|row| Some(cells(row, of(row)?)));
        output::table(&header, rows)
    };
    let mut text = format!("{finished} of {runs} runs are finished\n");
    if summary.rows.is_empty() {
        return text;
    }
    text += &format!("\ndev\n{}", table(|row| Some(&row.dev)));
    if summary.rows.iter().any(|row| row.test.is_some()) {
        text += &format!("\ntest\n{}", table(|row| row.test.as_ref()));
    }
    text
}

fn cells(row: &SummaryRow, statistic: &Statistic) -> [String; 8] {
    let number = |x: Option<f64>| x.map_or_else(String::new, |x| format!("{x:.2}"));
    let signed = |x: Option<f64>| x.map_or_else(String::new, |x| format!("{x:+.2}"));
    let difference = statistic.difference.as_ref();
    let interval = difference.and_then(|d| Some(format!("{:+.2} to {:+.2}", d.low?, d.high?)));
    let dev = row.dev_labels.map_or_else(String::new, |n| format!(" (dev {n})"));
    [
        format!("{} {}", row.corpus, row.method),
        format!("{}{dev}", row.labels),
        statistic.n.to_string(),
        number(Some(statistic.mean)),
        number(statistic.sd),
        signed(difference.map(|d| d.mean)),
        interval.unwrap_or_default(),
        difference.map_or_else(String::new, |d| d.n.to_string()),
    ]
}
