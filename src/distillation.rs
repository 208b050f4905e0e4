//! Learning from unlabelled tweets through teachers: models trained on the labelled tweets put a probability on every
//! class of every candidate span of the unlabelled ones, and the student learns these beside the labels.
//!
//! ```text
//! target(span) = mean over teachers of p(class | span)        each with its own decision bias, if that is tuned
//! loss         = ... + distillation mean_rows( - sum_c target_c log p_c )
//! ```
//! Several teachers that differ by their seed alone are better than one and know where they disagree; the student gets
//! most of it in one model (Hinton et al. 2015; for entities from few labels, Liang et al. 2020). With more generations, a
//! student of all teachers so far teaches beside them (Furlanello et al. 2018). The tags of unlabelled tweets are never read.
//! A teacher's folder goes once its labels are saved.

use crate::config::{AverageConfig, Config, TrainingConfig, setting};
use crate::files::{create_folder, read_tensors, write_tensors};
use crate::progress::{Event, Flow, seconds};
use crate::resume::resume;
use crate::run_folder::{RunFolder, RunInfo, SOFT_LABELS, remove_run};
use crate::sampler::UnlabelledItem;
use crate::scorer::ScoredSpans;
use crate::trainer::{TrainInput, train};
use crate::{Error, Predictor, Result};
use serde::{Deserialize, Serialize};
use smvae_core::candle_core::{Device, Tensor};
use smvae_data::Selection;
use std::collections::BTreeMap;
use std::path::Path;

/// How soft labels are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Distillation {
    /// Number of teachers that learn from the labelled tweets alone.
    pub teachers: usize,
    /// Generations of students, the last of which is the run itself. Each of the others learns from all teachers so far, as
    /// the run does, and is then one more teacher.
    pub generations: usize,
    /// How each of those is trained.
    pub training: TrainingConfig,
    /// Spans whose most probable class is less probable than this have no target.
    pub confidence: f32,
    /// The target is the most probable class alone: a pseudo-label.
    pub hard: bool,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { teachers: 3, generations: 1, training: TrainingConfig::default(), confidence: 0.0, hard: false }
    }
}

/// How a teacher came out, which is known when it is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Its seed.
    pub seed: u64,
    /// The epoch it taught with: the best on dev.
    pub best_epoch: Option<usize>,
    /// F1 on dev of that epoch, in percent.
    pub dev_f1: Option<f64>,
    /// Seconds of its training and evaluations.
    pub seconds: f64,
}

impl Distillation {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.teachers == 0 {
            return Err(setting("distillation.teachers", "at least 1", 0));
        }
        if self.generations == 0 {
            return Err(setting("distillation.generations", "at least 1", 0));
        }
        if self.training.semi {
            return Err(setting("distillation.training.semi", "false: teachers have the labelled tweets alone", true));
        }
        if !(0.0..=1.0).contains(&self.confidence) {
            return Err(setting("distillation.confidence", "a probability", self.confidence));
        }
        self.training.validate()
    }

    /// How many models teach the run itself.
    pub(crate) fn all_teachers(&self) -> usize {
        self.teachers + self.generations - 1
    }

    /// What the student learns where the teachers say `row`; all 0 to pass it over.
    pub(crate) fn target(&self, row: &[f32]) -> Vec<f32> {
        let (class, p) =
            row.iter().enumerate().fold((0, f32::MIN), |best, (k, p)| if *p > best.1 { (k, *p) } else { best });
        match (p >= self.confidence, self.hard) {
            (false, _) => vec![0.0; row.len()],
            (true, true) => (0..row.len()).map(|k| f32::from(k == class)).collect(),
            (true, false) => row.to_vec(),
        }
    }
}

/// The mean of the teachers' probabilities for each unlabelled item, trained here or read where they were saved before;
/// none if the callback ended the training of a teacher.
pub(crate) fn soft_labels(
    input: &TrainInput<'_>,
    config: &Config,
    selection: &Selection,
    items: &[UnlabelledItem],
    folder: &RunFolder,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<Option<Vec<ScoredSpans>>> {
    let distillation = config.distillation.as_ref().expect("called where there is one");
    if let Some(saved) = read(items, folder)? {
        return Ok(Some(saved));
    }
    let mut sums = vec![ScoredSpans::default(); items.len()];
    let texts: Vec<_> = items.iter().map(|u| &u.item).collect();
    let teachers = distillation.all_teachers();
    let mut known = Vec::with_capacity(teachers);
    for number in 1..=teachers {
        let out = folder.teacher(number);
        let config = teacher(config, distillation, number);
        if config.distillation.is_some() && !RunInfo::exists(&out) {
            // Its training finds them, and has no teachers of its own to train.
            create_folder(&out)?;
            write(&mean(&sums, number - 1), &out.join(SOFT_LABELS))?;
        }
        let input = TrainInput { selection: Some(selection), ..input.clone() };
        let mut tell = |event: &Event| {
            let event = Box::new(event.clone());
            on_event(&Event::Teacher { number, teachers, event })
        };
        let summary = match RunInfo::exists(&out) {
            true => resume(&input, &out, &mut tell)?,
            false => train(&input, &config, &out, &mut tell)?,
        };
        if summary.stopped {
            return Ok(None);
        }
        known.push(Teacher {
            seed: config.seed,
            best_epoch: summary.best_epoch,
            dev_f1: summary.best.map(|scores| scores.overall.f1()),
            seconds: seconds(&RunFolder::open(&out)?.metrics()?),
        });
        let mut predictor = Predictor::load_on(&out, &input.device)?;
        if let Some(images) = input.images {
            predictor = predictor.with_images(images.clone(), true)?;
        }
        let mut stopped = false;
        let scored = predictor.scorer().score(&texts, &mut |done, total| {
            stopped |= tell(&Event::Evaluating { done, total }) == Flow::Stop;
        })?;
        if stopped {
            // The teacher is finished; it is only asked once more.
            return Ok(None);
        }
        for (sum, scored) in sums.iter_mut().zip(&scored) {
            sum.add(&predictor.decision().shift(scored), 1.0);
        }
    }
    folder.save_teachers(&known)?;
    let labels = mean(&sums, teachers);
    write(&labels, &folder.path(SOFT_LABELS))?;
    (1..=teachers).try_for_each(|number| remove_run(&folder.teacher(number)))?;
    Ok(Some(labels))
}

/// A teacher's configuration: the run's with a seed of its own, but for what is about unlabelled tweets, unless it is the
/// student of an earlier generation.
fn teacher(config: &Config, distillation: &Distillation, number: usize) -> Config {
    let student = number > distillation.teachers;
    Config {
        // Far from the seeds that people choose.
        seed: config.seed.wrapping_add(number as u64 * 1_000_003),
        selection_seed: Some(config.selection_seed()),
        training: if student { config.training.clone() } else { distillation.training.clone() },
        distillation: student.then(|| Distillation { generations: 1, ..distillation.clone() }),
        // Nor does its own average teach a teacher that has no unlabelled tweets.
        average: config
            .average
            .clone()
            .map(|average| AverageConfig { teach_from: average.teach_from.filter(|_| student), ..average }),
        ..config.clone()
    }
}

/// The mean of what so many teachers said.
fn mean(sums: &[ScoredSpans], teachers: usize) -> Vec<ScoredSpans> {
    let mean = |sum| {
        let mut mean = ScoredSpans::default();
        mean.add(sum, 1.0 / teachers as f32);
        mean
    };
    sums.iter().map(mean).collect()
}

/// Name of the one tensor in the file, `[spans of all items, classes]`.
const TENSOR: &str = "probabilities";

fn write(labels: &[ScoredSpans], path: &Path) -> Result<()> {
    let rows: Vec<f32> = labels.iter().flat_map(|l| l.rows().flat_map(|(_, row)| row.iter().copied())).collect();
    let n: usize = labels.iter().map(|l| l.spans.len()).sum();
    let classes = rows.len() / n.max(1);
    let tensor = Tensor::from_vec(rows, (n, classes), &Device::Cpu)?;
    write_tensors(path, &BTreeMap::from([(TENSOR.to_owned(), tensor)]))
}

fn read(items: &[UnlabelledItem], folder: &RunFolder) -> Result<Option<Vec<ScoredSpans>>> {
    let path = folder.path(SOFT_LABELS);
    if !path.exists() {
        return Ok(None);
    }
    let n: usize = items.iter().map(|u| u.candidates.len()).sum();
    let fault = |why: &str| Error::Inconsistent { path: path.clone(), why: why.to_owned() };
    let tensors = read_tensors(&path)?;
    let rows = tensors.get(TENSOR).ok_or_else(|| fault("it has no tensor `probabilities`"))?.to_vec2::<f32>()?;
    if rows.len() != n {
        return Err(fault("it has another number of spans than the unlabelled tweets"));
    }
    let mut rows = rows.into_iter();
    let of_item = |u: &UnlabelledItem| {
        let its = rows.by_ref().take(u.candidates.len()).flatten().collect();
        ScoredSpans::new(u.candidates.clone(), its)
    };
    Ok(Some(items.iter().map(of_item).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_soft_hard_or_passed_over() {
        let row = [0.6, 0.3, 0.1];
        let check = |confidence, hard, want: [f32; 3]| {
            let distillation = Distillation { confidence, hard, ..Distillation::default() };
            assert_eq!(distillation.target(&row), want, "{confidence} {hard}");
        };
        check(0.0, false, row);
        check(0.6, true, [1.0, 0.0, 0.0]);
        check(0.7, true, [0.0; 3]);
        check(0.7, false, [0.0; 3]);
    }
}
