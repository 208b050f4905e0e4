//! Which posts and which spans make a step: shuffled, drawn from the run's generator.
//!
//! The posts of a batch are shuffled, not sorted: without padding a batch of mixed lengths wastes
//! nothing.

use crate::config::training::{BatchUnit, TrainingConfig};
use crate::input::collate::{Item, LabelledSpan};
use rand::Rng as _;
use rand::seq::{SliceRandom, index};
use serde::{Deserialize, Serialize};
use smvae_core::{Rng, Span};
use std::collections::BTreeMap;

/// A labelled post with all its candidates.
#[derive(Clone, Debug)]
pub(crate) struct LabelledItem {
    pub item: Item,
    pub candidates: Vec<LabelledSpan>,
}

/// An unlabelled post with all its candidates.
#[derive(Clone, Debug)]
pub(crate) struct UnlabelledItem {
    pub item: Item,
    pub candidates: Vec<Span>,
    /// A teacher's class probabilities of each candidate. A row of zeros means that it has no
    /// target.
    pub targets: Option<Vec<Vec<f32>>>,
}

impl UnlabelledItem {
    /// The item, some of its candidates by index, and their targets, row by row.
    pub(crate) fn choose(&self, chosen: &[usize]) -> (&Item, Vec<Span>, Option<Vec<f32>>) {
        let targets = self.targets.as_ref();
        let targets = targets.map(|rows| chosen.iter().flat_map(|k| rows[*k].iter().copied()).collect());
        (&self.item, chosen.iter().map(|k| self.candidates[*k]).collect(), targets)
    }

    /// Candidates that a teacher thinks may well be entities.
    fn entity_like(&self) -> Vec<usize> {
        let rows = self.targets.iter().flatten().enumerate();
        rows.filter(|(_, row)| row.iter().skip(1).sum::<f32>() > ENTITY_LIKE).map(|(k, _)| k).collect()
    }
}

/// Probability of all labels together above which a candidate is drawn first, if classes are to be
/// balanced.
const ENTITY_LIKE: f32 = 0.1;

/// Posts by index with the spans chosen of each: one side of a step.
pub(crate) type Chosen = Vec<(usize, Vec<LabelledSpan>)>;

/// The labelled steps of one epoch.
pub(crate) fn labelled_epoch(items: &[LabelledItem], config: &TrainingConfig, rng: &mut Rng) -> Vec<Chosen> {
    match config.batch_unit {
        BatchUnit::Posts => {
            let mut order: Vec<usize> = (0..items.len()).filter(|i| !items[*i].candidates.is_empty()).collect();
            order.shuffle(rng);
            let batches = order.chunks(config.batch_size);
            batches.map(|batch| balanced(items, batch, config.negatives, rng)).collect()
        }
        BatchUnit::Spans => {
            let all: Vec<usize> = (0..items.len()).collect();
            let mut rows: Vec<(usize, LabelledSpan)> = balanced(items, &all, config.negatives, rng)
                .into_iter()
                .flat_map(|(i, spans)| spans.into_iter().map(move |span| (i, span)))
                .collect();
            rows.shuffle(rng);
            rows.chunks(config.batch_size).map(|rows| group(rows.iter().copied())).collect()
        }
    }
}

/// Number of steps [`labelled_epoch`] makes.
pub(crate) fn steps_per_epoch(items: &[LabelledItem], config: &TrainingConfig) -> usize {
    let rows = match config.batch_unit {
        BatchUnit::Posts => items.iter().filter(|item| !item.candidates.is_empty()).count(),
        BatchUnit::Spans => {
            let count = |entity: bool| {
                items.iter().flat_map(|i| &i.candidates).filter(|(_, class)| (*class != 0) == entity).count()
            };
            count(true) + n_negatives(count(true), count(false), config.negatives)
        }
    };
    rows.div_ceil(config.batch_size)
}

/// Number of `O` spans to draw for `n_gold` gold spans; at least one, so that a batch without
/// entities still teaches something.
fn n_negatives(n_gold: usize, n_outside: usize, per_gold: Option<f64>) -> usize {
    match per_gold {
        None => n_outside,
        Some(ratio) => ((n_gold as f64 * ratio).round() as usize).max(1).min(n_outside),
    }
}

/// All gold spans of these posts, and as many `O` spans as the ratio says, drawn over all of them.
fn balanced(items: &[LabelledItem], posts: &[usize], negatives: Option<f64>, rng: &mut Rng) -> Chosen {
    if negatives.is_none() {
        return posts.iter().map(|i| (*i, items[*i].candidates.clone())).collect();
    }
    let (gold, outside): (Vec<_>, Vec<_>) = posts
        .iter()
        .flat_map(|&i| items[i].candidates.iter().map(move |span| (i, *span)))
        .partition(|(_, (_, class))| *class != 0);
    let n = n_negatives(gold.len(), outside.len(), negatives);
    let drawn = index::sample(rng, outside.len(), n).into_iter().map(|k| outside[k]);
    group(gold.into_iter().chain(drawn))
}

/// Groups spans by post.
fn group(rows: impl Iterator<Item = (usize, LabelledSpan)>) -> Chosen {
    let mut grouped = BTreeMap::<usize, Vec<LabelledSpan>>::new();
    for (i, span) in rows {
        grouped.entry(i).or_default().push(span);
    }
    grouped.into_iter().collect()
}

/// An endless stream of unlabelled posts: every post once, shuffled, then again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UnlabelledStream {
    order: Vec<usize>,
    at: usize,
}

impl UnlabelledStream {
    pub(crate) fn new(n_posts: usize) -> Self {
        Self { order: (0..n_posts).collect(), at: n_posts }
    }

    /// Whether it is one of so many posts, each of them once.
    pub(crate) fn is_of(&self, n_posts: usize) -> bool {
        let mut order = self.order.clone();
        order.sort_unstable();
        order.into_iter().eq(0..n_posts) && self.at <= n_posts
    }

    /// The posts of the next step, each with some of its candidates, by index.
    pub(crate) fn next(
        &mut self,
        items: &[UnlabelledItem],
        config: &TrainingConfig,
        rng: &mut Rng,
    ) -> Vec<(usize, Vec<usize>)> {
        if items.is_empty() {
            return Vec::new();
        }
        if config.batch_unit == BatchUnit::Spans {
            let mut drawn = BTreeMap::<usize, Vec<usize>>::new();
            for _ in 0..config.unlabelled_batch_size {
                let i = self.next_index(rng);
                drawn.entry(i).or_default().push(rng.random_range(0..items[i].candidates.len()));
            }
            return drawn.into_iter().collect();
        }
        let n = config.unlabelled_batch_size.min(items.len());
        (0..n)
            .map(|_| {
                let i = self.next_index(rng);
                (i, choose_spans(&items[i], config, rng))
            })
            .collect()
    }

    fn next_index(&mut self, rng: &mut Rng) -> usize {
        if self.at == self.order.len() {
            self.order.shuffle(rng);
            self.at = 0;
        }
        self.at += 1;
        self.order[self.at - 1]
    }
}

/// Candidates of a post for one step: drawn evenly or, if balanced, up to half of them among the
/// entity-like ones.
fn choose_spans(item: &UnlabelledItem, config: &TrainingConfig, rng: &mut Rng) -> Vec<usize> {
    let all = item.candidates.len();
    let n = config.unlabelled_spans.min(all);
    let mut first = if config.balance_unlabelled { item.entity_like() } else { Vec::new() };
    if first.len() > n.div_ceil(2) {
        first = index::sample(rng, first.len(), n.div_ceil(2)).into_iter().map(|k| first[k]).collect();
    }
    let rest: Vec<usize> = (0..all).filter(|k| !first.contains(k)).collect();
    let mut chosen: Vec<usize> = index::sample(rng, rest.len(), n - first.len()).into_iter().map(|k| rest[k]).collect();
    chosen.extend(first);
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn items() -> Vec<LabelledItem> {
        let item = Item::default();
        let spans = |classes: &[u32]| classes.iter().enumerate().map(|(i, c)| (Span::new(i, i + 1), *c)).collect();
        [&[0, 1, 0, 0][..], &[0, 0, 0], &[], &[2, 0, 3, 0, 0, 0]]
            .map(|classes| LabelledItem { item: item.clone(), candidates: spans(classes) })
            .to_vec()
    }

    #[track_caller]
    fn check(unit: BatchUnit, negatives: Option<f64>, batch_size: usize, want_rows: usize) {
        let config = TrainingConfig { batch_unit: unit, negatives, batch_size, ..TrainingConfig::default() };
        let steps = labelled_epoch(&items(), &config, &mut Rng::seed_from_u64(1));
        assert_eq!(steps.len(), steps_per_epoch(&items(), &config), "steps");
        let rows: Vec<u32> = steps.iter().flatten().flat_map(|(_, spans)| spans.iter().map(|(_, c)| *c)).collect();
        assert_eq!(rows.iter().filter(|c| **c != 0).count(), 3, "every gold span once");
        assert_eq!(rows.len(), want_rows, "rows");
    }

    #[test]
    fn an_epoch_has_every_gold_span_once_and_the_asked_for_negatives() {
        check(BatchUnit::Posts, None, 2, 13);
        check(BatchUnit::Posts, Some(1.0), 10, 6);
        check(BatchUnit::Spans, Some(1.0), 4, 6);
        check(BatchUnit::Spans, Some(100.0), 4, 13);
    }

    #[test]
    fn the_unlabelled_stream_visits_every_post_before_any_again() {
        let items: Vec<UnlabelledItem> = (0..5)
            .map(|_| {
                let item = Item::default();
                UnlabelledItem { item, candidates: vec![Span::new(0, 1), Span::new(0, 2)], targets: None }
            })
            .collect();
        let config = TrainingConfig { unlabelled_batch_size: 1, unlabelled_spans: 1, ..TrainingConfig::default() };
        let (mut stream, mut rng) = (UnlabelledStream::new(5), Rng::seed_from_u64(3));
        let mut seen: Vec<usize> = (0..5)
            .flat_map(|_| stream.next(&items, &config, &mut rng))
            .map(|(i, spans)| {
                assert_eq!(spans.len(), 1);
                i
            })
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }
}
