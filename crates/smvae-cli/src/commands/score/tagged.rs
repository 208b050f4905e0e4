//! Gold and predicted tags in two columns of one file, as `conlleval` takes them.

use super::count::count;
use crate::input::{self, name};
use crate::progress::say;
use anyhow::Context as _;
use smvae::core::columns::{TagColumns, TaggedSentence, read_columns_at};
use smvae::core::metrics::Conlleval;
use smvae::core::schemes::Scheme;
use smvae::data::Convention;
use smvae::data::formats::labelled::scheme_of;
use std::path::Path;

/// Scores a file whose columns are those of word, gold and predicted tag, or the last two.
pub(super) fn score(
    path: &Path,
    columns: Option<&[usize]>,
    scheme: Option<Scheme>,
    convention: Convention,
) -> anyhow::Result<Conlleval> {
    let bytes = input::read(path)?;
    let text = str::from_utf8(&bytes).with_context(|| format!("{} is not UTF-8", name(path)))?;
    let columns = columns.map(|columns| TagColumns { gold: columns[1], predicted: columns[2] });
    let sentences = read_columns_at(text, columns).with_context(|| format!("{} is not tagged text", name(path)))?;
    let [gold, predicted] = schemes(&sentences, scheme, path)?;
    // To conlleval, IOB1 and IOB2 are one.
    let is_bio = |scheme| scheme == Scheme::Iob2 || (scheme == Scheme::Iob1 && convention != Convention::Strict);
    if !(is_bio(gold) && is_bio(predicted)) {
        let both = if gold == predicted { gold.to_string() } else { format!("{gold}, predicted ones {predicted}") };
        say(format!("tags read as {both}"));
    }
    let mut eval = Conlleval::default();
    for TaggedSentence { gold: gold_tags, predicted: predicted_tags } in &sentences {
        let read = |scheme: Scheme, tags: &[&str]| {
            scheme.read(tags, convention).with_context(|| format!("{} cannot be read by these options", name(path)))
        };
        let (gold_entities, found) = (read(gold, gold_tags)?, read(predicted, predicted_tags)?);
        if gold != predicted {
            count(&mut eval, gold_tags.len(), &gold_entities, &found)?;
            continue;
        }
        eval.scores.add(&gold_entities, &found);
        eval.tokens += gold_tags.len();
        eval.correct_tokens += gold_tags.iter().zip(predicted_tags).filter(|(gold, found)| gold == found).count();
    }
    Ok(eval)
}

/// The schemes of both columns: the one that is given; or else that of the gold tags, which a
/// program that makes mistakes writes too, unless predicted tags are none of it.
fn schemes(sentences: &[TaggedSentence<'_>], given: Option<Scheme>, path: &Path) -> anyhow::Result<[Scheme; 2]> {
    let file = name(path);
    let gold = scheme_of(sentences.iter().map(|sentence| sentence.gold.as_slice()), given, Path::new(&file))?;
    // Without a sentence any scheme will do.
    let Some(gold) = gold else { return Ok([Scheme::Iob2; 2]) };
    let is_of_it = |sentence: &TaggedSentence<'_>| gold.scheme.entities(&sentence.predicted).is_ok();
    if given.is_some() || sentences.iter().all(is_of_it) {
        return Ok([gold.scheme; 2]);
    }
    let predicted = sentences.iter().map(|sentence| sentence.predicted.as_slice());
    let Some(predicted) = scheme_of(predicted, None, Path::new(&file))? else { return Ok([gold.scheme; 2]) };
    // Gold tags with few prefixes may be of the same scheme.
    let same = sentences.iter().all(|sentence| predicted.scheme.entities(&sentence.gold).is_ok());
    let gold = if same && gold.fitting.contains(&predicted.scheme) { predicted.scheme } else { gold.scheme };
    Ok([gold, predicted.scheme])
}
