//! PyTorch's weights: a pickle in a zip archive, read by candle once it is known to fit its file.
//!
//! candle follows the pickle's instructions and copies an object whenever the memo is used, so that
//! a few hundred bytes can ask for gigabytes. Here the same instructions are followed first, with
//! the sizes of objects in the place of objects; then the tensors' sizes are compared with the
//! file's. What is malformed otherwise is left to candle to refuse.

use smvae_core::candle_core::pickle::PthTensors;
use smvae_core::candle_core::{self, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

/// The longest pickle; that of a large language model has a megabyte.
const MAX_BYTES: u64 = 1 << 23;
/// The most objects, and characters of strings, that are copied.
const MAX_COPIED: usize = 1 << 26;
/// How deep objects lie in each other: more than a hundred times is no checkpoint.
const MAX_DEPTH: usize = 100;

/// The tensors at the top of a pickle, or below one of the names that training programs use.
///
/// # Errors
/// A file that is no archive, a pickle that asks for more than there is, no tensors.
pub(super) fn read(path: &Path) -> candle_core::Result<BTreeMap<String, Tensor>> {
    check(path)?;
    for key in [None, Some("state_dict"), Some("model")] {
        // A key that is not there is an error, which is not ours.
        let found = match PthTensors::new(path, key) {
            Ok(found) => found,
            Err(error) if key.is_none() => return Err(error),
            Err(_) => continue,
        };
        check_sizes(path, &found)?;
        let mut tensors = BTreeMap::new();
        for name in found.tensor_infos().keys() {
            if let Some(tensor) = found.get(name)? {
                tensors.insert(name.clone(), tensor);
            }
        }
        if !tensors.is_empty() {
            return Ok(tensors);
        }
    }
    candle_core::bail!("there are no tensors in it")
}

/// Compares the tensors with the file, in which they are not compressed. Some may share numbers.
fn check_sizes(path: &Path, tensors: &PthTensors) -> candle_core::Result<()> {
    let there = usize::try_from(path.metadata()?.len()).unwrap_or(usize::MAX);
    let bytes = |dims: &[usize], size: usize| dims.iter().fold(size, |n, dim| n.saturating_mul(*dim));
    let all = tensors.tensor_infos().values().map(|info| bytes(info.layout.dims(), info.dtype.size_in_bytes()));
    let wanted = all.fold(0, usize::saturating_add);
    if wanted > there.saturating_mul(4) {
        candle_core::bail!("its tensors have {wanted} bytes, the file has {there}")
    }
    Ok(())
}

/// Follows every pickle of an archive.
fn check(path: &Path) -> candle_core::Result<()> {
    let mut archive = zip::ZipArchive::new(BufReader::new(File::open(path)?)).map_err(candle_core::Error::wrap)?;
    for i in 0..archive.len() {
        let entry = archive.by_index(i).map_err(candle_core::Error::wrap)?;
        if !entry.name().map_err(candle_core::Error::wrap)?.ends_with("data.pkl") {
            continue;
        }
        let mut bytes = Vec::new();
        entry.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            candle_core::bail!("its pickle has more than {MAX_BYTES} bytes")
        }
        follow(&bytes).map_err(candle_core::Error::msg)?;
    }
    Ok(())
}

/// The size of an object: objects in it and characters of strings, and how deep they lie.
#[derive(Clone, Copy)]
struct Size {
    n: usize,
    depth: usize,
}

const ONE: Size = Size { n: 1, depth: 0 };

impl Size {
    /// Objects in another one.
    fn of(parts: impl IntoIterator<Item = Self>) -> Self {
        let add = |sum: Self, part: Self| Self {
            n: sum.n.saturating_add(part.n),
            depth: sum.depth.max(part.depth.saturating_add(1)),
        };
        parts.into_iter().fold(ONE, add)
    }
}

/// A pickle being followed.
struct Machine<'a> {
    rest: &'a [u8],
    /// `None` is a mark.
    stack: Vec<Option<Size>>,
    memo: HashMap<u32, Size>,
    copied: usize,
}

/// Follows a pickle's instructions, to its end or to one that candle does not know.
fn follow(pickle: &[u8]) -> Result<(), String> {
    let mut machine = Machine { rest: pickle, stack: Vec::new(), memo: HashMap::new(), copied: 0 };
    while machine.step().ok_or("its pickle is malformed")? {
        if machine.copied > MAX_COPIED {
            return Err(format!("its pickle copies more than {MAX_COPIED} objects"));
        }
        if machine.stack.last().is_some_and(|top| top.is_some_and(|top| top.depth > MAX_DEPTH)) {
            return Err(format!("its pickle has objects more than {MAX_DEPTH} deep in each other"));
        }
    }
    Ok(())
}

impl<'a> Machine<'a> {
    /// One instruction. Answers whether there are more; `None` if something is missing.
    fn step(&mut self) -> Option<bool> {
        match self.take(1)?[0] {
            // The protocol's version.
            0x80 => drop(self.take(1)?),
            b'N' | 0x88 | 0x89 | b')' | b']' | b'}' => self.stack.push(Some(ONE)),
            b'K' => self.number(1)?,
            b'M' => self.number(2)?,
            b'J' => self.number(4)?,
            b'G' => self.number(8)?,
            0x8a => {
                let n = usize::from(self.take(1)?[0]);
                self.number(n)?;
            }
            // A dictionary of what is above a mark, which PyTorch does not write. candle 0.11 takes
            // it for an empty one and leaves the rest on its stack: what a later one does, sizes
            // here would have to follow.
            b'd' => return None,
            // A string.
            b'X' => {
                let n = self.u32()? as usize;
                self.take(n)?;
                self.stack.push(Some(Size { n: n.saturating_add(1), depth: 0 }));
            }
            // A class: its module and its name, a line each.
            b'c' => {
                let n = self.line()?.saturating_add(self.line()?);
                self.stack.push(Some(Size { n, depth: 0 }));
            }
            b'(' => self.stack.push(None),
            b't' => {
                let parts = self.above_mark()?;
                self.stack.push(Some(Size::of(parts)));
            }
            0x85 | b'Q' => self.join(1)?,
            0x86 | b'R' | 0x81 | b'b' => self.join(2)?,
            0x87 => self.join(3)?,
            b'a' => self.add(1)?,
            b's' => self.add(2)?,
            b'u' | b'e' => {
                let parts = self.above_mark()?;
                self.put_in(parts)?;
            }
            b'h' => {
                let id = u32::from(self.take(1)?[0]);
                self.get(id)?;
            }
            b'j' => {
                let id = self.u32()?;
                self.get(id)?;
            }
            b'q' => {
                let id = u32::from(self.take(1)?[0]);
                self.keep(id)?;
            }
            b'r' => {
                let id = self.u32()?;
                self.keep(id)?;
            }
            // The end, or what candle refuses.
            _ => return Some(false),
        }
        Some(true)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn line(&mut self) -> Option<usize> {
        let n = self.rest.iter().position(|byte| *byte == b'\n')? + 1;
        self.take(n).map(<[u8]>::len)
    }

    fn number(&mut self, bytes: usize) -> Option<()> {
        self.take(bytes)?;
        self.stack.push(Some(ONE));
        Some(())
    }

    /// The sizes above the last mark, which is taken away with them.
    fn above_mark(&mut self) -> Option<Vec<Size>> {
        let mark = self.stack.iter().rposition(Option::is_none)?;
        let parts = self.stack.drain(mark..).flatten().collect();
        Some(parts)
    }

    /// Makes one object of the last `n`; a mark is as good as an object here, as it is to candle.
    fn join(&mut self, n: usize) -> Option<()> {
        let first = self.stack.len().checked_sub(n)?;
        let parts: Vec<Size> = self.stack.drain(first..).map(|part| part.unwrap_or(ONE)).collect();
        self.stack.push(Some(Size::of(parts)));
        Some(())
    }

    /// Puts the last `n` objects into the one before them.
    fn add(&mut self, n: usize) -> Option<()> {
        let first = self.stack.len().checked_sub(n)?;
        let parts: Vec<Size> = self.stack.drain(first..).map(|part| part.unwrap_or(ONE)).collect();
        self.put_in(parts)
    }

    fn put_in(&mut self, parts: Vec<Size>) -> Option<()> {
        let outer = self.stack.last_mut()?;
        let more = Size::of(parts);
        let before = outer.unwrap_or(ONE);
        *outer = Some(Size { n: before.n.saturating_add(more.n), depth: before.depth.max(more.depth) });
        Some(())
    }

    fn get(&mut self, id: u32) -> Option<()> {
        let size = *self.memo.get(&id)?;
        self.copied = self.copied.saturating_add(size.n);
        self.stack.push(Some(size));
        Some(())
    }

    fn keep(&mut self, id: u32) -> Option<()> {
        let size = self.stack.last()?.unwrap_or(ONE);
        self.copied = self.copied.saturating_add(size.n);
        self.memo.insert(id, size);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pickle: &[u8], want: Option<&str>) {
        match (follow(pickle), want) {
            (Ok(()), None) => {}
            (Err(why), Some(want)) => assert!(why.contains(want), "{why:?} does not say {want:?}"),
            (got, want) => panic!("{pickle:?}: {got:?}, not {want:?}"),
        }
    }

    #[test]
    fn what_a_pickle_asks_for_is_known_before_it_is_read() {
        // {"a": ("torch", 1)} as Python writes it, and its beginnings.
        let good = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01X\x05\x00\x00\x00torchq\x02K\x01\x86q\x03s.";
        check(good, None);
        (0..good.len()).for_each(|n| check(&good[..n], Some("malformed")));
        check(b"\x80\x02(K\x01K\x02tccollections\nOrderedDict\n)R.", None);
        // What is not known to candle is left to it.
        check(b"\x80\x04\x95", None);
        check(b"X\xff\xff\xff\xff", Some("malformed"));
        check(b"\x86.", Some("malformed"));
        check(b"\x80\x02(K\x01K\x02d.", Some("malformed"));
        // Pairs of pairs, each of what was made before: twice as many objects with every line.
        let doubling = |n: usize| [b"Nq\x00".as_slice(), &b"h\x00h\x00\x86q\x00".repeat(n), b"."].concat();
        check(&doubling(15), None);
        check(&doubling(60), Some("copies more than"));
        check(&[b"N".as_slice(), &[0x85; 90], b"."].concat(), None);
        check(&[b"N".as_slice(), &[0x85; 200], b"."].concat(), Some("deep"));
    }
}
