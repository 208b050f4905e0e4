//! One file from the hub into the cache: resumed where it broke off, checked, and only then given
//! its name.
//!
//! Bytes go to `blobs/KEY.incomplete`. The file is locked, so that two programs do not write it at
//! once, and it stays when a transfer ends early; what cannot be continued is emptied, not removed,
//! since another program may be waiting for its lock. `KEY` is the digest that the hub lists.

use super::error::HubError;
use super::listing::{Progress, RemoteFile, is_hex};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many attempts in a row may bring nothing.
const ATTEMPTS: usize = 3;

/// How often a locked part is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Where files come from and go to.
pub(super) struct Transfer<'a> {
    pub agent: ureq::Agent,
    /// Address of the commit's files.
    pub address: String,
    pub token: Option<&'a str>,
    pub blobs: PathBuf,
    pub snapshot: PathBuf,
}

impl Transfer<'_> {
    /// Brings a file to the snapshot, unless it is there.
    pub(super) fn fetch(
        &self,
        file: &RemoteFile,
        on_progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), HubError> {
        if !is_plain(&file.name) {
            let why = format!("{:?} is not a file name", file.name);
            return Err(HubError::Answer { url: self.address.clone(), why });
        }
        let pointer = self.snapshot.join(&file.name);
        if is_whole(&pointer, file) {
            return Ok(());
        }
        for folder in [&self.blobs, &self.snapshot] {
            std::fs::create_dir_all(folder).map_err(io(folder))?;
        }
        let blob = self.blobs.join(self.key(file));
        if !is_whole(&blob, file) {
            self.download(file, &blob, on_progress)?;
        }
        link(&blob, &pointer).map_err(io(&pointer))
    }

    /// The blob's name: the digest that the hub lists, as other programs have it, or a name of our
    /// own where it lists none.
    fn key(&self, file: &RemoteFile) -> String {
        let commit = self.address.rsplit('/').next().unwrap_or_default();
        match Check::of(file) {
            Check::Sha256(digest) | Check::GitSha1(digest) => digest.to_owned(),
            Check::Length => format!("{commit}-{}", file.name),
        }
    }

    fn download(
        &self,
        file: &RemoteFile,
        blob: &Path,
        on_progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), HubError> {
        let mut name = blob.as_os_str().to_owned();
        name.push(".incomplete");
        let path = PathBuf::from(name);
        let mut part = OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(io(&path))?;
        lock(file, &part, &path, on_progress)?;
        if is_whole(blob, file) {
            // Another program had the lock and has fetched it meanwhile.
            return Ok(());
        }
        let mut idle = 0;
        loop {
            let before = part.metadata().map_err(io(&path))?.len();
            match self.resume(file, &mut part, &path, on_progress) {
                Ok(()) => break,
                Err(HubError::Cut { got, .. }) if got > before => idle = 0,
                Err(HubError::Cut { .. }) if idle + 1 < ATTEMPTS => idle += 1,
                Err(error) => return Err(error),
            }
        }
        if let Err(error) = check(file, &mut part, &path) {
            // Continuing cannot make it whole.
            part.set_len(0).map_err(io(&path))?;
            return Err(error);
        }
        part.sync_all().and_then(|()| std::fs::rename(&path, blob)).map_err(io(blob))
    }

    /// Appends what is missing of a part.
    fn resume(
        &self,
        file: &RemoteFile,
        part: &mut File,
        path: &Path,
        on_progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), HubError> {
        let mut done = part.seek(SeekFrom::End(0)).map_err(io(path))?;
        if file.size.is_none_or(|size| done > size) {
            // Nobody knows whether it is a part of this file.
            done = 0;
        }
        if Some(done) == file.size && done > 0 {
            return Ok(());
        }
        let (url, mut reader) = (format!("{}/{}", self.address, file.name), None);
        if done > 0 {
            // A server that sends the whole file all the same is asked again, without a range.
            reader = self.open(&url, Some(done))?;
        }
        let reader = match reader {
            Some(reader) => reader,
            None => {
                done = 0;
                part.set_len(0).map_err(io(path))?;
                let why = "it sends a range that was not asked for".to_owned();
                self.open(&url, None)?.ok_or(HubError::Answer { url, why })?
            }
        };
        // A body without an end must not fill the disk: one byte too many tells that it is not this
        // file.
        let most = file.size.map_or(u64::MAX, |size| size.saturating_sub(done).saturating_add(1));
        let (mut reader, mut buffer) = (reader.take(most), vec![0; 128 * 1024]);
        let cut = |got, source| HubError::Cut { file: file.name.clone(), got, want: file.size, source };
        loop {
            if on_progress(Progress { file: &file.name, done, total: file.size }).is_break() {
                return Err(HubError::Stopped { file: file.name.clone(), got: done, want: file.size });
            }
            let n = match reader.read(&mut buffer) {
                Ok(0) if file.size.is_some_and(|size| done < size) => return Err(cut(done, None)),
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(source) => return Err(cut(done, Some(source))),
            };
            part.write_all(&buffer[..n]).map_err(io(path))?;
            done += n as u64;
        }
    }

    /// The body of an answer; `None` if the server does not send the range that was asked for.
    fn open(&self, url: &str, from: Option<u64>) -> Result<Option<impl Read + use<>>, HubError> {
        // In compressed form a range would count other bytes.
        let mut request = self.agent.get(url).header("Accept-Encoding", "identity");
        if let Some(token) = self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(from) = from {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let unreachable =
            |source| HubError::Unreachable { endpoint: url.to_owned(), cached: None, source: Box::new(source) };
        let response = request.call().map_err(unreachable)?;
        let range = response.headers().get("Content-Range").and_then(|value| value.to_str().ok());
        let as_asked = match from {
            Some(from) => range.is_some_and(|range| range.starts_with(&format!("bytes {from}-"))),
            None => true,
        };
        match response.status().as_u16() {
            200 | 206 if as_asked => Ok(Some(response.into_body().into_reader())),
            200 | 206 | 416 if from.is_some() => Ok(None),
            status => Err(HubError::Status { url: url.to_owned(), status }),
        }
    }
}

/// Waits until no other program writes a part; `on_progress` is told how far that program is, and
/// may end the waiting.
fn lock(
    file: &RemoteFile,
    part: &File,
    path: &Path,
    on_progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<(), HubError> {
    loop {
        match part.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(io(path)(source)),
            Err(TryLockError::WouldBlock) => {}
        }
        let done = part.metadata().map_err(io(path))?.len();
        if on_progress(Progress { file: &file.name, done, total: file.size }).is_break() {
            return Err(HubError::Stopped { file: file.name.clone(), got: done, want: file.size });
        }
        std::thread::sleep(LOOK);
    }
}

/// How a file is checked, by what the hub lists of it.
enum Check<'a> {
    Sha256(&'a str),
    GitSha1(&'a str),
    /// Some mirrors list nothing else.
    Length,
}

impl<'a> Check<'a> {
    fn of(file: &'a RemoteFile) -> Self {
        match (&file.lfs, &file.git_sha1) {
            (Some(large), _) if is_hex(&large.sha256, 64) => Self::Sha256(&large.sha256),
            // The git digest of a large file is that of a pointer to it.
            (None, Some(digest)) if is_hex(digest, 40) => Self::GitSha1(digest),
            _ => Self::Length,
        }
    }
}

fn check(file: &RemoteFile, part: &mut File, path: &Path) -> Result<(), HubError> {
    let length = part.metadata().map_err(io(path))?.len();
    let damaged = |what, got: String, want: &str| {
        Err(HubError::Damaged { file: file.name.clone(), what, got, want: want.to_owned() })
    };
    if let Some(want) = file.size.filter(|size| *size != length) {
        return damaged("length", length.to_string(), &want.to_string());
    }
    part.seek(SeekFrom::Start(0)).map_err(io(path))?;
    let (what, got, want) = match Check::of(file) {
        Check::Length => return Ok(()),
        Check::Sha256(want) => ("SHA-256", digest(Sha256::new(), part).map_err(io(path))?, want),
        Check::GitSha1(want) => {
            let header = Sha1::new_with_prefix(format!("blob {length}\0"));
            ("git's SHA-1", digest(header, part).map_err(io(path))?, want)
        }
    };
    if got.eq_ignore_ascii_case(want) { Ok(()) } else { damaged(what, got, want) }
}

fn digest(mut digest: impl Digest + Write, file: &mut File) -> std::io::Result<String> {
    std::io::copy(file, &mut digest)?;
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether a file is there in its full length. Its digest was checked when it came.
fn is_whole(path: &Path, file: &RemoteFile) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && file.size.is_none_or(|size| size == found.len()))
}

/// Lets `pointer` in the snapshot be the blob, in place of what is there. Made beside it and
/// renamed, so that another program finds the old one or the new one.
fn link(blob: &Path, pointer: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = blob.file_name().expect("a key was joined to it");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let new = pointer.with_file_name(format!(".{}.{count}.link", std::process::id()));
        std::os::unix::fs::symlink(Path::new("../../blobs").join(name), &new)?;
        std::fs::rename(&new, pointer)
    }
    #[cfg(not(unix))]
    std::fs::rename(blob, pointer)
}

/// Whether a name is a file in the folder itself.
fn is_plain(name: &str) -> bool {
    Path::new(name).file_name() == Some(name.as_ref())
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> HubError + use<> {
    let path = path.to_owned();
    move |source| HubError::Io { path: path.clone(), source }
}
