//! A model against a split with gold labels.

use crate::Result;
use crate::collate::{Collator, Item};
use crate::decision::Decision;
use crate::predictor::{Predictor, ScoredEntity};
use crate::scorer::ScoredSpans;
use rayon::prelude::*;
use smvae_core::metrics::Scores;
use smvae_core::{Convention, Entity, LabelSet};
use smvae_data::Sample;

/// Scores of a split, and what was found in each of its tweets.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Precision, recall and F1, overall and by type, conlleval's way.
    pub scores: Scores,
    /// What was found, in the order of the tweets.
    pub predictions: Vec<Vec<ScoredEntity>>,
    /// Gold entities that no candidate can match: wider than the limit, or cut with the end of a long tweet. They count
    /// as missed.
    pub out_of_reach: usize,
    /// Words that the piece limit cut.
    pub words_cut: usize,
    /// Tweets without an image vector, of a model that uses them.
    pub images_missing: usize,
}

/// Scores a model on tweets with gold labels; entities are read by `convention`. Every tweet is scored, and no candidate
/// is chosen by its label.
///
/// # Errors
/// Those of tokenisation and the networks; tags that are none.
pub fn evaluate(
    predictor: &Predictor,
    samples: &[Sample],
    convention: Convention,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation> {
    let collator = predictor.collator();
    let items: Vec<Item> =
        samples.par_iter().map(|sample| collator.item(&sample.words, Some(&sample.image_id))).collect::<Result<_>>()?;
    let scored = predictor.scorer().score(&items, on_progress)?;
    let mut evaluation =
        judge(&items, &scored, &gold(samples, convention)?, predictor.labels(), predictor.decision(), &collator);
    if predictor.image_identity().is_none() {
        evaluation.images_missing = 0;
    }
    Ok(evaluation)
}

/// Gold entities of each tweet.
pub(crate) fn gold(samples: &[Sample], convention: Convention) -> Result<Vec<Vec<Entity>>> {
    Ok(samples.iter().map(|sample| sample.entities(convention)).collect::<smvae_data::Result<_>>()?)
}

/// What a decision makes of a split's scored spans, against its gold entities.
pub(crate) fn judge(
    items: &[Item],
    scored: &[ScoredSpans],
    gold: &[Vec<Entity>],
    labels: &LabelSet,
    decision: Decision,
    collator: &Collator<'_>,
) -> Evaluation {
    let entities = |(item, scored)| decision.entities(item, scored, labels);
    let predictions: Vec<Vec<ScoredEntity>> = items.iter().zip(scored).map(entities).collect();
    let (mut scores, mut out_of_reach) = (Scores::default(), 0);
    for ((item, gold), found) in items.iter().zip(gold).zip(&predictions) {
        scores.add(gold, &found.iter().map(Entity::from).collect::<Vec<_>>());
        let reachable = collator.labelled_candidates(item, gold, labels);
        out_of_reach += gold.len() - reachable.iter().filter(|(_, class)| *class != 0).count();
    }
    Evaluation {
        scores,
        predictions,
        out_of_reach,
        words_cut: items.iter().map(|item| item.n_cut).sum(),
        images_missing: items.iter().filter(|item| item.image.is_none()).count(),
    }
}
