//! Results, to stdout or to a file, and tables for people to read.

use crate::failure::Usage;
use anyhow::Context as _;
use comfy_table::{CellAlignment, Table, TableComponent, presets};
use serde::Serialize;
use smvae::RunInfo;
use smvae::data::Split;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Refuses a file that is part of a run or holds a split of a corpus: results are not written over
/// what they come from.
pub(crate) fn guard(path: &Path) -> anyhow::Result<()> {
    let is_split = path.extension().and_then(|e| e.to_str()).is_some_and(|e| Split::EXTENSIONS.contains(&e))
        && path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .is_some_and(|stem| Split::ALL.into_iter().any(|split| split.stems().contains(&stem)));
    let what = if RunInfo::owns(path) {
        "a file of a run"
    } else if is_split && path.exists() {
        "a split of a corpus"
    } else {
        return Ok(());
    };
    Err(Usage(format!("{} is {what}: name another file, or remove it first", path.display())).into())
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
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    guard(path)?;
    anyhow::ensure!(!path.is_dir(), "cannot write {}: it is a folder", path.display());
    anyhow::ensure!(folder.is_none_or(Path::is_dir), "cannot write {}: there is no such folder", path.display());
    Ok(())
}

/// The same for several outputs, none of which may be another one or an input; each with the option
/// that names it. - is stdin or stdout.
pub(crate) fn check_apart<'a>(
    outputs: impl IntoIterator<Item = (&'a str, Option<&'a PathBuf>)>,
    inputs: impl IntoIterator<Item = (&'a str, Option<&'a PathBuf>)>,
) -> anyhow::Result<()> {
    let named =
        |(option, path): (&'a str, Option<&'a PathBuf>)| Some((option, path.filter(|path| *path != Path::new("-"))?));
    // A file that is not there yet has a folder that is.
    let real = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        path.canonicalize().ok().or_else(|| Some(folder.canonicalize().ok()?.join(path.file_name()?)))
    };
    let mut taken: Vec<(&str, &PathBuf)> = inputs.into_iter().filter_map(named).collect();
    for (option, path) in outputs.into_iter().filter_map(named) {
        check(path)?;
        if let Some((other, _)) =
            taken.iter().find(|(_, other)| real(other).is_some_and(|other| real(path) == Some(other)))
        {
            return Err(Usage(format!("{option} {} would write over {other}", path.display())).into());
        }
        taken.push((option, path));
    }
    Ok(())
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
    fn numbers_line_up_on_the_right() {
        let rows = [["a", "1"], ["  long", "100"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&["", "n"], rows), "          n\n------------\na         1\n  long  100\n");
    }
}
