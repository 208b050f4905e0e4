//! Steps that were taken and whose reports are still to be read: to read one waits for a GPU, so
//! several are read at once.

use crate::training::epoch::Taken;
use smvae_core::Error;
use smvae_core::step::{PendingReport, StepReport, read_reports};
use std::time::Instant;

/// Steps between two readings on a GPU, unless something else is said.
const EVERY: usize = 16;

/// A step that was taken, whose losses are not read yet, and the positions of the labelled and
/// unlabelled items that it was taken on.
pub(crate) struct UnreadStep {
    pub report: PendingReport,
    pub labelled: Vec<usize>,
    pub unlabelled: Vec<usize>,
    pub posts: usize,
    pub spans: usize,
    pub factor: f64,
    pub seconds: f64,
}

/// Why reports could not be read, or that training has diverged, and at which step if it has.
pub(crate) struct Failed {
    pub error: Error,
    pub step: Option<UnreadStep>,
}

/// The steps whose reports are to be read.
pub(crate) struct UnreadSteps {
    steps: Vec<UnreadStep>,
    every: usize,
    last: Option<StepReport>,
}

impl UnreadSteps {
    /// No steps yet. Reports will be read every `every` steps; `None` means at every step on the
    /// CPU, and every [`EVERY`] on a GPU.
    pub(crate) fn new(every: Option<usize>, on_cpu: bool) -> Self {
        let every = every.unwrap_or(if on_cpu { 1 } else { EVERY });
        Self { steps: Vec::new(), every, last: None }
    }

    pub(crate) fn add(&mut self, step: UnreadStep) {
        self.steps.push(step);
    }

    /// Whether it is time to read them. The first of a run is read at once, so that there is
    /// something to tell.
    pub(crate) fn are_due(&self) -> bool {
        self.steps.len() >= self.every || self.last.is_none()
    }

    /// The last report that was read.
    pub(crate) fn last(&self) -> StepReport {
        self.last.unwrap_or_default()
    }

    /// Reads all. The wait for the device counts as time of the last step.
    ///
    /// # Errors
    /// That of the first step that diverged, and that step; or of the copy.
    pub(crate) fn read(&mut self) -> Result<Vec<Taken>, Box<Failed>> {
        let start = Instant::now();
        let mut steps = std::mem::take(&mut self.steps);
        let reports = match read_reports(steps.iter().map(|step| &step.report)) {
            Ok(reports) => reports,
            Err(error) => {
                let diverged = match error {
                    Error::NotFinite { step, .. } => steps.into_iter().find(|taken| taken.report.step() == step),
                    _ => None,
                };
                return Err(Box::new(Failed { error, step: diverged }));
            }
        };
        if let Some(last) = steps.last_mut() {
            last.seconds += start.elapsed().as_secs_f64();
        }
        self.last = reports.last().copied().or(self.last);
        let taken = |(step, report): (UnreadStep, StepReport)| {
            let UnreadStep { posts, spans, factor, seconds, .. } = step;
            Taken { report, posts, spans, factor, seconds }
        };
        Ok(steps.into_iter().zip(reports).map(taken).collect())
    }
}
