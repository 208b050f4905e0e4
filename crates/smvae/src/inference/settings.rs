//! What is asked of a model at work, besides its weights: how long posts are read and what is told.

use crate::error::{Error, Result};

/// How posts are read and what is told of them. None of it changes which entities are found in a
/// post within the piece limit.
///
/// ```
/// let settings = smvae::PredictionSettings::default().with_all_above(0.2).calibrated();
/// assert!(settings.windows && settings.calibrated);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PredictionSettings {
    /// Whether a post over the piece limit is read in overlapping windows, in which all its words
    /// are seen. If not, it is cut. Default: true.
    pub windows: bool,
    /// Whether probabilities are those at the temperature fitted on dev. Default: false.
    pub calibrated: bool,
    /// The least probability of a label, 0 to 1, from which on its span is told as a candidate,
    /// besides the entities. `None`, the default, tells no candidates.
    pub all_above: Option<f32>,
    /// Whether a post comes with how little the model expected its text
    /// ([`Prediction::surprise`](crate::Prediction::surprise)). It has to be asked for when the
    /// model is loaded, which then keeps its decoders. Default: false.
    pub surprise: bool,
}

impl Default for PredictionSettings {
    fn default() -> Self {
        Self { windows: true, calibrated: false, all_above: None, surprise: false }
    }
}

impl PredictionSettings {
    /// The same with long posts cut at the piece limit.
    pub fn without_windows(self) -> Self {
        Self { windows: false, ..self }
    }

    /// The same with calibrated probabilities.
    pub fn calibrated(self) -> Self {
        Self { calibrated: true, ..self }
    }

    /// The same with every span told that has a label of at least this probability.
    pub fn with_all_above(self, probability: f32) -> Self {
        Self { all_above: Some(probability), ..self }
    }

    /// The same with how little the model expected each post.
    pub fn with_surprise(self) -> Self {
        Self { surprise: true, ..self }
    }

    /// Checks that the probability is one.
    ///
    /// # Errors
    /// [`Error::Core`] with `Setting`.
    pub fn validate(&self) -> Result<()> {
        match self.all_above {
            Some(p) if !(0.0..=1.0).contains(&p) => Err(Error::setting("all_above", "a probability, 0 to 1", p)),
            _ => Ok(()),
        }
    }
}
