//! What a file of image vectors says of itself.

use serde::{Deserialize, Serialize};
use smvae_data::ImageVectors;
use smvae_encoders::vision::VisionIdentity;

/// What a file of vectors says of itself, as JSON under the key `smvae` of its metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureDescription {
    /// Model, revision, digest of the weights, preprocessing.
    pub vision: VisionIdentity,
    /// Version of the library that made it.
    pub library_version: String,
    /// Digest of the names and contents of all files of the folder.
    pub images_sha256: String,
}

impl FeatureDescription {
    /// What vectors say of themselves. `None` for vectors that another program made.
    pub fn of(images: &ImageVectors) -> Option<Self> {
        serde_json::from_str(images.description()?).ok()
    }
}
