//! A post of a tool, and what all tools' objects are read with.

use crate::Error;
use crate::formats::TextEntity;
use serde_json::{Map, Value};
use std::path::Path;

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// A post as a tool has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotated {
    /// The line, or the place in the array, it begins at, from 1.
    pub line: usize,
    /// Its id: that of the post if it came with one, else the tool's.
    pub id: Option<String>,
    /// Id or path of its image, if it came with one.
    pub image: Option<String>,
    /// What its image shows, in words, if it came with that.
    pub caption: Option<String>,
    /// Its text.
    pub text: String,
    /// Whether it was drawn at random for dev, as `smvae suggest --for-dev` marks posts.
    pub for_dev: bool,
    /// What became of it.
    pub state: State,
}

/// What became of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Somebody labelled it; without spans it has no entities.
    Labelled(Vec<TextEntity>),
    /// Nobody labelled it yet.
    Unlabelled,
    /// Somebody passed it over.
    Skipped,
}

/// What is wrong with an object.
#[derive(Debug)]
pub(super) struct Fault {
    expected: String,
    text: String,
}

impl Fault {
    pub(super) fn new(expected: impl Into<String>, text: impl Into<String>) -> Self {
        Self { expected: expected.into(), text: text.into() }
    }

    pub(super) fn of(self, path: &Path, line: usize) -> Error {
        let text = self.text.chars().take(80).collect();
        Error::Line { path: path.to_owned(), line, text, expected: self.expected.into(), id: None }
    }
}

pub(super) fn shown(object: &Object) -> String {
    serde_json::to_string(object).unwrap_or_default()
}

/// A string, or a number as it was written.
pub(super) fn id_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// The field of an object that is a string.
pub(super) fn string(object: &Object, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// The text of a post.
pub(super) fn text(object: &Object, names: &[&str]) -> Result<String, Fault> {
    let text = names.iter().find_map(|name| string(object, name));
    text.ok_or_else(|| Fault::new(format!("{:?} to be a string", names[0]), shown(object)))
}

/// The image of a post, as [`formats`](crate::formats) names it.
pub(super) fn image(object: &Object) -> Option<String> {
    string(object, "image_id").or_else(|| string(object, "image")).filter(|image| !image.is_empty())
}

/// What the image of a post shows.
pub(super) fn caption(object: &Object) -> Option<String> {
    string(object, "caption").filter(|caption| !caption.is_empty())
}

/// Whether a post is marked for dev: some tools keep values as text.
pub(super) fn is_for_dev(object: &Object) -> bool {
    match object.get("for_dev") {
        Some(Value::Bool(mark)) => *mark,
        Some(Value::String(mark)) => mark.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// An offset of a span.
pub(super) fn offset(span: &Value, name: &str) -> Option<usize> {
    usize::try_from(span.get(name)?.as_u64()?).ok()
}

/// A span in characters, if it lies in the text and is not empty.
pub(super) fn span(text: &str, start: Option<usize>, end: Option<usize>, label: &str) -> Result<TextEntity, Fault> {
    let length = text.chars().count();
    match start.zip(end) {
        Some((start, end)) if start < end && end <= length => Ok(TextEntity { start, end, label: label.to_owned() }),
        got => {
            let got = got.map_or("none".to_owned(), |(start, end)| format!("{start}..{end}"));
            Err(Fault::new(format!("spans within the {length} characters, and not {got}"), text))
        }
    }
}
