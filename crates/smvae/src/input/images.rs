//! Image vectors as a model sees them: standardised, and tied to the file they come from.

use crate::error::{Error, Result};
use crate::features::description::FeatureDescription;
use crate::files::folder::named_file;
use serde::{Deserialize, Serialize};
use smvae_data::{ImageVectors, Sample};
use smvae_encoders::preprocessing::VisionIdentity;
use std::path::PathBuf;

/// Which image vectors a model was trained with, saved beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ImageIdentity {
    /// Width of a vector.
    pub width: usize,
    /// Absolute path of the file at training. `None` for vectors that were never in a file.
    pub source: Option<PathBuf>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// The vision model that made them. `None` where the file does not say.
    #[serde(default)]
    pub vision: Option<VisionIdentity>,
    /// What is subtracted from them, and what they are divided by. `None` for raw vectors.
    pub standardisation: Option<Standardisation>,
}

/// Mean and standard deviation of each dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Standardisation {
    /// Mean of each dimension over the training split.
    pub mean: Vec<f32>,
    /// Standard deviation of each dimension over the training split; 1 for a constant one.
    pub std: Vec<f32>,
}

/// Which image vectors a model accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageTrust {
    /// The vectors of the file it was trained with, or those of other images by the same vision
    /// model.
    #[default]
    Recorded,
    /// Any vectors of the right width: the caller knows where they come from.
    Any,
}

impl ImageIdentity {
    /// Identity of these vectors, with the statistics of a training split if the model standardises
    /// them.
    pub(crate) fn new(images: &ImageVectors, train: &[Sample], standardise: bool) -> Self {
        Self {
            width: images.width(),
            source: images.path().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
            sha256: images.sha256().to_owned(),
            vision: FeatureDescription::of(images).map(|description| description.vision),
            standardisation: standardise.then(|| Standardisation::of(images, train)),
        }
    }

    /// Whether its parts fit each other, which those of a damaged file may not.
    pub(crate) fn is_consistent(&self) -> bool {
        let width = |numbers: &[f32]| numbers.len() == self.width && numbers.iter().all(|x| x.is_finite());
        self.standardisation.as_ref().is_none_or(|s| width(&s.mean) && width(&s.std))
    }

    /// Reads the file of training, wherever it lies. `None` for vectors that were never in a file.
    ///
    /// # Errors
    /// [`Error::Unsafe`] if the path is that of a pipe, a device or a folder;
    /// [`Error::Data`] for a file that cannot be read.
    pub fn recorded_vectors(&self) -> Result<Option<ImageVectors>> {
        let Some(source) = &self.source else { return Ok(None) };
        Ok(Some(ImageVectors::load(named_file(source)?)?))
    }

    /// Checks that the model accepts these vectors.
    pub(crate) fn check(&self, images: &ImageVectors, trust: ImageTrust) -> Result<()> {
        if images.width() != self.width {
            let (got, want) = (images.width().to_string(), self.width.to_string());
            return Err(Error::OtherImages { what: "the width", got, want });
        }
        if images.sha256() != self.sha256 && trust == ImageTrust::Recorded && !self.same_vision(images) {
            let (got, want) = (images.sha256().to_owned(), self.sha256.clone());
            return Err(Error::OtherImages { what: "the file's sha256", got, want });
        }
        Ok(())
    }

    /// Checks that the model accepts the vectors that a vision model makes.
    pub(crate) fn check_vision(&self, vision: &VisionIdentity, width: usize) -> Result<()> {
        if width != self.width {
            let (got, want) = (width.to_string(), self.width.to_string());
            return Err(Error::OtherImages { what: "the width", got, want });
        }
        let Some(ours) = &self.vision else {
            let want = "one that its file of vectors does not name".to_owned();
            return Err(Error::OtherImages { what: "the vision model", got: vision.model.clone(), want });
        };
        if ours.sha256 != vision.sha256 {
            let (got, want) = (vision.sha256.clone(), ours.sha256.clone());
            return Err(Error::OtherImages { what: "the sha256 of the vision model's weights", got, want });
        }
        if ours.preprocessing != vision.preprocessing {
            let show = |identity: &VisionIdentity| serde_json::to_string(&identity.preprocessing).unwrap_or_default();
            return Err(Error::OtherImages { what: "the preprocessing", got: show(vision), want: show(ours) });
        }
        Ok(())
    }

    /// Whether the vision model that made these vectors is the one of training, with the same
    /// preprocessing.
    fn same_vision(&self, images: &ImageVectors) -> bool {
        let made_by = FeatureDescription::of(images).map(|description| description.vision);
        self.vision.as_ref().zip(made_by).is_some_and(|(ours, theirs)| ours.same_vectors(&theirs))
    }

    /// Writes the vector of an image as the model sees it.
    pub(crate) fn prepare(&self, raw: &[f32], prepared: &mut [f32]) {
        prepared.copy_from_slice(raw);
        if let Some(s) = &self.standardisation {
            prepared.iter_mut().zip(&s.mean).zip(&s.std).for_each(|((x, mean), std)| *x = (*x - mean) / std);
        }
    }
}

impl Standardisation {
    /// Statistics of the posts that have a vector; an image of two posts counts twice.
    fn of(images: &ImageVectors, train: &[Sample]) -> Self {
        let vectors = || train.iter().filter_map(|sample| images.get(&sample.image_id));
        let n = vectors().count().max(1) as f64;
        let mut mean = vec![0f64; images.width()];
        vectors().for_each(|v| mean.iter_mut().zip(v).for_each(|(m, x)| *m += f64::from(*x) / n));
        let mut var = vec![0f64; images.width()];
        vectors().for_each(|v| {
            var.iter_mut().zip(v).zip(&mean).for_each(|((s, x), m)| *s += (f64::from(*x) - m).powi(2) / n);
        });
        let std = var.iter().map(|v| if *v > 1e-12 { v.sqrt() as f32 } else { 1.0 });
        Self { std: std.collect(), mean: mean.iter().map(|m| *m as f32).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_training_split_has_mean_zero_and_deviation_one() {
        let vectors = [("a", vec![1.0, 5.0]), ("b", vec![3.0, 5.0]), ("other", vec![100.0, 0.0])];
        let images =
            ImageVectors::from_map(vectors.map(|(id, v)| (id.to_owned(), v)).into_iter().collect::<BTreeMap<_, _>>())
                .expect("equal widths");
        let train = ["a", "b", "missing"].map(|id| Sample { image_id: id.to_owned(), ..Sample::default() });
        let prepared = |standardise, id| {
            let mut row = [0.0; 2];
            ImageIdentity::new(&images, &train, standardise).prepare(images.get(id).expect("there"), &mut row);
            row
        };
        assert_eq!(prepared(true, "a"), [-1.0, 0.0]);
        assert_eq!(prepared(true, "b"), [1.0, 0.0]);
        assert_eq!(prepared(false, "other"), [100.0, 0.0]);
    }
}
