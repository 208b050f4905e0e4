//! Learning rate over the steps of a run: a factor in `[0, 1]` on each group's rate.

use serde::{Deserialize, Serialize};

/// How the learning rate changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Linear warm-up, then linear decay that would reach 0 one step after the last.
    #[default]
    Linear,
    /// Linear warm-up, then the same at every step.
    Constant,
}

impl Schedule {
    /// The factor of step `step` (from 0) of `total`: `(step + 1) / warmup` in the `warmup` steps
    /// of the warm-up, even if these are more than `total`. After them a linear schedule is 0 from
    /// step `total` on.
    pub fn factor(self, step: usize, total: usize, warmup: usize) -> f64 {
        match self {
            _ if step < warmup => (step + 1) as f64 / warmup as f64,
            Self::Constant => 1.0,
            Self::Linear => total.saturating_sub(step) as f64 / total.saturating_sub(warmup).max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_rises_to_one_and_falls_to_zero() {
        let factors: Vec<f64> = (0..7).map(|step| Schedule::Linear.factor(step, 6, 2)).collect();
        assert_eq!(factors, [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]);
        assert_eq!(Schedule::Linear.factor(0, 0, 0), 0.0);
    }

    #[test]
    fn constant_rises_to_one_and_stays() {
        let factors: Vec<f64> = (0..4).map(|step| Schedule::Constant.factor(step, 3, 2)).collect();
        assert_eq!(factors, [0.5, 1.0, 1.0, 1.0]);
    }
}
