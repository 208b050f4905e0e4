//! Samples as JSON lines: what [`JsonReader`](super::JsonReader) reads back as the same posts.

use crate::{Result, Sample, files};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    image_id: &'a str,
    words: &'a [String],
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
}

/// A sample as one line without its end: `{"image_id", "words", "tags", "caption"}`, without an
/// image id that is empty and without a caption that is not there.
pub fn to_line(sample: &Sample) -> String {
    let Sample { image_id, words, tags, caption } = sample;
    serde_json::to_string(&Line { image_id, words, tags, caption: caption.as_deref() })
        .expect("strings have a JSON form")
}

/// Writes samples as JSON lines, atomically.
///
/// # Errors
/// [`Error::Write`](crate::Error::Write).
pub fn write_file(path: impl AsRef<Path>, samples: &[Sample]) -> Result<()> {
    let lines: String = samples.iter().map(|sample| to_line(sample) + "\n").collect();
    files::write_atomically(path.as_ref(), lines.as_bytes())
}
