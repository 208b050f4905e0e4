//! Arrow IPC, streams and files. A file is a stream between a mark and a directory of its batches,
//! so that both are read from beginning to end, from a pipe too.

use super::{BatchReader, guarded};
use crate::Result;
use crate::formats::post::LabelUse;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;

/// How a file begins, with the first of its padding.
pub(in crate::formats) const FILE_MARK: &[u8; 8] = b"ARROW1\0\0";
/// How a stream begins.
const STREAM_MARK: [u8; 4] = [0xff; 4];

/// What is to be read before the rest of an input that begins with these bytes: nothing of a file's
/// mark and its padding.
///
/// # Errors
/// Those of the input, and one for what is neither a stream nor a file.
pub(in crate::formats) fn begin<R: BufRead>(start: Vec<u8>, input: &mut R) -> io::Result<Vec<u8>> {
    if start.starts_with(&STREAM_MARK) {
        return Ok(start);
    }
    if start != FILE_MARK {
        let other = "it is neither an Arrow IPC stream nor an Arrow IPC file";
        let why = if start.is_empty() { "it is empty, and not an Arrow IPC stream" } else { other };
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    loop {
        let buffer = input.fill_buf()?;
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        let is_over = zeros < buffer.len() || buffer.is_empty();
        input.consume(zeros);
        if is_over {
            return Ok(Vec::new());
        }
    }
}

/// Streams the posts of an Arrow IPC stream.
pub(in crate::formats) type StreamPosts<R> = BatchReader<Batches<R>>;

/// Reads a stream, which [`begin`] began.
///
/// # Errors
/// [`Error::Read`](crate::Error::Read) if it does not begin with a schema,
/// [`Error::Columns`](crate::Error::Columns) if that is not one of posts.
pub(in crate::formats) fn posts<R: Read>(input: R, path: PathBuf, labels: LabelUse) -> Result<StreamPosts<R>> {
    let batches = guarded(&path, || StreamReader::try_new(Tail { input, last: [0; 8] }, None))?;
    let schema = batches.schema();
    BatchReader::new(Batches(batches), &schema, path, labels)
}

/// The record batches of a stream, which must end with its end mark: a stream that a dying program
/// cut off between two batches looks whole otherwise.
#[derive(Debug)]
pub(in crate::formats) struct Batches<R>(StreamReader<Tail<R>>);

impl<R: Read> Iterator for Batches<R> {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let was_finished = self.0.is_finished();
        let batch = self.0.next();
        if batch.is_none() && !was_finished && self.0.get_ref().last != END_MARK {
            let why = "the Arrow IPC stream ends without its end mark: something is missing";
            return Some(Err(ArrowError::from(io::Error::new(io::ErrorKind::UnexpectedEof, why))));
        }
        batch
    }
}

/// How a stream ends.
const END_MARK: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// An input that remembers the last bytes it has given.
#[derive(Debug)]
struct Tail<R> {
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
