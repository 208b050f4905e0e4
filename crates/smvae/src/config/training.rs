//! How long training takes, what a step is made of, and at what learning rates.

use crate::config::freeze::Freeze;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use smvae_core::schedule::Schedule;

/// What a batch counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchUnit {
    /// Posts, each with all its sampled spans.
    #[serde(rename = "tweets", alias = "posts")]
    Posts,
    /// Spans, as the authors' program does.
    Spans,
}

/// The loop, its batches and learning rates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TrainingConfig {
    /// Passes over the labelled posts. Default: `None`, as many as give about 1,700 steps, at least
    /// 8 and at most 30.
    pub epochs: Option<usize>,
    /// Training ends after this many evaluations on dev without a better F1; those before the first
    /// F1 above 0 are not counted. Default: 10.
    pub patience: usize,
    /// Epochs between evaluations on dev; the last epoch is always evaluated. Default: 1.
    pub eval_every: usize,
    /// Training ends early after this many steps. Default: `None`, no such limit.
    pub max_steps: Option<usize>,
    /// What `batch_size` and `unlabelled_batch_size` count: `posts` (stored as `tweets`) or
    /// `spans`. Default: posts.
    pub batch_unit: BatchUnit,
    /// Labelled posts (or spans) per step. Default: 16.
    pub batch_size: usize,
    /// Whether the model also learns from the posts without labels. Default: false.
    pub semi: bool,
    /// Unlabelled posts (or spans) per step. Default: 16.
    pub unlabelled_batch_size: usize,
    /// Spans drawn from each unlabelled post. Default: 16.
    pub unlabelled_spans: usize,
    /// Whether up to half of these are drawn among the spans that the teachers of `distillation`
    /// think may be entities. Default: false.
    pub balance_unlabelled: bool,
    /// Spans of class `O` drawn for each gold span of a batch. Default: `None`, all of them.
    pub negatives: Option<f64>,
    /// Learning rate of the text encoder. Default: 5e-5.
    pub encoder_lr: f64,
    /// Learning rate of everything else. Default: 1e-3.
    pub head_lr: f64,
    /// The part of the text encoder that is not trained. Default: [`Freeze::None`].
    pub freeze: Freeze,
    /// The rate of each layer of the text encoder, and of its embeddings, is this factor times that
    /// of the layer above; the top layer has `encoder_lr`. Default: 1.
    pub layer_decay: f64,
    /// Share of the steps in which the rates rise, 0 to 1. Default: 0.1.
    pub warmup: f64,
    /// How the rates change after that. Default: linearly.
    pub schedule: Schedule,
    /// Dropout of the text encoder. Default: `None`, what its own configuration says.
    pub dropout: Option<f64>,
    /// Probability with which a post of a step is read without its caption, so that the model stays
    /// good without one. Default: 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub caption_dropout: f64,
    /// Probability with which a post of a step is seen without its image, as if it had none:
    /// modality dropout. Above 0 it needs image vectors. An average that teaches sees what the run
    /// sees, `teachers` see every image. Default: 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_dropout: f64,
    /// Whether every evaluation on dev chooses the bias between `O` and the rest
    /// ([`crate::Decision`]). Default: false.
    pub tune_decision: bool,
    /// Steps between checkpoints, which change no result. Default: `None`, checkpoints are at least
    /// a minute apart and take at most 2 % of the time.
    pub checkpoint_every: Option<usize>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: None,
            patience: 10,
            eval_every: 1,
            max_steps: None,
            batch_unit: BatchUnit::Posts,
            batch_size: 16,
            semi: false,
            unlabelled_batch_size: 16,
            unlabelled_spans: 16,
            balance_unlabelled: false,
            negatives: None,
            encoder_lr: 5e-5,
            head_lr: 1e-3,
            freeze: Freeze::None,
            layer_decay: 1.0,
            warmup: 0.1,
            schedule: Schedule::Linear,
            dropout: None,
            caption_dropout: 0.0,
            image_dropout: 0.0,
            tune_decision: false,
            checkpoint_every: None,
        }
    }
}

impl TrainingConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Core`](crate::Error::Core) with `Setting` naming the first that is out of its
    /// range.
    pub fn validate(&self) -> Result<()> {
        let Self { epochs, encoder_lr, head_lr, warmup, negatives, dropout, .. } = *self;
        let counts = [
            ("epochs", epochs.unwrap_or(1)),
            ("patience", self.patience),
            ("eval_every", self.eval_every),
            ("max_steps", self.max_steps.unwrap_or(1)),
            ("checkpoint_every", self.checkpoint_every.unwrap_or(1)),
            ("batch_size", self.batch_size),
            ("unlabelled_batch_size", self.unlabelled_batch_size),
            ("unlabelled_spans", self.unlabelled_spans),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, n)| *n == 0) {
            return Err(Error::setting(name, "at least 1", 0));
        }
        let not_negative = [("encoder_lr", encoder_lr), ("head_lr", head_lr), ("negatives", negatives.unwrap_or(0.0))];
        if let Some((name, x)) = not_negative.into_iter().find(|(_, x)| !(x.is_finite() && *x >= 0.0)) {
            return Err(Error::setting(name, "a finite number, at least 0", x));
        }
        let layer_decay = self.layer_decay;
        if !(layer_decay > 0.0 && layer_decay <= 1.0) {
            return Err(Error::setting("layer_decay", "above 0 and at most 1", layer_decay));
        }
        if !(0.0..=1.0).contains(&warmup) {
            return Err(Error::setting("warmup", "a share, 0 to 1", warmup));
        }
        let dropouts = [("caption_dropout", self.caption_dropout), ("image_dropout", self.image_dropout)];
        if let Some((name, p)) = dropouts.into_iter().find(|(_, p)| !(0.0..=1.0).contains(p)) {
            return Err(Error::setting(name, "a probability, 0 to 1", p));
        }
        match dropout {
            Some(p) if !(0.0..1.0).contains(&p) => Err(Error::setting("dropout", "in [0, 1)", p)),
            _ => Ok(()),
        }
    }
}
