//! A journal of the vectors made so far, beside the file they are for, from which a later call
//! continues.
//!
//! ```text
//! {"version", "key", "width"}\n   then for each vector   {"id", "image", "vector"}\n and its numbers, f32
//! ```
//! `key` stands for the model, its preprocessing and what an image may be, `image` is the digest of
//! the image and `vector` that of the numbers. A journal with another key is emptied; a torn record
//! at its end is dropped; a file of that name that is no journal is refused. It is locked as long
//! as it is open: another process that makes the same vectors waits.

use crate::error::{Error, Result};
use crate::files::remove_file;
use crate::flow::Flow;
use serde::{Deserialize, Serialize};
use smvae_data::files::sha256_hex;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A journal that is open.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
    /// By id: digest of the image, and its vector.
    vectors: BTreeMap<String, (String, Vec<f32>)>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    version: u32,
    key: String,
    width: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    id: String,
    image: String,
    vector: String,
}

/// How long to wait before trying again to lock a journal that another process holds.
const WAIT: Duration = Duration::from_millis(200);

impl Journal {
    /// Opens the journal of a file of vectors. While another process has it, `on_wait` says whether
    /// to keep waiting; `None` if it stops.
    pub(super) fn open(out: &Path, key: &str, width: usize, on_wait: &mut dyn FnMut() -> Flow) -> Result<Option<Self>> {
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(".journal");
        let path = out.with_file_name(name);
        let header = Header { version: 1, key: key.to_owned(), width };
        let fault = |source| Error::Write { path: path.clone(), source };
        let mut file = loop {
            let file = OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(fault)?;
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::Error(source)) => return Err(fault(source)),
                    Err(TryLockError::WouldBlock) if on_wait() == Flow::Stop => return Ok(None),
                    Err(TryLockError::WouldBlock) => std::thread::sleep(WAIT),
                }
            }
            // Whoever had it has removed it, if its vectors are complete.
            if is_at(&file, &path) {
                break file;
            }
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| Error::Read { path: path.clone(), source })?;
        if !is_journal(&bytes) {
            return Err(Error::NotJournal { path: path.clone() });
        }
        let (vectors, valid) = parse(&bytes, &header);
        let mut begin = || {
            file.set_len(valid as u64)?;
            if valid == 0 {
                writeln!(file, "{}", json(&header))?;
            }
            Ok(())
        };
        begin().map_err(fault)?;
        Ok(Some(Self { path, file: BufWriter::new(file), vectors }))
    }

    /// Takes note of a vector that another file has; it is not written here.
    pub(super) fn know(&mut self, id: String, image: String, values: Vec<f32>) {
        self.vectors.entry(id).or_insert((image, values));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Whether there is a vector of this image, with this content.
    pub(super) fn has(&self, id: &str, image: &str) -> bool {
        self.vectors.get(id).is_some_and(|(known, _)| known == image)
    }

    /// Adds a vector, which is safe after [`Journal::flush`].
    pub(super) fn add(&mut self, id: &str, image: &str, values: &[f32]) -> Result<()> {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let record = Record { id: id.to_owned(), image: image.to_owned(), vector: sha256_hex(&bytes) };
        let mut write = || {
            writeln!(self.file, "{}", json(&record))?;
            self.file.write_all(&bytes)
        };
        write().map_err(|source| Error::Write { path: self.path.clone(), source })?;
        self.vectors.insert(record.id, (record.image, values.to_vec()));
        Ok(())
    }

    /// Hands what was added to the operating system.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Takes the vectors of these ids out.
    pub(super) fn take<'a>(&mut self, ids: impl Iterator<Item = &'a String>) -> BTreeMap<String, Vec<f32>> {
        ids.filter_map(|id| self.vectors.remove_entry(id)).map(|(id, (_, vector))| (id, vector)).collect()
    }

    /// Removes the file.
    pub(super) fn remove(self) -> Result<()> {
        remove_file(&self.path)
    }
}

/// Whether an open file is the one that has this name now.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let place = |found: std::io::Result<std::fs::Metadata>| found.map(|found| (found.dev(), found.ino())).ok();
    place(file.metadata()) == place(path.metadata())
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Whether these are the bytes of a journal, with any header, which may be torn.
fn is_journal(bytes: &[u8]) -> bool {
    const BEGIN: &[u8] = b"{\"version\":";
    let is_torn = !bytes.contains(&b'\n') && (bytes.starts_with(BEGIN) || BEGIN.starts_with(bytes));
    is_torn || line::<Header>(bytes, 0).is_some()
}

/// The vectors of a journal with this header, and how many of its bytes are whole records.
fn parse(bytes: &[u8], header: &Header) -> (BTreeMap<String, (String, Vec<f32>)>, usize) {
    let mut vectors = BTreeMap::new();
    let Some((found, mut at)) = line::<Header>(bytes, 0).filter(|(found, _)| found == header) else {
        return (vectors, 0);
    };
    while let Some((record, start)) = line::<Record>(bytes, at) {
        let Some(numbers) = bytes.get(start..start + 4 * found.width) else { break };
        if sha256_hex(numbers) != record.vector {
            break;
        }
        let values = numbers.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        vectors.insert(record.id, (record.image, values));
        at = start + 4 * found.width;
    }
    (vectors, at)
}

/// The JSON line that begins at `at`, and where the next byte is.
fn line<T: serde::de::DeserializeOwned>(bytes: &[u8], at: usize) -> Option<(T, usize)> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|b| *b == b'\n')?;
    Some((serde_json::from_slice(&rest[..end]).ok()?, at + end + 1))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have string keys and no failing parts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(out: &Path, key: &str) -> Journal {
        Journal::open(out, key, 2, &mut || Flow::Continue).expect("opens").expect("nobody else has it")
    }

    #[test]
    fn what_another_has_open_is_waited_for() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("v.safetensors");
        let mut first = Some(open(&out, "k"));
        first.as_mut().expect("open").add("a", "1", &[1.0, 2.0]).expect("writes");
        assert!(Journal::open(&out, "k", 2, &mut || Flow::Stop).expect("no error").is_none());
        let mut waited = 0;
        let second = Journal::open(&out, "k", 2, &mut || {
            waited += 1;
            drop(first.take());
            Flow::Continue
        });
        assert_eq!((second.expect("opens").expect("it is free by now").len(), waited), (1, 1));
    }

    #[test]
    fn what_was_made_is_found_again_and_a_torn_end_is_dropped() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("v.safetensors");
        let path = dir.path().join("v.safetensors.journal");
        let mut journal = open(&out, "k");
        journal.add("a", "1", &[1.0, 2.0]).expect("writes");
        journal.add("b", "2", &[3.0, 4.0]).expect("writes");
        journal.flush().expect("writes");
        drop(journal);
        let whole = std::fs::read(&path).expect("reads");
        let check = |bytes: &[u8], key: &str, want: &[&str]| {
            std::fs::write(&path, bytes).expect("writes");
            let mut journal = open(&out, key);
            let got: Vec<&str> = journal.vectors.keys().map(String::as_str).collect();
            assert_eq!(got, want);
            journal.add("c", "3", &[5.0, 6.0]).and_then(|()| journal.flush()).expect("writes");
            drop(journal);
            let again = open(&out, key);
            assert_eq!(again.len(), want.len() + 1, "what is added after a torn end is found");
        };
        check(&whole, "k", &["a", "b"]);
        check(&whole[..whole.len() - 1], "k", &["a"]);
        check(&whole[..10], "k", &[]);
        check(b"", "k", &[]);
        check(&whole, "another", &[]);
        let mut flipped = whole.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        check(&flipped, "k", &["a"]);
        let journal = open(&out, "k");
        assert!(journal.has("a", "1") && !journal.has("a", "2") && !journal.has("z", "1"));
        journal.remove().expect("removes");
        assert!(!path.exists());
        for mine in [&b"no journal"[..], b"{\"version\": 2}\n", b"{\"mine\": 1}"] {
            std::fs::write(&path, mine).expect("writes");
            let error = Journal::open(&out, "k", 2, &mut || Flow::Continue).expect_err("it is somebody's").to_string();
            assert!(error.contains("v.safetensors.journal") && error.contains("is none"), "{error}");
            assert_eq!(std::fs::read(&path).expect("reads"), mine);
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_was_removed_while_it_was_waited_for_is_begun_anew() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("v.safetensors");
        let mut first = Some(open(&out, "k"));
        let second = Journal::open(&out, "k", 2, &mut || {
            first.take().map_or(Ok(()), Journal::remove).expect("removes");
            Flow::Continue
        });
        let mut second = second.expect("opens").expect("it is free by now");
        second.add("a", "1", &[1.0, 2.0]).and_then(|()| second.flush()).expect("writes");
        drop(second);
        assert_eq!(open(&out, "k").len(), 1, "it has its name");
    }
}
