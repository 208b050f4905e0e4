//! The corpus format of the Twitter NER corpora, read as a stream.
//!
//! ```text
//! IMGID:<image id> LF
//! word TAB tag LF            one or more; tag = O | B-type | I-type
//! LF                         ends the tweet; the last one may lack it
//! ```
//!
//! Lines are split at LF (a CR right before it is dropped, as is a byte order mark at the start) and at the tab,
//! nowhere else: a word may be any other text, U+00A0 alone included. Several blank lines in a row are one, and an
//! `IMGID:` line ends the tweet before it. Everything else is an error with its line; [`read_lenient`] collects the
//! errors instead. Ill-formed BIO sequences (`O I-PER`) are not malformed input: a [`Convention`](crate::Convention)
//! reads them.

use crate::{Error, Result, Sample};
use smvae_core::bio::Tag;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// What a file must have where no tweet is open.
const EXPECTED_HEADER: &str = "a line `IMGID:<image id>` before the words of a tweet";
/// What a line within a tweet must be.
const EXPECTED_WORD: &str = "`word<TAB>tag` with one tab and a word before it";

/// Streams the tweets of a corpus file: an iterator of `Result<Sample>`.
///
/// After an error the reader can go on: a tweet with a malformed line is left out whole, since a missing word would
/// move the positions of all after it, and each of its malformed lines is an error of its own. After [`Error::Read`] it
/// ends.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    path: PathBuf,
    line: usize,
    buffer: Vec<u8>,
    open: Option<Block>,
    /// An error met while a complete tweet had to be handed out first.
    waiting: Option<Error>,
    yielded: bool,
    dropped: usize,
    finished: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from any buffered input; `path` is the name that errors show.
    pub fn new(input: R, path: impl Into<PathBuf>) -> Self {
        Self {
            input,
            path: path.into(),
            line: 0,
            buffer: Vec::new(),
            open: None,
            waiting: None,
            yielded: false,
            dropped: 0,
            finished: false,
        }
    }

    /// Number of tweets left out so far because of a malformed line.
    pub fn dropped(&self) -> usize {
        self.dropped
    }
}

impl Reader<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Read`] if it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Ok(Self::new(BufReader::new(file), path))
    }
}

/// Reads a whole file; the first malformed line is an error.
///
/// # Errors
/// [`Error::Read`], [`Error::Line`] or [`Error::Empty`].
pub fn read_file(path: impl AsRef<Path>) -> Result<Vec<Sample>> {
    Reader::open(path)?.collect()
}

/// Reads a whole file and goes on after malformed lines.
///
/// # Errors
/// [`Error::Read`] if the file cannot be opened; whatever happens after that is in [`Lenient::errors`].
pub fn read_file_lenient(path: impl AsRef<Path>) -> Result<Lenient> {
    Ok(read_lenient(Reader::open(path)?))
}

/// Reads a stream to its end and goes on after malformed lines.
pub fn read_lenient<R: BufRead>(mut reader: Reader<R>) -> Lenient {
    let mut read = Lenient::default();
    for item in reader.by_ref() {
        match item {
            Ok(sample) => read.samples.push(sample),
            Err(error) => {
                read.n_errors += 1;
                if read.errors.len() < Lenient::MAX_KEPT {
                    read.errors.push(error);
                }
            }
        }
    }
    read.n_dropped = reader.dropped();
    read
}

/// What [`read_lenient`] found. `Display` says how many errors there were.
#[derive(Debug, Default)]
pub struct Lenient {
    /// The well-formed tweets.
    pub samples: Vec<Sample>,
    /// The first [`Lenient::MAX_KEPT`] errors, in file order.
    pub errors: Vec<Error>,
    /// Number of errors met.
    pub n_errors: usize,
    /// Number of tweets left out because of them.
    pub n_dropped: usize,
}

impl Lenient {
    /// Errors kept: a large file that is no corpus has one a line.
    pub const MAX_KEPT: usize = 1000;
}

impl std::fmt::Display for Lenient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { samples, n_errors, n_dropped, .. } = self;
        write!(f, "{} tweets read, {n_dropped} left out, {n_errors} errors", samples.len())
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Sample>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let item = match self.waiting.take() {
                Some(error) => Err(error),
                None if self.finished => return None,
                None => match self.advance().transpose() {
                    Some(item) => item,
                    None => continue,
                },
            };
            self.yielded = true;
            return Some(item);
        }
    }
}

/// A tweet that is being read.
#[derive(Debug)]
struct Block {
    /// Line of its header, for the error of a tweet without words.
    line: usize,
    sample: Sample,
    /// A malformed line was met: the tweet is read to its end and left out.
    spoiled: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads one line; `None` if it completes nothing.
    fn advance(&mut self) -> Result<Option<Sample>> {
        self.buffer.clear();
        let read = self.input.read_until(b'\n', &mut self.buffer).map_err(|source| {
            self.finished = true;
            Error::Read { path: self.path.clone(), source }
        })?;
        if read == 0 {
            self.finished = true;
            let last = self.close()?;
            let none = last.is_none() && !self.yielded;
            return if none { Err(Error::Empty { path: self.path.clone() }) } else { Ok(last) };
        }
        self.line += 1;
        // The buffer is lent out while `self` changes; it returns to keep its allocation.
        let buffer = std::mem::take(&mut self.buffer);
        let outcome = self.take_line(content(&buffer, self.line == 1));
        self.buffer = buffer;
        outcome
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<Sample>> {
        if line.is_empty() {
            return self.close();
        }
        let Ok(text) = std::str::from_utf8(line) else { return Err(self.spoil(line, "valid UTF-8")) };
        match text.strip_prefix("IMGID:") {
            Some(id) => {
                let closed = self.close();
                let sample = Sample { image_id: id.to_owned(), ..Sample::default() };
                self.open = Some(Block { line: self.line, sample, spoiled: false });
                if id.is_empty() || id.contains('\t') {
                    self.waiting = Some(self.spoil(line, "`IMGID:<image id>` with an id and without a tab"));
                }
                closed
            }
            None => self.take_word(text).map(|()| None),
        }
    }

    fn take_word(&mut self, text: &str) -> Result<()> {
        let Some(block) = &mut self.open else { return Err(self.spoil(text.as_bytes(), EXPECTED_HEADER)) };
        let (word, tag) = match text.split_once('\t') {
            Some((word, tag)) if !word.is_empty() && !tag.contains('\t') => (word, tag),
            _ => return Err(self.spoil(text.as_bytes(), EXPECTED_WORD)),
        };
        if Tag::parse(tag).is_err() {
            return Err(self.spoil(text.as_bytes(), "a tag `O`, `B-type` or `I-type` after the tab"));
        }
        if !block.spoiled {
            block.sample.words.push(word.to_owned());
            block.sample.tags.push(tag.to_owned());
        }
        Ok(())
    }

    /// Ends the open tweet, if there is one.
    fn close(&mut self) -> Result<Option<Sample>> {
        match self.open.take() {
            None => Ok(None),
            Some(block) if block.spoiled => {
                self.dropped += 1;
                Ok(None)
            }
            Some(Block { line, sample, .. }) if sample.words.is_empty() => {
                self.dropped += 1;
                let text = excerpt(format!("IMGID:{}", sample.image_id).as_bytes());
                Err(Error::Line { path: self.path.clone(), line, text, expected: "at least one word after it" })
            }
            Some(block) => Ok(Some(block.sample)),
        }
    }

    /// The error of the current line, whose tweet is left out; without a tweet, one without a header is opened.
    fn spoil(&mut self, text: &[u8], expected: &'static str) -> Error {
        let block = self.open.get_or_insert(Block { line: self.line, sample: Sample::default(), spoiled: true });
        block.spoiled = true;
        Error::Line { path: self.path.clone(), line: self.line, text: excerpt(text), expected }
    }
}

/// A line without its end and, if it is the first of a file, without a byte order mark.
fn content(line: &[u8], first: bool) -> &[u8] {
    let line = if first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
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

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
