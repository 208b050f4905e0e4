//! One labelled post: its image's id, its words, its tags.

use crate::{Convention, Entity, Error, Result};
use serde::{Deserialize, Serialize};
use smvae_core::bio::read_entities;

/// One post as its file has it: nothing trimmed, nothing dropped, URL words included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sample {
    /// Id of the post's image, such as what follows `IMGID:`; empty if the file has none.
    pub image_id: String,
    /// Words, in order.
    pub words: Vec<String>,
    /// One BIO tag per word: `O`, `B-type` or `I-type`. Whatever reads a file yields no others.
    pub tags: Vec<String>,
    /// What its image shows, in words; `None` if its file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}

impl Sample {
    /// Id of the post's image. `None` if its file has none.
    pub fn image(&self) -> Option<&str> {
        Some(self.image_id.as_str()).filter(|id| !id.is_empty())
    }

    /// What its image shows. `None` if its file does not say it, or in white space alone.
    pub fn caption(&self) -> Option<&str> {
        self.caption.as_deref().filter(|caption| !caption.trim().is_empty())
    }

    /// The entities of the tags, in words `[start, end)`, ordered by first word.
    ///
    /// # Errors
    /// [`Error::Tags`] for a malformed tag, or another number of tags than words, which cannot
    /// happen for a sample that was read from a file.
    pub fn entities(&self, convention: Convention) -> Result<Vec<Entity>> {
        let (got, want) = (self.tags.len(), self.words.len());
        let read = if got == want {
            read_entities(&self.tags, convention)
        } else {
            Err(smvae_core::Error::Length { op: "Sample::entities", what: "tags, one per word", got, want })
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
