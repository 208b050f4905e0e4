//! The ids of JSON posts that are bad, as they were written: the error of such a post has its id as
//! text, which does not tell `12` from `"12"`.

use serde::Deserialize as _;
use serde_json::value::RawValue;
use smvae::data::formats::Fields;
use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that were read of an input and that nobody has looked at.
#[derive(Clone, Default)]
pub(crate) struct Recent(Arc<Mutex<Vec<u8>>>);

impl Recent {
    /// The id of the first object in what was read, if it is asked for; all is forgotten then.
    pub(crate) fn take_id(&self, is_wanted: bool) -> Option<Box<RawValue>> {
        let mut read = self.bytes();
        let id = if is_wanted { id_of(&read) } else { None };
        read.clear();
        id
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of the first object in some bytes, whatever comes after it.
fn id_of(bytes: &[u8]) -> Option<Box<RawValue>> {
    let start = bytes.iter().position(|byte| *byte == b'{')?;
    let fields = Fields::deserialize(&mut serde_json::Deserializer::from_slice(&bytes[start..])).ok()?;
    fields.get("id").map(RawValue::to_owned)
}

/// An input whose bytes are noted as they are read.
pub(crate) struct Noted<R> {
    input: R,
    recent: Recent,
}

impl<R> Noted<R> {
    pub(crate) fn new(input: R, recent: Recent) -> Self {
        Self { input, recent }
    }
}

impl<R: BufRead> BufRead for Noted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        // There are as many bytes in the buffer, so that nothing is read here.
        if n > 0
            && let Ok(buffer) = self.input.fill_buf()
        {
            self.recent.bytes().extend_from_slice(&buffer[..n.min(buffer.len())]);
        }
        self.input.consume(n);
    }
}

impl<R: BufRead> Read for Noted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.recent.bytes().extend_from_slice(&buffer[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smvae::data::formats::{Format, Settings, read};

    #[track_caller]
    fn check(format: Format, text: &str, want: &[Option<&str>]) {
        let recent = Recent::default();
        let settings = Settings { format: Some(format), ..Settings::default() };
        let posts = read(Noted::new(text.as_bytes(), recent.clone()), "posts", &settings).expect("a format");
        let mut got = Vec::new();
        for post in posts {
            got.push(recent.take_id(post.is_err()).map(|id| id.get().to_owned()));
        }
        assert_eq!(got.iter().map(Option::as_deref).collect::<Vec<_>>(), want, "{text}");
    }

    #[test]
    fn ids_are_those_of_their_posts_as_they_were_written() {
        let lines = "\u{feff}{\"id\": 1}\n\n{\"id\": \"1\"}\n{\"id\": 2, \"text\": \"a\"}\nno post\n{\"id\": 1e3}";
        let of_lines = [Some("1"), Some("\"1\""), None, None, Some("1e3")];
        check(Format::JsonLines, lines, &of_lines);
        check(Format::Json, lines, &of_lines);
        let array = "[{\"id\": 1}, {\"id\": 2, \"text\": \"a\"},\n {\"id\": true}, 7, {\"x\": {\"id\": 3}}]";
        check(Format::Json, array, &[Some("1"), None, Some("true"), None, None]);
    }
}
