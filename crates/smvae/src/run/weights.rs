//! The weights of a run into memory, once: each tensor is read to where it stays.
//!
//! candle's own reader takes the file as a whole and then copies each tensor, and a trainable
//! parameter is one copy more; for a model that only predicts that was most of its start. Files in
//! another number type than f32, which no version of this library wrote, go that way still.

use crate::error::{Error, Result};
use crate::files::read_tensors;
use crate::scoring::networks::is_encoders;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use smvae_core::candle_core::{DType, Device, Tensor};
use smvae_core::nn::Parameters;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// All parameters in a file, those of the text encoder in this number type.
///
/// # Errors
/// [`Error::Read`] for a file that cannot be opened, [`Error::Inconsistent`] for one that is no
/// safetensors file or ends early.
pub(super) fn read(path: &Path, device: &Device, encoder: DType) -> Result<Parameters> {
    let mut file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let metadata = header(&mut file).map_err(|why| unreadable(path, &why))?;
    let parameters = Parameters::new(0, device);
    let mut tensors: Vec<(String, &TensorInfo)> = metadata.tensors().into_iter().collect();
    if tensors.iter().any(|(_, info)| info.dtype != Dtype::F32) {
        for (name, tensor) in read_tensors(path)? {
            insert(&parameters, name, &tensor, encoder)?;
        }
        return Ok(parameters);
    }
    // They lie one after another, which the header was checked for.
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    for (name, info) in tensors {
        let values =
            values(&mut file, info.shape.iter().product()).map_err(|error| unreadable(path, &error.to_string()))?;
        if is_encoders(&name) && encoder != DType::F32 {
            insert(&parameters, name, &Tensor::from_vec(values, info.shape.as_slice(), &Device::Cpu)?, encoder)?;
        } else {
            parameters.insert_values(name, values, info.shape.as_slice())?;
        }
    }
    Ok(parameters)
}

/// Number of numbers in a file of tensors, which its header tells.
///
/// # Errors
/// As [`read`].
pub(super) fn count(path: &Path) -> Result<usize> {
    let mut file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let metadata = header(&mut file).map_err(|why| unreadable(path, &why))?;
    Ok(metadata.tensors().values().map(|info| info.shape.iter().product::<usize>()).sum())
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::Inconsistent { path: path.to_owned(), why: format!("it cannot be read as safetensors ({why})") }
}

fn insert(parameters: &Parameters, name: String, tensor: &Tensor, encoder: DType) -> Result<()> {
    let tensor = if is_encoders(&name) { tensor.to_dtype(encoder)? } else { tensor.clone() };
    Ok(parameters.insert(name, &tensor)?)
}

/// What the file says of its tensors, checked against its length; it is left where the first
/// begins.
fn header(file: &mut File) -> std::result::Result<Metadata, String> {
    let text = |error: std::io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => "it ends before its header does".to_owned(),
        _ => error.to_string(),
    };
    let whole = file.metadata().map_err(text)?.len();
    let mut length = [0; size_of::<u64>()];
    file.read_exact(&mut length).map_err(text)?;
    let length = u64::from_le_bytes(length);
    if length > whole {
        return Err("its header is longer than the file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(text)?;
    // It refuses tensors that overlap or leave gaps.
    let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    // A header may name more than any file has.
    let wanted = (size_of::<u64>() as u64 + length).checked_add(metadata.data_len() as u64);
    let told = || wanted.map_or_else(|| "more than any file can have".to_owned(), |wanted| wanted.to_string());
    if wanted == Some(whole) { Ok(metadata) } else { Err(format!("it should have {} bytes and has {whole}", told())) }
}

/// The next `n` numbers.
fn values(file: &mut impl Read, n: usize) -> std::io::Result<Vec<f32>> {
    // Small enough to stay in a cache.
    let mut bytes = vec![0; 1 << 16];
    let mut values = Vec::new();
    while values.len() < n {
        let part = (4 * (n - values.len())).min(bytes.len());
        file.read_exact(&mut bytes[..part])?;
        if values.is_empty() {
            // Not before: a header may promise more than the file has.
            values.reserve_exact(n);
        }
        values.extend(bytes[..part].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_names_more_than_a_file_can_have_is_an_error() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("weights.safetensors");
        let size = (1_u64 << 61) - 1;
        let tensor = |i: u64| {
            let (start, end) = (i * size, (i + 1) * size);
            format!("\"{i}\": {{\"dtype\": \"U8\", \"shape\": [{size}], \"data_offsets\": [{start}, {end}]}}")
        };
        let header = format!("{{{}}}", (0..8).map(tensor).collect::<Vec<_>>().join(", "));
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        std::fs::write(&path, bytes).expect("writable");
        let error = count(&path).expect_err("eight tensors of that size").to_string();
        assert!(error.contains("more than any file can have"), "{error}");
    }
}
