//! Posts whose entities a model found, as `smvae suggest` writes them in JSON lines: they look like
//! posts that somebody has labelled, and nobody has.

use serde_json::Value;
use smvae::data::formats::{Labels, PostRecord};
use std::path::Path;

/// The posts of a file that may be suggestions.
#[derive(Debug, Default)]
pub(crate) struct Suggested {
    n: usize,
    /// Whether entities have scores, which a person does not give.
    has_scores: bool,
}

impl Suggested {
    /// Takes a post.
    pub(crate) fn add(&mut self, post: &PostRecord) {
        if post.fields.get("suggested").is_none() || !matches!(post.labels, Some(Labels::Entities(_))) {
            return;
        }
        self.n += 1;
        let entities: Option<Vec<Value>> = post.fields.read("entities").ok().flatten();
        self.has_scores |= entities.iter().flatten().any(|entity| entity.get("score").is_some());
    }

    /// Refuses the file if a model found its entities.
    pub(crate) fn check(&self, file: &Path) -> anyhow::Result<()> {
        let posts = if self.n == 1 { "1 post is a suggestion" } else { &format!("{} posts are suggestions", self.n) };
        anyhow::ensure!(
            !self.has_scores,
            "{}: {posts} whose entities a model found: label them first, and take the field \"suggested\" from those \
             that are right",
            file.display()
        );
        Ok(())
    }
}
