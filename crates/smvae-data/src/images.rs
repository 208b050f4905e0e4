//! Image vectors: `image id -> [f32; width]`, in a safetensors file with one 1-D tensor (f32, f16
//! or f64) per id.
//!
//! The file's metadata may say how the vectors were made, under the key `smvae`; other metadata is
//! ignored.
//!
//! All vectors have one width and finite values, checked once when they are loaded. An id without a
//! vector is a missing modality, not an error; a file in which no id belongs to a post is an error.
//! Where there is no vector of an id as it stands, it is looked for as a path, with and without the
//! extension of an image ([`ImageVectors::row_of`]).
//! Values stay as the file has them: standardisation belongs to training, since its statistics come
//! from one split.

mod notes;

pub use crate::ids::{IMAGE_EXTENSIONS, bare_id, has_image_extension, is_file_name};
pub use notes::VectorNote;

use crate::{Error, Result, Sample, files, ids};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Vectors of one width by image id.
#[derive(Clone, Debug)]
pub struct ImageVectors {
    width: usize,
    /// Row of an id in `values`, `[rows, width]`.
    rows: BTreeMap<String, usize>,
    values: Vec<f32>,
    path: Option<PathBuf>,
    sha256: String,
    description: Option<String>,
    /// Vectors that were of f64.
    narrowed: usize,
}

/// Number type of a file of vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VectorPrecision {
    /// Four bytes per number, as vectors are used.
    #[default]
    F32,
    /// Two bytes per number: values up to 65504, with three significant digits.
    F16,
}

/// The one key of the metadata that is ours; with several, safetensors would write them in any
/// order.
const DESCRIPTION: &str = "smvae";

impl ImageVectors {
    /// Reads a safetensors file; f16 and f64 become f32.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Safetensors`], [`Error::NoVectors`] for a file without tensors,
    /// and [`Error::ImageVector`] with file and id for a tensor of another type, rank or width, or
    /// with a value that is not finite.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = files::read(path)?;
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|source| Error::Safetensors { path: path.to_owned(), source })?;
        // Sorted, so that of several faults the same one is reported every time.
        let views: BTreeMap<&str, TensorView<'_>> = tensors.iter().collect();
        let mut builder = Builder::new(Some(path.to_owned()));
        let metadata = SafeTensors::read_metadata(&bytes).ok().and_then(|(_, m)| m.metadata().clone());
        builder.description = metadata.and_then(|mut m| m.remove(DESCRIPTION));
        for (id, view) in views {
            builder.narrowed += usize::from(view.dtype() == Dtype::F64);
            let values = decode(&view).map_err(|why| builder.fault(id, why))?;
            builder.push(id, &values)?;
        }
        builder.finish(files::sha256_hex(&bytes))
    }

    /// Vectors made in memory. Their digest is that of the file [`ImageVectors::save`] writes.
    ///
    /// # Errors
    /// [`Error::NoVectors`] for an empty map; [`Error::ImageVector`] for widths that differ, a
    /// value that is not finite, or the id `__metadata__`, which safetensors keeps for itself.
    pub fn from_map(vectors: BTreeMap<String, Vec<f32>>) -> Result<Self> {
        let mut builder = Builder::new(None);
        for (id, values) in &vectors {
            if id == "__metadata__" {
                return Err(builder.fault(id, "has an id that safetensors reserves".to_owned()));
            }
            builder.push(id, values)?;
        }
        let mut made = builder.finish(String::new())?;
        made.sha256 = files::sha256_hex(&made.to_bytes(VectorPrecision::F32));
        Ok(made)
    }

    /// The same vectors with a text that says how they were made, which is saved with them and part
    /// of their digest.
    pub fn with_description(mut self, description: String) -> Self {
        self.description = Some(description);
        self.sha256 = files::sha256_hex(&self.to_bytes(VectorPrecision::F32));
        self
    }

    /// How the vectors were made, in the words of the program that made them.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The vector of an image, `[width]`.
    pub fn get(&self, id: &str) -> Option<&[f32]> {
        self.row_of(id).map(|row| self.row(row))
    }

    /// The number of an image's vector, counted in the order of the ids. If none has this very id,
    /// it is one with an image's extension added to it; or, if it has one, the one without.
    pub fn row_of(&self, id: &str) -> Option<usize> {
        ids::row_of(&self.rows, id)
    }

    /// The number of another image's vector, to be used in place of this one's: that of the id half
    /// of all ids further on in their order, cyclically. A single image gets its own. It serves to
    /// measure what the right image is worth.
    pub fn row_of_other(&self, id: &str) -> Option<usize> {
        // Rows are in the order of the ids, since both ways of making vectors push them sorted.
        ids::row_of_other(&self.rows, id)
    }

    /// The vector of this number, `[width]`.
    ///
    /// # Panics
    /// For a number that is not below [`ImageVectors::len`].
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// Values a vector has; at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of vectors; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a set without vectors cannot be made")]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// All ids, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    /// The file they came from; `None` for vectors made in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// SHA-256 of the file, in hexadecimal: the identity that a trained model asks for.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How many posts have a vector.
    ///
    /// # Errors
    /// [`Error::NoMatch`] if there are posts and no post has a vector: the file belongs to another
    /// corpus.
    pub fn coverage(&self, samples: &[Sample]) -> Result<Coverage> {
        let coverage = Coverage::of(samples, |sample| sample.image().is_some_and(|id| self.row_of(id).is_some()));
        if coverage.found == 0 && !samples.is_empty() {
            return Err(Error::NoMatch {
                path: self.path.clone(),
                vectors: self.len(),
                posts: samples.len(),
                vector: self.ids().next().unwrap_or_default().to_owned(),
                post: samples.iter().find_map(Sample::image).map(str::to_owned),
            });
        }
        Ok(coverage)
    }

    /// What is worth saying of the vectors, and of how these posts name them.
    pub fn notes(&self, samples: &[Sample]) -> Vec<VectorNote> {
        let mut notes = Vec::new();
        if self.narrowed > 0 {
            notes.push(VectorNote::Narrowed { vectors: self.narrowed });
        }
        let is_constant = |row: &[f32]| row.len() > 1 && row.iter().all(|value| *value == row[0]);
        let mut constant = self.ids().enumerate().filter(|(row, _)| is_constant(self.row(*row)));
        if let Some((_, first)) = constant.next() {
            notes.push(VectorNote::Constant { vectors: 1 + constant.count(), first: first.to_owned() });
        }
        if self.len() > 1 && (1..self.len()).all(|row| self.row(row) == self.row(0)) {
            notes.push(VectorNote::AllEqual { vectors: self.len() });
        }
        notes.extend(self.by_extension(samples));
        notes
    }

    fn by_extension(&self, samples: &[Sample]) -> Option<VectorNote> {
        let ids: Vec<&str> = self.ids().collect();
        let named = samples.iter().filter_map(|sample| sample.image());
        let mut otherwise = named.filter_map(|post| {
            let vector = *ids.get(self.row_of(post)?)?;
            (post.strip_prefix("./").unwrap_or(post) != vector).then_some((post, vector))
        });
        let (post, vector) = otherwise.next()?;
        let posts = 1 + otherwise.count();
        Some(VectorNote::ByExtension { posts, post: post.to_owned(), vector: vector.to_owned() })
    }

    /// Writes the format that [`ImageVectors::load`] reads, in f32, atomically; the same vectors
    /// make the same bytes.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_as(path, VectorPrecision::F32)
    }

    /// The same in numbers of this precision.
    ///
    /// # Errors
    /// [`Error::Write`]; [`Error::ImageVector`] for a number that f16 cannot hold.
    pub fn save_as(&self, path: impl AsRef<Path>, precision: VectorPrecision) -> Result<()> {
        let largest = f32::from(half::f16::MAX);
        let too_large = self.values.iter().position(|value| value.abs() > largest);
        if let (VectorPrecision::F16, Some(at)) = (precision, too_large) {
            let id = self.rows.iter().find(|(_, row)| **row == at / self.width).map_or("", |(id, _)| id);
            let why = format!("has the value {} at {}, f16 ends at {largest}", self.values[at], at % self.width);
            return Err(Error::ImageVector { path: Some(path.as_ref().to_owned()), id: id.to_owned(), why });
        }
        files::write_atomically(path.as_ref(), &self.to_bytes(precision))
    }

    fn to_bytes(&self, precision: VectorPrecision) -> Vec<u8> {
        let (dtype, size, bytes): (_, _, Vec<u8>) = match precision {
            VectorPrecision::F32 => (Dtype::F32, 4, self.values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            VectorPrecision::F16 => {
                (Dtype::F16, 2, self.values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect())
            }
        };
        let size = size * self.width;
        let views = self.rows.iter().map(|(id, row)| {
            let view = TensorView::new(dtype, vec![self.width], &bytes[row * size..(row + 1) * size]);
            (id, view.expect("two or four bytes a value"))
        });
        let metadata = self.description.clone().map(|text| HashMap::from([(DESCRIPTION.to_owned(), text)]));
        safetensors::serialize(views, metadata).expect("vectors of one width with distinct ids")
    }
}

/// Posts with and without an image vector, or a caption.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Coverage {
    /// Posts that have it.
    pub found: usize,
    /// Posts without.
    pub missing: usize,
    /// Ids of the images of posts without, sorted, each once.
    pub missing_ids: Vec<String>,
}

impl Coverage {
    /// Counts the posts that have what is asked for.
    pub(crate) fn of(samples: &[Sample], has: impl Fn(&Sample) -> bool) -> Self {
        let (found, missing): (Vec<&Sample>, Vec<&Sample>) = samples.iter().partition(|sample| has(sample));
        let missing_ids: BTreeSet<&str> = missing.iter().filter_map(|sample| sample.image()).collect();
        let missing_ids = missing_ids.into_iter().map(str::to_owned).collect();
        Self { found: found.len(), missing: missing.len(), missing_ids }
    }
}

/// Collects vectors and checks what they must have in common.
struct Builder {
    path: Option<PathBuf>,
    /// The first id and its width, which the others must have.
    first: Option<(String, usize)>,
    rows: BTreeMap<String, usize>,
    values: Vec<f32>,
    description: Option<String>,
    narrowed: usize,
}

impl Builder {
    fn new(path: Option<PathBuf>) -> Self {
        Self { path, first: None, rows: BTreeMap::new(), values: Vec::new(), description: None, narrowed: 0 }
    }

    fn push(&mut self, id: &str, values: &[f32]) -> Result<()> {
        let (first, width) = self.first.get_or_insert_with(|| (id.to_owned(), values.len()));
        if values.is_empty() {
            return Err(self.fault(id, "has no values".to_owned()));
        }
        if values.len() != *width {
            let why = format!("has {} values, that of image {first:?} has {width}", values.len());
            return Err(self.fault(id, why));
        }
        if let Some(i) = values.iter().position(|value| !value.is_finite()) {
            return Err(self.fault(id, format!("has the value {} at {i}, expected finite ones", values[i])));
        }
        self.rows.insert(id.to_owned(), self.rows.len());
        self.values.extend_from_slice(values);
        Ok(())
    }

    fn fault(&self, id: &str, why: String) -> Error {
        Error::ImageVector { path: self.path.clone(), id: id.to_owned(), why }
    }

    fn finish(self, sha256: String) -> Result<ImageVectors> {
        match self.first {
            None => Err(Error::NoVectors { path: self.path }),
            Some((_, width)) => Ok(ImageVectors {
                width,
                rows: self.rows,
                values: self.values,
                path: self.path,
                description: self.description,
                narrowed: self.narrowed,
                sha256,
            }),
        }
    }
}

/// The values of a 1-D tensor, or what it is instead.
fn decode(view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    if view.shape().len() != 1 {
        return Err(format!("has the shape {:?}, expected one dimension", view.shape()));
    }
    match view.dtype() {
        Dtype::F32 => Ok(view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()),
        Dtype::F16 => {
            let chunks = view.data().as_chunks().0;
            Ok(chunks.iter().map(|&bytes| half::f16::from_le_bytes(bytes).to_f32()).collect())
        }
        Dtype::F64 => Ok(view.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect()),
        other => Err(format!("has the type {other:?}, expected F32, F16 or F64")),
    }
}

#[cfg(test)]
mod tests;
