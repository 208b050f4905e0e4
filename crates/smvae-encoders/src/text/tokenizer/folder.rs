//! The tokenizers that model folders hold: `tokenizer.json`, or the older files it replaced.

use crate::{Error, Result, files};
use serde::Deserialize;
use std::path::Path;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

/// What sentencepiece calls its model; it is read by no crate that goes with `tokenizers`.
const SENTENCEPIECE: [&str; 4] = ["sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model"];

/// What a folder holds.
pub(super) enum Found {
    /// A whole tokenizer, and what the folder calls the pieces around a text.
    Tokenizer(Box<Tokenizer>, SpecialNames),
    /// Word pieces, and what happens to characters before they are looked up.
    Vocabulary(Vec<String>, Casing),
}

/// Reads the first form that is there.
pub(super) fn read(folder: &Path) -> Result<Found> {
    let path = |name: &str| folder.join(name);
    let has = |name: &str| path(name).exists();
    let settings: Settings = if has("tokenizer_config.json") {
        files::read_json(&path("tokenizer_config.json"), "JSON file")?
    } else {
        Settings::default()
    };
    let names: SpecialNames = if has("special_tokens_map.json") {
        files::read_json::<RawNames>(&path("special_tokens_map.json"), "JSON file")?.into()
    } else {
        settings.names.into()
    };
    if has("tokenizer.json") {
        return Ok(Found::Tokenizer(Box::new(parse(&path("tokenizer.json"))?), names));
    }
    if has("vocab.txt") {
        let path = path("vocab.txt");
        let text = String::from_utf8(files::read(&path)?);
        let text = text.map_err(|error| Error::Read { path, source: std::io::Error::other(error) })?;
        // Only line ends are cut: entries may be Unicode spaces.
        return Ok(Found::Vocabulary(text.lines().map(str::to_owned).collect(), settings.casing));
    }
    if path("vocab.json").is_file() && path("merges.txt").is_file() {
        let tokenizer = byte_level(&path("vocab.json"), &path("merges.txt"))?;
        return Ok(Found::Tokenizer(Box::new(tokenizer), names));
    }
    let sentencepiece = SENTENCEPIECE.into_iter().find(|name| has(name));
    Err(Error::NoTokenizer { folder: folder.to_owned(), sentencepiece })
}

/// Parses a `tokenizer.json`.
pub(super) fn parse(path: &Path) -> Result<Tokenizer> {
    let bytes = files::read(path)?;
    let fault = |source| Error::Json { path: path.to_owned(), what: "tokenizer", source };
    // First, since tokenizers 0.23 panics at some files that end too early.
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).map_err(|error| fault(error.into()))?;
    Tokenizer::from_bytes(bytes).map_err(fault)
}

/// RoBERTa's tokenizer from its vocabulary and merges.
fn byte_level(vocab: &Path, merges: &Path) -> Result<Tokenizer> {
    let model = BPE::from_file(&vocab.to_string_lossy(), &merges.to_string_lossy()).build();
    let model =
        model.map_err(|source| Error::Json { path: vocab.to_owned(), what: "vocabulary with merges.txt", source })?;
    let mut inner = Tokenizer::new(model);
    inner.with_pre_tokenizer(Some(ByteLevel::default()));
    inner.with_decoder(Some(ByteLevel::default()));
    let special = ["<s>", "</s>", "<unk>", "<pad>", "<mask>"].into_iter();
    let special: Vec<_> = special.filter(|piece| inner.token_to_id(piece).is_some()).collect();
    let special = special.into_iter().map(|piece| AddedToken::from(piece, true));
    inner.add_special_tokens(special).expect("all of them are in the vocabulary");
    Ok(inner)
}

/// The pieces around a text, where a folder names them.
#[derive(Clone, Debug, Default)]
pub(super) struct SpecialNames {
    pub cls: Option<String>,
    pub sep: Option<String>,
}

/// What `tokenizer_config.json` says about characters, with the names and defaults of Hugging
/// Face's `BertTokenizer`.
#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Casing {
    pub do_lower_case: bool,
    /// As `do_lower_case` where absent.
    pub strip_accents: Option<bool>,
    pub tokenize_chinese_chars: bool,
}

impl Default for Casing {
    fn default() -> Self {
        Self { do_lower_case: true, strip_accents: None, tokenize_chinese_chars: true }
    }
}

/// `tokenizer_config.json`.
#[derive(Default, Deserialize)]
struct Settings {
    #[serde(flatten)]
    casing: Casing,
    #[serde(flatten)]
    names: RawNames,
}

/// As `special_tokens_map.json` has them.
#[derive(Default, Deserialize)]
struct RawNames {
    cls_token: Option<Name>,
    sep_token: Option<Name>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Plain(String),
    Token { content: String },
}

impl From<RawNames> for SpecialNames {
    fn from(raw: RawNames) -> Self {
        let name = |name: Option<Name>| {
            name.map(|name| match name {
                Name::Plain(content) | Name::Token { content } => content,
            })
        };
        Self { cls: name(raw.cls_token), sep: name(raw.sep_token) }
    }
}
