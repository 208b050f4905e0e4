//! The convention of a corpus, told from its words.
//!
//! Every setting is a vote between what only one treatment makes: `@name` against `@` before
//! `name`. The more frequent wins. What the words do not tell, or tell both ways as often, is as in
//! the preset that differs least from the rest: one program's words are alike in many ways, and a
//! few posts seldom show all of them.
//!
//! Most votes look at shapes: letters as `a`, digits as `9`, marks as they are, so that
//! `Oslo-based` is `a-a`.

use super::convention::{Apostrophe, Number, Treatment, WordConvention};
use super::patterns::{abbreviation, clitic, emoticon, is_apostrophe, reference, reference_name};
use std::cmp::Ordering;

impl WordConvention {
    /// Tells the convention from the posts of a corpus, each a list of words in order.
    ///
    /// Words that were split at white space alone are recognised: their punctuation hangs on them.
    /// Then splitting returns them as they are. Settings that the words do not tell are those of
    /// the preset that differs least from the others; without any evidence, the default's.
    ///
    /// ```
    /// use smvae_data::words::WordConvention;
    /// let posts = ["the 5 th #cold day , @ ana !", "I don ' t"];
    /// let posts = posts.map(|post| post.split(' ').collect::<Vec<_>>());
    /// assert_eq!(WordConvention::of_corpus(&posts).to_string(), "twitter2017,hashtag=keep");
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

    fn treatment(&self, untold: Treatment) -> Treatment {
        match self.keep.cmp(&self.split) {
            Ordering::Greater => Treatment::Keep,
            Ordering::Less => Treatment::Split,
            Ordering::Equal => untold,
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
        let is = |shapes: &[&str]| shapes.contains(&word.shape.as_str());
        let are = |shapes: [&str; 3]| shapes == [&word.shape, &next.shape, &third.shape];
        let after = |sigil: char| word.shape.strip_prefix(sigil).is_some_and(is_name);
        let apart = |sigil: &str| word.shape == sigil && is_name(&next.shape);
        let hangs = word.word.ends_with(['.', ',', '!', '?', ':', ';', ')', '"']) && is_name(&word.shape);
        self.punctuation.count(
            hangs && !abbreviation(word.word.trim_end_matches('.')),
            is(&[".", ",", "!", "?", ":", ";", "(", ")", "\""]),
        );
        self.mention.count(after('@'), apart("@"));
        self.hashtag.count(after('#'), apart("#"));
        self.underscore.count(word.shape.contains("a_a"), is(&["_"]));
        self.compound.count(
            is(&["a-a", "9-9", "a/a", "9/9"]),
            [["a", "-", "a"], ["9", "-", "9"], ["a", "/", "a"], ["9", "/", "9"]].into_iter().any(are),
        );
        let thousands = third.word.len() == 3;
        self.decimal.count(is(&["9.9", "9,9"]), are(["9", ".", "9"]) || (thousands && are(["9", ",", "9"])));
        self.time.count(is(&["9:9"]), are(["9", ":", "9"]));
        self.ellipsis.count(is(&["a…"]), is(&["a"]) && next.word == "…");
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
            word.shape.ends_with('a') && next.shape == "'" && contracted(third.word),
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
        if self.punctuation.treatment(Treatment::Split) == Treatment::Keep {
            return WordConvention::WHITESPACE;
        }
        let presets = WordConvention::PRESETS.into_iter().map(|(_, preset)| preset);
        let splitting = presets.filter(|preset| preset.punctuation == Treatment::Split);
        let filled = splitting.map(|preset| (self.filled_from(&preset), preset));
        let closest = filled.min_by_key(|(convention, preset)| convention.differences(preset).len());
        closest.expect("there are presets that split").0
    }

    /// What the votes tell, and what they do not tell from a preset.
    fn filled_from(&self, preset: &WordConvention) -> WordConvention {
        let untold = |split: bool| if split { Treatment::Split } else { Treatment::Keep };
        let decimal = self.decimal.treatment(untold(preset.number == Number::Split));
        let time = self.time.treatment(untold(preset.number != Number::Keep));
        let apostrophes = [
            (self.clitics, Apostrophe::Clitic),
            (self.apostrophe.keep, Apostrophe::Keep),
            (self.apostrophe.split, Apostrophe::Split),
        ];
        let most = apostrophes.into_iter().max_by_key(|(count, _)| *count).filter(|(count, _)| *count > 0);
        WordConvention {
            punctuation: Treatment::Split,
            mention: self.mention.treatment(preset.mention),
            hashtag: self.hashtag.treatment(preset.hashtag),
            underscore: self.underscore.treatment(preset.underscore),
            compound: self.compound.treatment(preset.compound),
            apostrophe: most.map_or(preset.apostrophe, |(_, apostrophe)| apostrophe),
            abbreviation: self.abbreviation.treatment(preset.abbreviation),
            number: match (decimal, time) {
                (Treatment::Split, _) => Number::Split,
                (Treatment::Keep, Treatment::Split) => Number::Decimal,
                (Treatment::Keep, Treatment::Keep) => Number::Keep,
            },
            unit: self.unit.treatment(preset.unit),
            ampersand: self.ampersand.treatment(preset.ampersand),
            reference: self.reference.treatment(preset.reference),
            emoticon: self.emoticon.treatment(preset.emoticon),
            run: self.run.treatment(preset.run),
            ellipsis: self.ellipsis.treatment(preset.ellipsis),
        }
    }
}

/// Whether a shape begins as a word or a name after `@` does.
fn is_name(shape: &str) -> bool {
    shape.starts_with(['a', '9', '_'])
}
