//! What was not read of the posts, counted for the end of `smvae predict`.

use crate::progress::say;
use smvae::Prediction;
use std::fmt::Display;

/// What the entities do not tell: what was not read.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Lines that are not posts, or could not be computed.
    pub(super) bad: usize,
    /// The first of them and what is wrong with it.
    pub(super) first: Option<String>,
    /// Words beyond the piece limit.
    pub(super) words_cut: usize,
    /// Posts that name an image without a vector.
    pub(super) images_missing: usize,
    /// Posts without a caption, of a model that reads captions.
    pub(super) captions_missing: usize,
}

impl Losses {
    /// Counts a line that is not a post.
    pub(super) fn fail(&mut self, line: impl Display, why: &str) {
        self.bad += 1;
        self.first.get_or_insert_with(|| format!("line {line}: {why}"));
    }

    /// Counts what was not read of a post.
    pub(super) fn count(&mut self, found: &Prediction) {
        self.words_cut += found.words_cut;
        self.captions_missing += usize::from(found.caption_missing);
        self.images_missing += usize::from(found.image_missing);
    }

    /// Says them, of so many posts.
    pub(super) fn tell(&self, posts: usize) {
        let all = [
            (
                self.captions_missing,
                "posts have no caption, and were read as text alone by a model that reads captions",
            ),
            (self.images_missing, "posts name an image that has no vector, and were read without it"),
            (self.words_cut, "words were cut by the piece limit, and have no entities"),
        ];
        for (n, what) in all.into_iter().filter(|(n, _)| *n > 0) {
            say(format!("{n} {what} ({posts} posts in all)"));
        }
    }
}
