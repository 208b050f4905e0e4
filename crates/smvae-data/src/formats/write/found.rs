//! What is written: a post with what was found in it, or what went wrong with it, and how.

use smvae_core::schemes::Scheme;
use std::ops::Range;

/// An entity of a post.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundEntity<'a> {
    /// First and one past the last character of the text (Unicode scalar values).
    pub chars: Range<usize>,
    /// Those characters.
    pub text: &'a str,
    /// Its label.
    pub label: &'a str,
    /// Probability of the label, 0 to 1.
    pub score: f32,
    /// First and one past the last word; at least one.
    pub words: Range<usize>,
}

/// A post with what was found in it.
#[derive(Clone, Debug, Default)]
pub struct FoundPost<'a> {
    /// Its line or row in the input, from 1.
    pub line: usize,
    /// The id the input gives it.
    pub id: Option<&'a str>,
    /// Id or path of its image.
    pub image: Option<&'a str>,
    /// What its image shows, in words.
    pub caption: Option<&'a str>,
    /// Its text.
    pub text: &'a str,
    /// Its words, in order.
    pub words: &'a [String],
    /// The bytes of each word in the text, in order and not overlapping.
    pub places: &'a [Range<usize>],
    /// What was found, ordered by first word.
    pub entities: Vec<FoundEntity<'a>>,
    /// Other candidates above a threshold; `None` if they were not asked for.
    pub candidates: Option<Vec<FoundEntity<'a>>>,
    /// Words at the end that were not read.
    pub words_cut: usize,
    /// Whether the post names an image that was not there.
    pub image_missing: bool,
    /// What tools for labelling sort by; `None` means the score of the least certain entity.
    pub score: Option<f32>,
    /// Why somebody should label it, for the tools that show more than the text.
    pub reason: Option<&'a str>,
    /// Whether it is marked for dev.
    pub for_dev: bool,
}

impl FoundPost<'_> {
    /// Checks that places are those of the words and entities are of words, in the order that
    /// writers rely on.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.places.len() != self.words.len() {
            return Err(format!("it has {} words and {} places of words", self.words.len(), self.places.len()));
        }
        let mut end = 0;
        for place in self.places {
            if place.start < end || self.text.get(place.clone()).is_none() {
                return Err(format!("the bytes {place:?} are no word of its text, or come before the word before"));
            }
            end = place.end;
        }
        for FoundEntity { words, label, .. } in self.entities.iter().chain(self.candidates.iter().flatten()) {
            if words.is_empty() || words.end > self.words.len() {
                return Err(format!("an entity {label} is of the words {words:?}, of {}", self.words.len()));
            }
        }
        Ok(())
    }

    /// What tools for labelling sort by.
    pub(super) fn sort_score(&self) -> Option<f32> {
        self.score.or_else(|| self.entities.iter().map(|entity| entity.score).min_by(f32::total_cmp))
    }
}

/// A line or row that is no post, or could not be computed.
#[derive(Clone, Copy, Debug, Default)]
pub struct FailedPost<'a> {
    /// Its line or row in the input, from 1.
    pub line: usize,
    /// The id the input gives it, if it is known.
    pub id: Option<&'a str>,
    /// Id or path of its image, if it is known.
    pub image: Option<&'a str>,
    /// Its words; none if it is no post.
    pub words: &'a [String],
    /// What is wrong.
    pub error: &'a str,
}

/// Whose entities are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Author {
    /// A model's: tools for labelling show them to be corrected, with their scores.
    #[default]
    Model,
    /// A person's: tools for labelling take the posts as labelled, and there are no scores.
    Person,
}

/// How posts are written.
#[derive(Clone, Debug)]
pub struct WriteSettings {
    /// Whose entities they are.
    pub author: Author,
    /// The scheme of tags, where words have some.
    pub scheme: Scheme,
    /// Which model found the entities, for Label Studio.
    pub model: String,
    /// Name of the control tag of Label Studio's configuration, `<Labels name="label"
    /// toName="text">`.
    pub from_name: String,
    /// Name of its object tag, `<Text name="text" value="$text"/>`.
    pub to_name: String,
    /// Whether there is a place for [`FoundPost::candidates`], in columns.
    pub has_candidates: bool,
}

impl Default for WriteSettings {
    /// A model's entities, IOB2, and the names of Label Studio's own examples.
    fn default() -> Self {
        let [model, from_name, to_name] = ["smvae", "label", "text"].map(str::to_owned);
        Self { author: Author::Model, scheme: Scheme::Iob2, model, from_name, to_name, has_candidates: false }
    }
}
