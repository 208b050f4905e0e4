//! Families of encoders: what each counts, has, and calls its parts.
//!
//! What it does not do: read weights or a tokenizer. A family that is not here is refused by its
//! name, with what would help.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A family of encoders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// BERT, MiniLM, multilingual BERT: positions are counted from 0.
    #[default]
    Bert,
    /// RoBERTa, BERTweet: positions are counted from one past the id of the padding piece.
    Roberta,
    /// XLM-R: a RoBERTa of a hundred languages.
    XlmRoberta,
    /// CamemBERT: a RoBERTa of French.
    Camembert,
    /// DistilBERT: a BERT without segments.
    #[serde(rename = "distilbert")]
    DistilBert,
    /// ELECTRA: a BERT whose embeddings may be narrower than its layers.
    Electra,
    /// MPNet: a RoBERTa without segments, with relative positions beside the absolute ones.
    #[serde(rename = "mpnet")]
    MpNet,
    /// DeBERTaV3: a BERT with relative positions alone, which are compared with pieces.
    #[serde(rename = "deberta-v2")]
    DebertaV2,
    /// ModernBERT: rotary positions, windows and gates, in layers of its own.
    #[serde(rename = "modernbert")]
    ModernBert,
}

/// What is particular to a family. [`FAMILIES`] has one of each, in the order of [`Family`].
pub(super) struct Profile {
    family: Family,
    /// The `model_type` of its configurations.
    name: &'static str,
    /// Id of the padding piece, unless the configuration has another.
    pub pad_id: u32,
    first_position: FirstPosition,
    /// Separators between the two parts of a pair of texts.
    pub pair_separators: usize,
    /// Whether it has embeddings of segments, unless the configuration has none.
    has_segments: bool,
    /// Whether the input has embeddings of positions.
    pub has_positions: bool,
    /// How attention takes the distance of two pieces into account.
    pub relative: Relative,
    /// Width of the embeddings, unless the configuration has another. `None` means that they are
    /// as wide as the layers, whatever the configuration says.
    pub embedding_size: Option<usize>,
    /// Fields of `config.json`, and what BERT calls them.
    fields: &'static [(&'static str, &'static str)],
    /// What stands before the names of its tensors where a head was saved with them.
    pub prefix: &'static str,
    /// Parts of its tensors' names, and what BERT calls them.
    pub parts: &'static [(&'static str, &'static str)],
    /// Parts of the names of tensors that hold several of ours one below the other, and the parts
    /// of ours.
    pub stacked: &'static [(&'static str, &'static [&'static str])],
    pub layers: Layers,
}

/// What the layers compute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layers {
    /// What BERT's do: `bert.rs`.
    Bert,
    /// What ModernBERT's do: `modern.rs`.
    Modern,
}

/// How attention takes the distance of two pieces into account.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Relative {
    Nothing,
    /// A number for each distance, added to the scores.
    Bias,
    /// A vector for each distance, compared with pieces.
    Embeddings,
}

/// The row of the position table that a text's first piece takes.
enum FirstPosition {
    /// This one, whatever the padding piece is.
    Row(usize),
    /// The one past the id of the padding piece.
    AfterPadding,
}

const BERT: Profile = Profile {
    family: Family::Bert,
    name: "bert",
    pad_id: 0,
    first_position: FirstPosition::Row(0),
    pair_separators: 1,
    has_segments: true,
    has_positions: true,
    relative: Relative::Nothing,
    embedding_size: None,
    fields: &[],
    prefix: "bert.",
    parts: &[],
    stacked: &[],
    layers: Layers::Bert,
};

const ROBERTA: Profile = Profile {
    family: Family::Roberta,
    name: "roberta",
    pad_id: 1,
    first_position: FirstPosition::AfterPadding,
    pair_separators: 2,
    prefix: "roberta.",
    ..BERT
};

static FAMILIES: [Profile; 9] = [
    BERT,
    ROBERTA,
    Profile { family: Family::XlmRoberta, name: "xlm-roberta", ..ROBERTA },
    Profile { family: Family::Camembert, name: "camembert", ..ROBERTA },
    Profile {
        family: Family::DistilBert,
        name: "distilbert",
        has_segments: false,
        fields: &[
            ("dim", "hidden_size"),
            ("n_layers", "num_hidden_layers"),
            ("n_heads", "num_attention_heads"),
            ("hidden_dim", "intermediate_size"),
            ("activation", "hidden_act"),
            ("dropout", "hidden_dropout_prob"),
            ("attention_dropout", "attention_probs_dropout_prob"),
        ],
        prefix: "distilbert.",
        parts: &[
            ("transformer.layer.", "encoder.layer."),
            (".attention.q_lin.", ".attention.self.query."),
            (".attention.k_lin.", ".attention.self.key."),
            (".attention.v_lin.", ".attention.self.value."),
            (".attention.out_lin.", ".attention.output.dense."),
            (".sa_layer_norm.", ".attention.output.LayerNorm."),
            (".ffn.lin1.", ".intermediate.dense."),
            (".ffn.lin2.", ".output.dense."),
            (".output_layer_norm.", ".output.LayerNorm."),
        ],
        ..BERT
    },
    Profile { family: Family::Electra, name: "electra", embedding_size: Some(128), prefix: "electra.", ..BERT },
    Profile {
        family: Family::MpNet,
        name: "mpnet",
        first_position: FirstPosition::Row(2),
        has_segments: false,
        relative: Relative::Bias,
        prefix: "mpnet.",
        parts: &[
            (".attention.attn.q.", ".attention.self.query."),
            (".attention.attn.k.", ".attention.self.key."),
            (".attention.attn.v.", ".attention.self.value."),
            (".attention.attn.o.", ".attention.output.dense."),
            (".attention.LayerNorm.", ".attention.output.LayerNorm."),
        ],
        ..ROBERTA
    },
    Profile {
        family: Family::DebertaV2,
        name: "deberta-v2",
        has_positions: false,
        relative: Relative::Embeddings,
        prefix: "deberta.",
        parts: &[
            (".attention.self.query_proj.", ".attention.self.query."),
            (".attention.self.key_proj.", ".attention.self.key."),
            (".attention.self.value_proj.", ".attention.self.value."),
        ],
        ..BERT
    },
    Profile {
        family: Family::ModernBert,
        name: "modernbert",
        pad_id: 50283,
        has_segments: false,
        has_positions: false,
        prefix: "model.",
        parts: &[
            ("embeddings.tok_embeddings.", "embeddings.word_embeddings."),
            ("embeddings.norm.", "embeddings.LayerNorm."),
            ("layers.", "encoder.layer."),
            (".attn_norm.", ".attention.LayerNorm."),
            (".attn.Wo.", ".attention.output.dense."),
            (".mlp_norm.", ".intermediate.LayerNorm."),
            (".mlp.Wo.", ".output.dense."),
        ],
        stacked: &[
            (".attn.Wqkv.", &[".attention.self.query.", ".attention.self.key.", ".attention.self.value."]),
            (".mlp.Wi.", &[".intermediate.dense.", ".intermediate.gate."]),
        ],
        layers: Layers::Modern,
        ..BERT
    },
];

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.profile().name)
    }
}

impl Family {
    /// The family of a `model_type`.
    pub(super) fn named(name: &str) -> Option<Self> {
        FAMILIES.iter().find(|profile| profile.name == name).map(|profile| profile.family)
    }

    /// The names of all of them.
    pub(super) fn names() -> String {
        FAMILIES.each_ref().map(|profile| profile.name).join(", ")
    }

    /// What is particular to it.
    pub(super) fn profile(self) -> &'static Profile {
        &FAMILIES[self as usize]
    }

    /// The row of the position table that a text's first piece takes.
    pub(super) fn first_position(self, pad_id: u32) -> usize {
        match self.profile().first_position {
            FirstPosition::Row(row) => row,
            FirstPosition::AfterPadding => pad_id as usize + 1,
        }
    }

    /// Fields of `config.json` under the names that BERT has for them. What it calls so already
    /// stays.
    pub(super) fn with_berts_names(self, fields: &mut Map<String, Value>) {
        let profile = self.profile();
        for (theirs, ours) in profile.fields {
            if let Some(value) = fields.remove(*theirs) {
                fields.entry(*ours).or_insert(value);
            }
        }
        if !profile.has_segments {
            fields.insert("type_vocab_size".to_owned(), 0.into());
        }
        if profile.embedding_size.is_none() {
            fields.remove("embedding_size");
        }
    }
}

/// What helps whoever has a model of a family that is not read.
pub(super) fn instead_of(model_type: &str) -> &'static str {
    match model_type {
        "deberta" => {
            "its attention has more parts than that of DeBERTaV3, which is read: microsoft/deberta-v3-base and others"
        }
        "nomic_bert"
        | "albert"
        | "xlnet"
        | "funnel"
        | "big_bird"
        | "longformer"
        | "mobilebert"
        | "squeezebert"
        | "convbert"
        | "roberta-prelayernorm"
        | "xlm-roberta-xl"
        | "xmod"
        | "ernie"
        | "nezha"
        | "rembert"
        | "luke"
        | "eurobert" => {
            "its layers compute something else; take a model of one of these families that was trained on similar text"
        }
        "gpt2" | "llama" | "mistral" | "qwen2" | "qwen3" | "gemma" | "gemma2" | "gemma3" | "phi" | "phi3" | "opt"
        | "bloom" | "gpt_neox" => {
            "it writes text and reads it from left to right alone; take an encoder of these families"
        }
        "t5" | "mt5" | "umt5" | "bart" | "mbart" | "pegasus" | "marian" => {
            "it is an encoder with a decoder; take an encoder of one of these families"
        }
        "clip" | "siglip" | "vit" | "resnet" | "dinov2" | "convnext" | "timm_wrapper" => {
            "it is a model of images, for `features`; take a text encoder of one of these families"
        }
        _ => "take a model of one of these families",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_one_name() {
        for (place, profile) in FAMILIES.iter().enumerate() {
            let family = profile.family;
            assert_eq!(family as usize, place, "{family}");
            assert_eq!(serde_json::to_value(family).expect("a name"), family.to_string());
            assert_eq!(Family::named(&family.to_string()), Some(family));
        }
        assert_eq!(Family::named("deberta"), None);
    }
}
