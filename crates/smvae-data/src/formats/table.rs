//! Tables with a header: comma-separated values and tab-separated ones.
//!
//! ```text
//! id,text,image,tags
//! 7,"Lady Gaga lands, at last",photos/1.jpg,
//! ```
//!
//! | columns | what they are |
//! |---|---|
//! | `text` | the text |
//! | `words` or `tokens` | words, with spaces between them; where it is empty, `text` counts |
//! | `image_id` or `image`, `id` | as they are; an empty cell is none |
//! | `caption` | what the image shows; an empty cell is none |
//! | `tags` or `ner_tags` | one tag per word, with spaces between them; an empty cell is none |
//!
//! Where a header has no column `text`, `words` or `tokens` by these very names, capitals make no
//! difference in `text`, `image_id`, `image`, `id` and `caption`. Where it has no comma, a table of
//! commas may be one of semicolons, as spreadsheets write it where commas stand in numbers. A first
//! line such as `sep=;` names the separator, and is no row. Names at the end of a header that are
//! empty are no columns, and empty cells at the end of a row are no cells.
//!
//! A row with tags and without words has the words of its text, with spaces (U+0020)
//! alone between them. Other columns are kept in [`PostRecord::fields`]. A cell may be in quotation
//! marks, in files with tabs too, and then hold line ends, separators and doubled quotation marks;
//! a mark within a cell without marks around it is text. A row whose marks do not fit (one is
//! closed nowhere, or text follows the closing one, or a row with line ends is longer than 64 KiB
//! or has another number of cells than the header) is an error of its first line, and the next line
//! is read as a row.
//!
//! Tables that this program has written have a column `entities`, and cells that are guarded
//! against spreadsheets ([`cell`]); of a table with that column, the guards are taken away.

// For the lists of pictures, which are tables too.
#[doc(hidden)]
pub mod records;
#[cfg(test)]
mod tests;

use super::lines::{Fault, UTF_8};
use super::names;
use super::post::{Body, LabelUse, Labels, PostRecord, lacking};
use crate::{Error, Result};
use records::{Broken, Records, Row};
use smvae_core::schemes::is_tag;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// What separates the cells of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`
    Comma,
    /// A tab.
    Tab,
}

/// Streams the rows of a table as posts.
#[derive(Debug)]
pub struct TableReader<R> {
    rows: Records<R>,
    delimiter: Delimiter,
    path: PathBuf,
    header: Option<Header>,
    labels: LabelUse,
    is_finished: bool,
}

/// The columns by name and by what is read of them.
#[derive(Debug)]
struct Header {
    /// Those at the end that are empty left out, as spreadsheets write them.
    names: Vec<String>,
    /// How many there are with those.
    width: usize,
    text: Option<usize>,
    words: Option<usize>,
    image: Option<usize>,
    caption: Option<usize>,
    id: Option<usize>,
    tags: Option<usize>,
    /// Whether cells may be guarded, as this program writes them.
    is_guarded: bool,
}

/// A cell of a table with commas, which may have any text: in quotation marks where it must be. One
/// that a spreadsheet would take for a formula gets an apostrophe before it, as spreadsheets mark
/// what is text; so does one with apostrophes before that, so that it can be read back.
pub fn cell(text: &str) -> String {
    let mark = if is_formula(text.trim_start_matches('\'')) { "'" } else { "" };
    let is_plain = mark.is_empty() && !text.contains([',', '"', '\n', '\r']);
    if is_plain { text.to_owned() } else { format!("\"{mark}{}\"", text.replace('"', "\"\"")) }
}

/// The text of a cell that [`cell`] has guarded.
fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_formula(text.trim_start_matches('\''))).unwrap_or(cell)
}

fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// Whether some bytes begin as a table of tabs that has a text.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().is_some_and(|line| has_text(line, b'\t'))
}

/// The separator of a table of commas or semicolons, if some bytes begin with the header of one: a
/// text or words, and another column that is ours.
pub(super) fn sheet(bytes: &[u8]) -> Option<u8> {
    let all = [names::TEXT, names::WORDS, names::IMAGE, names::CAPTION, names::ID, names::TAGS];
    let is_ours = |name: &&String| all.into_iter().flatten().any(|own| own == name);
    [b',', b';'].into_iter().find(|&separator| {
        let [Some(names), _] = rows_of(bytes, separator) else { return false };
        let names = own_names(&names);
        is_body(&names) && names.iter().filter(is_ours).count() > 1
    })
}

/// Whether the first two rows of some bytes have as many cells.
pub(super) fn is_even(bytes: &[u8], separator: u8) -> bool {
    let [header, row] = rows_of(bytes, separator);
    header.zip(row).is_some_and(|(header, row)| header.len() == row.len())
}

/// The cells of the first two rows, as far as they are whole.
fn rows_of(bytes: &[u8], separator: u8) -> [Option<Vec<String>>; 2] {
    let mut rows = Records::new(bytes, separator);
    [(); 2].map(|()| matches!(rows.next_row(None), Ok(Some(Ok(())))).then(|| names_of(rows.row())))
}

/// What separates the cells of a table by its first line, as in `sep=;`.
fn named_separator(line: &[u8]) -> Option<u8> {
    let (mark, separator) = line.split_at_checked(b"sep=".len())?;
    match separator {
        [separator @ (b',' | b';' | b'|' | b'\t')] if mark.eq_ignore_ascii_case(b"sep=") => Some(*separator),
        _ => None,
    }
}

/// What a header that has a text may be separated by, and what to do about it.
fn other_separator(line: &[u8]) -> Option<&'static str> {
    let others = [
        (b'\t', "tabs: --from tsv"),
        (b',', "commas: --from csv"),
        (b';', "`;`: write `sep=;` in a line before them"),
        (b'|', "`|`: write `sep=|` in a line before them"),
    ];
    others.into_iter().find(|(separator, _)| has_text(line, *separator)).map(|(_, what)| what)
}

/// The cells of a header as names.
fn names_of(row: &Row) -> Vec<String> {
    row.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect()
}

/// Whether a line is a header of several columns, one of which is a text or words.
fn has_text(line: &[u8], delimiter: u8) -> bool {
    line.contains(&delimiter) && is_body(&own_names(&cells_of(line, delimiter)))
}

/// The cells of a line that is looked at as a header.
fn cells_of(line: &[u8], delimiter: u8) -> Vec<String> {
    let name = |cell: &[u8]| String::from_utf8_lossy(cell).trim().trim_matches('"').to_owned();
    line.split(|byte| *byte == delimiter).map(name).collect()
}

/// Whether one of the columns is a text or words.
fn is_body(names: &[String]) -> bool {
    names::TEXT.iter().chain(names::WORDS).any(|own| names.iter().any(|name| name == own))
}

/// The names of columns as we write those that are ours though they have capitals. Where a text or
/// words have their exact names, all have: tables that were read so are read as before.
fn own_names(written: &[String]) -> Vec<String> {
    const CAPITALS: [&[&str]; 4] = [names::TEXT, names::IMAGE, names::CAPTION, names::ID];
    if is_body(written) {
        return written.to_vec();
    }
    let is_there = |own: &str| written.iter().any(|name| name == own);
    let own = |name: &String| {
        let mut all = CAPITALS.into_iter().flatten();
        let own = all.find(|own| own.eq_ignore_ascii_case(name) && !is_there(own));
        own.map_or_else(|| name.clone(), |&own| own.to_owned())
    };
    written.iter().map(own).collect()
}

impl<R: BufRead> TableReader<R> {
    /// Reads from any buffered input; `path` is the name that errors show.
    pub fn new(input: R, path: impl Into<PathBuf>, delimiter: Delimiter, labels: LabelUse) -> Self {
        let byte = match delimiter {
            Delimiter::Comma => b',',
            Delimiter::Tab => b'\t',
        };
        let rows = Records::new(input, byte);
        Self { rows, delimiter, path: path.into(), header: None, labels, is_finished: false }
    }

    /// Reads the next row; whether it is whole, or `None` at the end.
    fn next_row(&mut self) -> Result<Option<Result<(), Broken>>> {
        let width = self.header.as_ref().map(|header| header.width);
        let row = self.rows.next_row(width);
        self.is_finished |= !matches!(row, Ok(Some(_)));
        row.map_err(|source| Error::Read { path: self.path.clone(), source })
    }

    fn advance(&mut self) -> Result<Option<PostRecord>> {
        if self.header.is_none() {
            let header = self.read_header();
            // Without a header no row means anything.
            self.is_finished |= header.is_err();
            self.header = Some(header?);
        }
        let (Some(row), Some(header)) = (self.next_row()?, &self.header) else { return Ok(None) };
        let post = match row {
            Ok(()) => header.post(self.rows.row(), self.labels),
            Err(Broken { line, text, expected }) => Err(Fault::new(line, &text, expected)),
        };
        post.map(Some).map_err(|fault| fault.of(&self.path))
    }

    fn peek_line(&mut self) -> Result<&[u8]> {
        self.rows.peek_line().map_err(|source| Error::Read { path: self.path.clone(), source })
    }

    fn read_header(&mut self) -> Result<Header> {
        if let Some(separator) = named_separator(self.peek_line()?) {
            // That line is no row.
            self.rows.separate_by(separator);
            self.next_row()?;
        } else if self.delimiter == Delimiter::Comma {
            let line = self.peek_line()?;
            if !line.contains(&b',') && has_text(line, b';') {
                self.rows.separate_by(b';');
            }
        }
        let other = other_separator(self.peek_line()?);
        let header = match self.next_row()? {
            Some(Err(Broken { text, expected, .. })) => {
                Err((format!("a header with {expected}"), shown(&[String::from_utf8_lossy(&text).into_owned()])))
            }
            // A file without rows has a header without cells.
            Some(Ok(())) | None => Header::of(self.rows.row(), other),
        };
        header.map_err(|(expected, got)| Error::Columns { path: self.path.clone(), expected, got })
    }

    /// The name of the input.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl<R: BufRead> Iterator for TableReader<R> {
    type Item = Result<PostRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_finished {
            return None;
        }
        self.advance().transpose()
    }
}

impl Header {
    /// The header, or what was expected and what is there; `other` says what its columns may be
    /// separated by instead.
    fn of(row: &Row, other: Option<&str>) -> Result<Self, (String, String)> {
        let written = names_of(row);
        let mut names = own_names(&written);
        let width = names.len();
        while names.last().is_some_and(String::is_empty) {
            names.pop();
        }
        let first = |wanted: &[&str]| wanted.iter().find_map(|name| names.iter().position(|n| n == name));
        let (text, words) = (first(names::TEXT), first(names::WORDS));
        if text.or(words).is_none() {
            let remedy = match other {
                Some(other) => format!(" (columns are separated by {other})"),
                None if names.is_empty() => String::new(),
                None => " (rename the column that holds the text to `text`)".to_owned(),
            };
            return Err((format!("a header with a column `text`, `words` or `tokens`{remedy}"), shown(&written)));
        }
        if let Some(twice) = names.iter().enumerate().find_map(|(i, name)| names[..i].contains(name).then_some(name)) {
            let expected = format!("columns of different names, and not `{twice}` twice");
            return Err((expected, shown(&written)));
        }
        let (image, id, tags) = (first(names::IMAGE), first(names::ID), first(names::TAGS));
        let caption = first(names::CAPTION);
        let is_guarded = names.iter().any(|name| name == "entities");
        Ok(Self { names, width, text, words, image, caption, id, tags, is_guarded })
    }

    fn post(&self, row: &Row, labels: LabelUse) -> Result<PostRecord, Fault> {
        let whole = || row.iter().collect::<Vec<_>>().join(&b","[..]);
        let (line, _) = row.lines;
        // Cells that no column has are passed over where they are empty, or the column has no name.
        if row.width() < self.names.len() || !row.is_empty_from(self.width) {
            let expected = format!("{} cells, as the header has, and not {}", self.names.len(), row.width());
            return Err(Fault::new(line, &whole(), expected));
        }
        let cells: Result<Vec<&str>, _> = row.iter().map(std::str::from_utf8).collect();
        let mut cells = cells.map_err(|_| Fault::new(line, &whole(), UTF_8))?;
        if self.is_guarded {
            cells.iter_mut().for_each(|cell| *cell = unguarded(cell));
        }
        let cell = |column: Option<usize>| column.map_or("", |column| cells[column]);
        let own = |column: Option<usize>| Some(cell(column).to_owned()).filter(|cell| !cell.is_empty());
        let tags = Some(split(cell(self.tags))).filter(|tags| labels != LabelUse::Ignored && !tags.is_empty());
        let body = match own(self.words) {
            Some(words) => Body::Words(split(&words)),
            None if tags.is_some() || self.text.is_none() => Body::Words(split(cell(self.text))),
            None => Body::Text(cell(self.text).to_owned()),
        };
        if let Body::Words(words) = &body
            && let Some(expected) = lacking(words, labels)
        {
            return Err(Fault::new(line, &whole(), expected));
        }
        if let (Body::Words(words), Some(tags)) = (&body, &tags) {
            let text = cell(self.tags).as_bytes();
            if tags.len() != words.len() {
                let expected = format!("as many tags as words with spaces between them, {}", words.len());
                return Err(Fault::new(line, text, expected));
            }
            if !tags.iter().all(|tag| is_tag(tag)) {
                return Err(Fault::new(line, text, "tags such as `O` or `B-type`"));
            }
        }
        let mut post = PostRecord {
            id: own(self.id),
            image: own(self.image),
            caption: own(self.caption),
            labels: tags.map(Labels::Tags),
            ..PostRecord::new(line, body)
        };
        for (name, cell) in self.names.iter().zip(&cells) {
            post.fields.push_text(name, cell);
        }
        Ok(post)
    }
}

/// The names of columns as errors show them, shortened if they are many.
fn shown(names: &[String]) -> String {
    const SHOWN: usize = 200;
    format!("{:?}", names.join(",").chars().take(SHOWN).collect::<String>())
}

/// What spaces separate. Other white space may be a word.
fn split(cell: &str) -> Vec<String> {
    cell.split(' ').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
