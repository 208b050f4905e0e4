//! `smvae eval`: a trained model against a split with gold labels.

use crate::args::{Device, EvalArgs, ImageArgs};
use crate::output;
use crate::progress::{Progress, say};
use anyhow::Context as _;
use serde_json::{Value, json};
use smvae::data::corpus::load_split;
use smvae::data::{Convention, ImageVectors, Sample};
use smvae::{Evaluation, Predictor, ScoredEntity};
use std::io::Write as _;
use std::path::Path;

pub(crate) fn run(args: &EvalArgs) -> anyhow::Result<()> {
    let model = load(&args.model, &args.images, args.device)?;
    let samples = load_split(args.data.folder(), args.split)?.samples;
    let convention = args.convention.unwrap_or(model.config().input.convention);
    let evaluation = score(&model, &samples, convention)?;
    if let Some(path) = &args.predictions {
        write_predictions(path, &samples, convention, &evaluation)?;
    }
    if args.json { output::print_json(&evaluation.scores) } else { output::print(&evaluation.scores.to_string()) }
}

/// A model with its image vectors.
pub(crate) fn load(run: &Path, images: &ImageArgs, device: Device) -> anyhow::Result<Predictor> {
    let model = Predictor::load_on(run, &device.open())?;
    let Some(identity) = model.image_identity().filter(|_| !images.no_images) else {
        if images.image_features.is_some() {
            return Err(smvae::Error::NoImages.into());
        }
        return Ok(model);
    };
    let recorded = identity.source.clone();
    let path = images.image_features.clone().or(recorded).context(
        "the model was trained with image vectors that were never in a file: give --image-features or --no-images",
    )?;
    let hint = "the model was trained with image vectors: --image-features names a copy, --no-images goes without";
    let vectors = ImageVectors::load(&path).context(hint)?;
    Ok(model.with_images(vectors, images.trust_images)?)
}

/// Scores a model, with progress, and says what limits the scores.
pub(crate) fn score(model: &Predictor, samples: &[Sample], convention: Convention) -> anyhow::Result<Evaluation> {
    let mut progress = Progress::new("tweets");
    let mut on_progress = |done, total| progress.update(done, total, String::new);
    let evaluation = smvae::evaluate(model, samples, convention, &mut on_progress)?;
    drop(progress);
    let limits = [
        (evaluation.images_missing, "tweets have no image vector"),
        (evaluation.words_cut, "words were cut by the piece limit"),
        (evaluation.out_of_reach, "gold entities are out of reach (too wide, or cut) and count as missed"),
    ];
    for (n, what) in limits.into_iter().filter(|(n, _)| *n > 0) {
        say(format!("{n} {what}"));
    }
    Ok(evaluation)
}

fn write_predictions(
    path: &Path,
    samples: &[Sample],
    convention: Convention,
    evaluation: &Evaluation,
) -> anyhow::Result<()> {
    let mut out = output::open(path)?;
    for (sample, found) in samples.iter().zip(&evaluation.predictions) {
        let gold = sample.entities(convention)?;
        let gold = gold.iter().map(|e| json!({"start": e.span.start, "end": e.span.end, "type": e.label}));
        let line = json!({
            "image_id": sample.image_id,
            "words": sample.words,
            "gold": gold.collect::<Vec<_>>(),
            "entities": entities_json(found),
        });
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// Entities as `predict` and `--predictions` write them.
pub(crate) fn entities_json(entities: &[ScoredEntity]) -> Value {
    let one = |e: &ScoredEntity| json!({"start": e.start, "end": e.end, "type": e.label, "score": e.score});
    entities.iter().map(one).collect()
}
