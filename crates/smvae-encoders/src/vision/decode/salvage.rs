//! What is there of a PNG that is cut or torn, as a PNG of its own: the rows that can be inflated,
//! and zeros below them, which is black or the first colour of a palette. So PIL does it where
//! truncated files are allowed.

use super::source::four_bytes;
use flate2::{Decompress, FlushDecompress, Status};

pub(super) const SIGNATURE: usize = 8;
/// Length, kind and checksum of a chunk.
pub(super) const AROUND: usize = 12;
pub(super) const END: [u8; AROUND] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42, 0x60, 0x82];

/// The most bytes of a block of a zlib stream that stores them.
const BLOCK: usize = 0xFFFF;

/// A whole file of what is there. `None` if not even a picture's data begins, or if its rows would
/// take more than `most` bytes, or more than a chunk can have.
pub(super) fn salvage(bytes: &[u8], most: u64) -> Option<Vec<u8>> {
    let number = |at: usize| four_bytes(bytes, at).map(u32::from_be_bytes);
    let (width, height) = (number(SIGNATURE + 8)?, number(SIGNATURE + 12)?);
    let &[depth, kind, _, _, interlaced] = bytes.get(SIGNATURE + 16..SIGNATURE + 21)? else { return None };
    let samples = match kind {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let row_of = |pixels: u32| 1 + (u64::from(pixels) * u64::from(depth) * samples).div_ceil(8);
    let passes = if interlaced == 0 { vec![(height, width)] } else { passes(width, height).to_vec() };
    let sizes = passes.iter().map(|(rows, pixels)| u64::from(*rows).checked_mul(row_of(*pixels)));
    let size = sizes.sum::<Option<u64>>().filter(|size| *size <= most)?;
    // Two bytes begin the stream, five each block, and a checksum of four ends it.
    let length = size.checked_add(2 + 5 * size.div_ceil(BLOCK as u64) + 4)?;
    let length = u32::try_from(length).ok().filter(|length| *length < 1 << 31)?;
    let size = size as usize;

    let (start, data) = data(bytes)?;
    let mut rows = inflate(&data, size);
    // A row that is not all there is left out.
    let mut whole = 0;
    let lengths = passes.iter().flat_map(|(rows, pixels)| std::iter::repeat_n(row_of(*pixels), *rows as usize));
    for length in lengths {
        // Each begins with the way in which it is filtered, of which there are five.
        if whole + length as usize > rows.len() || rows[whole] > 4 {
            break;
        }
        whole += length as usize;
    }
    rows.truncate(whole);
    rows.resize(size, 0);
    Some(file_of(&bytes[..start], length, &rows))
}

/// A file of what comes before the data, one chunk of so many bytes that stores the rows, and an
/// end. Checksums are zeros, since the decoder does not look at them.
fn file_of(head: &[u8], length: u32, rows: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(head.len() + length as usize + 2 * AROUND);
    file.extend(head);
    file.extend(length.to_be_bytes());
    file.extend(b"IDAT\x78\x01");
    let mut blocks = rows.chunks(BLOCK).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        file.push(u8::from(blocks.peek().is_none()));
        file.extend(length.to_le_bytes());
        file.extend((!length).to_le_bytes());
        file.extend(block);
    }
    // Of the stream and of the chunk.
    file.extend([0; 8]);
    file.extend(END);
    file
}

/// Where the first chunk of data begins, and what is there of the data of all of them.
fn data(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (mut at, mut start, mut data) = (SIGNATURE, None, Vec::new());
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if &head[4..] == b"IDAT" {
            start.get_or_insert(at);
            let rest = &bytes[at + 8..];
            data.extend(&rest[..length.min(rest.len())]);
        } else if start.is_some() {
            break;
        }
        at = at.checked_add(length)?.checked_add(AROUND)?;
    }
    Some((start?, data))
}

/// What compressed bytes give until they end, make no sense, or have given `most` bytes.
fn inflate(data: &[u8], most: usize) -> Vec<u8> {
    let mut inflater = Decompress::new(true);
    let mut out = vec![0; most];
    let (mut from, mut to) = (0, 0);
    while to < most {
        // One byte at a time, since a call that ends in an error loses what it has inflated.
        let Some(byte) = data.get(from..from + 1) else { break };
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let status = inflater.decompress(byte, &mut out[to..], FlushDecompress::None);
        from += (inflater.total_in() - read) as usize;
        to += (inflater.total_out() - written) as usize;
        if !matches!(status, Ok(Status::Ok | Status::BufError)) {
            break;
        }
        if inflater.total_in() == read && inflater.total_out() == written {
            break;
        }
    }
    out.truncate(to);
    out
}

/// Rows of the seven passes of an interlaced picture, and pixels of each; passes without pixels
/// have no rows.
pub(super) fn passes(width: u32, height: u32) -> [(u32, u32); 7] {
    let starts = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    starts.map(|(left, top, across, down): (u32, u32, u32, u32)| {
        let pixels = width.saturating_sub(left).div_ceil(across);
        (height.saturating_sub(top).div_ceil(down) * u32::from(pixels > 0), pixels)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of grey pixels that ends where its data would begin.
    fn torn(width: u32, height: u32) -> Vec<u8> {
        let signature = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n'];
        let header = [13u32.to_be_bytes(), *b"IHDR", width.to_be_bytes(), height.to_be_bytes()].concat();
        [signature.as_slice(), &header, &[8, 0, 0, 0, 0], &[0; 4], &[0, 0, 0, 9], b"IDAT"].concat()
    }

    #[test]
    fn a_file_has_the_length_that_it_says() {
        let check = |width: u32, height: u32| {
            let (torn, rows) = (torn(width, height), (width as usize + 1) * height as usize);
            let file = salvage(&torn, u64::MAX).expect("its data begins");
            let at = torn.len() - 8;
            let length = four_bytes(&file, at).map(u32::from_be_bytes).expect("a length") as usize;
            assert_eq!(file.len(), at + length + 2 * AROUND, "{width} x {height}");
            assert_eq!(length, rows + 6 + 5 * rows.div_ceil(BLOCK), "{width} x {height}");
        };
        check(1, 1);
        check(BLOCK as u32 - 1, 1);
        check(BLOCK as u32, 1);
        check(300, 500);
    }

    #[test]
    fn what_does_not_fit_a_chunk_is_not_salvaged() {
        assert!(salvage(&torn(65_535, 65_535), u64::MAX).is_none());
        assert!(salvage(&torn(30, 30), 31 * 30 - 1).is_none());
        assert!(salvage(&torn(30, 30), 31 * 30).is_some());
    }
}
