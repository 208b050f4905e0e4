//! Whether the files that list the labelled posts of an experiment's runs fit these runs, looked at
//! before the first of them begins.

use crate::error::{Error, Result};
use crate::experiment::plan::Plan;
use crate::experiment::spec::{LabelCount, Run};
use smvae_data::corpus::split_path;
use smvae_data::files::sha256_file;
use smvae_data::selection::Selected;
use smvae_data::{Selection, Split};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

impl Plan {
    /// Reads the manifests of all runs.
    ///
    /// # Errors
    /// [`Error::Manifest`] for one that lists another number of posts than the run has labels, that
    /// was made from another training file, or that gives two draws the same posts, so that one run
    /// would count as two. Those of files that cannot be read, [`smvae_data::Error`].
    pub fn check_manifests(&self) -> Result<()> {
        let mut train_files: HashMap<&Path, String> = HashMap::new();
        let mut read: Vec<(&Run, Vec<Selected>)> = Vec::new();
        for spec in &self.runs {
            let (Some(path), LabelCount::Count(labels)) = (&spec.sources.selection, spec.run.labels) else { continue };
            let error = |why: String| Error::Manifest { path: PathBuf::from(path), why };
            let Selection { labelled, train_sha256, .. } = Selection::load(path)?;
            if labelled.len() != labels {
                return Err(error(format!(
                    "it lists {} posts, and {} has {labels} labels",
                    labelled.len(),
                    spec.run.id
                )));
            }
            let data = spec.sources.data.as_path();
            if !train_files.contains_key(data) {
                train_files.insert(data, sha256_file(&split_path(data, Split::Train)?)?);
            }
            if train_files[data] != train_sha256 {
                let why =
                    format!("it is of another training file than {} has, with sha256 {train_sha256}", spec.run.id);
                return Err(error(why));
            }
            let is_repetition = |other: &Run| {
                fn of(run: &Run) -> (&str, &str, LabelCount, Option<usize>) {
                    (&run.corpus, &run.method, run.labels, run.dev_labels)
                }
                other.draw != spec.run.draw && of(other) == of(&spec.run)
            };
            if let Some((other, _)) = read.iter().find(|(other, posts)| is_repetition(other) && *posts == labelled) {
                let why = format!(
                    "it gives {} the posts of {}, so that one run would count as two: name a file for each draw, with \
                     {{draw}} in its name, or give the method a grid of one draw, and seeds",
                    spec.run.id, other.id
                );
                return Err(error(why));
            }
            read.push((&spec.run, labelled));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smvae_data::corpus::load_split;

    const FILE: &str = r#"
text_encoder = "tiny"
corpora.c = { data = "." }
methods.again.choose = { manifest = "{corpus}-{labels}-{draw}.json" }
[[grids]]
corpora = ["c"]
methods = ["again"]
labels = [2]
draws = [0, 1]
"#;

    #[test]
    fn a_file_of_posts_that_does_not_fit_is_said_before_any_run() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(at(name), text).expect("writable");
        write("train.txt", &"IMGID:1\nOslo\tB-LOC\n\n".repeat(4));
        write("experiment.toml", FILE);
        let train = load_split(dir.path(), Split::Train).expect("our own file").file.sha256;
        let posts = |draw: u64, positions: &[usize], train: &str| {
            let posts = positions.iter().map(|position| Selected { position: *position, image_id: "1".into() });
            Selection::of(draw, train, posts).save(at(&format!("c-2-{draw}.json"))).expect("writable");
        };
        let plan = Plan::read(at("experiment.toml")).expect("a plan");
        let fails = |want: &str| {
            let error = plan.check_manifests().expect_err(want).to_string();
            assert!(error.contains(want), "{error}");
        };
        fails("c-2-0.json");
        posts(0, &[0, 1], &train);
        posts(1, &[0, 2], &train);
        plan.check_manifests().expect("they fit");
        posts(1, &[0, 1], &train);
        fails("c-2-1.json: it gives c-again-2-d1-s0 the posts of c-again-2-d0-s0, so that one run would count as two");
        posts(1, &[0], &train);
        fails("c-2-1.json: it lists 1 posts, and c-again-2-d1-s0 has 2 labels");
        posts(1, &[0, 2], &"0".repeat(64));
        fails("c-2-1.json: it is of another training file than c-again-2-d1-s0 has");
    }
}
