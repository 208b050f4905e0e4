//! How a corpus splits words: the settings of the splitter and their presets.
//!
//! How a convention is written as a line of text is in `notation.rs`, how it is told from a corpus
//! in `evidence.rs`.

use serde::{Deserialize, Serialize};

/// Whether something is one word or is split into its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// One word.
    Keep,
    /// Its parts are words.
    Split,
}

/// What becomes of an apostrophe inside a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Apostrophe {
    /// `don't`, `Ana's`.
    Keep,
    /// `do n't`, `Ana 's`, as in the Penn Treebank; `o'clock` is kept.
    Clitic,
    /// `don ' t`, `Ana ' s`, `o ' clock`.
    Split,
}

/// What becomes of a number with marks inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    /// `3.5`, `1,000`, `10:30`.
    Keep,
    /// `3.5`, `1,000`, but `10 : 30`.
    Decimal,
    /// `3 . 5`, `1 , 000`, `10 : 30`.
    Split,
}

/// How a corpus splits words. The table of the [module](super) shows every setting.
///
/// The presets are constants; `Default` is [`WordConvention::CONLL`].
/// [`of_corpus`](Self::of_corpus) tells the convention of a corpus. As text it is the name of a
/// preset and what differs from it, `twitter2017,hashtag=keep`: see `Display` and `FromStr`.
/// Settings that a JSON object lacks are the default's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WordConvention {
    /// Punctuation at words. `Keep` splits at white space alone, whatever the other settings are.
    pub punctuation: Treatment,
    /// `@name`, or `@ name`.
    pub mention: Treatment,
    /// `#topic`, or `# topic`.
    pub hashtag: Treatment,
    /// `snake_case`, or `snake _ case`, in names after `@` too.
    pub underscore: Treatment,
    /// `re-open` and `w/o`, or `re - open` and `w / o`.
    pub compound: Treatment,
    /// `don't`, `do n't`, or `don ' t`.
    pub apostrophe: Apostrophe,
    /// `U.S.`, `St.` and `example.com`, or `U . S .`, `St .` and `example . com`.
    pub abbreviation: Treatment,
    /// `3.5`, `1,000` and `10:30`, and which of them is split.
    pub number: Number,
    /// `5th` and `7pm`, or `5 th` and `7 pm`. Words that begin with a letter (`B2B`) are never
    /// split here.
    pub unit: Treatment,
    /// `AT&T`, or `AT & T`.
    pub ampersand: Treatment,
    /// The character reference `&amp;`, or `&amp ;`; with [`ampersand`](Self::ampersand) split too,
    /// `& amp ;`.
    pub reference: Treatment,
    /// `:)`, or `: )`.
    pub emoticon: Treatment,
    /// `...` and `!!!`, or `. . .` and `! ! !`.
    pub run: Treatment,
    /// The character `…` after a word: `America…`, or `America …`.
    pub ellipsis: Treatment,
}

use Treatment::{Keep, Split};

impl WordConvention {
    /// Words of CoNLL-2003, OntoNotes, WNUT and most English corpora: punctuation and clitics split
    /// off, mentions, hashtags, abbreviations and numbers whole. What is no matter of punctuation
    /// there follows what most corpora of posts do.
    pub const CONLL: Self = Self {
        punctuation: Split,
        mention: Keep,
        hashtag: Keep,
        underscore: Keep,
        compound: Keep,
        apostrophe: Apostrophe::Clitic,
        abbreviation: Keep,
        number: Number::Keep,
        unit: Keep,
        ampersand: Keep,
        reference: Keep,
        emoticon: Keep,
        run: Keep,
        ellipsis: Split,
    };

    /// Words of the Twitter2015 corpus, as counted in its training split.
    pub const TWITTER2015: Self = Self {
        underscore: Split,
        apostrophe: Apostrophe::Split,
        abbreviation: Split,
        number: Number::Split,
        reference: Split,
        emoticon: Split,
        run: Split,
        ellipsis: Keep,
        ..Self::CONLL
    };

    /// Words of the Twitter2017 corpus, as counted in its training split.
    pub const TWITTER2017: Self = Self {
        mention: Split,
        hashtag: Split,
        compound: Split,
        apostrophe: Apostrophe::Split,
        abbreviation: Split,
        number: Number::Decimal,
        unit: Split,
        ampersand: Split,
        reference: Split,
        run: Split,
        ..Self::CONLL
    };

    /// White space alone.
    pub const WHITESPACE: Self = Self { punctuation: Keep, ..Self::CONLL };

    /// The presets with their names; the default is first.
    pub const PRESETS: [(&'static str, Self); 4] = [
        ("conll", Self::CONLL),
        ("twitter2015", Self::TWITTER2015),
        ("twitter2017", Self::TWITTER2017),
        ("whitespace", Self::WHITESPACE),
    ];
}

impl Default for WordConvention {
    fn default() -> Self {
        Self::CONLL
    }
}
