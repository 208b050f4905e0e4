//! Posts that say the same, of the same image or of none, and have other labels: which are right is
//! for people to say.

use super::posts::Post;
use crate::progress::say;
use smvae::data::Entity;
use smvae::data::exchange::fit::Fitted;
use std::collections::HashMap;

/// What posts say, and which of them have other labels than the first that says it.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    /// The first post of these words and this image.
    seen: HashMap<(Vec<String>, Option<String>), First>,
    n: usize,
    /// The places of the first two that differ.
    first: Option<[String; 2]>,
}

/// A post that others may say again.
#[derive(Debug)]
struct First {
    entities: Vec<Entity>,
    place: String,
}

impl Conflicts {
    /// Takes a labelled post.
    pub(super) fn add(&mut self, post: &Post<'_>, fitted: &Fitted) {
        let says = (fitted.words.clone(), post.post.image.clone());
        let new = || First { entities: fitted.entities.clone(), place: post.place() };
        let First { entities, place } = self.seen.entry(says).or_insert_with(new);
        if *entities != fitted.entities {
            self.n += 1;
            self.first.get_or_insert_with(|| [place.clone(), post.place()]);
        }
    }

    /// Warns of them.
    pub(super) fn tell(&self) {
        let Some([one, other]) = &self.first else { return };
        let posts = if self.n == 1 { "1 post has" } else { &format!("{} posts have", self.n) };
        say(format!("warning: {posts} other labels than one that says the same, the first: {one} and {other}"));
    }
}
