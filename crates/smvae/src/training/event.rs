//! What a run tells: events for whoever watches it, and a summary at the end.

use crate::run::folder::WEIGHTS;
use crate::run::record::{EpochRecord, best_of};
use smvae_core::metrics::Scores;
use smvae_core::step::StepReport;
use smvae_data::images::Coverage;
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
        /// Bytes that are here.
        done: u64,
        /// Bytes in all; none if the hub does not tell.
        total: Option<u64>,
    },
    /// After the text encoder's weights were read.
    Loaded(LoadReport),
    /// Before the first step.
    Started {
        /// Labelled tweets.
        labelled: usize,
        /// Unlabelled tweets that are trained on.
        unlabelled: usize,
        /// Numbers of all networks.
        parameters: usize,
        /// Those of them that are not frozen.
        trained: usize,
        /// Passes over the labelled tweets, at most.
        epochs: usize,
        /// Steps, at most.
        steps: usize,
        /// Steps that were taken before, by a run that goes on; 0 for one that begins.
        taken: usize,
        /// Training tweets with and without an image vector; none for text alone.
        images: Option<Coverage>,
        /// Words of training tweets that the piece limit cut.
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
        /// Loss and its terms.
        report: StepReport,
    },
    /// While dev is evaluated.
    Evaluating {
        /// Tweets done.
        done: usize,
        /// Tweets in all.
        total: usize,
    },
    /// After an epoch.
    Epoch(Box<EpochRecord>),
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
pub struct RunSummary {
    /// The run folder.
    pub folder: PathBuf,
    /// The epoch whose weights were saved; none if the run was stopped before dev was evaluated.
    pub best_epoch: Option<usize>,
    /// Its scores on dev.
    pub best: Option<Scores>,
    /// Epochs that were completed.
    pub epochs: usize,
    /// Whether the callback ended the run.
    pub stopped: bool,
}

impl RunSummary {
    /// Whether there are weights: not in a run that was stopped while its teachers were trained.
    pub fn has_weights(&self) -> bool {
        self.folder.join(WEIGHTS).is_file()
    }

    /// Of a run with these records.
    pub(crate) fn new(folder: &Path, records: &[EpochRecord], stopped: bool) -> Self {
        let best = best_of(records);
        Self {
            folder: folder.to_owned(),
            best_epoch: best.map(|(epoch, _)| epoch),
            best: best.map(|(_, scores)| scores.clone()),
            epochs: records.len(),
            stopped,
        }
    }
}
