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
        scored.of_post(item, |row| self.can_be_told(row))
    }

    /// Those of a post's spans that can be told.
    pub(crate) fn told(&self, scored: &ScoredSpans) -> ScoredSpans {
        scored.filtered(|row| self.can_be_told(row))
    }

    fn can_be_told(&self, row: &[f32]) -> bool {
        let is_candidate = || self.all_above.is_some() && self.above(&self.probabilities(row)).next().is_some();
        self.decision.is_label(row) || is_candidate()
    }

    /// The entities of a post, ordered by first word, of spans that were kept and are in order.
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
            let probabilities = self.probabilities(row);
            let mut above: Vec<(usize, f32)> = self.above(&probabilities).collect();
            above.sort_by(|a, b| b.1.total_cmp(&a.1));
            let told = |(class, score)| {
                let (mention, label) = (mentions.at(span), name(self.labels, class));
                ScoredEntity::at(mention, span, label, score, probabilities.clone())
            };
            above.into_iter().map(told).collect::<Vec<_>>()
        };
        Some(kept.rows().flat_map(&mut of_span).collect())
    }

    /// Of the told probabilities of a row, the labels that are asked for. The first class is `O`.
    fn above(&self, probabilities: &[f32]) -> impl Iterator<Item = (usize, f32)> {
        let least = self.all_above.unwrap_or(f32::INFINITY);
        probabilities.iter().copied().enumerate().skip(1).filter(move |(_, p)| *p >= least)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Probabilities of `O`, `X` and `Y` for the spans of three words, by their order: `a`, `a b`,
    /// `b`, `b c`, `c`.
    const ROWS: [[f32; 3]; 5] = [[0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.9, 0.05, 0.05], [0.2, 0.4, 0.4], [0.3, 0.2, 0.5]];

    /// What is told: entities, then candidates, as text, label and score in percent.
    #[track_caller]
    fn check(change: impl Fn(&mut Answer<'_>), n_kept: usize, entities: &str, candidates: Option<&str>) {
        let post = Post::from_words(["a", "b", "c"].map(str::to_owned).to_vec());
        let labels = LabelSet::new(["X", "Y"]).expect("two labels");
        let mut answer = Answer::plain(Decision::default(), &labels);
        change(&mut answer);
        let item = Item { positions: vec![0, 1, 2], ..Item::default() };
        let spans = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)].map(|(start, end)| Span::new(start, end));
        let kept = answer.keep(&item, &ScoredSpans::new(spans.to_vec(), ROWS.concat()));
        assert_eq!(kept.spans.len(), n_kept);
        let line = |told: &ScoredEntity| format!("{} {} {:.0}", told.text, told.label, told.score * 100.0);
        let lines = |told: Vec<ScoredEntity>| told.iter().map(line).collect::<Vec<_>>().join(", ");
        assert_eq!(lines(answer.entities(&post, &kept)), entities);
        assert_eq!(answer.candidates(&post, &kept).map(lines).as_deref(), candidates);
    }

    #[test]
    fn what_cannot_be_told_is_forgotten() {
        check(|_| (), 3, "a b X 70, c Y 50", None);
        let bias = |bias: f32| move |answer: &mut Answer<'_>| answer.decision.outside_bias = bias;
        check(bias(2.0), 4, "a b X 77, c Y 68", None);
        check(bias(-9.0), 0, "", None);
    }

    #[test]
    fn every_label_above_the_probability_is_told_of_every_span() {
        let above = |p: f32| move |answer: &mut Answer<'_>| answer.all_above = Some(p);
        let found = "a b X 70, c Y 50";
        check(above(0.3), 4, found, Some("a X 30, a b X 70, b c X 40, b c Y 40, c Y 50"));
        check(above(1.0), 3, found, Some(""));
        let all = "a X 30, a Y 10, a b X 70, a b Y 20, b X 5, b Y 5, b c X 40, b c Y 40, c Y 50, c X 20";
        check(above(0.0), 5, found, Some(all));
    }

    #[test]
    fn a_temperature_changes_what_is_told_and_not_what_is_found() {
        let warm = |answer: &mut Answer<'_>| answer.temperature = Some(100.0);
        check(warm, 3, "a b X 34, c Y 33", None);
        // At that temperature all classes are nearly as probable.
        let both = |answer: &mut Answer<'_>| (answer.temperature, answer.all_above) = (Some(100.0), Some(0.334));
        check(both, 3, "a b X 34, c Y 33", Some("a b X 34, b c X 33, b c Y 33, c Y 33"));
    }
}
