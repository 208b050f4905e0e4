//! GIF: the first picture, on a screen as PIL has it.
//!
//! Where the picture does not fill the screen, PIL shows the transparent colour of the picture if
//! it has one, and else the first of its colours (not the one that the file calls its background).
//! A picture that leaves the screen makes it larger. A block of data that is cut is not looked at,
//! so that a file is whole if all pixels come out of the blocks that are.

use super::source::{Image, ImageFault, Source};
use ::gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};
use image::metadata::Orientation;
use image::{DynamicImage, Rgba, RgbaImage};
use std::borrow::Cow;
use std::num::NonZeroU64;

pub(super) fn decode(source: &Source<'_>) -> Result<Image, ImageFault> {
    let fault = |error: DecodingError| match error {
        DecodingError::UnexpectedEof => source.truncated(),
        error => source.broken(error.to_string()),
    };
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(NonZeroU64::new(source.most_memory()).map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes));
    let blocks = whole_blocks(source.bytes);
    let mut decoder = options.read_info(&blocks[..]).map_err(fault)?;
    let screen = (u32::from(decoder.width()), u32::from(decoder.height()));
    source.check_pixels(screen.0, screen.1)?;
    let frame = decoder.next_frame_info().map_err(fault)?.ok_or_else(|| source.truncated())?;
    let (left, top) = (u32::from(frame.left), u32::from(frame.top));
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    let (key, interlaced) = (frame.transparent, frame.interlaced);
    let (right, bottom) = (screen.0.max(left + width), screen.1.max(top + height));
    source.check_pixels(right, bottom)?;

    let mut indices = vec![0; width as usize * height as usize];
    let whole = decoder.fill_buffer(&mut indices);
    match whole {
        Ok(true) => {}
        _ if source.reading.allow_truncated => {}
        Ok(false) => return Err(source.truncated()),
        // The blocks have an end, which is too early.
        Err(error) => return Err(fault(error)),
    }
    let palette = decoder.palette().map_err(fault)?;
    let colour = |index: u8| {
        let colour = palette.get(3 * usize::from(index)..3 * usize::from(index) + 3).unwrap_or(&[0; 3]);
        Rgba([colour[0], colour[1], colour[2], if key == Some(index) { 0 } else { 255 }])
    };
    let mut pixels = RgbaImage::from_pixel(right, bottom, colour(key.unwrap_or(0)));
    for (from, row) in indices.chunks_exact(width.max(1) as usize).enumerate() {
        let y = if interlaced { deinterlaced(from as u32, height) } else { from as u32 };
        for (x, index) in row.iter().enumerate() {
            pixels.put_pixel(left + x as u32, top + y, colour(*index));
        }
    }
    Ok(Image { pixels: DynamicImage::ImageRgba8(pixels), orientation: Orientation::NoTransforms })
}

/// Where the row is that is stored as the `stored`th of an interlaced picture.
fn deinterlaced(mut stored: u32, height: u32) -> u32 {
    for (first, step) in [(0, 8), (4, 8), (2, 4), (1, 2)] {
        let rows = height.saturating_sub(first).div_ceil(step);
        if stored < rows {
            return first + stored * step;
        }
        stored -= rows;
    }
    height.saturating_sub(1)
}

/// The bytes with an end in place of the block of the picture that is cut, if one is.
fn whole_blocks(bytes: &[u8]) -> Cow<'_, [u8]> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 6 << (flags & 7) };
    let walk = || {
        let mut at = 13 + table(*bytes.get(10)?);
        loop {
            match bytes.get(at)? {
                b'!' => {
                    at += 2;
                    loop {
                        let length = usize::from(*bytes.get(at)?);
                        at += 1 + length;
                        if length == 0 {
                            break;
                        }
                    }
                }
                b',' => break,
                // The end, or what the decoder will object to.
                _ => return None,
            }
        }
        // The place of the picture, its colours, how wide codes begin.
        at += 10 + table(*bytes.get(at + 9)?) + 1;
        loop {
            match bytes.get(at).map(|length| usize::from(*length)) {
                Some(0) => return None,
                Some(length) if at + 1 + length <= bytes.len() => at += 1 + length,
                _ => return Some([bytes.get(..at)?, &[0, b';']].concat()),
            }
        }
    };
    walk().map_or(Cow::Borrowed(bytes), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interlaced_rows_have_their_places() {
        let places = |height: u32| (0..height).map(|row| deinterlaced(row, height)).collect::<Vec<_>>();
        assert_eq!(places(1), [0]);
        assert_eq!(places(5), [0, 4, 2, 1, 3]);
        assert_eq!(places(10), [0, 8, 4, 2, 6, 1, 3, 5, 7, 9]);
    }
}
