//! The file that describes an experiment, as it is written: its tables, and errors that name its
//! lines. What the names and settings in it mean is for others.

use crate::error::{Error, Result};
use crate::experiment::spec::LabelCount;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub text_encoder: String,
    pub baseline: Option<Spanned<String>>,
    pub corpora: BTreeMap<Spanned<String>, Corpus>,
    #[serde(default)]
    pub settings: Option<Spanned<Settings>>,
    pub methods: BTreeMap<Spanned<String>, Settings>,
    pub grids: Vec<Grid>,
}

/// Settings as JSON. TOML has the numbers `nan` and `inf`, which JSON would take for settings that
/// are not given.
pub(super) struct Settings(pub Value);

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        fn is_finite(value: &toml::Value) -> bool {
            match value {
                toml::Value::Float(x) => x.is_finite(),
                toml::Value::Array(values) => values.iter().all(is_finite),
                toml::Value::Table(fields) => fields.values().all(is_finite),
                _ => true,
            }
        }
        let value = toml::Value::deserialize(deserializer)?;
        if !is_finite(&value) {
            return Err(D::Error::custom("a setting must be a finite number, neither nan nor inf"));
        }
        serde_json::to_value(value).map(Self).map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Corpus {
    pub data: PathBuf,
    pub image_features: Option<PathBuf>,
    pub captions: Option<PathBuf>,
    pub draws: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grid {
    pub corpora: Vec<Spanned<String>>,
    pub methods: Vec<Spanned<String>>,
    pub labels: Vec<LabelCount>,
    pub draws: Vec<u64>,
    #[serde(default = "first_seed")]
    pub seeds: Vec<u64>,
    #[serde(default)]
    pub dev_only: bool,
    #[serde(default)]
    pub text_alone: bool,
    pub dev_labels: Option<Spanned<usize>>,
}

fn first_seed() -> Vec<u64> {
    vec![0]
}

/// The file and its text, for the lines of errors.
pub(super) struct Reader<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl Reader<'_> {
    /// The tables of the file.
    pub(super) fn read(&self) -> Result<File> {
        let file: File = toml::from_str(self.text)
            .map_err(|error| self.error(error.span().map_or(0, |span| span.start), error.message()))?;
        for name in file.corpora.keys().chain(file.methods.keys()) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
            if name.as_ref().is_empty() || !name.as_ref().chars().all(plain) || name.as_ref().starts_with('.') {
                let why = format!(
                    "{:?} becomes part of folder names: use letters, digits, `_`, `.`, `+` and `-` alone",
                    name.as_ref()
                );
                return Err(self.error(name.span().start, why));
            }
        }
        Ok(file)
    }

    pub(super) fn unknown<'n>(
        &self,
        name: &Spanned<String>,
        what: &str,
        known: impl Iterator<Item = &'n str>,
    ) -> Error {
        let known = known.collect::<Vec<_>>().join(", ");
        self.error(name.span().start, format!("there is no {what} {:?}; there are {known}", name.as_ref()))
    }

    pub(super) fn error(&self, at: usize, why: impl Into<String>) -> Error {
        let line = 1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        Error::Experiment { path: self.path.to_owned(), line, why: why.into() }
    }
}
