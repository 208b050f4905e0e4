//! Settings of the soft labels that teachers make for unlabelled posts. `training/teachers.rs`
//! makes them.

use crate::config::names::within;
use crate::config::training::TrainingConfig;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How teachers make soft labels for unlabelled posts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Distillation {
    /// Number of teachers that learn from the labelled posts alone. Default: 3.
    pub teachers: usize,
    /// Generations of students, the last of which is the run itself. Each of the others learns from
    /// all teachers so far, as the run does, and then becomes one more teacher. Default: 1.
    pub generations: usize,
    /// How each teacher is trained. Default: [`TrainingConfig::default`].
    pub training: TrainingConfig,
    /// A span has no target if its most probable class is less probable than this. Default: 0,
    /// every span has one.
    pub confidence: f32,
    /// Whether the target is the most probable class alone, a pseudo-label, and not every class by
    /// its probability. Default: false.
    pub hard: bool,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { teachers: 3, generations: 1, training: TrainingConfig::default(), confidence: 0.0, hard: false }
    }
}

impl Distillation {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.teachers == 0 {
            return Err(Error::setting("teachers", "at least 1", 0));
        }
        if self.generations == 0 {
            return Err(Error::setting("generations", "at least 1", 0));
        }
        if self.training.semi {
            return Err(Error::setting("training.semi", "false: teachers have the labelled posts alone", true));
        }
        if !(0.0..=1.0).contains(&self.confidence) {
            return Err(Error::setting("confidence", "a probability", self.confidence));
        }
        within("training", self.training.validate())
    }

    /// How many models teach the run itself.
    pub(crate) fn all_teachers(&self) -> usize {
        self.teachers + self.generations - 1
    }

    /// What the student learns where the teachers say `row`. All 0 means that the span has no
    /// target.
    pub(crate) fn target(&self, row: &[f32]) -> Vec<f32> {
        let (class, p) =
            row.iter().enumerate().fold((0, f32::MIN), |best, (k, p)| if *p > best.1 { (k, *p) } else { best });
        if p < self.confidence {
            vec![0.0; row.len()]
        } else if self.hard {
            (0..row.len()).map(|k| f32::from(k == class)).collect()
        } else {
            row.to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_soft_hard_or_passed_over() {
        let row = [0.6, 0.3, 0.1];
        let check = |confidence, hard, want: [f32; 3]| {
            let distillation = Distillation { confidence, hard, ..Distillation::default() };
            assert_eq!(distillation.target(&row), want, "{confidence} {hard}");
        };
        check(0.0, false, row);
        check(0.6, true, [1.0, 0.0, 0.0]);
        check(0.7, true, [0.0; 3]);
        check(0.7, false, [0.0; 3]);
    }
}
