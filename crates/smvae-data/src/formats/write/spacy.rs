//! spaCy's `Doc` as JSON, as `Doc.to_json` writes and `Doc.from_json` reads it: text, entities and
//! tokens, in characters.
//!
//! spaCy's tokens cover the whole text: one space may follow a token, and any other white space is
//! a token itself, so that its tokens are more than our words where a text has such. The id, the
//! image and the scores of the entities stand beside them, where `from_json` passes over them:
//! `doc._` would need extensions that its reader has set.

use super::found::{Author, FoundPost};
use serde::Serialize;
use std::ops::Range;

#[derive(Serialize)]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    text: &'a str,
    ents: Vec<Labelled<'a>>,
    tokens: Vec<Token>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Vec<f32>>,
}

#[derive(Serialize)]
struct Labelled<'a> {
    start: usize,
    end: usize,
    label: &'a str,
}

#[derive(Serialize)]
struct Token {
    id: usize,
    start: usize,
    end: usize,
}

/// The line of a post, or why spaCy would not read it.
pub(super) fn line(post: &FoundPost<'_>, author: Author) -> Result<String, String> {
    let tokens = tokens(post.text, post.places);
    let has = |border: &dyn Fn(&Range<usize>) -> bool| tokens.iter().any(border);
    let mut ents = Vec::new();
    for entity in &post.entities {
        let Range { start, end } = entity.chars;
        if !has(&|token| token.start == start) || !has(&|token| token.end == end) {
            return Err(format!("spaCy has no entity that begins or ends in white space, as {:?} does", entity.text));
        }
        ents.push(Labelled { start, end, label: entity.label });
    }
    let tokens = tokens.into_iter().enumerate();
    let document = Document {
        id: post.id,
        image: post.image,
        caption: post.caption,
        text: post.text,
        ents,
        tokens: tokens.map(|(id, Range { start, end })| Token { id, start, end }).collect(),
        scores: (author == Author::Model).then(|| post.entities.iter().map(|entity| entity.score).collect()),
    };
    Ok(serde_json::to_string(&document).expect("strings and numbers have a JSON form"))
}

/// The tokens of a text in characters: its words, and white space but for one space after a word.
fn tokens(text: &str, words: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut tokens: Vec<Range<usize>> = Vec::new();
    let (mut byte, mut char) = (0, 0);
    // White space after a word, without the one space that belongs to it.
    let close = |tokens: &mut Vec<Range<usize>>, gap: &str, at: usize| {
        let own = usize::from(!tokens.is_empty() && gap.starts_with(' '));
        let n = gap.chars().count();
        if n > own {
            tokens.push(at + own..at + n);
        }
    };
    // A word that is white space belongs to what is around it.
    let is_solid = |place: &&Range<usize>| !text[(*place).clone()].chars().all(is_space);
    for place in words.iter().filter(is_solid) {
        let gap = &text[byte..place.start];
        close(&mut tokens, gap, char);
        char += gap.chars().count();
        let n = text[place.clone()].chars().count();
        tokens.push(char..char + n);
        (byte, char) = (place.end, char + n);
    }
    close(&mut tokens, &text[byte..], char);
    tokens
}

/// White space as Python's `str.isspace` has it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
