//! Which of transformers' tokenizers a folder has.
//!
//! transformers 5 has classes that build a tokenizer anew from the vocabulary, with the settings of
//! `tokenizer_config.json`, whatever else `tokenizer.json` says (BERT's, MPNet's, RoBERTa's,
//! XLM-R's, DeBERTaV3's), and one that takes `tokenizer.json` as it is, for every class that it
//! does not know. What they make of the files is in `builders.rs`.

use super::notes::Note;
use crate::text::Family;
use std::fmt::Display;

/// A class of transformers, or several that do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// What `tokenizer.json` says.
    AsItIs,
    /// Word pieces between `[CLS]` and `[SEP]`.
    Bert,
    /// The same between `<s>` and `</s>`.
    MpNet,
    /// Byte-level BPE.
    Roberta,
    /// Unigrams of sentencepiece.
    Unigrams,
    /// The same between `[CLS]` and `[SEP]`, without sentencepiece's map of characters.
    DebertaV2,
    /// BPE of tweets, which is built of other files.
    Bertweet,
}

/// Pieces with a meaning of their own, by the names of `tokenizer_config.json`, in transformers'
/// order.
pub(super) const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl Class {
    /// The class of a model of this type whose files name this class. `None` if neither is known;
    /// a note tells of a class that is not built here.
    pub(super) fn of(model_type: Option<&str>, class: Option<&str>, notes: &mut Vec<Note>) -> Option<Self> {
        let of_model = model_type.and_then(Self::of_model);
        let Some(name) = class else { return of_model };
        if of_model == Some(Self::AsItIs) {
            return of_model;
        }
        let name = name.strip_suffix("Fast").unwrap_or(name);
        let class = match name {
            "BertTokenizer" | "DistilBertTokenizer" | "ElectraTokenizer" => Self::Bert,
            "MPNetTokenizer" => Self::MpNet,
            "RobertaTokenizer" => Self::Roberta,
            "XLMRobertaTokenizer" | "CamembertTokenizer" => Self::Unigrams,
            "DebertaV2Tokenizer" => Self::DebertaV2,
            "BertweetTokenizer" => Self::Bertweet,
            "PreTrainedTokenizer" | "TokenizersBackend" => Self::AsItIs,
            other => {
                notes.push(Note::Class { name: other.to_owned() });
                Self::AsItIs
            }
        };
        Some(class)
    }

    /// The class of a family. One more is known: a tokenizer may be read without its encoder.
    fn of_model(model_type: &str) -> Option<Self> {
        match (Family::named(model_type), model_type) {
            (Some(Family::Bert | Family::DistilBert | Family::Electra), _) => Some(Self::Bert),
            (Some(Family::MpNet), _) => Some(Self::MpNet),
            (Some(Family::Roberta), _) => Some(Self::Roberta),
            (Some(Family::XlmRoberta | Family::Camembert), _) => Some(Self::Unigrams),
            (Some(Family::DebertaV2), _) => Some(Self::DebertaV2),
            (Some(Family::ModernBert), _) => Some(Self::AsItIs),
            (None, "bertweet") => Some(Self::Bertweet),
            (None, _) => None,
        }
    }

    /// The pieces that it has if nobody says otherwise, in the order of [`NAMES`].
    pub(super) fn default_names(self) -> [Option<&'static str>; 7] {
        match self {
            Self::AsItIs => [None; 7],
            Self::Bert => [None, None, Some("[UNK]"), Some("[SEP]"), Some("[PAD]"), Some("[CLS]"), Some("[MASK]")],
            Self::DebertaV2 => ["[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"].map(Some),
            Self::MpNet => ["<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"].map(Some),
            Self::Roberta | Self::Unigrams | Self::Bertweet => {
                ["<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"].map(Some)
            }
        }
    }
}

impl Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AsItIs => "TokenizersBackend",
            Self::Bert => "BertTokenizer",
            Self::MpNet => "MPNetTokenizer",
            Self::Roberta => "RobertaTokenizer",
            Self::Unigrams => "XLMRobertaTokenizer",
            Self::DebertaV2 => "DebertaV2Tokenizer",
            Self::Bertweet => "BertweetTokenizer",
        })
    }
}
