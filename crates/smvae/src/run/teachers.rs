//! The folders of a run's teachers, `teacher-1` and so on: they exist until their soft labels are
//! saved.

use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What their names begin with.
const PREFIX: &str = "teacher-";

/// The name of a teacher's folder, from 1.
pub(super) fn name(number: usize) -> String {
    format!("{PREFIX}{number}")
}

/// What lies in a folder under the name of a teacher, in no order.
///
/// # Errors
/// [`Error::Read`].
pub(super) fn list(run: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(run).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let entries = entries.map_err(|source| Error::Read { path: run.to_owned(), source })?;
    Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| is_one(path)).collect())
}

fn is_one(path: &Path) -> bool {
    let number = path.file_name().and_then(OsStr::to_str).and_then(|name| name.strip_prefix(PREFIX));
    number.and_then(|number| number.parse().ok()).is_some_and(|number: usize| number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teachers_are_known_by_their_names() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for file in [name(1), name(12), "teacher-0".to_owned(), "teacher-x".to_owned(), "teacher".to_owned()] {
            std::fs::write(dir.path().join(file), "").expect("writable");
        }
        let mut found = list(dir.path()).expect("a folder");
        found.sort();
        assert_eq!(found, ["teacher-1", "teacher-12"].map(|name| dir.path().join(name)));
    }
}
