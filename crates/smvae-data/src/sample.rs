//! One tweet: its image's id, its words, its tags.

use crate::{Convention, Entity, Error, Result};
use serde::{Deserialize, Serialize};
use smvae_core::bio::read_entities;

/// One tweet as its file has it: nothing trimmed, nothing dropped, URL words included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sample {
    /// Id of the tweet's image: what follows `IMGID:`.
    pub image_id: String,
    /// Words, in order.
    pub words: Vec<String>,
    /// One BIO tag a word: `O`, `B-type` or `I-type`. [`Reader`](crate::Reader) yields no others.
    pub tags: Vec<String>,
}

impl Sample {
    /// The entities of the tags, in words `[start, end)`, by their first word.
    ///
    /// # Errors
    /// [`Error::Tags`] if a tag is none, or there are not as many as words, which cannot happen for a sample that a
    /// [`Reader`](crate::Reader) made.
    pub fn entities(&self, convention: Convention) -> Result<Vec<Entity>> {
        let (got, want) = (self.tags.len(), self.words.len());
        let read = match got == want {
            true => read_entities(&self.tags, convention),
            false => Err(smvae_core::Error::Length { op: "Sample::entities", what: "tags, one a word", got, want }),
        };
        read.map_err(|source| Error::Tags { image_id: self.image_id.clone(), source: source.into() })
    }
}

/// The gold entities of each sample, in the order of the samples.
///
/// # Errors
/// As [`Sample::entities`], for the first sample with malformed tags.
pub fn gold_entities(samples: &[Sample], convention: Convention) -> Result<Vec<Vec<Entity>>> {
    samples.iter().map(|sample| sample.entities(convention)).collect()
}
