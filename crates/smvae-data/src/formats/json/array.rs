//! The elements of a JSON array, cut out of a stream one by one.
//!
//! Only brackets, strings and commas are looked at: whether an element is JSON at all is for its
//! parser to say, and an element that is not does not end the array. A line end in a string, which
//! JSON does not have, ends the element, so that a missing quotation mark spoils what is near it
//! and not the rest of the file.

use super::super::lines::Fault;
use crate::{Error, Result};
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// The elements of an array, with the line each begins at.
#[derive(Debug)]
pub(super) struct Array<R> {
    input: R,
    path: PathBuf,
    /// Line of the next byte, from 1.
    line: usize,
    element: Vec<u8>,
    place: Place,
}

/// What has been read of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing.
    Before,
    /// `[`.
    First,
    /// `,` after an element.
    Next,
    /// `]`, and nothing after it.
    After,
    /// All, or as much as there is sense in.
    Done,
}

/// What ended an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Comma,
    Bracket,
    File,
}

impl<R: BufRead> Array<R> {
    pub(super) fn new(input: R, path: PathBuf) -> Self {
        Self { input, path, line: 1, element: Vec::new(), place: Place::Before }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next element and the line it begins at.
    ///
    /// # Errors
    /// [`Error::Line`] for a file that is not one array, [`Error::Read`]; there are no elements
    /// after these.
    pub(super) fn next_object(&mut self) -> Result<Option<(usize, &[u8])>> {
        let line = self.cut().inspect_err(|_| self.place = Place::Done)?;
        Ok(line.map(|line| (line, self.element.as_slice())))
    }

    /// Cuts the next element out; its line, or `None` at the end.
    fn cut(&mut self) -> Result<Option<usize>> {
        if self.place == Place::Before {
            match self.skip_space()? {
                Some(b'[') => self.place = Place::First,
                None => self.place = Place::Done,
                Some(byte) => return Err(self.fault(&[byte], "an array, `[` first")),
            }
        }
        if self.place == Place::First || self.place == Place::Next {
            return self.cut_element();
        }
        if self.place == Place::After {
            self.place = Place::Done;
            if let Some(byte) = self.skip_space()? {
                return Err(self.fault(&[byte], "nothing after the array's `]`"));
            }
        }
        Ok(None)
    }

    fn cut_element(&mut self) -> Result<Option<usize>> {
        let is_first = self.place == Place::First;
        self.element.clear();
        let first = self.skip_space()?;
        let line = self.line;
        let end = match first {
            None => End::File,
            Some(b']') => End::Bracket,
            Some(b',') => End::Comma,
            Some(byte) => self.take_rest(byte)?,
        };
        let is_empty = self.element.is_empty();
        self.place = match end {
            End::Comma => Place::Next,
            End::Bracket => Place::After,
            // An element before the end is read, and the end found again after it.
            End::File if is_empty => return Err(self.fault(b"", "`]` at the end of the array")),
            End::File => Place::Next,
        };
        if is_empty && is_first && end == End::Bracket {
            return self.cut();
        }
        Ok(Some(line))
    }

    /// Takes an element from its first byte to what ends it.
    fn take_rest(&mut self, first: u8) -> Result<End> {
        let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
        let mut next = Some(first);
        while let Some(byte) = next {
            match byte {
                b'\n' if in_string => return Ok(End::Comma),
                _ if is_escaped => (),
                b'"' => in_string = !in_string,
                _ if in_string => (),
                b'{' | b'[' => depth += 1,
                b',' if depth == 0 => return Ok(End::Comma),
                b']' if depth == 0 => return Ok(End::Bracket),
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => (),
            }
            is_escaped = in_string && byte == b'\\' && !is_escaped;
            self.element.push(byte);
            next = self.next_byte()?;
        }
        Ok(End::File)
    }

    /// The first byte that is neither white space nor of a byte order mark; `None` at the end.
    fn skip_space(&mut self) -> Result<Option<u8>> {
        loop {
            match self.next_byte()? {
                Some(byte) if byte.is_ascii_whitespace() => (),
                Some(0xef | 0xbb | 0xbf) if self.place == Place::Before => (),
                byte => return Ok(byte),
            }
        }
    }

    fn next_byte(&mut self) -> Result<Option<u8>> {
        let found = loop {
            match self.input.fill_buf() {
                Ok(buffer) => break Ok(buffer.first().copied()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
                Err(source) => break Err(source),
            }
        };
        let byte = found.map_err(|source| Error::Read { path: self.path.clone(), source })?;
        if let Some(byte) = byte {
            self.input.consume(1);
            self.line += usize::from(byte == b'\n');
        }
        Ok(byte)
    }

    fn fault(&self, text: &[u8], expected: &'static str) -> Error {
        Fault::new(self.line, text, expected).of(&self.path)
    }
}
