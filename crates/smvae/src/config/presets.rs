//! Configurations by name.

use crate::config::Config;
use crate::config::input::InputConfig;
use crate::config::training::{BatchUnit, TrainingConfig};
use crate::error::{Error, Result};
use smvae_core::Convention;
use smvae_core::model::{ModelConfig, Quirks};
use smvae_core::objective::Objective;
use smvae_core::optim::AdamConfig;
use smvae_core::schedule::Schedule;

/// Names [`Config::preset`] knows.
pub const PRESETS: [&str; 3] = ["default", "twitter2015", "twitter2017"];

impl Config {
    /// A preset by name: `default` (ours) or the authors' two scripts, `twitter2015` and
    /// `twitter2017`.
    ///
    /// # Errors
    /// [`Error::Core`] with `Setting` for a name that [`PRESETS`] lacks.
    pub fn preset(name: &str) -> Result<Self> {
        match name {
            "default" => Ok(Self::default()),
            "twitter2015" => Ok(Self::authors(name, 0.025, 10, 0)),
            "twitter2017" => Ok(Self::authors(name, 0.03, 20, 6)),
            _ => Err(Error::setting("preset", "one of default, twitter2015, twitter2017", name)),
        }
    }

    /// The authors' scripts: 100 labelled tweets, 8 labelled and 8 unlabelled spans per step,
    /// Keras' Adam.
    fn authors(name: &str, gamma: f64, patience: usize, seed: u64) -> Self {
        let (mut model, mut objective) = (ModelConfig::default(), Objective::default());
        (model.hidden_dim, model.quirks) = (768, Quirks::authors());
        objective.gamma = gamma;
        Self {
            preset: name.to_owned(),
            seed,
            labelled: Some(100),
            input: InputConfig {
                convention: Convention::Authors,
                max_pieces: 100,
                max_width: 5,
                standardise_images: false,
                ..InputConfig::default()
            },
            model,
            training: TrainingConfig {
                epochs: Some(100),
                patience,
                batch_unit: BatchUnit::Spans,
                batch_size: 8,
                semi: true,
                unlabelled_batch_size: 8,
                negatives: Some(1.0),
                encoder_lr: 1e-5,
                head_lr: 1e-5,
                warmup: 0.0,
                schedule: Schedule::Constant,
                dropout: Some(0.1),
                ..TrainingConfig::default()
            },
            objective,
            optimizer: AdamConfig::keras(),
            ..Self::default()
        }
    }
}
