//! What a run reports: events while it lasts, and a summary at the end.

use crate::run::folder::WEIGHTS;
use crate::run::record::{EpochRecord, best_of};
use smvae_core::metrics::Scores;
use smvae_core::step::StepReport;
use smvae_data::images::Coverage;
use smvae_encoders::text::tokenizer::Note;
use smvae_encoders::weights::LoadReport;
use std::path::{Path, PathBuf};

/// What happens in a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// While a file of the text encoder is fetched from the hub.
    Fetching {
        /// Its name.
        file: String,
        /// Bytes fetched so far.
        done: u64,
        /// Bytes in all. `None` if the hub does not tell.
        total: Option<u64>,
    },
    /// After the text encoder's tokenizer was read from a folder whose files contradict each other,
    /// or say less than one would want. Once for all of it.
    Tokenizer(Vec<Note>),
    /// After the text encoder's weights were read.
    Loaded(LoadReport),
    /// Before the first step.
    Started {
        /// Labelled posts.
        labelled: usize,
        /// Unlabelled posts that are trained on.
        unlabelled: usize,
        /// Number of parameters of all networks.
        parameters: usize,
        /// How many of them are not frozen.
        trained: usize,
        /// Passes over the labelled posts, at most.
        epochs: usize,
        /// Steps, at most.
        steps: usize,
        /// Steps that a resumed run has taken before; 0 for a new run.
        taken: usize,
        /// Training posts with and without an image vector. `None` for text alone.
        images: Option<Coverage>,
        /// Training posts with and without a caption. `None` for a run without captions.
        captions: Option<Coverage>,
        /// Words of training posts that the piece limit cut.
        words_cut: usize,
    },
    /// After a step.
    Step {
        /// The epoch, from 1.
        epoch: usize,
        /// Steps taken.
        step: usize,
        /// Steps, at most.
        steps: usize,
        /// Loss and its terms. On a GPU those of the last step whose report was read
        /// ([`TrainInput::reports_every`](crate::TrainInput)).
        report: StepReport,
    },
    /// While dev is evaluated.
    Evaluating {
        /// Posts done.
        done: usize,
        /// Posts in all.
        total: usize,
    },
    /// After an epoch.
    Epoch(Box<EpochRecord>),
    /// While a model reads the posts that an experiment may have labelled, before the first step.
    /// Strategies that ask no model what it finds tell nothing.
    Choosing {
        /// Posts done.
        done: usize,
        /// Posts in all.
        total: usize,
    },
    /// What happens in the training of a teacher.
    Teacher {
        /// Which teacher, from 1.
        number: usize,
        /// Teachers in all.
        teachers: usize,
        /// What happens.
        event: Box<Event>,
    },
}

#[cfg(feature = "hub")]
impl From<smvae_encoders::hub::Progress<'_>> for Event {
    fn from(progress: smvae_encoders::hub::Progress<'_>) -> Self {
        Self::Fetching { file: progress.file.to_owned(), done: progress.done, total: progress.total }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunSummary {
    /// The run folder.
    pub folder: PathBuf,
    /// The epoch whose weights were saved. `None` if the run was stopped before dev was evaluated.
    pub best_epoch: Option<usize>,
    /// Its scores on dev.
    pub best: Option<Scores>,
    /// Epochs that were completed.
    pub epochs: usize,
    /// Whether the callback ended the run.
    pub stopped: bool,
    /// Whether it ended the run before anything was trained, so that the folder still holds the
    /// run that was to be replaced, untouched. Nothing can be resumed then.
    pub kept_old_run: bool,
}

impl RunSummary {
    /// Whether the folder has weights, which may be those of a run that was kept. It has none if
    /// the run was stopped while its teachers were trained.
    pub fn has_weights(&self) -> bool {
        self.folder.join(WEIGHTS).is_file()
    }

    /// The summary of a run with these records.
    pub(crate) fn new(folder: &Path, records: &[EpochRecord], stopped: bool) -> Self {
        let best = best_of(records);
        Self {
            folder: folder.to_owned(),
            best_epoch: best.map(|(epoch, _)| epoch),
            best: best.map(|(_, scores)| scores.clone()),
            epochs: records.len(),
            stopped,
            kept_old_run: false,
        }
    }

    /// The summary of a run that was stopped before it replaced the one in its folder.
    pub(crate) fn of_kept_run(folder: &Path) -> Self {
        Self { kept_old_run: true, ..Self::new(folder, &[], true) }
    }
}
