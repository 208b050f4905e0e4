//! A trained model with its image vectors, and its scores on posts with gold labels: what several
//! commands need. No command itself, and prints no results.

use crate::failure::Usage;
use crate::options::{DeviceArgs, ImageArgs};
use crate::progress::{Progress, detail, say};
use crate::vectors::{pictures_of, vectors_of};
use anyhow::Context as _;
use smvae::config::ImageUse;
use smvae::data::images::is_file_name;
use smvae::data::{Convention, ImageVectors, Sample};
use smvae::features::PictureFolder;
use smvae::{Evaluation, Flow, LoadOptions, Predictor, RunInfo};
use std::path::{Path, PathBuf};

/// A model on a device and otherwise with these options, for which [`with_images`] or [`pictures`]
/// finds image vectors.
pub(crate) fn load(run: &Path, device: DeviceArgs, mut options: LoadOptions) -> anyhow::Result<Predictor> {
    options.device = device.open()?;
    let model = Predictor::load_with(run, &options)?;
    detail(|| format!("the model is {}, its labels are {}", run.display(), model.labels().types().join(" ")));
    if !RunInfo::is_finished(run)? {
        let run = run.display();
        say(format!(
            "{run} is not finished: these are its best weights so far; smvae train --resume {run} continues it"
        ));
    }
    Ok(model)
}

/// Several models, none of them twice: it would agree with itself.
pub(crate) fn load_each(runs: &[PathBuf], device: DeviceArgs, options: &LoadOptions) -> anyhow::Result<Vec<Predictor>> {
    // Before they are loaded, which takes time.
    let real: Vec<_> = runs.iter().map(|run| run.canonicalize().ok()).collect();
    let is_again = |i: &usize| real[*i].is_some() && real[..*i].contains(&real[*i]);
    if let Some(run) = (0..real.len()).find(is_again).map(|i| runs[i].display()) {
        return Err(Usage(format!("--model {run} is given twice")).into());
    }
    let models: Vec<Predictor> =
        runs.iter().map(|run| named(runs, run, load(run, device, options.clone()))).collect::<anyhow::Result<_>>()?;
    if let Some((first, others)) = models.split_first() {
        others.iter().try_for_each(|other| first.check_labels(other))?;
        if let Some(i) = others.iter().position(|other| other.words() != first.words()) {
            let (first, other) = (runs[0].display(), runs[i + 1].display());
            say(format!(
                "{first} and {other} were trained on words that were split otherwise: text is split as for {first}"
            ));
        }
    }
    Ok(models)
}

/// Of several models, a message says which it is about.
fn named(runs: &[PathBuf], run: &Path, model: anyhow::Result<Predictor>) -> anyhow::Result<Predictor> {
    if runs.len() == 1 { model } else { model.with_context(|| format!("--model {}", run.display())) }
}

/// Models, those that use image vectors and captions with theirs. Where none of them does, they are
/// asked all the same, and say that they cannot use what was given.
pub(crate) fn complete(
    models: Vec<Predictor>,
    runs: &[PathBuf],
    with_images: impl Fn(Predictor) -> anyhow::Result<Predictor>,
    with_captions: impl Fn(Predictor) -> anyhow::Result<Predictor>,
) -> anyhow::Result<Vec<Predictor>> {
    let any_has_images = models.iter().any(|model| model.image_identity().is_some());
    let any_has_captions = models.iter().any(|model| model.caption_identity().is_some());
    let complete = |(model, run): (Predictor, &PathBuf)| {
        let has_captions = model.caption_identity().is_some();
        let is_blind = any_has_images && model.image_identity().is_none();
        let model = if is_blind { model } else { named(runs, run, with_images(model))? };
        if any_has_captions && !has_captions { Ok(model) } else { named(runs, run, with_captions(model)) }
    };
    models.into_iter().zip(runs).map(complete).collect()
}

/// What names a model in other programs: its run and the beginning of its weights' digest, so that
/// two models of one name are not taken for one.
pub(crate) fn version(run: &Path) -> anyhow::Result<String> {
    let real = run.canonicalize().with_context(|| format!("cannot read {}", run.display()))?;
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!("{name}@{:.12}", RunInfo::digest_of_weights(run)?))
}

/// The same of models that answer together.
pub(crate) fn versions(runs: &[PathBuf]) -> anyhow::Result<String> {
    Ok(runs.iter().map(|run| version(run)).collect::<anyhow::Result<Vec<_>>>()?.join("+"))
}

/// The model with its image vectors: those of a file, or of a folder, where `by_path` is whether
/// posts name files of it.
pub(crate) fn with_images(
    model: Predictor,
    images: &ImageArgs,
    device: DeviceArgs,
    by_path: bool,
) -> anyhow::Result<Predictor> {
    let Some(identity) = model.image_identity().filter(|_| !images.no_images) else {
        if images.image_features.is_some() || images.images.is_some() {
            return Err(smvae::Error::NoImages.into());
        }
        return Ok(model);
    };
    if let Some(folder) = &images.images {
        let trained_with = identity.vision.clone();
        let vectors = vectors_of(folder, &images.vision, trained_with.as_ref(), device, by_path)?;
        return Ok(model.with_images(vectors, images.trust())?);
    }
    let hint =
        "the model was trained with image vectors: name a copy of them with --image-features, or pass --no-images";
    let vectors = match &images.image_features {
        Some(path) => ImageVectors::load(path).context(hint)?,
        None => identity.recorded_vectors().context(hint)?.context(
            "the model was trained with image vectors that were not read from a file: give --image-features or \
             --no-images",
        )?,
    };
    Ok(model.with_images(vectors, images.trust())?)
}

/// The folder of images that posts may name, of which only what is named is read. `None` where
/// vectors are to be found otherwise, by [`with_images`].
pub(crate) fn pictures(
    models: &[Predictor],
    images: &ImageArgs,
    device: DeviceArgs,
) -> anyhow::Result<Option<PictureFolder>> {
    // Which image another one is exchanged for depends on all of them.
    let is_shuffled = models.iter().any(|model| model.config().input.image == ImageUse::Shuffled);
    let with_images: Vec<&Predictor> = models.iter().filter(|model| model.image_identity().is_some()).collect();
    let identity = with_images.first().and_then(|model| model.image_identity());
    let (Some(folder), Some(identity)) = (&images.images, identity) else { return Ok(None) };
    if is_shuffled {
        return Ok(None);
    }
    let pictures = pictures_of(folder, &images.vision, identity.vision.as_ref(), device)?;
    with_images.iter().try_for_each(|model| model.check_vision(pictures.identity(), pictures.width()))?;
    Ok(Some(pictures))
}

/// Whether posts name files as their images, and not ids.
pub(crate) fn name_files<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> bool {
    samples.into_iter().filter_map(Sample::image).any(is_file_name)
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
        (evaluation.captions_missing, "posts have no caption, and are read as text alone"),
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
