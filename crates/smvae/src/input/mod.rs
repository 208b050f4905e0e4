//! Posts as the networks take them: words become pieces, image ids become standardised vectors.
//!
//! ```text
//! Post, Sample --collate--> Item (pieces, words, image row) --> SpanBatch
//! ```

pub(crate) mod captions;
pub(crate) mod collate;
pub(crate) mod images;
#[cfg(feature = "vision")]
mod pictures;
pub(crate) mod post;
pub(crate) mod windows;
