//! Posts in the columns of Arrow: IPC streams and, with the feature `parquet`, Parquet files.
//!
//! | columns | types |
//! |---|---|
//! | `text` | strings, of any layout, or a dictionary of them |
//! | `words` or `tokens` | lists of strings |
//! | `id` | strings, numbers or booleans |
//! | `image_id` or `image` | strings (an empty one is no image) or numbers; or a struct with `path`, as Hugging Face `datasets` has it |
//! | `tags` or `ner_tags` | lists of strings; or lists of integers, if the metadata of Hugging Face `datasets` names them |
//! | `entities`, `spans`, `label`, `labels` | lists of structs, with fields as in [`json`] |
//!
//! Ids and images that are whole floating-point numbers are read as integers. From 2^53 on
//! (Float32: 2^24) such numbers have been rounded, and are an error of their row.
//!
//! A row is read as the JSON object of its cells would be, so that names, `null` and faults are the
//! same ([`json`]); its line is its number, from 1. Other columns whose cells JSON can
//! say (numbers, strings, booleans, and lists and structs of these) are kept in
//! [`PostRecord::fields`]; all others are left unread. One record batch is in memory at a time.
//! What a damaged file does to the crates that read it, panics included, is an [`Error::Read`] that
//! ends the posts; so is a string that is not UTF-8, since these crates hand out no batch that has
//! one. It names the last row before the batch, and the columns that are read.

mod cells;
mod classes;
#[cfg(feature = "parquet")]
pub(super) mod parquet;
pub(super) mod stream;

#[cfg(test)]
mod tests;

use super::fields::Fields;
use super::json;
use super::lines::Fault;
use super::names;
use super::post::{LabelUse, PostRecord};
use crate::{Error, Result};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, Schema};
use std::path::{Path, PathBuf};

/// Streams the rows of record batches as posts.
#[derive(Debug)]
pub struct BatchReader<B> {
    batches: B,
    path: PathBuf,
    columns: Vec<Column>,
    labels: LabelUse,
    batch: Option<RecordBatch>,
    /// The next row of the batch.
    row: usize,
    /// Rows read so far.
    line: usize,
    is_finished: bool,
}

/// A column that is read.
#[derive(Debug)]
struct Column {
    index: usize,
    name: String,
    form: Form,
}

/// What is made of a cell.
#[derive(Debug)]
enum Form {
    /// JSON, as it is.
    Plain,
    /// A number, which is an integer if it is whole.
    Number,
    /// A string, of such a number.
    Digits,
    /// The `path` of a struct, which is this one of its fields.
    Path(usize),
    /// Names, of a list of numbers.
    Names(Vec<String>),
}

impl<B: Iterator<Item = Result<RecordBatch, ArrowError>>> BatchReader<B> {
    /// Reads the batches of this schema; `path` is the name that errors show.
    ///
    /// # Errors
    /// [`Error::Columns`] for a schema without text or words, or with one of another type.
    fn new(batches: B, schema: &Schema, path: PathBuf, labels: LabelUse) -> Result<Self> {
        let columns =
            columns(schema, labels).map_err(|(expected, got)| Error::Columns { path: path.clone(), expected, got })?;
        Ok(Self { batches, path, columns, labels, batch: None, row: 0, line: 0, is_finished: false })
    }

    fn advance(&mut self) -> Result<Option<PostRecord>> {
        loop {
            if let Some(batch) = self.batch.as_ref().filter(|batch| self.row < batch.num_rows()) {
                self.line += 1;
                self.row += 1;
                let (row, columns, line) = (self.row - 1, &self.columns, self.line);
                let fields = guarded(&self.path, || fields_of(batch, row, line, columns))?;
                let post = fields.and_then(|fields| json::post_of_fields(line, fields, self.labels));
                return post.map(Some).map_err(|fault: Fault| fault.of(&self.path));
            }
            let (batches, rows) = (&mut self.batches, self.line);
            let next = || batches.next().transpose().map_err(|error| after_rows(error, rows, &self.columns));
            self.batch = guarded(&self.path, next)?;
            self.row = 0;
            if self.batch.is_none() {
                return Ok(None);
            }
        }
    }
}

impl<B: Iterator<Item = Result<RecordBatch, ArrowError>>> Iterator for BatchReader<B> {
    type Item = Result<PostRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_finished {
            return None;
        }
        let post = self.advance().transpose();
        self.is_finished = !matches!(post, Some(Ok(_) | Err(Error::Line { .. })));
        post
    }
}

/// The one door to what reads files from elsewhere: a panic behind it is an error, and prints
/// nothing.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T> {
    let damaged = |_| Err(ArrowError::ParseError("the file is damaged".to_owned()));
    let result = smvae_core::quiet::catch(read).unwrap_or_else(damaged);
    result.map_err(|error| {
        let source = match error {
            ArrowError::IoError(_, source) => source,
            other => std::io::Error::other(other),
        };
        Error::Read { path: path.to_owned(), source }
    })
}

/// The error of a batch with its place, as far as it is known: the batches come whole or not at
/// all.
fn after_rows(error: ArrowError, rows: usize, columns: &[Column]) -> ArrowError {
    let error = match error {
        // Of the input, and of no column.
        ArrowError::IoError(..) => return error,
        other => other.to_string(),
    };
    let names = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    let what = format!("the rows after row {rows} cannot be read in one of the columns {names}: {error}");
    ArrowError::IoError(what.clone(), std::io::Error::other(what))
}

/// The cells of a row, which is this line, or what is wrong with one of them.
fn fields_of(
    batch: &RecordBatch,
    row: usize,
    line: usize,
    columns: &[Column],
) -> Result<Result<Fields, Fault>, ArrowError> {
    let mut fields = Fields::default();
    let mut fault = None;
    for Column { index, name, form } in columns {
        let cells = batch.column(*index);
        let mut json = String::new();
        match form {
            Form::Plain => cells::write_json(cells, row, &mut json),
            Form::Path(field) if !cells.is_null(row) => match cells.as_any().downcast_ref() {
                Some(cells) => cells::write_json(arrow_array::StructArray::column(cells, *field), row, &mut json),
                None => json.push_str("null"),
            },
            Form::Path(_) => json.push_str("null"),
            Form::Number | Form::Digits => match cells::write_id(cells, row, &mut json) {
                // Not-a-number is none.
                Ok(()) if matches!(form, Form::Digits) && json != "null" => json = format!("\"{json}\""),
                Ok(()) => (),
                Err(bits) => {
                    let why = "floating point has rounded it: convert the column to strings or int64";
                    let expected = format!("{name:?} to be a number below 2^{bits} ({why})");
                    fault = fault.or(Some(Fault::new(line, json.as_bytes(), expected)));
                    json = "null".to_owned();
                }
            },
            Form::Names(names) => {
                cells::write_json(cells, row, &mut json);
                json = classes::named(&json, names).unwrap_or(json);
            }
        }
        fields.push_json(name, json).map_err(|error| ArrowError::ParseError(error.to_string()))?;
    }
    Ok(match fault {
        Some(fault) => Err(fault.with_id(fields.first_of(names::ID))),
        None => Ok(fields),
    })
}

/// The columns of a schema that are read, or what was expected and what is there.
fn columns(schema: &Schema, labels: LabelUse) -> Result<Vec<Column>, (String, String)> {
    let mut columns = Vec::new();
    let mut has_body = false;
    for (index, field) in schema.fields().iter().enumerate() {
        let (name, kind) = (field.name().as_str(), field.data_type());
        let is = |wanted: &[&str]| wanted.contains(&name);
        let is_number = |kind: &DataType| kind.is_integer() || cells::is_float(kind);
        let is_label = is(names::TAGS) || is(names::ENTITIES);
        let expected = if is(names::TEXT) && !cells::is_text(kind) {
            "strings"
        } else if is(names::WORDS) && !cells::is_list(kind, cells::is_text) {
            "lists of strings"
        } else if is(names::ID) && !(cells::is_text(kind) || is_number(kind) || *kind == DataType::Boolean) {
            "strings, numbers or booleans (convert it, or give it another name)"
        } else {
            ""
        };
        // A column that is `null` everywhere has no type.
        if !expected.is_empty() && *kind != DataType::Null {
            return Err((format!("the column `{name}` to hold {expected}"), kind.to_string()));
        }
        has_body |= is(names::TEXT) || is(names::WORDS);
        let form = match kind {
            _ if is_label && labels == LabelUse::Ignored => continue,
            DataType::Struct(fields) if is(names::IMAGE) => match fields.find("path") {
                Some((path, field)) if cells::is_text(field.data_type()) => Form::Path(path),
                _ => continue,
            },
            kind if is(names::IMAGE) && is_number(kind) => Form::Digits,
            kind if is(names::IMAGE) && !cells::is_text(kind) => continue,
            kind if is(names::TAGS) && cells::is_list(kind, DataType::is_integer) => {
                classes::of_schema(schema, name).map_or(Form::Plain, Form::Names)
            }
            kind if is(names::ID) && cells::is_float(kind) => Form::Number,
            kind if cells::is_readable(kind) => Form::Plain,
            _ => continue,
        };
        columns.push(Column { index, name: name.to_owned(), form });
    }
    if has_body {
        return Ok(columns);
    }
    let got = schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type()));
    Err(("a column `text`, `words` or `tokens`".to_owned(), got.collect::<Vec<_>>().join(", ")))
}
