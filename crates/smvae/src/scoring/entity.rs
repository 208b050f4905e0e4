//! An entity that was found, in the form that prediction, evaluation, run folders and JSON lines
//! share.
//!
//! ```text
//! {"start": 0, "end": 9, "text": "Lady Gaga", "label": "PER", "score": 0.98, "words": [0, 2]}
//! ```
//! `start`, `end`, `text`, `label` and `score` are GLiNER's names; docs/predict.md says what
//! Hugging Face's pipelines and spaCy call them.

use crate::input::post::{Mention, Post};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smvae_core::{Entity, Span};
use std::ops::Range;

/// An entity that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScoredEntity {
    /// First character of the post's text (Unicode scalar values).
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// The characters from `start` to `end`.
    pub text: String,
    /// Its label.
    pub label: String,
    /// Probability of the label, 0 to 1.
    pub score: f32,
    /// Its words, half-open, counted over all words of the post; in JSON `[from, to]`.
    #[serde(serialize_with = "as_pair", deserialize_with = "from_pair")]
    pub words: Range<usize>,
    /// Probability of every class of the model's label set, `O` first; empty where they were not
    /// kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<f32>,
}

impl ScoredEntity {
    /// The entity at these words of a post.
    pub(crate) fn new(post: &Post, words: Span, label: String, score: f32, probabilities: Vec<f32>) -> Self {
        Self::at(post.mention(words), words, label, score, probabilities)
    }

    /// The same where the mention is known.
    pub(crate) fn at(mention: Mention, words: Span, label: String, score: f32, probabilities: Vec<f32>) -> Self {
        let words = words.start..words.end;
        Self { start: mention.start, end: mention.end, text: mention.text, label, score, words, probabilities }
    }
}

impl From<&ScoredEntity> for Entity {
    fn from(found: &ScoredEntity) -> Self {
        Self::new(found.words.start, found.words.end, found.label.as_str())
    }
}

/// An entity that a corpus marks: the same form without a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GoldEntity {
    /// First character of the post's text (Unicode scalar values).
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// The characters from `start` to `end`.
    pub text: String,
    /// Its label.
    pub label: String,
    /// Its words, half-open, counted over all words of the post; in JSON `[from, to]`.
    #[serde(serialize_with = "as_pair", deserialize_with = "from_pair")]
    pub words: Range<usize>,
}

impl GoldEntity {
    /// A corpus's entity of a post.
    pub(crate) fn new(post: &Post, entity: &Entity) -> Self {
        let mention = post.mention(entity.span);
        let words = entity.span.start..entity.span.end;
        Self { start: mention.start, end: mention.end, text: mention.text, label: entity.label.clone(), words }
    }
}

impl From<&GoldEntity> for Entity {
    fn from(gold: &GoldEntity) -> Self {
        Self::new(gold.words.start, gold.words.end, gold.label.as_str())
    }
}

fn as_pair<S: Serializer>(words: &Range<usize>, serializer: S) -> Result<S::Ok, S::Error> {
    (words.start, words.end).serialize(serializer)
}

fn from_pair<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Range<usize>, D::Error> {
    let (start, end) = Deserialize::deserialize(deserializer)?;
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smvae_data::words::WordConvention;

    proptest! {
        /// Whatever is written is read again, and says where its text stands.
        #[test]
        fn what_is_written_is_read_back(
            text in "[ab é😀\"\\\\.#\u{301}\u{a0}]{0,24}", at in 0usize..8, width in 1usize..4, score in 0f32..=1.0,
            label in "[A-Z]{1,3}(-[a-z]{1,2})?", probabilities in prop::collection::vec(0f32..=1.0, 0..4),
        ) {
            let post = Post::split(text.as_str(), &WordConvention::TWITTER2017);
            let n = post.words().len();
            prop_assume!(n > 0);
            let start = at % n;
            let words = Span::new(start, (start + width).min(n));
            let found = ScoredEntity::new(&post, words, label.clone(), score, probabilities);
            let json = serde_json::to_string(&found).expect("serialises");
            prop_assert_eq!(&serde_json::from_str::<ScoredEntity>(&json).expect("its own text"), &found);
            let chars: String = text.chars().skip(found.start).take(found.end - found.start).collect();
            prop_assert_eq!(&chars, &found.text);
            prop_assert_eq!(Entity::from(&found), Entity::new(words.start, words.end, label.as_str()));
            let gold = GoldEntity::new(&post, &Entity::new(words.start, words.end, label));
            let json = serde_json::to_string(&gold).expect("serialises");
            prop_assert_eq!(serde_json::from_str::<GoldEntity>(&json).expect("its own text"), gold);
        }
    }

    #[test]
    fn the_form_is_the_documented_one_and_is_read_again() {
        let post = Post::from_words(["Lady", "Gaga", "lands"].map(str::to_owned).to_vec());
        let entity = ScoredEntity::new(&post, Span::new(0, 2), "PER".to_owned(), 0.5, Vec::new());
        let json = serde_json::to_string(&entity).expect("serialises");
        assert_eq!(json, r#"{"start":0,"end":9,"text":"Lady Gaga","label":"PER","score":0.5,"words":[0,2]}"#);
        assert_eq!(serde_json::from_str::<ScoredEntity>(&json).expect("its own text"), entity);
        let gold = GoldEntity::new(&post, &Entity::new(2, 3, "X"));
        let json = serde_json::to_string(&gold).expect("serialises");
        assert_eq!(json, r#"{"start":10,"end":15,"text":"lands","label":"X","words":[2,3]}"#);
        assert_eq!(
            Entity::from(&serde_json::from_str::<GoldEntity>(&json).expect("its own text")),
            Entity::new(2, 3, "X")
        );
    }
}
