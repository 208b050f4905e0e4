//! The loop over epochs: steps, evaluation on dev, the best weights and checkpoints saved, early stopping.
//!
//! What happens is told through a callback, which can end the run after any step.

use crate::Result;
use crate::averaging::Averaging;
use crate::checkpoint::{self, Checkpoints, Position, TensorGroups};
use crate::collate::Collator;
use crate::config::Config;
use crate::decision::{self, Decision};
use crate::epoch::{Epoch, Taken};
use crate::groups::Groups;
use crate::networks::Networks;
use crate::predictions::TweetPrediction;
use crate::progress::{EpochRecord, Event, Flow, RunSummary, best_of, without_gain};
use crate::run_folder::{RunFolder, RunState};
use crate::sampler::{Chosen, UnlabelledStream};
use crate::scorer::Scorer;
use crate::training_data::TrainingData;
use smvae_core::candle_core::Device;
use smvae_core::nn::Parameters;
use smvae_core::optim::Adam;
use smvae_core::rng::RngState;
use smvae_core::step::{LabelledBatch, StepReport, UnlabelledBatch, step};
use smvae_core::{LabelSet, Rng, Span};
use smvae_data::{Sample, Split};
use std::path::Path;
use std::time::Instant;

/// A run in training.
pub(crate) struct TrainingLoop<'a> {
    pub config: &'a Config,
    pub groups: Groups,
    pub collator: Collator<'a>,
    pub scorer: Scorer<'a>,
    pub labels: &'a LabelSet,
    pub networks: &'a Networks,
    /// Those that are trained.
    pub weights: &'a Parameters,
    /// Those that are evaluated and saved: the same, or their average.
    pub parameters: &'a Parameters,
    pub averaging: Option<&'a Averaging>,
    pub optimizer: Adam,
    pub folder: RunFolder,
    pub checkpoints: Checkpoints,
    pub state: &'a RunState,
    pub stream: UnlabelledStream,
    pub data: TrainingData,
    /// Dev as it was read, for the file of predictions.
    pub valid: &'a [Sample],
    pub rng: Rng,
    pub epoch: Epoch,
    pub steps: usize,
    pub records: Vec<EpochRecord>,
    pub stopped: bool,
    pub device: &'a Device,
}

impl TrainingLoop<'_> {
    /// Trains to the end, unless the callback ends it before: then the answer is no, and there is something to go on with.
    pub(crate) fn epochs(&mut self, epochs: usize, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<bool> {
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
                Some(averaging) => Some(averaging.networks.probabilities(&batch, &mut |_| Ok(None))?),
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
            // What is large comes first: on a full disk, the decision that is left is that of the weights that are left.
            self.folder.save_weights(self.parameters)?;
            self.folder.save_decision(decision)?;
            let entities = |(item, scored)| decision.entities(item, scored, self.labels);
            let found: Vec<_> = dev.iter().zip(&scored).map(entities).collect();
            let predictions = TweetPrediction::join(self.valid, gold, &found);
            self.folder.save_predictions(Split::Valid, &predictions)?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self, out: &Path, finished: bool) -> Result<RunSummary> {
        let summary = RunSummary::new(out, &self.records, !finished);
        if summary.best.is_none() {
            // A run that was stopped early is still one that loads. Before it was killed it may have been further.
            self.folder.remove_judgement()?;
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
