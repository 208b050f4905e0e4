//! Families of encoders with BERT's layers: what each counts, has, and calls its parts.
//!
//! What it does not do: read weights or a tokenizer. A family that is not here is refused by its
//! name, with what would help.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A family of encoders with BERT's layers.
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
}

/// All of them.
const FAMILIES: [Family; 7] = [
    Family::Bert,
    Family::Roberta,
    Family::XlmRoberta,
    Family::Camembert,
    Family::DistilBert,
    Family::Electra,
    Family::MpNet,
];

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::XlmRoberta => "xlm-roberta",
            Self::Camembert => "camembert",
            Self::DistilBert => "distilbert",
            Self::Electra => "electra",
            Self::MpNet => "mpnet",
        })
    }
}

impl Family {
    /// The family of a `model_type`.
    pub(super) fn named(name: &str) -> Option<Self> {
        FAMILIES.into_iter().find(|family| family.to_string() == name)
    }

    /// The names of all of them.
    pub(super) fn names() -> String {
        FAMILIES.map(|family| family.to_string()).join(", ")
    }

    /// Id of the padding piece, unless the configuration has another.
    pub(super) fn default_pad(self) -> u32 {
        match self {
            Self::Bert | Self::DistilBert | Self::Electra => 0,
            Self::Roberta | Self::XlmRoberta | Self::Camembert | Self::MpNet => 1,
        }
    }

    /// The row of the position table that a text's first piece takes.
    pub(super) fn first_position(self, pad: u32) -> usize {
        match self {
            Self::Bert | Self::DistilBert | Self::Electra => 0,
            Self::Roberta | Self::XlmRoberta | Self::Camembert => pad as usize + 1,
            // Whatever the padding piece is.
            Self::MpNet => 2,
        }
    }

    /// Whether it has embeddings of segments, unless the configuration has none.
    pub(super) fn has_segments(self) -> bool {
        !matches!(self, Self::DistilBert | Self::MpNet)
    }

    /// Fields of `config.json` under the names that BERT has for them. What it calls so already
    /// stays.
    pub(super) fn with_berts_names(self, fields: &mut Map<String, Value>) {
        const DISTILBERT: [(&str, &str); 7] = [
            ("dim", "hidden_size"),
            ("n_layers", "num_hidden_layers"),
            ("n_heads", "num_attention_heads"),
            ("hidden_dim", "intermediate_size"),
            ("activation", "hidden_act"),
            ("dropout", "hidden_dropout_prob"),
            ("attention_dropout", "attention_probs_dropout_prob"),
        ];
        if self == Self::DistilBert {
            for (theirs, ours) in DISTILBERT {
                if let Some(value) = fields.remove(theirs) {
                    fields.entry(ours).or_insert(value);
                }
            }
        }
        if !self.has_segments() {
            fields.insert("type_vocab_size".to_owned(), 0.into());
        }
    }

    /// What stands before the names of its tensors where a head was saved with them.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::Roberta | Self::XlmRoberta | Self::Camembert => "roberta.",
            Self::DistilBert => "distilbert.",
            Self::Electra => "electra.",
            Self::MpNet => "mpnet.",
        }
    }

    /// Parts of its tensors' names, and what BERT calls them.
    pub(super) fn parts(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::DistilBert => &[
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
            Self::MpNet => &[
                (".attention.attn.q.", ".attention.self.query."),
                (".attention.attn.k.", ".attention.self.key."),
                (".attention.attn.v.", ".attention.self.value."),
                (".attention.attn.o.", ".attention.output.dense."),
                (".attention.LayerNorm.", ".attention.output.LayerNorm."),
            ],
            _ => &[],
        }
    }
}

/// What helps whoever has a model of a family that is not read.
pub(super) fn instead_of(model_type: &str) -> &'static str {
    match model_type {
        "deberta"
        | "deberta-v2"
        | "modernbert"
        | "nomic_bert"
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
        for family in FAMILIES {
            assert_eq!(serde_json::to_value(family).expect("a name"), family.to_string());
            assert_eq!(Family::named(&family.to_string()), Some(family));
        }
        assert_eq!(Family::named("deberta-v2"), None);
    }
}
