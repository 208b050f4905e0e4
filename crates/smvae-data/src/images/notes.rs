//! What is worth saying of image vectors that are read without an error: numbers of another type,
//! vectors that tell nothing, ids that are found in other words. Nothing is changed here.

use super::ImageVectors;
use crate::Sample;
use std::fmt;

/// Something that is not wrong as such, and often a sign of what is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorNote {
    /// Numbers of eight bytes became numbers of four.
    Narrowed {
        /// Vectors of which this holds.
        vectors: usize,
    },
    /// Vectors whose values are all the same.
    Constant {
        /// How many there are.
        vectors: usize,
        /// The id of the first.
        first: String,
    },
    /// All vectors are the same one.
    AllEqual {
        /// How many there are.
        vectors: usize,
    },
    /// Posts whose image is found only with the extension of an image added or taken away.
    ByExtension {
        /// Posts of which this holds.
        posts: usize,
        /// What the first of them names.
        post: String,
        /// The id of its vector.
        vector: String,
    },
}

impl fmt::Display for VectorNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Narrowed { vectors } => write!(f, "{vectors} image vectors of f64 were converted to f32"),
            Self::Constant { vectors, first } => {
                write!(f, "{vectors} image vectors have one value throughout, the first of them that of {first:?}")
            }
            Self::AllEqual { vectors } => write!(f, "all {vectors} image vectors are the same"),
            Self::ByExtension { posts, post, vector } => {
                write!(f, "the images of {posts} posts are found by another name, the first as {vector:?} for {post:?}")
            }
        }
    }
}

impl ImageVectors {
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
}
