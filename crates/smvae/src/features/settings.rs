//! How image vectors are made: settings, progress and summary.

use serde::Serialize;
use smvae_data::Precision;
use smvae_encoders::vision::DecodeLimits;

/// How vectors are made and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeatureSettings {
    /// Images that go through the network at once. Default: 8.
    pub batch: usize,
    /// The number type in the file. Default: f32.
    pub precision: Precision,
    /// The largest image that is read. Default: [`DecodeLimits::default`].
    pub limits: DecodeLimits,
    /// Whether a file may have an extension that does not fit its content. Default: false.
    pub any_extension: bool,
    /// Whether images of sub-folders are taken too, and the id of an image is its path in the
    /// folder, with `/` and with the extension. If not, it is its name without the extension.
    /// Default: false.
    pub by_path: bool,
    /// Whether to replace a file that exists already. Default: false.
    pub overwrite: bool,
}

impl Default for FeatureSettings {
    fn default() -> Self {
        let limits = DecodeLimits::default();
        Self { batch: 8, precision: Precision::F32, limits, any_extension: false, by_path: false, overwrite: false }
    }
}

/// How far the work is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FeatureProgress {
    /// Files that are done: computed, left out or taken from the journal.
    pub done: usize,
    /// Files of the folder.
    pub total: usize,
    /// Images that went through the network per second, since the start.
    pub images_per_second: f64,
}

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BadImage {
    /// Its name in the folder.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// What the work came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeatureSummary {
    /// Vectors in the file.
    pub vectors: usize,
    /// Width of a vector.
    pub width: usize,
    /// How many of them an earlier call had made.
    pub resumed: usize,
    /// Files that were left out, by name.
    pub bad: Vec<BadImage>,
    /// Whether the callback ended the work: then there is a journal and no file.
    pub stopped: bool,
    /// Seconds that it took.
    pub seconds: f64,
}
