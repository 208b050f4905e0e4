//! Results, to stdout or to a file, and tables for people to read.

use crate::failure::Usage;
use crate::inputs::{Inputs, real};
use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, TableComponent, presets};
use serde::Serialize;
use smvae::RunInfo;
use smvae::data::corpus::split_path;
use smvae::data::{Captions, Split};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Refuses a file that belongs to a run or a corpus, or would be the second file of a split:
/// results are not written over what they come from.
pub(crate) fn guard(path: &Path) -> anyhow::Result<()> {
    guard_with(path, Splits::Kept)
}

/// What becomes of a split of a corpus that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Splits {
    /// It is not written over.
    Kept,
    /// Another check says whether it may be replaced: what is written may be a split itself.
    Replaced,
}

fn guard_with(path: &Path, splits: Splits) -> anyhow::Result<()> {
    // Through a link it is written over as well.
    let real = path.canonicalize().ok();
    if let Some(what) = [Some(path), real.as_deref()].into_iter().flatten().find_map(|path| owner(path, splits)) {
        return Err(Usage(format!("{} is {what}: name another file, or remove it first", path.display())).into());
    }
    let Some(split) = split_named(path).filter(|_| !path.exists()) else { return Ok(()) };
    // A folder without posts to train on is no corpus, and may have files of any name.
    let folder = folder_of(path);
    if let Some(other) = file_of(folder, Split::Train).and_then(|_| file_of(folder, split)) {
        let (path, split) = (path.display(), split.name());
        let message = format!("{path} would be a second file of the split {split}, beside {other}: name another file");
        return Err(Usage(message).into());
    }
    Ok(())
}

/// What a file belongs to that only its own commands write.
fn owner(path: &Path, splits: Splits) -> Option<&'static str> {
    if RunInfo::owns(path) {
        return Some("a file of a run");
    }
    if !path.exists() {
        return None;
    }
    if split_named(path).is_some() {
        return (splits == Splits::Kept).then_some("a split of a corpus");
    }
    let is_captions = path.file_name().is_some_and(|name| name == Captions::IN_CORPUS);
    let is_corpus = || Split::ALL.into_iter().any(|split| file_of(folder_of(path), split).is_some());
    (is_captions && is_corpus()).then_some("the captions of a corpus")
}

/// The split that a file with this name is in the folder of a corpus.
fn split_named(path: &Path) -> Option<Split> {
    let extension = path.extension()?.to_str()?;
    let stem = path.file_stem()?.to_str()?;
    Split::ALL.into_iter().find(|split| Split::EXTENSIONS.contains(&extension) && split.stems().contains(&stem))
}

/// The file, or the files, that a folder has for a split.
pub(crate) fn file_of(folder: &Path, split: Split) -> Option<String> {
    match split_path(folder, split) {
        Ok(path) => Some(path.display().to_string()),
        Err(smvae::data::Error::TwoSplits { names, .. }) => Some(names.join(" and ")),
        Err(_) => None,
    }
}

/// Refuses to write a corpus, or a file of one, into the folder of a run.
pub(crate) fn outside_of_runs(option: &str, folder: &Path) -> anyhow::Result<()> {
    if !RunInfo::exists(folder) {
        return Ok(());
    }
    let message =
        format!("{option} writes into {}, which is the folder of a run: name another folder", folder.display());
    Err(Usage(message).into())
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The message for output to `path` that fails.
pub(crate) fn unwritable(path: &Path) -> String {
    if path == Path::new("-") {
        "cannot write to stdout".to_owned()
    } else {
        format!("cannot write {}", path.display())
    }
}

/// Checks before the work that `path` can be written.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    check_with(path, Splits::Kept)
}

fn check_with(path: &Path, splits: Splits) -> anyhow::Result<()> {
    guard_with(path, splits)?;
    anyhow::ensure!(!path.is_dir(), "cannot write {}: it is a folder", path.display());
    // That of a corpus is made when it is written.
    let has_folder = splits == Splits::Replaced || folder_of(path).is_dir();
    anyhow::ensure!(has_folder, "cannot write {}: there is no such folder", path.display());
    Ok(())
}

/// The same for several outputs, none of which may be another one or an input; each with the option
/// that names it. - is stdin or stdout.
pub(crate) fn check_apart<'a>(
    outputs: impl IntoIterator<Item = (&'a str, Option<&'a Path>)>,
    inputs: &Inputs,
) -> anyhow::Result<()> {
    check_all(outputs, inputs, Splits::Kept)
}

/// The same for posts with labels, whose folder need not be there. Whether a split that is there
/// may be replaced, [`check_new`] says.
pub(crate) fn check_labelled<'a>(
    outputs: impl IntoIterator<Item = (&'a str, Option<&'a Path>)>,
    inputs: &Inputs,
) -> anyhow::Result<()> {
    check_all(outputs, inputs, Splits::Replaced)
}

fn check_all<'a>(
    outputs: impl IntoIterator<Item = (&'a str, Option<&'a Path>)>,
    inputs: &Inputs,
    splits: Splits,
) -> anyhow::Result<()> {
    let outputs: Vec<_> = outputs.into_iter().collect();
    for (_, path) in &outputs {
        path.filter(|path| *path != Path::new("-")).map_or(Ok(()), |path| check_with(path, splits))?;
    }
    apart(outputs, inputs)
}

/// Refuses outputs of which one is another one or an input, and nothing else.
pub(crate) fn apart<'a>(
    outputs: impl IntoIterator<Item = (&'a str, Option<&'a Path>)>,
    inputs: &Inputs,
) -> anyhow::Result<()> {
    let mut taken: Vec<(&str, &Path, Option<PathBuf>)> = Vec::new();
    for (option, path) in outputs {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else { continue };
        let place = real(path);
        // A place in a folder that is not there yet is not known.
        let is_same =
            |other: &&(&str, &Path, Option<PathBuf>)| other.1 == path || (place.is_some() && other.2 == place);
        let other = taken.iter().find(is_same).map(|(option, ..)| *option);
        if let Some(other) = inputs.below(path).or(other) {
            return Err(Usage(format!("{option} {} would write over {other}", path.display())).into());
        }
        taken.push((option, path, place));
    }
    Ok(())
}

/// Refuses outputs that are there already and hold something, unless `overwrite` asks for it.
pub(crate) fn check_new<'a>(
    outputs: impl IntoIterator<Item = (&'a str, Option<&'a Path>)>,
    overwrite: bool,
) -> anyhow::Result<()> {
    for (option, path) in outputs {
        let is_kept = |path: &&Path| !overwrite && *path != Path::new("-") && holds_something(path);
        if let Some(path) = path.filter(is_kept) {
            let message = format!("{option} {} is there already: --overwrite replaces it", path.display());
            return Err(Usage(message).into());
        }
    }
    Ok(())
}

/// Whether a path is a file that is not empty.
pub(crate) fn holds_something(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.len() > 0)
}

/// Writes text to `path` at once, so that a reader sees the old file or the new one; to stdout for
/// `-`.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if path == Path::new("-") {
        return print(text);
    }
    guard(path)?;
    Ok(smvae::data::files::write_atomically(path, text.as_bytes())?)
}

/// Prints text to stdout.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// Prints bytes to stdout.
pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).with_context(|| unwritable(Path::new("-")))
}

/// Prints a value to stdout as JSON, indented.
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// A table: the first column to the left, all others to the right.
pub(crate) fn table<R>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = String>,
{
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for part in [TableComponent::HeaderLines, TableComponent::MiddleHeaderIntersections] {
        table.set_style(part, '-');
    }
    for row in rows {
        table.add_row(row);
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if i > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    // Cells are padded to their column; nobody needs the blanks at the end of a line.
    table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_corpus_is_guarded() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| dir.path().join(name);
        for folder in ["corpus", "other", "posts"] {
            std::fs::create_dir(at(folder)).expect("writable");
        }
        let corpus = ["corpus/train.txt", "corpus/valid.txt", "corpus/captions.jsonl"];
        for file in corpus.into_iter().chain(["other/captions.jsonl", "other/found.jsonl", "posts/test.txt"]) {
            std::fs::write(at(file), "x").expect("writable");
        }
        for (path, want) in [
            ("corpus/valid.txt", Some("is a split of a corpus")),
            ("corpus/dev.jsonl", Some("would be a second file of the split dev")),
            ("corpus/captions.jsonl", Some("is the captions of a corpus")),
            ("corpus/train.jsonl", Some("train.txt: name another file")),
            ("corpus/test.jsonl", None),
            ("corpus/found.jsonl", None),
            ("other/captions.jsonl", None),
            ("other/dev.jsonl", None),
            ("posts/test.jsonl", None),
        ] {
            let got = guard(&at(path)).err().map(|error| error.to_string());
            let is_so = want.map_or(got.is_none(), |want| got.as_ref().is_some_and(|got| got.contains(want)));
            assert!(is_so, "{path}: {got:?}");
        }
        guard_with(&at("corpus/valid.txt"), Splits::Replaced).expect("a split in the place of a split");
        assert!(guard_with(&at("corpus/captions.jsonl"), Splits::Replaced).is_err(), "it is no split");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("corpus/valid.txt", at("link")).expect("a link");
            assert!(guard(&at("link")).is_err(), "a link to a split");
        }
        let found = at("other/found.jsonl");
        let outputs = || [("--output", Some(found.as_path())), ("--dev", None)];
        check_new(outputs(), true).expect("it may be replaced");
        let error = check_new(outputs(), false).expect_err("it is there").to_string();
        assert!(error.ends_with("is there already: --overwrite replaces it"), "{error}");
    }

    #[test]
    fn numbers_line_up_on_the_right() {
        let rows = [["a", "1"], ["  long", "100"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&["", "n"], rows), "          n\n------------\na         1\n  long  100\n");
    }
}
