//! What is said when a run has ended.

use crate::progress::say;
use crate::watcher::ratios;
use smvae::RunSummary;
use smvae::data::corpus::split_path;
use smvae::data::{Error, Split};
use std::path::Path;

/// Said of a run whose best F1 on dev is 0.
const NOTHING_FOUND: &str = "warning: the best F1 on dev is 0: the model finds no entity. It may have had too few steps \
     (--epochs, --batch-size) or labelled posts (--labelled), too low a rate (an untrained encoder such as tiny needs \
     --encoder-lr 1e-3), or latents that say nothing (try --kl-weight 0.01, --tune-decision)";

/// How a run ended, and what to do next.
pub(super) fn tell_end(summary: &RunSummary, corpus: Option<&Path>) {
    if summary.kept_old_run {
        say(format!("stopped before training began: the run in {} was not replaced", summary.folder.display()));
        return;
    }
    say(ending(summary));
    if summary.best.as_ref().is_some_and(|best| best.overall.f1() == 0.0) {
        say(NOTHING_FOUND);
    }
    let out = summary.folder.display();
    if summary.stopped {
        say(format!("to continue: smvae train --resume {out}"));
    }
    if let Some(corpus) = corpus.filter(|_| summary.has_weights()) {
        let has_no_test = matches!(split_path(corpus, Split::Test), Err(Error::NoSplit { .. }));
        let split = if has_no_test { " --split dev" } else { "" };
        say(format!("next: smvae eval --model {out} --data {}{split}", corpus.display()));
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
