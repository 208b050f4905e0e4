//! Posts with what a model found in them, or with a person's labels ([`Author`]), written for other
//! programs.
//!
//! | [`Output`] | what reads it | failed posts |
//! |---|---|---|
//! | `Conll` | our own reader, `conlleval`, seqeval: a word and its tag per line | their words, or a comment |
//! | `Csv` | spreadsheets, our own reader: a row per post | left out |
//! | `HuggingFace` | `datasets`, our own reader: `tokens` and `ner_tags`, a line per post | left out |
//! | `Spacy` | spaCy's `Doc.from_json`: a document per line | left out |
//! | `LabelStudio` | Label Studio's import: an array of tasks with predictions | left out |
//! | `Doccano`, `Prodigy` | their imports: a post per line | left out |
//! | `Arrow`, `Parquet` | Spark, DuckDB, pandas, polars: a row per post | a row with `error` |
//!
//! [`Writer`] takes one post at a time and writes whole lines, rows or record batches. It knows no
//! model: the wire form of `smvae predict`, JSON lines, is `smvae::json`.
//!
//! ```
//! use smvae_data::formats::write::{FoundEntity, FoundPost, Output, WriteSettings, Writer};
//! let words = ["in", "Oslo"].map(str::to_owned);
//! let oslo = FoundEntity { chars: 3..7, text: "Oslo", label: "LOC", score: 0.9, words: 1..2 };
//! let post = FoundPost { line: 1, text: "in Oslo", words: &words, places: &[0..2, 3..7], ..FoundPost::default() };
//! let post = FoundPost { entities: vec![oslo], ..post };
//! let mut writer = Writer::new(Output::Conll, Vec::new(), &WriteSettings::default())?;
//! writer.post(&post)?;
//! assert_eq!(writer.finish()?, b"in\tO\nOslo\tB-LOC\n\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "arrow")]
mod columnar;
mod conll;
mod found;
mod huggingface;
mod sheet;
mod spacy;
#[cfg(test)]
mod tests;
mod tools;

pub use found::{Author, FailedPost, FoundEntity, FoundPost, WriteSettings};

use crate::Result;
use std::io::{self, Write};

/// A format that posts are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// A word and its tag per line.
    Conll,
    /// Comma-separated values, a post per row below a header.
    Csv,
    /// Hugging Face's `tokens` and `ner_tags`, as JSON lines.
    HuggingFace,
    /// spaCy's `Doc` as JSON, one per line.
    Spacy,
    /// One JSON array of Label Studio's tasks, with predictions.
    LabelStudio,
    /// doccano's JSON lines.
    Doccano,
    /// Prodigy's JSON lines.
    Prodigy,
    /// An Arrow IPC stream, with the feature `arrow`.
    Arrow,
    /// A Parquet file, with the feature `parquet`.
    Parquet,
}

impl Output {
    /// All formats.
    pub const ALL: [Self; 9] = [
        Self::Conll,
        Self::Csv,
        Self::HuggingFace,
        Self::Spacy,
        Self::LabelStudio,
        Self::Doccano,
        Self::Prodigy,
        Self::Arrow,
        Self::Parquet,
    ];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conll => "conll",
            Self::Csv => "csv",
            Self::HuggingFace => "huggingface",
            Self::Spacy => "spacy",
            Self::LabelStudio => "label-studio",
            Self::Doccano => "doccano",
            Self::Prodigy => "prodigy",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        }
    }
}

/// What became of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It stands in the output.
    Whole,
    /// The format has no place for it, and this is why; the output lacks it.
    LeftOut(String),
}

/// Writes posts in a format. [`Writer::finish`] must be called: without it the end of the file is
/// missing.
pub struct Writer<W: Write + Send> {
    inner: Inner<W>,
}

enum Inner<W: Write + Send> {
    Text(TextWriter<W>),
    #[cfg(feature = "arrow")]
    Columns(Box<columnar::ColumnWriter<W>>),
}

impl<W: Write + Send> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`NotBuilt`](crate::Error::NotBuilt) for a format whose feature is off,
    /// [`Output`](crate::Error::Output) if its beginning cannot be written.
    pub fn new(format: Output, out: W, settings: &WriteSettings) -> Result<Self> {
        let inner = match format {
            #[cfg(feature = "arrow")]
            Output::Arrow => Inner::Columns(Box::new(columnar::ColumnWriter::stream(out, settings)?)),
            #[cfg(feature = "parquet")]
            Output::Parquet => Inner::Columns(Box::new(columnar::ColumnWriter::parquet(out, settings)?)),
            #[cfg(not(feature = "arrow"))]
            Output::Arrow => return Err(crate::Error::NotBuilt { format: format.name() }),
            #[cfg(not(feature = "parquet"))]
            Output::Parquet => return Err(crate::Error::NotBuilt { format: format.name() }),
            format => {
                let settings = settings.clone();
                Inner::Text(TextWriter { format, out, settings, n: 0, has_ids: false, is_choice: false })
            }
        };
        Ok(Self { inner })
    }

    /// Writes a post. One whose parts do not fit each other is left out.
    ///
    /// # Errors
    /// [`io::Error`] if the output cannot be written.
    pub fn post(&mut self, post: &FoundPost<'_>) -> io::Result<Written> {
        if let Err(why) = post.check() {
            return Ok(Written::LeftOut(why));
        }
        match &mut self.inner {
            Inner::Text(writer) => writer.post(post),
            #[cfg(feature = "arrow")]
            Inner::Columns(writer) => writer.post(post).map(|()| Written::Whole),
        }
    }

    /// Writes that a line or row is no post, where the format has a place for that.
    ///
    /// # Errors
    /// [`io::Error`] if the output cannot be written.
    pub fn failure(&mut self, failed: &FailedPost<'_>) -> io::Result<Written> {
        match &mut self.inner {
            Inner::Text(writer) => writer.failure(failed),
            #[cfg(feature = "arrow")]
            Inner::Columns(writer) => writer.failure(failed).map(|()| Written::Whole),
        }
    }

    /// Hands on what was written so far: all of it, but for Parquet, whose rows wait for their row
    /// group.
    ///
    /// # Errors
    /// [`io::Error`] if the output cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Inner::Text(writer) => writer.out.flush(),
            #[cfg(feature = "arrow")]
            Inner::Columns(writer) => writer.flush(),
        }
    }

    /// Writes the end, and hands the output back.
    ///
    /// # Errors
    /// [`io::Error`] if the output cannot be written.
    pub fn finish(self) -> io::Result<W> {
        match self.inner {
            Inner::Text(writer) => writer.finish(),
            #[cfg(feature = "arrow")]
            Inner::Columns(writer) => writer.finish(),
        }
    }
}

/// Writes the formats that are text.
struct TextWriter<W> {
    format: Output,
    out: W,
    settings: WriteSettings,
    /// Posts written.
    n: usize,
    /// Words in columns: whether posts have `IMGID:` lines, as the first one decides.
    has_ids: bool,
    /// A table: whether its rows say why somebody should label them, as the first one decides.
    is_choice: bool,
}

impl<W: Write> TextWriter<W> {
    fn post(&mut self, post: &FoundPost<'_>) -> io::Result<Written> {
        let WriteSettings { author, scheme, .. } = self.settings;
        let text = match self.format {
            Output::Conll => self.block(post.image.or(post.id), post.line, post.words, &post.entities),
            Output::Csv => {
                self.is_choice |= self.n == 0 && post.reason.is_some();
                if self.is_choice { Ok(sheet::choice(post, self.n + 1)) } else { sheet::row(post, scheme) }
            }
            Output::HuggingFace => huggingface::line(post, scheme),
            Output::Spacy => spacy::line(post, author),
            Output::LabelStudio => Ok(tools::label_studio(post, &self.settings)),
            Output::Doccano => Ok(tools::doccano(post)),
            Output::Prodigy => Ok(tools::prodigy(post, author)),
            Output::Arrow | Output::Parquet => unreachable!("columns are not text"),
        };
        self.write(text)
    }

    fn failure(&mut self, failed: &FailedPost<'_>) -> io::Result<Written> {
        let error = failed.error.to_owned();
        if self.format != Output::Conll {
            return Ok(Written::LeftOut(error));
        }
        if !failed.words.is_empty() {
            let block = self.block(failed.image.or(failed.id), failed.line, failed.words, &[]);
            return self.write(block);
        }
        if self.has_ids {
            return Ok(Written::LeftOut(error));
        }
        self.out.write_all(conll::comment(failed.line, failed.error).as_bytes())?;
        Ok(Written::Whole)
    }

    /// The lines of a post in columns.
    fn block(
        &mut self,
        id: Option<&str>,
        line: usize,
        words: &[String],
        entities: &[FoundEntity<'_>],
    ) -> Result<String, String> {
        if self.n == 0 {
            self.has_ids = id.is_some();
        }
        let id = self.has_ids.then(|| id.map_or_else(|| format!("line-{line}"), str::to_owned));
        conll::block(id.as_deref(), words, entities, self.settings.scheme)
    }

    fn write(&mut self, text: Result<String, String>) -> io::Result<Written> {
        let text = match text {
            Ok(text) => text,
            Err(why) => return Ok(Written::LeftOut(why)),
        };
        let before = match (self.format, self.n) {
            (Output::LabelStudio, 0) => "[\n",
            (Output::LabelStudio, _) => ",\n",
            (Output::Csv, 0) => sheet::header(self.is_choice),
            _ => "",
        };
        let after = if self.format == Output::LabelStudio { "" } else { "\n" };
        self.n += 1;
        self.out.write_all([before, &text, after].concat().as_bytes())?;
        Ok(Written::Whole)
    }

    fn finish(mut self) -> io::Result<W> {
        if self.format == Output::LabelStudio {
            self.out.write_all(if self.n == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        if self.format == Output::Csv && self.n == 0 {
            self.out.write_all(sheet::header(false).as_bytes())?;
        }
        self.out.flush()?;
        Ok(self.out)
    }
}
