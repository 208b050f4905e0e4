//! A trained model with its image vectors, and its scores on posts with gold labels: what several
//! commands need. No command itself, and prints no results.

use crate::options::{DeviceArgs, ImageArgs, NumberType};
use crate::progress::{Progress, say};
use crate::vectors::vectors_of;
use anyhow::Context as _;
use smvae::data::words::WordConvention;
use smvae::data::{Convention, ImageVectors, Sample};
use smvae::{Evaluation, Flow, LoadOptions, Predictor};
use std::path::Path;

/// A model with its image vectors.
pub(crate) fn load(
    run: &Path,
    images: &ImageArgs,
    device: DeviceArgs,
    dtype: NumberType,
    words: Option<&WordConvention>,
) -> anyhow::Result<Predictor> {
    let mut options = LoadOptions::on(device.open()?).with_dtype(dtype.dtype());
    if let Some(words) = words {
        options = options.with_words(words.clone());
    }
    let model = Predictor::load_with(run, &options)?;
    let Some(identity) = model.image_identity().filter(|_| !images.no_images) else {
        if images.image_features.is_some() || images.images.is_some() {
            return Err(smvae::Error::NoImages.into());
        }
        return Ok(model);
    };
    if let Some(folder) = &images.images {
        let trained_with = identity.vision.clone();
        let vectors = vectors_of(folder, &images.vision, trained_with.as_ref(), device)?;
        return Ok(model.with_images(vectors, images.trust())?);
    }
    let recorded = identity.source.clone();
    let path = images.image_features.clone().or(recorded).context(
        "the model was trained with image vectors that were not read from a file: give --image-features or --no-images",
    )?;
    let hint =
        "the model was trained with image vectors: name a copy of them with --image-features, or pass --no-images";
    let vectors = ImageVectors::load(&path).context(hint)?;
    Ok(model.with_images(vectors, images.trust())?)
}

/// Scores a model, with progress, and says what limits the scores.
pub(crate) fn score(model: &Predictor, samples: &[Sample], convention: Convention) -> anyhow::Result<Evaluation> {
    let mut progress = Progress::new("posts");
    let mut on_progress = |done, total| {
        progress.update(done, total, String::new);
        Flow::Continue
    };
    let evaluation = smvae::evaluate_with(model, samples, convention, &mut on_progress)?;
    let evaluation = evaluation.expect("the callback ends nothing");
    drop(progress);
    let limits = [
        (evaluation.images_missing, "posts have no image vector"),
        (evaluation.words_cut, "words were cut by the piece limit"),
        (
            evaluation.out_of_reach,
            "gold entities are out of reach (too wide, cut, or of a type the model does not know) and count as missed",
        ),
    ];
    for (n, what) in limits.into_iter().filter(|(n, _)| *n > 0) {
        say(format!("{n} {what}"));
    }
    Ok(evaluation)
}
