//! What people labelled, out of the tools they label with: spans of characters to entities of
//! words.
//!
//! | [`Tool`] | files | offsets | no labels |
//! |---|---|---|---|
//! | Label Studio | JSON and JSON_MIN exports | UTF-16 units, or characters: whichever gives the span's own text | a task without a submitted annotation |
//! | doccano | JSON lines of any version, but for those that name labels by number | characters | a line of `smvae suggest` |
//! | Prodigy | JSON lines of `db-out` | characters | an answer that is not `accept` |
//! | spaCy | `Doc.to_json`, in lines or an array | characters | a document without `ents` |
//!
//! ```text
//! file --read--> Annotated (text, spans) --fit--> Fitted (words, entities) and Misfit
//! ```
//! [`read`] tells the tool by the file's content. [`fit`](fit::fit) splits the text into words and
//! says which spans are not of whole words, or overlap: a [`Misfit`](fit::Misfit) is never moved
//! or dropped in silence, nor is a span that cannot be read ([`Odd`]). A post whose labels are an
//! empty list has no entities; one that nobody labelled has no labels. [`labelled`] goes the other
//! way: the posts of a corpus, for [`formats::write`](crate::formats::write) to write as tools have
//! them.
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
pub mod labelled;
mod post;
mod prodigy;
#[cfg(test)]
mod round_trips;
mod spacy;
#[cfg(test)]
mod tests;

pub use post::{Annotated, Odd, State};

use crate::formats::foreign;
use crate::formats::lines::UTF_8;
use crate::{Error, Result, files};
use post::{Fault, Object, shown};
use serde_json::Value;
use std::io::{self, ErrorKind};
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
    /// spaCy's documents.
    Spacy,
}

impl Tool {
    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LabelStudio => "Label Studio",
            Self::Doccano => "doccano",
            Self::Prodigy => "Prodigy",
            Self::Spacy => "spaCy",
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
    /// ground truth counts, else the newest.
    pub several: Vec<usize>,
    /// Label Studio: the field of a task that is its text, where it is not `text` and nobody named
    /// it.
    pub text_field: Option<String>,
}

/// How a file of a tool is read. The default tells everything from its content.
#[derive(Clone, Debug, Default)]
pub struct ReadSettings {
    /// Label Studio: the field of a task's `data` that is its text. `None` means `text`, or the one
    /// field that may be it.
    pub text_field: Option<String>,
}

/// Reads a file of a tool.
///
/// # Errors
/// [`Error::Read`]; those of [`read_bytes`].
pub fn read(path: impl AsRef<Path>) -> Result<Export> {
    read_with(path, &ReadSettings::default())
}

/// The same as `settings` say.
///
/// # Errors
/// [`Error::Read`]; those of [`read_bytes`].
pub fn read_with(path: impl AsRef<Path>, settings: &ReadSettings) -> Result<Export> {
    let path = path.as_ref();
    read_bytes_with(&files::read(path)?, path, settings)
}

/// Reads the content of such a file; `path` is what errors call it.
///
/// # Errors
/// [`Error::Line`] for what is no JSON, for an object that is no post of a
/// tool, and for Label Studio's CoNLL export; [`Error::Labelled`] for the posts of a corpus;
/// [`Error::TextField`] where several fields may be the text; [`Error::Read`] for what is no text,
/// such as a workbook. The line is the place in an array. A span that cannot be read is no error,
/// but [`Annotated::odd`].
pub fn read_bytes(bytes: &[u8], path: impl AsRef<Path>) -> Result<Export> {
    read_bytes_with(bytes, path, &ReadSettings::default())
}

/// The same as `settings` say.
///
/// # Errors
/// Those of [`read_bytes`].
pub fn read_bytes_with(bytes: &[u8], path: impl AsRef<Path>, settings: &ReadSettings) -> Result<Export> {
    let path = path.as_ref();
    if let Some(what) = foreign(bytes) {
        return Err(Error::Read { path: path.to_owned(), source: io::Error::new(ErrorKind::InvalidData, what) });
    }
    if label_studio::is_conll(bytes) {
        let expected = "Label Studio's JSON export: its CoNLL export splits the text anew and loses labels";
        return Err(Fault::new(expected, "-DOCSTART- -X- O").of(path, 1));
    }
    let objects = objects(bytes, path)?;
    if objects.is_empty() {
        return Err(Fault::new("at least one post", "").of(path, 1));
    }
    let first = objects.first().map(|(_, object)| object);
    if first.is_some_and(is_of_corpus) {
        return Err(Error::Labelled { path: path.to_owned() });
    }
    let tool = first.and_then(tool_of).ok_or_else(|| {
        let (line, text) = objects.first().map_or((1, String::new()), |(line, object)| (*line, shown(object)));
        let expected = "an export of Label Studio (\"data\" and \"annotations\", or \"text\" and \"label\"), doccano \
                        (\"text\" and \"label\"), Prodigy (\"text\" and \"spans\") or spaCy (\"text\" and \"ents\")";
        Fault::new(expected, text).of(path, line)
    })?;
    let text_field = match (tool, &settings.text_field, objects.first()) {
        (Tool::LabelStudio, None, Some((line, task))) => text_field(task, path, *line)?,
        (_, asked, _) => asked.clone().unwrap_or_else(|| "text".to_owned()),
    };
    let (objects, mut several) = match tool {
        Tool::LabelStudio => label_studio::newest(objects, &text_field),
        _ => (objects, Vec::new()),
    };
    let mut posts = Vec::with_capacity(objects.len());
    for (line, object) in objects {
        let read = match tool {
            Tool::LabelStudio => label_studio::post(&object, &text_field),
            Tool::Spacy => spacy::post(&object).map(|post| (post, false)),
            Tool::Doccano => doccano::post(&object).map(|post| (post, false)),
            Tool::Prodigy => prodigy::post(&object).map(|post| (post, false)),
        };
        let (post, is_several) = read.map_err(|fault| fault.of(path, line))?;
        several.extend(is_several.then_some(line));
        posts.push(Annotated { line, ..post });
    }
    let is_guessed = settings.text_field.is_none() && text_field != "text";
    Ok(Export { tool, posts, several, text_field: is_guessed.then_some(text_field) })
}

/// The field of a task that is its text.
fn text_field(task: &Object, path: &Path, line: usize) -> Result<String> {
    match label_studio::text_fields(task).as_slice() {
        [] => Err(Fault::new("\"text\" to be a string", shown(task)).of(path, line)),
        [field] => Ok((*field).to_owned()),
        fields => {
            let fields = fields.iter().map(|field| (*field).to_owned()).collect();
            Err(Error::TextField { path: path.to_owned(), line, fields })
        }
    }
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
                Fault::new(expected(line, format!("a JSON object ({error})")), text).of(path, i + 1)
            })
        };
        return lines.map(object).collect();
    }
    let all: Vec<Object> = serde_json::from_slice(bytes).map_err(|error| {
        let array = format!("an array of JSON objects ({error})");
        Fault::new(expected(bytes, array), String::new()).of(path, error.line())
    })?;
    Ok(all.into_iter().enumerate().map(|(i, object)| (i + 1, object)).collect())
}

/// What is expected of bytes that are no JSON, which may be since they are no text.
fn expected(bytes: &[u8], json: String) -> String {
    if std::str::from_utf8(bytes).is_ok() { json } else { UTF_8.to_owned() }
}

/// Whether an object is a post of a corpus, as `smvae import` and `smvae predict` write it: words
/// with labels. What a tool has added its own labels to is not.
fn is_of_corpus(object: &Object) -> bool {
    const OF_TOOLS: [&str; 11] = [
        "data",
        "label",
        "labels",
        "annotations",
        "annotation_id",
        "answer",
        "suggested",
        "ents",
        "spans",
        "relations",
        "Comments",
    ];
    let list = |name: &str| object.get(name).and_then(Value::as_array);
    let has_words = ["words", "tokens"].into_iter().filter_map(list).any(|words| words.iter().all(Value::is_string));
    let has_labels = ["entities", "tags", "ner_tags"].into_iter().any(|name| list(name).is_some());
    // Entities of characters are doccano's.
    let of_doccano = |entity: &Value| entity.get("start_offset").is_some();
    let is_of_tool = OF_TOOLS.iter().any(|name| object.contains_key(*name))
        || list("entities").is_some_and(|entities| entities.iter().any(of_doccano));
    has_words && has_labels && !is_of_tool
}

/// The tool that an object is of.
fn tool_of(object: &Object) -> Option<Tool> {
    let has = |name| object.contains_key(name);
    let spans = |name| object.get(name).and_then(Value::as_array).and_then(|spans| spans.first());
    let is_of_label_studio = |span: &Value| span.get("labels").is_some();
    let has_list = |name| object.get(name).is_some_and(Value::is_array);
    // What a tool has done with a post counts before whatever the post came with.
    if has("text") && (has("_task_hash") || object.get("answer").is_some_and(prodigy::is_answer)) {
        return Some(Tool::Prodigy);
    }
    // What `smvae suggest` wrote nobody has labelled yet.
    if has("suggested") && !has_list("label") && !has("annotation_id") && !has("annotator") {
        return None;
    }
    if object.get("data").is_some_and(Value::is_object) {
        return Some(Tool::LabelStudio);
    }
    if spacy::is_document(object) {
        return Some(Tool::Spacy);
    }
    if has("annotation_id")
        || has("annotator")
        || ["label", "labels"].into_iter().filter_map(spans).any(is_of_label_studio)
    {
        return Some(Tool::LabelStudio);
    }
    if has("text") && (has("answer") || has("spans")) {
        return Some(Tool::Prodigy);
    }
    let is_doccano =
        (has("text") || has("data")) && ["label", "labels", "entities", "annotations"].into_iter().any(has_list);
    is_doccano.then_some(Tool::Doccano)
}
