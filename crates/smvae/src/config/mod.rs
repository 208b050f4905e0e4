//! Everything a run depends on, as one value: made from presets, files and options, and saved in
//! the run folder with every setting resolved.

pub(crate) mod average;
pub(crate) mod distillation;
pub(crate) mod freeze;
pub(crate) mod input;
pub(crate) mod names;
pub(crate) mod presets;
pub(crate) mod training;

pub use average::AverageConfig;
pub use distillation::Distillation;
pub use freeze::Freeze;
pub use input::{CaptionUse, ImageUse, InputConfig};
pub use presets::PRESETS;
pub use training::{BatchUnit, TrainingConfig};

use crate::config::names::{leaves, merge, named, within};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use smvae_core::model::ModelConfig;
use smvae_core::objective::Objective;
use smvae_core::optim::AdamConfig;
use smvae_data::corpus::CorpusFormat;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Version of the run folder's format. A folder with a higher one is refused.
pub const FORMAT_VERSION: u32 = 1;

/// Everything a run depends on, data and weights aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Config {
    /// Version of the format of this file and of the folder it lies in. Default:
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Name of the preset these settings were made from. Default: `default`.
    pub preset: String,
    /// Seed of everything that is drawn: initial weights, order of batches, noise, dropout.
    /// Default: 0.
    pub seed: u64,
    /// Where the text encoder came from: a folder, `tiny`, or `owner/name@commit` of the hub.
    /// Training sets it. Default: `None`.
    pub text_encoder: Option<String>,
    /// Folder of the corpus, so that the run can be resumed later; `None` for posts that were never
    /// in a folder. The program sets it; training itself does not read it. Default: `None`.
    pub data: Option<PathBuf>,
    /// A file of posts without labels that stands beside the training split
    /// ([`with_unlabelled`](smvae_data::corpus::LoadedSplit::with_unlabelled)), so that the run can
    /// be resumed later. The program sets it; training itself does not read it. Default: `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlabelled: Option<PathBuf>,
    /// How the corpus's files were read, as far as it was said, so that evaluation and a resumed
    /// run read them alike. Default: everything was told from the files.
    #[serde(skip_serializing_if = "CorpusFormat::is_default")]
    pub corpus_format: CorpusFormat,
    /// Whether tensors that the text encoder's files lack are drawn afresh; if not, each is an
    /// error. Default: false.
    pub allow_missing_weights: bool,
    /// Number of labelled posts, drawn from the training split by `selection_seed`. Default:
    /// `None`, all of them.
    pub labelled: Option<usize>,
    /// Seed of the draw of labelled posts. Default: `None`, the same as `seed`.
    pub selection_seed: Option<u64>,
    /// Where the model was trained: `cpu`, or `cuda:N` with `, tf32` if matrix products were
    /// rounded to TF32, and `, bf16` if those of layers were to bf16. Training sets it.
    /// Default: `cpu`.
    pub device: String,
    /// How texts and images become input.
    pub input: InputConfig,
    /// Sizes of the networks. Training sets `image_dim` from the image vectors.
    pub model: ModelConfig,
    /// The loop, its batches and learning rates.
    pub training: TrainingConfig,
    /// Weights of the loss.
    pub objective: Objective,
    /// Soft labels for the unlabelled posts, by teachers that are trained on the labelled ones
    /// first. Default: `None`, no soft labels.
    pub distillation: Option<Distillation>,
    /// An average of the weights over the steps, which is evaluated and saved in their place.
    /// Default: `None`, the weights themselves.
    pub average: Option<AverageConfig>,
    /// The optimizer.
    pub optimizer: AdamConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            format_version: FORMAT_VERSION,
            preset: "default".to_owned(),
            seed: 0,
            labelled: None,
            selection_seed: None,
            device: "cpu".to_owned(),
            text_encoder: None,
            data: None,
            unlabelled: None,
            corpus_format: CorpusFormat::default(),
            allow_missing_weights: false,
            input: InputConfig::default(),
            model: ModelConfig::default(),
            training: TrainingConfig::default(),
            objective: Objective::default(),
            distillation: None,
            average: None,
            optimizer: AdamConfig::default(),
        }
    }
}

impl Config {
    /// Reads a configuration. Fields that the file does not have are those of the preset it names,
    /// or the defaults.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Json`] for an unknown field or a wrong type, with its line;
    /// [`Error::Version`]; [`Error::Core`] with `Setting` for an unknown preset in a file without a
    /// `format_version`.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let given: serde_json::Map<String, serde_json::Value> = crate::files::read_json(path, "configuration")?;
        // The version comes first: a later one may have fields that this program does not know.
        let found = given.get("format_version").and_then(serde_json::Value::as_u64);
        if let Some(found) = found.filter(|found| *found > u64::from(FORMAT_VERSION)) {
            return Err(Error::Version { path: path.to_owned(), found, known: FORMAT_VERSION });
        }
        // Parsed as it stands for the sake of the errors, which know line and column.
        let config: Self = crate::files::read_json(path, "configuration")?;
        let preset = match Self::preset(&config.preset) {
            Ok(preset) => preset,
            // The configuration of a run has a version and is complete, and what it names (`demo`)
            // need not be a preset.
            Err(_) if found.is_some() => Self::default(),
            Err(error) => return Err(error),
        };
        preset.with(given.into()).map_err(|source| Error::Json { path: path.to_owned(), what: "configuration", source })
    }

    /// This configuration with the given fields in the place of its own.
    ///
    /// # Errors
    /// An unknown field or a wrong type.
    pub fn with(&self, given: serde_json::Value) -> Result<Self, serde_json::Error> {
        let mut merged = serde_json::to_value(self)?;
        merge(&mut merged, given);
        serde_json::from_value(merged)
    }

    /// This configuration as JSON in which every setting has its name, the one of errors and of
    /// docs/settings.md. [`Config::from_file`] reads it, as it reads the `config.json` of a run,
    /// where two settings have older names.
    ///
    /// # Errors
    /// For a path that is not UTF-8, which has no JSON form.
    pub fn to_named_json(&self) -> Result<serde_json::Value, serde_json::Error> {
        let mut json = named(serde_json::to_value(self)?);
        // What run folders leave out while it has its default.
        json["input"]["caption"] = serde_json::to_value(self.input.caption)?;
        json["input"]["max_caption_pieces"] = self.input.max_caption_pieces.into();
        json["training"]["caption_dropout"] = self.training.caption_dropout.into();
        json["model"]["biaffine_dim"] = self.model.biaffine_dim.into();
        json["model"]["image_in_classifier"] = self.model.image_in_classifier.into();
        json["model"]["image_gate"] = self.model.image_gate.into();
        json["model"]["image_source"] = serde_json::to_value(self.model.image_source)?;
        json["objective"]["image_reconstruction"] = serde_json::to_value(self.objective.image_reconstruction)?;
        json["objective"]["boundary_smoothing"] = self.objective.boundary_smoothing.into();
        json["training"]["image_dropout"] = self.training.image_dropout.into();
        Ok(json)
    }

    /// Every setting by its name, as JSON text.
    #[cfg_attr(not(feature = "experiment"), allow(dead_code, reason = "experiments and reports ask"))]
    pub(crate) fn named_values(&self) -> BTreeMap<String, String> {
        let json = self.to_named_json().expect("a configuration of a file names no path that is not UTF-8");
        leaves("", &json).into_iter().map(|(name, value)| (name, value.to_string())).collect()
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Core`] with `Setting` naming the first that is out of its range.
    pub fn validate(&self) -> Result<()> {
        within("model", self.model.validate())?;
        within("objective", self.objective.validate())?;
        within("optimizer", self.optimizer.validate())?;
        within("training", self.training.validate())?;
        if let Some(distillation) = &self.distillation {
            within("distillation", distillation.validate())?;
        }
        self.check_smoothing()?;
        if self.format_version != FORMAT_VERSION {
            return Err(Error::setting("format_version", "that of this version of smvae", self.format_version));
        }
        let counts = [("labelled", self.labelled.unwrap_or(1)), ("input.max_width", self.input.max_width)];
        if let Some((name, _)) = counts.into_iter().find(|(_, n)| *n == 0) {
            return Err(Error::setting(name, "at least 1", 0));
        }
        if let Some(average) = &self.average {
            if !(0.0..1.0).contains(&average.decay) {
                return Err(Error::setting("average.decay", "in [0, 1)", average.decay));
            }
            if average.teach_from.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
                return Err(Error::setting(
                    "average.teach_from",
                    "a share, 0 to 1",
                    average.teach_from.unwrap_or_default(),
                ));
            }
        }
        let teaches = self.average.as_ref().is_some_and(|average| average.teach_from.is_some());
        if (teaches || self.distillation.is_some()) && !self.training.semi {
            return Err(Error::setting("training.semi", "true where a teacher labels the unlabelled posts", false));
        }
        if self.input.max_pieces < 3 {
            return Err(Error::setting("input.max_pieces", "at least 3: [CLS], a piece, [SEP]", self.input.max_pieces));
        }
        if self.input.max_caption_pieces < 3 {
            let got = self.input.max_caption_pieces;
            return Err(Error::setting("input.max_caption_pieces", "at least 3: separators and a piece", got));
        }
        Ok(())
    }

    /// Checks that boundary smoothing, if there is some, finds the spans around an entity in its
    /// step, and a loss that takes more than one class.
    fn check_smoothing(&self) -> Result<()> {
        let share = self.objective.boundary_smoothing;
        let refuse = |want| Err(Error::setting("objective.boundary_smoothing", want, share));
        let teachers = self.distillation.as_ref().map(|distillation| &distillation.training);
        let mut trainings = std::iter::once(&self.training).chain(teachers);
        if share == 0.0 {
            Ok(())
        } else if trainings.any(|training| training.batch_unit == BatchUnit::Spans || training.negatives.is_some()) {
            refuse("0 where a step has not all spans of its posts (training.negatives, batch_unit spans)")
        } else if self.model.quirks.clipped_cross_entropy {
            refuse("0 with model.quirks.clipped_cross_entropy, which compares with one class")
        } else {
            Ok(())
        }
    }

    /// Seed of the draw of labelled posts.
    pub fn selection_seed(&self) -> u64 {
        self.selection_seed.unwrap_or(self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_survive_json() {
        for name in PRESETS {
            let config = Config::preset(name).expect("a known name");
            config.validate().expect("a valid preset");
            let text = serde_json::to_string(&config).expect("serialises");
            assert_eq!(serde_json::from_str::<Config>(&text).expect("its own text"), config);
        }
        assert!(Config::preset("twitter2016").is_err());
    }

    #[test]
    fn a_file_is_read_over_the_preset_it_names() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config.json");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("writable");
            Config::from_file(&path)
        };
        let config = read(r#"{"preset": "twitter2017", "training": {"patience": 3}}"#).expect("valid");
        let mut want = Config::preset("twitter2017").expect("a known name");
        want.training.patience = 3;
        assert_eq!(config, want);
        assert_eq!(read("{}").expect("valid"), Config::default());
        let error = read("{\n \"training\": {\"patience\": \"x\"}}").expect_err("a wrong type").to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(matches!(read(r#"{"format_version": 99}"#), Err(Error::Version { found: 99, .. })));
        let error = read(r#"{"preset": "twitter2107"}"#).expect_err("no preset").to_string();
        assert!(error.contains("twitter2107"), "{error}");
        assert!(read("[1]").is_err());
        let mut of_demo = serde_json::to_value(Config::default()).expect("serialises");
        of_demo["preset"] = "demo".into();
        assert_eq!(read(&of_demo.to_string()).expect("complete").preset, "demo");
    }

    #[test]
    fn what_is_out_of_range_or_unknown_is_named() {
        let check = |change: fn(&mut Config), name: &str| {
            let mut config = Config::default();
            change(&mut config);
            let message = config.validate().expect_err(name).to_string();
            assert!(message.contains(name), "{message}");
        };
        check(|c| c.training.batch_size = 0, "batch_size");
        check(|c| c.training.max_steps = Some(0), "max_steps");
        check(|c| c.distillation = Some(Distillation::default()), "training.semi");
        check(
            |c| c.average = Some(AverageConfig { teach_from: Some(0.5), ..AverageConfig::default() }),
            "training.semi",
        );
        check(|c| c.training.head_lr = -1.0, "head_lr");
        check(|c| c.model.hidden_dim = usize::MAX, "hidden_dim");
        check(|c| c.format_version = 9, "format_version");
        check(
            |c| {
                let training = TrainingConfig { batch_size: 0, ..TrainingConfig::default() };
                c.distillation = Some(Distillation { training, ..Distillation::default() });
                c.training.semi = true;
            },
            "batch_size",
        );
        check(|c| c.training.dropout = Some(1.0), "dropout");
        check(|c| c.training.warmup = f64::NAN, "warmup");
        check(|c| c.training.image_dropout = -0.1, "image_dropout");
        check(|c| c.training.image_dropout = f64::NAN, "image_dropout");
        check(|c| c.training.layer_decay = 0.0, "layer_decay");
        check(|c| c.training.layer_decay = 1.1, "layer_decay");
        check(|c| c.input.max_pieces = 2, "max_pieces");
        check(|c| c.model.latent_dim = 0, "latent_dim");
        check(|c| c.objective.lambda = -1.0, "lambda");
        check(|c| c.optimizer.beta1 = 1.0, "beta1");
        assert!(serde_json::from_str::<Config>(r#"{"lerning_rate": 1}"#).is_err());
    }
}
