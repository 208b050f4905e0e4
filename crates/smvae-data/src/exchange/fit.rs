//! Spans of characters to entities of words, and which of them do not fit.

use super::post::{Annotated, Odd, State};
use crate::formats::TextEntity;
use crate::words::{Word, WordConvention, split};
use serde::Serialize;
use serde_json::{Value, json};
use smvae_core::{Entity, Span};

/// What becomes of spans that are not of whole words, or that overlap others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Misfits {
    /// [`fit`] does the same as for [`Misfits::Drop`]: it tells and leaves out. It is the caller's
    /// to take nothing of a post with [`Fitted::misfits`] or [`Fitted::odd`], as `smvae import`
    /// does by default, which then writes no file.
    #[default]
    Refuse,
    /// A span becomes the whole words that it touches; of spans that overlap then, the longest is
    /// kept. One that is not at its place is moved there, where the text has it once.
    Move,
    /// They are told and left out; of spans that overlap, all but the longest are.
    Drop,
}

/// A span that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The span, in characters.
    pub span: TextEntity,
    /// Its characters.
    pub text: String,
    /// Why it does not fit.
    pub why: Why,
    /// Whether there is an entity of it all the same.
    pub kept: bool,
}

/// Why a span does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It begins or ends within a word; these are the words it touches.
    Crosses(String),
    /// It shares words with this one, which is longer, or as long and comes first.
    Overlaps(String),
    /// It holds nothing but white space.
    Empty,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { span, text, why, kept } = self;
        write!(f, "{:?} ({}, characters {}..{}) ", text, span.label, span.start, span.end)?;
        match why {
            Why::Crosses(words) if *kept => write!(f, "is moved to the words {words:?}"),
            Why::Crosses(words) => write!(f, "is not of whole words: they are {words:?}"),
            Why::Overlaps(other) => write!(f, "overlaps {other:?}"),
            Why::Empty => write!(f, "holds no word"),
        }
    }
}

/// A labelled post in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// Its words.
    pub words: Vec<String>,
    /// Its entities, ordered by first word; they do not overlap.
    pub entities: Vec<Entity>,
    /// The spans that do not fit, in the order of the post.
    pub misfits: Vec<Misfit>,
    /// The spans that could not be read.
    pub odd: Vec<Odd>,
}

/// Splits a post into words and fits its spans to them. White space at the ends of a span does not
/// count, and a span that stands twice counts once. A post without labels has no entities.
pub fn fit(post: &Annotated, convention: &WordConvention, misfits: Misfits) -> Fitted {
    let words = split(&post.text, convention);
    let spans: &[TextEntity] = if let State::Labelled(spans) = &post.state { spans } else { &[] };
    let moves = |odd: &Odd| Odd { kept: misfits == Misfits::Move && odd.elsewhere.is_some(), ..odd.clone() };
    let odd: Vec<Odd> = post.odd.iter().map(moves).collect();
    let moved = odd.iter().filter(|odd| odd.kept).filter_map(|odd| odd.elsewhere.as_ref());
    let mut told = Vec::new();
    let mut fitting: Vec<(Entity, &TextEntity)> = Vec::new();
    for span in spans.iter().chain(moved) {
        let misfit = |why, kept| Misfit { span: span.clone(), text: characters(&post.text, span), why, kept };
        let Some((touched, is_whole)) = touched(&words, span, &post.text) else {
            told.push(misfit(Why::Empty, false));
            continue;
        };
        let keeps = is_whole || misfits == Misfits::Move;
        if !is_whole {
            let mentioned = words_of(&post.text, &words[touched.start..touched.end]);
            told.push(misfit(Why::Crosses(mentioned), keeps));
        }
        let entity = Entity { span: touched, label: span.label.clone() };
        if keeps && !fitting.iter().any(|(other, _)| *other == entity) {
            fitting.push((entity, span));
        }
    }
    // The longest first, and of equal ones the first.
    fitting.sort_by_key(|(entity, _)| (std::cmp::Reverse(entity.span.end - entity.span.start), entity.span.start));
    let mut entities: Vec<Entity> = Vec::new();
    for (entity, span) in fitting {
        let overlaps = |other: &&Entity| entity.span.start < other.span.end && other.span.start < entity.span.end;
        match entities.iter().find(overlaps) {
            None => entities.push(entity),
            Some(longer) => {
                let other = words_of(&post.text, &words[longer.span.start..longer.span.end]);
                let text = characters(&post.text, span);
                // One line of a span: it is not moved after all.
                told.retain(|misfit| misfit.span != *span);
                told.push(Misfit { span: span.clone(), text, why: Why::Overlaps(other), kept: false });
            }
        }
    }
    entities.sort();
    told.sort_by_key(|misfit| (misfit.span.start, misfit.span.end));
    let words = words.into_iter().map(|word| word.text.to_owned()).collect();
    Fitted { words, entities, misfits: told, odd }
}

impl Fitted {
    /// The post as a line of JSON without its end, which [`formats::json`](crate::formats::json)
    /// reads: id, image, caption, text, words and entities of words.
    pub fn to_line(&self, post: &Annotated) -> String {
        line_of(
            (post.id.as_deref(), post.image.as_deref(), post.caption.as_deref()),
            &post.text,
            &self.words,
            &self.entities,
        )
    }
}

/// A post with this id, image and caption as such a line.
pub(crate) fn line_of(
    (id, image, caption): (Option<&str>, Option<&str>, Option<&str>),
    text: &str,
    words: &[String],
    entities: &[Entity],
) -> String {
    let entity = |entity: &Entity| json!({"words": [entity.span.start, entity.span.end], "label": entity.label});
    let entities = entities.iter().map(entity).collect();
    let line = Line { id, image_id: image, caption, text, words, entities };
    serde_json::to_string(&line).expect("strings and numbers have a JSON form")
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    text: &'a str,
    words: &'a [String],
    entities: Vec<Value>,
}

/// The words that a span touches, and whether it is they, white space at its ends aside.
fn touched(words: &[Word<'_>], span: &TextEntity, text: &str) -> Option<(Span, bool)> {
    let blank = |c: &char| c.is_whitespace();
    let chars = || text.chars().skip(span.start).take(span.end - span.start);
    let start = span.start + chars().take_while(blank).count();
    let end = span.start + chars().collect::<Vec<_>>().iter().rposition(|c| !blank(c))? + 1;
    let first = words.iter().position(|word| word.chars.end > start)?;
    let last = words.iter().rposition(|word| word.chars.start < end)?;
    (first <= last).then(|| {
        let is_whole = words[first].chars.start == start && words[last].chars.end == end;
        (Span::new(first, last + 1), is_whole)
    })
}

fn characters(text: &str, span: &TextEntity) -> String {
    text.chars().skip(span.start).take(span.end - span.start).collect()
}

/// The text of some words that follow each other.
fn words_of(text: &str, words: &[Word<'_>]) -> String {
    match words {
        [first, .., last] => text[first.bytes.start..last.bytes.end].to_owned(),
        [only] => only.text.to_owned(),
        [] => String::new(),
    }
}
