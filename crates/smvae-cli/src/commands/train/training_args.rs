//! Options of `train` about the loop: its batches, its rates and when it ends.

use super::set::{set, set_some};
use crate::options::by_name;
use clap::Args;
use clap::builder::BoolishValueParser;
use smvae::config::{AverageConfig, Config, Freeze};
use smvae::core::schedule::Schedule;
use std::str::FromStr;

/// The loop, its batches and rates.
#[derive(Debug, Args)]
pub(super) struct TrainingArgs {
    /// The most passes over the labelled posts.
    #[arg(long, visible_alias = "epoch", value_name = "N")]
    epochs: Option<usize>,
    /// Stop after this many evaluations on dev without a better F1.
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// Evaluate on dev after every N epochs.
    #[arg(long, value_name = "N")]
    eval_every: Option<usize>,
    /// Stop after this many steps.
    #[arg(long, value_name = "N")]
    max_steps: Option<usize>,
    /// Save a checkpoint after every N steps.
    #[arg(long, value_name = "N")]
    checkpoint_every: Option<usize>,
    /// Labelled posts per step (spans, under the authors' presets).
    #[arg(long, visible_aliases = ["batch", "batch_size"], value_name = "N")]
    batch_size: Option<usize>,
    /// Unlabelled posts (or spans) per step.
    #[arg(long, visible_alias = "unlabelled-batch", value_name = "N")]
    unlabelled_batch_size: Option<usize>,
    /// Spans drawn from each unlabelled post.
    #[arg(long, value_name = "N")]
    unlabelled_spans: Option<usize>,
    /// Draw up to half of these from the spans that the teachers of --teachers find likely to be
    /// entities.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    balance_unlabelled: Option<bool>,
    /// O-spans drawn for each gold span, or `all`.
    #[arg(long, value_name = "X|all")]
    negatives: Option<OrAll>,
    /// Learning rate of the text encoder.
    #[arg(long, visible_alias = "lr", value_name = "X")]
    encoder_lr: Option<f64>,
    /// Learning rate of everything else.
    #[arg(long, value_name = "X")]
    head_lr: Option<f64>,
    /// The part of the text encoder that is not trained: none, all, or the embeddings and the N
    /// lowest layers.
    #[arg(long, value_name = "none|all|N")]
    freeze: Option<Freeze>,
    /// Each layer of the text encoder has X times the learning rate of the layer above it, and the
    /// embeddings X times that of the lowest.
    #[arg(long, value_name = "X")]
    layer_decay: Option<f64>,
    /// Share of the steps in which the learning rates rise.
    #[arg(long, value_name = "X")]
    warmup: Option<f64>,
    /// How the learning rates change after that.
    #[arg(long, value_name = "linear|constant", value_parser = by_name::<Schedule>)]
    schedule: Option<Schedule>,
    /// Decoupled weight decay.
    #[arg(long, value_name = "X")]
    weight_decay: Option<f64>,
    /// Read a post without its caption with this probability, so that the model stays good without.
    #[arg(long, value_name = "P")]
    caption_dropout: Option<f64>,
    /// See a post without its image with this probability, as if it had none.
    #[arg(long, value_name = "P")]
    image_dropout: Option<f64>,
    /// Choose the bias between O and the rest on dev at every evaluation.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    tune_decision: Option<bool>,
    /// Evaluate and save a moving average of the weights, with this decay per step.
    #[arg(long, visible_alias = "average", value_name = "X")]
    average_decay: Option<f64>,
    /// Scale gradients down to this global norm.
    #[arg(long, value_name = "X")]
    clip_norm: Option<f64>,
}

impl TrainingArgs {
    pub(super) fn apply(&self, config: &mut Config) {
        let training = &mut config.training;
        set_some(&mut training.epochs, self.epochs);
        set(&mut training.patience, self.patience);
        set(&mut training.eval_every, self.eval_every);
        set_some(&mut training.max_steps, self.max_steps);
        set_some(&mut training.checkpoint_every, self.checkpoint_every);
        set(&mut training.batch_size, self.batch_size);
        set(&mut training.unlabelled_batch_size, self.unlabelled_batch_size);
        set(&mut training.unlabelled_spans, self.unlabelled_spans);
        set(&mut training.balance_unlabelled, self.balance_unlabelled);
        set(&mut training.negatives, self.negatives.map(|OrAll(number)| number));
        set(&mut training.encoder_lr, self.encoder_lr);
        set(&mut training.head_lr, self.head_lr);
        set(&mut training.freeze, self.freeze);
        set(&mut training.layer_decay, self.layer_decay);
        set(&mut training.warmup, self.warmup);
        set(&mut training.schedule, self.schedule);
        set(&mut training.caption_dropout, self.caption_dropout);
        set(&mut training.image_dropout, self.image_dropout);
        set(&mut training.tune_decision, self.tune_decision);
        if let Some(decay) = self.average_decay {
            config.average.get_or_insert_with(AverageConfig::default).decay = decay;
        }
        set(&mut config.optimizer.weight_decay, self.weight_decay);
        set_some(&mut config.optimizer.clip_norm, self.clip_norm);
    }
}

/// A number; `None` means `all`.
#[derive(Clone, Copy, Debug)]
struct OrAll(Option<f64>);

impl FromStr for OrAll {
    type Err = std::num::ParseFloatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(if text == "all" { None } else { Some(text.parse()?) }))
    }
}
