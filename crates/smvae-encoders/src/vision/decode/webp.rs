//! WebP: whole if there are as many bytes as its header says, in either way of reading, as libwebp
//! beneath PIL has it.

use super::source::{Image, ImageFault, Source, four_bytes};
use image::codecs::webp::WebPDecoder;
use std::io::Cursor;

pub(super) fn decode(source: &Source<'_>) -> Result<Image, ImageFault> {
    let length = four_bytes(source.bytes, 4).map(|length| u64::from(u32::from_le_bytes(length)));
    if length.is_none_or(|length| (source.bytes.len() as u64) < length + 8) {
        return Err(source.truncated());
    }
    source.decoded(WebPDecoder::new(Cursor::new(source.bytes)))
}
