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
    ///
    /// # Errors
    /// [`Error::Weights`] with the names of all tensors that are there twice, under two names.
    pub(super) fn new(weights: Weights, rename: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let (mut tensors, mut names, mut problems) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (theirs, tensor) in weights.tensors {
            let Some(ours) = rename(&theirs) else { continue };
            tensors.insert(ours.clone(), tensor.to_dtype(DType::F32)?);
            if let Some(first) = names.insert(ours, theirs.clone()) {
                problems.push(format!("{theirs} is there twice, as {first} too"));
            }
        }
        if problems.is_empty() {
            Ok(Self { path: weights.path, tensors })
        } else {
            Err(Error::Weights { path: weights.path, problems })
        }
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
    ///
    /// # Errors
    /// [`Error::Weights`] if there is one of this name.
    pub(super) fn put(&mut self, name: String, tensor: Tensor) -> Result<()> {
        if self.has(&name) {
            return Err(self.error(format!("{name} is there twice, alone and as a part of another tensor")));
        }
        self.tensors.insert(name, tensor);
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::vit_names::standard_name;
    use smvae_core::candle_core::Device;

    #[track_caller]
    fn check(names: &[&str], want: Option<&str>) {
        let one = Tensor::ones(1, DType::F32, &Device::Cpu).expect("one number");
        let tensors = names.iter().map(|name| ((*name).to_owned(), one.clone())).collect();
        let checkpoint = Checkpoint::new(Weights { path: "vit.safetensors".into(), tensors }, standard_name);
        match (checkpoint, want) {
            (Ok(_), None) => {}
            (Err(Error::Weights { problems, .. }), Some(want)) => assert_eq!(problems, [want]),
            (got, want) => panic!("{got:?}, not {want:?}"),
        }
    }

    #[test]
    fn a_tensor_of_two_names_is_an_error() {
        check(&["class_token", "encoder.ln.weight"], None);
        check(&["class_token", "cls_token"], Some("cls_token is there twice, as class_token too"));
        check(&["head.weight", "heads.weight"], None);
    }

    #[test]
    fn a_part_takes_the_place_of_no_tensor() {
        let one = Tensor::ones(1, DType::F32, &Device::Cpu).expect("one number");
        let mut checkpoint = Checkpoint { path: "vit.safetensors".into(), tensors: BTreeMap::new() };
        assert!(checkpoint.put("a".to_owned(), one.clone()).is_ok());
        assert!(checkpoint.put("a".to_owned(), one).is_err());
    }
}
