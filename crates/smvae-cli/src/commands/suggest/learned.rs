//! Whether posts that are suggested are among those that a model learned from, or was selected on:
//! it has nothing to learn from the first again, and the second must stay for dev.

use crate::inputs::real;
use crate::progress::say;
use smvae::RunInfo;
use smvae::data::corpus::{load_file_with, split_path};
use smvae::data::duplicates::key;
use smvae::data::selection::Selected;
use smvae::data::{Sample, Split};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A file of posts that a run knows, and what they say.
struct Known {
    file: PathBuf,
    posts: HashSet<u64>,
}

/// Says how many of the posts, by what they say, each of the runs knows, and how they are left out.
pub(super) fn tell(runs: &[PathBuf], pool: &Path, chosen: &[u64]) {
    for run in runs {
        let known = known(run, pool).unwrap_or_default();
        let n = chosen.iter().filter(|post| known.iter().any(|known| known.posts.contains(*post))).count();
        if n == 0 {
            continue;
        }
        let are = if n == 1 { "of these posts is" } else { "of these posts are" };
        let (run_name, options) = (run.display(), options(&known, run, pool));
        say(format!(
            "{n} {are} among those that {run_name} learned from or was selected on: {options} leaves them out"
        ));
    }
}

/// How the posts that a run knows are left out.
fn options(known: &[Known], run: &Path, pool: &Path) -> String {
    // Of the pool itself only some posts may be labelled.
    let (of_pool, others): (Vec<&Known>, Vec<&Known>) = known.iter().partition(|known| real(&known.file) == real(pool));
    let labelled = of_pool.iter().map(|_| format!("--labelled {}", run.join("selection.json").display()));
    let files: Vec<String> = others.iter().map(|known| known.file.display().to_string()).collect();
    let exclude = (!files.is_empty()).then(|| format!("--exclude {}", files.join(" ")));
    labelled.chain(exclude).collect::<Vec<_>>().join(" ")
}

/// The files of train and dev of a run, as far as they are still where they were.
fn known(run: &Path, pool: &Path) -> Option<Vec<Known>> {
    let info = RunInfo::read(run).ok()?;
    let (data, format) = (info.config.data.as_ref()?, &info.config.corpus_format);
    let read = |split: Split| {
        let file = split_path(data, split).ok()?;
        let samples = load_file_with(&file, format).ok()?.samples;
        Some((file, samples))
    };
    let train = info.selection.as_ref().zip(read(Split::Train));
    let train =
        train.map(|(selection, (file, samples))| Known { file, posts: labelled(&selection.labelled, &samples) });
    // Who takes posts from dev has meant to.
    let dev = read(Split::Dev).filter(|(file, _)| real(file) != real(pool));
    let says = |samples: Vec<Sample>| samples.iter().map(|sample| key(&sample.words)).collect();
    let dev = dev.map(|(file, samples)| Known { file, posts: says(samples) });
    Some(train.into_iter().chain(dev).collect())
}

/// What the labelled posts say. Those that are no longer where they were are other posts.
fn labelled(selected: &[Selected], samples: &[Sample]) -> HashSet<u64> {
    let sample = |post: &Selected| samples.get(post.position).filter(|sample| sample.image_id == post.image_id);
    selected.iter().filter_map(sample).map(|sample| key(&sample.words)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_that_are_elsewhere_now_are_not_those_that_were_labelled() {
        let sample = |id: &str, word: &str| Sample {
            image_id: id.to_owned(),
            words: vec![word.to_owned()],
            ..Sample::default()
        };
        let mut samples = vec![sample("1", "Ana"), sample("2", "Oslo"), sample("3", "Rio")];
        let selected = [Selected::of(&samples, 0), Selected::of(&samples, 1)];
        assert_eq!(labelled(&selected, &samples).len(), 2);
        samples.swap(1, 2);
        assert_eq!(labelled(&selected, &samples), HashSet::from([key(&samples[0].words)]));
        samples.truncate(1);
        assert_eq!(labelled(&selected, &samples).len(), 1);
    }
}
