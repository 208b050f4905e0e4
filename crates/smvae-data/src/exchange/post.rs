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
    /// Spans that have no place in its text, or no label that can be read. They are not among those
    /// of [`State::Labelled`].
    pub odd: Vec<Odd>,
}

/// A span of a tool that cannot be read as one of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd {
    /// The span as the tool wrote it, in JSON, shortened if it is long.
    pub written: String,
    /// What was expected of it.
    pub expected: String,
    /// The one place at which the text has what the span says that it has.
    pub elsewhere: Option<TextEntity>,
    /// Whether that place is taken: [`fit`](super::fit::fit) decides it.
    pub kept: bool,
}

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { written, expected, elsewhere, kept } = self;
        write!(f, "expected {expected}, got {written}")?;
        match elsewhere {
            Some(span) if *kept => write!(f, ": it is moved to characters {}..{}", span.start, span.end),
            Some(span) => write!(f, ": the text has it at characters {}..{}", span.start, span.end),
            None => Ok(()),
        }
    }
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

/// Spans that were read, and those that are odd.
#[derive(Debug, Default)]
pub(super) struct Spans {
    pub(super) entities: Vec<TextEntity>,
    pub(super) odd: Vec<Odd>,
}

impl Spans {
    /// Reads spans one by one.
    pub(super) fn read<'a>(
        written: impl IntoIterator<Item = &'a Value>,
        mut read: impl FnMut(&'a Value) -> Result<TextEntity, Fault>,
    ) -> Self {
        let mut spans = Self::default();
        for written in written {
            match read(written) {
                Ok(entity) => spans.entities.push(entity),
                Err(fault) => spans.odd.push(fault.odd(written)),
            }
        }
        spans
    }
}

/// What is wrong with an object.
#[derive(Debug)]
pub(super) struct Fault {
    expected: String,
    text: String,
    /// Of a span: the one place at which its text stands.
    elsewhere: Option<TextEntity>,
}

impl Fault {
    pub(super) fn new(expected: impl Into<String>, text: impl Into<String>) -> Self {
        Self { expected: expected.into(), text: text.into(), elsewhere: None }
    }

    /// What is kept of a span with this fault.
    fn odd(self, written: &Value) -> Odd {
        let Self { expected, elsewhere, .. } = self;
        Odd { written: excerpt(&written.to_string()), expected, elsewhere, kept: false }
    }

    /// Says where else a span stands.
    pub(super) fn standing_at(self, elsewhere: Option<TextEntity>) -> Self {
        Self { elsewhere, ..self }
    }

    pub(super) fn of(self, path: &Path, line: usize) -> Error {
        let text = excerpt(&self.text);
        Error::Line { path: path.to_owned(), line, text, expected: self.expected.into(), id: None }
    }
}

/// The beginning of a text, for messages.
fn excerpt(text: &str) -> String {
    text.chars().take(120).collect()
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

/// Whether a post is marked for dev: some tools keep values as text. Tools that keep every field of
/// a line have the mark where the JSON lines of `smvae suggest` have it.
pub(super) fn is_for_dev(object: &Object) -> bool {
    let suggested = || object.get("suggested").and_then(Value::as_object)?.get("for_dev");
    match object.get("for_dev").or_else(suggested) {
        Some(Value::Bool(mark)) => *mark,
        Some(Value::String(mark)) => mark.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// An offset of a span.
pub(super) fn offset(span: &Value, name: &str) -> Option<usize> {
    usize::try_from(span.get(name)?.as_u64()?).ok()
}

/// A span that is an object with a label and two offsets of these names, in characters.
pub(super) fn labelled_span(text: &str, written: &Value, [start, end]: [&str; 2]) -> Result<TextEntity, Fault> {
    let label = written.get("label").and_then(Value::as_str);
    let label = label.ok_or_else(|| Fault::new("spans with a label", written.to_string()))?;
    span(text, offset(written, start), offset(written, end), label)
}

/// Refuses a label that no tag can have.
pub(super) fn check_label(label: &str) -> Result<(), Fault> {
    if label.is_empty() || label.trim() != label {
        return Err(Fault::new("spans whose label has text, and no white space at an end", label));
    }
    Ok(())
}

/// A span in characters, if it lies in the text, is not empty and has a label that a corpus can
/// have.
pub(super) fn span(text: &str, start: Option<usize>, end: Option<usize>, label: &str) -> Result<TextEntity, Fault> {
    check_label(label)?;
    let length = text.chars().count();
    match start.zip(end) {
        Some((start, end)) if start < end && end <= length => Ok(TextEntity { start, end, label: label.to_owned() }),
        Some((start, end)) => {
            Err(Fault::new(format!("spans within the {length} characters, and not {start}..{end}"), text))
        }
        None => Err(Fault::new("spans whose start and end are numbers of characters", text)),
    }
}
