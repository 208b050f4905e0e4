//! Records of a run folder: one per epoch, one per teacher, and what the run depends on besides its
//! configuration.

use crate::config::Config;
use serde::{Deserialize, Serialize};
use smvae_core::metrics::Scores;
use smvae_core::step::StepReport;
use smvae_data::corpus::CorpusFormat;
use smvae_data::files::sha256_hex;
use std::collections::BTreeMap;

/// A line of `metrics.jsonl`: one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Steps taken so far.
    pub step: usize,
    /// Loss, its terms and the norm of the gradients: means over the epoch's steps.
    pub train: StepReport,
    /// Learning rate of the text encoder's top layer at the last step.
    pub encoder_lr: f64,
    /// Learning rate of everything else at the last step.
    pub head_lr: f64,
    /// Scores on dev. `None` in epochs without an evaluation.
    pub dev: Option<Scores>,
    /// Whether these scores are the best so far, so that the weights were saved.
    pub best: bool,
    /// The bias against `O` that gave these scores.
    #[serde(default)]
    pub outside_bias: f32,
    /// Time and memory: the only fields that differ between two runs with the same seed.
    pub timing: Timing,
}

/// Speed and memory of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Timing {
    /// Seconds of its steps.
    pub train_seconds: f64,
    /// Seconds of the evaluation on dev.
    pub dev_seconds: f64,
    /// Posts trained on per second, labelled and unlabelled.
    #[serde(rename = "tweets_per_second")]
    pub posts_per_second: f64,
    /// Spans trained on per second.
    pub spans_per_second: f64,
    /// Posts of dev evaluated per second.
    #[serde(rename = "dev_tweets_per_second")]
    pub dev_posts_per_second: f64,
    /// The most memory that the process has used so far, in MiB. `None` where the system does not
    /// tell.
    pub peak_memory_mib: Option<f64>,
}

/// The best epoch on dev so far.
pub(crate) fn best_of(records: &[EpochRecord]) -> Option<(usize, &Scores)> {
    records.iter().rfind(|record| record.best).and_then(|record| Some((record.epoch, record.dev.as_ref()?)))
}

/// Seconds of training and of evaluations, without pauses.
pub(crate) fn seconds(records: &[EpochRecord]) -> f64 {
    records.iter().map(|record| record.timing.train_seconds + record.timing.dev_seconds).sum()
}

/// Evaluations on dev since the best. While none of them found anything that is right, there is no
/// best to fall behind, and they do not count: small networks may need many epochs before the first
/// entity.
pub(crate) fn without_gain(records: &[EpochRecord]) -> usize {
    if best_of(records).is_none_or(|(_, best)| best.overall.f1() == 0.0) {
        return 0;
    }
    records.iter().rev().take_while(|record| !record.best).filter(|record| record.dev.is_some()).count()
}

/// How a teacher came out: what remains of it once its folder is removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Teacher {
    /// Its seed.
    pub seed: u64,
    /// The epoch whose weights taught: the best on dev.
    pub best_epoch: Option<usize>,
    /// F1 on dev of that epoch, in percent.
    pub dev_f1: Option<f64>,
    /// Seconds of its training and evaluations.
    pub seconds: f64,
}

/// Where converted weights come from, as `scripts/convert_authors_weights.py` writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Origin {
    /// The program that trained them.
    pub program: String,
    /// Name of their file.
    pub file: String,
    /// sha256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// How the order of the labels, which is not in the file, came to be known.
    pub labels: String,
}

/// What a run depends on besides its configuration, and whether it is finished: `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunState {
    /// Whether it came to its end; if not, [`resume`](crate::resume()) continues it.
    pub finished: bool,
    /// Number of threads at its beginning. Resumed with as many, it gives the same weights.
    pub threads: usize,
    /// SHA-256 of the training split's posts, as JSON.
    pub train_sha256: String,
    /// SHA-256 of dev's posts, as JSON.
    #[serde(rename = "valid_sha256")]
    pub dev_sha256: String,
    /// SHA-256 of the file of image vectors. `None` for text alone.
    pub images_sha256: Option<String>,
    /// SHA-256 of the file of captions. `None` for a run without, or whose posts have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions_sha256: Option<String>,
    /// What training left in the folder, by the names of the files. `None` for a run that is not
    /// finished, or that an earlier version finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<BTreeMap<String, FileDigest>>,
}

/// The size and the digest of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FileDigest {
    /// In bytes.
    pub size: u64,
    /// SHA-256, in hexadecimal digits.
    pub sha256: String,
}

impl RunState {
    /// Digest of what a run depends on, which its checkpoints name. It does not depend on where the
    /// corpus and the file of posts without labels lie, or how they are read: what was read of them
    /// has digests.
    pub(crate) fn identity(&self, config: &Config) -> String {
        let config = Config { data: None, unlabelled: None, corpus_format: CorpusFormat::default(), ..config.clone() };
        let Self { train_sha256, dev_sha256, images_sha256, .. } = self;
        let parts = match &self.captions_sha256 {
            // As in versions that knew no captions.
            None => serde_json::to_vec(&(config, train_sha256, dev_sha256, images_sha256)),
            captions => serde_json::to_vec(&(config, train_sha256, dev_sha256, images_sha256, captions)),
        };
        sha256_hex(&parts.expect("our own types have string keys and no failing parts"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smvae_core::metrics::Counts;

    /// Epochs with this F1 on dev, in percent, or without an evaluation.
    fn records(f1: &[Option<usize>]) -> Vec<EpochRecord> {
        let mut best = None;
        let record = |(i, f1): (usize, &Option<usize>)| {
            let scores = |f1: usize| {
                let overall = Counts { gold: 100, predicted: 100, correct: f1 };
                Scores { overall, ..Scores::default() }
            };
            let is_best = f1.is_some_and(|f1| best.is_none_or(|best| f1 > best));
            best = if is_best { *f1 } else { best };
            EpochRecord {
                epoch: i + 1,
                step: 0,
                train: StepReport::default(),
                encoder_lr: 0.0,
                head_lr: 0.0,
                dev: f1.map(scores),
                best: is_best,
                outside_bias: 0.0,
                timing: Timing::default(),
            }
        };
        f1.iter().enumerate().map(record).collect()
    }

    #[test]
    fn patience_counts_evaluations_since_the_best_once_there_is_an_entity() {
        let check = |f1: &[Option<usize>], want: usize| assert_eq!(without_gain(&records(f1)), want, "{f1:?}");
        check(&[], 0);
        check(&[Some(0), Some(0), Some(0)], 0);
        check(&[Some(0), Some(7)], 0);
        check(&[Some(7), Some(7), None, Some(5)], 2);
        check(&[Some(7), Some(5), Some(8), Some(8)], 1);
    }
}
