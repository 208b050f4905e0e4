//! Added tokens: those that text is searched for, and those that no text has.
//!
//! A token such as `<user>` is one piece wherever a text has it, also where it is marked special.
//! The pieces with a meaning of their own (`[CLS]`, `[SEP]`, `[MASK]` and their kin) are not: a
//! post that says "[SEP]" says these five characters. In the tokenizer that is kept, and saved with
//! a run, the mark `special` stands for the latter alone, which is how runs of every version are
//! read.

use super::notes::Note;
use crate::{Error, Result};
use std::collections::HashSet;
use tokenizers::{AddedToken, AddedVocabulary, Tokenizer};

/// What is never found in a text, whatever a folder calls it.
const WITHOUT_TEXT: [&str; 10] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>"];

/// Adds tokens in this order; tells of those that have another id than a file says.
///
/// # Errors
/// [`Error::Tokenise`] for one that cannot be normalised.
pub(super) fn add(
    tokenizer: &mut Tokenizer,
    mut tokens: Vec<(Option<i64>, AddedToken)>,
    notes: &mut Vec<Note>,
) -> Result<()> {
    // A piece that the vocabulary lacks, and no text has, is added only to have the same ids after
    // it.
    while let Some((None, last)) = tokens.last() {
        if tokenizer.token_to_id(&last.content).is_some() || !WITHOUT_TEXT.contains(&last.content.as_str()) {
            break;
        }
        tokens.pop();
    }
    let word = tokens.first().map(|(_, token)| token.content.clone()).unwrap_or_default();
    let added = tokenizer.add_tokens(tokens.iter().map(|(_, token)| token.clone()));
    added.map_err(|source| Error::Tokenise { word, source })?;
    for (said, token) in tokens {
        match (said, tokenizer.token_to_id(&token.content)) {
            (Some(said), Some(has)) if said != i64::from(has) => {
                notes.push(Note::Id { token: token.content, said, has })
            }
            _ => {}
        }
    }
    Ok(())
}

/// Adds those of these pieces that the vocabulary has, as special tokens.
pub(super) fn add_special<const N: usize>(tokenizer: &mut Tokenizer, pieces: [&str; N]) {
    let known = pieces.into_iter().filter(|piece| tokenizer.token_to_id(piece).is_some());
    let tokens: Vec<AddedToken> = known.map(|piece| AddedToken::from(piece, true)).collect();
    tokenizer.add_special_tokens(tokens).expect("all of them are in the vocabulary");
}

/// Marks the tokens that no text has, and only these: those that `names` has or that have one of
/// the usual names, and those of these ids.
///
/// # Errors
/// [`Error::Tokenise`] for a token that cannot be normalised or would get another id.
pub(super) fn mark(tokenizer: &mut Tokenizer, names: &HashSet<String>, ids: [u32; 2]) -> Result<()> {
    let mut tokens: Vec<(u32, AddedToken)> = tokenizer.get_added_tokens_decoder().into_iter().collect();
    tokens.sort_by_key(|(id, _)| *id);
    let mut marked = AddedVocabulary::new();
    let has_text =
        |id: u32, content: &str| !ids.contains(&id) && !WITHOUT_TEXT.contains(&content) && !names.contains(content);
    let again = tokens.iter().map(|(id, token)| {
        let special = !has_text(*id, &token.content);
        token.clone().special(special)
    });
    let added = marked.add_tokens(again, tokenizer.get_model(), tokenizer.get_normalizer());
    added.map_err(|source| Error::Tokenise { word: String::new(), source })?;
    if let Some((_, token)) = tokens.iter().find(|(id, token)| marked.get_vocab().get(&token.content) != Some(id)) {
        let why = "its id depends on the order in which tokens are added";
        return Err(Error::Tokenise { word: token.content.clone(), source: why.into() });
    }
    tokenizer.with_added_vocabulary(marked);
    Ok(())
}
