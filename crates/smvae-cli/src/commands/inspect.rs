//! `smvae inspect`: what a run folder contains.

use crate::output;
use clap::Args;
use serde_json::json;
use smvae::{EpochRecord, FileCheck, RunInfo, Teacher};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A run folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Print it as JSON, with every epoch.
    #[arg(long)]
    json: bool,
    /// Show every epoch, not only those that were evaluated on dev and the last.
    #[arg(long, conflicts_with = "json")]
    all: bool,
    /// Compare every file with the digest that training left; exit code 1 if one differs.
    #[arg(long)]
    verify: bool,
}

pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<()> {
    // First: a damaged file may be one that cannot even be read.
    let checks = if args.verify { RunInfo::verify_folder(&args.run)? } else { None };
    let run = RunInfo::read(&args.run).map_err(|error| match checks.as_deref().map(damaged).as_deref() {
        None | Some([]) => error.into(),
        Some(files) => anyhow::Error::new(error).context(not_as_left(files)),
    })?;
    let is_finished = RunInfo::is_finished(&args.run)?;
    if args.json {
        output::print_json(&json!({
            "config": run.config,
            "labels": run.labels,
            "selection": run.selection,
            "origin": run.origin,
            "images": run.images.as_ref().map(|i| json!({"width": i.width, "source": i.source, "sha256": i.sha256})),
            "captions": run.captions,
            "words": run.words,
            "encoder": run.encoder,
            "parameters": run.parameters,
            "epochs": run.epochs,
            "finished": is_finished,
            "teachers": run.teachers,
            "files": run.files,
            "damaged": args.verify.then(|| checks.as_deref().map(damaged)),
        }))?;
    } else {
        output::print(&report(&run, is_finished, args.all, checks.as_deref()))?;
    }
    match checks.as_deref().map_or_else(Vec::new, damaged).as_slice() {
        [] => Ok(()),
        files => anyhow::bail!(not_as_left(files)),
    }
}

fn not_as_left(files: &[&str]) -> String {
    format!("not what training left: {}", files.join(", "))
}

/// The files that are not what training left.
fn damaged(checks: &[FileCheck]) -> Vec<&str> {
    checks.iter().filter(|check| check.problem.is_some()).map(|check| check.file.as_str()).collect()
}

/// What is known of the files' digests, in a line.
fn digests(run: &RunInfo, checks: Option<&[FileCheck]>) -> String {
    match (&run.files, checks) {
        (None, _) => "none: not finished, of an earlier version, or converted".to_owned(),
        (Some(files), None) => format!("of {} files, which --verify compares", files.len()),
        (Some(files), Some(checks)) => {
            let problem = |check: &FileCheck| check.problem.as_ref().map(|why| format!("{}: {why}", check.file));
            let problems: Vec<String> = checks.iter().filter_map(problem).collect();
            let found = if problems.is_empty() { "all of them right".to_owned() } else { problems.join("; ") };
            format!("of {} files, {found}", files.len())
        }
    }
}

fn report(run: &RunInfo, is_finished: bool, all: bool, checks: Option<&[FileCheck]>) -> String {
    let RunInfo { config, encoder, .. } = run;
    let mut text = format!("{}, preset {}, seed {}\n\n", run.folder.display(), config.preset, config.seed);
    let mut line = |name: &str, value: String| text += &format!("{name:12} {value}\n");
    line("labels", run.labels.names().join(" "));
    let semi = if config.training.semi { "semi-supervised" } else { "supervised" };
    if let Some(selection) = &run.selection {
        let (n, seed, device) = (selection.labelled.len(), selection.seed, &config.device);
        line("trained", format!("{semi}, {n} labelled posts (seed {seed}), on {device}"));
        line("training file", format!("sha256 {}", selection.train_sha256));
    }
    if let Some(origin) = &run.origin {
        line("trained", format!("by {}, no decoders: it can predict, and not be trained", origin.program));
        line("weights", format!("converted from {}, sha256 {}", origin.file, origin.sha256));
        line("label order", origin.labels.clone());
    }
    let (layers, width, vocabulary) = (encoder.num_hidden_layers, encoder.hidden_size, encoder.vocab_size);
    let name = config.text_encoder.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    let sizes = format!("{layers} layers, width {width}, {vocabulary} pieces");
    line("text encoder", format!("{} of {sizes}{name}", encoder.model_type));
    let sizes = (config.model.hidden_dim, config.model.latent_dim);
    line("networks", format!("hidden {}, latent {}, spans up to {} words", sizes.0, sizes.1, config.input.max_width));
    line("parameters", run.parameters.map_or("no weights yet".to_owned(), |n| n.to_string()));
    let words = run.words.as_ref().map_or("not recorded".to_owned(), ToString::to_string);
    line("words", format!("split as by {words}"));
    line(
        "images",
        run.images.as_ref().map_or("none (text only)".to_owned(), |images| {
            let source = images.source.as_ref().map_or("memory".to_owned(), |path| path.display().to_string());
            let raw = if images.standardisation.is_some() { "standardised" } else { "raw" };
            format!("width {}, {raw}, {source}, sha256 {}", images.width, images.sha256)
        }),
    );
    if let Some(captions) = &run.captions {
        let source = captions.source.as_ref().map_or("of the posts".to_owned(), |path| path.display().to_string());
        let sha256 = captions.sha256.as_ref().map_or_else(String::new, |sha256| format!(", sha256 {sha256}"));
        line("captions", format!("at most {} pieces, {source}{sha256}", config.input.max_caption_pieces));
    }
    if !is_finished {
        line("state", format!("not finished: smvae train --resume {} continues it", run.folder.display()));
    }
    let best = run.best().map_or("no epoch was evaluated".to_owned(), |record| format!("epoch {}", record.epoch));
    line("best on dev", best);
    if !run.teachers.is_empty() {
        let f1 = |teacher: &Teacher| teacher.dev_f1.map_or("none".to_owned(), |f1| format!("{f1:.2}"));
        let all: Vec<String> = run.teachers.iter().map(f1).collect();
        line("teachers", format!("{}, dev F1 {}", all.len(), all.join(", ")));
    }
    line("digests", digests(run, checks));
    text + "\n" + &epochs(run, all)
}

/// The epochs as a table: those that were evaluated on dev and the last, or all of them.
fn epochs(run: &RunInfo, all: bool) -> String {
    let last = run.epochs.last().map(|record| record.epoch);
    let is_shown = |record: &&EpochRecord| all || record.dev.is_some() || Some(record.epoch) == last;
    let shown: Vec<&EpochRecord> = run.epochs.iter().filter(is_shown).collect();
    let header = ["epoch", "step", "loss", "ce", "dev P", "dev R", "dev F1"];
    let mut text = output::table(&header, shown.iter().map(|record| row(record)));
    if shown.len() < run.epochs.len() {
        text += &format!("{} of {} epochs are shown: --all shows every one\n", shown.len(), run.epochs.len());
    }
    if cfg!(feature = "report") && run.epochs.len() > 1 {
        text += &format!("smvae report {} draws them as curves\n", run.folder.display());
    }
    text
}

fn row(record: &EpochRecord) -> Vec<String> {
    let ratios = record.dev.as_ref().map(|dev| [dev.overall.precision(), dev.overall.recall(), dev.overall.f1()]);
    let ratios = ratios.map_or_else(Default::default, |r| r.map(|x| format!("{x:.2}")));
    let best = if record.best { " *" } else { "" };
    let [p, r, f1] = ratios;
    vec![
        format!("{}{best}", record.epoch),
        record.step.to_string(),
        format!("{:.4}", record.train.loss),
        format!("{:.4}", record.train.ce),
        p,
        r,
        f1,
    ]
}
