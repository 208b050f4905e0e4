//! `smvae eval`: a trained model against a split with gold labels.

use crate::answers::only_json_lines;
use crate::captions::with_captions;
use crate::corpus::{format_for_run, load_splits};
use crate::counted::count;
use crate::failure::Usage;
use crate::inputs::Inputs;
use crate::model::{complete, load_each, name_files, score, with_images};
use crate::options::{CaptionArgs, DataArgs, DeviceArgs, FormatArgs, ImageArgs, PrecisionArgs, VerifyArgs, WindowArgs};
use crate::output::{self, file_of};
use crate::progress::{Progress, say};
use clap::Args;
use smvae::data::corpus::LoadedSplit;
use smvae::data::{Convention, Sample, Split, gold_entities};
use smvae::{Flow, PostPrediction, Predictor, RunInfo};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// A run folder. Given several times, for models of one corpus, their probabilities are
    /// averaged.
    #[arg(long, visible_alias = "weights", required = true, value_name = "DIR")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    format: FormatArgs,
    /// train, dev (or valid, as its file is called) or test.
    #[arg(long, default_value = "test", value_name = "SPLIT")]
    split: Split,
    /// How malformed tag sequences are read: conlleval, strict or authors; by default as the run
    /// reads them.
    #[arg(long, value_name = "NAME")]
    convention: Option<Convention>,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    captions: CaptionArgs,
    #[command(flatten)]
    windows: WindowArgs,
    /// Score as the authors' program does: spans filtered by gold labels, posts of equal text
    /// merged, z sampled from this seed. Long posts are cut.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["convention", "predictions", "save_predictions"])]
    authors_protocol: Option<u64>,
    /// Print the scores as JSON; `score --json` has the same schema.
    #[arg(long)]
    json: bool,
    /// Write every post with its gold and found entities to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Replace the file of --predictions that is there already.
    #[arg(long, requires = "predictions")]
    overwrite: bool,
    /// Also save what is found in the run folder, where `report` reads it.
    ///
    /// The entities are saved with all probabilities. With --no-images and --no-captions they are
    /// saved beside the others, and `report` shows what images and captions change.
    #[arg(long)]
    save_predictions: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    verify: VerifyArgs,
}

pub(crate) fn run(args: &EvalArgs) -> anyhow::Result<()> {
    let run = match &args.model[..] {
        [run] => Some(run.as_path()),
        _ if args.save_predictions => return Err(only_one("--save-predictions").into()),
        _ if args.authors_protocol.is_some() => return Err(only_one("--authors-protocol").into()),
        _ => None,
    };
    // A path that cannot be written is found out before the work; if writing fails later, the
    // scores have been printed.
    let inputs = Inputs::default().runs(&args.model).images_and_captions(&args.images, &args.captions);
    let outputs = [("--predictions", args.predictions.as_deref())];
    output::check_apart(outputs, &inputs)?;
    output::check_new(outputs, args.overwrite)?;
    args.predictions.as_deref().map_or(Ok(()), |path| only_json_lines("--predictions", path))?;
    let options = args.precision.options().with_prediction(args.windows.settings());
    let models = load_each(&args.model, args.device, &options.verifying(args.verify.verify()))?;
    args.precision.tell(&models[0]);
    let folder = args.data.folder();
    let format = format_for_run(models[0].config(), &folder, &args.format.format());
    let [LoadedSplit { samples, file, .. }] = load_splits(&folder, [args.split], &format)
        .map_err(|error| if args.has_dev_alone(&folder) { error.context(DEV_ALONE) } else { error })?;
    let saved = args.save_predictions.then(|| args.saved(&models[0], &samples)).transpose()?;
    let by_path = name_files(&samples);
    let models = complete(
        models,
        &args.model,
        |model| with_images(model, &args.images, args.device, by_path),
        |model| with_captions(model, &args.captions, true),
    )?;
    let model = Predictor::together(models)?;
    let (split, corpus, path) = (args.split, folder.display(), file.path.display());
    say(format!("{split} of {corpus} ({path}): {}", count(samples.len(), "post", "posts")));
    if let Some(seed) = args.authors_protocol {
        return as_authors(&model, &samples, seed, args.json);
    }
    let convention = args.convention.unwrap_or(model.config().input.convention);
    let evaluation = score(&model, &samples, convention)?;
    if args.json {
        output::print_json(&evaluation.scores)?;
    } else {
        output::print(&evaluation.scores.to_string())?;
    }
    if args.predictions.is_none() && !args.save_predictions {
        return Ok(());
    }
    let gold = gold_entities(&samples, convention)?;
    let predictions = PostPrediction::join(&samples, &gold, &evaluation.predictions, |sample| model.caption_of(sample));
    save(args, run.zip(saved), predictions)
}

/// Scores by the authors' protocol, and prints that.
fn as_authors(model: &Predictor, samples: &[Sample], seed: u64, is_json: bool) -> anyhow::Result<()> {
    let mut progress = Progress::new("posts");
    let mut on_progress = |done, total| {
        progress.update(done, total, String::new);
        Flow::Continue
    };
    let scores = smvae::evaluate_as_authors_with(model, samples, seed, &mut on_progress)?;
    let scores = scores.expect("the callback ends nothing");
    drop(progress);
    if is_json { output::print_json(&scores) } else { output::print(&scores.to_string()) }
}

/// Keeps what was found with the run and in the file of --predictions, where these are asked for.
fn save(args: &EvalArgs, run: Option<(&Path, Saved)>, predictions: Vec<PostPrediction>) -> anyhow::Result<()> {
    if let Some((run, saved)) = run {
        let run = RunInfo::read(run)?;
        match saved {
            Saved::Whole => run.save_predictions(args.split, &predictions)?,
            Saved::TextAlone => run.save_text_predictions(args.split, &predictions)?,
        }
    }
    if let Some(path) = &args.predictions {
        output::write(path, &prediction_lines(predictions)?)?;
    }
    Ok(())
}

/// Said of a corpus without a test split.
const DEV_ALONE: &str = "there is no test split to score: --split dev scores dev";

/// What a run keeps of what was found.
#[derive(Clone, Copy)]
enum Saved {
    /// What the model finds with all that it was trained with.
    Whole,
    /// What it finds without images and captions.
    TextAlone,
}

impl EvalArgs {
    /// Whether the test split is asked for, and the corpus has dev and no test split.
    fn has_dev_alone(&self, folder: &Path) -> bool {
        self.split == Split::Test && file_of(folder, Split::Test).is_none() && file_of(folder, Split::Dev).is_some()
    }

    /// As what the findings of a model are saved, before anything is taken from it.
    fn saved(&self, model: &Predictor, samples: &[Sample]) -> anyhow::Result<Saved> {
        let [images, captions] = [model.image_identity().is_some(), model.caption_identity().is_some()];
        match (images && self.images.no_images, captions && self.captions.no_captions) {
            (false, false) => return Ok(Saved::Whole),
            declined if declined == (images, captions) => {}
            _ => {
                let what = "--save-predictions saves what the model finds with images and captions, or without both: \
                            give --no-images and --no-captions, or neither";
                return Err(Usage(what.to_owned()).into());
            }
        }
        // The report compares both, post by post.
        match RunInfo::read(&self.model[0])?.predictions(self.split)? {
            None => say("report shows this once the same command without --no-images and --no-captions has been run"),
            Some(whole) => {
                let is_same = whole.iter().map(|post| &post.words).eq(samples.iter().map(|sample| &sample.words));
                anyhow::ensure!(
                    is_same,
                    Usage(format!(
                        "what the run keeps of {} is of other posts: save what it finds in these with images and captions first",
                        self.split
                    ))
                );
            }
        }
        Ok(Saved::TextAlone)
    }
}

/// What is asked of several models and belongs to one.
fn only_one(option: &str) -> Usage {
    Usage(format!("{option} is for one --model, and not for several together"))
}

/// Posts with gold and found entities, one JSON line each; without the probabilities of all
/// classes.
fn prediction_lines(predictions: Vec<PostPrediction>) -> anyhow::Result<String> {
    let mut text = String::new();
    for mut post in predictions {
        post.entities.iter_mut().for_each(|entity| entity.probabilities.clear());
        text += &serde_json::to_string(&post)?;
        text.push('\n');
    }
    Ok(text)
}
