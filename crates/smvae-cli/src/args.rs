//! The command line: commands and their options, all but those of `train`.

use crate::progress::say;
use crate::train_args::TrainArgs;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use smvae::core::candle_core::{self, DType};
use smvae::data::{Convention, Precision, Split};
use smvae::encoders::device::{self, DeviceChoice};
use smvae::encoders::vision::{self, DecodeLimits};
use std::ffi::OsString;
use std::path::PathBuf;

/// Span-based multimodal named entity recognition that learns from few labels.
#[derive(Debug, Parser)]
#[command(name = "smvae", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// Threads to compute with; the number of cores if not given.
    #[arg(long, global = true, display_order = 900, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every flag of the authors' program.
const AUTHORS_FLAGS: [&str; 14] = [
    "--batch_size",
    "--dataset",
    "--epoch",
    "--gamma",
    "--hidden_dim",
    "--latent_dim",
    "--lr",
    "--mode",
    "--n_selected_samples",
    "--patience",
    "--save_model",
    "--seed",
    "--semi_supervised",
    "--weights",
];

/// `--dataset twitter2017 ...` means `train --dataset twitter2017 ...`, as in the authors' commands.
pub(crate) fn with_implied_command(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let first = args.get(1).and_then(|arg| arg.to_str()).unwrap_or_default();
    if AUTHORS_FLAGS.iter().any(|flag| first.split('=').next() == Some(flag)) {
        args.insert(1, "train".into());
    }
    args
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a synthetic corpus, train three models on it, compare them; takes about a minute.
    Demo(DemoArgs),
    /// Count what a corpus holds.
    Stats(StatsArgs),
    /// Make vectors of a folder of images with a frozen vision model.
    ///
    /// The id of an image is the name of its file without the extension. Files that cannot be used are left out and listed
    /// with the reason. Ended before the end, the same command goes on where it stopped.
    Features(FeaturesArgs),
    /// Train a model and leave a run folder.
    Train(Box<TrainArgs>),
    /// Train and compare many runs: a grid of corpora, methods, numbers of labels, draws and seeds.
    ///
    /// FILE is TOML; the documentation of smvae::experiment::plan says what is in it, experiments/few-labels.toml is one.
    /// Ended or killed at any moment, the same command goes on: what is finished stays, what was begun goes on from its
    /// checkpoint. Results are in DIR/results.csv, results.jsonl, summary.csv and summary.json, a run folder each in
    /// DIR/runs.
    Experiment(ExperimentArgs),
    /// What `experiment` starts.
    #[command(hide = true)]
    ExperimentRun(ExperimentRunArgs),
    /// Draw labelled tweets of a corpus by a seed, and write them as `train --labelled FILE` reads them.
    Draw(DrawArgs),
    /// Score a trained model on a split with gold labels.
    Eval(EvalArgs),
    /// Find entities: JSON lines in, JSON lines out.
    ///
    /// A line of input is {"words": [...]} or {"text": "..."}, with "image_id" where there is an image; text is split
    /// into words at white space. A line of output is the same object, with "words" and "entities": a list of
    /// {"start", "end", "type", "score"}, words start up to but without end. Other fields are passed on, blank lines
    /// are not.
    Predict(PredictArgs),
    /// Show runs: an HTML page of settings, curves, scores, calibration and tweets.
    ///
    /// The page is one file, loads nothing, and holds the text of tweets. What was found in dev is taken from the run folder,
    /// where training and `eval --save-predictions` leave it.
    #[cfg(feature = "report")]
    Report(ReportArgs),
    /// Show what a run folder holds.
    Inspect(InspectArgs),
    /// Score tagged text as conlleval does: the last two columns are gold and predicted tag.
    Score(ScoreArgs),
}

/// Where a corpus lies.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DataArgs {
    /// Folder with train.txt, valid.txt (or dev.txt) and test.txt.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The same as --data dataset/NAME.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
}

impl DataArgs {
    /// The folder.
    pub(crate) fn folder(&self) -> PathBuf {
        let named = || PathBuf::from("dataset").join(self.dataset.as_deref().unwrap_or_default());
        self.data.clone().unwrap_or_else(named)
    }
}

/// Where a trained model gets its image vectors from.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Image vectors; those the model was trained with if not given.
    #[arg(long, value_name = "FILE", conflicts_with = "no_images")]
    pub(crate) image_features: Option<PathBuf>,
    /// A folder of images instead: vectors are made by the vision model of training, which --vision finds elsewhere.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["no_images", "image_features"])]
    pub(crate) images: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) vision: VisionArgs,
    /// Accept another file than the model was trained with.
    #[arg(long, requires = "image_features")]
    pub(crate) trust_images: bool,
    /// Every image is missing.
    #[arg(long)]
    pub(crate) no_images: bool,
}

/// A frozen vision model, and what becomes of its vectors.
#[derive(Clone, Debug, Args)]
pub(crate) struct VisionArgs {
    /// A frozen vision model: a folder with a ResNet, ViT or CLIP of transformers or timm, one of the Hugging Face hub such
    /// as microsoft/resnet-50, or a weights file of torchvision's.
    #[arg(long, value_name = "MODEL", requires = "images")]
    pub(crate) vision: Option<String>,
    /// Prepare images as this says, instead of as the model's files do.
    #[arg(long, value_name = "NAME", value_parser = vision::PRESETS, requires = "vision")]
    pub(crate) preprocessing: Option<String>,
    /// Where vectors are kept between runs; smvae/features in XDG_CACHE_HOME or ~/.cache if not given.
    #[arg(long, value_name = "DIR", requires = "images")]
    pub(crate) feature_cache: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FeaturesArgs {
    /// The folder of images; folders in it are passed over.
    #[arg(long, value_name = "DIR")]
    pub(crate) images: PathBuf,
    /// A frozen vision model: a folder with a ResNet, ViT or CLIP of transformers or timm, one of the Hugging Face hub such
    /// as microsoft/resnet-50, or a weights file of torchvision's.
    #[arg(long, value_name = "MODEL")]
    pub(crate) vision: String,
    /// The file to write: safetensors, a tensor an image id.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Replace the file if it is there already.
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Prepare images as this says, instead of as the model's files do.
    #[arg(long, value_name = "NAME", value_parser = vision::PRESETS)]
    pub(crate) preprocessing: Option<String>,
    /// The numbers of the file.
    #[arg(long, value_name = "f32|f16", default_value = "f32")]
    pub(crate) precision: PrecisionArg,
    /// Images that go through the network at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) batch: u32,
    /// The most pixels of an image; larger ones are left out before they are decoded.
    #[arg(long, value_name = "N", default_value_t = DecodeLimits::default().pixels)]
    pub(crate) max_pixels: u64,
    /// The most bytes of a file.
    #[arg(long, value_name = "N", default_value_t = DecodeLimits::default().bytes)]
    pub(crate) max_bytes: u64,
    /// Read files whose extension says something else than their content.
    #[arg(long)]
    pub(crate) any_extension: bool,
    /// Print the counts and the files that were left out as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// What the network computes in; f16 and bf16, on a GPU, are quicker.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    pub(crate) dtype: NumberType,
}

/// [`Precision`] as an option.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PrecisionArg {
    F32,
    F16,
}

impl From<PrecisionArg> for Precision {
    fn from(precision: PrecisionArg) -> Self {
        match precision {
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::F16 => Self::F16,
        }
    }
}

/// Where to compute.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DeviceArgs {
    /// Where to compute: cpu, cuda (the first NVIDIA GPU), cuda:N, or auto (a GPU if there is one).
    #[arg(long, value_name = "NAME", default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
    /// Multiply in TF32 on a GPU: several times faster, with 11 significant bits.
    #[arg(
        long,
        value_name = "0|1",
        default_value = "1",
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new(), hide_possible_values = true
    )]
    tf32: bool,
}

impl DeviceArgs {
    /// These options, for another process of this program.
    pub(crate) fn to_args(self) -> [String; 4] {
        ["--device".to_owned(), self.device.to_string(), "--tf32".to_owned(), u8::from(self.tf32).to_string()]
    }

    /// Opens the device; says which one `auto` is, and why no GPU.
    pub(crate) fn open(self) -> anyhow::Result<candle_core::Device> {
        device::allow_tf32(self.tf32);
        if self.device != DeviceChoice::Auto {
            return Ok(device::open(self.device)?);
        }
        let (chosen, why) = device::best();
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        say(format!("computing on {}{why}", device::describe(&chosen)));
        Ok(chosen)
    }
}

/// What an encoder computes in.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum NumberType {
    #[default]
    F32,
    F16,
    Bf16,
}

impl NumberType {
    /// What candle calls it.
    pub(crate) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Seed of the corpus, of the choice of labels and of training.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
    /// Where the corpus and the run folders go; must not exist yet. A new folder runs/demo... if not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print the table as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    /// The file that describes the experiment.
    #[arg(value_name = "FILE", required_unless_present = "summary")]
    pub(crate) file: Option<PathBuf>,
    /// Where runs and results go.
    #[arg(long, value_name = "DIR", required_unless_present = "summary")]
    pub(crate) out: Option<PathBuf>,
    /// Runs at a time, each with --threads threads; the cores are shared evenly if that is not given.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: u16,
    /// The results.jsonl of an earlier sitting or another machine: a run that is finished there is not run again. May be
    /// given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) finished: Vec<PathBuf>,
    /// Do so many of the runs and stop; 0 takes in what is finished and prints the tables.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Only list the runs, and which of them are finished.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only print the tables of an experiment's results so far.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "out", "jobs", "finished", "limit", "dry_run", "device"])]
    pub(crate) summary: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentRunArgs {
    /// The folder of the run.
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DrawArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// How many. With one seed, fewer are part of more.
    #[arg(long, value_name = "N")]
    pub(crate) labels: usize,
    /// Seed of the draw.
    #[arg(long, value_name = "N")]
    pub(crate) seed: u64,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Print the counts as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// A run folder.
    #[arg(long, visible_alias = "weights", value_name = "DIR")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// train, valid (or dev) or test.
    #[arg(long, default_value = "test", value_name = "SPLIT")]
    pub(crate) split: Split,
    /// How ill-formed tags are read: conlleval, strict or authors; that of the run if not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) convention: Option<Convention>,
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    /// Score as the authors' program does: spans filtered by gold labels, tweets of equal text merged, z sampled from this
    /// seed.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["convention", "predictions"])]
    pub(crate) authors_protocol: Option<u64>,
    /// Print the scores as JSON; `score --json` has the same schema.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write words, gold and found entities of every tweet here, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) predictions: Option<PathBuf>,
    /// Write what was found into the run folder as well, with all probabilities, for `report`.
    #[arg(long)]
    pub(crate) save_predictions: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// What the text encoder computes in; f16 and bf16, on a GPU, take half the memory.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    pub(crate) dtype: NumberType,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// A run folder.
    #[arg(long, visible_alias = "weights", value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// JSON lines to read; - for stdin.
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Where the JSON lines go; - for stdout.
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    /// For a line that is no post, write {"line", "error"} in its place and go on, instead of ending.
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// Posts that are read, computed and written at once.
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) chunk: u32,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// What the text encoder computes in; f16 and bf16, on a GPU, take half the memory.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    pub(crate) dtype: NumberType,
}

#[cfg(feature = "report")]
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A run folder, a folder of run folders, or the folder of an experiment.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The page to write; report.html in the folder if not given.
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) out: Option<PathBuf>,
    /// A folder of images, which the page shows beside their tweets; their ids are the names of the files.
    #[arg(long, value_name = "DIR", conflicts_with = "text")]
    pub(crate) images: Option<PathBuf>,
    /// Print the tables instead.
    #[arg(long)]
    pub(crate) text: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A run folder.
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// Tagged text, one word a line; - for stdin.
    #[arg(default_value = "-", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the scores as JSON; `eval --json` has the same schema.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_authors_flag_in_first_place_means_train() {
        let check = |line: &str, want: &str| {
            let got = with_implied_command(line.split(' ').map(OsString::from));
            assert_eq!(got.join(std::ffi::OsStr::new(" ")), want);
        };
        check("smvae --dataset a --mode test", "smvae train --dataset a --mode test");
        check("smvae --lr=1e-5", "smvae train --lr=1e-5");
        check("smvae --threads 2 demo", "smvae --threads 2 demo");
        check("smvae --help", "smvae --help");
        check("smvae eval --dataset a", "smvae eval --dataset a");
    }
}
