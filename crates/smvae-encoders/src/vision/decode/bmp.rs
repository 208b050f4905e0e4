//! BMP: whole if every row is there; what fills up the last one to four bytes may be missing, as in
//! PIL. Of one that is coded by runs, every pixel has to be there, in either way of reading.

use super::source::{Image, ImageFault, Source};
use image::ImageDecoder as _;
use image::codecs::bmp::BmpDecoder;
use std::borrow::Cow;
use std::io::Cursor;

pub(super) fn decode(source: &Source<'_>) -> Result<Image, ImageFault> {
    let header = BmpDecoder::new(Cursor::new(source.bytes)).map_err(|e| source.damaged(e))?;
    let (width, height) = header.dimensions();
    source.check_pixels(width, height)?;
    let bytes = filled_up(source)?;
    source.decoded(BmpDecoder::new(Cursor::new(&bytes[..])))
}

/// The bytes with zeros in place of the last row's filling, or, if truncated files are allowed, of
/// all that is missing. What is not a plain bitmap is as it was.
fn filled_up<'a>(source: &Source<'a>) -> Result<Cow<'a, [u8]>, ImageFault> {
    let bytes = source.bytes;
    if runs_end_early(bytes) == Some(true) {
        return Err(source.truncated());
    }
    let Some((start, row, stride, rows)) = layout(bytes) else { return Ok(Cow::Borrowed(bytes)) };
    let end = |last: u64| stride.checked_mul(rows.saturating_sub(1))?.checked_add(start + last);
    // One without an end is for the decoder to refuse.
    let (Some(needed), Some(full)) = (end(row), end(stride)) else { return Ok(Cow::Borrowed(bytes)) };
    let got = bytes.len() as u64;
    if got >= full {
        return Ok(Cow::Borrowed(bytes));
    }
    if got < needed && !source.reading.allow_truncated {
        return Err(source.truncated());
    }
    if full > source.most_memory() {
        // The decoder says what is too large.
        return Ok(Cow::Borrowed(bytes));
    }
    // What is there of a row that is not all there goes, as it does in PIL.
    let rest = got.saturating_sub(start) % stride.max(1);
    let whole = if rest >= row { got } else { got - rest };
    let mut filled = bytes[..whole as usize].to_vec();
    filled.resize(full as usize, 0);
    Ok(Cow::Owned(filled))
}

/// Whether runs of pixels give too few, counted as PIL does. `None` for a bitmap without runs.
fn runs_end_early(bytes: &[u8]) -> Option<bool> {
    let long = |at: usize| bytes.get(at..at + 4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let four_bits = match (long(14)?, long(30)?) {
        (12, _) => return None,
        (_, 1) => false,
        (_, 2) => true,
        _ => return None,
    };
    let width = u64::from(long(18)?.unsigned_abs());
    let all = width.checked_mul(long(22)?.unsigned_abs().into())?;
    let (mut at, mut column, mut count) = (long(10)? as u32 as usize, 0, 0u64);
    while count < all {
        let Some(&[pixels, value]) = bytes.get(at..at.checked_add(2)?) else { return Some(true) };
        at += 2;
        match (pixels, value) {
            (0, 0) => (count, column) = (count.next_multiple_of(width), 0),
            (0, 1) => return Some(true),
            (0, 2) => {
                let Some(&[right, up]) = bytes.get(at..at + 2) else { return Some(true) };
                at += 2;
                count += u64::from(right) + u64::from(up) * width;
                column = count % width;
            }
            (0, plain) => {
                let length = usize::from(if four_bits { plain / 2 } else { plain });
                count += length as u64 * if four_bits { 2 } else { 1 };
                column += u64::from(plain);
                at += length;
                if at > bytes.len() {
                    return Some(true);
                }
                at += at % 2;
            }
            (run, _) => {
                let run = u64::from(run).min(width.saturating_sub(column));
                (count, column) = (count + run, column + run);
            }
        }
    }
    Some(false)
}

/// Where the rows of a bitmap begin, bytes of a row without and with its filling, and rows. `None`
/// for one that is compressed, or whose header is not all there.
fn layout(bytes: &[u8]) -> Option<(u64, u64, u64, u64)> {
    let short = |at: usize| bytes.get(at..at + 2).map(|b| u64::from(u16::from_le_bytes([b[0], b[1]])));
    let long = |at: usize| bytes.get(at..at + 4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let start = u64::from(long(10)? as u32);
    let (width, rows, bits) = if long(14)? == 12 {
        (short(18)?, short(20)?, short(24)?)
    } else {
        let is_plain = matches!(long(30)?, 0 | 3);
        if !is_plain {
            return None;
        }
        (u64::from(long(18)?.unsigned_abs()), u64::from(long(22)?.unsigned_abs()), short(28)?)
    };
    let bits = width.checked_mul(bits)?;
    Some((start, bits.div_ceil(8), bits.div_ceil(32) * 4, rows))
}
