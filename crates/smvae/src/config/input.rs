//! How texts and images become input.

use serde::{Deserialize, Serialize};
use smvae_core::Convention;

/// How texts and images become input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputConfig {
    /// How ill-formed tags are read.
    pub convention: Convention,
    /// Words that are URLs are left out of the encoder's input. Positions always count all words.
    pub drop_urls: bool,
    /// The most pieces of a tweet, `[CLS]` and `[SEP]` included; later words are cut.
    pub max_pieces: usize,
    /// The widest candidate span, in words.
    pub max_width: usize,
    /// Image vectors are standardised per dimension on the training split.
    pub standardise_images: bool,
    /// Which image vector a tweet is given.
    pub image: ImageUse,
}

/// Which image vector a tweet is given, in training and after: its own, but where the worth of images is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageUse {
    /// Its own.
    #[default]
    Own,
    /// That of another tweet ([`smvae_data::ImageVectors::row_of_other`]).
    Shuffled,
    /// Zeros, as an image that is there.
    Zero,
}

impl Default for InputConfig {
    fn default() -> Self {
        Self {
            convention: Convention::Conlleval,
            drop_urls: true,
            max_pieces: 256,
            max_width: 8,
            standardise_images: true,
            image: ImageUse::Own,
        }
    }
}
