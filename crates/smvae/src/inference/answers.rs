//! What was found in posts, written in any of the formats that come out: JSON lines in the wire
//! form ([`json`]), or what [`formats::write`](smvae_data::formats::write) has.

use crate::error::{Error, Result};
use crate::inference::json;
use crate::inference::prediction::Prediction;
use crate::input::post::Post;
use crate::scoring::entity::ScoredEntity;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use smvae_data::formats::write::{FailedPost, FoundEntity, FoundPost, Output, WriteSettings, Writer, Written};
use smvae_data::formats::{Fields, Format};
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

/// A format of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AnswerFormat {
    /// One JSON object per post, in the wire form.
    #[default]
    JsonLines,
    /// Another program's.
    Of(Output),
}

impl AnswerFormat {
    /// All formats.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::JsonLines).chain(Output::ALL.into_iter().map(Self::Of))
    }

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Of(output) => output.name(),
        }
    }

    /// The format that a file's extension names, in any case. `None` for one that names none:
    /// several formats are JSON.
    pub fn of_path(path: impl AsRef<Path>) -> Option<Self> {
        let path = path.as_ref();
        match Format::of_path(path)? {
            Format::JsonLines => Some(Self::JsonLines),
            Format::Conll => Some(Self::Of(Output::Conll)),
            Format::Csv => Some(Self::Of(Output::Csv)),
            // What is written is a stream, and Feather is a file.
            Format::Arrow if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("feather")) => {
                Some(Self::Of(Output::Arrow))
            }
            Format::Parquet => Some(Self::Of(Output::Parquet)),
            _ => None,
        }
    }
}

impl std::str::FromStr for AnswerFormat {
    type Err = Error;

    /// Reads an [`AnswerFormat::name`].
    fn from_str(text: &str) -> Result<Self> {
        let want = "jsonl, conll, csv, huggingface, spacy, label-studio, doccano, prodigy, arrow or parquet";
        let named = Self::all().find(|format| format.name() == text);
        named.ok_or_else(|| Error::setting("to", want, format!("{text:?}")))
    }
}

/// What an answer tells of the input.
#[derive(Clone, Copy, Debug)]
pub struct PostOrigin<'a> {
    /// The line or row of the post, from 1.
    pub line: usize,
    /// The id that the input gives it.
    pub id: Option<&'a str>,
    /// What it came with, if that was JSON or a table.
    pub fields: &'a Fields,
}

/// What is said of a post that should be labelled ([`suggest`](crate::suggest)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Priority<'a> {
    /// Its place in the order of the choice, from 1.
    pub rank: usize,
    /// What tools for labelling can sort by, the greatest first.
    pub score: f32,
    /// Why it was chosen.
    pub reason: Cow<'a, str>,
    /// Whether it was drawn at random, for dev.
    pub for_dev: bool,
}

/// Writes answers, one post at a time. [`AnswerWriter::finish`] must be called: without it the end
/// of the file is missing.
pub struct AnswerWriter<W: Write + Send> {
    inner: Inner<W>,
}

enum Inner<W: Write + Send> {
    JsonLines(W),
    Of(Writer<W>),
}

impl<W: Write + Send> std::fmt::Debug for AnswerWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerWriter").finish_non_exhaustive()
    }
}

impl<W: Write + Send> AnswerWriter<W> {
    /// Begins an output.
    ///
    /// # Errors
    /// [`Error::Data`] for a format that this build does not have, or an output that cannot be
    /// begun.
    pub fn new(format: AnswerFormat, out: W, settings: &WriteSettings) -> Result<Self> {
        let inner = match format {
            AnswerFormat::JsonLines => Inner::JsonLines(out),
            AnswerFormat::Of(output) => Inner::Of(Writer::new(output, out, settings)?),
        };
        Ok(Self { inner })
    }

    /// Writes what was found in a post.
    ///
    /// # Errors
    /// [`io::Error`] if the output cannot be written.
    pub fn answer(&mut self, origin: &PostOrigin<'_>, post: &Post, found: Prediction) -> io::Result<Written> {
        self.write(origin, post, found, None)
    }

    /// Writes a post that should be labelled, with what was found in it, if a model looked, and why
    /// it was chosen. In JSON lines that is `suggested`, an object with the fields of [`Priority`],
    /// and where no model looked the post's own fields stay as they are; tools for labelling get
    /// the score to sort by, and the reason beside the text.
    ///
    /// # Errors
    /// [`io::Error`] if the output cannot be written.
    pub fn suggestion(
        &mut self,
        origin: &PostOrigin<'_>,
        post: &Post,
        found: Option<Prediction>,
        priority: &Priority<'_>,
    ) -> io::Result<Written> {
        match (&mut self.inner, found) {
            (Inner::JsonLines(out), None) => whole_line(out, json::suggestion(origin.fields, post, priority)),
            (_, found) => self.write(origin, post, found.unwrap_or_default(), Some(priority)),
        }
    }

    fn write(
        &mut self,
        origin: &PostOrigin<'_>,
        post: &Post,
        found: Prediction,
        priority: Option<&Priority<'_>>,
    ) -> io::Result<Written> {
        match &mut self.inner {
            Inner::JsonLines(out) => whole_line(out, json::answer_with(origin.fields, post, found, priority)),
            Inner::Of(writer) => writer.post(&FoundPost {
                line: origin.line,
                id: origin.id,
                image: post.image_id.as_deref(),
                caption: post.caption.as_deref(),
                text: post.text(),
                words: post.words(),
                places: post.word_bytes(),
                entities: found.entities.iter().map(found_entity).collect(),
                candidates: found.candidates.as_deref().map(|all| all.iter().map(found_entity).collect()),
                words_cut: found.words_cut,
                image_missing: found.image_missing,
                score: priority.map(|priority| priority.score),
                reason: priority.map(|priority| &*priority.reason),
                for_dev: priority.is_some_and(|priority| priority.for_dev),
            }),
        }
    }

    /// Writes that a post could not be read or computed. `written_id` is its id as JSON, where the
    /// input has that: JSON lines have it as it came, a number as a number.
    ///
    /// # Errors
    /// [`io::Error`] if the output cannot be written.
    pub fn failure(&mut self, failed: &FailedPost<'_>, written_id: Option<&RawValue>) -> io::Result<Written> {
        let FailedPost { line, id, error, .. } = *failed;
        match (&mut self.inner, written_id.filter(|_| id.is_some())) {
            (Inner::JsonLines(out), Some(id)) => whole_line(out, json::failure(line, Some(id), error)),
            (Inner::JsonLines(out), None) => whole_line(out, json::failure(line, id, error)),
            (Inner::Of(writer), _) => writer.failure(failed),
        }
    }

    /// Hands on what was written so far, as far as the format can.
    ///
    /// # Errors
    /// [`io::Error`] if the output cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Inner::JsonLines(out) => out.flush(),
            Inner::Of(writer) => writer.flush(),
        }
    }

    /// Writes the end, and hands the output back.
    ///
    /// # Errors
    /// [`io::Error`] if the output cannot be written.
    pub fn finish(self) -> io::Result<W> {
        match self.inner {
            Inner::JsonLines(mut out) => out.flush().map(|()| out),
            Inner::Of(writer) => writer.finish(),
        }
    }
}

fn whole_line<W: Write>(out: &mut W, mut line: String) -> io::Result<Written> {
    line.push('\n');
    out.write_all(line.as_bytes())?;
    Ok(Written::Whole)
}

fn found_entity(entity: &ScoredEntity) -> FoundEntity<'_> {
    FoundEntity {
        chars: entity.start..entity.end,
        text: &entity.text,
        label: &entity.label,
        score: entity.score,
        words: entity.words.clone(),
    }
}
