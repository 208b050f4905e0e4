//! PNG: every row or none, whatever comes after the last one.
//!
//! As PIL does it: checksums of what stands before the picture are checked, those of the picture
//! and what follows are not, and a file that ends once the last row is there is whole. What there
//! is of another is `salvage`.

use super::salvage::{AROUND, END, SIGNATURE, passes, salvage};
use super::source::{Image, ImageFault, Source};
use ::png::{
    BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, InterlaceInfo, Reader, Transformations,
    expand_interlaced_row,
};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer};
use std::borrow::Cow;
use std::io::Cursor;

type Bytes<'a> = Cursor<&'a [u8]>;

pub(super) fn decode(source: &Source<'_>) -> Result<Image, ImageFault> {
    let fault = |error: DecodingError| fault(source, error);
    let lenient = source.reading.allow_truncated;
    let mut options = DecodeOptions::default();
    options.set_skip_ancillary_crc_failures(lenient);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut header = Decoder::new_with_options(Cursor::new(source.bytes), options.clone());
    let info = header.read_header_info().map_err(fault)?;
    source.check_pixels(info.width, info.height)?;
    header.read_info().map_err(fault)?;

    options.set_ignore_checksums(true);
    match body(source, &with_end(source.bytes), options.clone()) {
        Err(fault) if lenient => {
            salvage(source.bytes, source.most_memory()).map_or(Err(fault), |rest| body(source, &rest, options))
        }
        read => read,
    }
}

/// Decodes a file whose header is good.
fn body(source: &Source<'_>, bytes: &[u8], options: DecodeOptions) -> Result<Image, ImageFault> {
    let fault = |error: DecodingError| fault(source, error);
    let mut decoder = Decoder::new_with_options(Bytes::new(bytes), options);
    decoder.set_limits(::png::Limits { bytes: usize::try_from(source.most_memory()).unwrap_or(usize::MAX) });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(fault)?;
    let size = reader.output_buffer_size().ok_or_else(|| source.broken("it is too large".to_owned()))?;
    let mut samples = vec![0; size];
    rows(&mut reader, &mut samples).map_err(fault)?;
    let exif = reader.info().exif_metadata.as_deref();
    let orientation = exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let (width, height) = reader.info().size();
    let pixels = pixels_of(width, height, reader.output_color_type(), samples);
    let pixels = pixels.ok_or_else(|| source.unsupported(format!("{:?}", reader.output_color_type())))?;
    Ok(Image { pixels, orientation })
}

fn fault(source: &Source<'_>, error: DecodingError) -> ImageFault {
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => source.truncated(),
        error => source.broken(error.to_string()),
    }
}

/// Decodes all rows.
fn rows(reader: &mut Reader<Bytes<'_>>, samples: &mut [u8]) -> Result<(), DecodingError> {
    let (width, height) = reader.info().size();
    let stride = reader.output_line_size(width).ok_or(DecodingError::LimitsExceeded)?;
    if !reader.info().interlaced {
        for row in samples.chunks_exact_mut(stride) {
            reader.read_row(row)?;
        }
        return Ok(());
    }
    let (color, depth) = reader.output_color_type();
    let bits = color.samples() as u8 * depth as u8;
    let mut row = vec![0; stride];
    for _ in 0..passes(width, height).iter().map(|(rows, _)| rows).sum() {
        if let Some(InterlaceInfo::Adam7(place)) = reader.read_row(&mut row)? {
            expand_interlaced_row(samples, stride, &row, &place, bits);
        }
    }
    Ok(())
}

/// The bytes with an end: what is there of the last chunk of a picture, if it is cut, and the chunk
/// that ends the file, if there is none.
fn with_end(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut at = SIGNATURE;
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let whole = length.checked_add(at + AROUND).is_some_and(|end| end <= bytes.len());
        match &head[4..] {
            b"IEND" => return Cow::Borrowed(bytes),
            b"IDAT" if !whole => {
                let data = &bytes[at + 8..];
                let data = &data[..length.min(data.len())];
                let length = (data.len() as u32).to_be_bytes();
                return Cow::Owned([&bytes[..at], &length, b"IDAT", data, &[0; 4], &END].concat());
            }
            _ if !whole => break,
            _ => at += length + AROUND,
        }
    }
    Cow::Owned([&bytes[..at.min(bytes.len())], &END].concat())
}

/// An image of samples as PNG has them, the higher byte first.
fn pixels_of(width: u32, height: u32, kind: (ColorType, BitDepth), samples: Vec<u8>) -> Option<DynamicImage> {
    let wide = |samples: &[u8]| samples.as_chunks().0.iter().map(|&bytes| u16::from_be_bytes(bytes)).collect();
    Some(match kind {
        (ColorType::Grayscale, BitDepth::Eight) => {
            DynamicImage::ImageLuma8(ImageBuffer::from_raw(width, height, samples)?)
        }
        (ColorType::GrayscaleAlpha, BitDepth::Eight) => {
            DynamicImage::ImageLumaA8(ImageBuffer::from_raw(width, height, samples)?)
        }
        (ColorType::Rgb, BitDepth::Eight) => DynamicImage::ImageRgb8(ImageBuffer::from_raw(width, height, samples)?),
        (ColorType::Rgba, BitDepth::Eight) => DynamicImage::ImageRgba8(ImageBuffer::from_raw(width, height, samples)?),
        (ColorType::Grayscale, BitDepth::Sixteen) => {
            DynamicImage::ImageLuma16(ImageBuffer::from_raw(width, height, wide(&samples))?)
        }
        (ColorType::GrayscaleAlpha, BitDepth::Sixteen) => {
            DynamicImage::ImageLumaA16(ImageBuffer::from_raw(width, height, wide(&samples))?)
        }
        (ColorType::Rgb, BitDepth::Sixteen) => {
            DynamicImage::ImageRgb16(ImageBuffer::from_raw(width, height, wide(&samples))?)
        }
        (ColorType::Rgba, BitDepth::Sixteen) => {
            DynamicImage::ImageRgba16(ImageBuffer::from_raw(width, height, wide(&samples))?)
        }
        _ => return None,
    })
}
