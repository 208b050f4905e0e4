//! `smvae demo`: four ways of training on a synthetic corpus, one table.

use crate::interrupt;
use crate::output;
use crate::progress::say;
use crate::watcher::Watcher;
use clap::Args;
use smvae::demo::{DemoConfig, DemoReport, DemoRow, Method, run as run_demo};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Seed of the corpus, of the choice of labels and of training.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Where the corpus and the run folders go; must not exist yet. By default a new folder
    /// runs/demo-SEED.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let out = args.out.clone().unwrap_or_else(|| free_folder(Path::new("runs"), args.seed));
    interrupt::catch()?;
    say(format!("a synthetic corpus and four models, in {}", out.display()));
    let mut watcher: Option<(Method, Watcher)> = None;
    let report = run_demo(&DemoConfig::new(args.seed, &out), &mut |method, event| {
        if watcher.as_ref().is_none_or(|(watched, _)| *watched != method) {
            watcher = Some((method, Watcher::new(format!("[{}] ", method.name()))));
        }
        watcher.as_mut().expect("made above").1.watch(event)
    })?;
    drop(watcher);
    if args.json {
        return output::print_json(&report);
    }
    output::print(&table(&report))?;
    let stopped = report.rows.len() < Method::ALL.len();
    match report.rows.last() {
        Some(row) if !stopped => say(next(&report, row)),
        _ => say("stopped before the last model"),
    }
    interrupt::end(stopped)
}

fn table(report: &DemoReport) -> String {
    let header = ["test split", "labelled", "unlabelled", "precision", "recall", "F1", "seconds"];
    let row = |row: &DemoRow| {
        let all = row.scores.overall;
        [
            row.method.name().to_owned(),
            row.labelled.to_string(),
            row.unlabelled.to_string(),
            format!("{:.2}", all.precision()),
            format!("{:.2}", all.recall()),
            format!("{:.2}", all.f1()),
            format!("{:.1}", row.seconds),
        ]
    };
    output::table(&header, report.rows.iter().map(row))
}

/// What to try next.
fn next(report: &DemoReport, row: &DemoRow) -> String {
    let (corpus, run) = (report.corpus.display(), row.folder.display());
    format!(
        "\nThe type of many entities can only be told from the image, and labels are few.\n\
         Next (the last trains on 50 labelled posts: F1 on test is above 70 then):\n  \
         smvae stats --data {corpus}\n  \
         smvae inspect {run}\n  \
         smvae eval --model {run} --data {corpus} --no-images\n  \
         smvae train --data {corpus} --image-features {corpus}/features.safetensors --text-encoder tiny \
         --config {run}/config.json --labelled 50 --out runs/mine"
    )
}

/// `demo-<seed>` below a folder, or the first of `demo-<seed>-2`, `-3`, ... that does not exist.
fn free_folder(parent: &Path, seed: u64) -> PathBuf {
    let names = std::iter::once(format!("demo-{seed}")).chain((2..).map(|n: u64| format!("demo-{seed}-{n}")));
    names.map(|name| parent.join(name)).find(|path| !path.exists()).expect("there are endless names")
}
