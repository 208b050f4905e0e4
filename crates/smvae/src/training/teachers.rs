//! Learning from unlabelled posts through teachers: models trained on the labelled posts give every
//! candidate span of the unlabelled ones a probability of each class, and the student learns these
//! soft labels besides the labels.
//!
//! ```text
//! target(span) = mean over teachers of p(class | span)        each with its own decision bias, if that is tuned
//! loss         = ... + soft_label_weight mean_rows( - sum_c target_c log p_c )
//! ```
//! Several teachers that differ in their seed alone are better than one, and their mean shows where
//! they disagree; the student keeps most of that gain in one model (Hinton et al. 2015; for
//! entities from few labels, Liang et al. 2020). With more generations, a student of all teachers
//! so far teaches beside them (Furlanello et al. 2018). The tags of unlabelled posts are never
//! read. A teacher's folder is removed once its soft labels are saved.

use crate::config::Config;
use crate::config::average::AverageConfig;
use crate::config::distillation::Distillation;
use crate::error::{Error, Result};
use crate::files::folder::file_in;
use crate::files::{create_folder, read_tensors, write_tensors};
use crate::flow::Flow;
use crate::inference::load_options::LoadOptions;
use crate::inference::predictor::Predictor;
use crate::input::images::ImageTrust;
use crate::run::folder::{RunFolder, SOFT_LABELS, is_run};
use crate::run::record::{Teacher, seconds};
use crate::run::remove::remove_teachers;
use crate::scoring::scorer::ScoredSpans;
use crate::training::event::{Event, RunSummary};
use crate::training::input::TrainInput;
use crate::training::prepare::Prepared;
use crate::training::sampler::UnlabelledItem;
use smvae_core::candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Trains a teacher, or resumes it where its folder exists already. A teacher is a run, and the
/// caller says how runs are trained.
pub(crate) type TrainTeacher<'a> =
    &'a mut dyn FnMut(&TrainInput<'_>, &Config, &Path, &mut dyn FnMut(&Event) -> Flow) -> Result<RunSummary>;

/// The run that is taught.
#[derive(Clone, Copy)]
pub(crate) struct Student<'a> {
    pub prepared: &'a Prepared<'a>,
    /// What the teachers are asked about.
    pub items: &'a [UnlabelledItem],
    /// Where its soft labels are kept, and its teachers until then.
    pub folder: &'a RunFolder,
}

/// The mean of the teachers' probabilities for each unlabelled item, computed here or read where it
/// was saved before. `None` if the callback ended the training of a teacher.
pub(crate) fn soft_labels(
    student: Student<'_>,
    distillation: &Distillation,
    train_teacher: TrainTeacher<'_>,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<Option<Vec<ScoredSpans>>> {
    let Student { prepared, items, folder } = student;
    if let Some(saved) = read(items, folder)? {
        // It may have been killed before the last of them was gone.
        remove_teachers(folder.folder())?;
        return Ok(Some(saved));
    }
    let teachers = distillation.all_teachers();
    let mut sums = vec![ScoredSpans::default(); items.len()];
    let mut known = Vec::with_capacity(teachers);
    for number in 1..=teachers {
        let config = configured(prepared, distillation, number);
        let next = NextTeacher { student, number, out: folder.teacher(number)?, config };
        let mut tell = |event: &Event| {
            let event = Box::new(event.clone());
            on_event(&Event::Teacher { number, teachers, event })
        };
        let Some((teacher, said)) = next.teach(&sums, train_teacher, &mut tell)? else {
            return Ok(None);
        };
        sums.iter_mut().zip(&said).for_each(|(sum, said)| sum.add(said, 1.0));
        known.push(teacher);
    }
    folder.save_teachers(&known)?;
    let labels = mean(&sums, teachers);
    write(&labels, &folder.file(SOFT_LABELS)?)?;
    remove_teachers(folder.folder())?;
    Ok(Some(labels))
}

/// The teacher whose turn it is.
struct NextTeacher<'a> {
    student: Student<'a>,
    /// From 1.
    number: usize,
    out: PathBuf,
    config: Config,
}

impl NextTeacher<'_> {
    /// Trains it and asks it about the unlabelled items. `before` is the sum of what the teachers
    /// before it said, from which a student of an earlier generation learns. `None` if the callback
    /// ended it.
    fn teach(
        &self,
        before: &[ScoredSpans],
        train_teacher: TrainTeacher<'_>,
        tell: &mut dyn FnMut(&Event) -> Flow,
    ) -> Result<Option<(Teacher, Vec<ScoredSpans>)>> {
        if self.config.distillation.is_some() && !is_run(&self.out) {
            // Its training finds them there, and so trains no teachers of its own.
            create_folder(&self.out)?;
            write(&mean(before, self.number - 1), &file_in(&self.out, SOFT_LABELS)?)?;
        }
        let prepared = self.student.prepared;
        let input = prepared.input.clone().with_selection(&prepared.selection).with_tensorboard(false);
        let summary = train_teacher(&input, &self.config, &self.out, tell)?;
        if summary.stopped {
            return Ok(None);
        }
        let teacher = Teacher {
            seed: self.config.seed,
            best_epoch: summary.best_epoch,
            dev_f1: summary.best.map(|scores| scores.overall.f1()),
            seconds: seconds(&RunFolder::open(&self.out)?.metrics()?),
        };
        Ok(self.ask(&input, tell)?.map(|said| (teacher, said)))
    }

    /// What the trained teacher says of the items. `None` if the callback ended it: the next call
    /// finds a trained teacher and asks it again.
    fn ask(&self, input: &TrainInput<'_>, tell: &mut dyn FnMut(&Event) -> Flow) -> Result<Option<Vec<ScoredSpans>>> {
        let mut predictor = Predictor::load_with(&self.out, &LoadOptions::on(input.device.clone()))?;
        if let Some(images) = input.images {
            predictor = predictor.with_images(images.clone(), ImageTrust::Any)?;
        }
        let texts: Vec<_> = self.student.items.iter().map(|u| &u.item).collect();
        let scored = predictor.scorer().score(&texts, &mut |done, total| tell(&Event::Evaluating { done, total }))?;
        Ok(scored.map(|scored| scored.iter().map(|scored| predictor.decision().shift(scored)).collect()))
    }
}

/// A teacher's configuration: the run's with a seed of its own and without what concerns unlabelled
/// posts, which a student of an earlier generation keeps.
fn configured(prepared: &Prepared<'_>, distillation: &Distillation, number: usize) -> Config {
    let config = &prepared.config;
    let student = number > distillation.teachers;
    Config {
        // Far from the seeds that people choose.
        seed: config.seed.wrapping_add(number as u64 * 1_000_003),
        selection_seed: Some(config.selection_seed()),
        training: if student { config.training.clone() } else { distillation.training.clone() },
        distillation: student.then(|| Distillation { generations: 1, ..distillation.clone() }),
        // A teacher without unlabelled posts has nothing that its own average could teach.
        average: config
            .average
            .clone()
            .map(|average| AverageConfig { teach_from: average.teach_from.filter(|_| student), ..average }),
        ..config.clone()
    }
}

/// The mean of what this many teachers said.
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
    let path = folder.file(SOFT_LABELS)?;
    if !path.exists() {
        return Ok(None);
    }
    let n: usize = items.iter().map(|u| u.candidates.len()).sum();
    let fault = |why: &str| Error::Inconsistent { path: path.clone(), why: why.to_owned() };
    let tensors = read_tensors(&path)?;
    let rows = tensors.get(TENSOR).ok_or_else(|| fault("it has no tensor `probabilities`"))?.to_vec2::<f32>()?;
    if rows.len() != n {
        return Err(fault("its number of spans is not that of the unlabelled posts"));
    }
    let mut rows = rows.into_iter();
    let of_item = |u: &UnlabelledItem| {
        let its = rows.by_ref().take(u.candidates.len()).flatten().collect();
        ScoredSpans::new(u.candidates.clone(), its)
    };
    Ok(Some(items.iter().map(of_item).collect()))
}
