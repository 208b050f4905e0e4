//! Words of a corpus joined to a text as a person writes it: the other way of
//! [`split`](super::split()), for measurements.
//!
//! What this file does not do: it does not bring back what a corpus lost, such as curly quotes.

use super::convention::{Apostrophe, Number, Treatment, WordConvention};
use super::patterns::{clitic, is_apostrophe, reference_name};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// A text made of words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejoined {
    /// The text.
    pub text: String,
    /// For every word, its characters (Unicode scalar values) in the text.
    pub chars: Vec<Range<usize>>,
}

impl Rejoined {
    /// Adds a word, after a space unless it is glued to the words before it.
    pub fn push(&mut self, word: &str, is_glued: bool) {
        let mut start = self.chars.last().map_or(0, |last| last.end);
        if !is_glued && !self.text.is_empty() {
            self.text.push(' ');
            start += 1;
        }
        self.chars.push(start..start + word.chars().count());
        self.text.push_str(word);
    }
}

/// Joins the words of a post as a person writes them, under the convention that its corpus has.
///
/// A corpus does not say where its posts had white space. These rules say where a person leaves it
/// out; a mark is joined to both sides only where the convention splits what it would join, since
/// the corpus would have kept it whole otherwise.
///
/// - Nothing stands before `. , ! ? ; : % ) ] } … ’ ”` and nothing after `( [ { “ ‘`, nor between
///   `$ £ €` and a digit.
/// - `"` opens and closes in turn, `'` where no apostrophe is meant: between a word and `s t d m re
///   ve ll`, after `O`, `D` and `L` before a capital, at the end of a word while no quote is open.
/// - `@` and `#` stand at what follows where mentions and hashtags are split; `_`, `-`, `/` and the
///   `.` between single letters, the `:` and `.` and `,` between digits, digits and `th` or `pm`,
///   `& amp ;`, `: )`: joined where split.
/// - Emoji follow each other without a space; skin tones, variation selectors, joiners and halves
///   of flags are joined to what they belong to; `. . .` and `! !` are joined.
///
/// ```
/// use smvae_data::words::{WordConvention, rejoin};
/// let words: Vec<_> = "I don ' t like \" Oslo , 7 pm \" ( @ ana )".split(' ').collect();
/// let post = rejoin(&words, &WordConvention::TWITTER2017);
/// assert_eq!(post.text, "I don't like \"Oslo, 7pm\" (@ana)");
/// assert_eq!(post.chars[6], 14..18);
/// ```
pub fn rejoin<W: AsRef<str>>(words: &[W], convention: &WordConvention) -> Rejoined {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let glued = glue(&words, convention);
    let mut post = Rejoined::default();
    for (word, glued) in words.iter().zip(glued) {
        post.push(word, glued);
    }
    post
}

/// For every word, whether nothing stands between it and the one before.
fn glue(words: &[&str], convention: &WordConvention) -> Vec<bool> {
    let mut glued = vec![false; words.len() + 1];
    if convention.punctuation == Treatment::Keep {
        return glued;
    }
    let mut quotes = Quotes::default();
    for at in 0..words.len() {
        let place = Place { words, at, convention };
        let (before, after) = place.marks(&mut quotes);
        glued[at] |= (before || place.belongs_to_cluster()) && at > 0;
        glued[at + 1] |= after;
    }
    glued.truncate(words.len());
    glued
}

/// Which quotes are open.
#[derive(Default)]
struct Quotes {
    double: bool,
    single: bool,
}

/// A word among the others.
struct Place<'p> {
    words: &'p [&'p str],
    at: usize,
    convention: &'p WordConvention,
}

impl Place<'_> {
    fn word(&self, offset: isize) -> &str {
        self.at.checked_add_signed(offset).and_then(|at| self.words.get(at)).copied().unwrap_or("")
    }

    /// Whether the word is joined to the one before, and to the one after.
    fn marks(&self, quotes: &mut Quotes) -> (bool, bool) {
        let (previous, word, next) = (self.word(-1), self.word(0), self.word(1));
        let splits = |treatment: Treatment| treatment == Treatment::Split;
        let both = |joined: bool| (joined, joined);
        let between_words = ends_in_word(previous) && begins_word(next);
        let convention = self.convention;
        match word {
            "\"" => toggle(&mut quotes.double),
            "'" | "’" => self.apostrophe(quotes),
            "." | "," | ":" | ";" | "=" if self.begins_emoticon() => (false, true),
            "." | "," | ":" if self.in_number() || self.in_address() => both(true),
            "." if splits(convention.abbreviation) && is_letter(previous) && is_letter(next) => both(true),
            ";" if splits(convention.reference) && self.ends_reference() => {
                // `H&amp;M`, but `this &amp; that`.
                (true, previous.find('&').is_some_and(|at| at > 0) && begins_word(next))
            }
            "." | "," | "!" | "?" | ";" | ":" | ")" | "]" | "}" | "…" | "”" => (true, false),
            _ if word.len() > 1 && word.bytes().all(|b| b".!?".contains(&b)) => (true, false),
            "%" => (ends_in_digit(previous), false),
            "(" | "[" | "{" | "“" | "‘" => (false, true),
            "$" | "£" | "€" => (false, next.starts_with(char::is_numeric)),
            "@" => (false, begins_word(next) && (splits(convention.mention) || next.starts_with('_'))),
            "#" => (false, begins_word(next) && splits(convention.hashtag)),
            "_" if splits(convention.underscore) => {
                (previous == "_" || previous == "@" || ends_in_word(previous), next == "_" || begins_word(next))
            }
            "-" | "/" if splits(convention.compound) => both(between_words),
            "&" if splits(convention.ampersand) => {
                let letters = is_letter(previous) && is_letter(next);
                (letters, letters || (reference_name(next) && self.word(2) == ";"))
            }
            _ => (self.follows_closely(), false),
        }
    }

    /// A word without marks that belongs to the one before: `n't`, the `th` of `5th`, an emoji
    /// after another.
    fn follows_closely(&self) -> bool {
        let (previous, word) = (self.word(-1), self.word(0));
        let clitics = self.convention.apostrophe == Apostrophe::Clitic && ends_in_word(previous);
        let contracted = word.strip_prefix(is_apostrophe).is_some_and(clitic)
            || matches!(word.to_ascii_lowercase().as_str(), "n't" | "n’t");
        let digits = previous.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',') && ends_in_digit(previous);
        let unit = self.convention.unit == Treatment::Split && digits && (is_unit(word) || word.starts_with('_'));
        let address = previous == ":" && self.word(-2) == "https" && word.starts_with("//");
        (clitics && contracted) || unit || address || (is_emoji(previous) && is_emoji(word))
    }

    /// `:` or `;` or `=` before a mouth.
    fn begins_emoticon(&self) -> bool {
        let eyes = matches!(self.word(0), ":" | ";" | "=");
        let mouth = self.word(1) == ")" || (self.word(1) == "(" && !begins_word(self.word(2)));
        eyes && mouth && self.convention.emoticon == Treatment::Split
    }

    /// The mark of `7 : 30`, `2 . 99` or `10 , 000`.
    fn in_number(&self) -> bool {
        let (previous, word, next) = (self.word(-1), self.word(0), self.word(1));
        let digits = ends_in_digit(previous) && next.starts_with(char::is_numeric);
        let thousands = next.bytes().take_while(u8::is_ascii_digit).count() == 3;
        let split = match word {
            ":" => self.convention.number != Number::Keep,
            "," => self.convention.number == Number::Split && thousands,
            _ => self.convention.number == Number::Split,
        };
        digits && split
    }

    /// The marks of `https : //t . co/abc` and of `example . com`.
    fn in_address(&self) -> bool {
        let (previous, next) = (self.word(-1), self.word(1));
        match self.word(0) {
            ":" => previous == "https" && next.starts_with("//"),
            "." => previous.starts_with("//") || (ends_in_word(previous) && matches!(next, "com" | "org" | "net")),
            _ => false,
        }
    }

    /// The `;` of `&amp ;` or of `& amp ;`.
    fn ends_reference(&self) -> bool {
        let previous = self.word(-1);
        let named = previous.rsplit_once('&').is_some_and(|(_, name)| reference_name(name));
        named || (self.word(-2) == "&" && reference_name(previous))
    }

    /// An apostrophe or a single quote.
    fn apostrophe(&self, quotes: &mut Quotes) -> (bool, bool) {
        let curly = self.word(0) == "’";
        if self.is_inside_word() || curly {
            return (true, self.is_inside_word());
        }
        let mut later = (self.at + 1..self.words.len()).map(|at| Place { at, ..*self });
        let closes_later = later.any(|place| place.word(0) == "'" && !place.is_inside_word());
        if ends_in_word(self.word(-1)) && !quotes.single && !closes_later {
            return (true, false);
        }
        toggle(&mut quotes.single)
    }

    /// Whether an apostrophe stands in `it's`, `don't` or `O'Brien`.
    fn is_inside_word(&self) -> bool {
        let (previous, next) = (self.word(-1), self.word(1));
        let contraction = clitic(next) || next.eq_ignore_ascii_case("t");
        let name = matches!(previous, "O" | "D" | "L" | "d" | "l") && next.starts_with(char::is_uppercase);
        ends_in_word(previous) && (contraction || name)
    }

    /// Whether the word and the one before are parts of one grapheme cluster.
    fn belongs_to_cluster(&self) -> bool {
        let (previous, word) = (self.word(-1), self.word(0));
        let (Some(last), Some(first)) = (previous.chars().next_back(), word.chars().next()) else { return false };
        let skin_tone = ('\u{1F3FB}'..='\u{1F3FF}').contains(&first);
        let joined =
            last == '\u{200D}' || first == '\u{200D}' || skin_tone || ('\u{FE00}'..='\u{FE0F}').contains(&first);
        joined
            || (is_flag_half(last) && is_flag_half(first) && format!("{previous}{word}").graphemes(true).count() == 1)
    }
}

/// A quote that opens if none is open, and closes otherwise.
fn toggle(open: &mut bool) -> (bool, bool) {
    *open = !*open;
    (!*open, *open)
}

fn begins_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn ends_in_word(word: &str) -> bool {
    word.ends_with(char::is_alphanumeric)
}

fn ends_in_digit(word: &str) -> bool {
    word.ends_with(char::is_numeric)
}

fn is_letter(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

fn is_unit(word: &str) -> bool {
    const UNITS: [&str; 24] = [
        "th", "st", "nd", "rd", "am", "pm", "k", "m", "bn", "s", "d", "x", "ers", "hr", "hrs", "min", "km", "cm", "mm",
        "kg", "yr", "yrs", "h", "p",
    ];
    UNITS.iter().any(|unit| unit.eq_ignore_ascii_case(word))
}

fn is_flag_half(c: char) -> bool {
    ('\u{1F1E6}'..='\u{1F1FF}').contains(&c)
}

/// Whether a word is an emoji or begins with one: the blocks that have them.
fn is_emoji(word: &str) -> bool {
    word.starts_with(|c: char| matches!(c, '\u{1F000}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}'))
}
