//! What is seen of a training run while it runs: a progress bar of its steps, and a line for each
//! evaluation.

use crate::interrupt;
use crate::progress::Progress;
use smvae::core::metrics::Scores;
use smvae::encoders::text::tokenizer::Note;
use smvae::encoders::weights::LoadReport;
use smvae::{EpochRecord, Event, Flow};

/// Shows what happens in a run, and stops it after Ctrl-C.
pub(crate) struct Watcher {
    progress: Progress,
    /// Progress of fetching the text encoder, while it is fetched.
    fetching: Option<Progress>,
    /// Stands before every line, to tell runs apart.
    prefix: String,
    /// What was told of the text encoder's tokenizer.
    told: Vec<Note>,
}

impl Watcher {
    pub(crate) fn new(prefix: String) -> Self {
        Self { progress: Progress::new("steps"), fetching: None, prefix, told: Vec::new() }
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
            Event::Tokenizer(notes) => {
                self.fetching = None;
                // Teachers read the same encoder again.
                let told = std::mem::replace(&mut self.told, notes.clone());
                for note in notes.iter().filter(|note| !told.contains(note)) {
                    self.progress.line(format!("{}warning: the text encoder's tokenizer: {note}", self.prefix));
                }
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
            // Epochs without an evaluation show in the progress of the steps.
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

/// What to tell about how the weights fitted, one line each.
fn loaded(report: &LoadReport) -> Vec<String> {
    let names = |names: &[String]| {
        let more = names.len().saturating_sub(3);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", names[..names.len().min(3)].join(", "))
    };
    let reshaped: Vec<String> = report.reshaped.iter().map(|tensor| tensor.name.clone()).collect();
    [
        ("warning: initialised at random, since the text encoder's files lack them", report.missing.as_slice()),
        ("tensors of the text encoder that nothing uses", &report.unused),
        ("tensors of the text encoder that were reshaped", &reshaped),
    ]
    .into_iter()
    .filter(|(_, found)| !found.is_empty())
    .map(|(what, found)| format!("{what}: {}", names(found)))
    .collect()
}

fn started(event: &Event) -> String {
    let Event::Started {
        labelled,
        unlabelled,
        parameters,
        trained,
        epochs,
        steps,
        taken,
        images,
        captions,
        words_cut,
        ..
    } = event
    else {
        return String::new();
    };
    let images = match images {
        None if captions.is_some() => String::new(),
        None => "text alone".to_owned(),
        Some(coverage) if coverage.missing == 0 => "every post has an image".to_owned(),
        Some(coverage) => {
            let all = coverage.found + coverage.missing;
            format!(
                "{} of {all} posts have an image; {}, for example, has none",
                coverage.found, coverage.missing_ids[0]
            )
        }
    };
    let captions = captions.as_ref().map_or_else(String::new, |found| {
        let between = if images.is_empty() { "" } else { "; " };
        format!("{between}{} of {} posts have a caption", found.found, found.found + found.missing)
    });
    let trained = if trained < parameters { format!(" ({trained} trained)") } else { String::new() };
    let cut = if *words_cut > 0 { format!("; {words_cut} words cut by the piece limit") } else { String::new() };
    let taken = if *taken > 0 { format!(", {taken} of them taken") } else { String::new() };
    format!(
        "{labelled} labelled and {unlabelled} unlabelled posts ({images}{captions}{cut}); {parameters} parameters{trained}; \
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
    line + &format!(", {:.0} posts/s", timing.posts_per_second)
}

/// Precision, recall and F1 over all types.
pub(crate) fn ratios(scores: &Scores) -> String {
    let all = scores.overall;
    format!("P {:.2} R {:.2} F1 {:.2}", all.precision(), all.recall(), all.f1())
}
