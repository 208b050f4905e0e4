//! `smvae train`: read the corpus, train, say how it goes. With `--mode test` it scores a run as the authors' program
//! does.

mod args;
mod model_args;
mod objective_args;
pub(crate) mod resume;

pub(crate) use args::TrainArgs;

use crate::commands::eval;
use crate::commands::features::vectors_of;
use crate::interrupt;
use crate::options::{ImageArgs, NumberType};
use crate::progress::{Progress, say};
use args::{Labelled, Mode};
use smvae::core::metrics::Scores;
use smvae::data::corpus::{label_set, load_split, unknown_types};
use smvae::data::{ImageVectors, Selection, Split};
use smvae::encoders::weights::LoadReport;
use smvae::{EpochRecord, Event, Flow, RunSummary, TrainInput};
use std::path::Path;

pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    if args.mode == Mode::Test {
        return test(args);
    }
    if let Some(run) = &args.resume {
        return resume::run(run);
    }
    let mut config = args.resolve()?;
    let encoder = args.text_encoder(&config)?;
    // The test split is not opened.
    let folder = args.data.folder();
    config.data = Some(std::path::absolute(&folder).unwrap_or_else(|_| folder.clone()));
    let (train, valid) = (load_split(&folder, Split::Train)?, load_split(&folder, Split::Valid)?);
    let labels = label_set(&train.samples)?;
    let unknown = unknown_types(&labels, &valid.samples)?;
    if !unknown.is_empty() {
        say(format!("warning: dev has types that train lacks and that no model can find: {}", unknown.join(" ")));
    }
    if let Some(labelled) = args.chosen_before(&config).filter(|labelled| *labelled < train.samples.len()) {
        let all = train.samples.len();
        say(format!(
            "warning: the run of --config had {labelled} chosen tweets, this one has all {all}: --labelled names a file"
        ));
    }
    let selection = match &args.labelled {
        Some(Labelled::Manifest(path)) => Some(Selection::load(path)?),
        _ => None,
    };
    interrupt::catch()?;
    let images = match (&args.images, &args.image_features) {
        (Some(folder), _) => Some(vectors_of(folder, &args.vision, None, args.device)?),
        (None, file) => file.as_ref().map(ImageVectors::load).transpose()?,
    };
    let input = TrainInput {
        train: &train.samples,
        valid: &valid.samples,
        labels: &labels,
        selection: selection.as_ref(),
        train_sha256: &train.file.sha256,
        images: images.as_ref(),
        encoder,
        device: args.device.open()?,
        replace_run: args.overwrite,
    };
    let mut watcher = Watcher::new(String::new());
    let summary = smvae::train(&input, &config, args.out(), &mut |event| watcher.watch(event))?;
    drop(watcher);
    tell_end(&summary, Some(&folder));
    Ok(())
}

/// How a run ended, and what to do next.
pub(super) fn tell_end(summary: &RunSummary, corpus: Option<&Path>) {
    say(ending(summary));
    let out = summary.folder.display();
    if summary.stopped {
        say(format!("to go on: smvae train --resume {out}"));
    }
    if let Some(corpus) = corpus.filter(|_| summary.has_weights()) {
        say(format!("next: smvae eval --model {out} --data {}", corpus.display()));
    }
}

/// Dev and test of a run folder, with the images it was trained with.
fn test(args: &TrainArgs) -> anyhow::Result<()> {
    let images = ImageArgs {
        image_features: args.image_features.clone(),
        images: args.images.clone(),
        vision: args.vision.clone(),
        trust_images: false,
        // Vectors that have since gone are an error, not a lower score.
        no_images: false,
    };
    let model = eval::load(args.out(), &images, args.device, NumberType::F32)?;
    for split in [Split::Valid, Split::Test] {
        let samples = load_split(args.data.folder(), split)?.samples;
        let evaluation = eval::score(&model, &samples, model.config().input.convention)?;
        let name = if split == Split::Valid { "dev" } else { "test" };
        crate::output::print(&format!("{name}\n{}\n", evaluation.scores))?;
    }
    Ok(())
}

/// Shows what happens in a run, and ends it after Ctrl-C.
pub(crate) struct Watcher {
    progress: Progress,
    /// Of the text encoder, while it comes.
    fetching: Option<Progress>,
    /// Stands before every line, to tell runs apart.
    prefix: String,
}

impl Watcher {
    pub(crate) fn new(prefix: String) -> Self {
        Self { progress: Progress::new("steps"), fetching: None, prefix }
    }

    pub(crate) fn watch(&mut self, event: &Event) -> Flow {
        match event {
            Event::Fetching { file, done, total } => {
                let kib = |bytes: u64| (bytes / 1024) as usize;
                self.fetching.get_or_insert_with(|| Progress::new("KiB")).update(
                    kib(*done),
                    total.map_or(0, kib),
                    || file.clone(),
                );
            }
            Event::Loaded(report) => {
                self.fetching = None;
                for line in loaded(report) {
                    self.progress.line(format!("{}{line}", self.prefix));
                }
            }
            Event::Started { .. } => self.progress.line(format!("{}{}", self.prefix, started(event))),
            Event::Step { epoch, step, steps, report } => {
                self.progress.update(*step, *steps, || format!("epoch {epoch} loss {:.4}", report.loss));
            }
            // Epochs without an evaluation are told by the steps.
            Event::Epoch(record) if record.dev.is_some() => {
                self.progress.line(format!("{}{}", self.prefix, epoch_line(record)))
            }
            Event::Teacher { number, teachers, event } => {
                let prefix = format!("teacher {number} of {teachers}: ");
                let outer = std::mem::replace(&mut self.prefix, prefix);
                self.watch(event);
                self.prefix = outer;
            }
            // The bar stays where it is: dev is quick beside an epoch.
            _ => {}
        }
        interrupt::flow()
    }
}

/// What is worth a line about how weights fitted.
fn loaded(report: &LoadReport) -> Vec<String> {
    let names = |names: &[String]| {
        let more = names.len().saturating_sub(3);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", names[..names.len().min(3)].join(", "))
    };
    let reshaped: Vec<String> = report.reshaped.iter().map(|tensor| tensor.name.clone()).collect();
    [
        ("warning: drawn afresh, since the text encoder's files lack them", report.missing.as_slice()),
        ("tensors of the text encoder that nothing uses", &report.unused),
        ("tensors of the text encoder that were reshaped", &reshaped),
    ]
    .into_iter()
    .filter(|(_, found)| !found.is_empty())
    .map(|(what, found)| format!("{what}: {}", names(found)))
    .collect()
}

fn started(event: &Event) -> String {
    let Event::Started { labelled, unlabelled, parameters, trained, epochs, steps, taken, images, words_cut, .. } =
        event
    else {
        return String::new();
    };
    let images = match images {
        None => "text alone".to_owned(),
        Some(coverage) if coverage.missing == 0 => "every tweet has an image".to_owned(),
        Some(coverage) => {
            let all = coverage.found + coverage.missing;
            format!("{} of {all} tweets have an image, e.g. {} has none", coverage.found, coverage.missing_ids[0])
        }
    };
    let trained = if trained < parameters { format!(" ({trained} trained)") } else { String::new() };
    let cut = if *words_cut > 0 { format!("; {words_cut} words cut by the piece limit") } else { String::new() };
    let taken = if *taken > 0 { format!(", {taken} of them taken") } else { String::new() };
    format!(
        "{labelled} labelled and {unlabelled} unlabelled tweets ({images}{cut}); {parameters} parameters{trained}; \
         at most {epochs} epochs, {steps} steps{taken}"
    )
}

fn epoch_line(record: &EpochRecord) -> String {
    let EpochRecord { epoch, train, timing, .. } = record;
    let mut line = format!("epoch {epoch}: loss {:.4} (ce {:.4})", train.loss, train.ce);
    if let Some(dev) = &record.dev {
        let best = if record.best { ", best so far" } else { "" };
        line += &format!(", dev {}{best}", ratios(dev));
    }
    line + &format!(", {:.0} tweets/s", timing.tweets_per_second)
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

fn ratios(scores: &Scores) -> String {
    let all = scores.overall;
    format!("P {:.2} R {:.2} F1 {:.2}", all.precision(), all.recall(), all.f1())
}
