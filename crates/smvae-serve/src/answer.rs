//! What the engine says of a post.

use smvae::{Post, Prediction};
use std::time::Duration;

/// What became of a post.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) found: Result<Found, Failure>,
    /// Time in the queue, and in the model (that of its whole batch).
    pub(crate) waited: Duration,
    pub(crate) computed: Duration,
}

/// What was found in a post.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) post: Post,
    pub(crate) prediction: Prediction,
}

/// Why nothing was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The model says so.
    Model(String),
    /// The vision model gave no usable vector.
    Picture,
    /// It panicked.
    Panic,
}
