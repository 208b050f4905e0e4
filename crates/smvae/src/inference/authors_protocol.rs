//! Scoring as the authors' program does it, to see how many points the protocol itself is worth.
//! Three things in it differ from what a user would see: gold labels decide which spans are scored,
//! posts of equal text are merged, and z is sampled, which makes the scores depend on a seed.
//!
//! Not done here: their program also loses the last post of a file without a final blank line.

use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::inference::predictor::Predictor;
use crate::input::collate::Item;
use crate::scoring::scorer::{ScoredSpans, Scorer};
use smvae_core::labels::OUTSIDE;
use smvae_core::metrics::Scores;
use smvae_core::{Entity, Span};
use smvae_data::Sample;
use smvae_data::authors::{Filter, candidates, kept_words};
use std::collections::{BTreeMap, BTreeSet};

/// The spans of a post that are scored, and its gold entities, both counted in the words that are
/// left without URLs.
struct Listed {
    spans: Vec<Span>,
    gold: Vec<Entity>,
}

/// Scores a model by the authors' protocol, with samples of z drawn from `seed`.
///
/// # Errors
/// Those of tokenisation and the networks; malformed tags; [`Error::Protocol`] for a model that
/// sees URLs, which the protocol leaves out; [`Error::Core`] with `Setting` for an ensemble.
///
/// # Source
/// `main.py` and `utils.py` of the authors' program, as `smvae_data::authors` has them.
pub fn evaluate_as_authors(predictor: &Predictor, samples: &[Sample], seed: u64) -> Result<Scores> {
    let scores = evaluate_as_authors_with(predictor, samples, seed, &mut |_, _| Flow::Continue)?;
    Ok(scores.expect("the callback ends nothing"))
}

/// The same, telling a callback how many posts are done, and of how many. `None` if it answers
/// [`Flow::Stop`] before the last.
///
/// # Errors
/// As [`evaluate_as_authors`].
pub fn evaluate_as_authors_with(
    predictor: &Predictor,
    samples: &[Sample],
    seed: u64,
    on_progress: &mut dyn FnMut(usize, usize) -> Flow,
) -> Result<Option<Scores>> {
    if !predictor.config().input.drop_urls {
        return Err(Error::Protocol);
    }
    if predictor.n_models() > 1 {
        return Err(Error::setting("models", "one for the authors' protocol", predictor.n_models()));
    }
    let items = predictor.items(samples)?;
    let listed: Vec<Listed> = samples.iter().zip(&items).map(listed).collect::<Result<_>>()?;
    let (spans, golds): (Vec<Vec<Span>>, Vec<Vec<Entity>>) = listed.into_iter().map(|l| (l.spans, l.gold)).unzip();
    let scorer = Scorer { sampled: true, seed, ..predictor.scorer() };
    let Some(scored) = scorer.score_spans(&items, &spans, on_progress)? else { return Ok(None) };
    let mut scores = Scores::default();
    for group in equal_texts(samples) {
        let (item, kept) = (&items[group[0]], kept_words(&samples[group[0]]));
        let mut pooled = ScoredSpans::default();
        group.iter().for_each(|i| pooled.extend(&scored[*i]));
        let gold: BTreeSet<(Span, &str)> =
            group.iter().flat_map(|i| golds[*i].iter().map(|e| (e.span, e.label.as_str()))).collect();
        let gold: Vec<Entity> = gold.into_iter().map(|(span, label)| in_file_words(&kept, span, label)).collect();
        scores.add(&gold, &predictor.decision().found(item, &pooled, predictor.labels()));
    }
    Ok(Some(scores))
}

fn listed((sample, item): (&Sample, &Item)) -> Result<Listed> {
    let (mut spans, mut gold) = (Vec::new(), Vec::new());
    for candidate in candidates(sample, Filter::Authors)? {
        // A span that the piece limit cut cannot be scored; its entity still counts as gold.
        if candidate.span.end <= item.words.len() {
            spans.push(candidate.span);
        }
        if candidate.label != OUTSIDE {
            gold.push(Entity { span: candidate.span, label: candidate.label });
        }
    }
    Ok(Listed { spans, gold })
}

/// Indices of the posts of each text, in the order of the first of each.
fn equal_texts(samples: &[Sample]) -> Vec<Vec<usize>> {
    let mut by_text = BTreeMap::<Vec<&str>, Vec<usize>>::new();
    for (i, sample) in samples.iter().enumerate() {
        let text = kept_words(sample).into_iter().map(|k| sample.words[k].as_str()).collect();
        by_text.entry(text).or_default().push(i);
    }
    let mut groups: Vec<Vec<usize>> = by_text.into_values().collect();
    groups.sort_unstable();
    groups
}

/// Turns a span of the words that are left, whose places in the file are `kept`, into an entity in
/// words of the file.
fn in_file_words(kept: &[usize], span: Span, label: &str) -> Entity {
    Entity { span: Span::new(kept[span.start], kept[span.end - 1] + 1), label: label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_of_equal_text_are_merged_urls_aside() {
        let sample = |words: &str| Sample { words: words.split(' ').map(str::to_owned).collect(), ..Sample::default() };
        let samples = ["b", "a", "b http://t.co/1", "a b", "b"].map(sample);
        assert_eq!(equal_texts(&samples), [vec![0, 2, 4], vec![1], vec![3]]);
    }
}
