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
//! A row with tags and without words has the words of its text, with spaces (U+0020)
//! alone between them. Other columns are kept in [`PostRecord::fields`]. A cell may be in quotation
//! marks, in files with tabs too, and then hold line ends, separators and doubled quotation marks.
//!
//! Tables that this program has written have a column `entities`, and cells that are guarded
//! against spreadsheets ([`cell`]); of a table with that column, the guards are taken away.

use super::lines::Fault;
use super::names;
use super::post::{Body, LabelUse, Labels, PostRecord};
use crate::{Error, Result};
use csv::ByteRecord;
use smvae_core::schemes::is_tag;
use std::collections::VecDeque;
use std::io::Read;
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
    rows: csv::Reader<LineStarts<R>>,
    path: PathBuf,
    header: Option<Header>,
    labels: LabelUse,
    row: ByteRecord,
    /// Where the next one is read to.
    next: ByteRecord,
    /// Of the last row that was read.
    last_line: usize,
    is_finished: bool,
}

/// The columns by name and by what is read of them.
#[derive(Debug)]
struct Header {
    names: Vec<String>,
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

impl<R: Read> TableReader<R> {
    /// Reads from any input; `path` is the name that errors show.
    pub fn new(input: R, path: impl Into<PathBuf>, delimiter: Delimiter, labels: LabelUse) -> Self {
        let delimiter = match delimiter {
            Delimiter::Comma => b',',
            Delimiter::Tab => b'\t',
        };
        // The header and the number of cells are looked at here, where errors have lines.
        let mut builder = csv::ReaderBuilder::new();
        builder.delimiter(delimiter).has_headers(false).flexible(true);
        let rows = builder.from_reader(LineStarts::new(input));
        let row = ByteRecord::new();
        Self { rows, path: path.into(), header: None, labels, next: row.clone(), row, last_line: 1, is_finished: false }
    }

    /// Reads the next row into `self.row`; its line, or `None` at the end.
    fn next_row(&mut self) -> Result<Option<usize>> {
        let read = self.rows.read_byte_record(&mut self.next);
        self.is_finished |= !matches!(read, Ok(true));
        let read =
            read.map_err(|error| Error::Read { path: self.path.clone(), source: std::io::Error::other(error) })?;
        if read {
            // The last row stays, for what is wrong at the end.
            std::mem::swap(&mut self.row, &mut self.next);
        }
        let start = self.row.position().map_or(0, csv::Position::byte);
        Ok(read.then(|| self.rows.get_mut().line_of(start)))
    }

    fn advance(&mut self) -> Result<Option<PostRecord>> {
        if self.header.is_none() {
            self.next_row()?;
            // Without a header no row means anything.
            let header = Header::of(&self.row).inspect_err(|_| self.is_finished = true);
            let fault = |(expected, got)| Error::Columns { path: self.path.clone(), expected, got };
            self.header = Some(header.map_err(fault)?);
        }
        let (Some(line), Some(header)) = (self.next_row()?, &self.header) else { return self.end() };
        self.last_line = line;
        let post = header.post(&self.row, line, self.labels);
        post.map(Some).map_err(|fault| fault.of(&self.path))
    }

    /// After the last row: a quotation mark that nothing closes took all later rows into that one.
    fn end(&self) -> Result<Option<PostRecord>> {
        if self.rows.get_ref().quotes.is_multiple_of(2) {
            return Ok(None);
        }
        let whole = self.row.iter().collect::<Vec<_>>().join(&b","[..]);
        let expected = "quotation marks in pairs in this row, whose last one is closed nowhere";
        Err(Fault::new(self.last_line, &whole, expected).of(&self.path))
    }

    /// The name of the input.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl<R: Read> Iterator for TableReader<R> {
    type Item = Result<PostRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_finished {
            return None;
        }
        self.advance().transpose()
    }
}

impl Header {
    /// The header, or what was expected and what is there.
    fn of(row: &ByteRecord) -> Result<Self, (String, String)> {
        let names: Vec<String> = row.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let first = |wanted: &[&str]| wanted.iter().find_map(|name| names.iter().position(|n| n == name));
        let (text, words) = (first(names::TEXT), first(names::WORDS));
        if text.or(words).is_none() {
            return Err(("a header with a column `text`, `words` or `tokens`".to_owned(), shown(&names)));
        }
        if let Some(twice) = names.iter().enumerate().find_map(|(i, name)| names[..i].contains(name).then_some(name)) {
            let expected = format!("columns of different names, and not `{twice}` twice");
            return Err((expected, shown(&names)));
        }
        let (image, id, tags) = (first(names::IMAGE), first(names::ID), first(names::TAGS));
        let caption = first(names::CAPTION);
        let is_guarded = names.iter().any(|name| name == "entities");
        Ok(Self { text, words, image, caption, id, tags, is_guarded, names })
    }

    fn post(&self, row: &ByteRecord, line: usize, labels: LabelUse) -> Result<PostRecord, Fault> {
        let whole = || row.iter().collect::<Vec<_>>().join(&b","[..]);
        if row.len() != self.names.len() {
            let expected = format!("{} cells, as the header has, and not {}", self.names.len(), row.len());
            return Err(Fault::new(line, &whole(), expected));
        }
        let cells: Result<Vec<&str>, _> = row.iter().map(std::str::from_utf8).collect();
        let mut cells = cells.map_err(|_| Fault::new(line, &whole(), "valid UTF-8"))?;
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

/// An input that knows on which lines the bytes it has given lie: the parser counts the records'
/// lines too, but not past blank ones.
#[derive(Debug)]
struct LineStarts<R> {
    input: R,
    /// Offset and line of the first byte of each line that is not blank, as far as they may still
    /// be asked for.
    starts: VecDeque<(u64, usize)>,
    offset: u64,
    line: usize,
    last: u8,
    /// Quotation marks so far.
    quotes: usize,
}

impl<R> LineStarts<R> {
    fn new(input: R) -> Self {
        // As if after a line end.
        Self { input, starts: VecDeque::new(), offset: 0, line: 1, last: b'\n', quotes: 0 }
    }

    /// The line of the record that the parser began to look for at this offset.
    fn line_of(&mut self, offset: u64) -> usize {
        while self.starts.front().is_some_and(|(start, _)| *start < offset) {
            self.starts.pop_front();
        }
        self.starts.front().map_or(self.line, |(_, line)| *line)
    }
}

impl<R: Read> Read for LineStarts<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.quotes += buffer[..n].iter().filter(|byte| **byte == b'"').count();
        for &byte in &buffer[..n] {
            let is_end = matches!(byte, b'\r' | b'\n');
            if !is_end && matches!(self.last, b'\r' | b'\n') {
                self.starts.push_back((self.offset, self.line));
            }
            // CR LF is one end, counted at the CR.
            self.line += usize::from(byte == b'\r' || (byte == b'\n' && self.last != b'\r'));
            (self.offset, self.last) = (self.offset + 1, byte);
        }
        Ok(n)
    }
}
