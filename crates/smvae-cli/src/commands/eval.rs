//! `smvae eval`: a trained model against a split with gold labels.

use crate::commands::features::vectors_of;
use crate::options::{DataArgs, DeviceArgs, ImageArgs, NumberType};
use crate::output;
use crate::progress::{Progress, say};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use smvae::data::corpus::load_split;
use smvae::data::{Convention, Entity, ImageVectors, Sample, Split};
use smvae::predictions;
use smvae::{Evaluation, Predictor, ScoredEntity};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// A run folder.
    #[arg(long, visible_alias = "weights", value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// train, valid (or dev) or test.
    #[arg(long, default_value = "test", value_name = "SPLIT")]
    split: Split,
    /// How ill-formed tags are read: conlleval, strict or authors; that of the run if not given.
    #[arg(long, value_name = "NAME")]
    convention: Option<Convention>,
    #[command(flatten)]
    images: ImageArgs,
    /// Score as the authors' program does: spans filtered by gold labels, tweets of equal text merged, z sampled from this
    /// seed.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["convention", "predictions", "save_predictions"])]
    authors_protocol: Option<u64>,
    /// Print the scores as JSON; `score --json` has the same schema.
    #[arg(long)]
    json: bool,
    /// Write words, gold and found entities of every tweet here, as JSON lines.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Write what was found into the run folder as well, with all probabilities, for `report`.
    #[arg(long)]
    save_predictions: bool,
    #[command(flatten)]
    device: DeviceArgs,
    /// What the text encoder computes in; f16 and bf16, on a GPU, take half the memory.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    dtype: NumberType,
}

pub(crate) fn run(args: &EvalArgs) -> anyhow::Result<()> {
    let model = load(&args.model, &args.images, args.device, args.dtype)?;
    let samples = load_split(args.data.folder(), args.split)?.samples;
    if let Some(seed) = args.authors_protocol {
        let mut progress = Progress::new("tweets");
        let mut on_progress = |done, total| progress.update(done, total, String::new);
        let scores = smvae::evaluate_as_authors(&model, &samples, seed, &mut on_progress)?;
        drop(progress);
        return if args.json { output::print_json(&scores) } else { output::print(&scores.to_string()) };
    }
    let convention = args.convention.unwrap_or(model.config().input.convention);
    // A file that cannot be written is found before the work, and whatever happens to it later, the scores are out.
    args.predictions.as_deref().map(output::check).transpose()?;
    let evaluation = score(&model, &samples, convention)?;
    if args.json {
        output::print_json(&evaluation.scores)?;
    } else {
        output::print(&evaluation.scores.to_string())?;
    }
    if let Some(path) = &args.predictions {
        output::write(path, &prediction_lines(&samples, convention, &evaluation)?)?;
    }
    if args.save_predictions {
        predictions::save(&args.model, args.split, &samples, convention, &evaluation.predictions)?;
    }
    Ok(())
}

/// A model with its image vectors.
pub(crate) fn load(run: &Path, images: &ImageArgs, device: DeviceArgs, dtype: NumberType) -> anyhow::Result<Predictor> {
    let model = Predictor::load_as(run, &device.open()?, dtype.dtype())?;
    let Some(identity) = model.image_identity().filter(|_| !images.no_images) else {
        if images.image_features.is_some() || images.images.is_some() {
            return Err(smvae::Error::NoImages.into());
        }
        return Ok(model);
    };
    if let Some(folder) = &images.images {
        let trained_with = identity.vision.clone();
        let vectors = vectors_of(folder, &images.vision, trained_with.as_ref(), device)?;
        return Ok(model.with_images(vectors, images.trust_images)?);
    }
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

fn prediction_lines(samples: &[Sample], convention: Convention, evaluation: &Evaluation) -> anyhow::Result<String> {
    let mut text = String::new();
    for (sample, found) in samples.iter().zip(&evaluation.predictions) {
        let gold = sample.entities(convention)?;
        let line = PredictionLine {
            image_id: &sample.image_id,
            words: &sample.words,
            gold: gold.iter().map(GoldOutput::from).collect(),
            entities: found.iter().map(EntityOutput::from).collect(),
        };
        text += &serde_json::to_string(&line)?;
        text.push('\n');
    }
    Ok(text)
}

/// A line of `--predictions`.
#[derive(Serialize)]
struct PredictionLine<'a> {
    image_id: &'a str,
    words: &'a [String],
    gold: Vec<GoldOutput<'a>>,
    entities: Vec<EntityOutput<'a>>,
}

#[derive(Serialize)]
struct GoldOutput<'a> {
    start: usize,
    end: usize,
    r#type: &'a str,
}

impl<'a> From<&'a Entity> for GoldOutput<'a> {
    fn from(entity: &'a Entity) -> Self {
        Self { start: entity.span.start, end: entity.span.end, r#type: &entity.label }
    }
}

/// An entity as `predict` and `--predictions` write it.
#[derive(Serialize)]
pub(crate) struct EntityOutput<'a> {
    start: usize,
    end: usize,
    r#type: &'a str,
    score: f32,
}

impl<'a> From<&'a ScoredEntity> for EntityOutput<'a> {
    fn from(entity: &'a ScoredEntity) -> Self {
        Self { start: entity.start, end: entity.end, r#type: &entity.label, score: entity.score }
    }
}
