//! What the hub says of a model and its files, and how far the transfer of one is.

use serde::Deserialize;

/// How far the transfer of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Its name.
    pub file: &'a str,
    /// Bytes that are here, those of an earlier attempt included.
    pub done: u64,
    /// Bytes in all, if the hub tells.
    pub total: Option<u64>,
}

/// What the hub says of a model at a revision.
#[derive(Deserialize)]
pub(super) struct Listing {
    #[serde(rename = "sha")]
    pub(super) commit: String,
    #[serde(rename = "siblings", default)]
    pub(super) files: Vec<RemoteFile>,
}

/// A file as the hub lists it.
#[derive(Deserialize)]
pub(super) struct RemoteFile {
    #[serde(rename = "rfilename")]
    pub(super) name: String,
    pub(super) size: Option<u64>,
    /// SHA-1 as git computes it.
    #[serde(rename = "blobId")]
    pub(super) git_sha1: Option<String>,
    /// Present for large files.
    pub(super) lfs: Option<LargeFile>,
}

/// What the hub adds for a large file.
#[derive(Deserialize)]
pub(super) struct LargeFile {
    pub(super) sha256: String,
}

/// Whether a text is hexadecimal and has this many digits.
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit())
}
