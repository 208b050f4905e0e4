//! What is said when a run has ended.

use crate::progress::say;
use crate::watcher::ratios;
use smvae::RunSummary;
use std::path::Path;

/// How a run ended, and what to do next.
pub(super) fn tell_end(summary: &RunSummary, corpus: Option<&Path>) {
    say(ending(summary));
    let out = summary.folder.display();
    if summary.stopped {
        say(format!("to continue: smvae train --resume {out}"));
    }
    if let Some(corpus) = corpus.filter(|_| summary.has_weights()) {
        say(format!("next: smvae eval --model {out} --data {}", corpus.display()));
    }
}

fn ending(summary: &RunSummary) -> String {
    if summary.stopped && !summary.has_weights() {
        return "stopped while teachers were trained: there are no weights yet".to_owned();
    }
    let how = if summary.stopped { "stopped" } else { "done" };
    let best = match (&summary.best, summary.best_epoch) {
        (Some(scores), Some(epoch)) => format!("epoch {epoch} is the best on dev, {}", ratios(scores)),
        _ => "dev was not evaluated, the weights are those of the last step".to_owned(),
    };
    format!("{how} after {} epochs: {best}", summary.epochs)
}
