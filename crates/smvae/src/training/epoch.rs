//! The epoch in progress: what a run must remember between two steps, so that it can be resumed
//! there.
//!
//! The order of the epoch's steps is not kept: it is drawn again from the generator's state at the
//! beginning of the epoch.

use crate::config::training::TrainingConfig;
use crate::run::record::{EpochRecord, Timing};
use crate::training::sampler::{Chosen, LabelledItem, labelled_epoch};
use serde::{Deserialize, Serialize};
use smvae_core::Rng;
use smvae_core::rng::RngState;
use smvae_core::step::StepReport;

/// How far an epoch is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Epoch {
    /// From 1.
    pub number: usize,
    /// Steps taken in this epoch.
    pub done: usize,
    /// The run's generator before the epoch's first step.
    start: RngState,
    /// The schedule's factor at the last step.
    factor: f64,
    sums: Means,
    #[serde(rename = "tweets")]
    posts: usize,
    spans: usize,
    seconds: f64,
}

/// What a step was: its losses, its number of posts and spans, the schedule's factor, and its
/// seconds.
pub(crate) struct Taken {
    pub report: StepReport,
    pub posts: usize,
    pub spans: usize,
    pub factor: f64,
    pub seconds: f64,
}

impl Epoch {
    /// An epoch that begins now, with this state of the generator.
    pub(crate) fn new(number: usize, rng: &Rng) -> Self {
        let start = RngState::of(rng);
        Self { number, done: 0, start, factor: 0.0, sums: Means::default(), posts: 0, spans: 0, seconds: 0.0 }
    }

    /// The steps that are left. At the beginning of an epoch this moves `rng` past the draws of
    /// their order; later `rng` is past them already.
    pub(crate) fn steps_left(
        &self,
        items: &[LabelledItem],
        config: &TrainingConfig,
        rng: &mut Rng,
    ) -> impl Iterator<Item = Chosen> + use<> {
        let mut from_start = self.start.rng();
        let steps = labelled_epoch(items, config, &mut from_start);
        if self.done == 0 {
            *rng = from_start;
        }
        steps.into_iter().skip(self.done)
    }

    /// Counts a step.
    pub(crate) fn add(&mut self, taken: &Taken) {
        self.done += 1;
        self.factor = taken.factor;
        self.sums.add(&taken.report);
        self.posts += taken.posts;
        self.spans += taken.spans;
        self.seconds += taken.seconds;
    }

    /// The record of its steps, the last of which is the run's step `step`. Scores on dev are added
    /// later.
    pub(crate) fn record(&self, step: usize, config: &TrainingConfig) -> EpochRecord {
        EpochRecord {
            epoch: self.number,
            step,
            train: self.sums.means(),
            encoder_lr: config.encoder_lr * self.factor,
            head_lr: config.head_lr * self.factor,
            dev: None,
            best: false,
            outside_bias: 0.0,
            timing: Timing {
                train_seconds: self.seconds,
                posts_per_second: self.posts as f64 / self.seconds,
                spans_per_second: self.spans as f64 / self.seconds,
                peak_memory_mib: peak_memory_mib(),
                ..Timing::default()
            },
        }
    }
}

/// Means of step reports.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Means {
    sum: StepReport,
    n: usize,
}

impl Means {
    pub(crate) fn add(&mut self, report: &StepReport) {
        let mut report = *report;
        self.sum.numbers_mut().into_iter().zip(report.numbers_mut()).for_each(|(sum, value)| *sum += *value);
        self.n += 1;
    }

    pub(crate) fn means(&self) -> StepReport {
        let (n, mut means) = (self.n.max(1) as f64, self.sum);
        means.numbers_mut().into_iter().for_each(|value| *value /= n);
        means
    }
}

/// The most resident memory so far, in MiB; `None` where `/proc/self/status` does not say.
fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
