//! What was found in posts and what was not read of them, counted for the end of `smvae predict`.

use crate::progress::say;
use smvae::Prediction;
use std::fmt::Display;

/// What is told at the end: mostly what the entities do not tell, since it was not read.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Lines that are not posts, or could not be computed.
    pub(super) bad: usize,
    /// The first of them and what is wrong with it.
    pub(super) first: Option<String>,
    /// Entities that were found.
    pub(super) entities: usize,
    /// Words beyond the piece limit.
    pub(super) words_cut: usize,
    /// Posts that name an image without a vector.
    pub(super) images_missing: usize,
    /// The first of these images, where it is known.
    first_image: Option<String>,
    /// Posts that name an image.
    pub(super) images_named: usize,
    /// Posts without a caption, of a model that reads captions.
    pub(super) captions_missing: usize,
}

impl Losses {
    /// Counts a line that is not a post.
    pub(super) fn fail(&mut self, line: impl Display, why: &str) {
        self.bad += 1;
        self.first.get_or_insert_with(|| format!("line {line}: {why}"));
    }

    /// Counts what was found in a post and what was not read of it; `image` is the one that it
    /// names.
    pub(super) fn count(&mut self, found: &Prediction, image: Option<&str>) {
        self.entities += found.entities.len();
        self.images_named += usize::from(image.is_some());
        if found.image_missing && self.first_image.is_none() {
            self.first_image = image.map(str::to_owned);
        }
        self.words_cut += found.words_cut;
        self.captions_missing += usize::from(found.caption_missing);
        self.images_missing += usize::from(found.image_missing);
    }

    /// Says what was not read, of so many posts.
    pub(super) fn tell(&self, posts: usize) {
        let such = self.first_image.as_ref().map_or_else(String::new, |image| format!(" (such as {image})"));
        let all = [
            (
                self.captions_missing,
                "posts have no caption, and were read as text alone by a model that reads captions".to_owned(),
            ),
            (self.images_missing, format!("posts name an image that has no vector{such}, and were read without it")),
            (self.words_cut, "words were cut by the piece limit, and have no entities".to_owned()),
        ];
        for (n, what) in all.into_iter().filter(|(n, _)| *n > 0) {
            say(format!("{n} {what} ({posts} posts in all)"));
        }
    }
}
