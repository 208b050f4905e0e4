//! From the probabilities of a post's spans to its entities, with a threshold between `O` and the
//! rest.
//!
//! ```text
//! p'_O = p_O exp(-b) / Z,   p'_c = p_c / Z                b: the bias against O, in logits; 0 changes nothing
//! ```
//! A model trained on few labelled posts calls too many spans `O`: its precision is far above its
//! recall. The bias moves the decision and leaves the weights alone; it is chosen on dev
//! ([`tune`]).

use crate::input::collate::Item;
use crate::scoring::scorer::ScoredSpans;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use smvae_core::decode::{Candidate, decode};
use smvae_core::metrics::Scores;
use smvae_core::{Entity, LabelSet};

/// How probabilities become entities; saved beside the weights where it is not the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Decision {
    /// What is subtracted from the logit of `O` before classes are compared; above 0 it finds more
    /// entities. Default: 0.
    pub outside_bias: f32,
}

/// Biases beyond this would leave no probability between 0 and 1 that f32 can hold.
const MAX_BIAS: f32 = 80.0;

impl Decision {
    /// What is wrong with it, as a file may have it. `None` if nothing is.
    pub(crate) fn problem(self) -> Option<String> {
        let fits = self.outside_bias.abs() <= MAX_BIAS;
        (!fits).then(|| format!("outside_bias must be in -{MAX_BIAS}..{MAX_BIAS}, got {}", self.outside_bias))
    }

    /// The spans of a post that are entities, ordered by first word, in the words of `scored`.
    pub(crate) fn decoded(self, scored: &ScoredSpans) -> Vec<Candidate> {
        let outside = (-self.outside_bias).exp();
        let candidates: Vec<Candidate> = scored
            .rows()
            .map(|(span, row)| {
                let (class, score) = self.best(row, outside);
                Candidate { span, class, score }
            })
            .collect();
        decode(&candidates)
    }

    /// The same in words of the post, without scores.
    pub(crate) fn found(self, item: &Item, scored: &ScoredSpans, labels: &LabelSet) -> Vec<Entity> {
        let entity = |c: Candidate| Entity { span: item.original_span(c.span), label: name(labels, c.class) };
        self.decoded(scored).into_iter().map(entity).collect()
    }

    /// The same spans with the probabilities that this decision compares.
    pub(crate) fn shift(self, scored: &ScoredSpans) -> ScoredSpans {
        let shifted = scored.rows().flat_map(|(_, row)| self.shifted(row));
        ScoredSpans::new(scored.spans.clone(), shifted.collect())
    }

    /// The probabilities that this decision compares.
    pub(crate) fn shifted(self, row: &[f32]) -> impl Iterator<Item = f32> {
        let outside = (-self.outside_bias).exp();
        let total = self.total(row, outside);
        row.iter().enumerate().map(move |(class, p)| if class == 0 { p * outside / total } else { p / total })
    }

    /// Whether a row's most probable class is a label, so that its span may be an entity.
    pub(crate) fn is_label(self, row: &[f32]) -> bool {
        self.best(row, (-self.outside_bias).exp()).0 != 0
    }

    /// The sum of the weighted probabilities. Without a bias it is taken as 1, which a softmax sums
    /// to but for rounding, so that nothing changes.
    fn total(self, row: &[f32], outside: f32) -> f32 {
        if self.outside_bias == 0.0 { 1.0 } else { 1.0 + row[0] * (outside - 1.0) }
    }

    /// The most probable class, the first on ties, and its probability; `outside` is `exp(-b)`.
    fn best(self, row: &[f32], outside: f32) -> (usize, f32) {
        let weighted = row.iter().enumerate().map(|(class, p)| (class, if class == 0 { p * outside } else { *p }));
        let (class, p) = weighted.fold((0, f32::MIN), |best, (class, p)| if p > best.1 { (class, p) } else { best });
        (class, p / self.total(row, outside))
    }

    /// Scores of what is found in a split against its gold entities.
    pub(crate) fn scores(
        self,
        items: &[Item],
        scored: &[ScoredSpans],
        gold: &[Vec<Entity>],
        labels: &LabelSet,
    ) -> Scores {
        let mut scores = Scores::default();
        for ((item, scored), gold) in items.iter().zip(scored).zip(gold) {
            scores.add(gold, &self.found(item, scored, labels));
        }
        scores
    }
}

/// Name of a class of the model.
pub(crate) fn name(labels: &LabelSet, class: usize) -> String {
    labels.name(class).expect("a class of the model is one of its labels").to_owned()
}

/// The decision with the best F1 on a split: biases from -2 to 4 in steps of a quarter, the one
/// nearest 0 on ties.
pub(crate) fn tune(items: &[Item], scored: &[ScoredSpans], gold: &[Vec<Entity>], labels: &LabelSet) -> Decision {
    let mut biases: Vec<f32> = (-8..=16).map(|quarters| quarters as f32 / 4.0).collect();
    biases.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let f1 = |bias: &f32| {
        let decision = Decision { outside_bias: *bias };
        (decision, decision.scores(items, scored, gold, labels).overall.f1())
    };
    let scores: Vec<(Decision, f64)> = biases.par_iter().map(f1).collect();
    let best = |best: (Decision, f64), other: (Decision, f64)| if other.1 > best.1 { other } else { best };
    scores.into_iter().reduce(best).map_or_else(Decision::default, |(decision, _)| decision)
}
