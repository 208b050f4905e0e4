//! One row per post: an Arrow IPC stream or, with the feature `parquet`, a Parquet file.
//!
//! ```text
//! id: string?  image: string?  text: string?  words: list<string>
//! entities: list<struct<start: int64, end: int64, text: string, label: string, score: float, words: list<int64>>>
//! words_cut: int64  image_missing: bool  error: string?
//! ```
//! The names and units are those of the wire form: characters `[start, end)`, words `[from, to]`,
//! half-open. Lists are plain, and integers wide, since that is what Spark, DuckDB and pandas read
//! without a cast. A row that is no post has its `error`, no text, no words and no entities.
//! `candidates`, of the type of `entities`, follows them where it is asked for.

use super::found::{FailedPost, FoundEntity, FoundPost, WriteSettings};
use crate::{Error, Result};
use arrow_array::builder::{BooleanBuilder, Float32Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, ListArray, RecordBatch, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use std::io::{self, Write};
use std::sync::Arc;

/// Rows of a record batch, at most.
const BATCH_ROWS: usize = 1024;
/// Bytes of text after which a record batch ends: the offsets of its columns have 32 bits.
const BATCH_BYTES: usize = 64 << 20;

/// Writes rows in record batches.
pub(super) struct ColumnWriter<W: Write + Send> {
    file: File<W>,
    schema: SchemaRef,
    rows: Rows,
}

/// Where record batches go.
enum File<W: Write + Send> {
    Stream(Box<StreamWriter<W>>),
    #[cfg(feature = "parquet")]
    Parquet(Box<parquet::arrow::ArrowWriter<W>>),
}

impl<W: Write + Send> ColumnWriter<W> {
    /// Begins an Arrow IPC stream: its schema is written.
    pub(super) fn stream(out: W, settings: &WriteSettings) -> Result<Self> {
        let schema = schema(settings);
        let file = File::Stream(Box::new(StreamWriter::try_new(out, &schema).map_err(began)?));
        Ok(Self { file, schema, rows: Rows::new(settings) })
    }

    /// Begins a Parquet file, compressed with snappy, which everything reads.
    #[cfg(feature = "parquet")]
    pub(super) fn parquet(out: W, settings: &WriteSettings) -> Result<Self> {
        use parquet::basic::Compression;
        use parquet::file::properties::WriterProperties;
        // A row group is in memory until it is complete.
        let properties =
            WriterProperties::builder().set_compression(Compression::SNAPPY).set_max_row_group_row_count(Some(65_536));
        let schema = schema(settings);
        let writer = parquet::arrow::ArrowWriter::try_new(out, schema.clone(), Some(properties.build()));
        let writer = writer.map_err(|error| began(error.into()))?;
        Ok(Self { file: File::Parquet(Box::new(writer)), schema, rows: Rows::new(settings) })
    }

    /// Adds a row.
    pub(super) fn post(&mut self, post: &FoundPost<'_>) -> io::Result<()> {
        self.rows.post(post);
        if self.rows.are_enough() { self.write_batch() } else { Ok(()) }
    }

    /// Adds the row of a failure.
    pub(super) fn failure(&mut self, failed: &FailedPost<'_>) -> io::Result<()> {
        self.rows.failure(failed);
        if self.rows.are_enough() { self.write_batch() } else { Ok(()) }
    }

    fn write_batch(&mut self) -> io::Result<()> {
        if self.rows.n == 0 {
            return Ok(());
        }
        let batch = RecordBatch::try_new(self.schema.clone(), self.rows.take()).map_err(written)?;
        match &mut self.file {
            File::Stream(writer) => writer.write(&batch).map_err(written),
            #[cfg(feature = "parquet")]
            File::Parquet(writer) => writer.write(&batch).map_err(|error| written(error.into())),
        }
    }

    /// Hands on what there is: in a stream, all rows so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        #[cfg(feature = "parquet")]
        if matches!(self.file, File::Parquet(_)) {
            return Ok(());
        }
        self.write_batch()?;
        match &mut self.file {
            File::Stream(writer) => writer.flush().map_err(written),
            #[cfg(feature = "parquet")]
            File::Parquet(_) => Ok(()),
        }
    }

    /// Writes the end.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_batch()?;
        match self.file {
            File::Stream(mut writer) => {
                writer.finish().and_then(|()| writer.flush()).and_then(|()| writer.into_inner()).map_err(written)
            }
            #[cfg(feature = "parquet")]
            File::Parquet(writer) => writer.into_inner().map_err(|error| written(error.into())),
        }
    }
}

/// The error of an output that is being written.
fn written(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, source) => source,
        other => io::Error::other(other),
    }
}

/// The error of an output that could not be begun.
fn began(error: ArrowError) -> Error {
    Error::Output { source: written(error) }
}

fn schema(settings: &WriteSettings) -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let list = |name, element| Field::new_list(name, element, false);
    let mut fields = vec![
        text("id"),
        text("image"),
        text("text"),
        list("words", element(DataType::Utf8)),
        list("entities", element(DataType::Struct(entity_fields()))),
    ];
    if settings.has_candidates {
        fields.push(list("candidates", element(DataType::Struct(entity_fields()))));
    }
    fields.extend([
        Field::new("words_cut", DataType::Int64, false),
        Field::new("image_missing", DataType::Boolean, false),
        text("error"),
    ]);
    Arc::new(Schema::new(fields))
}

/// The element of a list, under the name that Parquet's definition gives it.
fn element(kind: DataType) -> FieldRef {
    Arc::new(Field::new("element", kind, false))
}

fn entity_fields() -> Fields {
    let field = |name, kind| Field::new(name, kind, false);
    [
        field("start", DataType::Int64),
        field("end", DataType::Int64),
        field("text", DataType::Utf8),
        field("label", DataType::Utf8),
        field("score", DataType::Float32),
        Field::new_list("words", element(DataType::Int64), false),
    ]
    .into_iter()
    .collect()
}

/// The rows that wait for their record batch, column by column.
#[derive(Debug)]
struct Rows {
    n: usize,
    /// Bytes of text in all columns.
    bytes: usize,
    id: StringBuilder,
    image: StringBuilder,
    text: StringBuilder,
    words: StringBuilder,
    n_words: Vec<usize>,
    entities: Entities,
    candidates: Option<Entities>,
    words_cut: Int64Builder,
    image_missing: BooleanBuilder,
    error: StringBuilder,
}

impl Rows {
    fn new(settings: &WriteSettings) -> Self {
        Self {
            n: 0,
            bytes: 0,
            id: StringBuilder::new(),
            image: StringBuilder::new(),
            text: StringBuilder::new(),
            words: StringBuilder::new(),
            n_words: Vec::new(),
            entities: Entities::default(),
            candidates: settings.has_candidates.then(Entities::default),
            words_cut: Int64Builder::new(),
            image_missing: BooleanBuilder::new(),
            error: StringBuilder::new(),
        }
    }

    /// Whether it is time for the record batch.
    fn are_enough(&self) -> bool {
        self.n >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn post(&mut self, post: &FoundPost<'_>) {
        self.n += 1;
        let entities = post.entities.iter().chain(post.candidates.iter().flatten());
        self.bytes += post.text.len() + entities.map(|entity| entity.text.len() + entity.label.len()).sum::<usize>();
        self.bytes += post.words.iter().map(String::len).sum::<usize>();
        self.bytes += [post.id, post.image].into_iter().flatten().map(str::len).sum::<usize>();
        self.id.append_option(post.id);
        self.image.append_option(post.image);
        self.text.append_value(post.text);
        post.words.iter().for_each(|word| self.words.append_value(word));
        self.n_words.push(post.words.len());
        self.entities.row(&post.entities);
        if let Some(candidates) = &mut self.candidates {
            candidates.row(post.candidates.as_deref().unwrap_or_default());
        }
        self.words_cut.append_value(integer(post.words_cut));
        self.image_missing.append_value(post.image_missing);
        self.error.append_null();
    }

    fn failure(&mut self, failed: &FailedPost<'_>) {
        self.n += 1;
        self.bytes += [failed.id, failed.image, Some(failed.error)].into_iter().flatten().map(str::len).sum::<usize>();
        self.id.append_option(failed.id);
        self.image.append_option(failed.image);
        self.text.append_null();
        self.n_words.push(0);
        self.entities.row(&[]);
        if let Some(candidates) = &mut self.candidates {
            candidates.row(&[]);
        }
        self.words_cut.append_value(0);
        self.image_missing.append_value(false);
        self.error.append_value(failed.error);
    }

    /// The columns, which are empty afterwards.
    fn take(&mut self) -> Vec<ArrayRef> {
        (self.n, self.bytes) = (0, 0);
        let lengths = std::mem::take(&mut self.n_words);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.id.finish()),
            Arc::new(self.image.finish()),
            Arc::new(self.text.finish()),
            list(element(DataType::Utf8), lengths, Arc::new(self.words.finish())),
            self.entities.take(),
        ];
        columns.extend(self.candidates.as_mut().map(Entities::take));
        let rest: [ArrayRef; 3] =
            [Arc::new(self.words_cut.finish()), Arc::new(self.image_missing.finish()), Arc::new(self.error.finish())];
        columns.extend(rest);
        columns
    }
}

/// A column of lists of entities.
#[derive(Debug, Default)]
struct Entities {
    lengths: Vec<usize>,
    start: Int64Builder,
    end: Int64Builder,
    text: StringBuilder,
    label: StringBuilder,
    score: Float32Builder,
    words: Int64Builder,
}

impl Entities {
    fn row(&mut self, entities: &[FoundEntity<'_>]) {
        self.lengths.push(entities.len());
        for entity in entities {
            self.start.append_value(integer(entity.chars.start));
            self.end.append_value(integer(entity.chars.end));
            self.text.append_value(entity.text);
            self.label.append_value(entity.label);
            self.score.append_value(entity.score);
            self.words.append_value(integer(entity.words.start));
            self.words.append_value(integer(entity.words.end));
        }
    }

    fn take(&mut self) -> ArrayRef {
        let lengths = std::mem::take(&mut self.lengths);
        let n = lengths.iter().sum();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.start.finish()),
            Arc::new(self.end.finish()),
            Arc::new(self.text.finish()),
            Arc::new(self.label.finish()),
            Arc::new(self.score.finish()),
            list(element(DataType::Int64), vec![2; n], Arc::new(self.words.finish())),
        ];
        let structs = StructArray::new(entity_fields(), columns, None);
        list(element(DataType::Struct(entity_fields())), lengths, Arc::new(structs))
    }
}

fn list(element: FieldRef, lengths: Vec<usize>, values: ArrayRef) -> ArrayRef {
    Arc::new(ListArray::new(element, OffsetBuffer::from_lengths(lengths), values, None))
}

fn integer(n: usize) -> i64 {
    i64::try_from(n).expect("a position in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_before_its_text_is_too_long_for_offsets() {
        let mut writer = ColumnWriter::stream(io::sink(), &WriteSettings::default()).expect("written to nowhere");
        let text = "a".repeat(BATCH_BYTES / 2);
        let post = FoundPost { text: &text, ..FoundPost::default() };
        for waiting in [1, 0, 1] {
            writer.post(&post).expect("written to nowhere");
            assert_eq!(writer.rows.n, waiting);
        }
        writer.finish().expect("written to nowhere");
    }
}
