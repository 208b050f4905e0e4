//! Bytes of an image file to RGB pixels: JPEG, PNG, GIF, WebP and BMP, whatever their colours.
//!
//! Grey is repeated, a palette looked up, 16 bits become 8, transparency is dropped as PIL does
//! (the colour below it stays) or white put behind it, an animation gives its first frame. The size
//! in bytes and in pixels is checked before anything is decoded. What counts as a whole file is
//! decided here for each format as PIL decides it; `docs/pictures.md` has the table. A panic of a
//! decoder is a fault of the image that it was given.

mod bmp;
mod gif;
mod jpeg;
mod png;
mod salvage;
mod source;
mod webp;

pub use source::{DecodeLimits, ImageFault};

use crate::preprocessing::{Reading, Transparency};
use image::ImageFormat;
use smvae_core::quiet;
use source::{Image, Source};
use std::path::Path;

/// An image: `rgb` is `[height, width, 3]`, of at least one pixel. [`decode`] makes no others; a
/// function that is given one put together by hand in another way may panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue of each pixel, row by row.
    pub rgb: Vec<u8>,
}

/// The formats that are read: how they are named, and by which extensions of a file.
const FORMATS: [(ImageFormat, &str, &[&str]); 5] = [
    (ImageFormat::Jpeg, "JPEG", &["jpg", "jpeg", "jpe", "jfif"]),
    (ImageFormat::Png, "PNG", &["png"]),
    (ImageFormat::Gif, "GIF", &["gif"]),
    (ImageFormat::WebP, "WebP", &["webp"]),
    (ImageFormat::Bmp, "BMP", &["bmp", "dib"]),
];

/// Decodes an image. A panic of a decoder is caught and is [`ImageFault::Damaged`].
///
/// # Errors
/// An [`ImageFault`].
pub fn decode(bytes: &[u8], limits: &DecodeLimits, reading: &Reading) -> Result<Pixels, ImageFault> {
    check_bytes(bytes.len() as u64, limits)?;
    let (format, content) = format_of(bytes)?;
    let source = Source { bytes, limits, reading, format, content };
    guarded(&source, || pixels_of(&source))
}

/// Does what may panic, since it reads what anybody may have written: one file must not end a
/// program that reads thousands.
fn guarded<T>(source: &Source<'_>, work: impl FnOnce() -> Result<T, ImageFault>) -> Result<T, ImageFault> {
    quiet::catch(work).unwrap_or_else(|_| Err(source.broken("its decoder panics".to_owned())))
}

fn pixels_of(source: &Source<'_>) -> Result<Pixels, ImageFault> {
    let Image { mut pixels, orientation } = match source.format {
        ImageFormat::Jpeg => jpeg::decode(source),
        ImageFormat::Png => png::decode(source),
        ImageFormat::Gif => gif::decode(source),
        ImageFormat::Bmp => bmp::decode(source),
        _ => webp::decode(source),
    }?;
    if source.reading.upright {
        pixels.apply_orientation(orientation);
    }
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let rgb = match source.reading.transparency {
        Transparency::White if pixels.color().has_alpha() => on_white(&pixels.into_rgba8()),
        _ => pixels.into_rgb8().into_raw(),
    };
    Ok(Pixels { width, height, rgb })
}

/// Pixels over white, rounded as PIL's `alpha_composite` does.
fn on_white(pixels: &image::RgbaImage) -> Vec<u8> {
    let over = |colour: u8, alpha: u8| {
        let (colour, alpha) = (u32::from(colour), u32::from(alpha));
        let sum = (colour * alpha + 255 * (255 - alpha)) * 128 + (128 << 7);
        ((((sum >> 8) + sum) >> 8) >> 7) as u8
    };
    let mut rgb = Vec::with_capacity(pixels.len() / 4 * 3);
    for pixel in pixels.pixels() {
        rgb.extend([0, 1, 2].map(|channel| over(pixel[channel], pixel[3])));
    }
    rgb
}

/// Checks the size of a file, which can be known before it is read.
///
/// # Errors
/// [`ImageFault::Empty`], [`ImageFault::Bytes`].
pub fn check_bytes(got: u64, limits: &DecodeLimits) -> Result<(), ImageFault> {
    match got {
        0 => Err(ImageFault::Empty),
        _ if got > limits.bytes => Err(ImageFault::Bytes { got, limit: limits.bytes }),
        _ => Ok(()),
    }
}

/// Whether the name of a file has the extension of an image that can be read.
pub fn has_image_extension(name: &Path) -> bool {
    let extension = extension_of(name);
    FORMATS.iter().any(|(_, _, extensions)| extensions.contains(&extension.as_str()))
}

fn extension_of(name: &Path) -> String {
    name.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Checks that the extension of a file is that of its content.
///
/// # Errors
/// [`ImageFault::Extension`]; [`ImageFault::Unknown`] for content that is not an image.
pub fn check_extension(name: &Path, bytes: &[u8]) -> Result<(), ImageFault> {
    let (format, content) = format_of(bytes)?;
    let extension = extension_of(name);
    let known = FORMATS.iter().any(|(f, _, extensions)| *f == format && extensions.contains(&extension.as_str()));
    if known { Ok(()) } else { Err(ImageFault::Extension { extension, content }) }
}

/// What the content of a file is.
fn format_of(bytes: &[u8]) -> Result<(ImageFormat, &'static str), ImageFault> {
    let format = image::guess_format(bytes).map_err(|_| ImageFault::Unknown)?;
    let known = FORMATS.iter().find(|(f, ..)| *f == format);
    known.map(|(format, name, _)| (*format, *name)).ok_or(ImageFault::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_decoder_is_a_fault_of_the_image() {
        let (limits, reading) = (DecodeLimits::default(), Reading::default());
        let (format, content) = (ImageFormat::Jpeg, "JPEG");
        let source = Source { bytes: &[], limits: &limits, reading: &reading, format, content };
        let fault = guarded(&source, || -> Result<Pixels, _> { panic!("a decoder's") }).expect_err("a panic");
        assert!(matches!(fault, ImageFault::Damaged { content: "JPEG", .. }), "{fault}");
        assert!(fault.to_string().ends_with("its decoder panics"), "{fault}");
        assert_eq!(guarded(&source, || Ok(1)).expect("the next image"), 1);
        assert!(matches!(guarded::<()>(&source, || Err(source.truncated())), Err(ImageFault::Truncated { .. })));
    }

    #[test]
    fn an_image_of_no_pixels_is_none() {
        // A GIF whose screen has the given sides, with a frame of one pixel.
        let gif = |width: u8, height: u8| {
            let screen = [b"GIF89a".as_slice(), &[width, 0, height, 0, 0x80, 0, 0, 255, 255, 255, 0, 0, 0]].concat();
            [screen, b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;".to_vec()].concat()
        };
        let limits = DecodeLimits::default();
        assert_eq!(decode(&gif(1, 1), &limits, &Reading::default()).expect("one pixel").rgb.len(), 3);
        for (width, height) in [(0, 1), (1, 0), (0, 0)] {
            let fault = decode(&gif(width, height), &limits, &Reading::default()).expect_err("no pixel");
            assert!(matches!(fault, ImageFault::NoPixels { content: "GIF" }), "{width} x {height}: {fault}");
        }
    }
}
