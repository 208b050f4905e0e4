//! Digests of files, and writing that never leaves half a file.

use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// SHA-256 of some bytes, as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// SHA-256 of a file, as [`sha256_hex`] writes it.
///
/// # Errors
/// [`Error::Read`].
pub fn sha256_file(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let read = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hasher));
    read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(format!("{:x}", hasher.finalize()))
}

/// SHA-256 of a value as JSON, which is never whole in memory.
///
/// # Errors
/// A value without a JSON form.
pub fn sha256_json(value: &(impl serde::Serialize + ?Sized)) -> serde_json::Result<String> {
    let mut hasher = std::io::BufWriter::new(Sha256::new());
    serde_json::to_writer(&mut hasher, value)?;
    let hasher = hasher.into_inner().map_err(|error| serde_json::Error::io(error.into_error()))?;
    Ok(format!("{:x}", hasher.finalize()))
}

/// Makes sure that what was renamed into a folder outlasts a loss of power, where the system knows
/// how.
///
/// # Errors
/// Those of the system.
pub fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// Writes a file under a temporary name in its own folder and renames it: a reader sees the old
/// file or the new one. A link stays one, and the file it leads to is replaced; a device or a pipe
/// is written to as it is. What killed writers have left in the folder is taken away first.
///
/// # Errors
/// [`Error::Write`]; the temporary file is removed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    Waiting::write(path, bytes)?.map_or(Ok(()), Waiting::rename)
}

/// Writes files that belong together, each as [`write_atomically`] does. None is renamed until all
/// are written, and the first, without which the others are of no use, is renamed last.
///
/// # Errors
/// [`Error::Write`]; temporary files are removed, and every old file that was not replaced is
/// there.
pub fn write_together(files: &[(&Path, &[u8])]) -> Result<()> {
    rename_all(files.iter().map(|(path, bytes)| Waiting::write(path, bytes)).collect::<Result<_>>()?)
}

/// Renames files that wait, the first last. After one that fails none is renamed.
fn rename_all(waiting: Vec<Option<Waiting>>) -> Result<()> {
    waiting.into_iter().rev().flatten().try_for_each(Waiting::rename)
}

/// A file that is whole under a temporary name, and waits for its own.
struct Waiting {
    temporary: PathBuf,
    path: PathBuf,
    /// Its lock shows that the writer lives.
    _file: File,
    is_renamed: bool,
}

impl Waiting {
    /// Writes the temporary file. `None` for a device or a pipe, which is written to as it is.
    fn write(path: &Path, bytes: &[u8]) -> Result<Option<Self>> {
        let fault = |source| Error::Write { path: path.to_owned(), source };
        match path.metadata() {
            // Said before any other file is renamed.
            Ok(found) if found.is_dir() => return Err(fault(ErrorKind::IsADirectory.into())),
            Ok(found) if !found.is_file() => return std::fs::write(path, bytes).map(|()| None).map_err(fault),
            _ => {}
        }
        let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
        let path = if is_link { path.canonicalize().map_err(fault)? } else { path.to_owned() };
        take_away_leavings(folder_of(&path));
        // Two writers of one path, in one process or in two, must not share a temporary file.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.{}.new", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let temporary = path.with_file_name(name);
        match write_temporary(&temporary, &path, bytes) {
            Ok(file) => Ok(Some(Self { temporary, path, _file: file, is_renamed: false })),
            Err(source) => {
                // The first error is the one to report; the temporary file may not even exist.
                let _ = std::fs::remove_file(&temporary);
                Err(Error::Write { path, source })
            }
        }
    }

    fn rename(mut self) -> Result<()> {
        let renamed = std::fs::rename(&self.temporary, &self.path);
        self.is_renamed = renamed.is_ok();
        let renamed = renamed.and_then(|()| sync_folder(folder_of(&self.path)));
        renamed.map_err(|source| Error::Write { path: self.path.clone(), source })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_renamed {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// How old a temporary file of nobody must be: between creation and lock it looks abandoned.
const LEFT: Duration = Duration::from_secs(60);

/// Removes the temporary files of writers that were killed, which hold no lock; once in a folder,
/// since listing it takes time. Whatever fails here is no reason not to write.
fn take_away_leavings(folder: &Path) {
    static SEEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(real) = folder.canonicalize() else { return };
    if !SEEN.lock().is_ok_and(|mut seen| seen.insert(real.clone())) {
        return;
    }
    let entries = std::fs::read_dir(real).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_temporary(&entry.file_name())) {
        if is_abandoned(&entry.path()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a name is one that [`write_atomically`] gives: `.NAME.PROCESS.NUMBER.new`. The
/// ending is its own: NAME is a person's, and with `.tmp` behind it may end in two numbers.
fn is_temporary(name: &OsStr) -> bool {
    let numbers = || {
        let rest = name.to_str()?.strip_prefix('.')?.strip_suffix(".new")?;
        let (rest, number) = rest.rsplit_once('.')?;
        let (name, process) = rest.rsplit_once('.')?;
        Some((name, [process, number]))
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers().is_some_and(|(name, numbers)| !name.is_empty() && numbers.into_iter().all(is_number))
}

/// Whether a file is old and no process holds its lock.
fn is_abandoned(path: &Path) -> bool {
    let is_old = path.symlink_metadata().is_ok_and(|found| {
        found.is_file() && found.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFT))
    });
    is_old && File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

pub(crate) fn create_dir(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|source| Error::Write { path: PathBuf::from(path), source })
}

/// Creates a temporary file: what lies there is removed first, so that nothing is written through a
/// link.
///
/// # Errors
/// Those of the system.
pub fn create_anew(temporary: &Path) -> std::io::Result<File> {
    let _ = std::fs::remove_file(temporary);
    File::create_new(temporary)
}

/// Writes a file that is to replace the one at `path`.
fn write_temporary(temporary: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let mut file = create_anew(temporary)?;
    // It shows that its writer lives; where the system locks nothing, nothing is taken away either.
    let _ = file.try_lock();
    // What was private stays so.
    #[cfg(unix)]
    if let Ok(found) = path.metadata() {
        file.set_permissions(found.permissions())?;
    }
    #[cfg(not(unix))]
    let _ = path;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_sha256() {
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a");
        std::fs::write(&path, [7; 100_000]).expect("writes");
        assert_eq!(sha256_file(&path).expect("reads"), sha256_hex(&[7; 100_000]));
        let words = vec!["a"; 10_000];
        let json = serde_json::to_vec(&words).expect("serialises");
        assert_eq!(sha256_json(&words).expect("serialises"), sha256_hex(&json));
    }

    #[test]
    #[cfg(unix)]
    fn what_was_private_stays_private() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("a");
        std::fs::write(&file, "one").expect("writes");
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
        write_atomically(&file, b"two").expect("writes");
        assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    #[cfg(unix)]
    fn links_and_devices_stay_what_they_are() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (file, link) = (dir.path().join("a"), dir.path().join("link"));
        std::fs::write(&file, "one").expect("writes");
        std::os::unix::fs::symlink("a", &link).expect("a link");
        write_atomically(&link, b"two").expect("replaces");
        assert!(link.symlink_metadata().expect("there").is_symlink());
        assert_eq!(std::fs::read(&file).expect("reads"), b"two");
        let null = dir.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).expect("a link");
        write_atomically(&null, b"three").expect("it takes everything");
        assert!(!Path::new("/dev/null").metadata().expect("there").is_file());
        std::os::unix::fs::symlink("a", dir.path().join("temporary")).expect("a link");
        create_anew(&dir.path().join("temporary")).expect("in the place of the link");
        assert_eq!(std::fs::read(&file).expect("reads"), b"two");
    }

    #[test]
    fn what_killed_writers_left_is_taken_away() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let old = std::time::SystemTime::now() - 2 * LEFT;
        let put = |name: &str| {
            let file = File::create_new(dir.path().join(name)).expect("writes");
            file.set_modified(old).expect("our own file");
            file
        };
        // Those of nobody, then what has another name.
        let others = [".a.txt.new", ".found.2026.11.tmp", ".a.x.1.new", "a.1.1.new", "..1.new"];
        for name in [".a.txt.4000000.0.new", ".b.1.17.new"].into_iter().chain(others) {
            put(name);
        }
        let held = put(".c.4000000.1.new");
        held.try_lock().expect("nobody else has it");
        File::create_new(dir.path().join(".young.4000000.2.new")).expect("writes");
        write_atomically(&dir.path().join("a.txt"), b"one").expect("writes");
        let mut left: Vec<String> = std::fs::read_dir(dir.path())
            .expect("lists")
            .map(|entry| entry.expect("lists").file_name().into_string().expect("ASCII"))
            .collect();
        left.sort();
        let want = others.into_iter().chain([".c.4000000.1.new", ".young.4000000.2.new", "a.txt"]);
        let mut want: Vec<String> = want.map(str::to_owned).collect();
        want.sort();
        assert_eq!(left, want);
    }

    #[test]
    fn a_write_replaces_or_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a.txt");
        write_atomically(&path, b"one").expect("writes");
        write_atomically(&path, b"two").expect("replaces");
        assert_eq!(std::fs::read(&path).expect("reads"), b"two");
        std::fs::create_dir(dir.path().join("b")).expect("a folder in the way");
        assert!(matches!(write_atomically(&dir.path().join("b"), b"x"), Err(Error::Write { .. })));
        assert!(matches!(write_atomically(&dir.path().join("no/c"), b"x"), Err(Error::Write { .. })));
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 2);
    }

    #[test]
    fn files_that_belong_together_are_replaced_all_or_none() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| dir.path().join(name);
        let (train, test) = (at("train"), at("test"));
        let read = || [&train, &test].map(|path| std::fs::read_to_string(path).expect("reads"));
        write_together(&[(&train, b"one"), (&test, b"two")]).expect("writes");
        write_together(&[(&train, b"three"), (&test, b"four")]).expect("replaces");
        assert_eq!(read(), ["three", "four"]);
        std::fs::create_dir(at("folder")).expect("a folder in the way");
        for bad in ["folder", "no/folder"] {
            let error = write_together(&[(&train, b"five"), (&test, b"six"), (&at(bad), b"x")]).expect_err(bad);
            assert!(matches!(&error, Error::Write { path, .. } if *path == at(bad)), "{error}");
            assert_eq!(read(), ["three", "four"]);
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 3);
        write_together(&[]).expect("nothing to write");
    }

    #[test]
    fn a_rename_that_fails_leaves_the_old_first_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let [train, dev, test] = ["train", "dev", "test"].map(|name| dir.path().join(name));
        std::fs::write(&train, "old").expect("writes");
        std::fs::write(&test, "old").expect("writes");
        let waiting = [&train, &dev, &test].map(|path| Waiting::write(path, b"new").expect("writes"));
        // It is in the way since the files were written.
        std::fs::create_dir_all(dev.join("folder")).expect("writes");
        let error = rename_all(waiting.into()).expect_err("a folder in the way");
        assert!(matches!(&error, Error::Write { path, .. } if *path == dev), "{error}");
        assert_eq!(std::fs::read(&train).expect("as it was"), b"old");
        assert_eq!(std::fs::read(&test).expect("renamed before"), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 3);
    }
}
