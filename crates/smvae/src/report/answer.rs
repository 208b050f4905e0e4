//! What the runs of a folder say, first of all: which method finds more, by how much, and whether
//! the data can tell. `compare.rs` finds it, `sentence.rs` says it.

use crate::experiment::statistics::Difference;
use serde::Serialize;

/// The answer of a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Answer {
    /// One sentence that says it all.
    pub headline: Vec<Part>,
    /// What else has to be known to judge it.
    pub notes: Vec<String>,
    /// One per corpus, number of labels and size of dev, those that the data can tell first.
    pub comparisons: Vec<Comparison>,
}

/// The best method of a place against another.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// What the runs have in common, in words.
    pub place: String,
    /// The split of the scores, `test` if every run has it.
    pub split: &'static str,
    /// The best method but for the one that it is compared with.
    pub best: String,
    /// Its mean F1, in percent.
    pub best_mean: f64,
    /// The baseline, or the next best method.
    pub against: String,
    /// Its mean F1, in percent.
    pub against_mean: f64,
    /// How many methods were run here.
    pub methods: usize,
    /// Paired differences of the two. `None` if no posts and seed were run with both.
    pub difference: Option<Difference>,
    /// Whether the data can tell.
    pub verdict: Verdict,
    /// Which finds more, and by how much.
    pub headline: Vec<Part>,
    /// The interval, and whether the data can tell.
    pub explanation: String,
}

/// What the interval of a difference says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// It is above 0.
    More,
    /// It is below 0: no other method comes up to the baseline.
    Less,
    /// It holds 0, or there is none.
    CannotTell,
}

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Part {
    /// Its text.
    pub text: String,
    /// Whether it is a name or a number that the sentence is about.
    pub strong: bool,
}

/// The text of a sentence.
pub fn text(parts: &[Part]) -> String {
    parts.iter().map(|part| part.text.as_str()).collect()
}
