//! The average of the weights over the steps.

use serde::{Deserialize, Serialize};

/// An exponential moving average of the weights: what is evaluated and saved in their place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AverageConfig {
    /// How much of the average a step keeps; less in the first steps. Default: 0.99.
    pub decay: f64,
    /// The average is also a teacher (Tarvainen & Valpola 2017): after this share of the steps, 0
    /// to 1, the networks learn what it says of unlabelled spans without dropout, with the
    /// objective's `soft_label_weight`. Default: `None`, the average does not teach.
    pub teach_from: Option<f64>,
}

impl Default for AverageConfig {
    fn default() -> Self {
        Self { decay: 0.99, teach_from: None }
    }
}
