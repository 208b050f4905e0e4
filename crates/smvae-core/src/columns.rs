//! Tagged text in columns, as `conlleval` reads it: one word per line, gold and predicted tag in
//! the last two columns, or in two others.
//!
//! ```text
//! London NNP B-LOC B-LOC
//! calls  VBZ O     O
//! ```
//!
//! What it does not do: it reads no files (the program does), and no entities from the tags, which
//! may be of any scheme.

use crate::schemes::is_tag;
use crate::{Error, Result};

/// The tags of one sentence, borrowed from the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaggedSentence<'a> {
    /// Gold tags, one per word.
    pub gold: Vec<&'a str>,
    /// Predicted tags, one per word.
    pub predicted: Vec<&'a str>,
}

/// First columns that, like a blank line, end a sentence and are not words: the boundary of
/// `conlleval`, and the mark between documents in the CoNLL-2003 corpora (which `conlleval` would
/// count as a word).
const BOUNDARIES: [&str; 2] = ["-X-", "-DOCSTART-"];

/// Where tags stand, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagColumns {
    /// The column of the gold tags.
    pub gold: usize,
    /// The column of the predicted tags.
    pub predicted: usize,
}

/// Reads the gold and the predicted tags of every sentence that has words, from the last two
/// columns.
///
/// Columns are separated by ASCII whitespace, so that a word may be U+00A0. A line needs two
/// columns at least, and lines may differ in their number. Lines end in `\n` or `\r\n`.
///
/// ```
/// use smvae_core::columns::read_columns;
/// let sentences = read_columns("a B-PER O\nb O O\n\nc O O\n")?;
/// assert_eq!(sentences[0].gold, ["B-PER", "O"]);
/// assert_eq!(sentences[1].gold.len(), 1);
/// # Ok::<(), smvae_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Column`], with the line's number from 1, for a line with a single column or with what
/// is not a tag in any scheme.
pub fn read_columns(text: &str) -> Result<Vec<TaggedSentence<'_>>> {
    read_columns_at(text, None)
}

/// The same from these columns; `None` means the last two.
///
/// # Errors
/// As [`read_columns`].
pub fn read_columns_at(text: &str, columns: Option<TagColumns>) -> Result<Vec<TaggedSentence<'_>>> {
    let mut sentences = Vec::new();
    let mut open = TaggedSentence::default();
    for (i, line) in text.lines().enumerate() {
        if line.split_ascii_whitespace().next().is_none_or(|first| BOUNDARIES.contains(&first)) {
            if !open.gold.is_empty() {
                sentences.push(std::mem::take(&mut open));
            }
            continue;
        }
        let tags = tags_of(line, columns).filter(|tags| tags.iter().all(|tag| is_tag(tag)));
        let [gold, predicted] = tags.ok_or_else(|| {
            let place = columns.map_or("the last two columns".to_owned(), |TagColumns { gold, predicted }| {
                format!("the columns {} and {}", gold + 1, predicted + 1)
            });
            Error::Column { place, line: i + 1, text: line.to_owned() }
        })?;
        open.gold.push(gold);
        open.predicted.push(predicted);
    }
    if !open.gold.is_empty() {
        sentences.push(open);
    }
    Ok(sentences)
}

/// The gold and the predicted tag of a line, where it has such columns.
fn tags_of(line: &str, columns: Option<TagColumns>) -> Option<[&str; 2]> {
    let mut cells = line.split_ascii_whitespace();
    match columns {
        Some(TagColumns { gold, predicted }) => Some([cells.clone().nth(gold)?, cells.nth(predicted)?]),
        None => {
            let predicted = cells.next_back()?;
            Some([cells.next_back()?, predicted])
        }
    }
}

#[cfg(test)]
mod tests;
