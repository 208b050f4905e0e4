//! What a file of image vectors says of itself.

use serde::{Deserialize, Serialize};
use smvae_data::ImageVectors;
use smvae_encoders::preprocessing::VisionIdentity;

/// What a file of vectors says of itself, as JSON under the key `smvae` of its metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_versions_wrote_is_read_whatever_the_features_are() {
        let text = r#"{"vision": {"model": "microsoft/resnet-50", "revision": "34c2154c", "sha256": "9a8b",
            "preprocessing": {"upright": true, "resize": {"shortest_edge": 256}, "filter": "bicubic",
            "crop": {"height": 224, "width": 224, "odd": "down"}, "scale": 0.5,
            "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "channels": "rgb"}},
            "library_version": "0.1.0", "images_sha256": "77f0"}"#;
        let vectors = [("a".to_owned(), vec![1.0])].into_iter().collect();
        let images = ImageVectors::from_map(vectors).expect("equal widths").with_description(text.to_owned());
        let description = FeatureDescription::of(&images).expect("the fields of a description");
        assert_eq!(description.vision.preprocessing.size(), (224, 224));
        let again = serde_json::to_value(&description).expect("our own types");
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).expect("JSON"));
    }
}
