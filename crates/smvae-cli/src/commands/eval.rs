//! `smvae eval`: a trained model against a split with gold labels.

use crate::model::{load, score};
use crate::options::{DataArgs, DeviceArgs, ImageArgs, NumberType};
use crate::output::{self, EntityOutput};
use crate::progress::Progress;
use clap::Args;
use serde::Serialize;
use smvae::data::corpus::load_split;
use smvae::data::{Convention, Entity, Sample, Split};
use smvae::predictions;
use smvae::{Evaluation, Flow};
use std::path::PathBuf;

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
    /// How malformed tag sequences are read: conlleval, strict or authors; by default as the run
    /// reads them.
    #[arg(long, value_name = "NAME")]
    convention: Option<Convention>,
    #[command(flatten)]
    images: ImageArgs,
    /// Score as the authors' program does: spans filtered by gold labels, posts of equal text
    /// merged, z sampled from this seed.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["convention", "predictions", "save_predictions"])]
    authors_protocol: Option<u64>,
    /// Print the scores as JSON; `score --json` has the same schema.
    #[arg(long)]
    json: bool,
    /// Write the words and the gold and found entities of every post to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Also save the found entities, with all probabilities, in the run folder, where `report`
    /// reads them.
    #[arg(long)]
    save_predictions: bool,
    #[command(flatten)]
    device: DeviceArgs,
    /// Number type the text encoder computes in; f16 and bf16, on a GPU, take half the memory.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    dtype: NumberType,
}

pub(crate) fn run(args: &EvalArgs) -> anyhow::Result<()> {
    let model = load(&args.model, &args.images, args.device, args.dtype)?;
    let samples = load_split(args.data.folder(), args.split)?.samples;
    if let Some(seed) = args.authors_protocol {
        let mut progress = Progress::new("posts");
        let mut on_progress = |done, total| {
            progress.update(done, total, String::new);
            Flow::Continue
        };
        let scores = smvae::evaluate_as_authors_with(&model, &samples, seed, &mut on_progress)?;
        let scores = scores.expect("the callback ends nothing");
        drop(progress);
        return if args.json { output::print_json(&scores) } else { output::print(&scores.to_string()) };
    }
    let convention = args.convention.unwrap_or(model.config().input.convention);
    // A path that cannot be written is found out before the work; if writing fails later, the
    // scores have been printed.
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
