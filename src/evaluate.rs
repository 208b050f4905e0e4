//! A model against a split with gold labels.

use crate::Result;
use crate::collate::Item;
use crate::predictor::{Predictor, ScoredEntity, Scorer};
use rayon::prelude::*;
use smvae_core::metrics::Scores;
use smvae_core::{Convention, Entity};
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
    evaluate_items(&predictor.scorer(), &items, &gold(samples, convention)?, on_progress)
}

/// Gold entities of each tweet.
pub(crate) fn gold(samples: &[Sample], convention: Convention) -> Result<Vec<Vec<Entity>>> {
    Ok(samples.iter().map(|sample| sample.entities(convention)).collect::<smvae_data::Result<_>>()?)
}

pub(crate) fn evaluate_items(
    scorer: &Scorer<'_>,
    items: &[Item],
    gold: &[Vec<Entity>],
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation> {
    let predictions = scorer.predict(items, on_progress)?;
    let (mut scores, mut out_of_reach) = (Scores::default(), 0);
    for ((item, gold), predicted) in items.iter().zip(gold).zip(&predictions) {
        let entities: Vec<Entity> = predicted.iter().map(|e| Entity::new(e.start, e.end, e.label.as_str())).collect();
        scores.add(gold, &entities);
        let reachable = scorer.collator.labelled_candidates(item, gold, scorer.labels);
        out_of_reach += gold.len() - reachable.iter().filter(|(_, class)| *class != 0).count();
    }
    let images_missing = items.iter().filter(|item| item.image.is_none()).count();
    Ok(Evaluation {
        scores,
        predictions,
        out_of_reach,
        words_cut: items.iter().map(|item| item.n_cut).sum(),
        images_missing: if scorer.networks.model.config().image_dim.is_some() { images_missing } else { 0 },
    })
}
