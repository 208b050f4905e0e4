//! BERTweet's tokenizer (Nguyen et al. 2020): BPE of fastBPE, `bpe.codes` with `vocab.txt`.
//!
//! A line of `bpe.codes` is a merge, `a b 1234`, where the last letter of a word ends in `</w>`;
//! one of `vocab.txt` is a piece and its count, where a piece that others follow ends in `@@`. All
//! merges are done, and what comes out is unknown unless the vocabulary has it. The tokenizer of
//! the crate `tokenizers` that does the same, and that is saved with a run, has ids for what the
//! merges need and the vocabulary lacks; these are marked as special and so stand for no text.
//!
//! With `"normalization": true`, words are normalised as far as that changes no border of a word: a
//! user is `@USER`, a link `HTTPURL`, and two characters of punctuation are ASCII. What it does not
//! do: split words as BERTweet's program splits tweets, or spell out emoji.

use super::files::Files;
use super::notes::Note;
use crate::{Error, Result, files};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use tokenizers::Tokenizer;

/// The pieces before those of `vocab.txt`.
const FIRST: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
const MASK: &str = "<mask>";
const END: &str = "</w>";

/// Reads both files. Answers the tokenizer and the names of what no text has.
pub(super) fn read(files: &Files, notes: &mut Vec<Note>) -> Result<(Tokenizer, Vec<String>)> {
    let (vocab, codes) = (files.path("vocab.txt"), files.path("bpe.codes"));
    let mut ids = vocabulary(&vocab)?;
    let (mut merges, mut without_text) = (Vec::new(), Vec::new());
    let mut next = ids.values().max().map_or(0, |last| last + 1);
    for (number, line) in text(&codes)?.lines().enumerate() {
        let mut parts = line.split_whitespace();
        let (Some(left), Some(right)) = (parts.next(), parts.next()) else {
            let why = format!("line {} is not two pieces and a count: {line:?}", number + 1);
            return Err(malformed(&codes, "list of merges", why));
        };
        let merged = format!("{left}{right}");
        for part in [left, right, merged.as_str()] {
            if !ids.contains_key(part) {
                ids.insert(part.to_owned(), next);
                without_text.push(part.to_owned());
                next += 1;
            }
        }
        merges.push([left.to_owned(), right.to_owned()]);
    }
    let normalizer = if files.is_set("normalization") {
        notes.push(Note::Tweets);
        normalizer()
    } else {
        Value::Null
    };
    let special =
        FIRST.iter().map(|piece| (*piece).to_owned()).chain(without_text.iter().cloned()).chain([MASK.to_owned()]);
    let added: Vec<Value> = special.map(|piece| added_token(&piece, ids[&piece])).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": normalizer,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": END, "fuse_unk": false, "byte_fallback": false, "vocab": ids, "merges": merges},
    });
    let tokenizer = serde_json::from_value(tokenizer);
    let tokenizer = tokenizer.map_err(|error| malformed(&codes, "list of merges for vocab.txt", error.to_string()))?;
    Ok((tokenizer, without_text))
}

/// The ids of pieces by their form in merges.
fn vocabulary(path: &Path) -> Result<HashMap<String, u32>> {
    let mut pieces: HashMap<String, u32> = FIRST.iter().zip(0..).map(|(piece, id)| ((*piece).to_owned(), id)).collect();
    for (number, line) in text(path)?.lines().enumerate() {
        let Some((piece, _)) = line.trim().rsplit_once(' ') else {
            let why = format!("line {} is not a piece and its count: {line:?}", number + 1);
            return Err(malformed(path, "vocabulary of BERTweet", why));
        };
        let id = pieces.len() as u32;
        if let Some(first) = pieces.insert(piece.to_owned(), id) {
            let twice = Error::DuplicatePiece { piece: piece.to_owned(), first: first as usize, second: id as usize };
            return Err(twice.of_tokenizer(path));
        }
    }
    let last = pieces.len() as u32;
    let id = *pieces.get(MASK).unwrap_or(&last);
    let form = |(piece, id): (String, u32)| {
        let inner = piece.strip_suffix("@@").filter(|inner| !inner.is_empty()).map(str::to_owned);
        let form =
            if FIRST.contains(&piece.as_str()) { piece } else { inner.unwrap_or_else(|| format!("{piece}{END}")) };
        (form, id)
    };
    let mut ids: HashMap<String, u32> = pieces.into_iter().map(form).collect();
    ids.insert(MASK.to_owned(), id);
    Ok(ids)
}

fn added_token(piece: &str, id: u32) -> Value {
    json!({"id": id, "content": piece, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true})
}

/// What becomes of a word.
fn normalizer() -> Value {
    let replace = |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
    json!({"type": "Sequence", "normalizers": [
        replace(json!({"String": "\u{2019}"}), "'"),
        replace(json!({"String": "\u{2026}"}), "..."),
        replace(json!({"Regex": r"^@\w*$"}), "@USER"),
        replace(json!({"Regex": r"^(?i:http|www)\S*$"}), "HTTPURL"),
    ]})
}

fn text(path: &Path) -> Result<String> {
    let text = String::from_utf8(files::read(path)?);
    text.map_err(|error| Error::Read { path: path.to_owned(), source: std::io::Error::other(error) })
}

fn malformed(path: &Path, what: &'static str, why: String) -> Error {
    Error::Json { path: path.to_owned(), what, source: why.into() }
}
