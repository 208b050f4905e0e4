//! What vectors depend on besides the images, as digests: the model, the settings, the library.

use crate::features::settings::FeatureSettings;
use smvae_data::files::sha256_hex;
use smvae_encoders::vision::{VisionIdentity, VisionModel};

/// Version of the library, on which vectors depend too.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Which decoders the library has: a later number, other pixels of some files.
const DECODERS: u32 = 2;

/// What a journal's vectors depend on besides the images.
pub(super) fn journal_key(model: &VisionModel, settings: &FeatureSettings) -> String {
    let FeatureSettings { limits, any_extension, ids, .. } = settings;
    sha256_hex(format!("{} {limits:?} {any_extension}{}", model_key(model), ids.key()).as_bytes())
}

/// What the vectors of a model depend on besides the images.
pub(super) fn model_key(model: &VisionModel) -> String {
    let VisionIdentity { sha256, preprocessing, .. } = &model.identity;
    let parts = (VERSION, DECODERS, sha256, preprocessing, model.dtype.as_str());
    let text = serde_json::to_string(&parts).expect("our own types have no failing parts");
    sha256_hex(text.as_bytes())
}
