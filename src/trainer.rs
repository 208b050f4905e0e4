//! The loop over epochs: steps, evaluation on dev, the best weights saved, early stopping.
//!
//! The labels of unlabelled tweets are never read, nor is the test split. What happens is told through a callback,
//! which can end the run after any step.

use crate::averaging::Averaging;
use crate::checkpoint::{self, Checkpoint, Checkpoints, Position, TensorGroups};
use crate::collate::Collator;
use crate::config::Config;
use crate::decision::{self, Decision};
use crate::distillation::soft_labels;
use crate::epoch::{Epoch, Taken};
use crate::groups::Groups;
use crate::images::ImageIdentity;
use crate::networks::{Encoder, EncoderSource, Networks, Use};
use crate::predictions::TweetPrediction;
use crate::progress::{EpochRecord, Event, Flow, RunSummary, best_of, without_gain};
use crate::resume::Resumed;
use crate::run_folder::{RunFolder, RunInfo, RunState, Start, remove_run};
use crate::sampler::{Chosen, UnlabelledStream, steps_per_epoch};
use crate::scorer::Scorer;
use crate::training_data::TrainingData;
use crate::{Error, Result};
use smvae_core::candle_core::Device;
use smvae_core::nn::Parameters;
use smvae_core::optim::Adam;
use smvae_core::rng::RngState;
use smvae_core::step::{LabelledBatch, StepReport, UnlabelledBatch, step};
use smvae_core::{LabelSet, Rng, Span, rng};
use smvae_data::files::sha256_hex;
use smvae_data::{ImageVectors, Sample, Selection, Split, selection};
use smvae_encoders::device;
use std::path::Path;
use std::time::Instant;

/// What is trained on.
#[derive(Clone, Debug)]
pub struct TrainInput<'a> {
    /// The training split.
    pub train: &'a [Sample],
    /// The split models are selected on.
    pub valid: &'a [Sample],
    /// Entity types, `O` first.
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
    // Nothing has begun that could be ended in good order; what is fetched goes on where it was next time.
    let mut tell = |event: &Event| {
        on_event(event);
    };
    let mut encoder = match &resumed {
        Some(Resumed { folder, checkpoint: Some(_), .. }) => Encoder::of_run(folder)?,
        _ => Encoder::open(&input.encoder, input.train, &mut tell)?,
    };
    let config = resolve(config, input, &mut encoder);
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
    let state = run_state(input);
    let folder = resumed.as_ref().map(|resumed| resumed.folder(&config, &state)).transpose()?;
    let mut checkpoint = resumed.and_then(|resumed| resumed.checkpoint);
    let (parameters, report) = encoder.parameters(&config, &input.device)?;
    tell(&Event::Loaded(report));
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
    let folder = folder.map_or_else(|| new_folder(out, &start, input.replace_run), Ok)?;
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
    let steps = (epochs * steps_per_epoch).min(config.training.max_steps.unwrap_or(usize::MAX));
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
    let mut run = Run {
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

/// A new folder at `out`, in the place of an earlier run if that is asked for.
fn new_folder(out: &Path, start: &Start<'_>, replace_run: bool) -> Result<RunFolder> {
    if replace_run && RunInfo::exists(out) {
        remove_run(out)?;
    }
    RunFolder::create(out, start)
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
    let valid = serde_json::to_vec(input.valid).expect("words and tags have a JSON form");
    RunState {
        finished: false,
        threads: rayon::current_num_threads(),
        train_sha256: input.train_sha256.to_owned(),
        valid_sha256: sha256_hex(&valid),
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

struct Run<'a> {
    config: &'a Config,
    groups: Groups,
    collator: Collator<'a>,
    scorer: Scorer<'a>,
    labels: &'a LabelSet,
    networks: &'a Networks,
    /// Those that are trained.
    weights: &'a Parameters,
    /// Those that are evaluated and saved: the same, or their average.
    parameters: &'a Parameters,
    averaging: Option<&'a Averaging>,
    optimizer: Adam,
    folder: RunFolder,
    checkpoints: Checkpoints,
    state: &'a RunState,
    stream: UnlabelledStream,
    data: TrainingData,
    /// Dev as it was read, for the file of predictions.
    valid: &'a [Sample],
    rng: Rng,
    epoch: Epoch,
    steps: usize,
    records: Vec<EpochRecord>,
    stopped: bool,
    device: &'a Device,
}

impl Run<'_> {
    /// Trains to the end, unless the callback ends it before: then the answer is no, and there is something to go on with.
    fn epochs(&mut self, epochs: usize, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<bool> {
        let mut over = self.over(epochs);
        while !over {
            self.train_epoch(on_event)?;
            if self.stopped {
                return Ok(false);
            }
            let mut record = self.record();
            let last = record.epoch == epochs || record.step >= self.steps;
            if last || record.epoch.is_multiple_of(self.config.training.eval_every) {
                self.evaluate(&mut record, on_event)?;
            }
            self.records.push(record.clone());
            self.folder.save_metrics(&self.records)?;
            self.epoch = Epoch::new(record.epoch + 1, &self.rng);
            self.stopped |= on_event(&Event::Epoch(Box::new(record))) == Flow::Stop;
            over = self.over(epochs);
            if !over && self.checkpoints.due(self.optimizer.steps()) {
                self.save_checkpoint()?;
            }
        }
        Ok(true)
    }

    /// Whether there is nothing left to train.
    fn over(&self, epochs: usize) -> bool {
        let done = self.records.last().is_some_and(|last| last.epoch == epochs || last.step >= self.steps);
        done || without_gain(&self.records) >= self.config.training.patience
    }

    fn record(&self) -> EpochRecord {
        self.epoch.record(self.optimizer.steps() as usize, &self.config.training)
    }

    fn train_epoch(&mut self, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<()> {
        for chosen in self.epoch.steps_left(&self.data.labelled, &self.config.training, &mut self.rng) {
            let taken = self.optimizer.steps() as usize;
            if self.stopped || taken >= self.steps {
                break;
            }
            let (start, factor) = (Instant::now(), self.factor(taken));
            let (report, tweets, spans) = self.step(&chosen, &self.groups.rates(factor))?;
            self.epoch.add(&Taken { report, tweets, spans, factor, seconds: start.elapsed().as_secs_f64() });
            let event = Event::Step { epoch: self.epoch.number, step: taken + 1, steps: self.steps, report };
            self.stopped |= on_event(&event) == Flow::Stop;
            if self.checkpoints.due(self.optimizer.steps()) {
                self.save_checkpoint()?;
            }
        }
        Ok(())
    }

    /// Saves all that the steps to come depend on.
    fn save_checkpoint(&mut self) -> Result<()> {
        let position = Position {
            steps: self.optimizer.steps(),
            epoch: self.epoch.clone(),
            rng: RngState::of(&self.rng),
            stream: self.stream.clone(),
            records: self.records.clone(),
        };
        let tensors = |parameters: &Parameters| {
            parameters.all().into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect()
        };
        let mut groups = TensorGroups::from([
            (checkpoint::WEIGHTS.to_owned(), tensors(self.weights)),
            (checkpoint::ADAM.to_owned(), self.optimizer.state()?),
        ]);
        if self.averaging.is_some() {
            groups.insert(checkpoint::AVERAGE.to_owned(), tensors(self.parameters));
        }
        self.checkpoints.save(position, groups)
    }

    /// The schedule's factor on every learning rate at a step, from 0.
    fn factor(&self, step: usize) -> f64 {
        let training = &self.config.training;
        let warmup = (training.warmup * self.steps as f64).round() as usize;
        training.schedule.factor(step, self.steps, warmup)
    }

    /// Share of the steps that are done.
    fn done(&self) -> f64 {
        self.optimizer.steps() as f64 / self.steps as f64
    }

    /// One step; returns also the number of tweets and of spans it used.
    fn step(&mut self, chosen: &Chosen, rates: &[f64]) -> Result<(StepReport, usize, usize)> {
        let spans_of = |spans: &[(Span, u32)]| spans.iter().map(|(span, _)| *span).collect::<Vec<_>>();
        let items: Vec<_> = chosen.iter().map(|(i, spans)| (&self.data.labelled[*i].item, spans_of(spans))).collect();
        let labelled = LabelledBatch {
            batch: self.collator.batch(&items, self.device)?,
            targets: chosen.iter().flat_map(|(_, spans)| spans.iter().map(|(_, class)| *class)).collect(),
        };
        let drawn = self.stream.next(&self.data.unlabelled, &self.config.training, &mut self.rng);
        let unlabelled = if drawn.is_empty() {
            None
        } else {
            let chosen: Vec<_> = drawn.iter().map(|(i, spans)| self.data.unlabelled[*i].choose(spans)).collect();
            let items: Vec<_> = chosen.iter().map(|(item, spans, _)| (*item, spans.clone())).collect();
            let with_teacher = chosen.iter().all(|(.., targets)| targets.is_some());
            let batch = self.collator.batch(&items, self.device)?;
            let targets = || chosen.iter().flat_map(|(.., targets)| targets.iter().flatten().copied()).collect();
            let teacher = self.averaging.filter(|averaging| !with_teacher && averaging.teaches(self.done()));
            let targets = match teacher {
                Some(averaging) => Some(averaging.networks.probabilities(&batch)?),
                None => with_teacher.then(targets),
            };
            Some(UnlabelledBatch { batch, targets })
        };
        let batches = || std::iter::once(&labelled.batch).chain(unlabelled.as_ref().map(|u| &u.batch));
        let (tweets, spans) = (batches().map(|b| b.n_texts()).sum(), batches().map(|b| b.spans.len()).sum());
        let report = step(
            self.networks.borrow(),
            &self.config.objective.at(self.done()),
            &mut self.optimizer,
            rates,
            &labelled,
            unlabelled.as_ref(),
            &mut self.rng,
        )?;
        self.averaging.map_or(Ok(()), |averaging| averaging.follow(self.optimizer.steps()))?;
        Ok((report, tweets, spans))
    }

    fn evaluate(&mut self, record: &mut EpochRecord, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<()> {
        let start = Instant::now();
        let stopped = &mut self.stopped;
        let scored = self.scorer.score(&self.data.dev, &mut |done, total| {
            *stopped |= on_event(&Event::Evaluating { done, total }) == Flow::Stop;
        })?;
        let (dev, gold) = (&self.data.dev, &self.data.dev_gold);
        let decision = match self.config.training.tune_decision {
            true => decision::tune(dev, &scored, gold, self.labels),
            false => Decision::default(),
        };
        let scores = decision.scores(dev, &scored, gold, self.labels);
        record.timing.dev_seconds = start.elapsed().as_secs_f64();
        record.timing.dev_tweets_per_second = self.data.dev.len() as f64 / record.timing.dev_seconds;
        let f1 = scores.overall.f1();
        record.best = best_of(&self.records).is_none_or(|(_, best)| f1 > best.overall.f1());
        record.dev = Some(scores);
        record.outside_bias = decision.outside_bias;
        if record.best {
            self.folder.save_decision(decision)?;
            self.folder.save_weights(self.parameters)?;
            let entities = |(item, scored)| decision.entities(item, scored, self.labels);
            let found: Vec<_> = dev.iter().zip(&scored).map(entities).collect();
            let predictions = TweetPrediction::join(self.valid, gold, &found);
            self.folder.save_predictions(Split::Valid, &predictions)?;
        }
        Ok(())
    }

    fn finish(mut self, out: &Path, finished: bool) -> Result<RunSummary> {
        let summary = RunSummary::new(out, &self.records, !finished);
        if summary.best.is_none() {
            // A run that was stopped early is still one that loads.
            self.folder.save_weights(self.parameters)?;
        }
        if finished {
            self.folder.save_state(&RunState { finished, ..self.state.clone() })?;
            checkpoint::remove(out)?;
            return Ok(summary);
        }
        self.save_checkpoint()?;
        if self.epoch.done > 0 {
            self.records.push(self.record());
        }
        self.folder.save_metrics(&self.records)?;
        Ok(summary)
    }
}
