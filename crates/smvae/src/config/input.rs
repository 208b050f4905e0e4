//! How texts and images become input.

use serde::{Deserialize, Serialize};
use smvae_core::Convention;

/// How texts and images become input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct InputConfig {
    /// How malformed tags are read. Default: [`Convention::Conlleval`].
    pub convention: Convention,
    /// Whether URLs are left out of the encoder's input. Positions always count all words. Default:
    /// true.
    pub drop_urls: bool,
    /// The most pieces that are read at once, `[CLS]` and `[SEP]` included. Training cuts later
    /// words of a post; prediction reads it in windows, unless it is asked not to. Default: 256.
    pub max_pieces: usize,
    /// The widest candidate span, in words. Default: 8.
    pub max_width: usize,
    /// Whether each dimension of the image vectors is standardised on the training split. Default:
    /// true.
    pub standardise_images: bool,
    /// Which image vector the model sees with a post. Default: its own.
    pub image: ImageUse,
    /// Which caption the model reads with a post. Default: its own.
    #[serde(skip_serializing_if = "is_default")]
    pub caption: CaptionUse,
    /// The most pieces of a caption, its separators included, that are read behind a post. No more
    /// are read than the text encoder's positions leave beside the post's own pieces. Default: 64.
    #[serde(skip_serializing_if = "is_default_limit")]
    pub max_caption_pieces: usize,
}

/// Which caption the model reads with a post, in training and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaptionUse {
    /// Its own.
    #[default]
    Own,
    /// That of another post's image ([`smvae_data::Captions::get_other`]), to measure what the
    /// right caption is worth.
    Shuffled,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const MAX_CAPTION_PIECES: usize = 64;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_default_limit(limit: &usize) -> bool {
    *limit == MAX_CAPTION_PIECES
}

/// Which image vector the model sees with a post, in training and after. All but [`ImageUse::Own`]
/// are for measuring what images are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageUse {
    /// Its own.
    #[default]
    Own,
    /// That of another post ([`smvae_data::ImageVectors::row_of_other`]).
    Shuffled,
    /// Zeros, in the place of an image that is there.
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
            caption: CaptionUse::Own,
            max_caption_pieces: MAX_CAPTION_PIECES,
        }
    }
}
