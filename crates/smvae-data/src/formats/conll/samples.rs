//! The form of the Twitter NER corpora, read as a stream of samples.
//!
//! ```text
//! IMGID:<image id> LF
//! word TAB tag LF            one or more; tag = O | B-type | I-type
//! LF                         ends the post; the last one may lack it
//! ```
//!
//! Lines are split at LF (a CR right before it is dropped, as is a byte order mark at the start)
//! and at the tab, nowhere else: a word may be any other text, U+00A0 alone included. Several blank
//! lines in a row are one, a line of blanks and tabs alone is a blank one, and an `IMGID:` line
//! ends the post before it. Everything else is an error with its line; [`read_lenient`] collects
//! the errors instead. Ill-formed sequences of tags, such as `O I-PER`, are not malformed input: a
//! [`Convention`](crate::Convention) reads them.
//! Other files in columns are read by [`ColumnReader`].

use super::super::post::{Body, Labels, PostRecord};
use super::ColumnReader;
use crate::{Error, Result, Sample};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Streams the posts of a corpus file: an iterator of `Result<Sample>`.
///
/// After an error the reader continues, as [`ColumnReader`] does. A file without posts is an error.
#[derive(Debug)]
pub struct Reader<R> {
    posts: ColumnReader<R>,
    /// Whether anything was handed out.
    has_yielded: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from any buffered input; `path` is the name that errors show.
    pub fn new(input: R, path: impl Into<PathBuf>) -> Self {
        Self { posts: ColumnReader::strict(input, path.into()), has_yielded: false }
    }

    /// Number of posts left out so far because of a malformed line.
    pub fn dropped(&self) -> usize {
        self.posts.dropped()
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Sample>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = match self.posts.next() {
            Some(post) => Some(post.map(sample)),
            None if self.has_yielded => None,
            None => Some(Err(Error::Empty { path: self.posts.path().to_owned() })),
        };
        self.has_yielded = true;
        item
    }
}

fn sample(post: PostRecord) -> Sample {
    let (Body::Words(words), Some(Labels::Tags(tags))) = (post.body, post.labels) else {
        unreachable!("the form has words and tags");
    };
    Sample { image_id: post.image.unwrap_or_default(), words, tags, caption: None }
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

/// Reads a whole file and continues after malformed lines.
///
/// # Errors
/// [`Error::Read`] if the file cannot be opened; whatever happens after that is in
/// [`Lenient::errors`].
pub fn read_file_lenient(path: impl AsRef<Path>) -> Result<Lenient> {
    Ok(read_lenient(Reader::open(path)?))
}

/// Reads a stream to its end and continues after malformed lines.
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
    /// The well-formed posts.
    pub samples: Vec<Sample>,
    /// The first [`Lenient::MAX_KEPT`] errors, in file order.
    pub errors: Vec<Error>,
    /// Number of errors met.
    pub n_errors: usize,
    /// Number of posts left out because of them.
    pub n_dropped: usize,
}

impl Lenient {
    /// Errors kept: a large file that is no corpus has one a line.
    pub const MAX_KEPT: usize = 1000;
}

impl std::fmt::Display for Lenient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { samples, n_errors, n_dropped, .. } = self;
        write!(f, "{} posts read, {n_dropped} left out, {n_errors} errors", samples.len())
    }
}

#[cfg(test)]
mod tests;
