//! The rows of a table as bytes: where each begins and ends, and what its cells are.
//!
//! A cell that begins with a quotation mark goes on to the next one that is not doubled, over
//! separators and line ends; a mark anywhere else is text. A row whose marks do not fit, or that
//! has line ends in it and another number of cells than the header, is [`Broken`], and reading goes
//! on with the line after its first one: what a stray mark would take in is read as the rows that
//! it looks like. As much is in memory as one row, and of a row with line ends in it at most
//! 64 KiB and what is read at once.

use std::io::{self, BufRead, ErrorKind};

/// The longest row with line ends in it, in bytes. So much may be read again for each line, where
/// many lines in a row are broken.
const MAX_BYTES: usize = 1 << 16;

/// Most bytes that are read at once.
const CHUNK: usize = 1 << 16;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The rows of an input.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    delimiter: u8,
    /// What was read of the input and may be needed; what comes before `start` is done with.
    buffer: Vec<u8>,
    start: usize,
    /// Line of the byte at `start`, from 1.
    line: usize,
    /// The byte before `start`.
    last: u8,
    /// Whether the input has ended.
    is_over: bool,
    /// Whether nothing has been looked at.
    is_new: bool,
    row: Row,
}

/// A row: its cells, without the quotation marks around them.
#[derive(Debug, Default)]
pub struct Row {
    /// The line it begins at, and the one it ends at.
    pub lines: (usize, usize),
    bytes: Vec<u8>,
    /// Where each cell ends in `bytes`.
    ends: Vec<usize>,
}

/// A row whose quotation marks do not fit, or one over several lines of another width than it
/// should have.
#[derive(Debug)]
pub struct Broken {
    /// The line it begins at.
    pub line: usize,
    /// That line.
    pub text: Vec<u8>,
    /// What should be there.
    pub expected: String,
}

/// What ends the reading of a row.
enum End {
    /// Its end, after so many bytes.
    Row(usize),
    /// What should be there, where its quotation marks do not fit or it is too long.
    Fault(String),
}

/// Where a byte stands in its cell.
#[derive(Clone, Copy)]
enum Place {
    /// At its beginning.
    Start,
    /// In a cell without quotation marks around it.
    Plain,
    /// After the mark that begins it.
    Quoted,
    /// After a mark that closes it, unless another one follows.
    Closed,
}

impl Row {
    /// Number of cells.
    pub fn width(&self) -> usize {
        self.ends.len()
    }

    /// Its cells, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(move |(start, &end)| &self.bytes[start..end])
    }

    /// Whether there are no cells but empty ones from this one on.
    pub fn is_empty_from(&self, cell: usize) -> bool {
        self.iter().skip(cell).all(<[u8]>::is_empty)
    }

    fn end_cell(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

impl<R: BufRead> Records<R> {
    pub fn new(input: R, delimiter: u8) -> Self {
        // As if after a line end.
        let (buffer, row) = (Vec::new(), Row::default());
        Self { input, delimiter, buffer, start: 0, line: 1, last: b'\n', is_over: false, is_new: true, row }
    }

    /// Reads the next row that is not a blank line, which is then [`Records::row`]. The width is
    /// the number of cells that a row with line ends in it must have, empty ones at its end aside,
    /// if that is known; a row of one line may have any.
    ///
    /// # Errors
    /// Those of the input.
    pub fn next_row(&mut self, width: Option<usize>) -> io::Result<Option<Result<(), Broken>>> {
        self.pass_blank_lines()?;
        if self.byte(0)?.is_none() {
            return Ok(None);
        }
        let line = self.line;
        let expected = match self.read_row()? {
            End::Row(length) => {
                let (last, cells) = (self.line_at(length), self.row.width());
                let fits = |width: usize| cells == width || (cells > width && self.row.is_empty_from(width));
                match width.filter(|&width| last > line && !fits(width)) {
                    Some(width) => format!(
                        "{width} cells, as the header has, and not {cells}, in the row of lines {line} to {last}"
                    ),
                    None => {
                        self.pass(length);
                        self.row.lines = (line, last);
                        return Ok(Some(Ok(())));
                    }
                }
            }
            End::Fault(expected) => expected,
        };
        let text = self.line()?.to_vec();
        self.pass(text.len());
        Ok(Some(Err(Broken { line, text, expected })))
    }

    /// The next line that is not blank, which stays to be read.
    ///
    /// # Errors
    /// Those of the input.
    pub fn peek_line(&mut self) -> io::Result<&[u8]> {
        self.pass_blank_lines()?;
        self.line()
    }

    /// Has cells end at this byte from here on.
    pub fn separate_by(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
    }

    /// The last row that was read whole.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// Goes on to the next line that is not blank, after the byte order mark.
    fn pass_blank_lines(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_new) {
            self.byte(BYTE_ORDER_MARK.len() - 1)?;
            if self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.start = BYTE_ORDER_MARK.len();
            }
        }
        while matches!(self.byte(0)?, Some(b'\r' | b'\n')) {
            self.pass(1);
        }
        Ok(())
    }

    /// The line that begins at `start`, without its end.
    fn line(&mut self) -> io::Result<&[u8]> {
        let mut length = 0;
        while self.byte(length)?.is_some_and(|byte| !matches!(byte, b'\r' | b'\n')) {
            length += 1;
        }
        Ok(&self.buffer[self.start..self.start + length])
    }

    /// Reads the cells of the row that begins at `start`.
    fn read_row(&mut self) -> io::Result<End> {
        self.row.bytes.clear();
        self.row.ends.clear();
        let (mut place, mut at) = (Place::Start, 0);
        let mut has_line_end = false;
        while let Some(byte) = self.byte(at)? {
            let is_line_end = matches!(byte, b'\r' | b'\n');
            has_line_end |= is_line_end && matches!(place, Place::Quoted);
            if has_line_end && at >= MAX_BYTES {
                let limit = MAX_BYTES >> 10;
                return Ok(match place {
                    Place::Quoted => self.fault(&format!("is not closed within {limit} KiB")),
                    _ => End::Fault(format!("at most {limit} KiB in a row with line ends in it")),
                });
            }
            place = match (place, byte) {
                (Place::Start, b'"') => Place::Quoted,
                (Place::Quoted, b'"') => Place::Closed,
                (Place::Quoted, _) => self.take(byte, Place::Quoted),
                (Place::Closed, b'"') => self.take(byte, Place::Quoted),
                (_, _) if is_line_end => {
                    self.row.end_cell();
                    return Ok(End::Row(at));
                }
                (_, _) if byte == self.delimiter => {
                    self.row.end_cell();
                    Place::Start
                }
                (Place::Closed, _) => {
                    let line = self.line_at(at);
                    return Ok(self.fault(&format!("is closed in line {line}, with text after that")));
                }
                (Place::Start | Place::Plain, _) => self.take(byte, Place::Plain),
            };
            at += 1;
        }
        if matches!(place, Place::Quoted) {
            return Ok(self.fault("is closed nowhere"));
        }
        self.row.end_cell();
        Ok(End::Row(at))
    }

    /// The line of the byte so far from `start`, up to which all is in the buffer.
    fn line_at(&self, at: usize) -> usize {
        self.line + line_ends(self.last, &self.buffer[self.start..self.start + at])
    }

    /// Takes a byte of a cell.
    fn take(&mut self, byte: u8, place: Place) -> Place {
        self.row.bytes.push(byte);
        place
    }

    fn fault(&self, what: &str) -> End {
        let cell = self.row.width() + 1;
        End::Fault(format!(
            "quotation marks in pairs in this row: the one that begins its cell {cell} {what} (a mark that is text \
             stands twice, in a cell with marks around it)"
        ))
    }

    /// The byte so far from `start`; `None` beyond the end of the input.
    fn byte(&mut self, at: usize) -> io::Result<Option<u8>> {
        while self.start + at >= self.buffer.len() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer[self.start + at]))
    }

    /// Reads more, as much as there is without waiting for it; whether there was any.
    fn fill(&mut self) -> io::Result<bool> {
        if self.is_over {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let n = loop {
            match self.input.fill_buf() {
                Ok(bytes) => {
                    let n = bytes.len().min(CHUNK);
                    self.buffer.extend_from_slice(&bytes[..n]);
                    break n;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        };
        self.input.consume(n);
        self.is_over = n == 0;
        Ok(n > 0)
    }

    /// Goes on after so many bytes, which are in the buffer.
    fn pass(&mut self, n: usize) {
        let passed = &self.buffer[self.start..self.start + n];
        self.line += line_ends(self.last, passed);
        self.last = passed.last().copied().unwrap_or(self.last);
        self.start += n;
    }
}

/// The line ends in some bytes after another one: CR LF is one, counted at the CR.
fn line_ends(before: u8, bytes: &[u8]) -> usize {
    let befores = std::iter::once(&before).chain(bytes);
    befores.zip(bytes).filter(|(before, byte)| **byte == b'\r' || (**byte == b'\n' && **before != b'\r')).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// What rows are read as: `lines cell|cell` of a row, `line !` of one that is broken. However
    /// much comes at once makes no difference.
    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        check_width(None, text, want);
    }

    #[track_caller]
    fn check_width(width: Option<usize>, text: &str, want: &[&str]) {
        for at_once in [1, 2, 3, 1000] {
            let mut records = Records::new(BufReader::with_capacity(at_once, text.as_bytes()), b',');
            let mut shown = Vec::new();
            while let Some(row) = records.next_row(width).expect("in memory") {
                shown.push(match row {
                    Ok(()) => {
                        let cells = records.row().iter().map(|cell| String::from_utf8_lossy(cell).into_owned());
                        let (first, last) = records.row().lines;
                        format!("{first}-{last} {}", cells.collect::<Vec<_>>().join("|"))
                    }
                    Err(Broken { line, text, .. }) => format!("{line} ! {}", String::from_utf8_lossy(&text)),
                });
            }
            assert_eq!(shown, want, "{text:?}, {at_once} at once");
        }
    }

    #[test]
    fn cells_are_cut_at_separators_outside_of_quotation_marks() {
        check("a,b\nc,d", &["1-1 a|b", "2-2 c|d"]);
        check("a,,\r\n,b,\r\r\n\n,", &["1-1 a||", "2-2 |b|", "5-5 |"]);
        check("\u{feff}a\n\"\"\n\"b,\"\"c\"\"\",d\n", &["1-1 a", "2-2 ", "3-3 b,\"c\"|d"]);
        check("\"a\r\nb\rc\n\"\nd", &["1-4 a\r\nb\rc\n", "5-5 d"]);
        check("a\r\"b\"\rc", &["1-1 a", "2-2 b", "3-3 c"]);
        check("", &[]);
        check("\n\r\n", &[]);
    }

    #[test]
    fn a_mark_within_a_cell_is_text() {
        check("it is 5\" long,\"a\"\nb\"c\" d,e\"\n", &["1-1 it is 5\" long|a", "2-2 b\"c\" d|e\""]);
    }

    #[test]
    fn a_broken_row_takes_no_other_one_with_it() {
        check("1,\"a\n2,b\n3,\"c\" d\n4,e\n", &["1 ! 1,\"a", "2-2 2|b", "3 ! 3,\"c\" d", "4-4 4|e"]);
        check("1,\"a\r\n2,b", &["1 ! 1,\"a", "2-2 2|b"]);
        check("1,a\n2,\"", &["1-1 1|a", "2 ! 2,\""]);
    }

    #[test]
    fn a_row_with_line_ends_and_another_width_is_broken() {
        let text = "1,\"a\r\n2,b\n3,c\",d\n\"4\n\",e\nf";
        check_width(None, text, &["1-3 1|a\r\n2,b\n3,c|d", "4-5 4\n|e", "6-6 f"]);
        let want = ["1 ! 1,\"a", "2-2 2|b", "3-3 3|c\"|d", "4-5 4\n|e", "6-6 f"];
        check_width(Some(2), text, &want);
        check_width(Some(2), "1,\"a\nb\",,\n2,c\n", &["1-2 1|a\nb||", "3-3 2|c"]);
    }

    #[test]
    fn each_of_many_lines_in_which_marks_do_not_fit_is_broken() {
        const LINES: usize = 1200;
        let line = format!("a\",b,\"c{}", "d".repeat(56));
        let lines = format!("{line}\n").repeat(LINES);
        assert!(lines.len() > MAX_BYTES);
        let table = format!("{lines}x,y,z\n");
        let mut records = Records::new(table.as_bytes(), b',');
        for number in 1..=LINES {
            let broken = records.next_row(Some(3)).expect("in memory").expect("a row").expect_err("broken");
            assert_eq!((broken.line, broken.text.as_slice()), (number, line.as_bytes()));
        }
        records.next_row(Some(3)).expect("in memory").expect("a row").expect("one that fits");
        assert_eq!((records.row().lines, records.row().width()), ((LINES + 1, LINES + 1), 3));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let long = format!("a,\"{}\n\"", "b\n".repeat(MAX_BYTES / 2));
        let long_end = format!("\"\n\",{}", "b".repeat(MAX_BYTES));
        for (text, want) in [
            ("a,\"b", "its cell 2 is closed nowhere (a mark"),
            ("a,\"b\nc\",d", "2 cells, as the header has, and not 3, in the row of lines 1 to 2"),
            ("\"b\nc\" d", "its cell 1 is closed in line 2, with text after that (a mark"),
            (long.as_str(), "its cell 2 is not closed within 64 KiB (a mark"),
            (long_end.as_str(), "at most 64 KiB in a row with line ends in it"),
        ] {
            let mut records = Records::new(text.as_bytes(), b',');
            let broken = records.next_row(Some(2)).expect("in memory").expect("a row").expect_err("broken");
            assert!(broken.expected.contains(want), "{}", broken.expected);
        }
    }

    #[test]
    fn a_row_of_one_line_may_be_of_any_length() {
        let long = "b".repeat(3 * MAX_BYTES);
        let text = format!("a,\"{long}\"\nc,d\n");
        let mut records = Records::new(text.as_bytes(), b',');
        records.next_row(None).expect("in memory").expect("a row").expect("one that fits");
        assert_eq!(records.row().iter().map(<[u8]>::len).collect::<Vec<_>>(), [1, long.len()]);
        records.next_row(None).expect("in memory").expect("a row").expect("one that fits");
        assert_eq!(records.row().lines, (2, 2));
    }
}
