//! How image vectors are made: settings, progress and summary.

use serde::Serialize;
use smvae_data::VectorPrecision;
use smvae_encoders::vision::DecodeLimits;

/// How vectors are made and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeatureSettings {
    /// Images that go through the network at once. Default: 8.
    pub batch: usize,
    /// The number type in the file. Default: f32.
    pub precision: VectorPrecision,
    /// The largest image that is read. Default: [`DecodeLimits::default`].
    pub limits: DecodeLimits,
    /// Whether a file may have an extension that does not fit its content. Default: false.
    pub any_extension: bool,
    /// What the id of an image is, and whether images of sub-folders are taken. Default: its name.
    pub ids: Ids,
    /// Whether to replace a file that exists already. Default: false.
    pub overwrite: bool,
}

impl Default for FeatureSettings {
    fn default() -> Self {
        let limits = DecodeLimits::default();
        Self {
            batch: 8,
            precision: VectorPrecision::F32,
            limits,
            any_extension: false,
            ids: Ids::Names,
            overwrite: false,
        }
    }
}

/// What the id of an image is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ids {
    /// Its name without the extension; folders in the folder are not looked into.
    #[default]
    Names,
    /// Its name without the extension, wherever below the folder it is.
    NamesBelow,
    /// Its path in the folder, with `/` and with the extension, wherever below it is.
    Paths,
}

impl Ids {
    /// What distinguishes what was made by it; empty for names, as ever.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Names => "",
            Self::NamesBelow => " below",
            Self::Paths => " by path",
        }
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
