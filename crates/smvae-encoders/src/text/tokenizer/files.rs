//! The small JSON files beside a vocabulary: what they say about pieces, characters and added
//! tokens, with the precedence of transformers 5.
//!
//! Where `tokenizer_config.json` has `added_tokens_decoder`, as transformers has written since
//! 4.34, the older files (`special_tokens_map.json`, `added_tokens.json`) have no say.

use super::class::{Class, NAMES};
use crate::{Error, Result, files};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::{AddedToken, Tokenizer};

/// What the files of a folder say.
pub(super) struct Files {
    folder: PathBuf,
    /// Of `config.json`.
    pub model_type: Option<String>,
    /// The class of tokenizer that a file names.
    pub class: Option<String>,
    /// `tokenizer_config.json`.
    settings: Map<String, Value>,
    /// Its `added_tokens_decoder`, in the order of the ids. `None` if it has no such list.
    decoder: Option<Vec<(i64, AddedToken)>>,
    /// `special_tokens_map.json`.
    names: Map<String, Value>,
    /// `added_tokens.json`: the id of each token.
    added: BTreeMap<String, i64>,
}

impl Files {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        const SETTINGS: &str = "tokenizer_config.json";
        let settings: Map<String, Value> = read_if_there(folder, SETTINGS)?;
        let decoder = settings.get("added_tokens_decoder").filter(|value| !value.is_null()).map(decoder).transpose();
        let fault = |why: String| Error::Json {
            path: folder.join(SETTINGS),
            what: "tokenizer configuration",
            source: why.into(),
        };
        // Whoever needs the whole configuration has the error of one that cannot be read.
        let config: Map<String, Value> = read_if_there(folder, "config.json").unwrap_or_default();
        let text = |map: &Map<String, Value>, name: &str| Some(map.get(name)?.as_str()?.to_owned());
        Ok(Self {
            model_type: text(&config, "model_type"),
            class: text(&settings, "tokenizer_class").or_else(|| text(&config, "tokenizer_class")),
            settings,
            decoder: decoder.map_err(fault)?,
            names: read_if_there(folder, "special_tokens_map.json")?,
            added: read_if_there(folder, "added_tokens.json")?,
            folder: folder.to_owned(),
        })
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// A setting of `tokenizer_config.json` that is yes or no.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.settings.get(name).and_then(Value::as_bool)
    }

    /// What the files call a piece, `cls_token` and the like, without the class's default.
    fn given(&self, name: &str) -> Option<&Value> {
        let given = self.names.get(name).filter(|_| self.decoder.is_none()).or_else(|| self.settings.get(name));
        given.filter(|value| !value.is_null())
    }

    /// What a piece is called.
    pub(super) fn name(&self, name: &str, class: Class) -> Option<String> {
        let default = || {
            let at = NAMES.iter().position(|known| *known == name)?;
            class.default_names()[at].map(str::to_owned)
        };
        self.given(name).and_then(content).map(str::to_owned).or_else(default)
    }

    /// All added tokens in the order in which transformers adds them, with the id that a file gives
    /// them. `of_json` are those of `tokenizer.json`, with their ids.
    pub(super) fn added_tokens(&self, class: Class, of_json: Vec<(u32, AddedToken)>) -> Vec<(Option<i64>, AddedToken)> {
        let named: Vec<AddedToken> = self.named(class);
        let more = self.more();
        let with_ids = self.decoder.clone().unwrap_or_else(|| {
            // Those that special_tokens_map.json calls additional do not count here, in
            // transformers.
            let listed = ["extra_special_tokens", "additional_special_tokens"].map(|name| self.settings.get(name));
            let listed: Vec<&Value> = listed.into_iter().flatten().filter_map(Value::as_array).flatten().collect();
            let is_special = |token: &str| {
                named.iter().any(|special| special.content == token)
                    || listed.iter().any(|special| content(special) == Some(token))
            };
            let of_file = |(token, id): (&String, &i64)| (*id, AddedToken::from(token, is_special(token)));
            let mut by_id: BTreeMap<i64, AddedToken> = self.added.iter().map(of_file).collect();
            by_id.extend(of_json.into_iter().map(|(id, token)| (i64::from(id), token)));
            by_id.into_iter().collect()
        });
        let mut tokens: Vec<_> = with_ids.into_iter().map(|(id, token)| (Some(id), token)).collect();
        for token in named.into_iter().chain(more) {
            if !tokens.iter().any(|(_, known)| known.content == token.content) {
                tokens.push((None, token));
            }
        }
        tokens
    }

    /// The pieces with a meaning of their own.
    fn named(&self, class: Class) -> Vec<AddedToken> {
        let of_name = |(name, default): (&str, Option<&str>)| {
            let given = self.given(name).and_then(|value| added_token(value, true));
            given.or_else(|| default.map(|default| AddedToken::from(default, true)))
        };
        NAMES.into_iter().zip(class.default_names()).filter_map(of_name).collect()
    }

    /// Tokens that a model adds for itself: those with another name, then a list.
    fn more(&self) -> Vec<AddedToken> {
        let is_name = |name: &str| name.ends_with("_token") && !NAMES.contains(&name) && !name.starts_with("add_");
        let with_names = self.settings.iter().filter(|(name, _)| is_name(name)).map(|(_, value)| value);
        let list = ["extra_special_tokens", "additional_special_tokens"];
        let list = list.into_iter().filter_map(|name| self.given(name)).find(|value| match value {
            Value::Array(tokens) => !tokens.is_empty(),
            Value::Object(tokens) => !tokens.is_empty(),
            _ => false,
        });
        let list: Vec<&Value> = match list {
            Some(Value::Array(tokens)) => tokens.iter().collect(),
            Some(Value::Object(tokens)) => tokens.values().collect(),
            _ => Vec::new(),
        };
        with_names.chain(list).filter_map(|value| added_token(value, true)).collect()
    }

    /// What happens to characters before word pieces are looked up.
    pub(super) fn casing(&self) -> Casing {
        let lower = self.flag("do_lower_case");
        Casing {
            do_lower_case: lower.unwrap_or(true),
            strip_accents: self.flag("strip_accents"),
            tokenize_chinese_chars: self.flag("tokenize_chinese_chars").unwrap_or(true),
            said: lower.is_some(),
        }
    }
}

/// What `tokenizer_config.json` says about characters, with the names and defaults of Hugging
/// Face's `BertTokenizer`.
#[derive(Clone, Copy)]
pub(super) struct Casing {
    pub do_lower_case: bool,
    /// As `do_lower_case` where absent.
    pub strip_accents: Option<bool>,
    pub tokenize_chinese_chars: bool,
    /// Whether `do_lower_case` is what a file says.
    pub said: bool,
}

impl Casing {
    pub(super) fn normalizer(&self) -> BertNormalizer {
        BertNormalizer::new(true, self.tokenize_chinese_chars, self.strip_accents, self.do_lower_case)
    }

    /// The first piece with capitals of a vocabulary, where text is lower-cased and no file says
    /// so.
    pub(super) fn capitals_in_vain(&self, tokenizer: &Tokenizer) -> Option<String> {
        if self.said || !self.do_lower_case {
            return None;
        }
        let is_text = |piece: &str| !piece.starts_with(['[', '<']);
        let has_capitals = |piece: &str| piece.chars().any(|c| c.is_ascii_uppercase());
        let pieces = tokenizer.get_vocab(false).into_iter();
        let first = pieces.filter(|(piece, _)| is_text(piece) && has_capitals(piece)).min_by_key(|(_, id)| *id);
        first.map(|(piece, _)| piece)
    }
}

fn read_if_there<T: DeserializeOwned + Default>(folder: &Path, name: &str) -> Result<T> {
    let path = folder.join(name);
    if path.exists() { files::read_json(&path, "JSON file") } else { Ok(T::default()) }
}

/// The tokens of `added_tokens_decoder` in the order of their ids. An id is any integer, and a
/// token without text is passed over, as in transformers.
///
/// # Errors
/// What is wrong with the list, or with one of its tokens.
fn decoder(list: &Value) -> Result<Vec<(i64, AddedToken)>, String> {
    let list = list.as_object().ok_or("added_tokens_decoder does not map ids to tokens")?;
    let mut tokens = Vec::with_capacity(list.len());
    for (id, value) in list {
        let number = id.trim().parse().map_err(|_| format!("added_tokens_decoder has {id:?} in the place of an id"))?;
        let is_token = match value {
            Value::Object(token) => token.get("content").is_none_or(|content| content.is_string() || content.is_null()),
            other => other.is_string(),
        };
        if !is_token {
            return Err(format!("added_tokens_decoder has {value} for the id {id}, which is not a token"));
        }
        tokens.extend(added_token(value, false).map(|token| (number, token)));
    }
    tokens.sort_by_key(|(id, _)| *id);
    Ok(tokens)
}

/// What a token is, whether it is written as a text or with its properties.
fn content(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str()).filter(|content| !content.is_empty())
}

fn added_token(value: &Value, special: bool) -> Option<AddedToken> {
    let flag = |name: &str| value.get(name).and_then(Value::as_bool);
    let token = AddedToken::from(content(value)?, flag("special").unwrap_or(special) || special);
    let (left, right) = (flag("lstrip").unwrap_or_default(), flag("rstrip").unwrap_or_default());
    let token = token.lstrip(left).rstrip(right).single_word(flag("single_word").unwrap_or_default());
    let normalized = flag("normalized").unwrap_or(token.normalized);
    Some(token.normalized(normalized))
}
