//! Tensors of a weights file on their way into a network: each is asked for once, by the name it
//! has here, and what is left over is an error.

use crate::weights::Weights;
use crate::{Error, Result};
use smvae_core::candle_core::{DType, Tensor};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The tensors of a weights file by the names they have here, as f32 on the CPU.
#[derive(Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// Tensors of a file; `rename` gives the name each has here, and `None` for those that are left
    /// out.
    pub(super) fn new(weights: Weights, rename: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in weights.tensors {
            if let Some(name) = rename(&name) {
                tensors.insert(name, tensor.to_dtype(DType::F32)?);
            }
        }
        Ok(Self { path: weights.path, tensors })
    }

    /// Whether there is a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Shape of the tensor of this name; empty if there is none.
    pub(super) fn shape(&self, name: &str) -> &[usize] {
        self.tensors.get(name).map_or(&[], |tensor| tensor.dims())
    }

    /// Adds a tensor, such as a part of one that was taken.
    pub(super) fn put(&mut self, name: String, tensor: Tensor) {
        self.tensors.insert(name, tensor);
    }

    /// Takes the tensor of this name, of any shape with `rank` dimensions.
    pub(super) fn take_rank(&mut self, name: &str, rank: usize) -> Result<Tensor> {
        let tensor = self.tensors.remove(name).ok_or_else(|| self.error(format!("{name} is missing")))?;
        if tensor.rank() != rank {
            return Err(self.error(format!("{name} has the shape {:?}, not one of {rank} dimensions", tensor.dims())));
        }
        Ok(tensor)
    }

    /// Takes the tensor of this name and shape.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let tensor = self.take_rank(name, shape.len())?;
        if tensor.dims() != shape {
            return Err(self.error(format!("{name} has the shape {:?}, not {shape:?}", tensor.dims())));
        }
        Ok(tensor)
    }

    /// Takes the tensor of this name as rows of `width` numbers, whatever dimensions of 1 it has
    /// besides.
    pub(super) fn take_rows(&mut self, name: &str, width: usize) -> Result<Tensor> {
        let tensor = self.tensors.remove(name).ok_or_else(|| self.error(format!("{name} is missing")))?;
        let dims = tensor.dims();
        if dims.last() != Some(&width) || dims.iter().filter(|n| **n != 1).count() > 2 {
            return Err(self.error(format!("{name} has the shape {dims:?}, not rows of {width}")));
        }
        Ok(tensor.reshape(((), width))?)
    }

    /// Checks that nothing is left over.
    pub(super) fn finish(self) -> Result<()> {
        if self.tensors.is_empty() {
            return Ok(());
        }
        let problems = self.tensors.keys().map(|name| format!("{name} is not expected")).collect();
        Err(Error::Weights { path: self.path, problems })
    }

    /// An error about this file.
    pub(super) fn error(&self, why: String) -> Error {
        Error::Weights { path: self.path.clone(), problems: vec![why] }
    }
}
