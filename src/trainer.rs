//! From a corpus and a configuration to a trained run: what is loaded, resolved and built before the loop over epochs
//! (`training_loop.rs`) begins or goes on.
//!
//! The labels of unlabelled tweets are never read, nor is the test split.

use crate::averaging::Averaging;
use crate::checkpoint::{self, Checkpoint, Checkpoints, Position};
use crate::collate::Collator;
use crate::config::{Config, setting};
use crate::distillation::soft_labels;
use crate::files::create_folder;
use crate::groups::Groups;
use crate::images::ImageIdentity;
use crate::networks::{Encoder, EncoderSource, Networks, Use};
use crate::progress::{Event, Flow, RunSummary};
use crate::resume::Resumed;
use crate::run_folder::{RunFolder, RunInfo, RunState, Start, lock, remove_files};
use crate::sampler::{UnlabelledStream, steps_per_epoch};
use crate::scorer::Scorer;
use crate::training_data::TrainingData;
use crate::training_loop::TrainingLoop;
use crate::{Error, Result};
use smvae_core::candle_core::Device;
use smvae_core::optim::Adam;
use smvae_core::{LabelSet, rng};
use smvae_data::files::sha256_json;
use smvae_data::{ImageVectors, Sample, Selection, selection};
use smvae_encoders::device;
use std::fs::File;
use std::path::Path;

/// What is trained on.
#[derive(Clone, Debug)]
pub struct TrainInput<'a> {
    /// The training split.
    pub train: &'a [Sample],
    /// The split models are selected on.
    pub valid: &'a [Sample],
    /// Entity types, `O` first: those of the training split, as [`label_set`](smvae_data::corpus::label_set) finds them.
    pub labels: &'a LabelSet,
    /// Which tweets are labelled; none to draw `labelled` of the configuration.
    pub selection: Option<&'a Selection>,
    /// sha256 of the training file, which a selection belongs to.
    pub train_sha256: &'a str,
    /// Image vectors; none to train on text alone.
    pub images: Option<&'a ImageVectors>,
    /// Where the text encoder comes from.
    pub encoder: EncoderSource,
    /// Where tensors lie.
    pub device: Device,
    /// Whether a run that the folder holds already is replaced, once all else is known to be in order.
    pub replace_run: bool,
}

/// Trains a model and leaves a run folder at `out`. Same input, configuration and number of threads on the same machine:
/// the same weights, bit by bit.
///
/// # Errors
/// [`Error::RunExists`] unless it is to be replaced; settings out of range; an empty split; whatever is wrong
/// with the encoder's files; a loss that is not finite.
pub fn train(
    input: &TrainInput<'_>,
    config: &Config,
    out: &Path,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<RunSummary> {
    train_from(input, config, out, None, on_event)
}

/// The same, from the beginning or going on with a run.
pub(crate) fn train_from(
    input: &TrainInput<'_>,
    config: &Config,
    out: &Path,
    resumed: Option<Resumed>,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<RunSummary> {
    config.validate()?;
    if input.train.is_empty() || input.valid.is_empty() {
        return Err(Error::NothingToTrain { why: "the training split or dev has no tweets" });
    }
    let names = [config.data.as_deref(), input.images.and_then(ImageVectors::path), Some(out)];
    if let Some(path) = names.into_iter().flatten().find(|path| path.to_str().is_none()) {
        return Err(Error::NotUtf8 { path: path.to_owned() });
    }
    let state = run_state(input);
    resumed.as_ref().map_or(Ok(()), |resumed| resumed.check_data(&state, input.labels))?;
    let mut encoder = match &resumed {
        Some(Resumed { folder, checkpoint: Some(_), .. }) => Encoder::of_run(folder)?,
        _ => Encoder::open(&input.encoder, input.train, on_event)?,
    };
    let config = resolve(config, input, &mut encoder);
    if let Some(n) = config.model.quirks.pad_to.filter(|n| *n > encoder.config.position_limit()) {
        return Err(setting("pad_to", "at most the pieces that the text encoder takes", n));
    }
    let groups = Groups::new(encoder.config.num_hidden_layers, &config.training)?;
    let coverage = input.images.map(|images| images.coverage(input.train)).transpose()?;
    let identity = input.images.map(|images| ImageIdentity::new(images, input.train, config.input.standardise_images));
    let collator = Collator {
        tokenizer: &encoder.tokenizer,
        input: &config.input,
        quirks: &config.model.quirks,
        encoder: &encoder.config,
        images: identity.as_ref().zip(input.images),
    };
    let selection = select(input, &config)?;
    let mut data = TrainingData::collate(input, &config, &collator, &selection)?;
    let steps_per_epoch = steps_per_epoch(&data.labelled, &config.training);
    if steps_per_epoch == 0 {
        return Err(Error::NothingToTrain { why: "the labelled tweets have no candidate spans" });
    }
    let config = with_epochs(config.clone(), steps_per_epoch);
    let folder = resumed.as_ref().map(|resumed| resumed.folder(&config)).transpose()?;
    let mut checkpoint = resumed.and_then(|resumed| resumed.checkpoint);
    let (parameters, report) = encoder.parameters(&config, &input.device)?;
    let stopped = on_event(&Event::Loaded(report)) == Flow::Stop;
    for (name, tensor) in checkpoint.iter_mut().flat_map(|checkpoint| checkpoint.take(checkpoint::WEIGHTS)) {
        parameters.insert(name, &tensor)?;
    }
    let build = |purpose| Networks::build(&parameters, &encoder.config, &config.model, input.labels, purpose);
    let networks = build(Use::Training(groups))?;
    let trained: Vec<_> = parameters.all().into_iter().filter(|(name, _)| !groups.is_frozen(name)).collect();
    let n_trained = trained.iter().map(|(_, var)| var.elem_count()).sum();
    let mut optimizer = Adam::new(trained, |name| groups.of(name), config.optimizer.clone())?;
    let start = Start {
        config: &config,
        labels: input.labels,
        selection: &selection,
        images: identity.as_ref(),
        state: &state,
        encoder: &encoder.config,
        tokenizer: &encoder.tokenizer,
    };
    let (folder, _lock) = match folder {
        Some(folder) => (folder, None),
        None => new_folder(out, &start, input.replace_run)?,
    };
    if stopped {
        return Ok(RunSummary::new(out, &folder.metrics()?, true));
    }
    if let Some(distillation) = config.distillation.as_ref().filter(|_| !data.unlabelled.is_empty()) {
        let labels = soft_labels(input, &config, &selection, &data.unlabelled, &folder, on_event)?;
        match labels {
            Some(labels) => data.give_targets(&labels, distillation),
            None => return Ok(RunSummary::new(out, &[], true)),
        }
    }
    let averaging = config
        .average
        .as_ref()
        .map(|average| Averaging::new(&parameters, groups, &encoder.config, average, &config.model, input.labels))
        .transpose()?;
    let n_unlabelled = data.unlabelled.len();
    let beginning = Position::beginning(UnlabelledStream::new(n_unlabelled), &rng::named(config.seed, "training"));
    let position = checkpoint.map_or(Ok(beginning), |saved| go_on(saved, &mut optimizer, averaging.as_ref()))?;
    let identity_of_run = checkpoint::identity(&config, &state);
    let frozen = build(Use::Evaluation)?;
    let evaluated = averaging.as_ref().map_or(&frozen, |averaging| &averaging.networks);
    let epochs = config.training.epochs.expect("resolved above");
    let steps = epochs.saturating_mul(steps_per_epoch).min(config.training.max_steps.unwrap_or(usize::MAX));
    let started = Event::Started {
        labelled: data.labelled.len(),
        unlabelled: n_unlabelled,
        parameters: parameters.count(),
        trained: n_trained,
        epochs,
        steps,
        taken: position.steps as usize,
        images: coverage,
        words_cut: data.words_cut,
    };
    let mut run = TrainingLoop {
        config: &config,
        groups,
        collator,
        scorer: Scorer {
            networks: evaluated,
            collator,
            sampled: config.model.quirks.sampled_evaluation,
            seed: config.seed,
            device: &input.device,
        },
        labels: input.labels,
        networks: &networks,
        weights: &parameters,
        parameters: averaging.as_ref().map_or(&parameters, Averaging::parameters),
        averaging: averaging.as_ref(),
        optimizer,
        folder,
        checkpoints: Checkpoints::new(out, identity_of_run, config.training.checkpoint_every, position.steps),
        state: &state,
        stream: position.stream,
        data,
        valid: input.valid,
        rng: position.rng.rng(),
        epoch: position.epoch,
        steps,
        records: position.records,
        stopped: on_event(&started) == Flow::Stop,
        device: &input.device,
    };
    let finished = run.epochs(epochs, on_event)?;
    run.finish(out, finished)
}

/// A new folder at `out`, in the place of an earlier run if that is asked for, and its lock.
fn new_folder(out: &Path, start: &Start<'_>, replace_run: bool) -> Result<(RunFolder, Option<File>)> {
    create_folder(out)?;
    let lock = lock(out)?;
    if replace_run && RunInfo::exists(out) {
        remove_files(out)?;
    }
    Ok((RunFolder::create(out, start)?, lock))
}

/// Gives optimizer and average what a checkpoint has of them; the weights were taken before. Returns the place in the run.
fn go_on(mut saved: Checkpoint, optimizer: &mut Adam, averaging: Option<&Averaging>) -> Result<Position> {
    if let Some(averaging) = averaging {
        averaging.parameters().assign(&saved.take(checkpoint::AVERAGE))?;
    }
    optimizer.load_state(saved.position.steps, &saved.take(checkpoint::ADAM))?;
    Ok(saved.position)
}

/// What tells this run from others, beside its configuration.
fn run_state(input: &TrainInput<'_>) -> RunState {
    let digest = |samples| sha256_json(samples).expect("words and tags have a JSON form");
    RunState {
        finished: false,
        threads: rayon::current_num_threads(),
        train_sha256: digest(input.train),
        valid_sha256: digest(input.valid),
        images_sha256: input.images.map(|images| images.sha256().to_owned()),
    }
}

/// Settings that follow from the input.
fn resolve(config: &Config, input: &TrainInput<'_>, encoder: &mut Encoder) -> Config {
    let mut config = config.clone();
    config.model.image_dim = input.images.map(ImageVectors::width);
    config.device = device::describe(&input.device);
    config.text_encoder = Some(encoder.name.clone());
    if let Some(p) = config.training.dropout {
        encoder.config.hidden_dropout_prob = p;
        encoder.config.attention_probs_dropout_prob = p;
    }
    config
}

fn with_epochs(mut config: Config, steps_per_epoch: usize) -> Config {
    let epochs = config.training.epochs.unwrap_or_else(|| (1700 / steps_per_epoch).clamp(8, 30));
    config.training.epochs = Some(epochs);
    config
}

fn select(input: &TrainInput<'_>, config: &Config) -> Result<Selection> {
    if let Some(selection) = input.selection {
        return Ok(selection.clone());
    }
    let n = config.labelled.unwrap_or(input.train.len());
    Ok(selection::select(n, config.selection_seed(), input.train, input.train_sha256)?)
}
