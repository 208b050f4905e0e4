//! The files of a folder that anybody may have made: where a file lies, if it may be opened.
//!
//! Files have plain names, so that no path leads out of the folder. A link is followed to a file of
//! the same folder alone. A pipe or a device, which may never end, is not opened, and neither is a
//! text that is too large to be held in memory. The rules hold for writing as for reading. What is
//! looked at is how the folder is: another process that changes it in the meantime is not guarded
//! against.

use crate::error::{Error, Result};
use std::path::{Component, Path, PathBuf};

/// The most bytes of a text that is read whole: one value, or one value per line. Tensors are as
/// large as their file is.
const MAX_JSON: u64 = 1 << 28;
const MAX_LINES: u64 = 1 << 32;

/// Where the file of this name lies in a folder, whether it exists or not.
///
/// # Errors
/// [`Error::Unsafe`] for a name that is a path, a link out of the folder, what is no regular file,
/// and a file that is too large.
pub(crate) fn file_in(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = entry(folder, name)?;
    let refuse = |why: &str| Err(Error::Unsafe { path: path.clone(), why: why.to_owned() });
    let Ok(found) = path.symlink_metadata() else { return Ok(path) };
    if found.is_symlink() {
        let (target, folder) = (path.canonicalize(), folder.canonicalize());
        if target.ok().zip(folder.ok()).is_none_or(|(target, folder)| target.parent() != Some(&folder)) {
            return refuse("it is a link that leads out of its folder, or nowhere");
        }
    }
    let Ok(metadata) = path.metadata() else { return refuse("it cannot be looked at") };
    if !metadata.is_file() {
        return refuse("it is not a regular file");
    }
    match limit(name) {
        Some(limit) if metadata.len() > limit => refuse(&format!("it has more than {limit} bytes")),
        _ => Ok(path),
    }
}

/// Where the folder of this name lies in a folder, whether it exists or not.
///
/// # Errors
/// [`Error::Unsafe`] for a name that is a path, for a link, and for what is no folder.
pub(crate) fn folder_in(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = entry(folder, name)?;
    match path.symlink_metadata() {
        Ok(found) if !found.is_dir() => {
            Err(Error::Unsafe { path, why: "it is a link, or another thing than a folder".to_owned() })
        }
        _ => Ok(path),
    }
}

/// A file that a folder names by its whole path: it may lie anywhere, but must be a regular file.
///
/// # Errors
/// [`Error::Unsafe`] for a pipe, a device or a folder. A file that does not exist is left to
/// whoever opens it.
pub(crate) fn named_file(path: &Path) -> Result<&Path> {
    match path.metadata() {
        Ok(found) if !found.is_file() => {
            Err(Error::Unsafe { path: path.to_owned(), why: "it is not a regular file".to_owned() })
        }
        _ => Ok(path),
    }
}

fn entry(folder: &Path, name: &str) -> Result<PathBuf> {
    let mut parts = Path::new(name).components();
    let is_plain = matches!(parts.next(), Some(Component::Normal(part)) if part.as_encoded_bytes() == name.as_bytes());
    let path = folder.join(name);
    if is_plain { Ok(path) } else { Err(Error::Unsafe { path, why: format!("{name:?} is not a file name") }) }
}

fn limit(name: &str) -> Option<u64> {
    match Path::new(name).extension()?.to_str()? {
        "json" => Some(MAX_JSON),
        "jsonl" => Some(MAX_LINES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: Result<PathBuf>, want: Option<&str>) {
        match (found, want) {
            (Ok(_), None) => {}
            (Err(Error::Unsafe { path, why }), Some(want)) => assert!(why.contains(want), "{}: {why}", path.display()),
            (found, want) => panic!("{found:?}, not {want:?}"),
        }
    }

    #[test]
    fn names_are_plain() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["", ".", "..", "../a", "a/b", "./a", "a/", "/etc/hosts"] {
            check(file_in(folder.path(), name), Some("is not a file name"));
            check(folder_in(folder.path(), name), Some("is not a file name"));
        }
        check(file_in(folder.path(), "absent.json"), None);
        check(folder_in(folder.path(), "absent"), None);
    }

    #[test]
    #[cfg(unix)]
    fn links_pipes_and_large_texts_are_not_opened() {
        use std::os::unix::fs::symlink;
        let outer = tempfile::tempdir().expect("a temporary folder");
        let folder = outer.path().join("run");
        std::fs::create_dir_all(folder.join("inner")).expect("writable");
        for file in [outer.path().join("outside"), folder.join("inside"), folder.join("inner/deep")] {
            std::fs::write(file, "x").expect("writable");
        }
        for (link, target) in [("a", "inside"), ("b", "../outside"), ("c", "/dev/zero"), ("d", "gone"), ("e", "inner")]
        {
            symlink(target, folder.join(link)).expect("writable");
        }
        let pipe = std::process::Command::new("mkfifo").arg(folder.join("pipe")).status().expect("mkfifo runs");
        assert!(pipe.success());
        let large = std::fs::File::create(folder.join("large.json")).expect("writable");
        large.set_len(MAX_JSON + 1).expect("no space is taken");
        check(file_in(&folder, "inside"), None);
        check(file_in(&folder, "a"), None);
        check(file_in(&folder, "b"), Some("leads out"));
        check(file_in(&folder, "c"), Some("leads out"));
        check(file_in(&folder, "d"), Some("or nowhere"));
        check(file_in(&folder, "e"), Some("not a regular file"));
        check(file_in(&folder, "inner"), Some("not a regular file"));
        check(file_in(&folder, "pipe"), Some("not a regular file"));
        check(file_in(&folder, "large.json"), Some("more than"));
        check(folder_in(&folder, "inner"), None);
        check(folder_in(&folder, "e"), Some("it is a link"));
        check(folder_in(&folder, "inside"), Some("another thing than a folder"));
        named_file(Path::new("/dev/zero")).expect_err("it never ends");
        named_file(&folder.join("b")).expect("a file may lie anywhere");
    }
}
