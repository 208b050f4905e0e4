//! Where answers go: stdout, or a file that has its name only when it is complete.
//!
//! ```text
//! found.jsonl              what was there before, until the run has succeeded
//! .found.jsonl.tmp         whole records of this run, in order; locked while it writes
//! .found.jsonl.tmp.json    what they belong to ([`Origin`](super::origin::Origin))
//! ```
//! Records are written whole: where the disk is full in the middle of one, its beginning is taken
//! back, so that a file can be continued after its last record.

use super::losses::Losses;
use super::origin::Origin;
use super::writer::written;
use crate::failure::Usage;
use crate::output::{guard, unwritable};
use crate::progress::say;
use anyhow::Context as _;
use smvae::data::files::{sync_folder, write_atomically};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Bytes that are collected before they are written, where nobody waits for them.
const BUFFER: usize = 1 << 16;

/// An open output.
pub(super) struct Output {
    sink: Sink,
    /// Whole records that were not written yet, and where each of them ends.
    buffer: Vec<u8>,
    ends: Vec<usize>,
    /// As the user named it.
    path: PathBuf,
    /// `None` for stdout, a device or a pipe, which take records as they come.
    renamed: Option<Renamed>,
}

enum Sink {
    Stdout(io::Stdout),
    File(File),
}

/// A file under its temporary name.
struct Renamed {
    temporary: PathBuf,
    origin: PathBuf,
    to: PathBuf,
    /// Whether `--resume` can continue it. If not, it goes with the process.
    is_kept: bool,
}

/// What an earlier run has left in a file.
#[derive(Debug, Default)]
pub(super) struct Continued {
    /// Posts that are answered.
    pub(super) posts: usize,
    /// What was counted of them.
    pub(super) losses: Losses,
}

impl Output {
    /// Whether a path is written under a temporary name.
    pub(super) fn is_renamed(path: &Path) -> bool {
        let is_special = path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir());
        path != Path::new("-") && !is_special
    }

    /// Opens stdout, a device or a pipe.
    pub(super) fn direct(path: &Path) -> anyhow::Result<Self> {
        let sink = if path == Path::new("-") {
            stdout()
        } else {
            Sink::File(OpenOptions::new().write(true).open(path).with_context(|| unwritable(path))?)
        };
        Ok(Self { sink, buffer: Vec::new(), ends: Vec::new(), path: path.to_owned(), renamed: None })
    }

    /// Opens a file under its temporary name: a new one, or after what is left of a run of the same
    /// origin, if that is asked for. Without an origin it cannot be continued later.
    pub(super) fn file(path: &Path, origin: Option<&Origin>, resume: bool) -> anyhow::Result<(Self, Continued)> {
        let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
        let to = if is_link { path.canonicalize().with_context(|| unwritable(path))? } else { path.to_owned() };
        guard(&to)?;
        let (temporary, of_origin) = (beside(&to, ".tmp"), beside(&to, ".tmp.json"));
        let renamed = Renamed { temporary, origin: of_origin, to, is_kept: origin.is_some() };
        // Nothing is written through a link.
        anyhow::ensure!(!renamed.temporary.is_symlink(), "{} is a link: remove it", renamed.temporary.display());
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&renamed.temporary);
        let mut file = file.with_context(|| unwritable(&renamed.temporary))?;
        if let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
            anyhow::bail!("another process is writing {}", path.display());
        }
        let continued = match origin {
            Some(origin) if resume => continued(&mut file, &renamed, origin)?,
            _ => None,
        };
        if continued.is_none() {
            let left = file.metadata().map_or(0, |found| found.len());
            if left > 0 {
                say(format!("{left} bytes of a run that was not finished are dropped"));
            }
            file.set_len(0).with_context(|| unwritable(&renamed.temporary))?;
            let _ = std::fs::remove_file(&renamed.origin);
            if let Some(origin) = origin {
                write_atomically(&renamed.origin, &origin.to_bytes())?;
            }
        }
        let output = Self {
            sink: Sink::File(file),
            buffer: Vec::new(),
            ends: Vec::new(),
            path: path.to_owned(),
            renamed: Some(renamed),
        };
        Ok((output, continued.unwrap_or_default()))
    }

    /// Takes whole records; they are written when there are enough of them.
    pub(super) fn put(&mut self, records: &[u8]) -> anyhow::Result<()> {
        if !records.is_empty() {
            self.buffer.extend_from_slice(records);
            self.ends.push(self.buffer.len());
        }
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Writes what it has.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        let written = self.sink.write_records(&self.buffer, &self.ends);
        self.buffer.clear();
        self.ends.clear();
        written.with_context(|| unwritable(&self.path))
    }

    /// Ends the output: a file gets its name.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        let (Some(renamed), Sink::File(file)) = (&mut self.renamed, &self.sink) else { return Ok(()) };
        file.sync_all()
            .and_then(|()| std::fs::rename(&renamed.temporary, &renamed.to))
            .and_then(|()| sync_folder(renamed.to.parent().unwrap_or(Path::new("."))))
            .with_context(|| unwritable(&self.path))?;
        // Without its lines it says nothing.
        let _ = std::fs::remove_file(&renamed.origin);
        // Nothing has the temporary name any more.
        renamed.is_kept = true;
        Ok(())
    }

    /// Whether what was written can be continued by `--resume`.
    pub(super) fn is_kept(&self) -> bool {
        self.renamed.as_ref().is_some_and(|renamed| renamed.is_kept)
    }
}

impl Drop for Output {
    /// Takes away what nobody can continue.
    fn drop(&mut self) {
        if let Some(renamed) = self.renamed.as_ref().filter(|renamed| !renamed.is_kept) {
            let _ = std::fs::remove_file(&renamed.temporary);
        }
    }
}

/// `.NAME` and an ending, in the folder of a file.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(ending);
    path.with_file_name(name)
}

/// What is left of a run of this origin; the file is cut after its last whole record. `None` where
/// nothing is left.
fn continued(file: &mut File, renamed: &Renamed, origin: &Origin) -> anyhow::Result<Option<Continued>> {
    if file.metadata().map_or(0, |found| found.len()) == 0 {
        return Ok(None);
    }
    let name = renamed.temporary.display();
    if let Some(difference) = origin.differs_from(&renamed.origin)? {
        let message = format!("{name} cannot be continued: {difference}. Without --resume it begins anew");
        return Err(Usage(message).into());
    }
    let (mut continued, mut length) = (Continued::default(), 0);
    let mut bytes = BufReader::new(&mut *file);
    while let Some(record) = written(&mut bytes, &mut continued.losses)
        .with_context(|| format!("{name} cannot be continued. Without --resume it begins anew"))?
    {
        length += record;
        continued.posts += 1;
    }
    file.set_len(length).and_then(|()| file.seek(SeekFrom::Start(length))).with_context(|| unwritable(&renamed.to))?;
    Ok(Some(continued))
}

#[cfg(unix)]
fn stdout() -> Sink {
    use std::os::fd::AsFd as _;
    // A file of our own, because std's holds lines back in a buffer that may be written in part.
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(stdout) => Sink::File(stdout.into()),
        Err(_) => Sink::Stdout(io::stdout()),
    }
}

#[cfg(not(unix))]
fn stdout() -> Sink {
    Sink::Stdout(io::stdout())
}

impl Sink {
    /// Writes records that end at `ends`; of one that cannot be written whole, nothing stays in a
    /// file.
    fn write_records(&mut self, records: &[u8], ends: &[usize]) -> io::Result<()> {
        let file = match self {
            Self::Stdout(stdout) => return stdout.write_all(records).and_then(|()| stdout.flush()),
            Self::File(file) => file,
        };
        let mut done = 0;
        while done < records.len() {
            match file.write(&records[done..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let whole = ends.iter().copied().take_while(|end| *end <= done).last().unwrap_or(0);
                    // Only a file has a length; the first error is the one to report.
                    if file.metadata().is_ok_and(|found| found.is_file())
                        && let Ok(position) = file.stream_position()
                    {
                        let _ = file.set_len(position - (done - whole) as u64);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
