//! Parameter groups of a run: what is trained, and at which learning rate.
//!
//! ```text
//! group  0            embeddings of the text encoder,
//!                     also those of distances           encoder_lr decay^L
//!        l = 1 .. L   its layers, from below; the norm
//!                     after the last is in group L      encoder_lr decay^(L - l)
//!        L + 1        everything else                   head_lr
//! ```
//! Groups `0 ..= n` are frozen for [`Freeze::Lowest`] of `n` layers. Frozen parameters have no part
//! in the graph and no state in the optimizer; dropout between them stays as it is.

use crate::config::freeze::Freeze;
use crate::config::training::TrainingConfig;
use crate::error::Error;
use crate::error::Result;
use crate::scoring::networks::ENCODER;

/// The groups of a text encoder with `layers` layers and of what stands on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Groups {
    layers: usize,
    /// Number of groups, from below, that are frozen.
    frozen: usize,
    encoder_lr: f64,
    head_lr: f64,
    decay: f64,
}

impl Groups {
    /// The groups of a training run.
    ///
    /// # Errors
    /// `Setting` if more layers are to be frozen than there are.
    pub(crate) fn new(layers: usize, training: &TrainingConfig) -> Result<Self> {
        let frozen = match training.freeze {
            Freeze::None => 0,
            Freeze::Lowest(n) if n > layers => {
                return Err(Error::setting(
                    "training.freeze",
                    "none, all, or no more layers than the text encoder has",
                    n,
                ));
            }
            Freeze::Lowest(n) => n + 1,
            Freeze::All => layers + 1,
        };
        let TrainingConfig { encoder_lr, head_lr, layer_decay: decay, .. } = *training;
        Ok(Self { layers, frozen, encoder_lr, head_lr, decay })
    }

    /// The group of a parameter by its name.
    pub(crate) fn of(&self, name: &str) -> usize {
        let Some(name) = name.strip_prefix(ENCODER).and_then(|rest| rest.strip_prefix('.')) else {
            return self.layers + 1;
        };
        // What ModernBERT has above its layers.
        if name.starts_with("final_norm.") {
            return self.layers;
        }
        let layer = name.strip_prefix("encoder.layer.").and_then(|rest| rest.split('.').next()?.parse().ok());
        layer.map_or(0, |layer: usize| layer + 1)
    }

    /// Whether a parameter is not trained.
    pub(crate) fn is_frozen(&self, name: &str) -> bool {
        self.of(name) < self.frozen
    }

    /// The learning rate of each group where the schedule has this factor.
    pub(crate) fn rates(&self, factor: f64) -> Vec<f64> {
        let of_layer = |l| self.encoder_lr * self.decay.powi((self.layers - l) as i32) * factor;
        (0..=self.layers).map(of_layer).chain([self.head_lr * factor]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = [
        "encoder.embeddings.LayerNorm.bias",
        "encoder.encoder.layer.0.output.dense.weight",
        "encoder.encoder.layer.1.output.dense.weight",
        "encoder.encoder.layer.10.output.dense.weight",
        "encoder.final_norm.weight",
        "model.lstm_ner.forward.weight",
    ];

    #[test]
    fn the_lowest_layers_are_frozen_first() {
        let check = |freeze, want: [bool; 6]| {
            let groups = Groups::new(11, &TrainingConfig { freeze, ..TrainingConfig::default() }).expect("11 layers");
            assert_eq!(NAMES.map(|name| groups.is_frozen(name)), want, "{freeze:?}");
            assert_eq!(NAMES.map(|name| groups.of(name)), [0, 1, 2, 11, 11, 12]);
        };
        check(Freeze::None, [false; 6]);
        check(Freeze::Lowest(0), [true, false, false, false, false, false]);
        check(Freeze::Lowest(1), [true, true, false, false, false, false]);
        check(Freeze::Lowest(10), [true, true, true, false, false, false]);
        check(Freeze::Lowest(11), [true, true, true, true, true, false]);
        check(Freeze::All, [true, true, true, true, true, false]);
        assert!(Groups::new(11, &TrainingConfig { freeze: Freeze::Lowest(12), ..Default::default() }).is_err());
    }

    #[test]
    fn each_layer_has_a_fraction_of_the_rate_above() {
        let training = TrainingConfig { encoder_lr: 8.0, head_lr: 3.0, layer_decay: 0.5, ..Default::default() };
        assert_eq!(Groups::new(3, &training).expect("3 layers").rates(1.0), [1.0, 2.0, 4.0, 8.0, 3.0]);
        let even = TrainingConfig { layer_decay: 1.0, ..training };
        assert_eq!(Groups::new(2, &even).expect("2 layers").rates(0.5), [4.0, 4.0, 4.0, 1.5]);
    }
}
