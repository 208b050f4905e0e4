//! The words of a post as people write it, split as the words of a corpus were.
//!
//! A model knows the words of the corpus it was trained on. A person writes `(Oslo), #mufc!`, and
//! splitting at white space yields words that the corpus never has. [`split`] yields the corpus's
//! own. Corpora differ in how they were split: a [`WordConvention`] says how, and
//! [`WordConvention::of_corpus`] tells it from the words of a corpus.
//!
//! | text | `conll` (default) | `twitter2015` | `twitter2017` | setting |
//! |---|---|---|---|---|
//! | `(Oslo),` `"yes"!` | `( Oslo ) ,` `" yes " !` | the same | the same | `punctuation` |
//! | `@ana_b` | `@ana_b` | `@ana _ b` | `@ ana_b` | `mention`, `underscore` |
//! | `#mufc` | `#mufc` | `#mufc` | `# mufc` | `hashtag` |
//! | `re-open` `w/o` | whole | whole | `re - open` `w / o` | `compound` |
//! | `don't` `Ana's` | `do n't` `Ana 's` | `don ' t` `Ana ' s` | `don ' t` `Ana ' s` | `apostrophe` |
//! | `U.S.` `p.m.` `St.` `t.co` | whole | `U . S .` | `U . S .` | `abbreviation` |
//! | `3.5` `1,000` | whole | `3 . 5` `1 , 000` | whole | `number` |
//! | `10:30` | whole | `10 : 30` | `10 : 30` | `number` |
//! | `5th` `7pm` | whole | whole | `5 th` `7 pm` | `unit` |
//! | `AT&T` | whole | `AT&T` | `AT & T` | `ampersand` |
//! | `&amp;` | whole | `&amp ;` | `& amp ;` | `reference` |
//! | `:)` `:-D` `<3` | whole | `: )` | whole | `emoticon` |
//! | `...` `!!!` | whole | `. . .` | `. . .` | `run` |
//! | `America…` | `America …` | whole | `America …` | `ellipsis` |
//!
//! Under every convention but `whitespace`, which splits at white space alone: URLs and e-mail
//! addresses are whole, without the punctuation after them; `$5` is `$ 5`, `50%` is `50 %`, `$AAPL`
//! is whole; `RT @x:` is `RT @x :`, or `RT @ x :`; brackets, quotes, hyphens and apostrophes at the
//! border of a word are words of their own; every emoji is one, with its skin tone, its joiners
//! (ZWJ) or the second half of its flag; what is left is split by UAX 29, which takes ideographs
//! one by one. To Unicode a zero-width space is not white space: it is a word.
//!
//! Guaranteed, and tested on random text: words are in order, do not overlap, are not empty and
//! cover every character that is not white space; no word contains white space; no border lies
//! inside a grapheme cluster, unless the cluster has white space in it; splitting the words joined
//! by single spaces gives the same words. Time is linear in the text.
//!
//! What this module does not do: no sentences, no lower case, no correction, no normalisation.
//! [`rejoin`] goes the other way, for measurements.
//!
//! ```
//! use smvae_data::words::{WordConvention, split};
//! let words = |convention| -> Vec<_> {
//!     split("Ana's in (São Paulo), #hello", convention).into_iter().map(|word| word.text).collect()
//! };
//! let conll = WordConvention::default();
//! assert_eq!(words(&conll).join(" "), "Ana 's in ( São Paulo ) , #hello");
//! let corpus = [["see", "#", "oslo"], ["it", "'", "s"]];
//! let told = WordConvention::of_corpus(&corpus);
//! assert_eq!(words(&told).join(" "), "Ana ' s in ( São Paulo ) , # hello");
//!
//! let convention: WordConvention = "twitter2017,hashtag=keep".parse()?;
//! let text = "🇳🇴 Oslo!";
//! let oslo = &split(text, &convention)[1];
//! assert_eq!((oslo.text, oslo.bytes.clone(), oslo.chars.clone()), ("Oslo", 9..13, 3..7));
//! # Ok::<(), smvae_data::Error>(())
//! ```

mod convention;
mod evidence;
mod notation;
mod patterns;
#[cfg(test)]
mod properties;
mod rejoin;
mod scan;
#[cfg(test)]
mod tests;

pub use convention::{Apostrophe, Number, Treatment, WordConvention};
pub use rejoin::{Rejoined, rejoin};

use std::ops::Range;

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word<'t> {
    /// The word: `&text[bytes]`.
    pub text: &'t str,
    /// Its bytes in the text.
    pub bytes: Range<usize>,
    /// Its characters (Unicode scalar values) in the text, as Python counts.
    pub chars: Range<usize>,
}

/// Splits a text into words. See the [module](self) for the rules and for what is guaranteed.
///
/// Nothing but white space gives no words.
pub fn split<'t>(text: &'t str, convention: &WordConvention) -> Vec<Word<'t>> {
    let mut words = Vec::new();
    let mut at = Position::default();
    for part in text.split_inclusive(char::is_whitespace) {
        let segment = part.trim_end_matches(char::is_whitespace);
        let mut rest = segment;
        for end in scan::ends(segment, convention) {
            let (word, after) = rest.split_at(end - (segment.len() - rest.len()));
            let start = at;
            at.pass(word);
            words.push(Word { text: word, bytes: start.byte..at.byte, chars: start.char..at.char });
            rest = after;
        }
        at.pass(&part[segment.len()..]);
    }
    words
}

/// Where words that are known stand in their text: in order, with nothing but white space around
/// them.
///
/// ```
/// use smvae_data::words::locate;
/// let words = ["(", "Oslo", ")"];
/// assert_eq!(locate(&words, "in é (Oslo)"), Err(0));
/// assert_eq!(locate(&words, " (Oslo)").expect("its words")[1].chars, 2..6);
/// ```
///
/// # Errors
/// The index of the first word that does not follow those before it, or the number of words if the
/// text goes on after the last.
pub fn locate<'t, W: AsRef<str>>(words: &[W], text: &'t str) -> Result<Vec<Word<'t>>, usize> {
    let (mut at, mut found) = (Position::default(), Vec::with_capacity(words.len()));
    for (i, word) in words.iter().enumerate() {
        let word = word.as_ref();
        // A word may be white space itself, so that it is looked for before any is passed over.
        while !text[at.byte..].starts_with(word) {
            let space = text[at.byte..].chars().next().filter(|c| c.is_whitespace()).ok_or(i)?;
            at.pass(space.encode_utf8(&mut [0; 4]));
        }
        let start = at;
        at.pass(word);
        let bytes = start.byte..at.byte;
        found.push(Word { text: &text[bytes.clone()], bytes, chars: start.char..at.char });
    }
    if text[at.byte..].trim().is_empty() { Ok(found) } else { Err(words.len()) }
}

/// A place in a text, in both units.
#[derive(Clone, Copy, Default)]
struct Position {
    byte: usize,
    char: usize,
}

impl Position {
    fn pass(&mut self, text: &str) {
        self.byte += text.len();
        self.char += text.chars().count();
    }
}
