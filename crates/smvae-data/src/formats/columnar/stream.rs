//! Arrow IPC: streams, and files (Feather 2), which end with a directory of their batches and are
//! read into memory as a whole where they come through a pipe.

use super::{BatchReader, guarded};
use crate::Result;
use crate::formats::post::LabelUse;
use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::ArrowError;
use std::fmt;
use std::io::{self, Read, Seek};
use std::path::PathBuf;

/// How a file begins.
pub(crate) const FILE_MARK: &[u8] = b"ARROW1";
/// How a stream begins.
const STREAM_MARK: &[u8] = &[0xff; 4];
/// How a stream ends.
const END_MARK: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// What a file is read from.
pub(crate) trait SeekRead: Read + Seek + Send {}
impl<T: Read + Seek + Send> SeekRead for T {}

/// Streams the posts of a stream or a file.
pub(crate) type ArrowPosts<R> = BatchReader<Batches<R>>;

/// Reads a stream whose first bytes, `start`, have been looked at and are still to be read.
///
/// # Errors
/// [`Error::Read`](crate::Error::Read) if it does not begin with a schema,
/// [`Error::Columns`](crate::Error::Columns) if that is not one of posts.
pub(crate) fn of_stream<R: Read>(start: &[u8], input: R, path: PathBuf, labels: LabelUse) -> Result<ArrowPosts<R>> {
    let batches = guarded(&path, || {
        if !start.starts_with(STREAM_MARK) {
            let other = "it is neither an Arrow IPC stream nor an Arrow IPC file";
            let why = if start.is_empty() { "it is empty, and not an Arrow IPC stream" } else { other };
            return Err(io::Error::new(io::ErrorKind::InvalidData, why).into());
        }
        StreamReader::try_new(Tail { input, last: [0; 8] }, None)
    })?;
    let schema = batches.schema();
    BatchReader::new(Batches::Stream(batches), &schema, path, labels)
}

/// Reads a file, which begins with its [`FILE_MARK`].
///
/// # Errors
/// As [`of_stream`].
pub(crate) fn of_file<R: Read>(file: Box<dyn SeekRead>, path: PathBuf, labels: LabelUse) -> Result<ArrowPosts<R>> {
    let batches = guarded(&path, || FileReader::try_new(file, None))?;
    let schema = batches.schema();
    BatchReader::new(Batches::File(batches), &schema, path, labels)
}

/// The record batches of a stream or a file. A stream must end with its end mark: one that a dying
/// program cut off between two batches looks whole otherwise.
pub(crate) enum Batches<R> {
    Stream(StreamReader<Tail<R>>),
    File(FileReader<Box<dyn SeekRead>>),
}

impl<R> fmt::Debug for Batches<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").finish_non_exhaustive()
    }
}

impl<R: Read> Iterator for Batches<R> {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let stream = match self {
            Self::File(file) => return file.next(),
            Self::Stream(stream) => stream,
        };
        let was_finished = stream.is_finished();
        let batch = stream.next();
        if batch.is_none() && !was_finished && stream.get_ref().last != END_MARK {
            let why = "the Arrow IPC stream ends without its end mark: something is missing";
            return Some(Err(ArrowError::from(io::Error::new(io::ErrorKind::UnexpectedEof, why))));
        }
        batch
    }
}

/// An input that remembers the last bytes it has given.
pub(crate) struct Tail<R> {
    input: R,
    last: [u8; 8],
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        let new = &buffer[n.saturating_sub(8)..n];
        self.last.copy_within(new.len().., 0);
        self.last[8 - new.len()..].copy_from_slice(new);
        Ok(n)
    }
}
