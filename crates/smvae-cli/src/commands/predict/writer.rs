//! Answers as bytes that go to an [`Output`](super::output::Output), and the records that an
//! earlier run has written. The formats themselves are the library's.

use super::losses::Losses;
use crate::progress::{MAX_TOLD, insist};
use serde_json::value::RawValue;
use smvae::answers::{AnswerFormat, AnswerWriter, PostOrigin};
use smvae::data::formats::write::{FailedPost, WriteSettings, Written};
use smvae::{Post, Prediction};
use std::io::{self, BufRead, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

/// Turns answers into the bytes of a format. The bytes of each call are whole records: whatever
/// ends the program, none of them is left half.
pub(super) struct Writer {
    /// `None` after its end.
    writer: Option<AnswerWriter<Bytes>>,
    bytes: Bytes,
    left_out: usize,
}

impl Writer {
    /// Begins a file; its beginning comes with the bytes of the first post.
    pub(super) fn new(format: AnswerFormat, settings: &WriteSettings) -> smvae::Result<Self> {
        let bytes = Bytes::default();
        let writer = AnswerWriter::new(format, bytes.clone(), settings)?;
        Ok(Self { writer: Some(writer), bytes, left_out: 0 })
    }

    /// The bytes of a post with what was found in it.
    pub(super) fn answer(&mut self, origin: &PostOrigin<'_>, post: &Post, found: Prediction) -> io::Result<Vec<u8>> {
        let written = self.writer()?.answer(origin, post, found)?;
        Ok(self.take(origin.line, written))
    }

    /// The bytes of a post that cannot be read or computed.
    pub(super) fn failure(&mut self, failed: &FailedPost<'_>, written_id: Option<&RawValue>) -> io::Result<Vec<u8>> {
        let written = self.writer()?.failure(failed, written_id)?;
        Ok(self.take(failed.line, written))
    }

    /// What waits for more of its kind, where nothing more comes for a while.
    pub(super) fn pending(&mut self) -> io::Result<Vec<u8>> {
        self.writer()?.flush()?;
        Ok(self.bytes.take())
    }

    /// What the file ends with.
    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.writer.take().map_or(Ok(()), |writer| writer.finish().map(drop))?;
        Ok(self.bytes.take())
    }

    /// Posts and failures so far that the format has no place for.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    fn writer(&mut self) -> io::Result<&mut AnswerWriter<Bytes>> {
        self.writer.as_mut().ok_or_else(|| io::Error::other("the output has been ended"))
    }

    fn take(&mut self, line: usize, written: Written) -> Vec<u8> {
        if let Written::LeftOut(why) = written {
            self.left_out += 1;
            if self.left_out <= MAX_TOLD {
                insist(format!("line {line} is left out: {why}"));
            }
        }
        self.bytes.take()
    }
}

/// Whether an unfinished file of a format can be continued: its records are lines that say all that
/// is counted at the end.
pub(super) fn can_be_continued(format: AnswerFormat) -> bool {
    format == AnswerFormat::JsonLines
}

/// Whether a format has a place for candidates.
pub(super) fn has_candidates(format: AnswerFormat) -> bool {
    matches!(format, AnswerFormat::JsonLines) || is_columnar(format)
}

/// Whether a record of a format holds many posts.
pub(super) fn is_columnar(format: AnswerFormat) -> bool {
    ["arrow", "parquet"].contains(&format.name())
}

/// Reads a record that an earlier run wrote and counts it; its length. `None` where no whole record
/// is left.
///
/// # Errors
/// For a line that is not an answer.
pub(super) fn written(bytes: &mut dyn BufRead, losses: &mut Losses) -> io::Result<Option<u64>> {
    let mut record = Vec::new();
    bytes.read_until(b'\n', &mut record)?;
    if !record.ends_with(b"\n") {
        return Ok(None);
    }
    let counted: Counted = serde_json::from_slice(&record)?;
    // An answer has entities, whatever fields its post came with.
    match counted.entities {
        Some(entities) => losses.entities += entities.len(),
        None => losses.fail(&counted.line, counted.error.as_str().unwrap_or_default()),
    }
    losses.words_cut += counted.words_cut;
    losses.captions_missing += usize::from(counted.caption_missing);
    losses.images_missing += usize::from(counted.image_missing);
    Ok(Some(record.len() as u64))
}

/// What is counted of an answer.
#[derive(serde::Deserialize)]
struct Counted {
    entities: Option<Vec<serde::de::IgnoredAny>>,
    /// Of a line that is no answer; a post may have anything under these names.
    #[serde(default)]
    line: serde_json::Value,
    #[serde(default)]
    error: serde_json::Value,
    #[serde(default)]
    words_cut: usize,
    #[serde(default)]
    image_missing: bool,
    #[serde(default)]
    caption_missing: bool,
}

/// Bytes that were written and that nobody has taken.
#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Bytes {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
