//! Settings of Adam. The equations they stand in are in `optim.rs`.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Where epsilon stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdamForm {
    /// Added to the root of the corrected second moment.
    #[default]
    PyTorch,
    /// Added to the root of the uncorrected one, as in the authors' program.
    Keras,
}

/// Settings of [`Adam`](super::Adam).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AdamConfig {
    /// Where epsilon stands, `pytorch` or `keras`. Default: [`AdamForm::PyTorch`].
    pub form: AdamForm,
    /// Decay of the first moment. Default: 0.9.
    pub beta1: f64,
    /// Decay of the second moment. Default: 0.999.
    pub beta2: f64,
    /// Keeps the step finite where the gradient is zero. Default: 1e-8.
    pub eps: f64,
    /// Decoupled weight decay; biases and layer norms, the parameters of one dimension, are exempt.
    /// Default: 0.01.
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; `None` means no clipping. Default: 1.
    pub clip_norm: Option<f64>,
}

impl Default for AdamConfig {
    /// AdamW as it is used to fine-tune BERT.
    fn default() -> Self {
        Self { form: AdamForm::PyTorch, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01, clip_norm: Some(1.0) }
    }
}

impl AdamConfig {
    /// Adam as Keras has it, without decay and clipping: the authors' optimizer.
    pub fn keras() -> Self {
        Self { form: AdamForm::Keras, eps: 1e-7, weight_decay: 0.0, clip_norm: None, ..Self::default() }
    }

    /// Checks every setting, as the f32 that a step computes with.
    ///
    /// # Errors
    /// [`Error::Setting`] for one out of its range.
    pub fn validate(&self) -> Result<()> {
        // An epsilon that is 0 as f32 divides zero by zero, a decay that is 1 keeps the moments at
        // zero.
        let positive = |x: f64| (x as f32).is_finite() && x as f32 > 0.0;
        let decays = |x: f64| x >= 0.0 && (x as f32) < 1.0;
        let clip = self.clip_norm.unwrap_or(1.0);
        let checks = [
            ("beta1", "in [0, 1), also as f32", self.beta1, decays(self.beta1)),
            ("beta2", "in [0, 1), also as f32", self.beta2, decays(self.beta2)),
            ("eps", "above 0 and finite, also as f32", self.eps, positive(self.eps)),
            (
                "weight_decay",
                "at least 0 and finite",
                self.weight_decay,
                self.weight_decay >= 0.0 && (self.weight_decay as f32).is_finite(),
            ),
            ("clip_norm", "above 0 and finite", clip, clip.is_finite() && clip > 0.0),
        ];
        match checks.into_iter().find(|(.., fine)| !fine) {
            Some((name, want, got, _)) => Err(Error::setting(name, want, got)),
            None => Ok(()),
        }
    }
}
