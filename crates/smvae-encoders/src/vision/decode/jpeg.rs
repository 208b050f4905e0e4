//! JPEG: what its header says, whether it is whole, and which decoder is right for it.
//!
//! zune-jpeg, beneath `image`, is the fast one. Where chroma is sampled finer than luma, or colours
//! that are sampled more coarsely have scans of their own (one after the other, not progressive),
//! it is wrong (version 0.5.15), and jpeg-decoder is right, at 0.7 to 1.3 times the speed. Neither
//! does what libjpeg does where a row has two to four pixels and chroma half of them; those are
//! refused.
//!
//! A file is whole if its end marker is reached, as libjpeg beneath PIL has it: what is damaged
//! between the first scan and the end is decoded as well as it can be, by both.

use super::source::{Image, ImageFault, Source};
use image::codecs::jpeg::JpegDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageError, RgbImage};
use jpeg_decoder::PixelFormat;
use std::borrow::Cow;
use std::io::Cursor;

/// What comes before the first scan, and how the file ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Header {
    /// The marker of the frame: the kind of coding.
    frame: u8,
    /// Bits of a sample.
    precision: u8,
    width: u16,
    /// Across and down, of each component.
    sampling: Vec<(u8, u8)>,
    has_scan: bool,
    /// Whether a scan lacks some of the components.
    has_separate_scans: bool,
    /// Whether the end marker is reached.
    reaches_end: bool,
    /// How many bytes make sense: those up to a segment that is not all there.
    intact: usize,
}

const PROGRESSIVE: u8 = 0xC2;
const END: u8 = 0xD9;
const SCAN: u8 = 0xDA;

pub(super) fn decode(source: &Source<'_>) -> Result<Image, ImageFault> {
    let header = Header::read(source.bytes);
    header.check(source)?;
    let bytes = if header.reaches_end {
        Cow::Borrowed(source.bytes)
    } else if source.reading.allow_truncated && header.has_scan {
        // As PIL does: what was decoded until here stays.
        Cow::Owned([&source.bytes[..header.intact], &[0xFF, END]].concat())
    } else {
        return Err(source.truncated());
    };
    if header.is_unusual() {
        general(&bytes, source)
    } else {
        source.decoded(JpegDecoder::new(Cursor::new(&bytes[..])))
    }
}

/// Decodes by jpeg-decoder.
fn general(bytes: &[u8], source: &Source<'_>) -> Result<Image, ImageFault> {
    let fault = |error: jpeg_decoder::Error| match error {
        jpeg_decoder::Error::Unsupported(what) => source.unsupported(format!("{what:?}")),
        jpeg_decoder::Error::Io(error) => source.damaged(ImageError::IoError(error)),
        error => source.broken(error.to_string()),
    };
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.read_info().map_err(fault)?;
    let info = decoder.info().expect("the header was read");
    source.check_pixels(info.width.into(), info.height.into())?;
    decoder.set_max_decoding_buffer_size(usize::try_from(source.most_memory()).unwrap_or(usize::MAX));
    let pixels = decoder.decode().map_err(fault)?;
    if info.pixel_format != PixelFormat::RGB24 {
        return Err(source.unsupported(format!("{:?} sampled in this way", info.pixel_format)));
    }
    let orientation = decoder.exif_data().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let pixels = RgbImage::from_raw(info.width.into(), info.height.into(), pixels);
    let pixels = pixels.ok_or_else(|| source.broken("too few pixels were decoded".to_owned()))?;
    Ok(Image { pixels: DynamicImage::ImageRgb8(pixels), orientation })
}

impl Header {
    fn read(bytes: &[u8]) -> Self {
        let mut header = Self::default();
        let intact = header.walk(bytes);
        Self { intact, ..header }
    }

    /// Goes from marker to marker, through all scans, up to the end marker or as far as it gets.
    /// Answers how many bytes make sense.
    fn walk(&mut self, bytes: &[u8]) -> usize {
        let mut at = 2;
        while let Some((marker, after)) = next_marker(bytes, at) {
            at = after;
            match marker {
                END => {
                    self.reaches_end = true;
                    return after - 2;
                }
                // Without a length: the beginning, restarts, and one that is for private use.
                0x01 | 0xD0..=0xD8 => continue,
                _ => {}
            }
            let Some(segment) = segment(bytes, at) else { return after - 2 };
            at += 2 + segment.len();
            if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) && self.frame == 0 {
                self.frame(marker, segment);
            }
            if marker == SCAN {
                self.has_scan = true;
                let lacks_some = |count: &u8| usize::from(*count) < self.sampling.len();
                self.has_separate_scans |= segment.first().is_some_and(lacks_some);
            }
        }
        bytes.len()
    }

    fn frame(&mut self, marker: u8, segment: &[u8]) {
        let &[precision, _, _, high, low, count, ref components @ ..] = segment else { return };
        (self.frame, self.precision, self.width) = (marker, precision, u16::from_be_bytes([high, low]));
        let components = components.chunks_exact(3).take(count.into());
        self.sampling = components.map(|component| (component[1] >> 4, component[1] & 15)).collect();
    }

    /// Refuses what neither decoder reads, in words that say so.
    fn check(&self, source: &Source<'_>) -> Result<(), ImageFault> {
        let what = match self.frame {
            // Nothing was found, and the decoder will say what is wrong; or what decoders read.
            0 | 0xC0..=0xC2 => return self.check_samples(source),
            0xC9..=0xCB => "arithmetic coding",
            0xC3 => "lossless coding",
            _ => "hierarchical coding",
        };
        Err(source.unsupported(what.to_owned()))
    }

    fn check_samples(&self, source: &Source<'_>) -> Result<(), ImageFault> {
        if self.frame != 0 && self.precision != 8 {
            return Err(source.unsupported(format!("{} bits a sample", self.precision)));
        }
        let most = self.sampling.iter().map(|(across, _)| *across).max().unwrap_or(0);
        let halved = self.sampling.iter().any(|(across, _)| 2 * across == most);
        if halved && (2..=4).contains(&self.width) {
            let what = format!("{} pixels a row with colours sampled at every second", self.width);
            return Err(source.unsupported(what));
        }
        Ok(())
    }

    /// Whether zune-jpeg does not know it: luma has fewer samples than another component, or one of
    /// three where another has one, or the scans of a picture that is not progressive are separate.
    fn is_unusual(&self) -> bool {
        let Some((luma, others)) = self.sampling.split_first() else { return false };
        let three = self.sampling.iter().any(|(across, down)| *across == 3 || *down == 3);
        let finer = others.iter().any(|(across, down)| *across > luma.0 || *down > luma.1);
        let coarser = others.iter().any(|sampling| sampling != luma);
        three || finer || coarser && self.has_separate_scans && self.frame != PROGRESSIVE
    }
}

/// What a marker begins, whose length is at `at`. `None` if it is not all there.
fn segment(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let length = u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
    bytes.get(at + 2..at + usize::from(length))
}

/// The first marker from `at` on and where what follows it begins; coded data is passed over.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        // Whole blocks at once, in which such a byte is rare.
        let has_marker = |block: &[u8; 32]| block.iter().fold(false, |found, byte| found | (*byte == 0xFF));
        while bytes.get(at..)?.first_chunk().is_some_and(|block| !has_marker(block)) {
            at += 32;
        }
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
        match bytes.get(at + 1)? {
            // Filled up with more of the same.
            0xFF => at += 1,
            // One of coded data.
            0x00 => at += 2,
            marker => return Some((*marker, at + 2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of one frame, then what is given.
    fn file(marker: u8, width: u8, sampling: &[u8], rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0xD8, 0xFF, marker, 0, 8 + 3 * sampling.len() as u8, 8, 0, 9, 0, width];
        bytes.push(sampling.len() as u8);
        sampling.iter().enumerate().for_each(|(i, sampling)| bytes.extend([i as u8, *sampling, 0]));
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn a_header_is_read_up_to_the_end_marker() {
        let check = |rest: &[u8], has_scan: bool, reaches_end: bool| {
            let header = Header::read(&file(0xC0, 9, &[0x22, 0x11, 0x11], rest));
            let want = Header {
                frame: 0xC0,
                precision: 8,
                width: 9,
                sampling: vec![(2, 2), (1, 1), (1, 1)],
                has_scan,
                reaches_end,
                has_separate_scans: header.has_separate_scans,
                intact: header.intact,
            };
            assert_eq!(header, want, "{rest:02X?}");
        };
        check(&[], false, false);
        check(&[0xFF, 0xDA, 0, 3, 0, 1, 2, 3], true, false);
        check(&[0xFF, 0xDA, 0, 3, 0, 1, 2, 3, 0xFF, 0xD9], true, true);
        // A byte of data, a restart, filling, another scan, something behind the end.
        check(&[0xFF, 0xDA, 0, 3, 0, 0xFF, 0, 0xFF, 0xD0, 7, 0xFF, 0xFF, 0xDA, 0, 2, 0xFF, 0xD9, 5], true, true);
        // A segment that claims more than there is.
        let torn = [0xFF, 0xDA, 0, 3, 0, 0xFF, 0xC4, 9, 9, 0xFF, 0xD9];
        check(&torn, true, false);
        let torn = file(0xC0, 9, &[0x11], &torn);
        assert_eq!(Header::read(&torn).intact, torn.len() - 6, "what comes before it");
        let mut long = vec![0xFF, 0xDA, 0, 2];
        long.extend([0; 1000]);
        check(&long, true, false);
        check(&[long, vec![0xFF, 0xD9]].concat(), true, true);
    }

    #[test]
    fn the_usual_is_told_from_the_unusual() {
        let check = |sampling: &[u8], want: bool| {
            let header = Header::read(&file(0xC0, 9, sampling, &[]));
            assert_eq!(header.is_unusual(), want, "{sampling:02X?}");
        };
        check(&[], false);
        check(&[0x11], false);
        check(&[0x22, 0x11, 0x11], false);
        check(&[0x22, 0x22, 0x22], false);
        check(&[0x11, 0x22, 0x22], true);
        check(&[0x11, 0x11, 0x12], true);
        check(&[0x31, 0x11, 0x11], true);
        let scans = |frame: u8, sampling: &[u8], components: u8, want: bool| {
            let header = Header::read(&file(frame, 9, sampling, &[0xFF, SCAN, 0, 3, components, 0xFF, END]));
            assert_eq!(header.is_unusual(), want, "{frame:02X}, {sampling:02X?}, {components} of them");
        };
        scans(0xC0, &[0x22, 0x11, 0x11], 3, false);
        scans(0xC0, &[0x22, 0x11, 0x11], 1, true);
        scans(0xC1, &[0x21, 0x11, 0x11], 2, true);
        scans(0xC2, &[0x22, 0x11, 0x11], 1, false);
        scans(0xC0, &[0x11, 0x11, 0x11], 1, false);
        scans(0xC0, &[0x22], 1, false);
    }
}
