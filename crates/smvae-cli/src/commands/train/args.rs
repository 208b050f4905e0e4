//! Options of `train`, and how they become a configuration: an option wins over `--config` or `--preset`, which win over
//! the defaults. The authors' names are aliases where they mean the same.

use super::model_args::ModelArgs;
use super::objective_args::ObjectiveArgs;
use crate::failure::Usage;
use crate::options::{DataArgs, DeviceArgs, VisionArgs};
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use smvae::EncoderSource;
use smvae::config::{AverageConfig, Config, Freeze, PRESETS};
use smvae::core::schedule::Schedule;
use smvae::data::Selection;
use std::path::{Path, PathBuf};
use std::str::FromStr;

// A corpus has to be named, unless a run knows which one it is on.
#[derive(Debug, Args)]
#[command(mut_group("DataArgs", |group| group.arg("resume")), allow_negative_numbers = true)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Go on with a run that was stopped or killed, from its last checkpoint: with the same threads on the same machine to
    /// the same weights, bit by bit. All settings are those of the run; nothing is done if it is finished.
    #[arg(long, value_name = "RUN", conflicts_with_all = NOT_WITH_RESUME)]
    pub(crate) resume: Option<PathBuf>,
    /// Text encoder of the BERT, RoBERTa or XLM-R family: a model folder (config.json, weights, tokenizer), a model of the
    /// Hugging Face hub such as google-bert/bert-base-uncased (fetched once; HF_HOME, HF_TOKEN, HF_ENDPOINT and
    /// HF_HUB_OFFLINE are heeded), or `tiny` for a small untrained one with the corpus's words.
    #[arg(long, value_name = "DIR|OWNER/NAME[@REV]|tiny")]
    text_encoder: Option<String>,
    /// Draw tensors afresh that the text encoder's files lack, instead of ending with their names.
    #[arg(long)]
    allow_missing_weights: bool,
    /// Image vectors: a safetensors file with one tensor an image id. Without, training is on text alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) image_features: Option<PathBuf>,
    /// A folder of images: vectors are made by the vision model of --vision, and kept for later runs.
    #[arg(long, value_name = "DIR", conflicts_with = "image_features")]
    pub(crate) images: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) vision: VisionArgs,
    /// The run folder to make.
    #[arg(long, visible_alias = "weights", value_name = "DIR", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Replace the run that --out holds already.
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Settings to begin with: default (ours), or the authors' twitter2015 and twitter2017.
    #[arg(long, value_name = "NAME", value_parser = PRESETS)]
    preset: Option<String>,
    /// Settings to begin with, as JSON; the config.json of a run folder is one.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// Labelled tweets: a number, `all` (or -1), or the file selection.json of a run.
    #[arg(
        long,
        visible_aliases = ["labeled", "n_selected_samples"],
        value_name = "N|all|FILE",
        allow_hyphen_values = true
    )]
    pub(crate) labelled: Option<Labelled>,
    /// Seed of the choice of labelled tweets; that of --seed if not given.
    #[arg(long, value_name = "N")]
    selection_seed: Option<u64>,
    /// Train on the tweets without labels as well.
    #[arg(
        long,
        visible_alias = "semi_supervised",
        value_name = "0|1",
        num_args = 0..=1,
        default_missing_value = "1",
        value_parser = BoolishValueParser::new(), hide_possible_values = true
    )]
    semi: Option<bool>,
    /// Seed of initialisation, order, noise and dropout.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// train, or test: score the run folder --out (--weights) on dev and on test.
    #[arg(long, value_enum, default_value_t = Mode::Train)]
    pub(crate) mode: Mode,
    /// Accepted for the authors' commands: a run is always saved.
    #[arg(long = "save_model", value_name = "1", value_parser = ["1"], hide = true)]
    _save_model: Option<String>,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    objective: ObjectiveArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// What a run that goes on has settled already: options and groups of options.
const NOT_WITH_RESUME: [&str; 19] = [
    "text_encoder",
    "allow_missing_weights",
    "image_features",
    "images",
    "VisionArgs",
    "out",
    "overwrite",
    "preset",
    "config",
    "labelled",
    "selection_seed",
    "semi",
    "seed",
    "device",
    "mode",
    "_save_model",
    "TrainingArgs",
    "ObjectiveArgs",
    "ModelArgs",
];

/// The loop, its batches and rates.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
struct TrainingArgs {
    /// Passes over the labelled tweets, at most; chosen by the number of steps if not given.
    #[arg(long, visible_alias = "epoch", value_name = "N")]
    epochs: Option<usize>,
    /// End after this many evaluations on dev without a better F1.
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// Evaluate on dev every this many epochs.
    #[arg(long, value_name = "N")]
    eval_every: Option<usize>,
    /// End after this many steps.
    #[arg(long, value_name = "N")]
    max_steps: Option<usize>,
    /// A checkpoint every this many steps; a minute or more apart if not given, for at most 2 % of the time.
    #[arg(long, value_name = "N")]
    checkpoint_every: Option<usize>,
    /// Labelled tweets a step (spans, under the authors' presets).
    #[arg(long, visible_aliases = ["batch-size", "batch_size"], value_name = "N")]
    batch: Option<usize>,
    /// Unlabelled tweets (or spans) a step.
    #[arg(long, value_name = "N")]
    unlabelled_batch: Option<usize>,
    /// Spans drawn from each unlabelled tweet.
    #[arg(long, value_name = "N")]
    unlabelled_spans: Option<usize>,
    /// Draw up to half of these among the spans that the teachers of --teachers think may be entities.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    balance_unlabelled: Option<bool>,
    /// O-spans drawn for each gold span, or `all`.
    #[arg(long, value_name = "X|all")]
    negatives: Option<OrAll>,
    /// Learning rate of the text encoder.
    #[arg(long, value_name = "X")]
    lr: Option<f64>,
    /// Learning rate of everything else.
    #[arg(long, value_name = "X")]
    head_lr: Option<f64>,
    /// The part of the text encoder that is not trained: none, all, or the embeddings and the N lowest layers.
    #[arg(long, value_name = "none|all|N")]
    freeze: Option<Freeze>,
    /// Each layer of the text encoder has X times the rate of the layer above, the embeddings X times the lowest's.
    #[arg(long, value_name = "X")]
    layer_decay: Option<f64>,
    /// Share of the steps in which the rates rise.
    #[arg(long, value_name = "X")]
    warmup: Option<f64>,
    /// How the rates change after that.
    #[arg(long, value_enum, value_name = "NAME")]
    schedule: Option<ScheduleName>,
    /// Decoupled weight decay.
    #[arg(long, value_name = "X")]
    weight_decay: Option<f64>,
    /// Choose the bias between O and the rest on dev at every evaluation.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    tune_decision: Option<bool>,
    /// Evaluate and save an average of the weights, of which a step keeps this much.
    #[arg(long, value_name = "X")]
    average: Option<f64>,
    /// Scale gradients down to this global norm.
    #[arg(long, value_name = "X")]
    clip_norm: Option<f64>,
}

impl TrainArgs {
    /// The run folder to make, or to score.
    pub(crate) fn out(&self) -> &Path {
        self.out.as_deref().expect("clap asks for it where nothing is resumed")
    }

    /// The configuration these options ask for, checked.
    ///
    /// # Errors
    /// A configuration file that cannot be read; a setting out of its range.
    pub(crate) fn resolve(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => Config::from_file(path)?,
            None => Config::preset(self.preset.as_deref().unwrap_or("default"))?,
        };
        set(&mut config.seed, self.seed);
        set_some(&mut config.selection_seed, self.selection_seed);
        match self.labelled {
            Some(Labelled::All) => config.labelled = None,
            Some(Labelled::Count(n)) => config.labelled = Some(n),
            Some(Labelled::Manifest(_)) | None => {}
        }
        config.allow_missing_weights |= self.allow_missing_weights;
        set(&mut config.training.semi, self.semi);
        let base = config.training.clone();
        self.training.apply(&mut config);
        // Before the objective, whose teachers have the run's dropout.
        self.model.apply(&mut config);
        self.objective.apply(&mut config, &base)?;
        config.validate()?;
        Ok(config)
    }

    /// How many labelled tweets the run of `--config` had, if its configuration does not tell, since they were those of a file.
    pub(crate) fn chosen_before(&self, config: &Config) -> Option<usize> {
        let path = self.config.as_ref().filter(|_| self.labelled.is_none() && config.labelled.is_none())?;
        Some(Selection::load(path.with_file_name("selection.json")).ok()?.labelled.len())
    }

    /// The text encoder that is asked for, or that of the run whose configuration training begins with.
    pub(crate) fn text_encoder(&self, config: &Config) -> anyhow::Result<EncoderSource> {
        let missing = "--text-encoder is missing: a model folder, a model of the hub, or `tiny`";
        let name = self.text_encoder.as_ref().or(config.text_encoder.as_ref());
        Ok(EncoderSource::named(name.ok_or_else(|| Usage(missing.to_owned()))?)?)
    }
}

impl TrainingArgs {
    fn apply(&self, config: &mut Config) {
        let training = &mut config.training;
        set_some(&mut training.epochs, self.epochs);
        set(&mut training.patience, self.patience);
        set(&mut training.eval_every, self.eval_every);
        set_some(&mut training.max_steps, self.max_steps);
        set_some(&mut training.checkpoint_every, self.checkpoint_every);
        set(&mut training.batch_size, self.batch);
        set(&mut training.unlabelled_batch_size, self.unlabelled_batch);
        set(&mut training.unlabelled_spans, self.unlabelled_spans);
        set(&mut training.balance_unlabelled, self.balance_unlabelled);
        set(&mut training.negatives, self.negatives.map(|OrAll(number)| number));
        set(&mut training.encoder_lr, self.lr);
        set(&mut training.head_lr, self.head_lr);
        set(&mut training.freeze, self.freeze);
        set(&mut training.layer_decay, self.layer_decay);
        set(&mut training.warmup, self.warmup);
        set(&mut training.schedule, self.schedule.map(ScheduleName::schedule));
        set(&mut training.tune_decision, self.tune_decision);
        if let Some(decay) = self.average {
            config.average.get_or_insert_with(AverageConfig::default).decay = decay;
        }
        set(&mut config.optimizer.weight_decay, self.weight_decay);
        set_some(&mut config.optimizer.clip_norm, self.clip_norm);
    }
}

/// What to do with a run folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Make it.
    Train,
    /// Score it.
    Test,
}

/// Which tweets are labelled.
#[derive(Clone, Debug)]
pub(crate) enum Labelled {
    All,
    Count(usize),
    Manifest(PathBuf),
}

impl FromStr for Labelled {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.parse()) {
            ("all" | "-1", _) => Ok(Self::All),
            (_, Ok(n)) => Ok(Self::Count(n)),
            _ if text.parse::<f64>().is_ok() => Err("not a whole number of tweets"),
            _ => Ok(Self::Manifest(text.into())),
        }
    }
}

/// A number, or none for `all`.
#[derive(Clone, Copy, Debug)]
struct OrAll(Option<f64>);

impl FromStr for OrAll {
    type Err = std::num::ParseFloatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(if text == "all" { None } else { Some(text.parse()?) }))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScheduleName {
    Linear,
    Constant,
}

impl ScheduleName {
    fn schedule(self) -> Schedule {
        match self {
            Self::Linear => Schedule::Linear,
            Self::Constant => Schedule::Constant,
        }
    }
}

pub(crate) fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

pub(crate) fn set_some<T>(to: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *to = value;
    }
}

#[cfg(test)]
mod tests;
