//! One piece of a text without white space, read from left to right.
//!
//! ```text
//! word = core (mark core)*
//! core = letters and digits that UAX 29 does not part
//! mark = ' - / . , : & where the convention keeps what it joins
//! ```
//!
//! A rule looks at what follows only as far as the word it makes, and what stands before can only
//! keep a rule from being applied: hence every word, alone, is split into itself. Time is linear
//! because no rule looks further than what it takes, a bounded number of bytes apart.

use super::convention::{Apostrophe, Number, Treatment, WordConvention};
use super::patterns::{self, is_apostrophe};
use Treatment::{Keep, Split};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// Where the words of a text without white space end, in order; the last end is the length of the
/// text.
pub(super) fn ends(text: &str, convention: &WordConvention) -> Vec<usize> {
    let mut ends = Vec::new();
    if convention.punctuation == Keep {
        ends.extend((!text.is_empty()).then_some(text.len()));
        return ends;
    }
    let segment = Segment::new(text, convention);
    let mut start = 0;
    while start < text.len() {
        start = segment.border_from(segment.end_of_word(start));
        ends.push(start);
    }
    ends
}

/// Text without white space, with its borders of UAX 29.
struct Segment<'t> {
    text: &'t str,
    convention: &'t WordConvention,
    /// Whether a grapheme cluster ends before a byte.
    cluster_borders: Vec<bool>,
    /// Whether UAX 29 has a word border before a byte.
    word_borders: Vec<bool>,
}

impl<'t> Segment<'t> {
    fn new(text: &'t str, convention: &'t WordConvention) -> Self {
        let mut cluster_borders = vec![false; text.len() + 1];
        let mut word_borders = cluster_borders.clone();
        text.grapheme_indices(true).for_each(|(start, _)| cluster_borders[start] = true);
        text.split_word_bound_indices().for_each(|(start, _)| word_borders[start] = true);
        cluster_borders[text.len()] = true;
        word_borders[text.len()] = true;
        Self { text, convention, cluster_borders, word_borders }
    }

    /// The end of the word at `start`, perhaps inside a cluster.
    fn end_of_word(&self, start: usize) -> usize {
        let rest = &self.text[start..];
        let after_word = self.text[..start].ends_with(char::is_alphanumeric);
        if let Some(length) = patterns::url(rest) {
            let end = start + length;
            return if self.convention.ellipsis == Keep { self.past(end, '…') } else { end };
        }
        let pattern = patterns::email(rest)
            .or_else(|| patterns::reference(rest).filter(|_| self.convention.reference == Keep))
            .or_else(|| patterns::emoticon(rest, after_word).filter(|_| self.convention.emoticon == Keep))
            .or_else(|| patterns::cashtag(rest, after_word));
        if let Some(length) = pattern {
            return start + length;
        }
        let first = rest.chars().next().expect("the caller stops at the end of the text");
        let next = start + first.len_utf8();
        if self.is_word_char(first) {
            return self.word(start);
        }
        match first {
            '@' if self.convention.mention == Keep => self.tag(next),
            '#' if self.convention.hashtag == Keep => self.tag(next),
            '&' if self.convention.ampersand == Keep && self.convention.reference == Split => {
                let end = self.core(next);
                if patterns::reference_name(&self.text[next..end]) { end } else { next }
            }
            '-' if self.convention.compound == Keep => self.past(next, '-'),
            '.' | '!' | '?' | '-' | '*' | '~' | '=' if self.convention.run == Keep => self.past(next, first),
            c if is_apostrophe(c) && self.convention.apostrophe == Apostrophe::Clitic => {
                let end = self.core(next);
                if patterns::clitic(&self.text[next..end]) { end } else { next }
            }
            _ => next,
        }
    }

    /// The end of a word that begins with a letter or digit.
    fn word(&self, start: usize) -> usize {
        let mut core = start..self.core(start);
        while let Some(mark) = self.text[core.end..].chars().next() {
            let next = core.end + mark.len_utf8();
            if mark == '…' && self.convention.ellipsis == Keep {
                return self.past(next, '…');
            }
            if core.start == start
                && let Some(end) = self.negation(core.clone())
            {
                return end;
            }
            let Some(next) = self.joined(core.clone(), mark, next) else { break };
            core = next..self.core(next);
        }
        let stop = self.convention.abbreviation == Keep && self.text[core.end..].starts_with('.');
        let run = self.text[core.end..].starts_with("..");
        let belongs = stop && !run && patterns::abbreviation(&self.text[start..core.end]);
        if belongs { core.end + 1 } else { core.end }
    }

    /// The end of the word where its letters are the `don` of `don't` and clitics are split off:
    /// before the `n`, or after the `t` if the `n` is all.
    fn negation(&self, word: Range<usize>) -> Option<usize> {
        let n = self.last_cluster(&word).filter(|&n| matches!(&self.text[n..word.end], "n" | "N"))?;
        let apostrophe = self.text[word.end..].chars().next().filter(|&c| is_apostrophe(c))?;
        let t = word.end + apostrophe.len_utf8();
        let end = self.core(t);
        let negated = self.convention.apostrophe == Apostrophe::Clitic && self.text[t..end].eq_ignore_ascii_case("t");
        let Some(before) = self.last_cluster(&(word.start..n)) else { return negated.then_some(end) };
        // A soft hyphen before the `n` would be a word of its own when it ends one.
        let letter = self.text[before..].starts_with(|c| self.is_word_char(c));
        (negated && letter).then_some(n)
    }

    /// Where the last cluster of a range begins; `None` if the range is empty.
    fn last_cluster(&self, range: &Range<usize>) -> Option<usize> {
        range.clone().rev().find(|&at| self.cluster_borders[at])
    }

    /// Where the word continues after a mark that joins, or `None` if it ends before the mark.
    fn joined(&self, core: Range<usize>, mark: char, next: usize) -> Option<usize> {
        let after = &self.text[next..self.core(next)];
        if !self.cluster_borders[next] || !(after.starts_with(char::is_alphanumeric) || mark == '&') {
            return None;
        }
        let before = &self.text[core];
        let letter = after.starts_with(char::is_alphabetic);
        let numbers = before.ends_with(char::is_numeric) && after.starts_with(char::is_numeric);
        let joins = match mark {
            '\'' | '’' => match self.convention.apostrophe {
                Apostrophe::Keep => letter,
                Apostrophe::Clitic => letter && !patterns::clitic(after),
                Apostrophe::Split => false,
            },
            '-' | '\u{2010}' | '\u{2011}' | '/' => self.convention.compound == Keep,
            '.' if numbers => self.convention.number != Number::Split,
            '.' => self.convention.abbreviation == Keep && dot_joins(before, after),
            ',' => numbers && self.convention.number != Number::Split && is_thousand(after),
            ':' => numbers && self.convention.number == Number::Keep,
            '&' if self.convention.ampersand == Keep => return self.past_ampersand(next, after),
            _ => false,
        };
        joins.then_some(next)
    }

    /// Where the word continues after an ampersand that is kept: in `AT&T`, and in `AT&amp;T` where
    /// references are kept.
    fn past_ampersand(&self, next: usize, after: &str) -> Option<usize> {
        let rest = &self.text[next - 1..];
        let next = match patterns::reference(rest).filter(|_| self.convention.reference == Keep) {
            Some(length) if rest.starts_with("&amp;") => next - 1 + length,
            Some(_) => return None,
            None => return after.starts_with(char::is_alphanumeric).then_some(next),
        };
        let continues = self.cluster_borders[next] && self.text[next..].starts_with(char::is_alphanumeric);
        continues.then_some(next)
    }

    /// The end of the letters and digits at `start`; `start` if there are none.
    fn core(&self, start: usize) -> usize {
        let mut end = start;
        let mut digits = true;
        while let Some(c) = self.text[end..].chars().next() {
            let parted = end > start && self.word_borders[end];
            let unit = digits && end > start && !c.is_numeric() && self.convention.unit == Split;
            if parted || unit {
                break;
            }
            let next = self.border_from(end + c.len_utf8());
            if !self.is_word_char(c) && (end == start || !self.is_inner(c, next)) {
                break;
            }
            digits &= c.is_numeric();
            end = next;
        }
        end
    }

    /// Whether UAX 29 joins what stands before and after the cluster of `c`, which ends at `next`,
    /// such as a soft hyphen or the middle dot of Catalan. The marks of a convention are not its
    /// business.
    fn is_inner(&self, c: char, next: usize) -> bool {
        let joins = !self.word_borders[next] && self.text[next..].starts_with(char::is_alphanumeric);
        joins && !c.is_ascii_punctuation() && !matches!(c, '‘' | '’')
    }

    /// The end of the name after `@` or `#`: letters, digits and, where they are kept, underscores.
    fn tag(&self, start: usize) -> usize {
        let mut end = start;
        while self.cluster_borders[end] {
            let Some(c) = self.text[end..].chars().next().filter(|&c| self.is_word_char(c)) else { break };
            end = self.border_from(end + c.len_utf8());
        }
        end
    }

    fn is_word_char(&self, c: char) -> bool {
        c.is_alphanumeric() || (c == '_' && self.convention.underscore == Keep)
    }

    /// The first place from `at` on that does not hold `c`.
    fn past(&self, at: usize, c: char) -> usize {
        self.text.len() - self.text[at..].trim_start_matches(c).len()
    }

    /// The first end of a cluster from `at` on.
    fn border_from(&self, at: usize) -> usize {
        at + self.cluster_borders[at..].iter().position(|&border| border).expect("the end of the text is one")
    }
}

/// `U.S`, `p.m`: single letters; `example.com`, `t.co`: small letters before and two or more after.
fn dot_joins(before: &str, after: &str) -> bool {
    let single = |part: &str| part.len() == 1 && part.as_bytes()[0].is_ascii_alphabetic();
    let host = before.ends_with(char::is_lowercase) && after.starts_with(char::is_lowercase) && !single(after);
    (single(before) && single(after)) || host
}

/// Whether three digits follow and no fourth, as in `1,000`.
fn is_thousand(after: &str) -> bool {
    after.bytes().take(4).take_while(u8::is_ascii_digit).count() == 3
}
