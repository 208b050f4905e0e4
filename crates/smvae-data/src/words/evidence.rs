//! The convention of a corpus, told from its words.
//!
//! Every setting is a vote between what only one treatment makes: `@name` against `@` before `name`. The more frequent
//! wins; without evidence, or with as much on both sides, the setting is the default's.
//!
//! Most votes look at shapes: letters as `a`, digits as `9`, marks as they are, `Oslo-based` as `a-a`.

use super::convention::{Apostrophe, Number, Treatment, WordConvention};
use super::patterns::{abbreviation, clitic, emoticon, is_apostrophe, reference, reference_name};

impl WordConvention {
    /// Tells the convention from the posts of a corpus, each a list of words in order.
    ///
    /// Words that were split at white space alone are recognised: their punctuation hangs on them. Then splitting returns
    /// them as they are. Settings that the words do not tell are the default's.
    ///
    /// ```
    /// use smvae_data::words::WordConvention;
    /// let posts = [vec!["hello", ",", "@", "ana", "!"], vec!["don", "'", "t"]];
    /// assert_eq!(WordConvention::of_corpus(&posts).to_string(), "conll,apostrophe=split,mention=split");
    /// ```
    pub fn of_corpus<P, W>(posts: P) -> Self
    where
        P: IntoIterator,
        P::Item: AsRef<[W]>,
        W: AsRef<str>,
    {
        let mut votes = Votes::default();
        for post in posts {
            let words: Vec<Seen> = post.as_ref().iter().map(|word| Seen::new(word.as_ref())).collect();
            let none = Seen::default();
            for at in 0..words.len() {
                let after = |offset: usize| words.get(at + offset).unwrap_or(&none);
                votes.see(&words[at], after(1), after(2));
            }
        }
        votes.convention()
    }
}

/// A word with its shape.
#[derive(Default)]
struct Seen<'w> {
    word: &'w str,
    shape: String,
}

impl<'w> Seen<'w> {
    fn new(word: &'w str) -> Self {
        let mut shape = String::new();
        for c in word.chars() {
            let class = match c {
                c if c.is_numeric() => '9',
                c if c.is_alphabetic() => 'a',
                '’' => '\'',
                c => c,
            };
            if !(matches!(class, 'a' | '9') && shape.ends_with(class)) {
                shape.push(class);
            }
        }
        Self { word, shape }
    }

    /// Whether it begins as a name after `@` or `#` does.
    fn names(&self) -> bool {
        self.shape.starts_with(['a', '9', '_'])
    }

    fn ends_in_word(&self) -> bool {
        self.shape.ends_with(['a', '9'])
    }
}

/// How often a treatment was seen.
#[derive(Default)]
struct Vote {
    keep: usize,
    split: usize,
}

impl Vote {
    fn count(&mut self, keep: bool, split: bool) {
        self.keep += usize::from(keep);
        self.split += usize::from(split);
    }

    fn treatment(&self, default: Treatment) -> Treatment {
        match self.keep.cmp(&self.split) {
            std::cmp::Ordering::Greater => Treatment::Keep,
            std::cmp::Ordering::Less => Treatment::Split,
            std::cmp::Ordering::Equal => default,
        }
    }
}

/// The votes on every setting; of a number, on its two kinds.
#[derive(Default)]
struct Votes {
    punctuation: Vote,
    mention: Vote,
    hashtag: Vote,
    underscore: Vote,
    compound: Vote,
    apostrophe: Vote,
    clitics: usize,
    abbreviation: Vote,
    decimal: Vote,
    time: Vote,
    unit: Vote,
    ampersand: Vote,
    reference: Vote,
    emoticon: Vote,
    run: Vote,
    ellipsis: Vote,
}

impl Votes {
    /// Counts what a word and the two after it tell; an empty one stands for the end of the post.
    fn see(&mut self, word: &Seen, next: &Seen, third: &Seen) {
        if word.word.contains("http") {
            return;
        }
        let is = |shape: &str| word.shape == shape;
        let are = |shapes: [&str; 3]| shapes == [word.shape.as_str(), next.shape.as_str(), third.shape.as_str()];
        let sigil = |sigil: &str, name: bool| word.shape.starts_with(sigil) && word.shape.len() > 1 && name;
        let mark = |marks: &[char]| word.word.ends_with(marks) && !abbreviation(word.word.trim_end_matches('.'));
        self.punctuation.count(
            word.names() && mark(&['.', ',', '!', '?', ':', ';', ')', '"']),
            matches!(word.word, "." | "," | "!" | "?" | ":" | ";" | ")" | "(" | "\""),
        );
        let named =
            |sigil_: &str| word.shape.strip_prefix(sigil_).is_some_and(|name| name.starts_with(['a', '9', '_']));
        let _ = sigil;
        self.mention.count(named("@"), is("@") && next.names());
        self.hashtag.count(named("#"), is("#") && next.names());
        self.underscore.count(word.shape.contains("a_a"), is("_"));
        self.compound.count(
            ["a-a", "9-9", "a/a", "9/9"].contains(&word.shape.as_str()),
            are(["a", "-", "a"]) || are(["9", "-", "9"]) || are(["a", "/", "a"]) || are(["9", "/", "9"]),
        );
        self.decimal
            .count(is("9.9") || is("9,9"), are(["9", ".", "9"]) || (are(["9", ",", "9"]) && third.word.len() == 3));
        self.time.count(is("9:9"), are(["9", ":", "9"]));
        self.ellipsis.count(is("a…"), is("a") && next.word == "…");
        self.see_words(word, next, third);
    }

    /// The votes that look at more than shapes.
    fn see_words(&mut self, word: &Seen, next: &Seen, third: &Seen) {
        let suffix = |letters: &str| matches!(letters, "th" | "st" | "nd" | "rd" | "am" | "pm");
        let letters = word.word.trim_start_matches(char::is_numeric);
        self.unit.count(word.shape == "9a" && suffix(letters), word.shape == "9" && suffix(next.word));

        let contracted = |letters: &str| clitic(letters) || letters.eq_ignore_ascii_case("t");
        let parts = word.word.split_once(is_apostrophe);
        let negation = parts.is_some_and(|(n, t)| n.eq_ignore_ascii_case("n") && t.eq_ignore_ascii_case("t"));
        let split_off = negation || parts.is_some_and(|(before, after)| before.is_empty() && clitic(after));
        self.clitics += usize::from(split_off);
        self.apostrophe.count(
            !split_off && word.shape == "a'a" && parts.is_some_and(|(_, after)| contracted(after)),
            word.ends_in_word() && next.shape == "'" && contracted(third.word),
        );

        let stop = word.word.strip_suffix('.');
        self.abbreviation.count(
            stop.is_some_and(abbreviation),
            next.word == "." && !third.word.is_empty() && abbreviation(word.word),
        );
        let name = |word: &str| word.strip_prefix('&').is_some_and(reference_name);
        self.ampersand.count(word.shape == "a&a" || name(word.word), word.word == "&" && reference_name(next.word));
        self.reference.count(
            reference(word.word) == Some(word.word.len()),
            (name(word.word) && next.word == ";")
                || (word.word == "&" && reference_name(next.word) && third.word == ";"),
        );
        self.emoticon.count(
            emoticon(word.word, false) == Some(word.word.len()),
            matches!(word.word, ":" | ";" | "=") && next.word == ")",
        );
        let ends = |word: &str, mark: char| word.len() > 1 && word.bytes().all(|b| b == mark as u8);
        self.run.count(
            ['.', '!', '?'].into_iter().any(|mark| ends(word.word, mark)),
            matches!(word.word, "." | "!" | "?") && word.word == next.word,
        );
    }

    fn convention(&self) -> WordConvention {
        let default = WordConvention::default();
        if self.punctuation.treatment(default.punctuation) == Treatment::Keep {
            return WordConvention::WHITESPACE;
        }
        let most = self.clitics.max(self.apostrophe.keep).max(self.apostrophe.split);
        let number =
            |decimal: &Vote, time: &Vote| match (decimal.treatment(Treatment::Keep), time.treatment(Treatment::Keep)) {
                (Treatment::Split, _) => Number::Split,
                (Treatment::Keep, Treatment::Split) => Number::Decimal,
                (Treatment::Keep, Treatment::Keep) => Number::Keep,
            };
        WordConvention {
            punctuation: Treatment::Split,
            mention: self.mention.treatment(default.mention),
            hashtag: self.hashtag.treatment(default.hashtag),
            underscore: self.underscore.treatment(default.underscore),
            compound: self.compound.treatment(default.compound),
            apostrophe: match most {
                most if most == self.clitics => Apostrophe::Clitic,
                most if most == self.apostrophe.split => Apostrophe::Split,
                _ => Apostrophe::Keep,
            },
            abbreviation: self.abbreviation.treatment(default.abbreviation),
            number: number(&self.decimal, &self.time),
            unit: self.unit.treatment(default.unit),
            ampersand: self.ampersand.treatment(default.ampersand),
            reference: self.reference.treatment(default.reference),
            emoticon: self.emoticon.treatment(default.emoticon),
            run: self.run.treatment(default.run),
            ellipsis: self.ellipsis.treatment(default.ellipsis),
        }
    }
}
