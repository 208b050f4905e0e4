//! A folder of images to a file of vectors, by a frozen vision model.
//!
//! ```text
//! folder -> listing -> [read, digest, decode, prepare] in parallel, a batch ahead -> network -> journal -> file
//! ```
//! The id of an image is its file's name without the extension. What cannot be used is left out and
//! told with the reason, never replaced. An end before the end (Ctrl-C, a crash) leaves a journal
//! beside the file, from which the next call goes on; the file itself appears whole or not at all.

pub(crate) mod cache;
pub(crate) mod description;
pub(crate) mod extract;
pub(crate) mod journal;
pub(crate) mod listing;
pub(crate) mod settings;
pub(crate) mod source;

pub use cache::cached_features;
pub use description::FeatureDescription;
pub use extract::extract;
pub use settings::{BadImage, FeatureProgress, FeatureSettings, FeatureSummary};
pub use source::{VisionSource, open_vision};
