//! The sentences of an answer.

use crate::report::answer::{Comparison, Part, Verdict};
use crate::report::scores::Score;
use crate::report::split::SplitReport;
use crate::report::titles::count;
use smvae_core::confusion::Outcome;

fn plain(text: impl Into<String>) -> Part {
    Part { text: text.into(), strong: false }
}

fn strong(text: impl Into<String>) -> Part {
    Part { text: text.into(), strong: true }
}

/// Which method finds more, and by how much.
pub(super) fn of_comparison(comparison: &Comparison, is_baseline: bool) -> Vec<Part> {
    let Comparison { best, against, split, best_mean, against_mean, .. } = comparison;
    let Some(difference) = &comparison.difference else {
        let means = format!("{against_mean:.2}");
        return vec![
            strong(best),
            plain(" is ahead of "),
            strong(against),
            plain(format!(": {best_mean:.2} F1 on {split}, not {means}")),
        ];
    };
    let by = strong(format!("{:+.2} F1", difference.mean));
    let on = plain(format!(" on {split}"));
    if difference.mean <= 0.0 && is_baseline {
        let (no, closest) = (plain("No method finds more than "), plain("; "));
        return vec![no, strong(against), closest, strong(best), plain(" comes closest: "), by, on];
    }
    let next = if is_baseline { ": " } else { ", the next best: " };
    // A difference that may be chance is no finding, and one that is not to be seen none at all.
    let finds = plain(match comparison.verdict {
        Verdict::More => " finds more than ",
        _ if difference.mean.abs() < 0.005 => " is level with ",
        _ => " is ahead of ",
    });
    vec![strong(best), finds, strong(against), plain(next), by, on]
}

/// The interval, and whether the data can tell.
pub(super) fn explanation(comparison: &Comparison) -> String {
    let Some(difference) = &comparison.difference else {
        return "The data cannot tell: no draw and seed were run with both, so that there are no pairs.".to_owned();
    };
    let (Some(low), Some(high)) = (difference.low, difference.high) else {
        return "The data cannot tell: there is one pair of runs, and one has no interval.".to_owned();
    };
    let pairs = count(difference.n, "pair");
    let interval = format!("95 % interval {low:+.2} to {high:+.2}, over {pairs} of the same draw and seed.");
    let verdict = match (comparison.verdict, difference.pairs_to_tell()) {
        (Verdict::More, _) => "The data can tell: the interval is above 0.".to_owned(),
        (Verdict::Less, _) => "The data can tell: the interval is below 0.".to_owned(),
        (Verdict::CannotTell, needed) => {
            let would = match needed {
                Some(n) => format!("{n} pairs would tell"),
                None => "not even a thousand pairs would tell".to_owned(),
            };
            format!("The data cannot tell: the interval holds 0. If difference and spread stay as they are, {would}.")
        }
    };
    format!("{interval} {verdict}")
}

/// What several comparisons say together.
pub(super) fn of_comparisons(comparisons: &[Comparison], baseline: Option<&str>) -> Vec<Part> {
    let tells: Vec<&Comparison> = comparisons.iter().filter(|c| c.verdict == Verdict::More).collect();
    let (told, all) = (tells.len(), comparisons.len());
    let of_baseline = comparisons.iter().filter(|c| baseline == Some(c.against.as_str())).count();
    let against = match baseline {
        Some(name) if of_baseline == all => vec![plain(" finds more than "), strong(name)],
        // Where the baseline was not run, methods are compared with the next best.
        Some(name) if of_baseline > 0 => {
            vec![plain(" finds more than "), strong(name), plain(" or, where that is absent, than the next best")]
        }
        _ => vec![plain(" finds more than the next best")],
    };
    if tells.is_empty() {
        let none = plain(format!("In none of {all} comparisons can the data tell that a method"));
        return [vec![none], against].concat();
    }
    let mut names: Vec<String> = Vec::new();
    for comparison in &tells {
        if !names.contains(&comparison.best) {
            names.push(comparison.best.clone());
        }
    }
    let named = if names.len() > 3 { vec![plain("a method")] } else { named(&names) };
    let differences = || tells.iter().filter_map(|c| c.difference.as_ref()).map(|difference| difference.mean);
    let (low, high) = (differences().fold(f64::MAX, f64::min), differences().fold(f64::MIN, f64::max));
    let by = if told == 1 { format!("{high:+.2} F1") } else { format!("{low:+.2} to {high:+.2} F1") };
    let tell = plain(format!("In {told} of {all} comparisons the data can tell that "));
    [vec![tell], named, against, vec![plain(", by "), strong(by)]].concat()
}

/// `a`, `a or b`, `a, b or c`.
fn named(names: &[String]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (i, name) in names.iter().enumerate() {
        match i {
            0 => {}
            _ if i + 1 == names.len() => parts.push(plain(" or ")),
            _ => parts.push(plain(", ")),
        }
        parts.push(strong(name));
    }
    parts
}

/// What runs of one method say. Empty without a run.
pub(super) fn of_one_method(scores: &[Score]) -> Vec<Part> {
    let Some(first) = scores.first() else { return Vec::new() };
    let on_test = scores.iter().all(|score| score.test.is_some());
    let split = if on_test { "test" } else { "dev" };
    let f1 = |score: &Score| if on_test { score.test.unwrap_or_default() } else { score.dev };
    let alike: Vec<f64> = scores.iter().filter(|score| score.place == first.place).map(f1).collect();
    if alike.len() < scores.len() || scores.iter().any(|score| score.method != first.method) {
        let best = scores.iter().max_by(|a, b| f1(a).total_cmp(&f1(b))).unwrap_or(first);
        let (f1, place) = (format!("{:.2} F1", f1(best)), best.place.words());
        let on = plain(format!(" on {split}, with {place}; every other run has other posts or another corpus"));
        return vec![strong(&best.method), plain(" finds the most: "), strong(f1), on];
    }
    let mean = alike.iter().sum::<f64>() / alike.len() as f64;
    let how = match alike.as_slice() {
        [_] => ", in a single run".to_owned(),
        many => {
            let (low, high) = (many.iter().copied().fold(f64::MAX, f64::min), many.iter().copied().fold(0.0, f64::max));
            format!(": the mean of {} runs, from {low:.2} to {high:.2}", many.len())
        }
    };
    vec![strong(&first.method), plain(" finds "), strong(format!("{mean:.2} F1")), plain(format!(" on {split}{how}"))]
}

/// What has to be known to judge comparisons.
pub(super) fn notes(comparisons: &[Comparison]) -> Vec<String> {
    let mut notes = Vec::new();
    if comparisons.iter().any(|c| c.split == "dev") {
        notes.push("Dev is what the best epoch was chosen on: expect a little less on other posts.".to_owned());
    }
    if let Some(most) = comparisons.iter().map(|c| c.methods).max().filter(|most| *most > 2) {
        notes.push(format!(
            "The best of up to {most} methods is named by the number that it is best in, so that it looks a little \
             better than it is."
        ));
    }
    notes
}

/// What a single run finds in a split, beyond its F1.
pub(super) fn of_split(split: &SplitReport) -> String {
    let labels: Vec<_> = split.types.iter().filter(|row| row.name != "overall" && row.gold > 0).collect();
    let best = labels.iter().max_by(|a, b| a.f1.total_cmp(&b.f1));
    let least = labels.iter().min_by(|a, b| a.f1.total_cmp(&b.f1));
    let by_label = match (best, least) {
        (Some(best), Some(least)) if labels.len() > 1 => {
            format!("{} is found best ({:.2} F1), {} least ({:.2}). ", best.name, best.f1, least.name, least.f1)
        }
        _ => String::new(),
    };
    let gold = |outcome| split.outcomes.iter().find(|row| row.outcome == outcome).map_or(0, |row| row.gold);
    let spurious: usize = split.outcomes.iter().filter(|r| r.outcome == Outcome::Spurious).map(|r| r.predicted).sum();
    format!(
        "On {}: {by_label}Of {} entities {} are found, {} are missed, {} have a wrong type and {} a wrong boundary; {} \
         found where there is none.",
        split.split.name(),
        split.overall().gold,
        gold(Outcome::Correct),
        gold(Outcome::Missed),
        gold(Outcome::WrongType),
        gold(Outcome::WrongBoundary),
        if spurious == 1 { "1 is".to_owned() } else { format!("{spurious} are") },
    )
}

/// Names of corpora, each once, as far as they are known.
pub(super) fn corpora<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        if !known.iter().any(|k| k == name) {
            known.push(name.to_owned());
        }
    }
    known
}
