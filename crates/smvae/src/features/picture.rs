//! What became of an image that a post names. No pixels: this is there without the feature `vision`
//! too.

use std::sync::Arc;

/// What became of an image that a post names.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture {
    /// Its vector.
    Vector(Arc<[f32]>),
    /// There is no such file.
    Missing,
    /// It cannot be used, and why.
    Bad(String),
}
