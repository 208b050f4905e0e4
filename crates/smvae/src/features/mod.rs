//! A folder of images to a file of vectors, by a frozen vision model.
//!
//! ```text
//! folder -> listing -> [read, digest, decode, prepare] in parallel, a batch ahead -> network -> journal -> file
//! ```
//! The id of an image is its file's name without the extension or, where posts name files, its
//! path. `PictureFolder` takes one image at a time, when a post names it. What cannot be used is
//! left out and told with the reason, never replaced. If interrupted (Ctrl-C, a crash), it leaves a
//! journal beside the file, from which the next call continues; the file itself appears whole or
//! not at all.
//!
//! All of this is the feature `vision`; without it there is [`FeatureDescription`], which files of
//! vectors hold.

#[cfg(feature = "vision")]
pub(crate) mod cache;
pub(crate) mod description;
#[cfg(feature = "vision")]
mod earlier;
#[cfg(feature = "vision")]
pub(crate) mod extract;
#[cfg(feature = "vision")]
pub(crate) mod journal;
#[cfg(feature = "vision")]
mod key;
#[cfg(feature = "vision")]
pub(crate) mod listing;
pub(crate) mod picture;
#[cfg(feature = "vision")]
pub(crate) mod pictures;
#[cfg(feature = "vision")]
pub(crate) mod read;
#[cfg(feature = "vision")]
pub(crate) mod settings;
#[cfg(feature = "vision")]
pub(crate) mod source;
#[cfg(feature = "vision")]
mod table;

#[cfg(feature = "vision")]
#[cfg_attr(docsrs, doc(cfg(feature = "vision")))]
pub use cache::cached_features;
pub use description::FeatureDescription;
#[cfg(feature = "vision")]
#[cfg_attr(docsrs, doc(cfg(feature = "vision")))]
pub use extract::{extract, extract_table};
pub use picture::Picture;
#[cfg(feature = "vision")]
#[cfg_attr(docsrs, doc(cfg(feature = "vision")))]
pub use pictures::PictureFolder;
#[cfg(feature = "vision")]
#[cfg_attr(docsrs, doc(cfg(feature = "vision")))]
pub use settings::{BadImage, FeatureProgress, FeatureSettings, FeatureSummary, Ids};
#[cfg(feature = "vision")]
#[cfg_attr(docsrs, doc(cfg(feature = "vision")))]
pub use source::{VisionSource, open_vision};
