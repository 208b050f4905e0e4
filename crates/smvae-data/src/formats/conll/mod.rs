//! Words in columns, one word per line, as CoNLL and its many kin write them.
//!
//! ```text
//! -DOCSTART- -X- -X- O           # or a comment; both only in files without `IMGID:` lines
//!
//! IMGID:<image id>               # before each post or before none
//! London NNP B-NP B-LOC          # one to ten columns, the same number in every line
//! calls  VBZ B-VP O
//!                                # a blank line ends the post; the last one may lack it
//! ```
//!
//! Lines end in LF or CR LF. Blanks and tabs alone are a blank line, unless they are all columns of
//! a line without a tag: a word may be a blank where no spaces separate. What separates columns and
//! which ones are read is told from the first word, see [`Asked`]; no white space but tab and space
//! ever separates anything. Files with `IMGID:` lines have the form of [`Dialect::TWITTER`], or
//! words alone, unless something else is asked for; [`samples`] reads that form and no other. What
//! this does not do: no lemmas, no heads, no ranges of CoNLL-U, no captions of images, and no
//! scheme of tags (see [`schemes`]).

mod dialect;
pub mod samples;
pub mod write;

#[cfg(test)]
mod tests;

pub use dialect::{Asked, Columns, Dialect, Separator};

use super::lines::{Fault, Lines, UTF_8};
use super::post::{Body, Labels, PostRecord, lacking};
use crate::{Error, Result};
use dialect::is_comment;
use smvae_core::schemes;
use std::borrow::Cow;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// What a file must have where no post is open.
const EXPECTED_HEADER: &str = "a line `IMGID:<image id>` before the words of a post";
/// Mark between documents.
const DOCUMENT: &str = "-DOCSTART-";

/// Streams the posts of a file in columns.
///
/// After an error the reader continues: a post with a malformed line is left out whole, since a
/// missing word would move the positions of all after it, and each of its malformed lines is an
/// error of its own. After [`Error::Read`] it ends.
#[derive(Debug)]
pub struct ColumnReader<R> {
    lines: Lines<R>,
    state: State,
    /// An error met while a complete post had to be handed out first.
    waiting: Option<Error>,
    is_finished: bool,
}

impl<R: BufRead> ColumnReader<R> {
    /// Reads from any buffered input; `path` is the name that errors show.
    pub fn new(input: R, path: impl Into<PathBuf>, asked: Asked) -> Self {
        Self::with(input, path.into(), State { asked, ..State::default() })
    }

    /// Reads the form of the Twitter corpora and no other.
    fn strict(input: R, path: PathBuf) -> Self {
        let rules = State {
            has_headers: Some(true),
            dialect: Some(Dialect::TWITTER),
            is_tag: |tag| smvae_core::bio::Tag::parse(tag).is_ok(),
            ..State::default()
        };
        Self::with(input, path, rules)
    }

    fn with(input: R, path: PathBuf, state: State) -> Self {
        Self { lines: Lines::new(input, path), state, waiting: None, is_finished: false }
    }

    /// How lines are cut; `None` before the first word.
    pub fn dialect(&self) -> Option<Dialect> {
        self.state.dialect
    }

    /// Whether posts have `IMGID:` lines; `None` before the first post.
    pub fn has_image_lines(&self) -> Option<bool> {
        self.state.has_headers
    }

    /// Number of posts left out so far because of a malformed line.
    pub fn dropped(&self) -> usize {
        self.state.dropped
    }

    /// Name of the input.
    pub fn path(&self) -> &Path {
        self.lines.path()
    }
}

impl<R: BufRead> Iterator for ColumnReader<R> {
    type Item = Result<PostRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.waiting.take() {
            return Some(Err(error));
        }
        while !self.is_finished {
            let step = match self.lines.next_line() {
                Ok(Some((number, line))) => self.state.take_line(number, line),
                Ok(None) => {
                    self.is_finished = true;
                    Step::closing(&mut self.state)
                }
                Err(error) => {
                    self.is_finished = true;
                    return Some(Err(error));
                }
            };
            let in_file = |fault: Fault| fault.of(self.lines.path());
            let (closed, error) = (step.closed.map_err(in_file).transpose(), step.fault.map(in_file));
            if closed.is_some() {
                self.waiting = error;
                return closed;
            }
            if error.is_some() {
                return error.map(Err);
            }
        }
        None
    }
}

/// What a line brings: the post that it ends, and what is wrong with the line itself.
struct Step {
    closed: Result<Option<PostRecord>, Fault>,
    fault: Option<Fault>,
}

impl Step {
    /// A line that ends the open post, if there is one.
    fn closing(state: &mut State) -> Self {
        Self { closed: state.close(), fault: None }
    }

    /// A line that ends no post.
    fn within(outcome: Result<(), Fault>) -> Self {
        Self { closed: Ok(None), fault: outcome.err() }
    }
}

/// A post that is being read.
#[derive(Debug, Default)]
struct Block {
    /// Line it begins at, for the error of a post without words.
    line: usize,
    image: Option<String>,
    words: Vec<String>,
    tags: Vec<String>,
    /// A malformed line was met: the post is read to its end and left out.
    is_spoiled: bool,
}

/// What is known of a file so far.
#[derive(Debug)]
struct State {
    asked: Asked,
    dialect: Option<Dialect>,
    has_headers: Option<bool>,
    is_tag: fn(&str) -> bool,
    open: Option<Block>,
    dropped: usize,
}

impl Default for State {
    fn default() -> Self {
        let (asked, is_tag) = (Asked::default(), schemes::is_tag as fn(&str) -> bool);
        Self { asked, dialect: None, has_headers: None, is_tag, open: None, dropped: 0 }
    }
}

impl State {
    fn take_line(&mut self, number: usize, line: &[u8]) -> Step {
        let Ok(text) = std::str::from_utf8(line) else {
            return Step::within(Err(self.spoil(number, line, UTF_8)));
        };
        if self.is_blank(text) {
            return Step::closing(self);
        }
        if let Some(id) = text.strip_prefix("IMGID:") {
            return self.take_header(number, text, id);
        }
        if self.has_headers != Some(true) {
            if text.split([' ', '\t']).next() == Some(DOCUMENT) {
                return Step::closing(self);
            }
            if self.open.is_none() && is_comment(text, self.dialect.as_ref()) {
                return Step::within(Ok(()));
            }
        }
        Step::within(self.take_word(number, text))
    }

    /// Whether a line ends a post: it is empty, or blanks and tabs alone that are no word.
    fn is_blank(&self, text: &str) -> bool {
        let is_white = text.trim_matches([' ', '\t']).is_empty();
        is_white && self.dialect.is_none_or(|dialect| dialect.is_blank(text))
    }

    fn take_header(&mut self, number: usize, text: &str, id: &str) -> Step {
        let closed = self.close();
        let has_headers = *self.has_headers.get_or_insert(true);
        self.open = Some(Block { line: number, image: Some(id.to_owned()), ..Block::default() });
        let expected = if !has_headers {
            Some("no `IMGID:` line, since the first post has none")
        } else if id.is_empty() || id.contains('\t') {
            Some("`IMGID:<image id>` with an id and without a tab")
        } else {
            None
        };
        Step { closed, fault: expected.map(|expected| self.spoil(number, text.as_bytes(), expected)) }
    }

    fn take_word(&mut self, number: usize, text: &str) -> Result<(), Fault> {
        if self.open.is_none() && self.has_headers == Some(true) {
            return Err(self.spoil(number, text.as_bytes(), EXPECTED_HEADER));
        }
        let told = || Dialect::told(text, self.asked, self.has_headers == Some(true));
        let dialect = self.dialect.map_or_else(told, Ok);
        let cells = dialect.and_then(|dialect| Ok((dialect, dialect.cut(text, self.is_tag)?)));
        let (dialect, (word, tag)) = match cells {
            Ok(cells) => cells,
            Err(expected) => return Err(self.spoil(number, text.as_bytes(), expected)),
        };
        // A line that does not read decides nothing.
        self.dialect = Some(dialect);
        self.has_headers.get_or_insert(false);
        let block = self.block(number);
        if !block.is_spoiled {
            block.words.push(word.to_owned());
            block.tags.extend(tag.map(str::to_owned));
        }
        Ok(())
    }

    /// Ends the open post, if there is one.
    fn close(&mut self) -> Result<Option<PostRecord>, Fault> {
        let Some(block) = self.open.take() else { return Ok(None) };
        let Block { line, image, words, tags, is_spoiled } = block;
        let fault = lacking(&words, self.asked.labels);
        if is_spoiled || words.is_empty() || fault.is_some() {
            self.dropped += 1;
        }
        if is_spoiled {
            return Ok(None);
        }
        if words.is_empty() {
            let header = format!("IMGID:{}", image.unwrap_or_default());
            return Err(Fault::new(line, header.as_bytes(), "at least one word after it"));
        }
        if let Some(expected) = fault {
            return Err(Fault::new(line, words.join(" ").as_bytes(), expected));
        }
        let has_tags = self.dialect.is_some_and(|dialect| dialect.columns.tag.is_some());
        let labels = has_tags.then_some(Labels::Tags(tags));
        Ok(Some(PostRecord { image, labels, ..PostRecord::new(line, Body::Words(words)) }))
    }

    /// The open post; one without a header is opened if there is none.
    fn block(&mut self, number: usize) -> &mut Block {
        self.open.get_or_insert_with(|| Block { line: number, ..Block::default() })
    }

    /// The fault of a line, whose post is left out.
    fn spoil(&mut self, number: usize, text: &[u8], expected: impl Into<Cow<'static, str>>) -> Fault {
        self.block(number).is_spoiled = true;
        Fault::new(number, text, expected)
    }
}
