//! What runs have in common that may be compared: corpus, number of labelled posts, size of dev.

use crate::experiment::spec::LabelCount;

/// A place in the grid of an experiment, methods and repetitions apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Name of the corpus; empty if it is not known.
    pub(super) corpus: String,
    /// Number of labelled posts.
    pub(super) labels: LabelCount,
    /// Number of posts that dev was cut to.
    pub(super) dev_labels: Option<usize>,
}

impl Place {
    /// `100 labelled posts of twitter2017, dev cut to 100`.
    pub(super) fn words(&self) -> String {
        let posts = match self.labels {
            LabelCount::Count(1) => "1 labelled post".to_owned(),
            LabelCount::Count(n) => format!("{n} labelled posts"),
            LabelCount::All => "all labels".to_owned(),
        };
        let of = if self.corpus.is_empty() { String::new() } else { format!(" of {}", self.corpus) };
        let cut = self.dev_labels.map_or(String::new(), |n| format!(", dev cut to {n}"));
        format!("{posts}{of}{cut}")
    }
}
