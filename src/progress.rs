//! What a run tells: events for whoever watches it, a record an epoch, a summary at the end.

use crate::run_folder::WEIGHTS;
use serde::{Deserialize, Serialize};
use smvae_core::metrics::Scores;
use smvae_core::step::{StepReport, TermMeans};
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

/// What the callback wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// End the run, in good order.
    Stop,
}

impl From<Flow> for std::ops::ControlFlow<()> {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Continue => Self::Continue(()),
            Flow::Stop => Self::Break(()),
        }
    }
}

/// A line of `metrics.jsonl`: one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Steps taken so far.
    pub step: usize,
    /// Loss, its terms and the norm of the gradients: means over the epoch's steps.
    pub train: StepReport,
    /// Learning rate of the text encoder's top layer at the last step.
    pub encoder_lr: f64,
    /// Learning rate of everything else at the last step.
    pub head_lr: f64,
    /// Scores on dev; none in epochs without an evaluation.
    pub dev: Option<Scores>,
    /// Whether these scores are the best so far, and the weights were saved.
    pub best: bool,
    /// The bias against `O` these scores were reached with.
    #[serde(default)]
    pub outside_bias: f32,
    /// Where time went, and memory: the fields that differ between two runs of one seed.
    pub timing: Timing,
}

/// Speed and memory of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Seconds of its steps.
    pub train_seconds: f64,
    /// Seconds of the evaluation on dev.
    pub dev_seconds: f64,
    /// Tweets trained on a second, labelled and unlabelled.
    pub tweets_per_second: f64,
    /// Spans trained on a second.
    pub spans_per_second: f64,
    /// Tweets of dev evaluated a second.
    pub dev_tweets_per_second: f64,
    /// The most memory the process has had so far, in MiB, where the system tells.
    pub peak_memory_mib: Option<f64>,
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

/// The best epoch on dev so far.
pub(crate) fn best_of(records: &[EpochRecord]) -> Option<(usize, &Scores)> {
    records.iter().rfind(|record| record.best).and_then(|record| Some((record.epoch, record.dev.as_ref()?)))
}

/// Seconds of training and of evaluations, without pauses.
pub(crate) fn seconds(records: &[EpochRecord]) -> f64 {
    records.iter().map(|record| record.timing.train_seconds + record.timing.dev_seconds).sum()
}

/// Evaluations on dev since the best.
pub(crate) fn without_gain(records: &[EpochRecord]) -> usize {
    records.iter().rev().take_while(|record| !record.best).filter(|record| record.dev.is_some()).count()
}

/// Means of step reports.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Means {
    sum: StepReport,
    n: usize,
}

impl Means {
    pub(crate) fn add(&mut self, report: &StepReport) {
        let mut sum = fields(&mut self.sum).into_iter();
        let mut report = *report;
        for value in fields(&mut report) {
            *sum.next().expect("as many fields") += *value;
        }
        self.n += 1;
    }

    pub(crate) fn means(&self) -> StepReport {
        let (n, mut means) = (self.n.max(1) as f64, self.sum);
        fields(&mut means).into_iter().for_each(|value| *value /= n);
        means
    }
}

/// Every number of a report.
fn fields(report: &mut StepReport) -> Vec<&mut f64> {
    let StepReport { loss, ce, labelled, unlabelled, mask, soft_ce, disagreement, grad_norm } = report;
    let mut fields = vec![loss, ce, mask, soft_ce, disagreement, grad_norm];
    for TermMeans { mse_text, mse_image, kl_text, kl_image, kl_fused } in [labelled, unlabelled] {
        fields.extend([mse_text, mse_image, kl_text, kl_image, kl_fused]);
    }
    fields
}
