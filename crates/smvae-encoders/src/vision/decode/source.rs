//! A file that is to be decoded: its limits, what decoders make of it, why it may give no image.

use crate::preprocessing::Reading;
use image::error::{DecodingError, ImageFormatHint};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageResult, Limits};

/// Limits of a file and an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeLimits {
    /// The most bytes of a file. Default: 64 MiB.
    pub bytes: u64,
    /// The most pixels of an image. Default: 64 million.
    pub pixels: u64,
}

impl Default for DecodeLimits {
    /// 64 MiB, and 64 million pixels: twice those of a good camera, and 256 MB per thread at the
    /// most common depth.
    fn default() -> Self {
        Self { bytes: 64 << 20, pixels: 64_000_000 }
    }
}

/// Why a file gives no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFault {
    /// A file without a byte.
    #[error("the file is empty")]
    Empty,
    /// A file that is too big.
    #[error("the file has {got} bytes, the limit is {limit}")]
    Bytes {
        /// Its size.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// An image that is too big.
    #[error("the image has {width} x {height} pixels, the limit is {limit} in all and {MAX_SIDE} a side")]
    Pixels {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// The limit.
        limit: u64,
    },
    /// An image of no pixels, which some formats can say.
    #[error("the {content} image has no pixels")]
    NoPixels {
        /// What the content is.
        content: &'static str,
    },
    /// A file that is not an image, or not one that can be read here.
    #[error("it is not a JPEG, PNG, GIF, WebP or BMP image")]
    Unknown,
    /// A file whose extension does not match its content.
    #[error("its extension is {extension:?}, its content {content}")]
    Extension {
        /// The extension; empty if there is none.
        extension: String,
        /// What the content is.
        content: &'static str,
    },
    /// A file that ends before its image does.
    #[error("the {content} image is damaged: the file ends before the image does")]
    Truncated {
        /// What the content is.
        content: &'static str,
    },
    /// An image of a kind that is not decoded here; it may well be whole.
    #[error("the {content} image is unsupported: {what}")]
    Unsupported {
        /// What the content is.
        content: &'static str,
        /// What of it.
        what: String,
    },
    /// A damaged image.
    #[error("the {content} image is damaged: {source}")]
    Damaged {
        /// What the content is.
        content: &'static str,
        /// Why it cannot be decoded.
        source: ImageError,
    },
}

/// The most pixels of a side, that of a JPEG: a single row of millions would take minutes to
/// resize.
pub(super) const MAX_SIDE: u32 = 65_535;

/// What the decoder of a format makes of a file.
pub(super) struct Image {
    pub(super) pixels: DynamicImage,
    pub(super) orientation: Orientation,
}

/// A file that is to be decoded.
pub(super) struct Source<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) limits: &'a DecodeLimits,
    pub(super) reading: &'a Reading,
    pub(super) format: ImageFormat,
    pub(super) content: &'static str,
}

/// The four bytes from `at` on. `None` if the file ends before them.
pub(super) fn four_bytes(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}

impl Source<'_> {
    pub(super) fn check_pixels(&self, width: u32, height: u32) -> Result<(), ImageFault> {
        let limit = self.limits.pixels;
        if u64::from(width) * u64::from(height) > limit || width.max(height) > MAX_SIDE {
            return Err(ImageFault::Pixels { width, height, limit });
        }
        if width == 0 || height == 0 {
            return Err(ImageFault::NoPixels { content: self.content });
        }
        Ok(())
    }

    /// Bytes that a decoder may take: four channels of 16 bits, twice, since some need a second
    /// copy.
    pub(super) fn most_memory(&self) -> u64 {
        self.limits.pixels.saturating_mul(16).max(1 << 20)
    }

    /// What a decoder of `image` makes of a file, within the limits.
    pub(super) fn decoded(&self, decoder: ImageResult<impl ImageDecoder>) -> Result<Image, ImageFault> {
        let fault = |error| self.damaged(error);
        let mut decoder = decoder.map_err(fault)?;
        let (width, height) = decoder.dimensions();
        self.check_pixels(width, height)?;
        let mut memory = Limits::no_limits();
        memory.max_alloc = Some(self.most_memory());
        decoder.set_limits(memory).map_err(fault)?;
        let orientation = decoder.orientation().map_err(fault)?;
        let pixels = DynamicImage::from_decoder(decoder).map_err(fault)?;
        Ok(Image { pixels, orientation })
    }

    pub(super) fn truncated(&self) -> ImageFault {
        ImageFault::Truncated { content: self.content }
    }

    pub(super) fn unsupported(&self, what: String) -> ImageFault {
        ImageFault::Unsupported { content: self.content, what }
    }

    pub(super) fn damaged(&self, source: ImageError) -> ImageFault {
        match source {
            ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => self.truncated(),
            ImageError::Unsupported(error) => self.unsupported(error.to_string()),
            source => ImageFault::Damaged { content: self.content, source },
        }
    }

    /// A damaged image, in the words of a decoder other than those of `image`.
    pub(super) fn broken(&self, why: String) -> ImageFault {
        self.damaged(ImageError::Decoding(DecodingError::new(ImageFormatHint::Exact(self.format), why)))
    }
}
