//! The tokenizers that model folders hold, read as transformers 5 reads them: `tokenizer.json`, or
//! the older files it replaced.

use super::class::{Class, NAMES};
use super::files::Files;
use super::notes::Note;
use super::{added, bertweet, builders};
use crate::{Error, Result, files};
use std::collections::HashSet;
use std::path::Path;
use tokenizers::models::bpe::BPE;
use tokenizers::{AddedToken, Tokenizer};

/// What sentencepiece calls its model; it is read by no crate that goes with `tokenizers`.
const SENTENCEPIECE: [&str; 4] = ["sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model"];

/// What a folder holds.
pub(super) struct Found {
    /// The tokenizer, with all added tokens.
    pub tokenizer: Tokenizer,
    /// What the folder calls the pieces around a text.
    pub frame: SpecialNames,
    /// What it calls all pieces that no text has.
    pub names: HashSet<String>,
    pub notes: Vec<Note>,
}

/// The pieces around a text, where a folder names them.
#[derive(Clone, Debug, Default)]
pub(super) struct SpecialNames {
    pub cls: Option<String>,
    pub sep: Option<String>,
}

/// Reads the first form that is there.
pub(super) fn read(folder: &Path) -> Result<Found> {
    let files = Files::read(folder)?;
    let mut notes = Vec::new();
    let class = Class::of(files.model_type.as_deref(), files.class.as_deref(), &mut notes);
    let mut without_text = Vec::new();
    let (mut tokenizer, of_json) = if class == Some(Class::Bertweet) && files.has("bpe.codes") {
        let (tokenizer, names) = bertweet::read(&files, &mut notes)?;
        without_text = names;
        (tokenizer, Vec::new())
    } else if files.has("tokenizer.json") {
        let tokenizer = parse(&files.path("tokenizer.json"))?;
        let mut of_json: Vec<(u32, AddedToken)> = tokenizer.get_added_tokens_decoder().into_iter().collect();
        of_json.sort_by_key(|(id, _)| *id);
        // What nobody names is taken as it is.
        (builders::rebuilt(class.unwrap_or(Class::AsItIs), tokenizer, &files, &mut notes), of_json)
    } else {
        (of_older_files(&files, class, &mut notes)?, Vec::new())
    };
    let class = class.unwrap_or_else(|| default_class(&files));
    let tokens = files.added_tokens(class, of_json.clone());
    added::add(&mut tokenizer, tokens, &mut notes)?;
    let is_text =
        |(_, token): &(u32, AddedToken)| !tokenizer.get_added_vocabulary().get_vocab().contains_key(&token.content);
    let dropped: Vec<String> = of_json.into_iter().filter(is_text).map(|(_, token)| token.content).collect();
    if !dropped.is_empty() {
        notes.push(Note::Dropped { tokens: dropped });
    }
    let name = |name: &str| files.name(name, class);
    Ok(Found {
        frame: SpecialNames { cls: name("cls_token"), sep: name("sep_token") },
        names: NAMES.into_iter().filter_map(name).chain(without_text).collect(),
        tokenizer,
        notes,
    })
}

/// The class of a folder that does not name one.
fn default_class(files: &Files) -> Class {
    if !files.has("tokenizer.json") && files.has("vocab.txt") && !files.has("vocab.json") {
        Class::Bert
    } else {
        Class::AsItIs
    }
}

/// A tokenizer of the files that there were before `tokenizer.json`.
fn of_older_files(files: &Files, class: Option<Class>, notes: &mut Vec<Note>) -> Result<Tokenizer> {
    if files.has("bpe.codes") {
        let class = files.class.clone().unwrap_or_else(|| "nothing".to_owned());
        return Err(Error::Codes { folder: files.folder(), class });
    }
    if files.has("vocab.txt") {
        let path = files.path("vocab.txt");
        // Only line ends are cut: entries may be Unicode spaces.
        let text = files::read_text(&path)?;
        let model = builders::vocabulary(text.lines().map(str::to_owned)).map_err(|error| error.of_tokenizer(&path))?;
        let casing = files.casing();
        let unk = files.name("unk_token", class.unwrap_or(Class::Bert));
        let tokenizer = builders::word_pieces(model, casing.normalizer(), unk);
        if let Some(piece) = casing.capitals_in_vain(&tokenizer) {
            notes.push(Note::LowerCased { piece });
        }
        return Ok(tokenizer);
    }
    if files.path("vocab.json").is_file() && files.path("merges.txt").is_file() {
        return byte_level(&files.path("vocab.json"), &files.path("merges.txt"));
    }
    let sentencepiece = SENTENCEPIECE.into_iter().find(|name| files.has(name));
    Err(Error::NoTokenizer { folder: files.folder(), sentencepiece })
}

/// Parses a `tokenizer.json`, without the padding and the truncation that it asks for.
pub(super) fn parse(path: &Path) -> Result<Tokenizer> {
    let bytes = files::read(path)?;
    let fault = |source| Error::Json { path: path.to_owned(), what: "tokenizer", source };
    // First, since tokenizers 0.23 panics at some files that end too early.
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).map_err(|error| fault(error.into()))?;
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(fault)?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).expect("it fails on a stride only");
    Ok(tokenizer)
}

/// RoBERTa's tokenizer from its vocabulary and merges.
fn byte_level(vocab: &Path, merges: &Path) -> Result<Tokenizer> {
    let model = BPE::from_file(&vocab.to_string_lossy(), &merges.to_string_lossy()).build();
    let model =
        model.map_err(|source| Error::Json { path: vocab.to_owned(), what: "vocabulary with merges.txt", source })?;
    let mut inner = builders::byte_level(model);
    added::add_special(&mut inner, ["<s>", "</s>", "<unk>", "<pad>", "<mask>"]);
    Ok(inner)
}
