//! The loop over epochs: steps, evaluation on dev, the best weights saved, early stopping.
//!
//! The labels of unlabelled tweets are never read, nor is the test split. What happens is told through a callback,
//! which can end the run after any step.

use crate::collate::{Collator, Item};
use crate::config::Config;
use crate::evaluate::{evaluate_items, gold};
use crate::groups::Groups;
use crate::images::ImageIdentity;
use crate::networks::{Encoder, EncoderSource, Networks, Use};
use crate::predictions::TweetPrediction;
use crate::predictor::Scorer;
use crate::progress::{EpochRecord, Event, Flow, Means, RunSummary, Timing};
use crate::run_folder::{RunFolder, RunInfo, Start, remove_run};
use crate::sampler::{Chosen, LabelledItem, UnlabelledStream, labelled_epoch, steps_per_epoch};
use crate::{Error, Result, memory};
use rayon::prelude::*;
use smvae_core::candle_core::Device;
use smvae_core::metrics::Scores;
use smvae_core::nn::Parameters;
use smvae_core::optim::Adam;
use smvae_core::step::{LabelledBatch, StepReport, step};
use smvae_core::{Entity, LabelSet, Rng, Span, rng};
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
    config.validate()?;
    if input.train.is_empty() || input.valid.is_empty() {
        return Err(Error::NothingToTrain { why: "the training split or dev has no tweets" });
    }
    // Nothing has begun that could be ended in good order; what is fetched goes on where it was next time.
    let mut tell = |event: &Event| {
        on_event(event);
    };
    let mut encoder = Encoder::open(&input.encoder, input.train, &mut tell)?;
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
    let data = Data::collate(input, &config, &collator, &selection)?;
    let steps_per_epoch = steps_per_epoch(&data.labelled, &config.training);
    if steps_per_epoch == 0 {
        return Err(Error::NothingToTrain { why: "the labelled tweets have no candidate spans" });
    }
    let config = with_epochs(config.clone(), steps_per_epoch);
    let (parameters, report) = encoder.parameters(&config, &input.device)?;
    tell(&Event::Loaded(report));
    let build = |purpose| Networks::build(&parameters, &encoder.config, &config.model, input.labels, purpose);
    let networks = build(Use::Training(groups))?;
    let trained: Vec<_> = parameters.all().into_iter().filter(|(name, _)| !groups.is_frozen(name)).collect();
    let n_trained = trained.iter().map(|(_, var)| var.elem_count()).sum();
    let optimizer = Adam::new(trained, |name| groups.of(name), config.optimizer.clone())?;
    let start = Start {
        config: &config,
        labels: input.labels,
        selection: &selection,
        images: identity.as_ref(),
        encoder: &encoder.config,
        tokenizer: &encoder.tokenizer,
    };
    if input.replace_run && RunInfo::exists(out) {
        remove_run(out)?;
    }
    let folder = RunFolder::create(out, &start)?;
    let frozen = build(Use::Evaluation)?;
    let epochs = config.training.epochs.expect("resolved above");
    let steps = (epochs * steps_per_epoch).min(config.training.max_steps.unwrap_or(usize::MAX));
    let started = Event::Started {
        labelled: data.labelled.len(),
        unlabelled: data.unlabelled.len(),
        parameters: parameters.count(),
        trained: n_trained,
        epochs,
        steps,
        images: coverage,
        words_cut: data.words_cut,
    };
    let mut run = Run {
        config: &config,
        groups,
        collator,
        scorer: Scorer { networks: &frozen, collator, labels: input.labels, seed: config.seed, device: &input.device },
        networks: &networks,
        parameters: &parameters,
        optimizer,
        folder,
        stream: UnlabelledStream::new(data.unlabelled.len()),
        data,
        valid: input.valid,
        rng: rng::named(config.seed, "training"),
        steps,
        records: Vec::new(),
        stopped: on_event(&started) == Flow::Stop,
        device: &input.device,
    };
    run.epochs(epochs, on_event)?;
    run.finish(out)
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

/// The splits as items.
struct Data {
    labelled: Vec<LabelledItem>,
    unlabelled: Vec<(Item, Vec<Span>)>,
    dev: Vec<Item>,
    dev_gold: Vec<Vec<Entity>>,
    words_cut: usize,
}

impl Data {
    fn collate(
        input: &TrainInput<'_>,
        config: &Config,
        collator: &Collator<'_>,
        selection: &Selection,
    ) -> Result<Self> {
        let (labelled, rest) = selection.split(input.train, input.train_sha256)?;
        let item = |sample: &Sample| collator.item(&sample.words, Some(&sample.image_id));
        let labelled = labelled.par_iter().map(|&i| {
            let sample = &input.train[i];
            let item = item(sample)?;
            let entities = sample.entities(config.input.convention)?;
            let candidates = collator.labelled_candidates(&item, &entities, input.labels);
            Ok(LabelledItem { item, candidates })
        });
        let labelled: Vec<LabelledItem> = labelled.collect::<Result<_>>()?;
        let rest = if config.training.semi { rest.as_slice() } else { &[] };
        let unlabelled = rest.par_iter().map(|&i| {
            let item = item(&input.train[i])?;
            let candidates = collator.candidates(&item).collect::<Vec<_>>();
            Ok((item, candidates))
        });
        let unlabelled: Vec<_> = unlabelled.filter(keep_nonempty).collect::<Result<_>>()?;
        let cut = labelled.iter().map(|l| &l.item).chain(unlabelled.iter().map(|(item, _)| item));
        Ok(Self {
            words_cut: cut.map(|item| item.n_cut).sum(),
            dev: input.valid.par_iter().map(item).collect::<Result<_>>()?,
            dev_gold: gold(input.valid, config.input.convention)?,
            labelled,
            unlabelled,
        })
    }
}

/// Keeps errors, and tweets with a candidate.
fn keep_nonempty(item: &Result<(Item, Vec<Span>)>) -> bool {
    item.as_ref().map_or(true, |(_, candidates)| !candidates.is_empty())
}

struct Run<'a> {
    config: &'a Config,
    groups: Groups,
    collator: Collator<'a>,
    scorer: Scorer<'a>,
    networks: &'a Networks,
    parameters: &'a Parameters,
    optimizer: Adam,
    folder: RunFolder,
    stream: UnlabelledStream,
    data: Data,
    /// Dev as it was read, for the file of predictions.
    valid: &'a [Sample],
    rng: Rng,
    steps: usize,
    records: Vec<EpochRecord>,
    stopped: bool,
    device: &'a Device,
}

impl Run<'_> {
    fn epochs(&mut self, epochs: usize, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<()> {
        let mut without_gain = 0;
        for epoch in 1..=epochs {
            if self.stopped {
                return Ok(());
            }
            let mut record = self.train_epoch(epoch, on_event)?;
            let last = epoch == epochs || self.optimizer.steps() as usize >= self.steps;
            let due = last || epoch % self.config.training.eval_every == 0;
            if due && !self.stopped {
                self.evaluate(&mut record, on_event)?;
                without_gain = if record.best { 0 } else { without_gain + 1 };
            }
            self.records.push(record.clone());
            self.folder.save_metrics(&self.records)?;
            self.stopped |= on_event(&Event::Epoch(Box::new(record))) == Flow::Stop;
            if last || without_gain >= self.config.training.patience {
                return Ok(());
            }
        }
        Ok(())
    }

    fn train_epoch(&mut self, epoch: usize, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<EpochRecord> {
        let start = Instant::now();
        let (mut sums, mut tweets, mut spans) = (Means::default(), 0, 0);
        let mut factor = 0.0;
        for chosen in labelled_epoch(&self.data.labelled, &self.config.training, &mut self.rng) {
            let taken = self.optimizer.steps() as usize;
            if self.stopped || taken >= self.steps {
                break;
            }
            factor = self.factor(taken);
            let (report, n_tweets, n_spans) = self.step(&chosen, &self.groups.rates(factor))?;
            sums.add(&report);
            tweets += n_tweets;
            spans += n_spans;
            let event = Event::Step { epoch, step: taken + 1, steps: self.steps, report };
            self.stopped |= on_event(&event) == Flow::Stop;
        }
        let seconds = start.elapsed().as_secs_f64();
        Ok(EpochRecord {
            epoch,
            step: self.optimizer.steps() as usize,
            train: sums.means(),
            encoder_lr: self.config.training.encoder_lr * factor,
            head_lr: self.config.training.head_lr * factor,
            dev: None,
            best: false,
            timing: Timing {
                train_seconds: seconds,
                tweets_per_second: tweets as f64 / seconds,
                spans_per_second: spans as f64 / seconds,
                peak_memory_mib: memory::peak_mib(),
                ..Timing::default()
            },
        })
    }

    /// The schedule's factor on every learning rate at a step, from 0.
    fn factor(&self, step: usize) -> f64 {
        let training = &self.config.training;
        let warmup = (training.warmup * self.steps as f64).round() as usize;
        training.schedule.factor(step, self.steps, warmup)
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
            let items: Vec<_> = drawn.into_iter().map(|(i, spans)| (&self.data.unlabelled[i].0, spans)).collect();
            Some(self.collator.batch(&items, self.device)?)
        };
        let batches = || std::iter::once(&labelled.batch).chain(&unlabelled);
        let (tweets, spans) = (batches().map(|b| b.n_texts()).sum(), batches().map(|b| b.spans.len()).sum());
        let report = step(
            self.networks.borrow(),
            &self.config.objective,
            &mut self.optimizer,
            rates,
            &labelled,
            unlabelled.as_ref(),
            &mut self.rng,
        )?;
        Ok((report, tweets, spans))
    }

    fn evaluate(&mut self, record: &mut EpochRecord, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<()> {
        let start = Instant::now();
        let stopped = &mut self.stopped;
        let evaluation = evaluate_items(&self.scorer, &self.data.dev, &self.data.dev_gold, &mut |done, total| {
            *stopped |= on_event(&Event::Evaluating { done, total }) == Flow::Stop;
        })?;
        record.timing.dev_seconds = start.elapsed().as_secs_f64();
        record.timing.dev_tweets_per_second = self.data.dev.len() as f64 / record.timing.dev_seconds;
        let f1 = evaluation.scores.overall.f1();
        record.best = best_of(&self.records).is_none_or(|(_, best)| f1 > best.overall.f1());
        if record.best {
            self.folder.save_weights(self.parameters)?;
            let predictions = TweetPrediction::join(self.valid, &self.data.dev_gold, &evaluation.predictions);
            self.folder.save_predictions(Split::Valid, &predictions)?;
        }
        record.dev = Some(evaluation.scores);
        Ok(())
    }

    fn finish(self, out: &Path) -> Result<RunSummary> {
        // A run that was stopped early is still one that loads.
        if !self.folder.has_weights() {
            self.folder.save_weights(self.parameters)?;
            self.folder.save_metrics(&self.records)?;
        }
        let best = best_of(&self.records);
        Ok(RunSummary {
            folder: out.to_owned(),
            best_epoch: best.map(|(epoch, _)| epoch),
            best: best.map(|(_, scores)| scores.clone()),
            epochs: self.records.len(),
            stopped: self.stopped,
        })
    }
}

/// The best epoch on dev so far.
fn best_of(records: &[EpochRecord]) -> Option<(usize, &Scores)> {
    records.iter().rfind(|record| record.best).and_then(|record| Some((record.epoch, record.dev.as_ref()?)))
}
