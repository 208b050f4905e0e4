//! Posts as JSON: one object per line, or the objects of one array.
//!
//! ```text
//! {"text": "Lady Gaga lands", "image": "photos/1.jpg", "id": 7, "entities": [{"start": 0, "end": 9, "label": "PER"}]}
//! {"words": ["Lady", "Gaga", "lands"], "image_id": "1", "tags": ["B-PER", "I-PER", "O"]}
//! ```
//!
//! | fields | what they are |
//! |---|---|
//! | `words` or `tokens` | a list of strings, none empty; where there are words, `text` is not split |
//! | `text` | a string |
//! | `image_id` or `image` | a string or a number; an empty string is no image |
//! | `caption` | a string: what the image shows |
//! | `id` | a string, a number or a boolean |
//! | a number as id or image | as it was written; but `7.0` is `7`, and so on below 2^53 |
//! | `tags`, `ner_tags`, `entities`, `spans`, `label`, `labels` | labels: the first that is there |
//!
//! `null` is as good as no field, and of two names for one thing the first that is there counts.
//! Other fields are nobody's business and are kept ([`PostRecord::fields`]). A line or an object
//! that is no post is an error of its own; blank lines are passed over. Where labels are not read,
//! words that are all white space are no post. One post is in memory at a time.
//!
//! # Labels
//!
//! They come in the forms that tools for labelling and libraries write:
//!
//! ```text
//! "tags" | "ner_tags":  ["B-PER", "I-PER", "O"]                one per word
//!                       [1, 2, 0]                              the same, by numbers
//! "entities" | "spans" | "label" | "labels":
//!     {"start": 0, "end": 9, "label": "PER"}                   characters [0, 9) of the text
//!     {"start_offset": 0, "end_offset": 9, "label": "PER"}     the same, as doccano has it
//!     [0, 9, "PER"]                                            the same, as doccano has it
//!     {"words": [0, 2], "label": "PER"}                        words [0, 2)
//! ```
//!
//! Characters are Unicode scalar values. An object with words and text must have the words in the
//! text, with white space alone between them, and each entity must be of whole words. Without a
//! text they count characters of the words joined by single spaces. Where there are words, an
//! entity's `words` count; where its other fields, `start` and `end` or a `text`, say something
//! else of the post's text, that is an error. Further fields of an entity are not read.

mod array;
mod labels;
mod object;
pub mod write;

#[cfg(test)]
mod tests;

use super::fields::Fields;
use super::lines::{Fault, Lines, UTF_8};
use super::names;
use super::post::{Body, LabelUse, Labels, PostRecord, lacking};
use crate::Result;
use array::Array;
use object::Object;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// How the objects of a file follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One per line.
    Lines,
    /// All in one array.
    Array,
}

/// Streams the posts of a file in JSON.
#[derive(Debug)]
pub struct JsonReader<R> {
    objects: Objects<R>,
    labels: LabelUse,
}

#[derive(Debug)]
enum Objects<R> {
    Lines(Lines<R>),
    Array(Array<R>),
}

impl<R: BufRead> JsonReader<R> {
    /// Reads from any buffered input; `path` is the name that errors show.
    pub fn new(input: R, path: impl Into<PathBuf>, layout: Layout, labels: LabelUse) -> Self {
        let path = path.into();
        let objects = match layout {
            Layout::Lines => Objects::Lines(Lines::new(input, path)),
            Layout::Array => Objects::Array(Array::new(input, path)),
        };
        Self { objects, labels }
    }
}

impl<R: BufRead> Iterator for JsonReader<R> {
    type Item = Result<PostRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { objects, labels } = self;
        match objects {
            Objects::Lines(lines) => loop {
                let post = match lines.next_line().transpose()? {
                    Ok((_, line)) if line.trim_ascii().is_empty() => continue,
                    Ok((number, line)) => post_of(number, line, *labels),
                    Err(error) => return Some(Err(error)),
                };
                return Some(post.map_err(|fault| fault.of(lines.path())));
            },
            Objects::Array(array) => {
                let post = match array.next_object().transpose()? {
                    Ok((number, object)) => post_of(number, object, *labels),
                    Err(error) => return Some(Err(error)),
                };
                Some(post.map_err(|fault| fault.of(array.path())))
            }
        }
    }
}

/// Reads one object that stands alone; errors call it `post`, line 1.
///
/// # Errors
/// [`Error::Line`](crate::Error::Line) for what is no JSON object, or an object that is no post.
pub fn read_post(object: &[u8], labels: LabelUse) -> Result<PostRecord> {
    post_of(1, object, labels).map_err(|fault| fault.of(Path::new("post")))
}

/// Reads one object.
fn post_of(line: usize, object: &[u8], labels: LabelUse) -> Result<PostRecord, Fault> {
    let fields: Fields = serde_json::from_slice(object).map_err(|error| {
        if std::str::from_utf8(object).is_err() {
            return Fault::new(line, object, UTF_8);
        }
        // The line it says is of the object.
        let why = error.to_string().replace(" at line 1 column", " at column");
        Fault::new(line, object, format!("a JSON object ({why})"))
    })?;
    post_of_fields(line, fields, labels)
}

/// The post that these fields are.
pub(super) fn post_of_fields(line: usize, fields: Fields, labels: LabelUse) -> Result<PostRecord, Fault> {
    let object = Object { line, fields: &fields };
    let id = object.id()?;
    match parts_of(&object, labels) {
        Ok((body, image, caption, labels)) => Ok(PostRecord { line, id, body, image, caption, labels, fields }),
        Err(fault) => Err(fault.with_id(fields.first_of(names::ID))),
    }
}

/// What a post has beside its id: its text or words, its image, its caption, its labels.
type Parts = (Body, Option<String>, Option<String>, Option<Labels>);

fn parts_of(object: &Object<'_>, labels: LabelUse) -> Result<Parts, Fault> {
    let words: Option<Vec<String>> = object.first(names::WORDS, "a list of strings")?;
    if let Some(what) = words.as_ref().and_then(|words| lacking(words, labels)) {
        return Err(object.fault(object.first_name(names::WORDS).unwrap_or_default(), &what));
    }
    // Where there are words and labels are not read, the text is passed on as it is, whatever it
    // is.
    let needs_text = words.is_none() || labels != LabelUse::Ignored;
    let text: Option<String> = if needs_text { object.first(names::TEXT, "a string")? } else { None };
    // Programs that make JSON or columns of a table write an empty cell so.
    let image = object.name(names::IMAGE)?.filter(|image| !image.is_empty());
    let caption = object.first(names::CAPTION, "a string")?;
    let labels = match labels {
        LabelUse::Ignored => None,
        LabelUse::IfAny | LabelUse::Required => labels::read(object, words.as_deref(), text.as_deref())?,
    };
    let body = match (words, text) {
        (Some(words), _) => Body::Words(words),
        (None, Some(text)) => Body::Text(text),
        (None, None) => {
            let written = serde_json::to_string(object.fields).unwrap_or_default();
            return Err(Fault::new(object.line, written.as_bytes(), r#"an object with "words", "tokens" or "text""#));
        }
    };
    Ok((body, image, caption, labels))
}
