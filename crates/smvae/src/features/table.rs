//! A table of images: which file an id names, where neither its name nor its path is the id.
//!
//! CSV with a header that has the columns `id` and `path`, or, in a file whose name ends in `jsonl`
//! or `ndjson`, a JSON object per line with these fields; others are ignored. Paths are below the
//! folder of images and never lead out of it.

use crate::error::{Error, Result};
use crate::features::listing::{Listing, by_id};
use crate::features::pictures::resolve;
use crate::features::settings::BadImage;
use serde::Deserialize;
use smvae_data::formats::table::records::{Broken, Records};
use std::path::{Path, PathBuf};

/// A line of the table.
#[derive(Debug, Deserialize)]
struct Row {
    id: Id,
    path: String,
}

/// Ids that are numbers are written as such.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(u64),
}

/// Lists the images of a table. A file that a line names and that cannot be used is left out, with
/// the reason; a malformed line is an error.
pub(super) fn list(table: &Path, folder: &Path) -> Result<Listing> {
    let bytes = std::fs::read(table).map_err(|source| Error::Read { path: table.to_owned(), source })?;
    let root = folder.canonicalize().map_err(|source| Error::Read { path: folder.to_owned(), source })?;
    let name = table.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let rows = if ["jsonl", "ndjson"].contains(&name.as_str()) { json_lines(&bytes) } else { csv_rows(&bytes) };
    let (mut listing, mut found) = (Listing::default(), Vec::<(String, String, PathBuf)>::new());
    for (line, row) in rows {
        let fault = |why| Error::JsonLine { path: table.to_owned(), line, what: "line with id and path", why };
        let Row { id, path } = row.map_err(fault)?;
        let id = match id {
            Id::Text(id) => id,
            Id::Number(id) => id.to_string(),
        };
        if id.is_empty() || path.is_empty() {
            return Err(fault(format!("the {} is empty", if id.is_empty() { "id" } else { "path" })));
        }
        let file = match resolve(&root, &path) {
            _ if id == "__metadata__" => Err("its id is one that safetensors reserves".to_owned()),
            Ok(Some(file)) => Ok(file),
            Ok(None) => Err("there is no such file".to_owned()),
            Err(reason) => Err(reason),
        };
        match file {
            Ok(file) => found.push((id, path, file)),
            Err(reason) => listing.bad.push(BadImage { file: path, reason }),
        }
    }
    // The same line twice is one image.
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|row| seen.insert(row.clone()));
    by_id(found.into_iter(), &mut listing);
    Ok(listing)
}

type Rows = Vec<(usize, Result<Row, String>)>;

fn json_lines(bytes: &[u8]) -> Rows {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    lines.map(|(at, line)| (at + 1, serde_json::from_slice(line).map_err(|error| error.to_string()))).collect()
}

fn csv_rows(bytes: &[u8]) -> Rows {
    let mut rows = Vec::new();
    // How many there are, and which of them are the id and the path.
    let mut columns: Option<(usize, usize, usize)> = None;
    let mut table = Records::new(bytes, b',');
    loop {
        let next = table.next_row(columns.map(|(width, ..)| width));
        let row = match next.expect("bytes in memory are read without an error") {
            Some(Ok(())) => table.row(),
            Some(Err(Broken { line, expected, .. })) => {
                rows.push((line, Err(format!("expected {expected}"))));
                continue;
            }
            None => break,
        };
        let Ok(cells) = row.iter().map(std::str::from_utf8).collect::<Result<Vec<_>, _>>() else {
            rows.push((row.lines.0, Err("it is not UTF-8".to_owned())));
            continue;
        };
        match columns {
            None => match [ID, PATH].map(|name| cells.iter().position(|cell| cell.trim() == name)) {
                [Some(id), Some(path)] => columns = Some((cells.len(), id, path)),
                _ => {
                    let why = format!("its columns are {}, expected id and path among them", cells.join(", "));
                    return vec![(row.lines.0, Err(why))];
                }
            },
            Some((width, id, path)) if width == cells.len() => {
                rows.push((row.lines.0, Ok(Row { id: Id::Text(cells[id].to_owned()), path: cells[path].to_owned() })));
            }
            Some((width, ..)) => {
                let why = format!("expected {width} cells, as the header has, and not {}", cells.len());
                rows.push((row.lines.0, Err(why)));
            }
        }
    }
    if columns.is_none() && rows.is_empty() {
        rows.push((1, Err("it has no header with the columns id and path".to_owned())));
    }
    rows
}

/// The columns of a table.
const ID: &str = "id";
const PATH: &str = "path";

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids with the names of their files, then what is left out.
    #[track_caller]
    fn check(name: &str, text: &str, want: &[&str], bad: &[&str]) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path().join("images");
        std::fs::create_dir_all(root.join("a")).expect("writable");
        for file in ["1.jpg", "2.png", "a/3.jpg"] {
            std::fs::write(root.join(file), "x").expect("writable");
        }
        std::fs::write(dir.path().join(name), text).expect("writable");
        let Listing { files, bad: left_out } = list(&dir.path().join(name), &root).expect(text);
        let got: Vec<String> = files
            .iter()
            .map(|file| {
                format!("{} {}", file.id, file.candidates().map(|(name, _)| name).collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(got, want, "{text}");
        assert_eq!(left_out.iter().map(|bad| bad.file.as_str()).collect::<Vec<_>>(), bad, "{text}");
    }

    #[test]
    fn a_table_says_which_file_an_id_names() {
        check("t.csv", "id,path\nx,1.jpg\ny,a/3.jpg\n", &["x 1.jpg", "y a/3.jpg"], &[]);
        check("t.csv", "\u{feff}path,more, id\n1.jpg,,7\n", &["7 1.jpg"], &[]);
        check("t.csv", "id,path\n\"a,b\",\"1.jpg\"\nx,2.png\nx,1.jpg\nx,2.png\n", &["a,b 1.jpg", "x 2.png 1.jpg"], &[]);
        check("t.jsonl", "{\"id\": 7, \"path\": \"1.jpg\", \"more\": []}\n\n", &["7 1.jpg"], &[]);
        check(
            "t.csv",
            "id,path\nx,none.jpg\ny,../t.csv\n__metadata__,1.jpg\n",
            &[],
            &["none.jpg", "../t.csv", "1.jpg"],
        );
    }

    #[test]
    fn a_line_that_names_no_file_is_an_error_with_its_number() {
        let check = |name: &str, text: &str, want: &str| {
            let dir = tempfile::tempdir().expect("a temporary folder");
            std::fs::write(dir.path().join(name), text).expect("writable");
            let error = list(&dir.path().join(name), dir.path()).expect_err(text).to_string();
            assert!(error.contains(want), "{text}: {error}");
        };
        check("t.csv", "id,file\nx,1.jpg\n", "line 1, is not a valid line with id and path: its columns are id, file");
        check("t.csv", "id,path\nx,1.jpg\n,1.jpg\n", "line 3, is not a valid line with id and path: the id is empty");
        check("t.csv", "id,path\nx\n", "line 2, is not a valid line with id and path: expected 2 cells");
        check(
            "t.csv",
            "id,path\nx,1.jpg\n\"y,2.png\nz,a/3.jpg\n",
            "line 3, is not a valid line with id and path: expected",
        );
        check("t.csv", "", "line 1, is not a valid line with id and path: it has no header");
        check("t.jsonl", "{\"id\": \"x\", \"path\": \"1.jpg\"}\n{\"id\": \"x\"}\n", "line 2");
        check("t.jsonl", "[1]\n", "line 1");
    }
}
