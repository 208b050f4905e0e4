//! How the lines of one file in columns are cut: told from its first word, or as it was asked for.

use super::super::post::LabelUse;
use crate::Error;
use smvae_core::schemes::is_tag;
use std::borrow::Cow;

/// What stands between two columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// One tab. Everything else belongs to the columns, white space included.
    Tab,
    /// Any number of spaces and tabs; no other white space, so that a word may be U+00A0.
    Spaces,
}

/// Which columns are read, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The column of the words.
    pub word: usize,
    /// The column of the tags; `None` means that there are none to read.
    pub tag: Option<usize>,
}

impl std::str::FromStr for Columns {
    type Err = Error;

    /// Reads the numbers of the word's and the tag's column from 1, as in `1,4`; `1` alone means no
    /// tags.
    fn from_str(text: &str) -> Result<Self, Error> {
        let index = |number: &str| number.trim().parse::<usize>().ok()?.checked_sub(1);
        let columns = match text.split_once(',') {
            Some((word, tag)) => index(word).zip(index(tag)).map(|(word, tag)| Self { word, tag: Some(tag) }),
            None => index(text).map(|word| Self { word, tag: None }),
        };
        columns.filter(|columns| columns.tag != Some(columns.word)).ok_or_else(|| Error::Setting {
            name: "columns",
            want: "two different numbers from 1 for words and tags, such as `1,4`, or one for words alone".to_owned(),
            got: format!("{text:?}"),
        })
    }
}

impl std::fmt::Display for Columns {
    /// What is read back by `parse`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.word + 1)?;
        self.tag.map_or(Ok(()), |tag| write!(f, ",{}", tag + 1))
    }
}

/// What is asked of a file in columns; what is `None` is told from its first word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// What stands between columns; told: a tab if the line has one.
    pub separator: Option<Separator>,
    /// Which columns are read; told: words in the first, tags in the last, and no tags in a file of
    /// one column.
    pub columns: Option<Columns>,
    /// Whether tags are read, or must be there.
    pub labels: LabelUse,
}

/// The columns of a file. `Display` says them in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What stands between columns.
    pub separator: Separator,
    /// Number of columns, the same in every line.
    pub width: usize,
    /// Those that are read.
    pub columns: Columns,
}

impl Dialect {
    /// The form of the Twitter corpora: `word TAB tag`.
    pub const TWITTER: Self = Self { separator: Separator::Tab, width: 2, columns: Columns { word: 0, tag: Some(1) } };

    /// Most columns of a line.
    pub const MAX_WIDTH: usize = 10;

    /// Tells it from the first word's line. A file with `IMGID:` lines has the form of the Twitter
    /// corpora, or words alone, unless something else was asked for.
    pub(super) fn told(line: &str, asked: Asked, has_headers: bool) -> Result<Self, Cow<'static, str>> {
        let is_twitters = has_headers && asked.separator.is_none() && asked.columns.is_none();
        let by_line = if is_twitters || line.contains('\t') { Separator::Tab } else { Separator::Spaces };
        let separator = asked.separator.unwrap_or(by_line);
        let width = separator.split(line).count();
        let last = width.saturating_sub(1);
        let mut columns = asked.columns.unwrap_or(Columns { word: 0, tag: Some(last).filter(|&tag| tag > 0) });
        if asked.labels == LabelUse::Ignored {
            columns.tag = None;
        }
        let lacks_tag = asked.labels == LabelUse::Required && columns.tag.is_none();
        if is_twitters && (lacks_tag || width > 2 || (width == 1 && line.contains(' '))) {
            return Err(Self::TWITTER.expected_columns());
        }
        let needed = columns.word.max(columns.tag.unwrap_or(usize::from(lacks_tag))) + 1;
        let (max, name) = (Self::MAX_WIDTH, separator.name());
        if lacks_tag {
            return Err(format!("at least {needed} columns separated by {name}, one of them tags").into());
        }
        if width < needed {
            return Err(format!("at least {needed} columns separated by {name}").into());
        }
        if width > max {
            return Err(format!("at most {max} columns separated by {name}").into());
        }
        Ok(Self { separator, width, columns })
    }

    /// The word of a line, and its tag if tags are read.
    pub(super) fn cut<'a>(
        &self,
        line: &'a str,
        is_tag: fn(&str) -> bool,
    ) -> Result<(&'a str, Option<&'a str>), Cow<'static, str>> {
        let cell = |index| self.separator.split(line).nth(index).unwrap_or_default();
        let word = cell(self.columns.word);
        if word.is_empty() || self.separator.split(line).count() != self.width {
            return Err(self.expected_columns());
        }
        let tag = self.columns.tag.map(cell);
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(self.expected_tag());
        }
        Ok((word, tag))
    }

    /// Whether a line of blanks and tabs alone ends a post. Where tags are read, it has none; else
    /// it is of a word if it has as many columns as the others, and something in that of the word.
    pub(super) fn is_blank(&self, line: &str) -> bool {
        let cells = || self.separator.split(line);
        let word = cells().nth(self.columns.word).unwrap_or_default();
        self.columns.tag.is_some() || word.is_empty() || cells().count() != self.width
    }

    fn expected_columns(&self) -> Cow<'static, str> {
        if *self == Self::TWITTER {
            return "`word<TAB>tag` with one tab and a word before it".into();
        }
        let Self { separator, width, columns } = self;
        let of = if *width == 1 { "one column" } else { &format!("{width} columns separated by {}", separator.name()) };
        format!("{of}, as in the lines before, with a word in column {}", columns.word + 1).into()
    }

    fn expected_tag(&self) -> Cow<'static, str> {
        if *self == Self::TWITTER {
            return "a tag `O`, `B-type` or `I-type` after the tab".into();
        }
        format!("a tag such as `O` or `B-type` in column {}", self.columns.tag.unwrap_or_default() + 1).into()
    }
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { separator, width, columns: Columns { word, tag } } = self;
        match width {
            1 => write!(f, "one column")?,
            _ => write!(f, "{width} columns separated by {}", separator.name())?,
        }
        write!(f, ", words in column {}, ", word + 1)?;
        match tag {
            Some(tag) => write!(f, "tags in column {}", tag + 1),
            None => write!(f, "no tags"),
        }
    }
}

impl std::str::FromStr for Separator {
    type Err = Error;

    /// Reads `tab` or `spaces`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "tab" | "tabs" => Ok(Self::Tab),
            "space" | "spaces" => Ok(Self::Spaces),
            _ => Err(Error::setting("separator", "tab or spaces", format!("{text:?}"))),
        }
    }
}

impl std::fmt::Display for Separator {
    /// What is read back by `parse`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tab => "tab",
            Self::Spaces => "spaces",
        })
    }
}

impl Separator {
    fn name(self) -> &'static str {
        match self {
            Self::Tab => "tabs",
            Self::Spaces => "spaces",
        }
    }

    /// The columns of a line.
    fn split(self, line: &str) -> impl Iterator<Item = &str> {
        let is_border = move |c| c == '\t' || (self == Self::Spaces && c == ' ');
        line.split(is_border).filter(move |cell| self == Self::Tab || !cell.is_empty())
    }
}

/// Whether the line, which stands before the first word of a post, is a comment: it begins with a
/// hash and a space, and does not read as a hash that is a word.
pub(super) fn is_comment(line: &str, dialect: Option<&Dialect>) -> bool {
    let reads_as_word = || match dialect {
        Some(dialect) => dialect.cut(line, is_tag).is_ok(),
        None => line.split([' ', '\t']).next_back().is_some_and(is_tag),
    };
    line.starts_with("# ") && !reads_as_word()
}
