//! What a run of an experiment reads: the training split, image vectors and captions.

use crate::error::Result;
use crate::experiment::spec::Sources;
use crate::inference::load_options::LoadOptions;
use crate::inference::predictor::Predictor;
use crate::input::captions::CaptionTrust;
use crate::input::images::ImageTrust;
use smvae_data::corpus::{LoadedSplit, load_split};
use smvae_data::{Captions, ImageVectors, Split};
use std::path::Path;

pub(super) struct Material {
    pub train: LoadedSplit,
    pub images: Option<ImageVectors>,
    pub captions: Option<Captions>,
}

impl Material {
    pub(super) fn load(sources: &Sources) -> Result<Self> {
        Ok(Self {
            train: split(sources, Split::Train)?,
            images: sources.images.as_ref().map(ImageVectors::load).transpose()?,
            captions: sources.captions.as_ref().map(Captions::load).transpose()?,
        })
    }

    /// The model of a run of the same experiment, with the image vectors and captions that it was
    /// trained with. Where this run does without, they are those that the other run recorded.
    pub(super) fn model(&self, run: &Path, options: &LoadOptions) -> Result<Predictor> {
        let mut model = Predictor::load_with(run, options)?;
        if let Some(identity) = model.image_identity() {
            let own = self.images.clone();
            if let Some(images) = own.map_or_else(|| identity.recorded_vectors(), |own| Ok(Some(own)))? {
                model = model.with_images(images, ImageTrust::Recorded)?;
            }
        }
        if let Some(identity) = model.caption_identity() {
            let own = self.captions.clone();
            if let Some(captions) = own.map_or_else(|| identity.recorded_captions(), |own| Ok(Some(own)))? {
                model = model.with_captions(captions, CaptionTrust::Recorded)?;
            }
        }
        Ok(model)
    }
}

/// A split. Captions are those of the file that the experiment names, or there are none.
pub(super) fn split(sources: &Sources, split: Split) -> Result<LoadedSplit> {
    Ok(load_split(&sources.data, split)?.without_captions())
}
