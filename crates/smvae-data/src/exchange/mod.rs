//! What people labelled, out of the tools they label with: spans of characters to entities of
//! words.
//!
//! | [`Tool`] | files | offsets | no labels |
//! |---|---|---|---|
//! | Label Studio | JSON and JSON_MIN exports | UTF-16 units, or characters: whichever gives the span's own text | a task without a submitted annotation |
//! | doccano | JSON lines of any version, but for those that name labels by number | characters | - |
//! | Prodigy | JSON lines of `db-out` | characters | an answer that is not `accept` |
//!
//! ```text
//! file --read--> Annotated (text, spans) --fit--> Fitted (words, entities) and Misfit
//! ```
//! [`read`] tells the tool by the file's content. [`fit`](fit::fit) splits the text into words and
//! says which spans are not of whole words, or overlap: a [`Misfit`](fit::Misfit) is never moved
//! or dropped in silence. A post whose labels are an empty list has no entities; one that nobody
//! labelled has no labels.
//!
//! ```
//! use smvae_data::exchange::{State, Tool, fit::{Misfits, fit}, read_bytes};
//! use smvae_data::words::WordConvention;
//! let export = r#"[{"id": 7, "data": {"text": "🎉 in Oslo"}, "annotations": [{"result": [{"type": "labels",
//!     "value": {"start": 6, "end": 10, "text": "Oslo", "labels": ["LOC"]}}]}]}]"#;
//! let read = read_bytes(export.as_bytes(), "export.json")?;
//! assert_eq!(read.tool, Tool::LabelStudio);
//! let fitted = fit(&read.posts[0], &WordConvention::default(), Misfits::Refuse);
//! assert_eq!(fitted.entities[0].label, "LOC");
//! assert!(fitted.misfits.is_empty());
//! # Ok::<(), smvae_data::Error>(())
//! ```

mod doccano;
pub mod fit;
mod label_studio;
mod post;
mod prodigy;
#[cfg(test)]
mod tests;

pub use post::{Annotated, State};

use crate::{Result, files};
use post::{Fault, Object, shown};
use serde_json::Value;
use std::path::Path;

/// A program that people label with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// Label Studio.
    LabelStudio,
    /// doccano.
    Doccano,
    /// Prodigy.
    Prodigy,
}

impl Tool {
    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LabelStudio => "Label Studio",
            Self::Doccano => "doccano",
            Self::Prodigy => "Prodigy",
        }
    }
}

/// A file of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The tool it is of.
    pub tool: Tool,
    /// Its posts, in order.
    pub posts: Vec<Annotated>,
    /// Lines or places of posts that several people labelled. The annotation that is marked as
    /// ground truth counts, else the last.
    pub several: Vec<usize>,
}

/// Reads a file of a tool.
///
/// # Errors
/// [`Error::Read`](crate::Error::Read); those of [`read_bytes`].
pub fn read(path: impl AsRef<Path>) -> Result<Export> {
    let path = path.as_ref();
    read_bytes(&files::read(path)?, path)
}

/// Reads the content of such a file; `path` is what errors call it.
///
/// # Errors
/// [`Error::Line`](crate::Error::Line) for what is no JSON, for an object that is no post of a
/// tool, or for a span that does not lie in its text; the line is the place in an array.
pub fn read_bytes(bytes: &[u8], path: impl AsRef<Path>) -> Result<Export> {
    let path = path.as_ref();
    let objects = objects(bytes, path)?;
    if objects.is_empty() {
        return Err(Fault::new("at least one post", "").of(path, 1));
    }
    let first = objects.first().map(|(_, object)| object);
    let tool = first.and_then(tool_of).ok_or_else(|| {
        let (line, text) = objects.first().map_or((1, String::new()), |(line, object)| (*line, shown(object)));
        let expected = "an export of Label Studio (\"data\" and \"annotations\", or \"text\" and \"label\"), doccano \
                        (\"text\" and \"label\") or Prodigy (\"text\" and \"spans\")";
        Fault::new(expected, text).of(path, line)
    })?;
    let mut several = Vec::new();
    let mut posts = Vec::with_capacity(objects.len());
    for (line, object) in objects {
        let read = match tool {
            Tool::LabelStudio => label_studio::post(&object),
            Tool::Doccano => doccano::post(&object).map(|post| (post, false)),
            Tool::Prodigy => prodigy::post(&object).map(|post| (post, false)),
        };
        let (post, is_several) = read.map_err(|fault| fault.of(path, line))?;
        several.extend(is_several.then_some(line));
        posts.push(Annotated { line, ..post });
    }
    Ok(Export { tool, posts, several })
}

/// The objects of an array or of lines, with their place.
fn objects(bytes: &[u8], path: &Path) -> Result<Vec<(usize, Object)>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if !bytes.trim_ascii_start().starts_with(b"[") {
        let lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        let object = |(i, line): (usize, &[u8])| {
            let read = serde_json::from_slice(line).map(|object| (i + 1, object));
            read.map_err(|error| {
                let text = String::from_utf8_lossy(line).into_owned();
                Fault::new(format!("a JSON object ({error})"), text).of(path, i + 1)
            })
        };
        return lines.map(object).collect();
    }
    let all: Vec<Object> = serde_json::from_slice(bytes).map_err(|error| {
        Fault::new(format!("an array of JSON objects ({error})"), String::new()).of(path, error.line())
    })?;
    Ok(all.into_iter().enumerate().map(|(i, object)| (i + 1, object)).collect())
}

/// The tool that an object is of.
fn tool_of(object: &Object) -> Option<Tool> {
    let has = |name| object.contains_key(name);
    let spans = |name| object.get(name).and_then(Value::as_array).and_then(|spans| spans.first());
    let is_of_label_studio = |span: &Value| span.get("labels").is_some();
    // What `smvae suggest` wrote nobody has labelled yet.
    if has("suggested") {
        return None;
    }
    if object.get("data").is_some_and(Value::is_object) {
        return Some(Tool::LabelStudio);
    }
    if has("annotation_id")
        || has("annotator")
        || ["label", "labels"].into_iter().filter_map(spans).any(is_of_label_studio)
    {
        return Some(Tool::LabelStudio);
    }
    if has("text") && (has("_task_hash") || has("answer") || has("spans")) {
        return Some(Tool::Prodigy);
    }
    let is_doccano = (has("text") || has("data"))
        && ["label", "labels", "entities", "annotations"]
            .into_iter()
            .any(|name| object.get(name).is_some_and(Value::is_array));
    is_doccano.then_some(Tool::Doccano)
}
