//! The loop over epochs: steps, evaluation on dev, the best weights and checkpoints saved, early
//! stopping.
//!
//! A callback hears what happens, and can end the run after any step.

use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::input::collate::{Beside, Item};
use crate::input::post::Post;
use crate::run::calibration::Calibration;
use crate::run::digests;
use crate::run::folder::RunFolder;
use crate::run::predictions::PostPrediction;
use crate::run::record::{EpochRecord, RunState, best_of, without_gain};
use crate::run::remove::remove_checkpoint;
use crate::run::tensorboard::EventFile;
use crate::scoring::answer::Answer;
use crate::scoring::decision::{Decision, tune};
use crate::scoring::networks::Networks;
use crate::scoring::scorer::{ScoredSpans, Scorer};
use crate::training::averaging::Averaging;
use crate::training::card;
use crate::training::checkpoint::{self, Checkpoints, Position, TensorGroups};
use crate::training::data::TrainingData;
use crate::training::epoch::Epoch;
use crate::training::event::{Event, RunSummary};
use crate::training::prepare::{Built, Prepared};
use crate::training::sampler::{Chosen, UnlabelledStream};
use crate::training::unread::{UnreadStep, UnreadSteps};
use rand::Rng as _;
use smvae_core::model::SpanBatch;
use smvae_core::nn::Parameters;
use smvae_core::rng::{self, RngState};
use smvae_core::step::{LabelledBatch, UnlabelledBatch, step};
use smvae_core::{Rng, Span};
use smvae_data::{Sample, Split};
use std::path::Path;
use std::time::Instant;

/// A run in training.
pub(crate) struct TrainingLoop<'a> {
    prepared: &'a Prepared<'a>,
    built: Built,
    averaging: Option<Averaging>,
    data: TrainingData,
    folder: RunFolder,
    checkpoints: Checkpoints,
    /// Events for TensorBoard, if somebody wants them.
    events: Option<EventFile>,
    stream: UnlabelledStream,
    rng: Rng,
    epoch: Epoch,
    unread: UnreadSteps,
    records: Vec<EpochRecord>,
    stopped: bool,
}

impl<'a> TrainingLoop<'a> {
    /// A run at a position, whose state optimizer and average have already.
    pub(crate) fn new(
        prepared: &'a Prepared<'a>,
        built: Built,
        averaging: Option<Averaging>,
        data: TrainingData,
        folder: RunFolder,
        position: Position,
    ) -> Result<Self> {
        let identity = prepared.state.identity(&prepared.config);
        let every = prepared.config.training.checkpoint_every;
        Ok(Self {
            checkpoints: Checkpoints::new(&folder.checkpoint()?, identity, every, position.steps),
            events: folder.events(prepared.input.tensorboard, &position.records)?,
            rng: position.rng.rng(),
            stream: position.stream,
            epoch: position.epoch,
            unread: UnreadSteps::new(prepared.input.reports_every, prepared.input.device.is_cpu()),
            records: position.records,
            stopped: false,
            prepared,
            built,
            averaging,
            data,
            folder,
        })
    }

    /// Trains to the end, unless the callback ends it before; then the folder has a checkpoint to
    /// resume from.
    pub(crate) fn run(mut self, out: &Path, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<RunSummary> {
        let started = Event::Started {
            labelled: self.data.labelled.len(),
            unlabelled: self.data.unlabelled.len(),
            parameters: self.built.parameters.count(),
            trained: self.built.n_trained,
            epochs: self.prepared.epochs,
            steps: self.prepared.steps,
            taken: self.built.optimizer.steps() as usize,
            images: self.prepared.coverage.clone(),
            captions: self.prepared.caption_coverage.clone(),
            words_cut: self.data.words_cut,
        };
        self.stopped = on_event(&started) == Flow::Stop;
        let finished = self.epochs(on_event)?;
        self.finish(out, finished)
    }

    /// Trains epoch after epoch. Answers false if the callback ended it.
    fn epochs(&mut self, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<bool> {
        let (epochs, steps, training) = (self.prepared.epochs, self.prepared.steps, &self.prepared.config.training);
        let mut over = self.over();
        while !over {
            self.train_epoch(on_event)?;
            if self.stopped {
                return Ok(false);
            }
            let mut record = self.record();
            let last = record.epoch == epochs || record.step >= steps;
            let evaluated = last || record.epoch.is_multiple_of(training.eval_every);
            if evaluated && !self.evaluate(&mut record, on_event)? {
                return Ok(false);
            }
            self.records.push(record.clone());
            self.folder.save_metrics(&self.records)?;
            if let Some(events) = &mut self.events {
                events.add(&record)?;
            }
            self.epoch = Epoch::new(record.epoch + 1, &self.rng);
            self.stopped |= on_event(&Event::Epoch(Box::new(record))) == Flow::Stop;
            over = self.over();
            if !over && self.checkpoints.due(self.built.optimizer.steps()) {
                self.save_checkpoint()?;
            }
        }
        Ok(true)
    }

    /// Whether there is nothing left to train.
    fn over(&self) -> bool {
        let Prepared { epochs, steps, .. } = self.prepared;
        let done = self.records.last().is_some_and(|last| last.epoch == *epochs || last.step >= *steps);
        done || without_gain(&self.records) >= self.prepared.config.training.patience
    }

    fn record(&self) -> EpochRecord {
        self.epoch.record(self.built.optimizer.steps() as usize, &self.prepared.config.training)
    }

    fn train_epoch(&mut self, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<()> {
        for chosen in self.epoch.steps_left(&self.data.labelled, &self.prepared.config.training, &mut self.rng) {
            let taken = self.built.optimizer.steps() as usize;
            if self.stopped || taken >= self.prepared.steps {
                break;
            }
            let step = self.step(&chosen, self.factor(taken))?;
            self.unread.add(step);
            if self.unread.are_due() {
                self.read_reports()?;
            }
            let (steps, report) = (self.prepared.steps, self.unread.last());
            let event = Event::Step { epoch: self.epoch.number, step: taken + 1, steps, report };
            self.stopped |= on_event(&event) == Flow::Stop;
            if self.checkpoints.due(self.built.optimizer.steps()) {
                self.save_checkpoint()?;
            }
        }
        self.read_reports()
    }

    /// Counts the steps that were taken, once their reports are read.
    fn read_reports(&mut self) -> Result<()> {
        match self.unread.read() {
            Ok(taken) => taken.iter().for_each(|taken| self.epoch.add(taken)),
            Err(failed) => {
                return Err(match failed.step {
                    Some(step) => self.diverged(failed.error, &step.labelled, &step.unlabelled),
                    None => failed.error.into(),
                });
            }
        }
        Ok(())
    }

    /// The weights that are evaluated and saved, or their average, and the networks on them.
    fn evaluated(&self) -> (&Parameters, &Networks) {
        match &self.averaging {
            Some(averaging) => (averaging.parameters(), &averaging.networks),
            None => (&self.built.parameters, &self.built.frozen),
        }
    }

    fn scorer(&self) -> Scorer<'_> {
        Scorer {
            networks: self.evaluated().1,
            collator: self.prepared.collator(),
            sampled: self.prepared.config.model.quirks.sampled_evaluation,
            seed: self.prepared.config.seed,
            device: &self.prepared.input.device,
            surprise: None,
        }
    }

    /// Saves all that the steps to come depend on.
    fn save_checkpoint(&mut self) -> Result<()> {
        self.read_reports()?;
        let position = Position {
            steps: self.built.optimizer.steps(),
            epoch: self.epoch.clone(),
            rng: RngState::of(&self.rng),
            stream: self.stream.clone(),
            records: self.records.clone(),
        };
        let tensors = |parameters: &Parameters| {
            parameters.all().into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect()
        };
        let mut groups = TensorGroups::from([
            (checkpoint::WEIGHTS.to_owned(), tensors(&self.built.parameters)),
            (checkpoint::ADAM.to_owned(), self.built.optimizer.state()?),
        ]);
        if let Some(averaging) = &self.averaging {
            groups.insert(checkpoint::AVERAGE.to_owned(), tensors(averaging.parameters()));
        }
        self.checkpoints.save(position, groups)
    }

    /// The schedule's factor on every learning rate at a step, from 0.
    fn factor(&self, step: usize) -> f64 {
        let training = &self.prepared.config.training;
        let warmup = (training.warmup * self.prepared.steps as f64).round() as usize;
        training.schedule.factor(step, self.prepared.steps, warmup)
    }

    /// Share of the steps that are done.
    fn done(&self) -> f64 {
        self.built.optimizer.steps() as f64 / self.prepared.steps as f64
    }

    /// Takes one step, with this factor on the learning rates.
    fn step(&mut self, chosen: &Chosen, factor: f64) -> Result<UnreadStep> {
        let start = Instant::now();
        let labelled = self.labelled_batch(chosen)?;
        let (unlabelled, drawn) = self.unlabelled_batch()?.unzip();
        let (chosen, drawn): (Vec<_>, _) = (chosen.iter().map(|(i, _)| *i).collect(), drawn.unwrap_or_default());
        let batches = || std::iter::once(&labelled.batch).chain(unlabelled.as_ref().map(|u| &u.batch));
        let (posts, spans) = (batches().map(|b| b.n_texts()).sum(), batches().map(|b| b.spans.len()).sum());
        let report = step(
            self.built.networks.borrow(),
            &self.prepared.config.objective.at(self.done()),
            &mut self.built.optimizer,
            &self.prepared.groups.rates(factor),
            &labelled,
            unlabelled.as_ref(),
            &mut self.rng,
        );
        let report = report.map_err(|error| self.diverged(error, &chosen, &drawn))?;
        if let Some(averaging) = &self.averaging {
            averaging.follow(self.built.optimizer.steps())?;
        }
        let seconds = start.elapsed().as_secs_f64();
        Ok(UnreadStep { report, labelled: chosen, unlabelled: drawn, posts, spans, factor, seconds })
    }

    /// The error of a step on these labelled and unlabelled items; one of numbers names the posts.
    fn diverged(&self, error: smvae_core::Error, labelled: &[usize], unlabelled: &[usize]) -> Error {
        if !matches!(error, smvae_core::Error::NotFinite { .. }) {
            return error.into();
        }
        let named = |position: usize| (position, self.prepared.input.train()[position].image_id.clone());
        let positions = &self.data.positions;
        Error::Diverged {
            folder: self.folder.folder().to_owned(),
            labelled: labelled.iter().map(|i| named(positions.labelled[*i])).collect(),
            unlabelled: unlabelled.iter().map(|i| named(positions.unlabelled[*i])).collect(),
            source: Box::new(error),
        }
    }

    /// The batch of the next step's items of a kind, some of them without their captions or their
    /// images, if the configuration says so. The draws have generators of their own, named by step
    /// and kind: they move no others, and a resumed run draws the same.
    fn batch(&self, items: &[(&Item, Vec<Span>)], kind: &str) -> Result<SpanBatch> {
        let (collator, device) = (self.prepared.collator(), &self.prepared.input.device);
        let (config, step) = (&self.prepared.config, self.built.optimizer.steps());
        let kept = |what: &str, dropout: f64| -> Vec<bool> {
            if dropout == 0.0 {
                return vec![true; items.len()];
            }
            let mut rng = rng::named(config.seed, &format!("{what} {step} {kind}"));
            items.iter().map(|_| rng.random::<f64>() >= dropout).collect()
        };
        let captions = kept("captions", config.training.caption_dropout);
        let images = kept("images", config.training.image_dropout);
        let beside: Vec<_> =
            captions.into_iter().zip(images).map(|(caption, image)| Beside { caption, image }).collect();
        collator.batch_of(items, &beside, device)
    }

    fn labelled_batch(&self, chosen: &Chosen) -> Result<LabelledBatch> {
        let spans_of = |spans: &[(Span, u32)]| spans.iter().map(|(span, _)| *span).collect::<Vec<_>>();
        let items: Vec<_> = chosen.iter().map(|(i, spans)| (&self.data.labelled[*i].item, spans_of(spans))).collect();
        Ok(LabelledBatch {
            batch: self.batch(&items, "labelled")?,
            targets: chosen.iter().flat_map(|(_, spans)| spans.iter().map(|(_, class)| *class)).collect(),
        })
    }

    /// The next unlabelled posts, and the positions of their items. They come with soft labels if
    /// the run has teachers, or if the average of its weights teaches by now. `None` if the run has
    /// no unlabelled posts.
    fn unlabelled_batch(&mut self) -> Result<Option<(UnlabelledBatch, Vec<usize>)>> {
        let drawn = self.stream.next(&self.data.unlabelled, &self.prepared.config.training, &mut self.rng);
        if drawn.is_empty() {
            return Ok(None);
        }
        let chosen: Vec<_> = drawn.iter().map(|(i, spans)| self.data.unlabelled[*i].choose(spans)).collect();
        let items: Vec<_> = chosen.iter().map(|(item, spans, _)| (*item, spans.clone())).collect();
        let with_teacher = chosen.iter().all(|(.., targets)| targets.is_some());
        let batch = self.batch(&items, "unlabelled")?;
        let teacher = self.averaging.as_ref().filter(|averaging| !with_teacher && averaging.teaches(self.done()));
        let targets = if let Some(averaging) = teacher {
            Some(averaging.networks.probabilities(&batch, &mut |_| Ok(None))?)
        } else if with_teacher {
            Some(chosen.iter().flat_map(|(.., targets)| targets.iter().flatten().copied()).collect())
        } else {
            None
        };
        Ok(Some((UnlabelledBatch { batch, targets }, drawn.iter().map(|(i, _)| *i).collect())))
    }

    /// Evaluates dev, completes the record of the epoch and, if it is the best so far, saves the
    /// weights. Answers false if the callback ended it: a resumed run, whose epoch has all of its
    /// steps, evaluates anew.
    fn evaluate(&mut self, record: &mut EpochRecord, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<bool> {
        let start = Instant::now();
        let mut stopped = self.stopped;
        let scored = self.scorer().score(&self.data.dev, &mut |done, total| {
            let flow = on_event(&Event::Evaluating { done, total });
            stopped |= flow == Flow::Stop;
            flow
        })?;
        self.stopped = stopped;
        let Some(scored) = scored else { return Ok(false) };
        let (dev, gold) = (&self.data.dev, &self.data.dev_gold);
        let labels = self.prepared.input.labels();
        let tune_decision = self.prepared.config.training.tune_decision;
        let decision = if tune_decision { tune(dev, &scored, gold, labels) } else { Decision::default() };
        let scores = decision.scores(dev, &scored, gold, labels);
        record.timing.dev_seconds = start.elapsed().as_secs_f64();
        record.timing.dev_posts_per_second = self.data.dev.len() as f64 / record.timing.dev_seconds;
        let f1 = scores.overall.f1();
        record.best = best_of(&self.records).is_none_or(|(_, best)| f1 > best.overall.f1());
        record.dev = Some(scores);
        record.outside_bias = decision.outside_bias;
        if record.best {
            self.save_best(decision, &scored)?;
        }
        Ok(true)
    }

    /// Saves the weights that are evaluated, with what they find in dev.
    fn save_best(&self, decision: Decision, scored: &[ScoredSpans]) -> Result<()> {
        // The large file comes first: if the disk is full, the old decision stays with the old
        // weights.
        self.folder.save_weights(self.evaluated().0)?;
        self.folder.save_decision(decision)?;
        let (samples, labels) = (self.prepared.input.dev(), self.prepared.input.labels());
        let answer = Answer::plain(decision, labels);
        let entities = |((sample, item), scored)| answer.entities(&Post::from(sample), &answer.keep(item, scored));
        let found: Vec<_> = samples.iter().zip(&self.data.dev).zip(scored).map(entities).collect();
        let collator = self.prepared.collator();
        let caption_of = |sample: &Sample| collator.caption_text(sample).map(str::to_owned);
        let predictions = PostPrediction::join(samples, &self.data.dev_gold, &found, caption_of);
        self.folder.forget_evaluations()?;
        self.folder.save_predictions(Split::Dev, &predictions)?;
        self.folder.save_calibration(Calibration::fit(&predictions, labels))
    }

    fn finish(mut self, out: &Path, finished: bool) -> Result<RunSummary> {
        let summary = RunSummary::new(out, &self.records, !finished);
        if summary.best.is_none() {
            // A run that was stopped early can still be loaded. What it found before belongs to
            // other weights.
            self.folder.remove_judgement()?;
            self.folder.save_weights(self.evaluated().0)?;
        }
        if finished {
            card::save(&self.folder, self.prepared, &self.data, &self.records, finished)?;
            let files = Some(digests::of(&self.folder)?);
            self.folder.save_state(&RunState { finished, files, ..self.prepared.state.clone() })?;
            remove_checkpoint(out)?;
            return Ok(summary);
        }
        self.save_checkpoint()?;
        card::save(&self.folder, self.prepared, &self.data, &self.records, finished)?;
        if self.epoch.done > 0 {
            self.records.push(self.record());
        }
        self.folder.save_metrics(&self.records)?;
        Ok(summary)
    }
}
