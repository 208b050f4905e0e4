//! What is there of a PNG that is cut or torn, as a PNG of its own: the rows that can be inflated,
//! and zeros below them, which is black or the first colour of a palette. So PIL does it where
//! truncated files are allowed.

use flate2::{Decompress, FlushDecompress, Status};

pub(super) const SIGNATURE: usize = 8;
/// Length, kind and checksum of a chunk.
pub(super) const AROUND: usize = 12;
pub(super) const END: [u8; AROUND] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42, 0x60, 0x82];

/// A whole file of what is there. `None` if not even a picture's data begins, or if it would take
/// more than `most` bytes.
pub(super) fn salvage(bytes: &[u8], most: u64) -> Option<Vec<u8>> {
    let number = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
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
    let size = sizes.sum::<Option<u64>>().filter(|size| *size <= most)? as usize;

    let (start, data) = data(bytes)?;
    let mut rows = inflate(&data, size);
    // A row that is not all there goes.
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
    Some([&bytes[..start], &chunk(&stored(&rows)), &END].concat())
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

/// What comes out of compressed bytes until they end, make no sense or have given enough.
fn inflate(data: &[u8], most: usize) -> Vec<u8> {
    let mut inflater = Decompress::new(true);
    let mut out = vec![0; most];
    let (mut from, mut to) = (0, 0);
    while to < most {
        // A byte at a time, since what an error has in its hands is lost.
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

/// Bytes as a zlib stream that stores them; its checksum is not looked at.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(0xFFFF).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend([0; 4]);
    stream
}

fn chunk(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_be_bytes(), b"IDAT".as_slice(), data, &[0; 4]].concat()
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
