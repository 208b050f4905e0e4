//! BMP: whole if every row is there; what fills up the last one to four bytes may be missing, as in
//! PIL. Of one that is coded by runs, every pixel has to be there, in either way of reading.

use super::source::{Image, ImageFault, Source, four_bytes};
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
/// all that is missing. Bytes of anything but a plain bitmap stay as they are.
fn filled_up<'a>(source: &Source<'a>) -> Result<Cow<'a, [u8]>, ImageFault> {
    let bytes = source.bytes;
    if Runs::read(bytes).is_some_and(|runs| runs.end_early(bytes)) {
        return Err(source.truncated());
    }
    let Some(Rows { start, row_bytes, stride, count }) = Rows::read(bytes) else { return Ok(Cow::Borrowed(bytes)) };
    let end = |last: u64| stride.checked_mul(count.saturating_sub(1))?.checked_add(start + last);
    // Where the end is beyond all numbers, the decoder refuses the file.
    let (Some(needed), Some(full)) = (end(row_bytes), end(stride)) else { return Ok(Cow::Borrowed(bytes)) };
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
    // The beginning of a row that is not all there is left out, as in PIL.
    let rest = got.saturating_sub(start) % stride.max(1);
    let whole = if rest >= row_bytes { got } else { got - rest };
    let mut filled = bytes[..whole as usize].to_vec();
    filled.resize(full as usize, 0);
    Ok(Cow::Owned(filled))
}

/// A number of four bytes of the header.
fn long(bytes: &[u8], at: usize) -> Option<i32> {
    four_bytes(bytes, at).map(i32::from_le_bytes)
}

/// A bitmap that is coded by runs.
struct Runs {
    /// Where the first begins.
    start: usize,
    width: u64,
    /// Pixels of the whole image.
    n_pixels: u64,
    /// Whether a pixel has four bits, and not eight.
    four_bits: bool,
}

impl Runs {
    /// `None` for a bitmap without runs, or whose header is not all there.
    fn read(bytes: &[u8]) -> Option<Self> {
        let four_bits = match (long(bytes, 14)?, long(bytes, 30)?) {
            (12, _) => return None,
            (_, 1) => false,
            (_, 2) => true,
            _ => return None,
        };
        let width = u64::from(long(bytes, 18)?.unsigned_abs());
        let n_pixels = width.checked_mul(long(bytes, 22)?.unsigned_abs().into())?;
        Some(Self { start: long(bytes, 10)? as u32 as usize, width, n_pixels, four_bits })
    }

    /// Whether they give too few pixels, counted as PIL does.
    fn end_early(&self, bytes: &[u8]) -> bool {
        let (mut at, mut column, mut count) = (self.start, 0, 0u64);
        while count < self.n_pixels {
            let Some(&[pixels, value]) = bytes.get(at..).and_then(<[u8]>::first_chunk) else { return true };
            at += 2;
            match (pixels, value) {
                (0, 0) => (count, column) = (count.next_multiple_of(self.width), 0),
                (0, 1) => return true,
                (0, 2) => {
                    let Some(&[right, up]) = bytes.get(at..).and_then(<[u8]>::first_chunk) else { return true };
                    at += 2;
                    count += u64::from(right) + u64::from(up) * self.width;
                    column = count % self.width;
                }
                (0, plain) => {
                    let length = usize::from(if self.four_bits { plain / 2 } else { plain });
                    count += length as u64 * if self.four_bits { 2 } else { 1 };
                    column += u64::from(plain);
                    at += length;
                    if at > bytes.len() {
                        return true;
                    }
                    at += at % 2;
                }
                (run, _) => {
                    let run = u64::from(run).min(self.width.saturating_sub(column));
                    (count, column) = (count + run, column + run);
                }
            }
        }
        false
    }
}

/// Where the rows of a bitmap are.
struct Rows {
    /// Where the first begins.
    start: u64,
    /// Bytes of a row's pixels.
    row_bytes: u64,
    /// The same with what fills them up to a multiple of four.
    stride: u64,
    /// How many there are.
    count: u64,
}

impl Rows {
    /// `None` for a bitmap that is compressed, or whose header is not all there.
    fn read(bytes: &[u8]) -> Option<Self> {
        let long = |at: usize| long(bytes, at);
        let short = |at: usize| bytes.get(at..at + 2).map(|b| u64::from(u16::from_le_bytes([b[0], b[1]])));
        let start = u64::from(long(10)? as u32);
        let (width, count, bits) = if long(14)? == 12 {
            (short(18)?, short(20)?, short(24)?)
        } else {
            let is_plain = matches!(long(30)?, 0 | 3);
            if !is_plain {
                return None;
            }
            (u64::from(long(18)?.unsigned_abs()), u64::from(long(22)?.unsigned_abs()), short(28)?)
        };
        let bits = width.checked_mul(bits)?;
        Some(Self { start, row_bytes: bits.div_ceil(8), stride: bits.div_ceil(32) * 4, count })
    }
}
