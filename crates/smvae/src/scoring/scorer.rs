//! Networks at work: items in, the probabilities of every candidate span out, in the order of the
//! items.
//!
//! Items are encoded in batches of similar length, one per thread (on a GPU, one after another),
//! and their spans are scored in chunks of bounded memory. No gradient is tracked. What this does
//! not do: turn probabilities into entities (`decision.rs`).

use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::input::collate::{Collator, Item};
use crate::scoring::networks::Networks;
use rayon::prelude::*;
use smvae_core::candle_core::{self, D, DType, Device, Tensor};
use smvae_core::model::SpanBatch;
use smvae_core::objective::Objective;
use smvae_core::{Mode, Span, TextEncoder, rng};
use std::borrow::Borrow;

/// About this many pieces per batch; more would not make matrix products faster.
pub(super) const BATCH_PIECES: usize = 1024;
/// The same on a GPU, which computes one batch at a time.
const GPU_BATCH_PIECES: usize = 4096;
/// Spans scored at once, so that a long text takes bounded memory.
const CHUNK_SPANS: usize = 4096;

/// Scores items with networks that may still be in training.
#[derive(Clone, Copy)]
pub(crate) struct Scorer<'a> {
    pub networks: &'a Networks,
    pub collator: Collator<'a>,
    /// Whether z is sampled, as in the authors' evaluation, instead of being its mean.
    pub sampled: bool,
    /// Seed of the samples.
    pub seed: u64,
    pub device: &'a Device,
    /// By what spans are told how little they were expected. `None` does not ask.
    pub surprise: Option<&'a Objective>,
}

/// The candidate spans of an item with the probability of each class, one row per span.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ScoredSpans {
    /// In the item's words.
    pub spans: Vec<Span>,
    /// Row by row, `spans x classes`.
    probabilities: Vec<f32>,
}

impl ScoredSpans {
    /// Spans with their probabilities, row by row.
    pub(crate) fn new(spans: Vec<Span>, probabilities: Vec<f32>) -> Self {
        Self { spans, probabilities }
    }

    /// The spans of an item in words of its post, with those rows that are kept.
    pub(crate) fn of_post(&self, item: &Item, keep: impl Fn(&[f32]) -> bool) -> Self {
        let mut kept = Self::default();
        for (span, row) in self.rows().filter(|(_, row)| keep(row)) {
            kept.spans.push(item.original_span(span));
            kept.probabilities.extend(row);
        }
        kept
    }

    /// The spans whose rows are kept.
    pub(crate) fn filtered(&self, keep: impl Fn(&[f32]) -> bool) -> Self {
        let (spans, rows): (Vec<Span>, Vec<&[f32]>) = self.rows().filter(|(_, row)| keep(row)).unzip();
        Self::new(spans, rows.concat())
    }

    /// The same in the order of the spans, in which one item has them but several do not.
    pub(crate) fn sorted(self) -> Self {
        if self.spans.is_sorted() {
            return self;
        }
        let mut rows: Vec<(Span, &[f32])> = self.rows().collect();
        rows.sort_by_key(|(span, _)| *span);
        let (spans, rows): (Vec<Span>, Vec<&[f32]>) = rows.into_iter().unzip();
        Self::new(spans, rows.concat())
    }

    /// The probabilities of a span, where spans are in order.
    pub(crate) fn row(&self, span: Span) -> Option<&[f32]> {
        let n = self.n_classes();
        self.spans.binary_search(&span).ok().map(|i| &self.probabilities[i * n..(i + 1) * n])
    }

    /// Adds spans of another item of the same text.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.spans.extend(&other.spans);
        self.probabilities.extend(&other.probabilities);
    }

    /// Number of classes; 0 without a span.
    fn n_classes(&self) -> usize {
        self.probabilities.len() / self.spans.len().max(1)
    }

    /// Each span with its probabilities.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Span, &[f32])> {
        self.spans.iter().copied().zip(self.probabilities.chunks(self.n_classes().max(1)))
    }

    /// Adds the probabilities that another model gave the same spans, times `weight`. An empty sum
    /// takes the spans of `other` first.
    pub(crate) fn add(&mut self, other: &Self, weight: f32) {
        if self.spans.is_empty() {
            self.spans.clone_from(&other.spans);
            self.probabilities = vec![0.0; other.probabilities.len()];
        }
        self.probabilities.iter_mut().zip(&other.probabilities).for_each(|(sum, p)| *sum += weight * p);
    }
}

impl Scorer<'_> {
    /// The scored candidate spans of each item, in the order of the items. The callback is told how
    /// many items are done, and of how many; `None` if it ended the work.
    pub(crate) fn score<I: Borrow<Item> + Sync>(
        &self,
        items: &[I],
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<Option<Vec<ScoredSpans>>> {
        let spans = |i: usize| self.collator.candidates(items[i].borrow());
        self.collect(items, &spans, on_progress)
    }

    /// Hands the scored candidate spans of each item to `take`, batch by batch, so that only those
    /// of a few batches are in memory, with how little each span was expected where that was asked
    /// for. Answers false if the callback ended the work.
    pub(crate) fn score_each<I: Borrow<Item> + Sync>(
        &self,
        items: &[I],
        take: &mut dyn FnMut(usize, ScoredSpans, Vec<f32>),
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<bool> {
        let spans = |i: usize| self.collator.candidates(items[i].borrow());
        self.score_with(items, &spans, take, on_progress)
    }

    /// Scores these spans of each item, in the order of the items.
    pub(crate) fn score_spans<I: Borrow<Item> + Sync>(
        &self,
        items: &[I],
        spans: &[Vec<Span>],
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<Option<Vec<ScoredSpans>>> {
        self.collect(items, &|i| spans[i].clone(), on_progress)
    }

    fn collect<I: Borrow<Item> + Sync>(
        &self,
        items: &[I],
        spans: &(dyn Fn(usize) -> Vec<Span> + Sync),
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<Option<Vec<ScoredSpans>>> {
        let mut scored = vec![ScoredSpans::default(); items.len()];
        let whole = self.score_with(items, spans, &mut |i, spans, _| scored[i] = spans, on_progress)?;
        Ok(whole.then_some(scored))
    }

    fn score_with<I: Borrow<Item> + Sync>(
        &self,
        items: &[I],
        spans: &(dyn Fn(usize) -> Vec<Span> + Sync),
        take: &mut dyn FnMut(usize, ScoredSpans, Vec<f32>),
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<bool> {
        let item = |i: usize| -> &Item { items[i].borrow() };
        let mut order: Vec<usize> = (0..items.len()).filter(|i| !item(*i).words.is_empty()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(item(*i).n_pieces()));
        let on_cpu = self.device.is_cpu();
        let limit = if on_cpu { BATCH_PIECES } else { GPU_BATCH_PIECES };
        let batches = batches(&order, |i| item(i).n_pieces(), limit);
        let mut done = items.len() - order.len();
        let score = |batch: &&[usize]| {
            let texts: Vec<_> = batch.iter().map(|i| (item(*i), spans(*i))).collect();
            self.score_batch(texts)
        };
        // One batch per thread: while one batch cannot use several threads, other batches do. A GPU
        // needs no such help, and each thread would have a stream of its own.
        for wave in batches.chunks(2 * rayon::current_num_threads()) {
            let results: Vec<_> = if on_cpu {
                wave.par_iter().map(score).collect::<Result<_>>()?
            } else {
                wave.iter().map(score).collect::<Result<_>>()?
            };
            for (batch, results) in wave.iter().zip(results) {
                batch.iter().zip(results).for_each(|(i, (scored, surprise))| take(*i, scored, surprise));
                done += batch.len();
            }
            if on_progress(done, items.len()) == Flow::Stop && done < items.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn score_batch(&self, spans: Vec<(&Item, Vec<Span>)>) -> Result<Vec<(ScoredSpans, Vec<f32>)>> {
        let batch = self.collator.batch(&spans, self.device)?;
        let of_all = self.noise(&spans)?;
        let mut used = 0;
        let mut noise = |n_spans| {
            let of_spans = of_all.as_ref().map(|noise| noise.narrow(0, used, n_spans)).transpose();
            used += n_spans;
            of_spans
        };
        let Told { probabilities, mut surprise } = self.networks.told(&batch, &mut noise, self.surprise)?;
        let n_classes = probabilities.len() / batch.spans.len().max(1);
        let mut rest = probabilities.as_slice();
        let of_item = |(_, spans): (&Item, Vec<Span>)| {
            let (its, later) = rest.split_at(spans.len() * n_classes);
            rest = later;
            let later = surprise.split_off(spans.len().min(surprise.len()));
            let surprise = std::mem::replace(&mut surprise, later);
            (ScoredSpans::new(spans, its.to_vec()), surprise)
        };
        Ok(spans.into_iter().map(of_item).collect())
    }
}

impl Scorer<'_> {
    /// Noise for the spans of a batch, `[spans, latent]`, where z is sampled and there are some. It
    /// is named by what each post says, so that an answer depends neither on the posts beside it
    /// nor on the order of threads.
    fn noise(&self, spans: &[(&Item, Vec<Span>)]) -> Result<Option<Tensor>> {
        let latent_dim = self.networks.model.config().latent_dim;
        let of_item = |(item, spans): &(&Item, Vec<Span>)| {
            let mut rng = rng::named(self.seed, &format!("evaluation {:?} {:?}", item.ids, item.caption));
            rng::standard_normal((spans.len(), latent_dim), &mut rng, self.device)
        };
        let with_spans = spans.iter().filter(|(_, spans)| self.sampled && !spans.is_empty());
        let of_items: Vec<Tensor> = with_spans.map(of_item).collect::<candle_core::Result<_>>()?;
        Ok(if of_items.is_empty() { None } else { Some(Tensor::cat(&of_items, 0)?) })
    }
}

/// Cuts items, in this order, into batches of at most `limit` pieces, or of one item.
pub(super) fn batches(order: &[usize], pieces: impl Fn(usize) -> usize, limit: usize) -> Vec<&[usize]> {
    let mut batches = Vec::new();
    let mut rest = order;
    while !rest.is_empty() {
        let mut total = 0;
        let fitting = rest.iter().take_while(|i| {
            total += pieces(**i);
            total <= limit
        });
        let (batch, later) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = later;
    }
    batches
}

/// What networks say of the spans of a batch.
struct Told {
    /// Row by row, `spans x classes`.
    probabilities: Vec<f32>,
    /// Of each span, if somebody asked.
    surprise: Vec<f32>,
}

impl Networks {
    /// Class probabilities of every span of a batch, row by row, without dropout. `noise` gives the
    /// noise of z for a number of spans; where it gives `None`, z is its mean.
    pub(crate) fn probabilities(
        &self,
        batch: &SpanBatch,
        noise: &mut dyn FnMut(usize) -> candle_core::Result<Option<Tensor>>,
    ) -> Result<Vec<f32>> {
        Ok(self.told(batch, noise, None)?.probabilities)
    }

    fn told(
        &self,
        batch: &SpanBatch,
        noise: &mut dyn FnMut(usize) -> candle_core::Result<Option<Tensor>>,
        surprise: Option<&Objective>,
    ) -> Result<Told> {
        let h = self.encoder.forward(&batch.pieces, Mode::Eval)?.to_dtype(DType::F32)?;
        let features = self.model.features(&h, batch)?;
        let mut told = Told { probabilities: Vec::new(), surprise: Vec::new() };
        for chunk in batch.spans.chunks(CHUNK_SPANS) {
            let scores = self.model.score(&features, batch, chunk, noise(chunk.len())?.as_ref())?;
            told.probabilities.extend(softmax_rows(&scores.logits)?);
            if let Some(objective) = surprise {
                let surprise = objective.surprise(&self.model, &features, &scores, batch, chunk)?;
                told.surprise.extend(surprise.to_vec1::<f32>()?);
            }
        }
        if told.probabilities.iter().chain(&told.surprise).all(|number| number.is_finite()) {
            return Ok(told);
        }
        // Traced only now: it costs a pass over every tensor.
        let images = batch.images.as_ref().map(is_finite).transpose()?.unwrap_or(true);
        let what = match (images, is_finite(&h)?) {
            (false, _) => "the image vectors",
            (true, false) => "the vectors of the text encoder",
            (true, true) => "the logits of the spans",
        };
        Err(Error::NotFinite { what })
    }
}

fn is_finite(tensor: &Tensor) -> Result<bool> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?.iter().all(|x| x.is_finite()))
}

fn softmax_rows(logits: &Tensor) -> Result<Vec<f32>> {
    let log_sum = logits.log_sum_exp(D::Minus1)?.unsqueeze(1)?;
    Ok(logits.broadcast_sub(&log_sum)?.exp()?.flatten_all()?.to_vec1()?)
}
