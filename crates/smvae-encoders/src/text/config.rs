//! `config.json` of a BERT, in Hugging Face's format.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Sizes and settings of a BERT. Fields of `config.json` that are not needed are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Family; only `bert` is known.
    #[serde(default = "bert")]
    pub model_type: String,
    /// Number of pieces.
    pub vocab_size: usize,
    /// Width of a vector; `d` in the design.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Heads of each attention.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Activation of the feed-forward layers.
    #[serde(default)]
    pub hidden_act: HiddenAct,
    /// Dropout of embeddings and layer outputs in training.
    #[serde(default = "tenth")]
    pub hidden_dropout_prob: f64,
    /// Dropout of attention weights in training.
    #[serde(default = "tenth")]
    pub attention_probs_dropout_prob: f64,
    /// The most pieces a text may have.
    pub max_position_embeddings: usize,
    /// Number of segment embeddings, of which the first is used.
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    /// Epsilon of layer norms.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
}

/// Activation of the feed-forward layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// GELU with the error function.
    #[default]
    Gelu,
    /// GELU in its tanh form, which keras-bert and the authors' program use.
    #[serde(alias = "gelu_pytorch_tanh")]
    GeluNew,
}

fn bert() -> String {
    "bert".to_owned()
}

fn tenth() -> f64 {
    0.1
}

fn two() -> usize {
    2
}

fn layer_norm_eps() -> f64 {
    1e-12
}

impl BertConfig {
    /// Reads and checks `config.json`.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Json`], and those of [`BertConfig::validate`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let config: Self = serde_json::from_str(&text).map_err(|source| Error::Json {
            path: path.to_owned(),
            what: "BERT configuration",
            source: source.into(),
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field and what it must be.
    pub fn validate(&self) -> Result<()> {
        let fail = |field, want: String, got: String| Err(Error::Config { field, want, got });
        if self.model_type != "bert" {
            return fail("model_type", "bert, the only family known so far".to_owned(), self.model_type.clone());
        }
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ];
        if let Some((field, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return fail(field, "at least 1".to_owned(), "0".to_owned());
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let want = format!("a multiple of the {} attention heads", self.num_attention_heads);
            return fail("hidden_size", want, self.hidden_size.to_string());
        }
        let probabilities = [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ];
        if let Some((field, p)) = probabilities.into_iter().find(|(_, p)| !(0.0..1.0).contains(p)) {
            return fail(field, "in [0, 1)".to_owned(), p.to_string());
        }
        Ok(())
    }
}
