//! Weights of a model folder, whatever the form of its files, fitted to a network by name and
//! shape.
//!
//! ```text
//! folder -> Weights { name in the file -> Tensor }
//!        -> fit(expected, name -> name here) -> (name here -> f32 Tensor, report)
//! ```
//! Read are `safetensors` and PyTorch's `.bin`, each as one file or in shards with an index. A
//! `.bin` is a pickle: candle's reader knows the few instructions that build tensors and calls
//! nothing that the file names. What a network expects is found by letting it ask ([`expected`]).
//! This file knows no family of models; `text` and others bring the names.

pub(crate) mod file_names;
mod pickle;

pub use file_names::{WEIGHT_FILES, weight_files};

use crate::{Error, Result};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use smvae_core::candle_core::{self, DType, Device, Shape, Tensor, safetensors};
use smvae_core::quiet;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Tensors by their names in the file, on the CPU, of the file's number types.
#[derive(Clone, Debug)]
pub struct Weights {
    /// The file they were read from; the index of a sharded one.
    pub path: PathBuf,
    /// By name.
    pub tensors: BTreeMap<String, Tensor>,
}

/// What to do about a tensor that the file lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// It is an error.
    #[default]
    Refuse,
    /// The network initialises it at random.
    Draw,
}

/// How a file's tensors fitted a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoadReport {
    /// Tensors the file lacks, which are initialised at random; always empty under
    /// [`Missing::Refuse`].
    pub missing: Vec<String>,
    /// Tensors of the file that the network has no use for, by their names in the file.
    pub unused: Vec<String>,
    /// Tensors whose shape in the file has other dimensions of one.
    pub reshaped: Vec<Reshaped>,
}

/// A tensor with the network's numbers in another shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reshaped {
    /// Its name in the network.
    pub name: String,
    /// Its shape in the file.
    pub from: Vec<usize>,
    /// Its shape in the network.
    pub to: Vec<usize>,
}

impl LoadReport {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

impl Weights {
    /// Reads the first of [`WEIGHT_FILES`] that a folder has.
    ///
    /// # Errors
    /// [`Error::NoWeights`], and those of [`Weights::from_file`].
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let found = WEIGHT_FILES.iter().map(|file| folder.join(file)).find(|path| path.exists());
        Self::from_file(found.ok_or_else(|| Error::NoWeights { folder: folder.to_owned() })?)
    }

    /// Reads a file by its extension: `.json` is the index of shards beside it, `.safetensors` is
    /// that, and anything else is PyTorch's.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Json`] for an index, [`Error::WeightsFile`] for a file that is not
    /// what it should be.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let tensors = if has_extension(path, "json") { read_shards(path)? } else { read_one(path)? };
        Ok(Self { path: path.to_owned(), tensors })
    }

    /// The tensors a network expects, as f32, by their names in the network. `name` maps the name
    /// of a tensor in the file to its name in the network, or to `None` for one that is left out
    /// silently.
    ///
    /// # Errors
    /// [`Error::Weights`] with the names of all tensors that are missing (if they may be drawn,
    /// only where all of them are missing), have another shape, have a type that is not floating
    /// point, or are there twice.
    pub fn fit(
        self,
        expected: &BTreeMap<String, Shape>,
        name: impl Fn(&str) -> Option<String>,
        missing: Missing,
    ) -> Result<(BTreeMap<String, Tensor>, LoadReport)> {
        let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
        for (theirs, tensor) in self.tensors {
            let Some(ours) = name(&theirs) else { continue };
            if let Some((first, _)) = found.insert(ours, (theirs.clone(), tensor)) {
                problems.push(format!("{theirs} is there twice, as {first} too"));
            }
        }
        let (mut fitted, mut report) = (BTreeMap::new(), LoadReport::default());
        for (name, shape) in expected {
            let Some((_, tensor)) = found.remove(name) else {
                report.missing.push(name.clone());
                continue;
            };
            match fit_one(name, &tensor, shape, &mut report)? {
                Ok(tensor) => drop(fitted.insert(name.clone(), tensor)),
                Err(problem) => problems.push(problem),
            }
        }
        report.unused = found.into_values().map(|(theirs, _)| theirs).collect();
        if missing == Missing::Refuse || fitted.is_empty() {
            problems.extend(report.missing.iter().map(|name| format!("{name} is missing")));
        }
        if !problems.is_empty() {
            return Err(Error::Weights { path: self.path, problems });
        }
        Ok((fitted, report))
    }
}

/// The tensor as the network wants it, or what is wrong with it.
fn fit_one(name: &str, tensor: &Tensor, shape: &Shape, report: &mut LoadReport) -> Result<Result<Tensor, String>> {
    if !tensor.dtype().is_float() {
        return Ok(Err(format!("{name} has numbers of type {:?}, which are not floating point", tensor.dtype())));
    }
    let (from, to) = (tensor.dims(), shape.dims());
    let wide = |dims: &[usize]| dims.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
    if wide(from) != wide(to) {
        return Ok(Err(format!("{name} has the shape {from:?}, not {to:?}")));
    }
    if from != to {
        report.reshaped.push(Reshaped { name: name.to_owned(), from: from.to_vec(), to: to.to_vec() });
    }
    Ok(Ok(tensor.to_dtype(DType::F32)?.reshape(shape)?))
}

/// Names and shapes of all tensors a network asks its builder for, found by letting it ask, in no
/// memory.
///
/// # Errors
/// Those of `build`.
pub fn expected<T, E>(build: impl FnOnce(VarBuilder<'static>) -> Result<T, E>) -> Result<BTreeMap<String, Shape>, E> {
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let recorder = Box::new(Recorder { seen: seen.clone() });
    build(VarBuilder::from_backend(recorder, DType::F32, Device::Cpu))?;
    let names = std::mem::take(&mut *seen.lock().expect("nothing panics while it is locked"));
    Ok(names)
}

/// The part of an index of shards that matters: the file of each tensor.
#[derive(Deserialize)]
pub(crate) struct Index {
    pub(crate) weight_map: BTreeMap<String, String>,
}

impl Index {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        crate::files::read_json(path, "index of weights")
    }
}

fn read_shards(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let index = Index::read(path)?;
    let files: BTreeSet<&String> = index.weight_map.values().collect();
    let mut tensors = BTreeMap::new();
    for file in files {
        // A name alone: an index cannot reach out of its folder.
        if Path::new(file).file_name() != Some(file.as_ref()) {
            return Err(unreadable(path, "an index of weights", format!("{file:?} is not a file name")));
        }
        for (name, tensor) in read_one(&path.with_file_name(file))? {
            // The index says which of two is meant.
            if index.weight_map.get(&name).is_some_and(|of| of != file) {
                continue;
            }
            if tensors.insert(name.clone(), tensor).is_some() {
                let why = format!("{name} is in several shards, and the index does not say in which");
                return Err(unreadable(path, "an index of weights", why));
            }
        }
    }
    Ok(tensors)
}

fn read_one(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let read_error = |source| Error::Read { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(read_error)?.is_file() {
        return Err(unreadable(path, "weights", "it is not a file"));
    }
    if has_extension(path, "safetensors") {
        let tensors = safetensors::load(path, &Device::Cpu).map_err(|e| unreadable(path, "safetensors", e))?;
        return Ok(tensors.into_iter().collect());
    }
    let mut magic = [0; 2];
    let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut magic));
    if read.map_err(read_error)? < 2 || &magic != b"PK" {
        let why = "it is not a zip archive; PyTorch before 1.6 wrote such files: load and save it with a newer one, or take \
                   the model's safetensors";
        return Err(unreadable(path, "PyTorch weights", why));
    }
    // candle takes tuples of the pickle apart without counting them.
    let tensors = quiet::catch(|| pickle::read(path));
    let tensors = tensors.map_err(|_| unreadable(path, "PyTorch weights", "its pickle is malformed"))?;
    tensors.map_err(|e| unreadable(path, "PyTorch weights", e))
}

fn has_extension(path: &Path, want: &str) -> bool {
    path.extension().is_some_and(|extension| extension == want)
}

fn unreadable(path: &Path, what: &'static str, why: impl ToString) -> Error {
    Error::WeightsFile { path: path.to_owned(), what, why: why.to_string() }
}

struct Recorder {
    seen: Arc<Mutex<BTreeMap<String, Shape>>>,
}

impl SimpleBackend for Recorder {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        self.seen.lock().expect("nothing panics while it is locked").insert(name.to_owned(), shape.clone());
        // One number, broadcast: it takes no memory.
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name} was asked for without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
