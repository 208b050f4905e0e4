//! Plain text: one post per line.
//!
//! A blank line is a post without text, so that the posts are as many as the lines and in their
//! order. No line is trimmed.

use super::lines::{Fault, Lines, UTF_8};
use super::post::{Body, PostRecord};
use crate::Result;
use std::io::BufRead;
use std::path::PathBuf;

/// Streams the lines of a text as posts.
#[derive(Debug)]
pub struct TextReader<R> {
    lines: Lines<R>,
}

impl<R: BufRead> TextReader<R> {
    /// Reads from any buffered input; `path` is the name that errors show.
    pub fn new(input: R, path: impl Into<PathBuf>) -> Self {
        Self { lines: Lines::new(input, path.into()) }
    }
}

impl<R: BufRead> Iterator for TextReader<R> {
    type Item = Result<PostRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let post = match self.lines.next_line().transpose()? {
            Ok((number, line)) => match std::str::from_utf8(line) {
                Ok(text) => Ok(PostRecord::new(number, Body::Text(text.to_owned()))),
                Err(_) => Err(Fault::new(number, line, UTF_8)),
            },
            Err(error) => return Some(Err(error)),
        };
        Some(post.map_err(|fault| fault.of(self.lines.path())))
    }
}
