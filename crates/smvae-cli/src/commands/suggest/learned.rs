//! Whether posts that are suggested are among those that a model learned from: it has nothing to
//! learn from them again.

use crate::inputs::real;
use crate::progress::say;
use smvae::RunInfo;
use smvae::data::Split;
use smvae::data::corpus::{load_file_with, split_path};
use smvae::data::duplicates::key;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Says how many of the posts, by what they say, each of the runs learned from, and how they are
/// left out.
pub(super) fn tell(runs: &[PathBuf], pool: &Path, chosen: &[u64]) {
    for run in runs {
        let Some((file, learned)) = learned(run) else { continue };
        let n = chosen.iter().filter(|key| learned.contains(*key)).count();
        if n == 0 {
            continue;
        }
        let (file_name, run_name) = (file.display(), run.display());
        // Of the pool itself only some posts may be labelled.
        let option = if real(pool) == real(&file) {
            format!("--labelled {}", run.join("selection.json").display())
        } else {
            format!("--exclude {file_name}")
        };
        let are = if n == 1 { "of these posts is" } else { "of these posts are" };
        say(format!("{n} {are} in {file_name}, which {run_name} learned from: {option} leaves out what it knows"));
    }
}

/// The file that a run learned from and what its labelled posts say, if it is still where it was.
fn learned(run: &Path) -> Option<(PathBuf, HashSet<u64>)> {
    let info = RunInfo::read(run).ok()?;
    let file = split_path(info.config.data.as_ref()?, Split::Train).ok()?;
    let read = load_file_with(&file, &info.config.corpus_format).ok()?;
    let labelled = info.selection?.labelled;
    let posts = labelled.iter().filter_map(|post| read.samples.get(post.position));
    Some((file, posts.map(|sample| key(&sample.words)).collect()))
}
