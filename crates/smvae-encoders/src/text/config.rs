//! `config.json` of a transformer encoder of BERT's kind, in Hugging Face's format.

use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Sizes and settings of a transformer encoder. Fields of `config.json` that are not needed are
/// ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransformerConfig {
    /// Family, which says how positions are counted.
    #[serde(default)]
    pub model_type: Family,
    /// Number of pieces.
    pub vocab_size: usize,
    /// Width of a vector.
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
    /// Number of position embeddings, of which [`TransformerConfig::position_limit`] are for
    /// pieces.
    pub max_position_embeddings: usize,
    /// Number of segment embeddings, of which the first is that of texts and the second that of
    /// their contexts; a model with one uses it for both, and 0 is a model without them.
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    /// Epsilon of layer norms.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Id of the padding piece; `None` means the default of the family, which is 0 for BERT and 1
    /// for the others.
    #[serde(default)]
    pub pad_token_id: Option<u32>,
    /// Where positions enter: `absolute`; `None` means the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_embedding_type: Option<String>,
}

/// A family of encoders with BERT's layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// BERT, MiniLM, multilingual BERT: positions are counted from 0.
    #[default]
    Bert,
    /// RoBERTa: positions are counted from one past the id of the padding piece.
    Roberta,
    /// XLM-R: a RoBERTa of a hundred languages.
    XlmRoberta,
    /// CamemBERT: a RoBERTa of French.
    Camembert,
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::XlmRoberta => "xlm-roberta",
            Self::Camembert => "camembert",
        })
    }
}

/// Activation of the feed-forward layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// GELU with the error function.
    #[default]
    #[serde(alias = "gelu_python")]
    Gelu,
    /// GELU in its tanh form, which keras-bert and the authors' program use.
    #[serde(alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluNew,
    /// Zero for negative numbers.
    Relu,
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

impl TransformerConfig {
    /// Reads and checks `config.json`.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Json`], and those of [`TransformerConfig::validate`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let config: Self = files::read_json(path.as_ref(), "configuration of a text encoder")?;
        config.validate()?;
        Ok(config)
    }

    /// Id of the padding piece.
    pub fn pad_id(&self) -> u32 {
        self.pad_token_id.unwrap_or(match self.model_type {
            Family::Bert => 0,
            Family::Roberta | Family::XlmRoberta | Family::Camembert => 1,
        })
    }

    /// The row of the position table that a text's first piece takes.
    pub fn first_position(&self) -> usize {
        match self.model_type {
            Family::Bert => 0,
            Family::Roberta | Family::XlmRoberta | Family::Camembert => self.pad_id() as usize + 1,
        }
    }

    /// The most pieces a text may have.
    pub fn position_limit(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.first_position())
    }

    /// Separators between the two parts of a pair of texts: `[SEP]` in BERT, `</s></s>` in
    /// RoBERTa's family.
    pub fn pair_separators(&self) -> usize {
        match self.model_type {
            Family::Bert => 1,
            Family::Roberta | Family::XlmRoberta | Family::Camembert => 2,
        }
    }

    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field and what it must be.
    pub fn validate(&self) -> Result<()> {
        let fail = |field, want: String, got: String| Err(Error::Config { field, want, got });
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
        ];
        if let Some((field, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return fail(field, "at least 1".to_owned(), "0".to_owned());
        }
        // Far beyond every model there is; what is larger is a damaged file, or a trap.
        let limits = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("num_attention_heads", self.num_attention_heads, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
            ("type_vocab_size", self.type_vocab_size, 1 << 16),
        ];
        if let Some((field, size, limit)) = limits.into_iter().find(|(_, size, limit)| size > limit) {
            return fail(field, format!("at most {limit}"), size.to_string());
        }
        if self.position_limit() == 0 {
            let want = format!("more than {}, the first position of a text", self.first_position());
            return fail("max_position_embeddings", want, self.max_position_embeddings.to_string());
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let want = format!("a multiple of the {} attention heads", self.num_attention_heads);
            return fail("hidden_size", want, self.hidden_size.to_string());
        }
        if let Some(got) = self.position_embedding_type.as_ref().filter(|kind| *kind != "absolute") {
            return fail("position_embedding_type", "absolute".to_owned(), got.clone());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration of small sizes with more fields.
    fn read(fields: &str) -> Result<TransformerConfig> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config.json");
        let sizes = r#""vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 8"#;
        std::fs::write(&path, format!("{{{sizes}, {fields}}}")).expect("writable");
        TransformerConfig::from_file(path)
    }

    #[test]
    fn a_family_says_where_positions_begin() {
        let check = |fields: &str, limit: usize, pad: u32| {
            let config = read(&format!("{fields}\"max_position_embeddings\": 12")).expect(fields);
            assert_eq!((config.position_limit(), config.pad_id()), (limit, pad), "{fields}");
            let text = serde_json::to_string(&config).expect("serialises");
            assert_eq!(serde_json::from_str::<TransformerConfig>(&text).expect("its own text"), config);
        };
        // Run folders of the first version have no family's fields but these.
        check("", 12, 0);
        check(r#""model_type": "bert", "type_vocab_size": 2, "#, 12, 0);
        check(r#""model_type": "roberta", "#, 10, 1);
        check(r#""model_type": "xlm-roberta", "pad_token_id": 1, "hidden_act": "gelu", "#, 10, 1);
        check(r#""model_type": "camembert", "pad_token_id": 0, "type_vocab_size": 0, "#, 11, 0);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let check = |fields: &str, name: &str| {
            let error = read(fields).expect_err(fields);
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(format!("{error} {source}").contains(name), "{error} {source}");
        };
        check(r#""max_position_embeddings": 12, "model_type": "distilbert""#, "xlm-roberta");
        check(r#""max_position_embeddings": 12, "hidden_act": "silu""#, "gelu_new");
        check(r#""max_position_embeddings": 2, "model_type": "roberta""#, "more than 2");
        check(r#""max_position_embeddings": 12, "position_embedding_type": "relative_key""#, "absolute");
        check(r#""max_position_embeddings": 12, "attention_probs_dropout_prob": 1.0"#, "attention_probs_dropout_prob");
        check(r#""max_position_embeddings": 12, "hidden_dropout_prob": -0.5"#, "hidden_dropout_prob");
        check(r#""max_position_embeddings": 12000000000"#, "max_position_embeddings must be at most 16777216");
        check(r#""max_position_embeddings": 12, "type_vocab_size": 12000000000"#, "type_vocab_size must be at most");
    }
}
