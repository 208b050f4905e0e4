//! One post, added to the scores.

use smvae::core::metrics::Conlleval;
use smvae::core::schemes::Scheme;
use smvae::data::Entity;

/// Counts one post whose entities are known on both sides; its tags, for the accuracy, are BIO.
pub(super) fn count(eval: &mut Conlleval, n_words: usize, gold: &[Entity], predicted: &[Entity]) -> anyhow::Result<()> {
    let (gold_tags, predicted_tags) = (Scheme::Iob2.tags(gold, n_words)?, Scheme::Iob2.tags(predicted, n_words)?);
    eval.scores.add(gold, predicted);
    eval.tokens += n_words;
    eval.correct_tokens += gold_tags.iter().zip(&predicted_tags).filter(|(gold, predicted)| gold == predicted).count();
    Ok(())
}
