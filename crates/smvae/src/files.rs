//! JSON and tensors in files, written to a temporary name and renamed.

pub(crate) mod folder;

use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smvae_core::candle_core::{Device, Tensor, safetensors};
use smvae_data::files::{create_anew, sync_folder};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| Error::Json { path: path.to_owned(), what, source })
}

/// Reads a JSON file, if it exists.
pub(crate) fn read_json_if_there<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<Option<T>> {
    if path.exists() { read_json(path, what).map(Some) } else { Ok(None) }
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| unwritable(path, error))?;
    text.push('\n');
    Ok(smvae_data::files::write_atomically(path, text.as_bytes())?)
}

/// Our own types always have a JSON form, but for file names that are not UTF-8.
fn unwritable(path: &Path, error: serde_json::Error) -> Error {
    Error::Write { path: path.to_owned(), source: error.into() }
}

/// A file of JSON lines, one value per line.
pub(crate) fn read_json_lines<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let parse = |(i, line)| {
        serde_json::from_str(line).map_err(|error: serde_json::Error| Error::JsonLine {
            path: path.to_owned(),
            line: i + 1,
            what,
            why: error.to_string(),
        })
    };
    text.lines().enumerate().map(parse).collect()
}

pub(crate) fn write_json_lines<'a, T: Serialize + 'a>(
    path: &Path,
    values: impl IntoIterator<Item = &'a T>,
) -> Result<()> {
    let mut text = String::new();
    for value in values {
        text += &serde_json::to_string(value).map_err(|error| unwritable(path, error))?;
        text.push('\n');
    }
    Ok(smvae_data::files::write_atomically(path, text.as_bytes())?)
}

pub(crate) fn create_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Removes a file, if it exists.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Reads tensors by name.
pub(crate) fn read_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    if let Err(source) = File::open(path) {
        return Err(Error::Read { path: path.to_owned(), source });
    }
    let tensors = safetensors::load(path, &Device::Cpu).map_err(|e| Error::Inconsistent {
        path: path.to_owned(),
        why: format!("it cannot be read as safetensors ({e})"),
    })?;
    Ok(tensors.into_iter().collect())
}

pub(crate) fn write_tensors(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let tensors: HashMap<String, Tensor> = tensors.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    let temporary = path.with_extension("safetensors.tmp");
    let fault = |source| Error::Write { path: path.to_owned(), source };
    // safetensors makes files that only their owner may read. Ours have the permissions that new
    // files have.
    let written = create_anew(&temporary).and_then(|file| file.metadata()).and_then(|metadata| {
        safetensors::save(&tensors, &temporary).map_err(std::io::Error::other)?;
        let file = File::open(&temporary)?;
        file.set_permissions(metadata.permissions())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        sync_folder(path.parent().unwrap_or(Path::new(".")))
    });
    written.map_err(|source| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
        fault(source)
    })
}
