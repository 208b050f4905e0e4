//! The model that a service answers with: a run, the vision model that makes vectors of pictures,
//! and what there is to tell about both.

use crate::error::{Error, Result};
use smvae::core::candle_core::Device;
use smvae::encoders::vision::{Compute, VisionModel};
use smvae::features::{VisionSource, open_vision};
use smvae::{Flow, LoadOptions, Predictor, RunInfo};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

/// Where a model comes from. It is read when a service starts, and anew whenever it is told to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelSource {
    /// The run folder.
    pub run: PathBuf,
    /// How it is loaded.
    pub options: LoadOptions,
    /// Which vision model makes vectors of pictures.
    pub pictures: Pictures,
}

/// Which vision model makes vectors of pictures. It must be that of the run's training.
#[derive(Clone, Debug, Default)]
pub enum Pictures {
    /// The one of training, if it still lies where it was then; else pictures are refused.
    #[default]
    Recorded,
    /// This one.
    By(VisionSource),
    /// None: pictures are refused.
    Refused,
}

impl ModelSource {
    /// A run on the CPU, with the vision model of its training.
    pub fn of(run: impl Into<PathBuf>) -> Self {
        Self { run: run.into(), options: LoadOptions::default(), pictures: Pictures::default() }
    }

    /// The same with another way to read pictures.
    pub fn with_pictures(self, pictures: Pictures) -> Self {
        Self { pictures, ..self }
    }

    /// The same, loaded in another way.
    pub fn with_options(self, options: LoadOptions) -> Self {
        Self { options, ..self }
    }
}

/// A model at work.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) predictor: Predictor,
    pub(crate) vision: Option<VisionModel>,
    /// SHA-256 of the weights.
    pub(crate) weights_sha256: String,
    /// Name of the run folder, without the folders it is in.
    pub(crate) run: String,
}

impl Model {
    /// Reads a run and its vision model.
    pub(crate) fn load(source: &ModelSource) -> Result<Self> {
        let predictor = Predictor::load_with(&source.run, &source.options)?;
        let weights_sha256 = RunInfo::digest_of_weights(&source.run)?;
        let vision = vision_of(&source.pictures, &predictor);
        let vision = vision.map(|vision| open(&vision, &predictor, &source.options.device)).transpose()?;
        Ok(Self { predictor, vision, weights_sha256, run: name_of(&source.run) })
    }

    /// What names this model in answers of other protocols: the run and the beginning of the
    /// digest.
    pub(crate) fn version(&self) -> String {
        format!("{}@{:.12}", self.run, self.weights_sha256)
    }
}

/// Where the vision model is, if there is one to open.
fn vision_of(pictures: &Pictures, predictor: &Predictor) -> Option<VisionSource> {
    match pictures {
        Pictures::Refused => None,
        Pictures::By(source) => Some(source.clone()),
        Pictures::Recorded => {
            let identity = predictor.image_identity()?;
            let recorded = identity.vision.as_ref().map(VisionSource::of);
            let there = recorded.filter(|source| Path::new(&source.name).exists());
            if there.is_none() {
                tracing::warn!("pictures are refused: the vision model of training is not where it was then");
            }
            there
        }
    }
}

/// Opens the vision model of a run, which must be the one of its training.
fn open(source: &VisionSource, predictor: &Predictor, device: &Device) -> Result<VisionModel> {
    let identity = predictor.image_identity().ok_or(Error::NoImages)?;
    let mut source = source.clone();
    if let Some(trained_with) = &identity.vision {
        source.preprocessing = source.preprocessing.or_else(|| Some(trained_with.preprocessing.clone()));
    }
    let compute = Compute { device: device.clone(), ..Compute::default() };
    let vision = open_vision(&source, compute, &mut |_, _, _| Flow::Continue)?;
    predictor.check_vision(&vision.identity, vision.encoder.width())?;
    Ok(vision)
}

fn name_of(run: &Path) -> String {
    let absolute = std::path::absolute(run).unwrap_or_else(|_| run.to_owned());
    absolute.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The model that new requests are given; those before it keep theirs.
#[derive(Debug)]
pub(crate) struct Current(RwLock<Arc<Model>>);

impl Current {
    pub(crate) fn new(model: Model) -> Self {
        Self(RwLock::new(Arc::new(model)))
    }

    pub(crate) fn get(&self) -> Arc<Model> {
        Arc::clone(&self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub(crate) fn set(&self, model: Model) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(model);
    }
}
