//! Corpora and posts in the formats people have them in: one door to all of them.
//!
//! | format | extensions | posts |
//! |---|---|---|
//! | [`conll`] | `conll` `iob` `bio` | words in columns, one per line |
//! | [`json`] | `jsonl` `ndjson`, `json` | one object per line; `json` may be one array, too |
//! | [`table`] | `csv`, `tsv` `tab` | rows below a header |
//! | [`text`] | `txt` | one per line; words in columns where the file begins with `IMGID:` or `-DOCSTART-` |
//! | Arrow IPC | `arrow` `arrows` `feather` | rows of columns, with the feature `arrow` |
//! | Parquet | `parquet` | the same, with the feature `parquet` |
//!
//! [`open`] and [`read`] stream a file as [`PostRecord`]s, of which one is in memory at a time. A
//! bad line is the [`Error::Line`] of that line, and the next ones are read; after any other error,
//! such as a table's wrong header, there is nothing. What was told from the file and not asked for
//! is in [`Posts::decided`], to be said once.
//!
//! What this does not do: it splits no text into words, opens no image, and reads tags as they are;
//! [`corpus`](crate::corpus) makes labelled samples of them.
//!
//! ```
//! use smvae_data::formats::{Body, Format, Settings, read};
//! let settings = Settings { format: Some(Format::JsonLines), ..Settings::default() };
//! let lines = "{\"text\": \"Lady Gaga lands\", \"id\": 7}\n{\"txt\": 1}\n";
//! let posts: Vec<_> = read(lines.as_bytes(), "posts", &settings)?.collect();
//! let first = posts[0].as_ref().expect("a post");
//! assert_eq!((first.id.as_deref(), &first.body), (Some("7"), &Body::Text("Lady Gaga lands".into())));
//! let second = posts[1].as_ref().expect_err("no post").to_string();
//! assert_eq!(second, r#"posts:2: expected an object with "words", "tokens" or "text", got "{\"txt\":1}""#);
//! # Ok::<(), smvae_data::Error>(())
//! ```

mod checked;
#[cfg(feature = "arrow")]
#[cfg_attr(docsrs, doc(cfg(feature = "arrow")))]
pub mod columnar;
pub mod conll;
mod fields;
pub mod json;
pub mod labelled;
pub(crate) mod lines;
mod names;
mod post;
pub mod table;
pub mod text;
pub mod write;

#[cfg(test)]
mod tests;

pub(crate) use checked::foreign;
pub use fields::Fields;
pub use post::{Body, LabelUse, Labels, PostRecord, TextEntity};

use crate::{Error, Result};
use checked::Checked;
use std::fs::File;
use std::io::{BufRead, BufReader, Chain, Cursor, Read as _};
use std::path::{Path, PathBuf};

/// A format of posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Words in columns.
    Conll,
    /// One JSON object per line.
    JsonLines,
    /// One JSON array of objects, or one object per line.
    Json,
    /// One post per line.
    Text,
    /// Comma-separated values.
    Csv,
    /// Tab-separated values.
    Tsv,
    /// An Arrow IPC stream or file, with the feature `arrow`.
    Arrow,
    /// A Parquet file, with the feature `parquet`.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 8] =
        [Self::Conll, Self::JsonLines, Self::Json, Self::Text, Self::Csv, Self::Tsv, Self::Arrow, Self::Parquet];

    /// The extensions that name a format.
    pub const EXTENSIONS: [(&str, Self); 14] = [
        ("txt", Self::Text),
        ("conll", Self::Conll),
        ("jsonl", Self::JsonLines),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("parquet", Self::Parquet),
        ("arrow", Self::Arrow),
        ("arrows", Self::Arrow),
        ("feather", Self::Arrow),
        ("ndjson", Self::JsonLines),
        ("iob", Self::Conll),
        ("bio", Self::Conll),
        ("tab", Self::Tsv),
    ];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conll => "conll",
            Self::JsonLines => "jsonl",
            Self::Json => "json",
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        }
    }

    /// The format that a file's extension names, in any case.
    pub fn of_path(path: impl AsRef<Path>) -> Option<Self> {
        let extension = path.as_ref().extension()?.to_str()?.to_ascii_lowercase();
        Self::EXTENSIONS.iter().find(|(name, _)| *name == extension).map(|(_, format)| *format)
    }
}

impl std::str::FromStr for Format {
    type Err = Error;

    /// Reads a [`Format::name`].
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| Error::Setting {
            name: "format",
            want: "conll, jsonl, json, text, csv, tsv, arrow or parquet".to_owned(),
            got: format!("{text:?}"),
        })
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How a file is read. The default tells everything from its name and its first post.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// The format; `None` means that the file's name tells it.
    pub format: Option<Format>,
    /// Words in columns: what stands between two columns; `None` means that the first word's line
    /// tells it.
    pub separator: Option<conll::Separator>,
    /// Words in columns: which columns are read; `None` means words in the first, tags in the last,
    /// and no tags in a file of one column.
    pub columns: Option<conll::Columns>,
    /// Whether labels are read, or must be there.
    pub labels: LabelUse,
}

/// The endings of workbooks, which people have their posts in.
const WORKBOOKS: [&str; 3] = ["xlsx", "xls", "ods"];

fn unnamed(path: &Path) -> Error {
    let is_workbook = |ending: &str| WORKBOOKS.iter().any(|workbook| workbook.eq_ignore_ascii_case(ending));
    if path.extension().and_then(|ending| ending.to_str()).is_some_and(is_workbook) {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, checked::WORKBOOK);
        return Error::Read { path: path.to_owned(), source };
    }
    let endings = Format::EXTENSIONS.iter().map(|(extension, _)| format!(".{extension}")).collect();
    Error::Format { path: path.to_owned(), endings }
}

/// A file as [`open`] opens it.
pub type FileInput = BufReader<File>;

/// Streams the posts of a file.
///
/// # Errors
/// [`Error::Read`] if it cannot be opened, [`Error::Format`] if neither its name nor the settings
/// have a format, [`Error::Disguised`] for JSON lines or a table under the name of a text,
/// [`Error::NotBuilt`] for one whose feature is off. Arrow and Parquet: [`Error::Read`] too if the
/// file is damaged, [`Error::Columns`] if it has no posts.
pub fn open(path: impl AsRef<Path>, settings: &Settings) -> Result<Posts<FileInput>> {
    let path = path.as_ref();
    #[cfg_attr(not(feature = "arrow"), expect(unused_mut, reason = "columns are looked at first"))]
    let mut file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    #[cfg(feature = "arrow")]
    if let Some(posts) = open_by_its_end(&mut file, path, settings)? {
        return Ok(posts);
    }
    read(BufReader::new(file), path, settings)
}

/// Streams the posts of any buffered input. `path` is its name: errors show it, and its extension
/// is the format if the settings have none. As much is read at once as tells the format; what
/// begins at its end, Parquet and Arrow's files, is read into memory as a whole, unless [`open`]
/// opens it.
///
/// # Errors
/// As [`open`]. Text in UTF-16 and what is compressed is an [`Error::Read`] that says so, here or
/// of the first post.
pub fn read<R: BufRead>(input: R, path: impl Into<PathBuf>, settings: &Settings) -> Result<Posts<R>> {
    let (path, mut input) = (path.into(), Checked::new(input));
    let Settings { format, separator, columns, labels } = *settings;
    let named = format.or_else(|| Format::of_path(&path)).ok_or_else(|| unnamed(&path))?;
    let can_be_columns = format.is_none() && named == Format::Text;
    let start = match named {
        Format::Json => peek(&mut input, 1),
        Format::Text if can_be_columns => {
            peek(&mut input, COLUMN_MARKS[1].len()).and_then(|start| line(&mut input, start))
        }
        #[cfg(feature = "arrow")]
        Format::Arrow => take(&mut input, columnar::stream::FILE_MARK.len()),
        _ => Ok(Vec::new()),
    };
    let mut start = start.map_err(|source| Error::Read { path: path.clone(), source })?;
    let sheet = if can_be_columns { table::sheet(content_of(&start)) } else { None };
    if sheet.is_some() {
        // The row below tells whether that was a header, or a text with commas.
        let row = input.by_ref().take(ROW as u64).read_until(b'\n', &mut start);
        row.map_err(|source| Error::Read { path: path.clone(), source })?;
    }
    let content = content_of(&start);
    if can_be_columns && content.starts_with(b"{\"") {
        return Err(Error::Disguised { path, format: Format::JsonLines.name() });
    }
    if can_be_columns && table::is_header(content) {
        return Err(Error::Disguised { path, format: Format::Tsv.name() });
    }
    if sheet.is_some_and(|separator| table::is_even(content, separator)) {
        return Err(Error::Disguised { path, format: Format::Csv.name() });
    }
    let is_columns = can_be_columns && COLUMN_MARKS.iter().any(|mark| content.starts_with(mark));
    let layout = if content.starts_with(b"[") { json::Layout::Array } else { json::Layout::Lines };
    let format = if is_columns { Format::Conll } else { named };
    #[cfg(feature = "arrow")]
    let mark = start.clone();
    let input = Cursor::new(start).chain(input);
    let inner = match format {
        Format::Conll => {
            let asked = conll::Asked { separator, columns, labels };
            Inner::Conll(conll::ColumnReader::new(input, path, asked))
        }
        Format::JsonLines => Inner::Json(json::JsonReader::new(input, path, json::Layout::Lines, labels)),
        Format::Json => Inner::Json(json::JsonReader::new(input, path, layout, labels)),
        Format::Text => Inner::Text(text::TextReader::new(input, path)),
        Format::Csv => Inner::Table(table::TableReader::new(input, path, table::Delimiter::Comma, labels)),
        Format::Tsv => Inner::Table(table::TableReader::new(input, path, table::Delimiter::Tab, labels)),
        #[cfg(feature = "arrow")]
        Format::Arrow if mark == columnar::stream::FILE_MARK => {
            let file = Box::new(Cursor::new(read_whole(input, &path)?));
            Inner::Arrow(columnar::stream::of_file(file, path, labels)?)
        }
        #[cfg(feature = "arrow")]
        Format::Arrow => Inner::Arrow(columnar::stream::of_stream(&mark, input, path, labels)?),
        #[cfg(feature = "parquet")]
        Format::Parquet => {
            let bytes = bytes::Bytes::from(read_whole(input, &path)?);
            Inner::Parquet(columnar::parquet::posts(bytes, path, labels)?)
        }
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => return Err(Error::NotBuilt { format: format.name() }),
        #[cfg(not(feature = "arrow"))]
        Format::Arrow => return Err(Error::NotBuilt { format: format.name() }),
    };
    Ok(Posts { format, inner })
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// How a `.txt` file begins that has words in columns.
const COLUMN_MARKS: [&[u8]; 2] = [b"IMGID:", b"-DOCSTART-"];

/// Reads what stands before the first byte that is neither of a byte order mark nor white space,
/// and `n` bytes from it on, where there are as many.
fn peek<R: BufRead>(input: &mut R, n: usize) -> std::io::Result<Vec<u8>> {
    let (mut start, mut seen) = (Vec::new(), 0);
    let mut byte = [0];
    while seen < n {
        match input.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => start.push(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let is_space = byte[0].is_ascii_whitespace() || BYTE_ORDER_MARK.starts_with(&start);
        seen += usize::from(seen > 0 || !is_space);
    }
    Ok(start)
}

/// What was peeked at, without a byte order mark and white space before it.
fn content_of(start: &[u8]) -> &[u8] {
    start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start).trim_ascii_start()
}

/// The longest line that is looked at as the header of a table.
const HEADER: usize = 1 << 10;
/// The longest one that is looked at as the row below it.
const ROW: usize = 1 << 16;

/// Reads what is left of the line that `start` begins, if it is not longer than a header.
fn line<R: BufRead>(input: &mut R, mut start: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let is_over = start.trim_ascii_start().contains(&b'\n');
    if !is_over {
        input.by_ref().take(HEADER as u64).read_until(b'\n', &mut start)?;
    }
    Ok(start)
}

/// Reads `n` bytes, where there are as many.
#[cfg(feature = "arrow")]
fn take<R: BufRead>(input: &mut R, n: usize) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    input.by_ref().take(n as u64).read_to_end(&mut start)?;
    Ok(start)
}

#[cfg(feature = "arrow")]
fn read_whole<R: BufRead>(mut input: R, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// Opens what is read from its end, if the file is one: Parquet, and Arrow's files.
#[cfg(feature = "arrow")]
fn open_by_its_end(file: &mut File, path: &Path, settings: &Settings) -> Result<Option<Posts<FileInput>>> {
    use std::io::Seek as _;
    let fault = |source| Error::Read { path: path.to_owned(), source };
    let format = settings.format.or_else(|| Format::of_path(path));
    // A pipe can be neither cloned nor wound back.
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    #[cfg(feature = "parquet")]
    if format == Some(Format::Parquet) {
        let posts = columnar::parquet::posts(file.try_clone().map_err(fault)?, path.to_owned(), settings.labels)?;
        return Ok(Some(Posts { format: Format::Parquet, inner: Inner::Parquet(posts) }));
    }
    if format != Some(Format::Arrow) {
        return Ok(None);
    }
    let mut start = Vec::new();
    file.by_ref().take(columnar::stream::FILE_MARK.len() as u64).read_to_end(&mut start).map_err(fault)?;
    file.rewind().map_err(fault)?;
    if start != columnar::stream::FILE_MARK {
        return Ok(None);
    }
    let file = Box::new(BufReader::new(file.try_clone().map_err(fault)?));
    let posts = columnar::stream::of_file(file, path.to_owned(), settings.labels)?;
    Ok(Some(Posts { format: Format::Arrow, inner: Inner::Arrow(posts) }))
}

/// The posts of an input: an iterator of `Result<PostRecord>`.
#[derive(Debug)]
pub struct Posts<R> {
    format: Format,
    inner: Inner<Input<R>>,
}

/// What was peeked at, and the rest.
type Input<R> = Chain<Cursor<Vec<u8>>, Checked<R>>;

#[derive(Debug)]
enum Inner<R> {
    Conll(conll::ColumnReader<R>),
    Json(json::JsonReader<R>),
    Text(text::TextReader<R>),
    Table(table::TableReader<R>),
    #[cfg(feature = "arrow")]
    Arrow(columnar::stream::ArrowPosts<R>),
    #[cfg(feature = "parquet")]
    Parquet(columnar::parquet::ParquetPosts),
}

impl<R: BufRead> Posts<R> {
    /// How the input is read, as far as it has been.
    pub fn decided(&self) -> Decided {
        let columns = match &self.inner {
            Inner::Conll(reader) => reader.dialect(),
            _ => None,
        };
        let has_image_lines = matches!(&self.inner, Inner::Conll(reader) if reader.has_image_lines() == Some(true));
        Decided { format: self.format, columns, has_image_lines }
    }
}

impl<R: BufRead> Iterator for Posts<R> {
    type Item = Result<PostRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.inner {
            Inner::Conll(reader) => reader.next(),
            Inner::Json(reader) => reader.next(),
            Inner::Text(reader) => reader.next(),
            Inner::Table(reader) => reader.next(),
            #[cfg(feature = "arrow")]
            Inner::Arrow(reader) => reader.next(),
            #[cfg(feature = "parquet")]
            Inner::Parquet(reader) => reader.next(),
        }
    }
}

/// How a file is read. `Display` says it in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The format.
    pub format: Format,
    /// Words in columns: which ones; `None` in other formats, and before the first word.
    pub columns: Option<conll::Dialect>,
    /// Words in columns: whether posts have `IMGID:` lines.
    pub has_image_lines: bool,
}

impl std::fmt::Display for Decided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.format)?;
        if let Some(columns) = self.columns {
            write!(f, ": {columns}, {} `IMGID:` lines", if self.has_image_lines { "with" } else { "without" })?;
        }
        Ok(())
    }
}
