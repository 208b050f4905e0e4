//! Where a vision model comes from.

use crate::error::Result;
use crate::flow::Flow;
use smvae_encoders::vision::{Compute, Preprocessing, VisionIdentity, VisionModel};
use std::path::Path;

/// A vision model, and how its images are prepared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VisionSource {
    /// A folder, a weights file, or `owner/name[@revision]` of the hub that the environment names.
    pub name: String,
    /// Preprocessing instead of the one in the model's files. `None` keeps that.
    pub preprocessing: Option<Preprocessing>,
}

impl VisionSource {
    /// A model by its name, prepared as its files say.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), preprocessing: None }
    }

    /// The model that made some vectors, at its revision then.
    pub fn of(identity: &VisionIdentity) -> Self {
        let VisionIdentity { model, revision, preprocessing, .. } = identity;
        let name = revision.as_ref().map_or_else(|| model.clone(), |revision| format!("{model}@{revision}"));
        Self { name, preprocessing: Some(preprocessing.clone()) }
    }
}

/// Opens a vision model. A model of the hub is fetched unless the cache has it; `on_fetch` is told
/// file, bytes done and bytes in all, and may end the transfer.
///
/// # Errors
/// Those of [`VisionModel::open`], and those of the hub.
pub fn open_vision(
    source: &VisionSource,
    compute: Compute,
    on_fetch: &mut dyn FnMut(&str, u64, Option<u64>) -> Flow,
) -> Result<VisionModel> {
    let path = Path::new(&source.name);
    let preprocessing = source.preprocessing.clone();
    #[cfg(feature = "hub")]
    if let (false, Ok(id)) = (path.exists(), source.name.parse()) {
        let hub = smvae_encoders::hub::Hub::from_env().map_err(smvae_encoders::Error::from)?;
        let mut on_fetch = |p: smvae_encoders::hub::Progress<'_>| on_fetch(p.file, p.done, p.total).into();
        return Ok(VisionModel::fetch(&hub, &id, preprocessing, compute, &mut on_fetch)?);
    }
    // Without a hub nothing is fetched.
    let _ = on_fetch;
    Ok(VisionModel::open(path, preprocessing, compute)?)
}
