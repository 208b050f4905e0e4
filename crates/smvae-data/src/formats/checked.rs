//! An input whose first bytes are looked at, since they may say that it is none of our formats:
//! text in UTF-16, or a compressed file.

use std::io::{self, BufRead, ErrorKind, Read};

/// How such inputs begin, and what to do about them.
const FOREIGN: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", WORKBOOK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", WORKBOOK),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (b"\x1f\x8b", "it is compressed with gzip: unpack it first, as in `zcat FILE | smvae ... -`"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd: unpack it first, as in `zstdcat FILE | smvae ... -`"),
];
/// What to do about a workbook, whatever its name is.
pub(super) const WORKBOOK: &str = "it is a workbook, or another archive: save it as CSV in UTF-8";
const UTF_16: &str = "it is text in UTF-16 and not in UTF-8: convert it first, as in `iconv -f UTF-16 -t UTF-8 FILE`";

/// What is wrong with an input that begins so; `None` if it may be one of ours.
pub(crate) fn foreign(start: &[u8]) -> Option<&'static str> {
    FOREIGN.iter().find(|(mark, _)| start.starts_with(mark)).map(|(_, what)| *what)
}

/// An input whose first bytes are looked at when they are read, and not before: opening it waits
/// for nothing. Reading one that is in no format of ours is an error.
#[derive(Debug)]
pub(super) struct Checked<R> {
    input: R,
    is_checked: bool,
}

impl<R> Checked<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, is_checked: false }
    }
}

impl<R: BufRead> BufRead for Checked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if !self.is_checked {
            // The mark is in the first piece, unless a program wrote it byte by byte.
            if let Some(what) = foreign(self.input.fill_buf()?) {
                return Err(io::Error::new(ErrorKind::InvalidData, what));
            }
            self.is_checked = true;
        }
        self.input.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.input.consume(n);
    }
}

impl<R: BufRead> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.is_checked {
            self.fill_buf()?;
        }
        self.input.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Settings, read};
    use super::*;

    /// The one error of an input in a format.
    #[track_caller]
    fn check(format: Format, bytes: &[u8], want: &str) {
        let settings = Settings { format: Some(format), ..Settings::default() };
        let error = match read(bytes, "f", &settings) {
            Ok(mut posts) => {
                let error = posts.next().expect("an error").expect_err("nothing of ours");
                assert!(posts.next().is_none(), "{format}: nothing comes after it");
                error
            }
            Err(error) => error,
        };
        assert_eq!(error.to_string(), "cannot read f");
        let cause = std::error::Error::source(&error).expect("it has one").to_string();
        assert!(cause.contains(want), "{format}: {cause}");
    }

    #[test]
    fn what_is_none_of_ours_is_named_with_what_to_do() {
        use Format::{Conll, Csv, Json, JsonLines, Text, Tsv};
        let text = "{\"text\": \"a\"}\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for format in [Conll, Csv, Json, JsonLines, Text, Tsv] {
            check(format, &[&b"\xff\xfe"[..], &little].concat(), "iconv -f UTF-16 -t UTF-8 FILE");
            check(format, &[&b"\xfe\xff"[..], &big].concat(), "iconv -f UTF-16 -t UTF-8 FILE");
            check(format, b"\x1f\x8b\x08\x00", "`zcat FILE | smvae ... -`");
            check(format, b"PK\x03\x04\x14\x00", "it is a workbook");
            check(format, b"\x28\xb5\x2f\xfd\x04", "`zstdcat FILE | smvae ... -`");
        }
        for ours in [&b"\xef\xbb\xbf{}"[..], b"(\xc2\xb5)", b"\xff\xff\xff\xff", b"\xff", b""] {
            assert_eq!(foreign(ours), None);
        }
    }
}
