//! BERTweet's tokenizer (Nguyen et al. 2020): BPE of fastBPE, `bpe.codes` with `vocab.txt`.
//!
//! A line of `bpe.codes` is a merge, `a b 1234`, where the last letter of a word ends in `</w>`;
//! one of `vocab.txt` is a piece and its count, where a piece that others follow ends in `@@`. All
//! merges are done, and what comes out is unknown unless the vocabulary has it. The tokenizer of
//! the crate `tokenizers` that does the same, and that is saved with a run, has ids for what the
//! merges need and the vocabulary lacks; these are marked as special and so stand for no text.
//!
//! With `"normalization": true`, words are normalised as far as that changes no border of a word: a
//! user is `@USER`, a link `HTTPURL`, emoji are spelled out, and two characters of punctuation are
//! ASCII. What it does not do: split words as BERTweet's program splits tweets.

use super::emoji;
use super::files::Files;
use super::notes::Note;
use crate::files::read_text;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use tokenizers::normalizers::Sequence;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::{NormalizerWrapper, Tokenizer};

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
    for (number, line) in read_text(&codes)?.lines().enumerate() {
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
    let normalizer = (files.flag("normalization") == Some(true)).then(|| {
        notes.push(Note::Tweets);
        normalizer()
    });
    let special =
        FIRST.iter().map(|piece| (*piece).to_owned()).chain(without_text.iter().cloned()).chain([MASK.to_owned()]);
    let added: Vec<Value> = special.map(|piece| added_token(&piece, ids[&piece])).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": END, "fuse_unk": false, "byte_fallback": false, "vocab": ids, "merges": merges},
    });
    let tokenizer = serde_json::from_value::<Tokenizer>(tokenizer);
    let no_list = |error: String| malformed(&codes, "list of merges for vocab.txt", error);
    let mut tokenizer = tokenizer.map_err(|error| no_list(error.to_string()))?;
    tokenizer.with_normalizer(normalizer).map_err(|error| no_list(error.to_string()))?;
    Ok((tokenizer, without_text))
}

/// The ids of pieces by their form in merges: those of the file follow [`FIRST`], in its order.
fn vocabulary(path: &Path) -> Result<HashMap<String, u32>> {
    let mut ids: HashMap<String, u32> = FIRST.iter().zip(0..).map(|(piece, id)| ((*piece).to_owned(), id)).collect();
    for (number, line) in read_text(path)?.lines().enumerate() {
        let Some((piece, _)) = line.trim().rsplit_once(' ') else {
            let why = format!("line {} is not a piece and its count: {line:?}", number + 1);
            return Err(malformed(path, "vocabulary of BERTweet", why));
        };
        let id = ids.len() as u32;
        if let Some(first) = ids.insert(form(piece), id) {
            let twice = Error::DuplicatePiece { piece: piece.to_owned(), first: first as usize, second: id as usize };
            return Err(twice.of_tokenizer(path));
        }
    }
    let last = ids.len() as u32;
    ids.entry(MASK.to_owned()).or_insert(last);
    Ok(ids)
}

/// A piece of `vocab.txt` as merges have it. Two pieces may have one form: `ab` and `ab</w>@@`.
fn form(piece: &str) -> String {
    match piece.strip_suffix("@@") {
        _ if FIRST.contains(&piece) || piece == MASK => piece.to_owned(),
        Some(inner) if !inner.is_empty() => inner.to_owned(),
        _ => format!("{piece}{END}"),
    }
}

fn added_token(piece: &str, id: u32) -> Value {
    json!({"id": id, "content": piece, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true})
}

/// What becomes of a word; an emoji in it becomes a word of its own.
fn normalizer() -> NormalizerWrapper {
    let replace = |pattern: ReplacePattern, content: &str| {
        Replace::new(pattern, content).expect("a pattern that is tested").into()
    };
    let regex = |pattern: &str| ReplacePattern::Regex(pattern.to_owned());
    let text = |pattern: &str| ReplacePattern::String(pattern.to_owned());
    let normalizers = vec![
        replace(text("\u{2019}"), "'"),
        replace(text("\u{2026}"), "..."),
        replace(regex(r"^@\w*$"), "@USER"),
        replace(regex(r"^(?i:http|www)\S*$"), "HTTPURL"),
        emoji::normalizer(),
    ];
    NormalizerWrapper::Sequence(Sequence::new(normalizers))
}

fn malformed(path: &Path, what: &'static str, why: String) -> Error {
    Error::Json { path: path.to_owned(), what, source: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(vocab: &str, want: Result<&[(&str, u32)], &str>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("vocab.txt");
        std::fs::write(&path, vocab).expect("writable");
        match (vocabulary(&path), want) {
            (Ok(ids), Ok(want)) => {
                let mut of_file: Vec<_> = ids.iter().map(|(form, id)| (form.as_str(), *id)).collect();
                of_file.sort_by_key(|(_, id)| *id);
                assert_eq!(of_file[FIRST.len()..], *want, "{vocab:?}");
            }
            (Err(error), Err(want)) => {
                let why = std::error::Error::source(&error).expect("a reason").to_string();
                assert_eq!(why, want, "{vocab:?}");
            }
            (got, _) => panic!("{vocab:?}: {got:?}"),
        }
    }

    #[test]
    fn pieces_have_their_forms_and_the_ids_of_the_file() {
        check("", Ok(&[("<mask>", 4)]));
        check("in 9\nro@@ 8\n@@ 7\n", Ok(&[("in</w>", 4), ("ro", 5), ("@@</w>", 6), ("<mask>", 7)]));
        check("in 9\n<mask> 8\nro@@ 7\n", Ok(&[("in</w>", 4), ("<mask>", 5), ("ro", 6)]));
    }

    #[test]
    fn pieces_of_one_form_are_an_error() {
        check("in 9\nro 8\nin 7\n", Err("the vocabulary has \"in\" twice, at 4 and 6"));
        check("in 9\nin</w>@@ 8\n", Err("the vocabulary has \"in</w>@@\" twice, at 4 and 5"));
        check("in</w>@@ 9\nin 8\n", Err("the vocabulary has \"in\" twice, at 4 and 5"));
        check("<pad>@@ 9\n", Err("the vocabulary has \"<pad>@@\" twice, at 1 and 4"));
        check("</s> 9\n", Err("the vocabulary has \"</s>\" twice, at 2 and 4"));
        check("<mask> 9\n<mask>@@ 8\n", Err("the vocabulary has \"<mask>@@\" twice, at 4 and 5"));
        check("in 9\nro\n", Err("line 2 is not a piece and its count: \"ro\""));
    }
}
