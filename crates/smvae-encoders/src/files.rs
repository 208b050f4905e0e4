//! JSON files of model folders.

use crate::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Reads a JSON file; `what` it should be is for the error.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json { path: path.to_owned(), what, source: source.into() })
}
