//! One run of an experiment: what it depends on, and whether two descriptions give the same result.

use crate::config::names::leaves;
use crate::config::{AverageConfig, Config, Distillation};
use crate::error::Result;
use crate::suggest::Strategy;
use serde::{Deserialize, Serialize};
use smvae_data::files::sha256_json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

/// A run: its place in the grid, and everything that its result depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Run {
    /// `corpus-method-labels-d<draw>-s<seed>`, and `-dev<n>` where dev is cut.
    pub id: String,
    /// Name of the corpus.
    pub corpus: String,
    /// Name of the method.
    pub method: String,
    /// Labelled posts.
    pub labels: LabelCount,
    /// Which draw of the labelled posts; runs of one draw have the same ones.
    pub draw: u64,
    /// Seed of initialisation, order, noise and dropout.
    pub seed: u64,
    /// Number of posts that dev is cut to. `None` for all of dev.
    pub dev_labels: Option<usize>,
    /// Whether the test split stays closed.
    pub dev_only: bool,
    /// Whether a run with images or captions is also scored from the text alone. A result without
    /// it is not repeated for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub text_alone: bool,
    /// Whether it has image vectors.
    pub images: bool,
    /// Whether it reads captions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub captions: bool,
    /// Whether its layers train in bf16.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bf16: bool,
    /// Whether a manifest lists the labelled posts; if not, they are drawn with the draw's number
    /// as seed.
    pub manifest: bool,
    /// How the labelled posts are chosen where they are not drawn: then there is no manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// All settings.
    pub config: Config,
}

/// How the labelled posts of a run are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Choice {
    /// By what posts are chosen beyond those of the run before. `None` chooses none: both have the
    /// same.
    pub strategy: Option<Strategy>,
    /// How much images count in telling which posts are alike, 0 to 1
    /// ([`WithImages`](crate::suggest::WithImages)); 0 where texts alone tell it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub image_share: f32,
    /// The run before, whose posts are labelled already and whose model chooses, by its name.
    /// `None` begins without either.
    pub after: Option<String>,
    /// Digest (SHA-256) of the settings of the run before. `None` if
    /// there is no run before. Earlier versions did not write it; then it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_sha256: Option<String>,
}

/// Left out of files, so that those of earlier versions stay the same.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(share: &f32) -> bool {
    *share == 0.0
}

/// A run and where its files lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunSpec {
    /// What its result depends on.
    pub run: Run,
    /// Where its files lie on this machine.
    pub sources: Sources,
}

/// Files of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sources {
    /// Folder of the corpus.
    pub data: PathBuf,
    /// What [`EncoderSource::named`](crate::EncoderSource::named) takes.
    pub text_encoder: String,
    /// Image vectors. `None` for text alone.
    pub images: Option<PathBuf>,
    /// Captions by image id. `None` for a run without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<PathBuf>,
    /// Manifest of the labelled posts. `None` draws or chooses them.
    pub selection: Option<PathBuf>,
    /// Files of the run before, whose posts are labelled already and whose model chooses. `None` if
    /// there is no run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Sources>>,
}

impl Run {
    /// The settings in which another description of the same run differs, each as
    /// `name then -> now`. `None` if both give the same result: settings that change no result are
    /// not compared.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let (mut then, mut now) = (self.decisive(), now.decisive());
        // Descriptions by earlier versions do not have it.
        if !(then.contains_key(SETTINGS_BEFORE) && now.contains_key(SETTINGS_BEFORE)) {
            then.remove(SETTINGS_BEFORE);
            now.remove(SETTINGS_BEFORE);
        }
        let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        let shown = |value: Option<&String>| value.map_or_else(|| "absent".to_owned(), Clone::clone);
        let differs = names.into_iter().filter(|name| then.get(*name) != now.get(*name));
        let lines: Vec<String> =
            differs.map(|name| format!("{name} {} -> {}", shown(then.get(name)), shown(now.get(name)))).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// Digest (SHA-256) of the settings that the run's model depends on, as far as they are not the
    /// defaults: a setting that a later version adds does not change it.
    pub(super) fn settings_sha256(&self) -> String {
        let defaults = Config {
            // Sections that are absent by default have defaults of their own.
            distillation: self.config.distillation.as_ref().map(|_| Distillation::default()),
            average: self.config.average.as_ref().map(|_| AverageConfig::default()),
            ..Config::default()
        };
        let defaults = defaults.named_values();
        let mut settings = self.decisive();
        settings.retain(|name, value| defaults.get(name) != Some(value));
        sha256_json(&settings).expect("strings have a JSON form")
    }

    /// What the result depends on, files aside, each by its name.
    fn decisive(&self) -> BTreeMap<String, String> {
        let mut config = self.config.clone();
        config.training.checkpoint_every = None;
        let mut flat = config.named_values();
        let flags = [("images", self.images), ("captions", self.captions), ("manifest of the draw", self.manifest)];
        flat.extend(flags.map(|(name, flag)| (name.to_owned(), flag.to_string())));
        // Left out where it is false, so that digests that earlier versions wrote stay the same.
        flat.extend(self.bf16.then(|| ("bf16".to_owned(), "true".to_owned())));
        let choice = serde_json::to_value(&self.choice).expect("our own types have string keys");
        flat.extend(leaves("choice", &choice).into_iter().map(|(name, value)| (name, value.to_string())));
        if let Some(before) = flat.remove("choice.after_sha256") {
            flat.insert(SETTINGS_BEFORE.to_owned(), before);
        }
        flat
    }
}

/// What people call [`Choice::after_sha256`].
const SETTINGS_BEFORE: &str = "sha256 of the settings of the run before";

/// Number of labelled posts: in JSON and TOML a number, or `"all"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "LabelsField", into = "LabelsField")]
pub enum LabelCount {
    /// This many posts of the training split.
    Count(usize),
    /// The whole training split.
    All,
}

impl fmt::Display for LabelCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => write!(f, "{n}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// [`LabelCount`] in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum LabelsField {
    Count(usize),
    Word(String),
}

impl TryFrom<LabelsField> for LabelCount {
    type Error = String;

    fn try_from(field: LabelsField) -> Result<Self, String> {
        match field {
            LabelsField::Count(0) => Err("labels must be at least 1, or \"all\"".to_owned()),
            LabelsField::Count(n) => Ok(Self::Count(n)),
            LabelsField::Word(word) if word == "all" => Ok(Self::All),
            LabelsField::Word(word) => Err(format!("labels must be a number or \"all\", not {word:?}")),
        }
    }
}

impl From<LabelCount> for LabelsField {
    fn from(labels: LabelCount) -> Self {
        match labels {
            LabelCount::Count(n) => Self::Count(n),
            LabelCount::All => Self::Word("all".to_owned()),
        }
    }
}
