//! Lines of a stream, one in memory at a time, and what is wrong with one.

use crate::{Error, Result};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// The lines of an input, counted.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    path: PathBuf,
    number: usize,
    buffer: Vec<u8>,
    is_finished: bool,
}

impl<R: BufRead> Lines<R> {
    /// Lines of an input; `path` is the name that errors show.
    pub(crate) fn new(input: R, path: PathBuf) -> Self {
        Self { input, path, number: 0, buffer: Vec::new(), is_finished: false }
    }

    /// The next line with its number from 1, without its end (LF, or CR LF) and, if it is the
    /// first, without a byte order mark. Bytes, not text: a line that is not UTF-8 is one bad line.
    ///
    /// # Errors
    /// [`Error::Read`]; there are no lines after it.
    pub(crate) fn next_line(&mut self) -> Result<Option<(usize, &[u8])>> {
        if self.is_finished {
            return Ok(None);
        }
        self.buffer.clear();
        let read = self.input.read_until(b'\n', &mut self.buffer);
        self.is_finished = !matches!(read, Ok(n) if n > 0);
        read.map_err(|source| Error::Read { path: self.path.clone(), source })?;
        if self.is_finished {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some((self.number, content(&self.buffer, self.number == 1))))
    }

    /// The name of the input.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// What is expected of bytes that are no text.
pub(crate) const UTF_8: &str = "valid UTF-8 (convert it first, as in `iconv -f WINDOWS-1252 -t UTF-8 IN > OUT`)";

/// What is wrong with a line, wherever the line comes from.
#[derive(Debug)]
pub(crate) struct Fault {
    line: usize,
    text: String,
    expected: Cow<'static, str>,
    id: Option<Box<RawValue>>,
}

impl Fault {
    /// The fault of a line, or of the part of it that is given.
    pub(crate) fn new(line: usize, text: &[u8], expected: impl Into<Cow<'static, str>>) -> Self {
        Self { line, text: excerpt(text), expected: expected.into(), id: None }
    }

    /// The same of a post whose id is known, as JSON.
    pub(crate) fn with_id(self, id: Option<Box<RawValue>>) -> Self {
        Self { id, ..self }
    }

    /// The error it is in a file.
    pub(crate) fn of(self, path: &Path) -> Error {
        let Self { line, text, expected, id } = self;
        Error::Line { path: path.to_owned(), line, text, expected, id }
    }
}

fn content(line: &[u8], is_first: bool) -> &[u8] {
    let line = if is_first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

/// At most 80 characters of a line, for an error message.
fn excerpt(line: &[u8]) -> String {
    const MAX: usize = 80;
    // Four bytes a character at most: the rest of a long line is not decoded.
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * MAX + 4)]);
    let mut short: String = text.chars().take(MAX).collect();
    if short.len() < text.len() || line.len() > 4 * MAX + 4 {
        short.push('…');
    }
    short
}
