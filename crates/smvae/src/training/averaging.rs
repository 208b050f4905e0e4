//! The average of a run's weights: what is evaluated and saved in their place and, if asked, a
//! teacher of unlabelled posts.

use crate::config::average::AverageConfig;
use crate::error::Result;
use crate::scoring::networks::{Networks, Shape};
use crate::training::groups::Groups;
use smvae_core::nn::{Average, Parameters};

/// An average of weights and the networks on it.
pub(crate) struct Averaging {
    pub networks: Networks,
    average: Average,
    config: AverageConfig,
}

impl Averaging {
    pub(crate) fn new(
        parameters: &Parameters,
        groups: Groups,
        shape: Shape<'_>,
        average: &AverageConfig,
    ) -> Result<Self> {
        let Shape { encoder, model, labels } = shape;
        let config = average.clone();
        let average = Average::new(parameters, |name| !groups.is_frozen(name))?;
        let networks = Networks::for_evaluation(&average.parameters, encoder, model, labels)?;
        Ok(Self { networks, average, config })
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.average.parameters
    }

    /// Follows the weights after a step; `steps` counts the steps so far. The first steps count
    /// more, so that the average soon forgets the weights at the beginning.
    pub(crate) fn follow(&self, steps: u64) -> Result<()> {
        let decay = self.config.decay.min((1.0 + steps as f64) / (10.0 + steps as f64));
        Ok(self.average.follow(decay)?)
    }

    /// Whether the average teaches when this share of the steps is done.
    pub(crate) fn teaches(&self, done: f64) -> bool {
        self.config.teach_from.is_some_and(|from| done >= from)
    }
}
