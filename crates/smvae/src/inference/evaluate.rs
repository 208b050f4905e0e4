//! Scores of a model on posts with gold labels.

use crate::error::Result;
use crate::flow::Flow;
use crate::inference::predictor::Predictor;
use crate::inference::reading::ReadPost;
use crate::input::post::Post;
use crate::scoring::answer::Answer;
use crate::scoring::entity::ScoredEntity;
use smvae_core::metrics::Scores;
use smvae_core::{Convention, Entity};
use smvae_data::{Sample, gold_entities};
use std::collections::HashSet;

/// Scores of a split, and what was found in each of its posts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Evaluation {
    /// Precision, recall and F1, overall and by label, as conlleval counts.
    pub scores: Scores,
    /// What was found, in the order of the posts.
    pub predictions: Vec<Vec<ScoredEntity>>,
    /// Gold entities that no candidate can match: wider than the limit, cut, or with a label that
    /// the model does not know. They count as missed.
    pub out_of_reach: usize,
    /// Words that the piece limit cut.
    pub words_cut: usize,
    /// Posts that were read without an image vector by a model that uses images, whether they name
    /// an image or not.
    pub images_missing: usize,
    /// Posts that were read without a caption by a model that was trained with captions.
    pub captions_missing: usize,
}

/// Scores a model on posts with gold labels, whose tags are read by the convention it was trained
/// with. Every post is scored, and no candidate is chosen by its label.
///
/// Posts over the piece limit are read in windows or cut, as the predictor's settings say. Scores
/// are those of the model at any setting, not calibrated: a temperature is fitted on them.
///
/// A model that was trained with images reads posts as text alone until it is given image vectors
/// ([`Predictor::with_images`]): [`Evaluation::images_missing`] says how many.
///
/// # Errors
/// Those of tokenisation and the networks; malformed tags.
pub fn evaluate(predictor: &Predictor, posts: &[Sample]) -> Result<Evaluation> {
    let convention = predictor.config().input.convention;
    let evaluation = evaluate_with(predictor, posts, convention, &mut |_, _| Flow::Continue)?;
    Ok(evaluation.expect("the callback ends nothing"))
}

/// The same, with tags read by `convention`, telling a callback how many posts are done, and of how
/// many. `None` if it answers [`Flow::Stop`] before the last.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_with(
    predictor: &Predictor,
    posts: &[Sample],
    convention: Convention,
    on_progress: &mut dyn FnMut(usize, usize) -> Flow,
) -> Result<Option<Evaluation>> {
    let labels = predictor.labels();
    let answer = Answer::plain(predictor.decision(), labels);
    // First, so that malformed tags are told before the model has read anything.
    let gold = gold_entities(posts, convention)?;
    let Some(read) = predictor.read(posts, &answer, on_progress)? else { return Ok(None) };
    let entities = |(post, read): (&Sample, &ReadPost)| answer.entities(&Post::from(post), &read.kept);
    let predictions: Vec<Vec<ScoredEntity>> = posts.iter().zip(&read).map(entities).collect();
    let (mut scores, mut out_of_reach) = (Scores::default(), 0);
    for ((read, gold), found) in read.iter().zip(&gold).zip(&predictions) {
        scores.add(gold, &found.iter().map(Entity::from).collect::<Vec<_>>());
        let mut reached = HashSet::new();
        for (model, items) in predictor.models().zip(std::iter::once(&read.items).chain(&read.by_others)) {
            let collator = model.collator();
            for item in items {
                let candidates = collator.labelled_candidates(item, gold, labels).into_iter();
                reached.extend(candidates.filter(|(_, class)| *class != 0).map(|(span, _)| item.original_span(span)));
            }
        }
        out_of_reach += gold.len() - reached.len();
    }
    Ok(Some(Evaluation {
        scores,
        predictions,
        out_of_reach,
        words_cut: read.iter().map(|read| read.words_cut).sum(),
        images_missing: read.iter().filter(|read| read.image_missing).count(),
        captions_missing: read.iter().filter(|read| read.caption_missing).count(),
    }))
}
