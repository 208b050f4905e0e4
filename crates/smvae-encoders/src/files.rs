//! Files of model folders: their bytes, their text, the JSON in them, and a setting that text
//! encoders and vision models have in common.

use crate::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::Path;

/// The bytes of a regular file: a folder that names a pipe or a device instead is not waited for.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let read = || {
        if std::fs::metadata(path)?.is_file() {
            std::fs::read(path)
        } else {
            Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file"))
        }
    };
    read().map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// The text of a regular file, which is in UTF-8.
#[cfg(feature = "tokenizer")]
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|error| Error::Read { path: path.to_owned(), source: std::io::Error::other(error) })
}

/// Reads a JSON file; `what` it should be is for the error.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json { path: path.to_owned(), what, source: source.into() })
}

/// Checks `layer_norm_eps`. Norms of a number that is not finite, or of the root of a negative one,
/// would make every vector NaN without a word.
///
/// # Errors
/// [`Error::Config`] naming it.
pub(crate) fn check_eps(eps: f64) -> Result<()> {
    if (0.0..=f64::from(f32::MAX)).contains(&eps) {
        return Ok(());
    }
    Err(Error::Config { field: "layer_norm_eps", want: "finite and at least 0".to_owned(), got: format!("{eps:?}") })
}
