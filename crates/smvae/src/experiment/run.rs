//! One run of an experiment: trained or resumed, then scored, in its folder inside the
//! experiment's.
//!
//! A run can be killed at any moment and started again: training resumes from its checkpoint, and
//! `result.json` is written last. Two processes never work on one run: the second waits for the
//! first.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::experiment::choose::{CHOSEN, Labelled, choose};
use crate::experiment::digests::{Digests, KnownDigests};
use crate::experiment::material::{Material, split};
use crate::experiment::results::{FAILED, LabellingCost, RunResult, read_results};
use crate::experiment::spec::RunSpec;
use crate::files::folder::file_in;
use crate::files::{create_folder, read_json, read_json_if_there, remove_file, write_json};
use crate::flow::Flow;
use crate::inference::evaluate::evaluate;
use crate::inference::load_options::LoadOptions;
use crate::inference::predictor::Predictor;
use crate::run::folder::{RunFolder, is_run};
use crate::run::predictions::PostPrediction;
use crate::run::record::{RunState, seconds};
use crate::run::remove::{remove_checkpoint, remove_run};
use crate::training::encoder::EncoderSource;
use crate::training::event::{Event, RunSummary};
use crate::training::input::TrainInput;
use crate::training::{resume_with, train_with};
use smvae_core::candle_core::Device;
use smvae_core::metrics::Scores;
use smvae_core::nn::precision::{allow_bf16, bf16_is_allowed};
use smvae_data::corpus::LoadedSplit;
use smvae_data::{Sample, Split, gold_entities, selection};
use std::fs::File;
use std::path::Path;

/// The specification in a run's folder.
const SPEC: &str = "spec.json";
/// Digests of the files that the run began with.
const FILES: &str = "files.json";
const LOCK: &str = "lock";

/// Checks that a run, if it is finished, had the settings of `spec` and read the files that it
/// would read now. A run that is not finished needs no check: [`prepare`] and [`run`] start it over
/// if anything differs.
///
/// # Errors
/// [`Error::OtherSettings`]; files that cannot be read.
pub fn check(folder: impl AsRef<Path>, spec: &RunSpec, known: &mut KnownDigests) -> Result<()> {
    let folder = folder.as_ref();
    if let Some(result) = RunResult::read(folder)? {
        check_result(&result, spec, known, folder)?;
    }
    Ok(())
}

fn check_result(result: &RunResult, spec: &RunSpec, known: &mut KnownDigests, place: &Path) -> Result<()> {
    let settings = result.run.difference(&spec.run);
    let difference = match settings {
        None => result.files.difference(&known.of(spec)?),
        settings => settings,
    };
    let Some(difference) = difference else { return Ok(()) };
    Err(Error::OtherSettings { id: spec.run.id.clone(), difference, place: place.to_owned() })
}

/// Prepares the folder of a run that has no result yet; call [`check`] first. If the run began with
/// other settings, this removes what it made. Answers false if the run is done.
///
/// # Errors
/// Files that cannot be read or written.
pub fn prepare(folder: impl AsRef<Path>, spec: &RunSpec) -> Result<bool> {
    let folder = folder.as_ref();
    if is_done(folder, spec)? {
        return Ok(false);
    }
    if begun(folder)?.is_some_and(|then| then.run.difference(&spec.run).is_some()) {
        remove_begun(folder)?;
    }
    create_folder(folder)?;
    remove_file(&folder.join(FAILED))?;
    write_json(&file_in(folder, SPEC)?, spec)?;
    Ok(true)
}

fn is_done(folder: &Path, spec: &RunSpec) -> Result<bool> {
    Ok(RunResult::read(folder)?.is_some_and(|result| result.answers(spec)))
}

/// The results of these runs that `file`, a `results.jsonl` of an earlier time or of another
/// machine, already has.
///
/// # Errors
/// [`Error::OtherSettings`] if one of them had other settings or read other files; files that
/// cannot be read.
pub fn finished_elsewhere(
    specs: &[RunSpec],
    file: impl AsRef<Path>,
    known: &mut KnownDigests,
) -> Result<Vec<RunResult>> {
    let file = file.as_ref();
    let mut finished = Vec::new();
    for result in read_results(file)? {
        let asked = |spec: &&RunSpec| spec.run.id == result.run.id && result.answers(spec);
        let Some(spec) = specs.iter().find(asked) else { continue };
        check_result(&result, spec, known, file)?;
        finished.push(result);
    }
    Ok(finished)
}

/// Puts a result from elsewhere into the folder of its run, in the place of whatever is there. If
/// the run is finished already, this changes nothing and answers false.
///
/// # Errors
/// Files that cannot be read or written.
pub fn take_in(folder: impl AsRef<Path>, spec: &RunSpec, result: &RunResult) -> Result<bool> {
    let folder = folder.as_ref();
    if is_done(folder, spec)? {
        return Ok(false);
    }
    create_folder(folder)?;
    remove_begun(folder)?;
    remove_file(&folder.join(FAILED))?;
    result.write(folder)?;
    Ok(true)
}

/// The specification that the run in a folder began with.
pub(crate) fn begun(folder: &Path) -> Result<Option<RunSpec>> {
    read_json_if_there(&file_in(folder, SPEC)?, "specification of a run")
}

/// Digests of the files that the run in a folder began with.
fn begun_with(folder: &Path) -> Result<Option<Digests>> {
    read_json_if_there(&file_in(folder, FILES)?, "list of a run's files")
}

/// Trains and scores the run in this folder, as its specification says, and does not repeat what is
/// done. If the run began with other files, it starts over. `None` if the callback ended it.
///
/// # Errors
/// Those of training, of evaluation and of the files.
pub fn run(
    folder: impl AsRef<Path>,
    device: &Device,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<Option<RunResult>> {
    let folder = folder.as_ref();
    let spec: RunSpec = read_json(&file_in(folder, SPEC)?, "specification of a run")?;
    let _lock = lock(folder)?;
    if let Some(result) = RunResult::read(folder)?.filter(|result| result.answers(&spec)) {
        return Ok(Some(result));
    }
    // Computed before the files are read: they may have changed by the end.
    let files = Digests::of(&spec.sources, spec.run.dev_only)?;
    if begun_with(folder)?.is_some_and(|then| then.difference(&files).is_some()) {
        remove_training(folder)?;
    }
    write_json(&file_in(folder, FILES)?, &files)?;
    let material = Material::load(&spec.sources)?;
    let Some(summary) = trained(folder, &spec, &material, device, on_event)? else { return Ok(None) };
    // A run that was stopped has no weights worth scoring.
    let state = RunState::read(folder)?;
    let (true, Some(dev)) = (state.finished, summary.best) else { return Ok(None) };
    let (test, test_text) = score(folder, &spec, &material, device)?;
    let trained = RunFolder::open(folder)?;
    let (records, teachers) = (trained.metrics()?, trained.teachers()?);
    let result = RunResult {
        files,
        best_epoch: summary.best_epoch,
        epochs: records.len(),
        steps: records.last().map_or(0, |record| record.step),
        seconds: seconds(&records),
        teacher_seconds: (!teachers.is_empty()).then(|| teachers.iter().map(|teacher| teacher.seconds).sum()),
        cost: Some(cost(&trained, &material.train, &spec)?),
        threads: state.threads,
        dev,
        test,
        test_text,
        run: spec.run,
    };
    result.write(folder)?;
    Ok(Some(result))
}

/// What training says. `None` if the callback ended it before.
fn trained(
    folder: &Path,
    spec: &RunSpec,
    material: &Material,
    device: &Device,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<Option<RunSummary>> {
    let data = &spec.sources.data;
    let dev = split(&spec.sources, Split::Dev)?;
    let dev = cut(dev.samples, spec.run.dev_labels, spec.run.draw, &dev.file.sha256)?;
    let labelled = match choose(folder, spec, material, device, on_event)? {
        Labelled::Drawn => None,
        Labelled::Chosen(posts) => Some(posts),
        Labelled::Stopped => return Ok(None),
    };
    let encoder = EncoderSource::named(&spec.sources.text_encoder)?;
    let input = TrainInput::from_splits(&material.train, &dev, encoder)?
        .with_selection(labelled.as_ref())
        .with_images(material.images.as_ref())
        .with_captions(material.captions.as_ref())
        .cutting_dev(spec.run.dev_labels.is_some())
        .on(device.clone());
    // Whatever this process computed in before, it does again when the run is scored.
    let before = bf16_is_allowed();
    allow_bf16(spec.run.bf16);
    let summary = if is_run(folder) {
        resume_with(&input, folder, on_event)
    } else {
        let config = Config { data: Some(data.clone()), ..spec.run.config.clone() };
        train_with(&input, &config, folder, on_event)
    };
    allow_bf16(before);
    summary.map(Some)
}

/// What labelling the posts of a run costs.
fn cost(trained: &RunFolder, train: &LoadedSplit, spec: &RunSpec) -> Result<LabellingCost> {
    let (labelled, _) = trained.selection()?.split(&train.samples, &train.file.sha256)?;
    LabellingCost::of(labelled.into_iter().map(|i| &train.samples[i]), spec.run.config.input.convention)
}

/// Some of dev's posts, in the order of the file.
fn cut(dev: Vec<Sample>, n: Option<usize>, draw: u64, sha256: &str) -> Result<Vec<Sample>> {
    let Some(n) = n else { return Ok(dev) };
    if n > dev.len() {
        return Err(Error::setting("dev_labels", "at most the number of dev's posts", n));
    }
    let (kept, _) = selection::select(n, draw, &dev, sha256)?.split(&dev, sha256)?;
    Ok(kept.into_iter().map(|i| dev[i].clone()).collect())
}

/// Scores on test of the model, and from the text alone where that was asked for. What is found
/// stays in its folder for reports, which show how reliable the scores are, at the temperature of
/// dev, and in which posts of dev images and captions change the answer.
fn score(
    folder: &Path,
    spec: &RunSpec,
    material: &Material,
    device: &Device,
) -> Result<(Option<Scores>, Option<Scores>)> {
    let has_text_alone = spec.run.text_alone && (spec.run.images || spec.run.captions);
    if spec.run.dev_only && !has_text_alone {
        return Ok((None, None));
    }
    let (model, run) = (material.model(folder, &LoadOptions::on(device.clone()))?, RunFolder::open(folder)?);
    let test = if spec.run.dev_only { None } else { Some(split(&spec.sources, Split::Test)?.samples) };
    let score = |model: &Predictor, samples: &[Sample]| -> Result<(Scores, Vec<PostPrediction>)> {
        let (evaluation, gold) = (evaluate(model, samples)?, gold_entities(samples, spec.run.config.input.convention)?);
        let caption_of = |sample: &Sample| model.caption_of(sample);
        let predictions = PostPrediction::join(samples, &gold, &evaluation.predictions, caption_of);
        Ok((evaluation.scores, predictions))
    };
    let mut scores = (None, None);
    if let Some(test) = &test {
        let (of_test, predictions) = score(&model, test)?;
        run.save_predictions(Split::Test, &predictions)?;
        scores.0 = Some(of_test);
    }
    if has_text_alone {
        let model = model.without_images().without_captions();
        let dev = split(&spec.sources, Split::Dev)?;
        let dev = cut(dev.samples, spec.run.dev_labels, spec.run.draw, &dev.file.sha256)?;
        run.save_text_predictions(Split::Dev, &score(&model, &dev)?.1)?;
        if let Some(test) = &test {
            let (of_test, predictions) = score(&model, test)?;
            run.save_text_predictions(Split::Test, &predictions)?;
            scores.1 = Some(of_test);
        }
    }
    Ok(scores)
}

/// Locks a folder until the file is dropped or the process ends, however it ends.
fn lock(folder: &Path) -> Result<File> {
    let path = file_in(folder, LOCK)?;
    let locked = File::options().write(true).create(true).truncate(false).open(&path);
    let locked = locked.and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| Error::Write { path, source })
}

/// Removes what a run has made, once no process works on it.
fn remove_begun(folder: &Path) -> Result<()> {
    let _lock = lock(folder)?;
    remove_file(&folder.join(FILES))?;
    remove_training(folder)
}

fn remove_training(folder: &Path) -> Result<()> {
    if is_run(folder) {
        remove_run(folder)?;
    }
    // With other files the choice would be another.
    remove_file(&folder.join(CHOSEN))?;
    remove_checkpoint(folder)
}
