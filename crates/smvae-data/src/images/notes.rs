//! What is worth saying of image vectors that are read without an error: numbers of another type,
//! vectors that tell nothing, ids that are found in other words. What is found, in words;
//! `ImageVectors::notes` finds it.

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
