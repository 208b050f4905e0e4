//! `config.json` of a transformer encoder of BERT's kind, in Hugging Face's format.

use super::disentangled::{self, Disentangled, TableRows};
use super::family::{Family, Layers, Relative, instead_of};
use super::modern_settings::{self, ModernBert};
use super::relative;
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smvae_core::nn::Activation;
use std::path::Path;

/// Sizes and settings of a transformer encoder. Fields of `config.json` that are not needed are
/// ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransformerConfig {
    /// Family, which says how positions enter and what the parts are called.
    #[serde(default)]
    pub model_type: Family,
    /// Number of pieces.
    pub vocab_size: usize,
    /// Width of a vector.
    pub hidden_size: usize,
    /// Width of the embeddings, which are projected to `hidden_size`. `None` means 128 in an
    /// ELECTRA and `hidden_size` in the others, as transformers has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_size: Option<usize>,
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
    /// pieces. In a DeBERTa and a ModernBERT, which have none, the longest text they are for.
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
    /// The relative positions of a DeBERTa; `None` in the others.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub disentangled: Option<Disentangled>,
    /// What a ModernBERT has beside these; `None` in the others.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub modern: Option<ModernBert>,
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

impl HiddenAct {
    /// The function.
    pub(super) fn activation(self) -> Activation {
        match self {
            Self::Gelu => Activation::GeluErf,
            Self::GeluNew => Activation::GeluTanh,
            Self::Relu => Activation::LeakyRelu(0.0),
        }
    }
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
    /// [`Error::Read`], [`Error::Json`], [`Error::Family`] for an encoder of another family, and
    /// those of [`TransformerConfig::validate`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        const WHAT: &str = "configuration of a text encoder";
        let path = path.as_ref();
        let mut fields: Map<String, Value> = files::read_json(path, WHAT)?;
        let family = match fields.get("model_type").and_then(Value::as_str) {
            Some(name) => Family::named(name).ok_or_else(|| Error::Family {
                path: path.to_owned(),
                got: name.to_owned(),
                known: Family::names(),
                instead: instead_of(name),
            })?,
            None => Family::default(),
        };
        let profile = family.profile();
        match profile.relative {
            Relative::Nothing => {}
            Relative::Bias => relative::check(&fields)?,
            Relative::Embeddings => disentangled::complete(&mut fields)?,
        }
        if profile.layers == Layers::Modern {
            modern_settings::complete(&mut fields)?;
        }
        family.with_berts_names(&mut fields);
        let malformed =
            |source: serde_json::Error| Error::Json { path: path.to_owned(), what: WHAT, source: source.into() };
        // A flattened option would be `None` where a field has the wrong type.
        if profile.relative == Relative::Embeddings {
            Disentangled::deserialize(&fields).map_err(malformed)?;
        }
        if profile.layers == Layers::Modern {
            ModernBert::deserialize(&fields).map_err(malformed)?;
        }
        let config: Self = serde_json::from_value(Value::Object(fields)).map_err(malformed)?;
        config.validate()?;
        Ok(config)
    }

    /// Id of the padding piece.
    pub fn pad_id(&self) -> u32 {
        self.pad_token_id.unwrap_or(self.model_type.profile().pad_id)
    }

    /// The row of the position table that a text's first piece takes.
    pub fn first_position(&self) -> usize {
        self.model_type.first_position(self.pad_id())
    }

    /// Width of the embeddings.
    pub fn embedding_width(&self) -> usize {
        self.embedding_size.or(self.model_type.profile().embedding_size).unwrap_or(self.hidden_size)
    }

    /// Whether the input has embeddings of positions.
    pub(super) fn has_positions(&self) -> bool {
        self.model_type.profile().has_positions
    }

    /// How attention takes the distance of two pieces into account.
    pub(super) fn relative(&self) -> Relative {
        self.model_type.profile().relative
    }

    /// The rows of the table of a DeBERTa's relative positions; `None` in the others.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub(super) fn relative_rows(&self) -> Result<Option<TableRows>> {
        if self.relative() != Relative::Embeddings {
            return Ok(None);
        }
        let absent =
            || Error::Config { field: "position_buckets", want: "there".to_owned(), got: "nothing".to_owned() };
        self.disentangled.as_ref().ok_or_else(absent)?.rows(self.max_position_embeddings).map(Some)
    }

    /// The settings of a ModernBERT; `None` in the others.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that are absent or do not fit.
    pub(super) fn modern(&self) -> Result<Option<&ModernBert>> {
        if self.model_type.profile().layers != Layers::Modern {
            return Ok(None);
        }
        let absent = || Error::Config { field: "layer_types", want: "there".to_owned(), got: "nothing".to_owned() };
        let settings = self.modern.as_ref().ok_or_else(absent)?;
        settings.check(self.num_hidden_layers, self.hidden_size, self.num_attention_heads).map(|()| Some(settings))
    }

    /// The most pieces a text may have.
    pub fn position_limit(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.first_position())
    }

    /// Separators between the two parts of a pair of texts: `[SEP]` in BERT, `</s></s>` in
    /// RoBERTa's and MPNet's families.
    pub fn pair_separators(&self) -> usize {
        self.model_type.profile().pair_separators
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
            ("embedding_size", self.embedding_width()),
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
            ("embedding_size", self.embedding_width(), 1 << 16),
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
        self.relative_rows()?;
        self.modern()?;
        let probabilities = [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ];
        if let Some((field, p)) = probabilities.into_iter().find(|(_, p)| !(0.0..1.0).contains(p)) {
            return fail(field, "in [0, 1)".to_owned(), p.to_string());
        }
        files::check_eps(self.layer_norm_eps)
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
            let (_, own) = text.split_once('{').expect("an object");
            assert_eq!(read(own.trim_end_matches('}')).expect("its own text"), config, "{fields}");
        };
        // Run folders of the first version have no family's fields but these.
        check("", 12, 0);
        check(r#""model_type": "bert", "type_vocab_size": 2, "#, 12, 0);
        check(r#""model_type": "roberta", "#, 10, 1);
        check(r#""model_type": "xlm-roberta", "pad_token_id": 1, "hidden_act": "gelu", "#, 10, 1);
        check(r#""model_type": "camembert", "pad_token_id": 0, "type_vocab_size": 0, "#, 11, 0);
        check(r#""model_type": "electra", "embedding_size": 3, "#, 12, 0);
        check(r#""model_type": "electra", "#, 12, 0);
        check(r#""model_type": "distilbert", "#, 12, 0);
        check(r#""model_type": "mpnet", "#, 10, 1);
        let deberta = r#""model_type": "deberta-v2", "relative_attention": true, "share_att_key": true,
            "norm_rel_ebd": "layer_norm", "position_biased_input": false, "pos_att_type": "p2c|c2p",
            "position_buckets": 8, "conv_kernel_size": 0, "#;
        check(deberta, 12, 0);
        check(r#""model_type": "mpnet", "pad_token_id": 5, "relative_attention_num_buckets": 32, "#, 10, 5);
    }

    #[test]
    fn a_run_has_the_width_of_embeddings_that_it_was_trained_with() {
        let check = |fields: &str, width: usize| {
            let config = read(&format!("{fields}\"max_position_embeddings\": 12")).expect(fields);
            assert_eq!(config.embedding_width(), width, "{fields}");
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("config.json");
            std::fs::write(&path, serde_json::to_string(&config).expect("serialises")).expect("writable");
            let again = TransformerConfig::from_file(path).expect("its own text");
            assert_eq!((again.embedding_width(), again), (width, config), "{fields}");
        };
        check(r#""model_type": "electra", "#, 128);
        check(r#""model_type": "electra", "embedding_size": 3, "#, 3);
        check(r#""model_type": "bert", "embedding_size": 3, "#, 4);
        check("", 4);
    }

    #[test]
    fn distilbert_has_names_of_its_own() {
        let fields = |names: [&str; 4]| {
            let [d, layers, heads, wide] = names;
            format!(
                r#"{{"model_type": "distilbert", "vocab_size": 9, "{d}": 4, "{layers}": 1, "{heads}": 2, "{wide}": 8,
                "activation": "relu", "dropout": 0.2, "attention_dropout": 0.3, "max_position_embeddings": 12}}"#
            )
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config.json");
        let read = |text: String| {
            std::fs::write(&path, text).expect("writable");
            TransformerConfig::from_file(&path).expect("a DistilBERT")
        };
        let config = read(fields(["dim", "n_layers", "n_heads", "hidden_dim"]));
        assert_eq!((config.hidden_size, config.intermediate_size, config.type_vocab_size), (4, 8, 0));
        assert_eq!((config.hidden_act, config.hidden_dropout_prob), (HiddenAct::Relu, 0.2));
        // As a run folder has it.
        assert_eq!(read(serde_json::to_string(&config).expect("serialises")), config);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let check = |fields: &str, name: &str| {
            let error = read(fields).expect_err(fields);
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(format!("{error} {source}").contains(name), "{error} {source}");
        };
        check(r#""max_position_embeddings": 12, "model_type": "deberta""#, "deberta-v3-base");
        check(r#""max_position_embeddings": 12, "model_type": "deberta-v2""#, "relative_attention must be true");
        let deberta = r#""max_position_embeddings": 12, "model_type": "deberta-v2", "position_buckets": "many""#;
        check(deberta, "invalid type: string \"many\"");
        check(r#""max_position_embeddings": 12, "model_type": "gpt2""#, "xlm-roberta");
        check(r#""max_position_embeddings": 12, "model_type": "electra", "embedding_size": 0"#, "embedding_size");
        let buckets = r#""max_position_embeddings": 12, "model_type": "mpnet", "relative_attention_num_buckets": 16"#;
        check(buckets, "relative_attention_num_buckets must be 32");
        check(r#""max_position_embeddings": 12, "hidden_act": "silu""#, "gelu_new");
        check(r#""max_position_embeddings": 2, "model_type": "roberta""#, "more than 2");
        check(r#""max_position_embeddings": 12, "position_embedding_type": "relative_key""#, "absolute");
        check(r#""max_position_embeddings": 12, "attention_probs_dropout_prob": 1.0"#, "attention_probs_dropout_prob");
        check(r#""max_position_embeddings": 12, "hidden_dropout_prob": -0.5"#, "hidden_dropout_prob");
        check(
            r#""max_position_embeddings": 12, "layer_norm_eps": -1e-5"#,
            "layer_norm_eps must be finite and at least 0",
        );
        check(r#""max_position_embeddings": 12, "layer_norm_eps": 1e300"#, "layer_norm_eps");
        check(r#""max_position_embeddings": 12000000000"#, "max_position_embeddings must be at most 16777216");
        check(r#""max_position_embeddings": 12, "type_vocab_size": 12000000000"#, "type_vocab_size must be at most");
    }
}
