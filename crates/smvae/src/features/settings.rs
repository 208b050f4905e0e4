//! How image vectors are made, and what is told of it.

use serde::Serialize;
use smvae_data::Precision;
use smvae_encoders::vision::DecodeLimits;

/// How vectors are made and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureSettings {
    /// Images that go through the network at once.
    pub batch: usize,
    /// The numbers of the file.
    pub precision: Precision,
    /// What an image may be.
    pub limits: DecodeLimits,
    /// Whether a file may have another extension than its content.
    pub any_extension: bool,
    /// Whether a file that is there already is replaced.
    pub overwrite: bool,
}

impl Default for FeatureSettings {
    fn default() -> Self {
        let limits = DecodeLimits::default();
        Self { batch: 8, precision: Precision::F32, limits, any_extension: false, overwrite: false }
    }
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureProgress {
    /// Images that are done, left out or taken from the journal.
    pub done: usize,
    /// Files of the folder.
    pub total: usize,
    /// Images a second that went through the network, since the start.
    pub images_per_second: f64,
}

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadImage {
    /// Its name in the folder.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureSummary {
    /// Vectors in the file.
    pub vectors: usize,
    /// Width of a vector.
    pub width: usize,
    /// Of the vectors, those that an earlier call had made.
    pub resumed: usize,
    /// Files that were left out, by name.
    pub bad: Vec<BadImage>,
    /// Whether the callback ended it early: there is a journal and no file.
    pub stopped: bool,
    /// Seconds it took.
    pub seconds: f64,
}
