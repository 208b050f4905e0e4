//! The labelled posts of the files that an import replaces: none of them is lost in silence.

use super::args::ImportArgs;
use crate::counted::count;
use crate::failure::Usage;
use crate::progress::{is_verbose, say};
use smvae::data::Sample;
use smvae::data::corpus::CorpusFormat;
use smvae::data::duplicates::key;
use smvae::data::exchange::labelled::{LabelledPost, posts_of};
use std::collections::HashSet;
use std::path::Path;

/// Labelled posts of a file that is there already, by what they say.
pub(super) struct Earlier<'a> {
    path: &'a Path,
    posts: Vec<Old>,
}

/// A post that stands there.
struct Old {
    key: u64,
    /// What messages call it: its line, id and how it begins.
    shown: String,
}

impl Old {
    fn of(post: &LabelledPost) -> Self {
        const SHOWN: usize = 60;
        let id = post.id.as_ref().map_or_else(String::new, |id| format!(" (id {id})"));
        let begin: String = post.text.chars().take(SHOWN).collect();
        Self { key: key(&post.words), shown: format!("line {}{id}, {begin:?}", post.line) }
    }
}

impl<'a> Earlier<'a> {
    /// Those of the files that are written, as far as they can be read. Refuses to replace them,
    /// unless that is asked for.
    pub(super) fn of(args: &'a ImportArgs) -> anyhow::Result<Vec<Self>> {
        let mut all = Vec::new();
        for (option, path) in [("--to", Some(args.to.as_path())), ("--dev", args.dev.as_deref())] {
            let Some(path) = path.filter(|path| path.is_file()) else { continue };
            // What is no file of posts holds no labels to lose.
            let Ok(read) = posts_of(path, &CorpusFormat::default()) else { continue };
            let posts: Vec<Old> = read.posts.iter().map(Old::of).collect();
            if !args.overwrite {
                let n = count(posts.len(), "labelled post", "labelled posts");
                let message = format!(
                    "{option} {} is there already, and holds {n}: name all exports together; --overwrite replaces it, and \
                     drops what these do not have",
                    path.display()
                );
                return Err(Usage(message).into());
            }
            all.push(Self { path, posts });
        }
        Ok(all)
    }

    /// Says how many of them are not among those that were written in their place, and which.
    pub(super) fn tell(&self, written: &HashSet<u64>) {
        let path = self.path.display();
        let lost: Vec<&Old> = self.posts.iter().filter(|post| !written.contains(&post.key)).collect();
        let Some(first) = lost.first() else { return };
        let (posts, first) = match lost.len() {
            1 => ("1 labelled post that stood there is".to_owned(), format!(": {}", first.shown)),
            n if is_verbose() => (format!("{n} labelled posts that stood there are"), String::new()),
            n => (format!("{n} labelled posts that stood there are"), format!(", the first: {}", first.shown)),
        };
        say(format!("{path}: {posts} labelled in none of these exports and lost{first}"));
        if is_verbose() && lost.len() > 1 {
            lost.iter().for_each(|post| say(format!("{path}: lost: {}", post.shown)));
        }
    }

    /// Warns of those that are among the new posts of another file, beside which this one stays.
    pub(super) fn tell_shared(&self, to: &Path, samples: &[Sample]) {
        let own: HashSet<u64> = self.posts.iter().map(|post| post.key).collect();
        let n = samples.iter().filter(|sample| own.contains(&key(&sample.words))).count();
        if n == 0 {
            return;
        }
        let (to, path) = (to.display(), self.path.display());
        let stand = if n == 1 { format!("1 post of {to} stands") } else { format!("{n} posts of {to} stand") };
        say(format!(
            "warning: {stand} in {path}, too, which stays: name the export that marks them for dev as well, or no \
             model can be selected on them"
        ));
    }

    /// Whether this is of a file.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        self.path == path
    }
}
