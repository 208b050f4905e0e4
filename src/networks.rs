//! A text encoder and a span model on one set of parameters, with the tokenizer and the labels they were made for.

use crate::{Config, Result};
use smvae_core::LabelSet;
use smvae_core::candle_core::{DType, Device};
use smvae_core::model::{ModelConfig, SpanModel};
use smvae_core::nn::Parameters;
use smvae_core::step;
use smvae_data::Sample;
use smvae_encoders::text::{Bert, BertConfig, WordTokenizer, load_weights, tiny, tiny_vocabulary};
use std::path::PathBuf;

/// Where the text encoder comes from.
#[derive(Clone, Debug)]
pub enum EncoderSource {
    /// A folder with `config.json`, `model.safetensors` and `tokenizer.json` or `vocab.txt`.
    Folder(PathBuf),
    /// A tiny encoder, untrained, with a vocabulary of the training split's words.
    Tiny,
}

/// Rarer words are unknown to the tiny encoder.
const TINY_MIN_COUNT: usize = 10;
/// Prefix of the encoder's parameters.
const ENCODER: &str = "encoder";
/// Prefix of the span model's parameters.
const MODEL: &str = "model";

/// The text encoder before training.
pub(crate) struct Encoder {
    pub config: BertConfig,
    pub tokenizer: WordTokenizer,
    weights: Option<PathBuf>,
}

impl Encoder {
    pub(crate) fn open(source: &EncoderSource, train: &[Sample]) -> Result<Self> {
        match source {
            EncoderSource::Folder(folder) => Ok(Self {
                config: BertConfig::from_file(folder.join("config.json"))?,
                tokenizer: WordTokenizer::from_folder(folder)?,
                weights: Some(folder.join("model.safetensors")),
            }),
            EncoderSource::Tiny => {
                let words = train.iter().flat_map(|sample| sample.words.iter().map(String::as_str));
                let vocabulary = tiny_vocabulary(words, TINY_MIN_COUNT);
                let config = tiny(vocabulary.len());
                Ok(Self { config, tokenizer: WordTokenizer::from_vocab(vocabulary)?, weights: None })
            }
        }
    }

    /// Draws or loads all parameters of a run.
    pub(crate) fn parameters(&self, config: &Config, device: &Device) -> Result<Parameters> {
        let parameters = Parameters::new(config.seed, device);
        if let Some(weights) = &self.weights {
            load_weights(&self.config, weights, &parameters, ENCODER)?;
        }
        Ok(parameters)
    }
}

/// The networks of a run.
#[derive(Clone, Debug)]
pub(crate) struct Networks {
    pub encoder: Bert,
    pub model: SpanModel,
}

/// Whether networks are for training, tracked by a graph, or for evaluation, sharing the same memory.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Use {
    Training,
    Evaluation,
}

impl Networks {
    /// Builds the networks; for training, parameters that do not exist yet are drawn.
    pub(crate) fn build(
        parameters: &Parameters,
        bert: &BertConfig,
        model: &ModelConfig,
        labels: &LabelSet,
        purpose: Use,
    ) -> Result<Self> {
        let vb = match purpose {
            Use::Training => parameters.builder(DType::F32),
            Use::Evaluation => parameters.frozen_builder(DType::F32),
        };
        let load = match purpose {
            Use::Training => SpanModel::load,
            Use::Evaluation => SpanModel::load_for_prediction,
        };
        let encoder = Bert::load(bert, vb.pp(ENCODER))?;
        let model = load(model, bert.hidden_size, labels.n_classes(), &vb.pp(MODEL))?;
        Ok(Self { encoder, model })
    }

    pub(crate) fn borrow(&self) -> step::Networks<'_> {
        step::Networks { encoder: &self.encoder, model: &self.model }
    }
}

/// Group 0, the text encoder, or 1, everything else: the order of the learning rates.
pub(crate) fn parameter_group(name: &str) -> usize {
    usize::from(!name.starts_with(&format!("{ENCODER}.")))
}
