//! The average of the weights over the steps.

use serde::{Deserialize, Serialize};

/// An exponential moving average of the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AverageConfig {
    /// How much of the average a step keeps; less in the first steps.
    pub decay: f64,
    /// The average is also a teacher (Tarvainen & Valpola 2017): what it makes of unlabelled spans, without dropout, is
    /// learned from this share of the steps on, with the objective's weight `distillation`. None for no teacher.
    pub teach_from: Option<f64>,
}

impl Default for AverageConfig {
    fn default() -> Self {
        Self { decay: 0.99, teach_from: None }
    }
}
