//! What `config.json` says of a ModernBERT beside what it says of a BERT.
//!
//! Read as transformers 5 reads it, in the names of both of its generations: the bases of rotary
//! positions in `rope_parameters` or as numbers of their own, the kinds of layers one by one or by
//! every how many layers one sees all of a text. Positions that are scaled are refused by the name
//! of their setting.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The settings of a ModernBERT that a BERT has not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModernBert {
    pub(super) attention_bias: bool,
    pub(super) mlp_bias: bool,
    pub(super) norm_bias: bool,
    /// Dropout before the last product of a layer, in training.
    pub(super) mlp_dropout: f64,
    /// The window of local layers, in pieces: half of it to each side.
    local_attention: usize,
    /// What each layer sees, from below.
    pub(super) layer_types: Vec<Attention>,
    /// The base of rotary positions in layers that see a text.
    global_rope_theta: f64,
    /// The same in layers that see a window of it.
    local_rope_theta: f64,
}

/// What a layer's attention sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Attention {
    /// All of a text.
    FullAttention,
    /// The pieces in a window around a piece.
    SlidingAttention,
}

/// The names of [`Attention`].
const KINDS: [&str; 2] = ["full_attention", "sliding_attention"];

/// The most layers that kinds are filled in for; a configuration with more is refused.
const MAX_LAYERS: u64 = 1 << 10;

/// Gives fields BERT's names, fills in what a ModernBERT's configuration leaves out with
/// transformers' values, and refuses what is not read.
///
/// # Errors
/// [`Error::Config`].
pub(super) fn complete(fields: &mut Map<String, Value>) -> Result<()> {
    let named: [(&str, &str, Value); 4] = [
        ("norm_eps", "layer_norm_eps", 1e-5.into()),
        ("hidden_activation", "hidden_act", "gelu".into()),
        ("embedding_dropout", "hidden_dropout_prob", 0.0.into()),
        ("attention_dropout", "attention_probs_dropout_prob", 0.0.into()),
    ];
    for (theirs, ours, default) in named {
        // Files have both; this model's own name counts.
        let value = fields.remove(theirs).filter(|value| !value.is_null());
        let value = value.or_else(|| fields.remove(ours)).unwrap_or(default);
        fields.insert(ours.to_owned(), value);
    }
    // What files have here is of no effect.
    fields.remove("position_embedding_type");
    refuse(fields)?;
    let [global, local] = [(KINDS[0], "global_rope_theta", 160_000.0), (KINDS[1], "local_rope_theta", 10_000.0)]
        .map(|(kind, field, default)| theta(fields, kind, field, default).map(|theta| (field, theta)));
    let absent: [(&str, Value); 5] = [
        ("attention_bias", false.into()),
        ("mlp_bias", false.into()),
        ("norm_bias", false.into()),
        ("mlp_dropout", 0.0.into()),
        ("local_attention", 128.into()),
    ];
    for (field, value) in absent {
        if fields.get(field).is_none_or(Value::is_null) {
            fields.insert(field.to_owned(), value);
        }
    }
    fields.extend([global?, local?].map(|(field, theta)| (field.to_owned(), theta)));
    let kinds = kinds(fields)?;
    fields.insert("layer_types".to_owned(), kinds);
    Ok(())
}

fn refuse(fields: &Map<String, Value>) -> Result<()> {
    let number = |field| fields.get(field).and_then(Value::as_u64);
    let width = number("hidden_size").zip(number("num_attention_heads")).and_then(|(d, n)| d.checked_div(n));
    let there = |field: &str| fields.get(field).filter(|value| !value.is_null());
    let fail =
        |field, want: &str, got: &Value| Err(Error::Config { field, want: want.to_owned(), got: got.to_string() });
    match (there("rope_scaling"), there("head_dim")) {
        (Some(got), _) => fail("rope_scaling", "null (positions that are scaled are not read)", got),
        (_, Some(got)) if got.as_u64() != width => fail("head_dim", "hidden_size by num_attention_heads", got),
        _ => Ok(()),
    }
}

/// The base of rotary positions in layers of a kind: `rope_parameters` is said in the files of
/// transformers 5, `field` in older ones.
fn theta(fields: &Map<String, Value>, kind: &str, field: &str, default: f64) -> Result<Value> {
    let parameters = fields.get("rope_parameters").and_then(|parameters| parameters.get(kind));
    let of_kind = |name: &str| parameters.and_then(|parameters| parameters.get(name)).filter(|value| !value.is_null());
    if let Some(got) = of_kind("rope_type").or(of_kind("type")).filter(|got| *got != "default") {
        let want = "of the rope_type default (positions that are scaled are not read)".to_owned();
        return Err(Error::Config { field: "rope_parameters", want, got: got.to_string() });
    }
    let older = fields.get(field).filter(|value| !value.is_null());
    Ok(of_kind("rope_theta").or(older).cloned().unwrap_or_else(|| default.into()))
}

/// What each layer sees: said one by one or, in older files, by every how many layers one sees all
/// of a text.
fn kinds(fields: &Map<String, Value>) -> Result<Value> {
    let fail =
        |field, want: &str, got: &Value| Err(Error::Config { field, want: want.to_owned(), got: got.to_string() });
    if let Some(kinds) = fields.get("layer_types").filter(|kinds| !kinds.is_null()) {
        let is_known = |kind: &Value| kind.as_str().is_some_and(|kind| KINDS.contains(&kind));
        return match kinds.as_array().map(|kinds| kinds.iter().find(|kind| !is_known(kind))) {
            Some(None) => Ok(kinds.clone()),
            Some(Some(got)) => fail("layer_types", &format!("of {}", KINDS.join(" and ")), got),
            None => fail("layer_types", "a list", kinds),
        };
    }
    let every = fields.get("global_attn_every_n_layers").cloned().unwrap_or_else(|| 3.into());
    let Some(n) = every.as_u64().filter(|n| *n > 0) else {
        return fail("global_attn_every_n_layers", "at least 1", &every);
    };
    // A number that is missing or too large is told when all fields are read.
    let layers = fields.get("num_hidden_layers").and_then(Value::as_u64).filter(|layers| *layers <= MAX_LAYERS);
    let kind = |i: u64| if i.is_multiple_of(n) { KINDS[0] } else { KINDS[1] };
    Ok((0..layers.unwrap_or_default()).map(kind).collect())
}

impl ModernBert {
    /// Checks that the settings fit each other and a model of these sizes.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub(super) fn check(&self, layers: usize, hidden_size: usize, heads: usize) -> Result<()> {
        let fail = |field, want: String, got: String| Err(Error::Config { field, want, got });
        if self.layer_types.len() != layers {
            let want = format!("one for each of the {layers} layers");
            return fail("layer_types", want, self.layer_types.len().to_string());
        }
        if !hidden_size.is_multiple_of(2 * heads) {
            let want = format!("a multiple of twice the {heads} attention heads");
            return fail("hidden_size", want, hidden_size.to_string());
        }
        let bases = [("global_rope_theta", self.global_rope_theta), ("local_rope_theta", self.local_rope_theta)];
        if let Some((field, theta)) = bases.into_iter().find(|(_, theta)| !(theta.is_finite() && *theta > 0.0)) {
            return fail(field, "above 0".to_owned(), theta.to_string());
        }
        if !(0.0..1.0).contains(&self.mlp_dropout) {
            return fail("mlp_dropout", "in [0, 1)".to_owned(), self.mlp_dropout.to_string());
        }
        Ok(())
    }

    /// The base of rotary positions in layers of this kind.
    pub(super) fn theta(&self, attention: Attention) -> f64 {
        match attention {
            Attention::FullAttention => self.global_rope_theta,
            Attention::SlidingAttention => self.local_rope_theta,
        }
    }

    /// The pieces to each side that a layer of this kind sees, if it sees no more.
    pub(super) fn window(&self, attention: Attention) -> Option<usize> {
        (attention == Attention::SlidingAttention).then_some(self.local_attention / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TransformerConfig;
    use serde_json::json;

    /// The sizes of a tiny model.
    fn sizes() -> Map<String, Value> {
        let fields = json!({
            "model_type": "modernbert", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 4,
            "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 50,
        });
        fields.as_object().expect("an object").clone()
    }

    fn read(more: Value) -> Result<TransformerConfig> {
        let mut fields = sizes();
        fields.extend(more.as_object().expect("an object").clone());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config.json");
        std::fs::write(&path, Value::Object(fields).to_string()).expect("writable");
        TransformerConfig::from_file(path)
    }

    #[test]
    fn both_spellings_are_read_and_what_is_left_out_is_transformers() {
        // As files of transformers 4 have it, of transformers 5, a run folder, and nothing at all.
        let older = json!({
            "norm_eps": 1e-5, "layer_norm_eps": 1e-12, "hidden_activation": "gelu", "embedding_dropout": 0.0,
            "attention_dropout": 0.0, "mlp_dropout": 0.0, "global_attn_every_n_layers": 3, "local_attention": 128,
            "global_rope_theta": 160000.0, "local_rope_theta": 10000, "attention_bias": false, "mlp_bias": false,
            "norm_bias": false, "position_embedding_type": "sans_pos", "rope_scaling": null,
        });
        let newer = json!({
            "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 160000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            },
            "rope_theta": 3.0, "global_rope_theta": 5.0, "head_dim": 4,
        });
        let config = read(older).expect("as transformers 4 writes it");
        let own = serde_json::to_value(&config).expect("serialises");
        for other in [newer, own, json!({}), json!({"rope_parameters": null, "layer_types": null})] {
            assert_eq!(read(other.clone()).expect("a ModernBERT"), config, "{other}");
        }
        assert_eq!((config.layer_norm_eps, config.hidden_dropout_prob, config.position_limit()), (1e-5, 0.0, 50));
        assert_eq!((config.type_vocab_size, config.pad_id(), config.pair_separators()), (0, 50283, 1));
        let settings = config.modern.expect("its settings");
        let of = |attention| (settings.theta(attention), settings.window(attention));
        assert_eq!(of(Attention::FullAttention), (160_000.0, None));
        assert_eq!(of(Attention::SlidingAttention), (10_000.0, Some(64)));
    }

    #[test]
    fn what_is_said_is_taken() {
        let config = read(json!({
            "norm_eps": 0.5, "hidden_activation": "relu", "embedding_dropout": 0.1, "attention_dropout": 0.2,
            "mlp_dropout": 0.3, "global_attn_every_n_layers": 2, "local_attention": 7, "norm_bias": true,
            "rope_parameters": {"sliding_attention": {"rope_theta": 30.0}, "full_attention": null},
            "global_rope_theta": 20.0,
        }));
        let config = config.expect("a ModernBERT");
        let numbers = (config.layer_norm_eps, config.hidden_dropout_prob, config.attention_probs_dropout_prob);
        assert_eq!(numbers, (0.5, 0.1, 0.2));
        let settings = config.modern.expect("its settings");
        let (full, sliding) = (Attention::FullAttention, Attention::SlidingAttention);
        assert_eq!(settings.layer_types, [full, sliding, full, sliding]);
        assert_eq!((settings.theta(full), settings.theta(sliding), settings.window(sliding)), (20.0, 30.0, Some(3)));
        assert_eq!((settings.mlp_dropout, settings.norm_bias, settings.mlp_bias), (0.3, true, false));
    }

    #[test]
    fn what_is_not_read_is_named() {
        let check = |more: Value, want: &str| {
            let message = read(more).expect_err(want).to_string();
            assert!(message.contains(&format!("the configuration's {want}")), "{message}");
        };
        check(json!({"rope_scaling": {"rope_type": "yarn"}}), "rope_scaling must be null (positions that are scaled");
        let scaled = json!({"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2.0}}});
        check(scaled, "rope_parameters must be of the rope_type default (positions that are scaled");
        check(json!({"head_dim": 8}), "head_dim must be hidden_size by num_attention_heads, got 8");
        check(json!({"layer_types": ["full_attention", "chunked"]}), "layer_types must be of full_attention and");
        check(json!({"layer_types": ["full_attention"]}), "layer_types must be one for each of the 4 layers, got 1");
        check(json!({"layer_types": "full_attention"}), "layer_types must be a list");
        check(json!({"global_attn_every_n_layers": 0}), "global_attn_every_n_layers must be at least 1, got 0");
        check(json!({"num_attention_heads": 8}), "hidden_size must be a multiple of twice the 8 attention heads");
        check(json!({"local_rope_theta": -1.0}), "local_rope_theta must be above 0, got -1");
        check(json!({"mlp_dropout": 1.0}), "mlp_dropout must be in [0, 1)");
        check(json!({"num_hidden_layers": 1_u64 << 40}), "num_hidden_layers must be at most 1024");
        let malformed = read(json!({"local_attention": "wide"})).expect_err("no number");
        let source = std::error::Error::source(&malformed).map(ToString::to_string).unwrap_or_default();
        assert!(source.contains("invalid type: string \"wide\""), "{source}");
    }
}
