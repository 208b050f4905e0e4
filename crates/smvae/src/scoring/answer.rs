//! What is told of a post: the entities that are decided on and, where asked, every span with a
//! label above a probability.
//!
//! ```text
//! scored spans of an item --keep--> spans of the post, few --entities, candidates--> ScoredEntity
//! ```
//! A temperature changes the probabilities that are told, and with them which spans are above one,
//! but not what is decided.

use crate::input::collate::Item;
use crate::input::post::Post;
use crate::scoring::decision::{Decision, name};
use crate::scoring::entity::ScoredEntity;
use crate::scoring::scorer::ScoredSpans;
use smvae_core::calibration::tempered;
use smvae_core::decode::Candidate;
use smvae_core::{LabelSet, Span};

/// How spans are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub labels: &'a LabelSet,
    pub decision: Decision,
    /// Of the probabilities that are told. `None` tells them as the model gives them.
    pub temperature: Option<f64>,
    /// The least probability of a label that makes its span a candidate. `None` tells no
    /// candidates.
    pub all_above: Option<f32>,
}

impl<'a> Answer<'a> {
    /// As a model gives them, entities alone.
    pub(crate) fn plain(decision: Decision, labels: &'a LabelSet) -> Self {
        Self { labels, decision, temperature: None, all_above: None }
    }

    /// Those of an item's spans that can be told, in words of its post. All others may be
    /// forgotten: for a long post they are most of its memory.
    pub(crate) fn keep(&self, item: &Item, scored: &ScoredSpans) -> ScoredSpans {
        scored.of_post(item, |row| self.decision.is_label(row) || self.above(row).next().is_some())
    }

    /// The entities of a post, by their first word, of spans that were kept and are in order.
    pub(crate) fn entities(&self, post: &Post, kept: &ScoredSpans) -> Vec<ScoredEntity> {
        let mentions = &mut post.mentions();
        let entity = |c: Candidate| {
            let probabilities = self.probabilities(kept.row(c.span).expect("a candidate is one of the rows"));
            let score = if self.temperature.is_some() { probabilities[c.class] } else { c.score };
            ScoredEntity::at(mentions.at(c.span), c.span, name(self.labels, c.class), score, probabilities)
        };
        self.decision.decoded(kept).into_iter().map(entity).collect()
    }

    /// Every span and label above the probability that was asked for, by their words, the most
    /// probable label of a span first; they may overlap. `None` if nobody asked.
    pub(crate) fn candidates(&self, post: &Post, kept: &ScoredSpans) -> Option<Vec<ScoredEntity>> {
        self.all_above?;
        let mut mentions = post.mentions();
        let mut of_span = |(span, row): (Span, &[f32])| {
            let mut above: Vec<(usize, f32)> = self.above(row).collect();
            above.sort_by(|a, b| b.1.total_cmp(&a.1));
            let told = |(class, score)| {
                let (mention, label) = (mentions.at(span), name(self.labels, class));
                ScoredEntity::at(mention, span, label, score, self.probabilities(row))
            };
            above.into_iter().map(told).collect::<Vec<_>>()
        };
        Some(kept.rows().flat_map(&mut of_span).collect())
    }

    /// The labels of a row that are asked for, with their probabilities.
    fn above(&self, row: &[f32]) -> impl Iterator<Item = (usize, f32)> {
        let asked = self.all_above.map(|least| {
            // The first class is `O`.
            let labels = self.probabilities(row).into_iter().enumerate().skip(1);
            labels.filter(move |(_, p)| *p >= least)
        });
        asked.into_iter().flatten()
    }

    /// The probabilities of a row that are told.
    fn probabilities(&self, row: &[f32]) -> Vec<f32> {
        let shifted: Vec<f32> = self.decision.shifted(row).collect();
        match self.temperature {
            Some(temperature) => tempered(&shifted, temperature).into_iter().map(|p| p as f32).collect(),
            None => shifted,
        }
    }
}
