//! Tagged text in columns, as `conlleval` reads it: one word per line, gold and predicted tag in
//! the last two columns.
//!
//! ```text
//! London NNP B-LOC B-LOC
//! calls  VBZ O     O
//! ```
//!
//! What it does not do: it reads no files (the program does), and no columns but the last two.

use crate::{Error, Result, bio::Tag};

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

/// Reads the gold and the predicted tags of every sentence that has words.
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
/// [`Error::Column`], with the line's number from 1, for a line with a single column or with a
/// malformed tag.
pub fn read_columns(text: &str) -> Result<Vec<TaggedSentence<'_>>> {
    let mut sentences = Vec::new();
    let mut open = TaggedSentence::default();
    for (i, line) in text.lines().enumerate() {
        let mut columns = line.split_ascii_whitespace();
        if columns.clone().next().is_none_or(|first| BOUNDARIES.contains(&first)) {
            if !open.gold.is_empty() {
                sentences.push(std::mem::take(&mut open));
            }
            continue;
        }
        let fail = || Error::Column { line: i + 1, text: line.to_owned() };
        let mut next_tag = || columns.next_back().filter(|tag| Tag::parse(tag).is_ok()).ok_or_else(fail);
        open.predicted.push(next_tag()?);
        open.gold.push(next_tag()?);
    }
    if !open.gold.is_empty() {
        sentences.push(open);
    }
    Ok(sentences)
}

#[cfg(test)]
mod tests;
