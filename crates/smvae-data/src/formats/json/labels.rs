//! The labels of a JSON object, in the forms that the documentation of [`json`](super) lists.

use super::super::lines::Fault;
use super::super::names;
use super::super::post::{Labels, TextEntity};
use super::object::Object;
use crate::Result;
use crate::words::locate;
use serde::Deserialize;
use smvae_core::{Entity, schemes};
use std::ops::Range;

/// What entities must look like.
const FORMS: &str = r#"a list of {"start", "end", "label"}, {"words", "label"} or [start, end, label]"#;

/// An entity as it was written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Triple(usize, usize, String),
    Object {
        #[serde(alias = "start_offset")]
        start: Option<usize>,
        #[serde(alias = "end_offset")]
        end: Option<usize>,
        words: Option<(usize, usize)>,
        text: Option<String>,
        label: String,
    },
}

/// An entity, whichever form it came in.
struct Parts {
    chars: Option<Range<usize>>,
    words: Option<Range<usize>>,
    text: Option<String>,
    label: String,
}

impl Written {
    fn parts(self) -> Parts {
        match self {
            Self::Triple(start, end, label) => Parts { chars: Some(start..end), words: None, text: None, label },
            Self::Object { start, end, words, text, label } => Parts {
                chars: start.zip(end).map(|(start, end)| start..end),
                words: words.map(|(start, end)| start..end),
                text,
                label,
            },
        }
    }
}

/// Reads the labels of an object with these words, this text.
pub(super) fn read(object: &Object<'_>, words: Option<&[String]>, text: Option<&str>) -> Result<Option<Labels>, Fault> {
    if let Some(name) = object.first_name(names::TAGS) {
        return tags(object, name, words).map(Some);
    }
    let Some(name) = object.first_name(names::ENTITIES) else { return Ok(None) };
    let written: Vec<Written> = object.first(&[name], FORMS)?.unwrap_or_default();
    match (words, text) {
        (Some(words), text) => of_words(object, name, written, words, text).map(Some),
        (None, Some(text)) => of_text(object, name, written, text).map(Some),
        (None, None) => Ok(None),
    }
}

/// One tag per word as it was written.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenTags {
    // First, so that an empty list has no numbers.
    Names(Vec<String>),
    Numbers(Vec<usize>),
}

fn tags(object: &Object<'_>, name: &'static str, words: Option<&[String]>) -> Result<Labels, Fault> {
    let tags: Option<WrittenTags> = object.first(&[name], "a list of strings, or of numbers")?;
    let Some(words) = words else { return Err(object.fault(name, r#"beside "words" or "tokens""#)) };
    let n_tags = match &tags {
        None => 0,
        Some(WrittenTags::Names(names)) => names.len(),
        Some(WrittenTags::Numbers(numbers)) => numbers.len(),
    };
    if n_tags != words.len() {
        return Err(object.fault(name, &format!("as many as the words, {}, and not {n_tags}", words.len())));
    }
    let tags = match tags {
        None => Vec::new(),
        Some(WrittenTags::Names(names)) => names,
        Some(WrittenTags::Numbers(numbers)) => return Ok(Labels::TagNumbers(numbers)),
    };
    match tags.iter().find(|tag| !schemes::is_tag(tag)) {
        Some(tag) => Err(object.fault(name, &format!("tags such as `O` or `B-type`, and not {tag:?}"))),
        None => Ok(Labels::Tags(tags)),
    }
}

fn of_words(
    object: &Object<'_>,
    name: &str,
    written: Vec<Written>,
    words: &[String],
    text: Option<&str>,
) -> Result<Labels, Fault> {
    // Without a text they count characters of the words joined by single spaces.
    let joined = words.join(" ");
    let located = locate(words, text.unwrap_or(&joined)).ok();
    let places: Option<Vec<Range<usize>>> = located.map(|words| words.into_iter().map(|word| word.chars).collect());
    let mut entities = Vec::new();
    for entity in written {
        let Parts { chars, words: range, text: mention, label } = entity.parts();
        let Range { start, end } = match (range, &chars, &places) {
            (Some(range), _, _) => range,
            (None, Some(range), Some(places)) => whole_words(range, places)
                .ok_or_else(|| object.fault(name, &format!("entities of whole words, and not {range:?}")))?,
            (None, Some(_), None) => return Err(object.fault("text", "the words and white space between them")),
            (None, None, _) => return Err(object.fault(name, FORMS)),
        };
        if start >= end || end > words.len() {
            let what = format!("entities within the {} words, and not {start}..{end}", words.len());
            return Err(object.fault(name, &what));
        }
        if words[start..end].iter().all(String::is_empty) {
            return Err(object.fault(name, &format!("entities that are not empty, and not words {start}..{end}")));
        }
        if let (Some(text), Some(places)) = (text, &places) {
            let own = places[start].start..places[end - 1].end;
            if let Some(chars) = chars.filter(|chars| *chars != own) {
                let what =
                    format!("consistent: the words {start}..{end} are the characters {own:?}, and not {chars:?}");
                return Err(object.fault(name, &what));
            }
            check_mention(object, name, mention.as_deref(), text, &own)?;
        }
        entities.push(Entity::new(start, end, label));
    }
    entities.sort();
    Ok(Labels::Entities(entities))
}

/// An entity that says its text has the one of its place.
fn check_mention(
    object: &Object<'_>,
    name: &str,
    mention: Option<&str>,
    text: &str,
    chars: &Range<usize>,
) -> Result<(), Fault> {
    let own = || text.chars().skip(chars.start).take(chars.len());
    match mention.filter(|mention| !own().eq(mention.chars())) {
        Some(mention) => {
            let own: String = own().collect();
            Err(object.fault(name, &format!("consistent: the characters {chars:?} are {own:?}, and not {mention:?}")))
        }
        None => Ok(()),
    }
}

fn of_text(object: &Object<'_>, name: &str, written: Vec<Written>, text: &str) -> Result<Labels, Fault> {
    let length = text.chars().count();
    let mut entities = Vec::new();
    for entity in written {
        let Parts { chars: Some(chars), text: mention, label, .. } = entity.parts() else {
            return Err(object.fault(name, "in characters of the text, since there are no words"));
        };
        let Range { start, end } = chars;
        if start >= end || end > length {
            let what = format!("entities within the {length} characters, and not {start}..{end}");
            return Err(object.fault(name, &what));
        }
        check_mention(object, name, mention.as_deref(), text, &chars)?;
        entities.push(TextEntity { start, end, label });
    }
    entities.sort();
    Ok(Labels::TextEntities(entities))
}

/// The words that a range of characters covers.
fn whole_words(range: &Range<usize>, places: &[Range<usize>]) -> Option<Range<usize>> {
    let first = places.iter().position(|place| place.start == range.start)?;
    let last = places.iter().position(|place| place.end == range.end)?;
    Some(first..last + 1)
}
