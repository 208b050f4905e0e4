//! What answers are written as. One implementation per format, over bytes that go to an
//! [`Output`](super::output::Output), which keeps records whole.

use super::losses::Losses;
use smvae::answers::PostOrigin;
use smvae::data::formats::write::FailedPost;
use smvae::{Post, Prediction, json};
use std::io;

/// Turns answers into the bytes of a format. The bytes of each call are whole records: whatever
/// ends the program, none of them is left half.
pub(super) trait Writer {
    /// The bytes of a post with what was found in it.
    ///
    /// # Errors
    /// For an answer that the format cannot hold.
    fn answer(&mut self, origin: &PostOrigin<'_>, post: &Post, found: Prediction) -> io::Result<Vec<u8>>;

    /// The bytes of a post that cannot be read or computed.
    ///
    /// # Errors
    /// As [`Writer::answer`].
    fn failure(&mut self, failed: &FailedPost<'_>) -> io::Result<Vec<u8>>;

    /// What waits for more of its kind, where nothing more comes for a while.
    ///
    /// # Errors
    /// As [`Writer::answer`].
    fn pending(&mut self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Posts and failures so far that the format has no place for.
    fn left_out(&self) -> usize {
        0
    }

    /// What the file ends with.
    ///
    /// # Errors
    /// As [`Writer::answer`].
    fn finish(&mut self) -> io::Result<Vec<u8>>;

    /// Reads a record that an earlier run wrote, from the start of `bytes`, and counts it. `None`
    /// where no whole record is left.
    ///
    /// # Errors
    /// For bytes that this format does not write, or a format whose files cannot be continued.
    fn written(&self, bytes: &mut dyn io::BufRead, losses: &mut Losses) -> io::Result<Option<u64>>;
}

/// One JSON object per post and line.
pub(super) struct JsonLines;

impl Writer for JsonLines {
    fn answer(&mut self, origin: &PostOrigin<'_>, post: &Post, found: Prediction) -> io::Result<Vec<u8>> {
        Ok(line(json::answer(origin.fields, post, found)))
    }

    fn failure(&mut self, failed: &FailedPost<'_>) -> io::Result<Vec<u8>> {
        Ok(line(json::failure(failed.line, failed.error)))
    }

    fn finish(&mut self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn written(&self, bytes: &mut dyn io::BufRead, losses: &mut Losses) -> io::Result<Option<u64>> {
        let mut record = Vec::new();
        bytes.read_until(b'\n', &mut record)?;
        if !record.ends_with(b"\n") {
            return Ok(None);
        }
        let counted: Counted = serde_json::from_slice(&record)?;
        // An answer has entities, whatever fields its post came with.
        losses.bad += usize::from(counted.entities.is_none());
        losses.words_cut += counted.words_cut;
        losses.images_missing += usize::from(counted.image_missing);
        Ok(Some(record.len() as u64))
    }
}

fn line(mut json: String) -> Vec<u8> {
    json.push('\n');
    json.into_bytes()
}

/// What is counted of an answer.
#[derive(serde::Deserialize)]
struct Counted {
    entities: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    words_cut: usize,
    #[serde(default)]
    image_missing: bool,
}
