//! Training: from a corpus and a configuration to a run folder, from the beginning or from a
//! checkpoint.
//!
//! ```text
//! TrainInput, Config --prepare--> Prepared, TrainingData --teachers--> soft labels --training_loop--> run folder
//! ```
//! A teacher is a run, so training calls itself; that happens in [`train_from`] alone. The labels
//! of unlabelled posts are never read, nor is the test split.

pub(crate) mod averaging;
mod card;
pub(crate) mod checkpoint;
pub(crate) mod data;
pub(crate) mod encoder;
pub(crate) mod epoch;
pub(crate) mod event;
pub(crate) mod groups;
pub(crate) mod input;
pub(crate) mod prepare;
pub(crate) mod resumed;
pub(crate) mod sampler;
pub(crate) mod teachers;
pub(crate) mod training_loop;
pub(crate) mod unread;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::run::folder::{RunFolder, WEIGHTS, is_our_run, is_run, lock};
use crate::run::record::best_of;
use crate::run::remove::remove_checkpoint;
use crate::training::checkpoint::Checkpoint;
use crate::training::event::{Event, RunSummary};
use crate::training::input::TrainInput;
use crate::training::prepare::{Built, Prepared};
use crate::training::resumed::Resumed;
use crate::training::teachers::{Student, soft_labels};
use crate::training::training_loop::TrainingLoop;
use std::path::Path;

/// Trains a model and leaves a run folder at `out`. The same input, configuration and number of
/// threads on the same machine give the same weights, bit by bit.
///
/// # Errors
/// - Of the input: [`Error::Core`] with `Setting` for settings out of range, or that do not fit it;
///   [`Error::NothingToTrain`] for a split without posts, or labelled posts without candidate
///   spans; [`Error::NoUnlabelled`] for semi-supervised training without a post that has no labels;
///   [`Error::NotUtf8`] for a path that the run could not record; [`Error::Data`] for
///   malformed tags, and for a selection, image vectors or captions of another corpus; whatever is
///   wrong with the encoder's files.
/// - Of the folder: [`Error::Busy`] if another process trains in it, [`Error::RunExists`] unless
///   the input asks for its replacement, [`Error::ForeignFolder`] if files of somebody else are in
///   it, [`Error::Unsafe`] and [`Error::Write`].
/// - Of a step: [`Error::Diverged`] for a loss that is not finite or has exploded.
pub fn train(input: &TrainInput<'_>, config: &Config, out: impl AsRef<Path>) -> Result<RunSummary> {
    train_with(input, config, out, &mut |_| Flow::Continue)
}

/// The same, telling a callback what happens; it can end the run cleanly after any step.
///
/// # Errors
/// As [`train`].
pub fn train_with(
    input: &TrainInput<'_>,
    config: &Config,
    out: impl AsRef<Path>,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<RunSummary> {
    train_from(input, config, out.as_ref(), None, on_event)
}

/// Continues the run at `out` from its last checkpoint, or from the beginning if it has none yet.
/// Configuration and labelled posts are those it began with: `selection`, `words` and `replace_run`
/// of `input` are not used. With as many threads as at its beginning
/// ([`RunState`](crate::RunState)) the weights are those of a run that was never interrupted. For a
/// run that is finished it returns the summary and does nothing.
///
/// # Errors
/// [`Error::NoRun`] for a folder without a run; [`Error::Busy`] if another process trains there;
/// [`Error::OtherRun`] for input other than the run's; [`Error::Checkpoint`] for a checkpoint that
/// is damaged; those of [`train`].
pub fn resume(input: &TrainInput<'_>, out: impl AsRef<Path>) -> Result<RunSummary> {
    resume_with(input, out, &mut |_| Flow::Continue)
}

/// The same, telling a callback what happens; it can end the run cleanly after any step.
///
/// # Errors
/// As [`resume`].
pub fn resume_with(
    input: &TrainInput<'_>,
    out: impl AsRef<Path>,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<RunSummary> {
    let out = out.as_ref();
    if let Some(summary) = finished_run(out)? {
        return Ok(summary);
    }
    let folder = RunFolder::open(out)?;
    let _lock = lock(out)?;
    // Another process may have finished it before it let go of the lock.
    if let Some(summary) = finished_run(out)? {
        return Ok(summary);
    }
    let (mut config, state) = (folder.config()?, folder.state()?);
    config.data = input.corpus_folder.clone().or(config.data);
    config.unlabelled = config.unlabelled.map(|file| input.unlabelled_file.clone().unwrap_or(file));
    let selection = folder.selection()?;
    let checkpoint = Checkpoint::load(&folder.checkpoint()?, &state.identity(&config))?;
    // The saved weights are those of an epoch that is not trained again.
    if checkpoint.as_ref().is_some_and(|saved| best_of(&saved.position.records).is_some()) && !folder.has_weights() {
        return Err(Error::NoRun { path: out.to_owned(), missing: WEIGHTS });
    }
    let input = input.clone().with_selection(&selection);
    train_from(&input, &config, out, Some(Resumed { folder, state, checkpoint }), on_event)
}

/// The summary of a finished run. `None` for a run that can be resumed. If the run was killed
/// between its end and the removal of its checkpoint, the checkpoint is removed now.
///
/// # Errors
/// [`Error::NoRun`] for a folder without a run; [`Error::Json`] for a damaged file.
pub fn finished_run(out: impl AsRef<Path>) -> Result<Option<RunSummary>> {
    let out = out.as_ref();
    let folder = RunFolder::open(out)?;
    if !folder.state()?.finished {
        return Ok(None);
    }
    // The run may have been killed just before its checkpoint was removed.
    remove_checkpoint(out)?;
    Ok(Some(RunSummary::new(out, &folder.metrics()?, false)))
}

/// Trains a teacher, or resumes one whose training was interrupted.
fn train_teacher(
    input: &TrainInput<'_>,
    config: &Config,
    out: &Path,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<RunSummary> {
    if is_run(out) { resume_with(input, out, on_event) } else { train_with(input, config, out, on_event) }
}

/// Trains from the beginning, or from where a run was interrupted.
fn train_from(
    input: &TrainInput<'_>,
    asked: &Config,
    out: &Path,
    resumed: Option<Resumed>,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<RunSummary> {
    let (prepared, mut data) = Prepared::new(input, asked, out, resumed.as_ref(), on_event)?;
    let folder = resumed.as_ref().map(|resumed| resumed.folder(&prepared.config, &prepared.state)).transpose()?;
    let mut checkpoint = resumed.and_then(|resumed| resumed.checkpoint);
    let (mut built, stopped) = Built::new(&prepared, checkpoint.as_mut(), on_event)?;
    if stopped && folder.is_none() && input.replace_run && is_our_run(out) {
        // Nothing was trained that could stand in the place of the earlier run.
        return Ok(RunSummary::of_kept_run(out));
    }
    let (folder, _lock) = match folder {
        // The caller that resumes the run holds its lock.
        Some(folder) => (folder, None),
        None => prepared.new_folder(out)?,
    };
    if stopped {
        return Ok(RunSummary::new(out, &folder.metrics()?, true));
    }
    if let Some(distillation) = prepared.config.distillation.as_ref().filter(|_| !data.unlabelled.is_empty()) {
        let student = Student { prepared: &prepared, items: &data.unlabelled, folder: &folder };
        match soft_labels(student, distillation, &mut train_teacher, on_event)? {
            Some(labels) => data.give_targets(&labels, distillation),
            None => return Ok(RunSummary::new(out, &[], true)),
        }
    }
    let averaging = built.averaging(&prepared)?;
    let position = built.position(&prepared, checkpoint, averaging.as_ref(), data.unlabelled.len())?;
    TrainingLoop::new(&prepared, built, averaging, data, folder, position)?.run(out, on_event)
}
