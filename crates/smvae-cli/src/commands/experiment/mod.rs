//! `smvae experiment`: runs a grid of training runs and prints their results.

pub(crate) mod child;
mod display;
mod folder;
mod jobs;
mod tables;

use crate::failure::Usage;
use crate::options::DeviceArgs;
use crate::{interrupt, output, progress::say, summary_table};
use anyhow::{Context as _, bail};
use clap::Args;
use folder::{lock, save, take, waiting};
use smvae::experiment::run::finished_elsewhere;
use smvae::experiment::{KnownDigests, Plan, Run, RunResult, RunSpec, Summary};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    /// The file that describes the experiment.
    #[arg(value_name = "FILE", required_unless_present = "summary")]
    file: Option<PathBuf>,
    /// Where runs and results go.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["summary", "print_config"])]
    out: Option<PathBuf>,
    /// How many runs at a time, each with --threads threads; without that option they share the
    /// cores evenly.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// The results.jsonl of another output folder or machine: a run that is finished there is not
    /// run again. May be given several times.
    #[arg(long, value_name = "FILE")]
    finished: Vec<PathBuf>,
    /// Stop after this many runs; with 0, only take in what is finished and print the tables.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only list the runs, and which of them are finished.
    #[arg(long)]
    dry_run: bool,
    /// Only print the settings of the run of this name, as JSON that `train --config` reads;
    /// --dry-run lists the names.
    #[arg(long, value_name = "RUN", conflicts_with = "dry_run")]
    print_config: Option<String>,
    /// Only print the tables of an experiment's results so far.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "out", "jobs", "finished", "limit", "dry_run", "device", "print_config"])]
    summary: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &ExperimentArgs, threads: Option<u16>) -> anyhow::Result<()> {
    if let Some(dir) = &args.summary {
        return output::print(&summary_table::summary(&Summary::read(dir)?));
    }
    let missing = || Usage("FILE and --out are missing".to_owned());
    let plan = Plan::read(args.file.as_ref().ok_or_else(missing)?)?;
    if let Some(name) = &args.print_config {
        let spec = plan.runs.iter().find(|spec| spec.run.id == *name);
        let spec = spec.ok_or_else(|| Usage(format!("there is no run {name}: --dry-run lists them")))?;
        return output::print_json(&spec.run.config.to_named_json()?);
    }
    let dir = args.out.as_ref().ok_or_else(missing)?;
    plan.check_manifests()?;
    let (mut elsewhere, mut known) = (Vec::new(), KnownDigests::default());
    for file in &args.finished {
        elsewhere.extend(finished_elsewhere(&plan.runs, file, &mut known)?);
    }
    if args.dry_run {
        return output::print(&tables::plan(&plan, dir, &elsewhere)?);
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot write {}", dir.display()))?;
    let _lock = lock(dir)?;
    let taken = take(&plan, dir, &elsewhere)?;
    if !args.finished.is_empty() {
        say(format!("{taken} runs are taken from other results"));
    }
    let mut waiting = waiting(&plan, dir, &mut known)?;
    let finished = save(&plan, dir)?;
    interrupt::catch()?;
    let jobs = usize::from(args.jobs);
    let threads = threads.map_or_else(|| share_of_cores(jobs), usize::from);
    say(format!("{} runs, {} finished before; {jobs} at a time", plan.runs.len(), plan.runs.len() - waiting.len()));
    tell_of_text_alone(&plan, &finished);
    waiting.truncate(args.limit.unwrap_or(usize::MAX));
    let failed = jobs::run(&plan, dir, waiting, &jobs::Settings { jobs, threads, device: args.device })?;
    output::print(&summary_table::summary(&Summary::read(dir)?))?;
    if interrupt::requested() {
        say("stopped: run the same command again to continue");
        return interrupt::end(true);
    }
    if let Some(first) = failed.first() {
        let ids: Vec<&str> = failed.iter().map(|failure| failure.id.as_str()).collect();
        let runs = if failed.len() == 1 { "run" } else { "runs" };
        bail!("{} {runs} failed: {}. {}: {}", failed.len(), ids.join(", "), first.id, first.error);
    }
    Ok(())
}

fn share_of_cores(jobs: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / jobs).max(1)
}

/// Says which finished runs lack the scores of their text alone that the file asks for.
fn tell_of_text_alone(plan: &Plan, finished: &[RunResult]) {
    let asks = |run: &Run| run.text_alone && !run.dev_only && (run.images || run.captions);
    let lacks = |spec: &&RunSpec| {
        let mut finished = finished.iter();
        asks(&spec.run) && finished.any(|result| result.run.id == spec.run.id && result.test_text.is_none())
    };
    let n = plan.runs.iter().filter(lacks).count();
    if n > 0 {
        say(format!("{n} runs were finished without the scores of their text alone, and are not scored again"));
    }
}
