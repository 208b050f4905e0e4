//! A post: its text, its words with their place in the text, and the id of its image.
//!
//! Spans count words inside the library; people and other programs count characters (Unicode scalar
//! values, as Python does). This is the one place that turns the first into the second.

use crate::error::{Error, Result};
use crate::features::picture::Picture;
use smvae_core::Span;
use smvae_data::Sample;
use smvae_data::formats::{Body, PostRecord};
use smvae_data::words::{WordConvention, locate, split};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a word beyond which it is estimated to have one more piece.
const BYTES_OF_A_PIECE: usize = 5;
/// Bytes of a word that are counted. A URL, which many models do not read, is a long word.
const MOST_BYTES_OF_A_WORD: usize = 30;
/// About as much of a caption as is read.
const MOST_BYTES_OF_A_CAPTION: usize = 300;

/// A post to find entities in. Text and words belong together, so only the constructors set them.
///
/// ```
/// use smvae::{Post, data::words::WordConvention};
/// let post = Post::split("Lady Gaga (live) in Oslo.", &WordConvention::default());
/// assert_eq!(post.words(), ["Lady", "Gaga", "(", "live", ")", "in", "Oslo", "."]);
/// let words = ["New".to_owned(), "York".to_owned()];
/// assert_eq!(Post::from_words(words.to_vec()).text(), "New York");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Post {
    text: String,
    words: Vec<String>,
    /// The bytes of each word in the text.
    bytes: Vec<Range<usize>>,
    /// Id of its image among the image vectors. `None` for a post without one.
    pub image_id: Option<String>,
    /// What its image shows, in words; models that were trained with captions read it with the
    /// post. `None`, and white space alone, leave it to the captions that the model was given.
    pub caption: Option<String>,
    /// What became of its image, where that was looked up for this post alone.
    pub(super) picture: Option<Picture>,
}

impl Post {
    /// A post as somebody wrote it, split into words as a corpus was. A model knows how its own
    /// was: [`Predictor::post`](crate::Predictor::post).
    pub fn split(text: impl Into<String>, convention: &WordConvention) -> Self {
        let text = text.into();
        let found = split(&text, convention);
        let (words, bytes) = found.into_iter().map(|word| (word.text.to_owned(), word.bytes)).unzip();
        Self { words, bytes, text, ..Self::default() }
    }

    /// A post whose words are known. Its text is the words, joined by single spaces.
    pub fn from_words(words: Vec<String>) -> Self {
        let mut text = String::with_capacity(words.iter().map(|word| word.len() + 1).sum());
        let mut bytes = Vec::with_capacity(words.len());
        for word in &words {
            if !bytes.is_empty() {
                text.push(' ');
            }
            bytes.push(text.len()..text.len() + word.len());
            text.push_str(word);
        }
        Self { text, words, bytes, ..Self::default() }
    }

    /// A post whose text and words are known, with nothing but white space around the words.
    ///
    /// # Errors
    /// [`Error::WordNotInText`] for the first word that does not follow those before it in the
    /// text, [`Error::TextAfterWords`] for a text that goes on after the last.
    pub fn from_words_of(text: impl Into<String>, words: Vec<String>) -> Result<Self> {
        let text = text.into();
        let located = locate(&words, &text).map_err(|i| match words.get(i) {
            Some(word) => Error::WordNotInText { word: word.clone() },
            None => Error::TextAfterWords,
        })?;
        let bytes = located.into_iter().map(|word| word.bytes).collect();
        Ok(Self { text, words, bytes, ..Self::default() })
    }

    /// The post of a record of some file ([`smvae_data::formats`]): its words if it has some, else
    /// its text, split by a convention. Image id and caption are those of the record.
    ///
    /// # Errors
    /// [`Error::WordNotInText`] and [`Error::TextAfterWords`] for a record whose text does not hold
    /// its words, or holds more than them.
    pub fn of_record(record: &PostRecord, convention: &WordConvention) -> Result<Self> {
        let mut post = match &record.body {
            Body::Text(text) => Self::split(text.as_str(), convention),
            // A text of another type than a string is a field like any other.
            Body::Words(words) => match record.fields.read::<String>("text").ok().flatten() {
                Some(text) => Self::from_words_of(text, words.clone())?,
                None => Self::from_words(words.clone()),
            },
        };
        post.image_id.clone_from(&record.image);
        post.caption.clone_from(&record.caption);
        Ok(post)
    }

    /// The same post with the id of its image.
    pub fn with_image(self, id: impl Into<String>) -> Self {
        Self { image_id: Some(id.into()), ..self }
    }

    /// The same post with what its image shows, in words.
    pub fn with_caption(self, caption: impl Into<String>) -> Self {
        Self { caption: Some(caption.into()), ..self }
    }

    /// The same post with its image, as it was looked up by the id. A vector counts before those
    /// that the model was given, and is not shuffled by a run that shuffles images; a run that
    /// reads images as zeros reads this one so, too. One that is not as wide as the model's image
    /// vectors counts as missing.
    pub fn with_picture(self, picture: Picture) -> Self {
        Self { picture: Some(picture), ..self }
    }

    /// Why its image cannot be used, where that is known: such an image is missing.
    pub fn image_error(&self) -> Option<&str> {
        match &self.picture {
            Some(Picture::Bad(reason)) => Some(reason),
            _ => None,
        }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its words, in order.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The bytes of each word in the text.
    pub fn word_bytes(&self) -> &[Range<usize>] {
        &self.bytes
    }

    /// About how many pieces it has with the caption that is read with it, its own or another;
    /// found without a tokenizer. Batches and queues are measured by it.
    #[doc(hidden)]
    pub fn weight(&self, caption: Option<&str>) -> usize {
        let word = |word: &String| 1 + word.len().min(MOST_BYTES_OF_A_WORD) / BYTES_OF_A_PIECE;
        let caption = caption.map_or(0, |caption| caption.len().min(MOST_BYTES_OF_A_CAPTION) / BYTES_OF_A_PIECE);
        // Two pieces stand around every text.
        2 + caption + self.words.iter().map(word).sum::<usize>()
    }

    /// A span of words as characters of the text, and that part of the text.
    ///
    /// # Panics
    /// If the span is empty or ends after the last word.
    pub fn mention(&self, words: Span) -> Mention {
        self.mentions().at(words)
    }

    /// What tells the mentions of many spans without counting the text again for each.
    pub(crate) fn mentions(&self) -> Mentions<'_> {
        Mentions { post: self, bytes: 0, chars: 0 }
    }
}

/// Mentions of a post. Those of spans that are ordered by first word take one pass over the text in
/// all.
pub(crate) struct Mentions<'a> {
    post: &'a Post,
    /// How far the text is counted.
    bytes: usize,
    chars: usize,
}

impl Mentions<'_> {
    /// As [`Post::mention`].
    pub(crate) fn at(&mut self, words: Span) -> Mention {
        let Post { text, bytes, .. } = self.post;
        let bytes = bytes[words.start].start..bytes[words.end - 1].end;
        if bytes.start < self.bytes {
            (self.bytes, self.chars) = (0, 0);
        }
        self.chars += text[self.bytes..bytes.start].chars().count();
        self.bytes = bytes.start;
        let text = &text[bytes];
        Mention { start: self.chars, end: self.chars + text.chars().count(), text: text.to_owned() }
    }
}

impl From<&Sample> for Post {
    fn from(sample: &Sample) -> Self {
        let (image_id, caption) = (sample.image().map(str::to_owned), sample.caption.clone());
        Self { image_id, caption, ..Self::from_words(sample.words.clone()) }
    }
}

/// Where a span stands in a text: `text[start..end]` in characters is the mention's own text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mention {
    /// First character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// The characters from `start` to `end`.
    pub text: String,
}

/// Whatever has words and perhaps an image: a post, or a sample of a corpus.
pub(crate) trait Words {
    /// Its words.
    fn words(&self) -> &[String];
    /// Id of its image.
    fn image_id(&self) -> Option<&str>;
    /// The vector of its image, where it came with the post.
    fn image_vector(&self) -> Option<&Arc<[f32]>>;
    /// Its own caption.
    fn caption(&self) -> Option<&str>;
}

impl<T: Words + ?Sized> Words for &T {
    fn words(&self) -> &[String] {
        T::words(self)
    }

    fn image_id(&self) -> Option<&str> {
        T::image_id(self)
    }

    fn image_vector(&self) -> Option<&Arc<[f32]>> {
        T::image_vector(self)
    }

    fn caption(&self) -> Option<&str> {
        T::caption(self)
    }
}

impl Words for Post {
    fn words(&self) -> &[String] {
        &self.words
    }

    fn image_id(&self) -> Option<&str> {
        self.image_id.as_deref()
    }

    fn image_vector(&self) -> Option<&Arc<[f32]>> {
        match &self.picture {
            Some(Picture::Vector(vector)) => Some(vector),
            _ => None,
        }
    }

    fn caption(&self) -> Option<&str> {
        self.caption.as_deref().filter(|caption| !caption.trim().is_empty())
    }
}

impl Words for Sample {
    fn words(&self) -> &[String] {
        &self.words
    }

    fn image_id(&self) -> Option<&str> {
        self.image()
    }

    fn image_vector(&self) -> Option<&Arc<[f32]>> {
        None
    }

    fn caption(&self) -> Option<&str> {
        self.caption()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(post: &Post, words: Range<usize>, want: (usize, usize, &str)) {
        let mention = post.mention(Span::new(words.start, words.end));
        assert_eq!((mention.start, mention.end, mention.text.as_str()), want);
        let chars: String = post.text().chars().skip(mention.start).take(mention.end - mention.start).collect();
        assert_eq!(chars, mention.text);
    }

    #[test]
    fn mentions_are_parts_of_the_text_as_it_was_given() {
        let post = Post::split("🎉 in\r\nSa\u{303}o  Paulo, #Oslo!", &WordConvention::default());
        check(&post, 0..1, (0, 1, "🎉"));
        check(&post, 2..4, (6, 17, "Sa\u{303}o  Paulo"));
        check(&post, post.words().len() - 1..post.words().len(), (24, 25, "!"));
        check(&Post::from_words(vec!["Zoë".to_owned(), "x".to_owned()]), 1..2, (4, 5, "x"));
        // In whatever order.
        let mut mentions = post.mentions();
        for words in [0..1, 2..4, 2..3, 4..5, 0..2] {
            let words = Span::new(words.start, words.end);
            assert_eq!(mentions.at(words), post.mention(words));
        }
    }

    #[test]
    fn a_post_weighs_about_as_much_as_it_has_pieces() {
        let check = |words: &[&str], caption: Option<&str>, want: usize| {
            let post = Post::from_words(words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(post.weight(caption), want, "{words:?} {caption:?}");
        };
        check(&[], None, 2);
        check(&["a"], None, 3);
        check(&["Oslo", "Paris"], None, 5);
        check(&["a"], Some("ten bytes."), 5);
        check(&["a"], Some(&"x".repeat(9000)), 63);
        check(&[&"x".repeat(9000)], None, 9);
    }

    #[test]
    fn words_are_found_in_their_text() {
        let words = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let post = Post::from_words_of("(Oslo), Oslo!", words("( Oslo ) , Oslo !")).expect("they are there");
        check(&post, 4..5, (8, 12, "Oslo"));
        check(&post, 0..3, (0, 6, "(Oslo)"));
        let error = Post::from_words_of("a b", words("b a")).expect_err("another order").to_string();
        assert_eq!(error, "the text does not hold the words in their order: \"b\" is missing");
        // Not the first letter of another word.
        assert!(Post::from_words_of("Paris a", words("a")).is_err());
        assert!(matches!(Post::from_words_of("a b", words("a")), Err(Error::TextAfterWords)));
        assert_eq!(Post::from_words_of("", Vec::new()).expect("nothing is in nothing").words(), [""; 0]);
    }
}
