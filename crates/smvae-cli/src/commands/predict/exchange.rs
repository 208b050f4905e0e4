//! Answers in the formats of other programs. They cannot be continued: a file of them is whole, or
//! written anew.

use super::losses::Losses;
use super::writer::Writer;
use crate::progress::say;
use smvae::answers::{AnswerFormat, AnswerWriter, PostOrigin};
use smvae::data::formats::write::{FailedPost, WriteSettings, Written};
use smvae::{Post, Prediction};
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

/// Posts that are left out and named; of the rest only the number is said.
const MAX_SAID: usize = 10;

/// A format of another program.
pub(super) struct Exchange {
    /// `None` after its end.
    writer: Option<AnswerWriter<Bytes>>,
    bytes: Bytes,
    left_out: usize,
}

impl Exchange {
    /// Begins a file; its beginning comes with the bytes of the first post.
    pub(super) fn new(format: AnswerFormat, settings: &WriteSettings) -> smvae::Result<Self> {
        let bytes = Bytes::default();
        let writer = AnswerWriter::new(format, bytes.clone(), settings)?;
        Ok(Self { writer: Some(writer), bytes, left_out: 0 })
    }

    fn writer(&mut self) -> io::Result<&mut AnswerWriter<Bytes>> {
        self.writer.as_mut().ok_or_else(|| io::Error::other("the output has been ended"))
    }

    fn take(&mut self, line: usize, written: Written) -> Vec<u8> {
        if let Written::LeftOut(why) = written {
            self.left_out += 1;
            if self.left_out <= MAX_SAID {
                say(format!("line {line} is left out: {why}"));
            }
        }
        self.bytes.take()
    }
}

impl Writer for Exchange {
    fn answer(&mut self, origin: &PostOrigin<'_>, post: &Post, found: Prediction) -> io::Result<Vec<u8>> {
        let written = self.writer()?.answer(origin, post, found)?;
        Ok(self.take(origin.line, written))
    }

    fn failure(&mut self, failed: &FailedPost<'_>) -> io::Result<Vec<u8>> {
        let written = self.writer()?.failure(failed)?;
        Ok(self.take(failed.line, written))
    }

    fn pending(&mut self) -> io::Result<Vec<u8>> {
        self.writer()?.flush()?;
        Ok(self.bytes.take())
    }

    fn left_out(&self) -> usize {
        self.left_out
    }

    fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.writer.take().map_or(Ok(()), |writer| writer.finish().map(drop))?;
        Ok(self.bytes.take())
    }

    fn written(&self, _: &mut dyn io::BufRead, _: &mut Losses) -> io::Result<Option<u64>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "only JSON lines can be continued"))
    }
}

/// Bytes that a writer has written and nobody has taken.
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
