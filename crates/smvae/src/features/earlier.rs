//! Notes beside a file of vectors: of which content each was made. So a file that is made anew
//! takes over the vectors of images that did not change.
//!
//! The notes hold for one file, by its digest, and for one model with its settings, by their key;
//! without them, or if either is another, everything is computed.

use crate::error::Result;
use crate::files::write_json;
use serde::{Deserialize, Serialize};
use smvae_data::ImageVectors;
use smvae_data::files::sha256_file;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Serialize, Deserialize)]
struct Notes {
    version: u32,
    /// The model, the settings and the number type.
    key: String,
    /// The file of vectors, in the same folder, and its SHA-256.
    file: String,
    sha256: String,
    /// SHA-256 of an image by its id.
    images: BTreeMap<String, String>,
}

const VERSION: u32 = 1;

/// Where the notes of a file of vectors are.
pub(super) fn notes_beside(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".images.json");
    out.with_file_name(name)
}

/// Id, digest of the image and vector of all that was made before; nothing where it cannot be used.
pub(super) fn vectors(notes: &Path, key: &str, width: usize) -> Vec<(String, String, Vec<f32>)> {
    read(notes, key, width).unwrap_or_default()
}

fn read(notes: &Path, key: &str, width: usize) -> Option<Vec<(String, String, Vec<f32>)>> {
    let found: Notes = serde_json::from_slice(&std::fs::read(notes).ok()?).ok()?;
    let is_name = Path::new(&found.file).file_name().is_some_and(|name| name == found.file.as_str());
    if found.version != VERSION || found.key != key || !is_name {
        return None;
    }
    let vectors = ImageVectors::load(notes.with_file_name(&found.file)).ok()?;
    if vectors.sha256() != found.sha256 || vectors.width() != width {
        return None;
    }
    let ids: BTreeMap<&str, usize> = vectors.ids().enumerate().map(|(row, id)| (id, row)).collect();
    let known = found.images.into_iter().filter_map(|(id, sha256)| {
        let row = *ids.get(id.as_str())?;
        Some((id, sha256, vectors.row(row).to_vec()))
    });
    Some(known.collect())
}

/// Notes what a file was made of.
pub(super) fn write(notes: &Path, out: &Path, key: String, images: BTreeMap<String, String>) -> Result<()> {
    let file = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sha256 = sha256_file(out)?;
    write_json(notes, &Notes { version: VERSION, key, file, sha256, images })
}
