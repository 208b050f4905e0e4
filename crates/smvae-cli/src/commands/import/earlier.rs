//! The labelled posts of the files that an import replaces: none of them is lost in silence.

use super::args::ImportArgs;
use crate::failure::Usage;
use crate::progress::say;
use smvae::data::Sample;
use smvae::data::corpus::CorpusFormat;
use smvae::data::duplicates::key;
use smvae::data::exchange::labelled::posts_of;
use std::collections::HashSet;
use std::path::Path;

/// Labelled posts of a file that is there already, by what they say.
pub(super) struct Earlier<'a> {
    path: &'a Path,
    keys: Vec<u64>,
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
            let keys: Vec<u64> = read.posts.iter().map(|post| key(&post.words)).collect();
            if !args.overwrite {
                let posts = if keys.len() == 1 {
                    "1 labelled post".to_owned()
                } else {
                    format!("{} labelled posts", keys.len())
                };
                let message = format!(
                    "{option} {} is there already, and holds {posts}: name all exports together; --overwrite replaces it, and \
                     drops what these do not have",
                    path.display()
                );
                return Err(Usage(message).into());
            }
            all.push(Self { path, keys });
        }
        Ok(all)
    }

    /// Says how many of them are not among those that were written in their place.
    pub(super) fn tell(&self, written: &HashSet<u64>) {
        let path = self.path.display();
        match self.keys.iter().filter(|key| !written.contains(*key)).count() {
            0 => {}
            1 => say(format!("{path}: 1 labelled post that stood there is labelled in none of these exports")),
            n => say(format!("{path}: {n} labelled posts that stood there are labelled in none of these exports")),
        }
    }

    /// Warns of those that are among the new posts of another file, beside which this one stays.
    pub(super) fn tell_shared(&self, to: &Path, samples: &[Sample]) {
        let own: HashSet<u64> = self.keys.iter().copied().collect();
        let n = samples.iter().filter(|sample| own.contains(&key(&sample.words))).count();
        if n == 0 {
            return;
        }
        let (to, path) = (to.display(), self.path.display());
        let are = if n == 1 { "1 post of" } else { &format!("{n} posts of") };
        say(format!(
            "warning: {are} {to} stand in {path}, too, which stays: name the export that marks them for dev as well, or no \
             model can be selected on them"
        ));
    }

    /// Whether this is of a file.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        self.path == path
    }
}
