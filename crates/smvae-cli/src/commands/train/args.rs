//! Options of `train`, and how they become a configuration: an option overrides `--config` or
//! `--preset`, and these override the defaults. Flags of the authors' program are aliases where
//! they mean the same.

use super::model_args::ModelArgs;
use super::objective_args::ObjectiveArgs;
use super::set::{set, set_some};
use super::settings::Assignment;
use super::training_args::TrainingArgs;
use crate::corpus::format_for_run;
use crate::failure::Usage;
use crate::options::{DataArgs, DeviceArgs, FormatArgs, VisionArgs};
use crate::progress::say;
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use smvae::EncoderSource;
use smvae::config::{Config, PRESETS};
use smvae::data::corpus::LoadedSplit;
use smvae::data::words::WordConvention;
use smvae::data::{Sample, Selection};
use std::path::{Path, PathBuf};
use std::str::FromStr;

// The corpus must be named, unless a run is resumed, which knows its own, or nothing is trained.
#[derive(Debug, Args)]
#[command(
    mut_group("DataArgs", |group| group.required(false)),
    override_usage = "smvae train --data <DIR> --text-encoder <MODEL> --out <RUN> [OPTIONS]\n       \
                      smvae train --resume <RUN> [OPTIONS]",
    mut_arg("data", |data| data.required_unless_present_any(["dataset", "resume", "print_config"])),
    allow_negative_numbers = true
)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    /// Continue a run that was stopped or killed, from its last checkpoint.
    ///
    /// With the same number of threads on the same machine it comes to the same weights, bit by
    /// bit. All settings are those of the run; a finished run is left as it is. Where the corpus or
    /// the files of --image-features, --captions and --unlabelled have moved, these options say
    /// where to: what is there must be what the run began with.
    #[arg(long, value_name = "RUN", conflicts_with_all = NOT_WITH_RESUME)]
    pub(crate) resume: Option<PathBuf>,
    /// Text encoder: a model folder, a name on the Hugging Face hub, or `tiny`.
    ///
    /// Of the BERT, RoBERTa, XLM-R, MPNet, DistilBERT, ELECTRA, DeBERTaV3 or ModernBERT family. A
    /// folder has config.json, weights and tokenizer; a name, OWNER/NAME[@REVISION] such as
    /// google-bert/bert-base-uncased, is fetched once (HF_HUB_CACHE, HF_HOME, HF_TOKEN, HF_ENDPOINT
    /// and HF_HUB_OFFLINE have their usual meaning); `tiny` is a small untrained one with the
    /// corpus's words.
    #[arg(long, value_name = "MODEL")]
    text_encoder: Option<String>,
    /// Initialise tensors that the text encoder's files lack at random, instead of failing with
    /// their names.
    #[arg(long, help_heading = "Model and input")]
    allow_missing_weights: bool,
    /// Image vectors: a safetensors file with one tensor per image id.
    ///
    /// Without images, the model reads text only.
    #[arg(long, value_name = "FILE")]
    pub(crate) image_features: Option<PathBuf>,
    /// A folder of images: vectors are made by the vision model of --vision, and kept for later
    /// runs.
    #[arg(long, value_name = "DIR", conflicts_with = "image_features", help_heading = "Images")]
    pub(crate) images: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) vision: VisionArgs,
    /// Captions, which the text encoder reads behind each post: a file of JSON lines with
    /// "image_id" and "caption". By default the corpus's own: its file captions.jsonl, or the
    /// "caption" of its posts.
    #[arg(long, value_name = "FILE", help_heading = "Captions")]
    pub(crate) captions: Option<PathBuf>,
    /// Read no captions, whatever the corpus has.
    #[arg(long, conflicts_with = "captions", help_heading = "Captions")]
    pub(crate) no_captions: bool,
    /// The run folder to make.
    #[arg(long, visible_alias = "weights", value_name = "DIR", required_unless_present_any = ["resume", "print_config"])]
    out: Option<PathBuf>,
    /// Also write the epochs as events for TensorBoard, to the run folder.
    #[arg(long)]
    pub(crate) tensorboard: bool,
    /// Replace the run that is in --out already.
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Settings to begin with: default (ours), or the authors' twitter2015 and twitter2017.
    #[arg(long, value_name = "NAME", value_parser = PRESETS, help_heading = "Settings")]
    preset: Option<String>,
    /// Settings to begin with, as JSON; the config.json of a run folder is one.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// A setting by its name, as if --config had it, such as training.batch_unit=spans.
    ///
    /// docs/settings.md lists all settings. VALUE is JSON, or a word. May be given several times;
    /// an option for the same setting wins.
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Settings")]
    set: Vec<Assignment>,
    /// Print every setting with its value under these options, as JSON that --config reads, and do
    /// nothing else.
    #[arg(long, help_heading = "Settings")]
    pub(crate) print_config: bool,
    /// Labelled posts: a number, `all`, or the file selection.json of a run.
    #[arg(
        long,
        visible_aliases = ["labeled", "n_selected_samples"],
        value_name = "N|all|FILE",
        allow_hyphen_values = true
    )]
    pub(crate) labelled: Option<Labelled>,
    /// With --semi: a file of posts without labels, in any format, to train on as well.
    ///
    /// Posts that say what a post of train or dev says are left out, and those with an image of
    /// dev. Training does not open the test split: give it a file without the posts of that, such
    /// as the unlabelled.jsonl of `split --rest-of`. The posts of the training split that are not
    /// --labelled are used as well. Every line must be a post, since a resumed run knows posts by
    /// their places; `split --rest-of` leaves out lines that are not.
    #[arg(long, value_name = "FILE", help_heading = "Training")]
    pub(crate) unlabelled: Option<PathBuf>,
    /// Seed of the choice of labelled posts.
    #[arg(long, value_name = "N", help_heading = "Training")]
    selection_seed: Option<u64>,
    /// How the corpus was split into words, so that text is split like it when the model is used:
    /// twitter2015, twitter2017, conll or whitespace, with changes such as
    /// twitter2017,hashtag=keep. By default told from the words of the training split.
    #[arg(long, value_name = "CONVENTION", help_heading = "How files are read")]
    pub(crate) words: Option<WordConvention>,
    /// Also train on the posts without labels (semi-supervised).
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
    #[arg(long, value_name = "N", help_heading = "Training")]
    seed: Option<u64>,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Linear layers, and on a CPU LSTMs, multiply in bf16 (8 significant bits), for a GPU or a CPU
    /// with a unit for it; weights stay f32 (docs/precision.md).
    #[arg(long, help_heading = "Computing")]
    pub(crate) bf16: bool,
    /// `train`, or `test`: score the run folder --out (--weights) on dev and test.
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

/// Options, and groups of options, that a resumed run has settled already.
const NOT_WITH_RESUME: [&str; 28] = [
    "FormatArgs",
    "FileArgs",
    "ColumnArgs",
    "TagArgs",
    "words",
    "text_encoder",
    "allow_missing_weights",
    "images",
    "no_captions",
    "VisionArgs",
    "out",
    "overwrite",
    "preset",
    "config",
    "set",
    "print_config",
    "labelled",
    "selection_seed",
    "semi",
    "seed",
    "device",
    "tf32",
    "bf16",
    "mode",
    "_save_model",
    "TrainingArgs",
    "ObjectiveArgs",
    "ModelArgs",
];

impl TrainArgs {
    /// The run folder to make, or to score.
    pub(crate) fn out(&self) -> &Path {
        self.out.as_deref().expect("clap requires it unless a run is resumed")
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
        for assignment in &self.set {
            config = assignment.apply(&config)?;
        }
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
        // Before the objective, since teachers get the run's dropout.
        self.model.apply(&mut config);
        self.objective.apply(&mut config, &base)?;
        config.validate()?;
        Ok(config)
    }

    /// The same, with what the options say of the text encoder and of where to compute.
    ///
    /// # Errors
    /// As [`TrainArgs::resolve`].
    pub(crate) fn effective(&self) -> anyhow::Result<Config> {
        let mut config = self.resolve()?;
        set_some(&mut config.text_encoder, self.text_encoder.clone());
        config.device = self.device.name();
        let asked = self.format.format();
        config.corpus_format = match self.data.given() {
            Some(folder) => format_for_run(&config, &folder, &asked),
            None => config.corpus_format.with(&asked),
        };
        set_some(&mut config.data, self.data.given());
        Ok(config)
    }

    /// The manifest of labelled posts that is asked for: that of `--labelled`, or else that of the
    /// run of `--config` if its posts came from a file, in which case its configuration has no
    /// number of them. `None` draws as many as the configuration says.
    pub(crate) fn manifest(&self, config: &Config, train: &LoadedSplit) -> anyhow::Result<Option<Selection>> {
        if let Some(Labelled::Manifest(path)) = &self.labelled {
            return Ok(Some(Selection::load(path)?));
        }
        let of_run = self.config.as_ref().filter(|_| self.labelled.is_none() && config.labelled.is_none());
        let Some(path) = of_run.map(|config| config.with_file_name("selection.json")) else { return Ok(None) };
        let chosen = Selection::load(path).ok().filter(|chosen| chosen.labelled.len() < train.samples.len());
        let Some(chosen) = chosen else { return Ok(None) };
        let n = chosen.labelled.len();
        if chosen.train_sha256 != train.file.sha256 {
            let all = train.samples.len();
            say(format!(
                "warning: the run of --config had {n} labelled posts from a file, of another training split; this one \
                 has all {all}: choose them with --labelled"
            ));
            return Ok(None);
        }
        say(format!("the {n} labelled posts are those of the run of --config"));
        Ok(Some(chosen))
    }

    /// The training split with the posts of --unlabelled behind it, and which are labelled.
    pub(crate) fn with_unlabelled(
        &self,
        config: &mut Config,
        train: LoadedSplit,
        dev: &[Sample],
        selection: Option<Selection>,
    ) -> anyhow::Result<(LoadedSplit, Option<Selection>)> {
        // That of a run whose --config it is does not count.
        config.unlabelled = None;
        let Some(file) = &self.unlabelled else { return Ok((train, selection)) };
        if !config.training.semi {
            return Err(
                Usage("--unlabelled needs --semi: nothing else learns from posts without labels".to_owned()).into()
            );
        }
        if selection.is_some() {
            let what =
                "--unlabelled takes a number of labelled posts, and no manifest: the rest of the split is unlabelled";
            return Err(Usage(what.to_owned()).into());
        }
        let before = train.samples.len();
        let (train, selection) = train.with_unlabelled(file, dev, config.labelled, config.selection_seed())?;
        say(format!("{} posts without labels from {}", train.samples.len() - before, file.display()));
        config.unlabelled = Some(std::path::absolute(file).unwrap_or_else(|_| file.clone()));
        Ok((train, Some(selection)))
    }

    /// The text encoder that is asked for, or else that of `--config`.
    pub(crate) fn text_encoder(&self, config: &Config) -> anyhow::Result<EncoderSource> {
        let missing = "--text-encoder is missing: a model folder, a model of the hub, or `tiny`";
        let name = self.text_encoder.as_ref().or(config.text_encoder.as_ref());
        Ok(EncoderSource::named(name.ok_or_else(|| Usage(missing.to_owned()))?)?)
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

/// Which posts are labelled.
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
            _ if text.parse::<f64>().is_ok() => Err("not a whole number of posts"),
            _ => Ok(Self::Manifest(text.into())),
        }
    }
}

#[cfg(test)]
mod tests;
