//! Where answers go: stdout, or a file that has its name only when it is complete.
//!
//! ```text
//! found.jsonl              what was there before, until the run has succeeded
//! .found.jsonl.tmp         whole records of this run, in order; locked while it writes
//! .found.jsonl.tmp.json    what they belong to ([`Origin`](super::origin::Origin))
//! ```
//! Records are written whole: where the disk is full in the middle of one, its beginning is taken
//! back, so that a file can be continued after its last record. What ends the run early takes no
//! answer away: the file stays under its temporary name, with the end that its format has.

use super::leftover::{Continued, Leftover, continued, refuse_answers};
use super::origin::Origin;
use crate::output::{guard, unwritable};
use crate::progress::say;
use anyhow::Context as _;
use smvae::data::files::{sync_folder, write_atomically};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Bytes that are collected before they are written, where nobody waits for them.
const BUFFER: usize = 1 << 16;

/// An open output.
pub(super) struct Output {
    sink: Sink,
    /// Whole records that were not written yet, and where each of them ends.
    buffer: Vec<u8>,
    ends: Vec<usize>,
    /// Posts that were put, and records that were written whole.
    posts: usize,
    written: usize,
    /// Whether something could not be written: what is put after that has no place.
    has_failed: bool,
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
    /// Whether `--resume` can continue it.
    is_resumable: bool,
    /// Whether it has its name. Nothing has the temporary one then.
    is_finished: bool,
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
        Ok(Self::new(sink, path, None))
    }

    fn new(sink: Sink, path: &Path, renamed: Option<Renamed>) -> Self {
        let (buffer, ends, path) = (Vec::new(), Vec::new(), path.to_owned());
        Self { sink, buffer, ends, posts: 0, written: 0, has_failed: false, path, renamed }
    }

    /// Refuses a file where answers of an earlier run are left, as [`Output::file`] does, and
    /// creates nothing: this comes before models are loaded, which takes time.
    pub(super) fn check_leftover(path: &Path, is_resumable: bool) -> anyhow::Result<()> {
        if !Self::is_renamed(path) {
            return Ok(());
        }
        let renamed = Renamed::of(path, is_resumable)?;
        if !renamed.temporary.symlink_metadata().is_ok_and(|found| found.is_file()) {
            return Ok(());
        }
        // What cannot be read is told of when it is opened to be written.
        let Ok(mut file) = File::open(&renamed.temporary) else { return Ok(()) };
        if let Err(std::fs::TryLockError::WouldBlock) = file.try_lock_shared() {
            anyhow::bail!("another process is writing {}", path.display());
        }
        refuse_answers(&mut file, &renamed.temporary, renamed.is_resumable && renamed.origin.exists())
    }

    /// Opens a file under its temporary name: a new one, or after what is left of a run of the same
    /// origin, if that is asked for. Without an origin it cannot be continued later.
    pub(super) fn file(path: &Path, origin: Option<&Origin>, leftover: Leftover) -> anyhow::Result<(Self, Continued)> {
        let renamed = Renamed::of(path, origin.is_some())?;
        guard(&renamed.to)?;
        // Nothing is written through a link.
        anyhow::ensure!(!renamed.temporary.is_symlink(), "{} is a link: remove it", renamed.temporary.display());
        let mut file = renamed.open().with_context(|| unwritable(&renamed.temporary))?;
        if let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
            anyhow::bail!("another process is writing {}", path.display());
        }
        let continued = match origin {
            Some(origin) if leftover == Leftover::Continue => {
                continued(&mut file, &renamed.temporary, &renamed.origin, origin)?
            }
            _ => None,
        };
        if continued.is_none() {
            if leftover == Leftover::Refuse {
                refuse_answers(&mut file, &renamed.temporary, renamed.is_resumable && renamed.origin.exists())?;
            }
            let left = file.metadata().map_or(0, |found| found.len());
            if left > 0 {
                say(format!("{left} bytes of a run that was not finished are dropped"));
            }
            file.set_len(0).and_then(|()| file.rewind()).with_context(|| unwritable(&renamed.temporary))?;
            let _ = std::fs::remove_file(&renamed.origin);
            if let Some(origin) = origin {
                write_atomically(&renamed.origin, &origin.to_bytes())?;
            }
        }
        take_mode(&file, &renamed.to, 0o600).with_context(|| unwritable(&renamed.temporary))?;
        let continued = continued.unwrap_or_default();
        let mut output = Self::new(Sink::File(file), path, Some(renamed));
        (output.posts, output.written) = (continued.posts, continued.posts);
        Ok((output, continued))
    }

    /// Takes the whole records of one more post.
    pub(super) fn put_post(&mut self, records: &[u8]) -> anyhow::Result<()> {
        self.posts += 1;
        self.put(records)
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
        let (records, written) = self.sink.write_records(&self.buffer, &self.ends);
        self.written += records;
        self.has_failed |= written.is_err();
        self.buffer.clear();
        self.ends.clear();
        written.with_context(|| unwritable(&self.path))
    }

    /// Ends the output: a file gets its name.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        let (Some(renamed), Sink::File(file)) = (&mut self.renamed, &self.sink) else { return Ok(()) };
        take_mode(file, &renamed.to, 0)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&renamed.temporary, &renamed.to))
            .with_context(|| unwritable(&self.path))?;
        renamed.is_finished = true;
        // Without its lines it says nothing.
        let _ = std::fs::remove_file(&renamed.origin);
        sync_folder(renamed.to.parent().unwrap_or(Path::new("."))).with_context(|| unwritable(&self.path))
    }

    /// Leaves the output before the end of its input, with what is answered: a file stays under its
    /// temporary name, and `end` makes the end that its format has. Says how many posts are
    /// answered and where; `None` where no file has an answer. `is_columnar` is whether a record
    /// holds many posts, and `way` what is said of `--resume` besides.
    pub(super) fn leave(
        &mut self,
        is_columnar: bool,
        way: &str,
        end: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> Option<String> {
        // The first error is the one to report.
        let _ = self.flush();
        // What ends a file is a record as well, and no post.
        let answered = if is_columnar { self.posts } else { self.written.min(self.posts) };
        // A reader at the other end of a pipe is not to take this for all.
        if answered > 0
            && self.renamed.is_some()
            && !self.has_failed
            && let Ok(end) = end()
        {
            let _ = self.put(&end).and_then(|()| self.flush());
        }
        let renamed = self.renamed.as_ref().filter(|renamed| !renamed.is_finished && answered > 0)?;
        renamed.temporary.metadata().ok().filter(|found| found.len() > 0)?;
        let place = renamed.temporary.display();
        if is_columnar && self.has_failed {
            return Some(format!("{place} has what could be written of the answers"));
        }
        let continued = if renamed.is_resumable {
            format!(": --resume continues them{way}, as long as the input stays the same")
        } else {
            String::new()
        };
        Some(format!("{}, in {place}{continued}", are_answered(answered)))
    }

    /// Takes the output away, with what was put: a file that has its name stays as it is.
    pub(super) fn discard(&mut self) -> anyhow::Result<()> {
        self.buffer.clear();
        self.ends.clear();
        let Some(renamed) = self.renamed.take() else { return Ok(()) };
        let _ = std::fs::remove_file(&renamed.origin);
        std::fs::remove_file(&renamed.temporary).with_context(|| unwritable(&renamed.temporary))
    }

    /// Posts that are answered.
    pub(super) fn posts(&self) -> usize {
        self.posts
    }
}

impl Drop for Output {
    /// Takes away what holds nothing.
    fn drop(&mut self) {
        let Some(renamed) = self.renamed.as_ref().filter(|renamed| !renamed.is_finished) else { return };
        if renamed.temporary.metadata().is_ok_and(|found| found.len() == 0) {
            let _ = std::fs::remove_file(&renamed.temporary);
            let _ = std::fs::remove_file(&renamed.origin);
        }
    }
}

/// So many posts are answered, in words.
pub(super) fn are_answered(posts: usize) -> String {
    if posts == 1 { "1 post is answered".to_owned() } else { format!("{posts} posts are answered") }
}

impl Renamed {
    /// The names of an output.
    fn of(path: &Path, is_resumable: bool) -> anyhow::Result<Self> {
        let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
        let to = if is_link { path.canonicalize().with_context(|| unwritable(path))? } else { path.to_owned() };
        let (temporary, origin) = (beside(&to, ".tmp"), beside(&to, ".tmp.json"));
        Ok(Self { temporary, origin, to, is_resumable, is_finished: false })
    }

    /// Opens the file under its temporary name, with what is there. What it replaces may be
    /// private: a new one is, too, until it has that one's mode.
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            if self.to.exists() {
                options.mode(0o600);
            }
        }
        options.open(&self.temporary)
    }
}

/// Gives a file the mode of the one that it replaces, and these bits besides.
#[cfg(unix)]
fn take_mode(file: &File, to: &Path, besides: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(found) = to.metadata() else { return Ok(()) };
    let mode = (found.permissions().mode() & 0o777) | besides;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn take_mode(_: &File, _: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// `.NAME` and an ending, in the folder of a file.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(ending);
    path.with_file_name(name)
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
    /// Writes records that end at `ends`, and says how many of them are written; of one that cannot
    /// be written whole, nothing stays in a file.
    fn write_records(&mut self, records: &[u8], ends: &[usize]) -> (usize, io::Result<()>) {
        let file = match self {
            Self::Stdout(stdout) => {
                let written = stdout.write_all(records).and_then(|()| stdout.flush());
                return (if written.is_ok() { ends.len() } else { 0 }, written);
            }
            Self::File(file) => file,
        };
        let mut done = 0;
        while done < records.len() {
            let error: io::Error = match file.write(&records[done..]) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(n) => {
                    done += n;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let whole = ends.iter().take_while(|end| **end <= done).count();
            let length = whole.checked_sub(1).map_or(0, |last| ends[last]);
            // Only a file has a length; the first error is the one to report.
            if file.metadata().is_ok_and(|found| found.is_file())
                && let Ok(position) = file.stream_position()
            {
                let _ = file.set_len(position - (done - length) as u64);
            }
            return (whole, Err(error));
        }
        (ends.len(), Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::are_answered;

    #[test]
    fn answers_are_counted_in_words() {
        assert_eq!([0, 1, 2].map(are_answered), ["0 posts are answered", "1 post is answered", "2 posts are answered"]);
    }
}
