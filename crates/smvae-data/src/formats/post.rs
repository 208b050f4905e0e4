//! A post as a file has it: what every reader of [`formats`](super) yields.

use super::fields::Fields;
use crate::words::{WordConvention, split};
use smvae_core::Entity;
use std::borrow::Cow;

/// One post of a file, before its text is split and its labels are read by a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostRecord {
    /// Line of the file it begins at, from 1.
    pub line: usize,
    /// The id the file gives it: a string, or the digits of a number as they were written.
    pub id: Option<String>,
    /// Text, or words.
    pub body: Body,
    /// Id or path of its image.
    pub image: Option<String>,
    /// What its image shows, in words.
    pub caption: Option<String>,
    /// Its labels; `None` if it has none, or they were not asked for.
    pub labels: Option<Labels>,
    /// All fields of a JSON object, or all cells of a table's row by their column, those above
    /// included. Empty in other formats.
    pub fields: Fields,
}

impl PostRecord {
    /// Its words: those it has, or its text, split by a convention.
    pub fn words(&self, convention: &WordConvention) -> Cow<'_, [String]> {
        match &self.body {
            Body::Words(words) => Cow::Borrowed(words),
            Body::Text(text) => split(text, convention).into_iter().map(|word| word.text.to_owned()).collect(),
        }
    }

    /// Its tags, if its labels are tags by name.
    pub fn tags(&self) -> Option<&[String]> {
        match &self.labels {
            Some(Labels::Tags(tags)) => Some(tags),
            _ => None,
        }
    }

    /// A post of which nothing but the text or the words is known.
    pub(crate) fn new(line: usize, body: Body) -> Self {
        Self { line, id: None, body, image: None, caption: None, labels: None, fields: Fields::default() }
    }
}

/// What a post says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Text that is still to be split into words.
    Text(String),
    /// Words.
    Words(Vec<String>),
}

/// What should be in the place of words in which nothing can be found: one that is empty is none,
/// and where labels are not read, a post needs one that is more than white space. White space alone
/// is a word elsewhere: corpora have labelled U+00A0.
pub(super) fn lacking(words: &[String], labels: LabelUse) -> Option<String> {
    if let Some(empty) = words.iter().position(String::is_empty) {
        return Some(format!("words of which none is empty, as number {} is", empty + 1));
    }
    let is_white = |word: &String| word.trim().is_empty();
    let is_nothing = labels == LabelUse::Ignored && !words.is_empty() && words.iter().all(is_white);
    is_nothing.then(|| "words that are more than white space".to_owned())
}

/// The labels of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labels {
    /// One tag per word, in a scheme that the tags of all posts may tell
    /// ([`Scheme::of_posts`](smvae_core::schemes::Scheme::of_posts)).
    Tags(Vec<String>),
    /// The number of one tag per word; which tags they are, the file does not say.
    TagNumbers(Vec<usize>),
    /// Entities of words, ordered by first word.
    Entities(Vec<Entity>),
    /// Entities of a text that is still to be split, by their first character.
    TextEntities(Vec<TextEntity>),
}

/// An entity of a text, in characters (Unicode scalar values) `[start, end)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextEntity {
    /// First character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// Type, such as `PER`.
    pub label: String,
}

/// What is made of labels that a file may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelUse {
    /// They are read where there are any.
    #[default]
    IfAny,
    /// A file in columns without tags is an error at its first word; in other formats as
    /// [`LabelUse::IfAny`].
    Required,
    /// They are left unread, whatever they are: posts that a model is to label may have those of
    /// another one.
    Ignored,
}
