//! One run of a report: its settings, its learning curves, and what it finds in the splits it was
//! evaluated on.

use crate::config::Config;
use crate::config::names::leaves;
use crate::config::training::TrainingConfig;
use crate::error::Result;
use crate::experiment::spec::LabelCount;
use crate::input::captions::CaptionIdentity;
use crate::report::date::utc;
use crate::report::place::Place;
use crate::report::split::SplitReport;
use crate::report::titles;
use crate::run::folder::{CONFIG, RunFolder, SELECTION, WEIGHTS};
use crate::run::record::EpochRecord;
use crate::run::train_command::TrainCommand;
use serde::Serialize;
use serde_json::Value;
use smvae_core::LabelSet;
use smvae_core::metrics::Scores;
use smvae_data::files::sha256_hex;
use smvae_data::{Selection, Split};
use std::collections::BTreeMap;
use std::path::Path;

/// A run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RunReport {
    /// Name of its folder.
    pub name: String,
    /// The method's name in the experiment, or what the settings say about images and unlabelled
    /// posts.
    pub method: String,
    /// Name of the corpus: the experiment's, or that of its folder. `None` for posts that were
    /// never in a folder.
    pub corpus: Option<String>,
    /// When its best weights were saved, as the file says: `2026-11-29 09:08 UTC`.
    pub trained: Option<String>,
    /// How it is trained again, in words of the program. `None` if its corpus was in no folder.
    pub command: Option<String>,
    /// Corpus and settings as text, which runs have in common that differ in draw and seed alone.
    #[serde(skip)]
    pub(super) repeats: String,
    /// Which posts are labelled. `None` for converted weights.
    #[serde(skip)]
    pub(super) draw: Option<Draw>,
    /// What it may be compared with. `None` for converted weights.
    #[serde(skip)]
    pub(super) place: Option<Place>,
    /// Labelled posts. `None` for converted weights, whose posts are not known.
    pub labelled: Option<usize>,
    /// Its seed.
    pub seed: u64,
    /// Epochs that were completed.
    pub epochs: usize,
    /// The epochs that it would have at most, where it was stopped before its end. `None` if it is
    /// finished.
    pub stopped_before: Option<usize>,
    /// The epoch whose weights are saved. `None` if dev was never evaluated.
    pub best_epoch: Option<usize>,
    /// Scores on dev of that epoch.
    pub dev: Option<Scores>,
    /// F1 on test, in percent. `None` if test was not evaluated.
    pub test_f1: Option<f64>,
    /// Every setting, those that differ from the defaults first.
    pub settings: Vec<Setting>,
    /// Epochs, the x of all curves.
    pub x: Vec<usize>,
    /// Loss, its terms, and what else an epoch records.
    pub curves: Vec<Curve>,
    /// Dev, and test if its predictions were saved ([`RunInfo::save_predictions`](crate::RunInfo)).
    pub splits: Vec<SplitReport>,
}

/// Which posts are labelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draw {
    /// The seed of the draw.
    pub(super) seed: u64,
    /// Digest of their positions: a file may list others than the seed draws.
    pub(super) posts: String,
}

/// A setting of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Setting {
    /// Its path in `config.json`, such as `training.batch_size`.
    pub name: String,
    /// Its value, as JSON.
    pub value: String,
    /// The default, as JSON; empty if there is no such setting.
    pub default: String,
    /// Whether the two differ.
    pub differs: bool,
}

/// A number of every epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Curve {
    /// Its path in `metrics.jsonl`, such as `train.labelled.kl_text`.
    pub name: String,
    /// The same in words.
    pub title: String,
    /// One value per epoch. `None` where dev was not evaluated.
    pub values: Vec<Option<f64>>,
}

impl RunReport {
    /// Reads a run folder, its weights excepted.
    pub(super) fn read(name: &str, folder: &Path) -> Result<Self> {
        let run = RunFolder::open(folder)?;
        let (config, labels, epochs) = (run.config()?, run.labels()?, run.metrics()?);
        let best = epochs.iter().rfind(|record| record.best);
        let splits = splits(&run, &labels)?;
        let captions = run.caption_identity()?;
        let has_captions = captions.is_some();
        let selection = if run.origin()?.is_some() { None } else { Some(run.selection()?) };
        let corpus = config.data.as_ref().and_then(|data| Some(data.file_name()?.to_string_lossy().into_owned()));
        let place = selection.as_ref().map(|selection| Place {
            corpus: corpus.clone().unwrap_or_default(),
            labels: LabelCount::Count(selection.labelled.len()),
            dev_labels: None,
        });
        let is_finished = run.is_finished()?;
        let weights = run.file(WEIGHTS)?.metadata().and_then(|metadata| metadata.modified());
        Ok(Self {
            name: name.to_owned(),
            method: method(&config, has_captions),
            trained: weights.ok().map(utc),
            command: command(&config, folder, selection.as_ref(), captions.as_ref()),
            corpus,
            place,
            draw: selection.as_ref().map(Draw::of),
            repeats: repeats(&config, has_captions, selection.as_ref().map(|chosen| chosen.train_sha256.as_str())),
            labelled: selection.map(|selection| selection.labelled.len()),
            seed: config.seed,
            epochs: epochs.len(),
            stopped_before: config.training.epochs.filter(|_| !is_finished),
            best_epoch: best.map(|record| record.epoch),
            dev: best.and_then(|record| record.dev.clone()),
            test_f1: splits.iter().find(|split| split.split == Split::Test).map(|test| test.overall().f1),
            settings: settings(&config),
            x: epochs.iter().map(|record| record.epoch).collect(),
            curves: curves(&epochs),
            splits,
        })
    }

    /// A split that was evaluated.
    pub fn split(&self, split: Split) -> Option<&SplitReport> {
        self.splits.iter().find(|report| report.split == split)
    }
}

impl Draw {
    fn of(selection: &Selection) -> Self {
        let positions: Vec<String> = selection.labelled.iter().map(|post| post.position.to_string()).collect();
        Self { seed: selection.seed, posts: sha256_hex(positions.join(" ").as_bytes()) }
    }
}

/// A word of a command, in quotes where a shell would take it apart.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// How a run is trained again, in words of the program. `None` if its corpus was in no folder.
fn command(
    config: &Config,
    folder: &Path,
    selection: Option<&Selection>,
    captions: Option<&CaptionIdentity>,
) -> Option<String> {
    let word = |path: &Path| shell_word(&path.display().to_string());
    let selection = selection.map(|_| word(&folder.join(SELECTION)));
    let command = TrainCommand {
        run: config,
        config: &word(&folder.join(CONFIG)),
        data: &word(config.data.as_ref()?),
        selection: selection.as_deref(),
        images: config.model.image_dim.is_some(),
        captions: captions.is_some_and(|captions| captions.sha256.is_some()),
        out: "NEW",
    };
    Some(command.line())
}

/// What was saved of dev and test, both at the temperature that `predict` tells scores at.
fn splits(run: &RunFolder, labels: &LabelSet) -> Result<Vec<SplitReport>> {
    let mut splits = Vec::new();
    for split in [Split::Dev, Split::Test] {
        let Some(posts) = run.predictions(split)? else { continue };
        let temperature = run.calibration()?.map(|calibration| calibration.temperature);
        let report = SplitReport::new(split, labels, posts, temperature);
        splits.push(match run.text_predictions(split)? {
            Some(found) => report.with_text_alone(found).ok_or_else(|| run.other_posts(split))?,
            None => report,
        });
    }
    Ok(splits)
}

/// What a run's folder says about images, captions and unlabelled posts.
fn method(config: &Config, has_captions: bool) -> String {
    let sees = match (config.model.image_dim.is_some(), has_captions) {
        (false, false) => "text only",
        (true, false) => "text + image",
        (false, true) => "text + caption",
        (true, true) => "text + image + caption",
    };
    let semi = if config.training.semi { ", semi-supervised" } else { "" };
    format!("{sees}{semi}")
}

/// The settings that are the same in every repetition, and the corpus.
fn repeats(config: &Config, has_captions: bool, train_sha256: Option<&str>) -> String {
    let config = Config { seed: 0, selection_seed: None, labelled: None, data: None, ..config.clone() };
    // Epochs that are not set follow from the number of labelled posts; checkpoints change no
    // result.
    let training = TrainingConfig { epochs: None, checkpoint_every: None, ..config.training.clone() };
    let parts = (Config { training, device: String::new(), ..config }, has_captions, train_sha256);
    serde_json::to_string(&parts).expect("a configuration has string keys and no failing parts")
}

/// Every setting and its default, as JSON.
pub(super) fn defaults() -> BTreeMap<String, String> {
    Config::default().named_values()
}

fn settings(config: &Config) -> Vec<Setting> {
    let defaults = defaults();
    let setting = |(name, value): (String, String)| {
        let default = defaults.get(&name).cloned().unwrap_or_default();
        Setting { differs: value != default, name, value, default }
    };
    let mut settings: Vec<Setting> = config.named_values().into_iter().map(setting).collect();
    settings.sort_by_key(|setting| !setting.differs);
    settings
}

/// Every number of the records but timings and counts, with the fields that later versions may add.
fn curves(epochs: &[EpochRecord]) -> Vec<Curve> {
    let mut found: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    for (i, record) in epochs.iter().enumerate() {
        let mut put = |name: &str, value: &Value| {
            if let Some(x) = value.as_f64().filter(|x| x.is_finite()) {
                found.entry(name.to_owned()).or_insert_with(|| vec![None; epochs.len()])[i] = Some(x);
            }
        };
        let train = serde_json::to_value(record.train).expect("numbers under string keys");
        leaves("train", &train).iter().for_each(|(name, value)| put(name, value));
        if let Some(Scores { overall, .. }) = &record.dev {
            let ratios =
                [("dev.precision", overall.precision()), ("dev.recall", overall.recall()), ("dev.f1", overall.f1())];
            for (name, x) in ratios {
                put(name, &x.into());
            }
        }
    }
    found.into_iter().map(|(name, values)| Curve { title: titles::of_curve(&name), name, values }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_the_defaults_comes_first() {
        let mut config = Config::default();
        config.training.batch_size = 3;
        config.text_encoder = Some("tiny".to_owned());
        let all = settings(&config);
        let first: Vec<_> = all.iter().map(|s| (s.name.as_str(), s.value.as_str(), s.differs)).take(3).collect();
        assert_eq!(first[..2], [("text_encoder", "\"tiny\"", true), ("training.batch_size", "3", true)]);
        assert!(!first[2].2 && all.len() > 40);
        assert_eq!(all[1].default, "16");
        // Settings that run folders leave out at their defaults are there, and all by their names.
        let value =
            |all: &[Setting], name: &str| all.iter().find(|s| s.name == name).map(|s| (s.value.clone(), s.differs));
        for (name, default) in [
            ("input.caption", "\"own\""),
            ("input.max_caption_pieces", "64"),
            ("training.caption_dropout", "0.0"),
            ("objective.soft_label_weight", "1.0"),
        ] {
            assert_eq!(value(&all, name), Some((default.to_owned(), false)), "{name}");
        }
        config.training.caption_dropout = 0.1;
        assert_eq!(value(&settings(&config), "training.caption_dropout"), Some(("0.1".to_owned(), true)));
    }

    #[test]
    fn every_loss_term_is_a_curve() {
        let json = r#"{"epoch": 1, "step": 4, "train": {"loss": 2.5, "ce": 1.0,
            "labelled": {"mse_text": 0.1, "mse_image": 0, "kl_text": 0, "kl_image": 0, "kl_fused": 0},
            "unlabelled": {"mse_text": 0, "mse_image": 0, "kl_text": 0, "kl_image": 0, "kl_fused": 0},
            "mask": 0.5, "grad_norm": 1}, "encoder_lr": 0, "head_lr": 0, "dev": null, "best": false,
            "timing": {"train_seconds": 1, "dev_seconds": 1, "tweets_per_second": 1, "spans_per_second": 1,
            "dev_tweets_per_second": 1, "peak_memory_mib": null}}"#;
        let first: EpochRecord = serde_json::from_str(json).expect("a record");
        let mut second = first.clone();
        second.dev = Some(Scores::default());
        let curves = curves(&[first, second]);
        let of =
            |name: &str| curves.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no {name}")).values.clone();
        assert_eq!(of("train.labelled.mse_text"), [Some(0.1), Some(0.1)]);
        assert_eq!(of("train.loss"), [Some(2.5), Some(2.5)]);
        assert_eq!(of("dev.f1"), [None, Some(0.0)]);
        assert!(curves.iter().all(|c| !c.name.contains("timing")));
    }
}
