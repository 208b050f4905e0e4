//! Which files a run read, by digest: a result from another machine counts if it read the same.

use crate::error::{Error, Result};
use crate::experiment::spec::{RunSpec, Sources};
use serde::{Deserialize, Serialize};
use smvae_data::corpus::load_split;
use smvae_data::files::{sha256_file, sha256_hex, sha256_json};
use smvae_data::{Selection, Split};
use smvae_encoders::text::model_folder;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

/// Digests (SHA-256) of a run's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Digests {
    /// Of the file of the training split.
    pub train: String,
    /// Of the file of dev.
    #[serde(rename = "valid")]
    pub dev: String,
    /// Of the file of the test split. `None` if it stayed closed.
    pub test: Option<String>,
    /// Of the file of image vectors. `None` for text alone.
    pub images: Option<String>,
    /// Of the file of captions. `None` for a run without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<String>,
    /// Of the manifest of the labelled posts, however its file is laid out. `None` for posts that a
    /// seed draws or a model chooses, and in results of builds that did not compare them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// Of what the runs before it read beside the corpus: image vectors, captions and manifests.
    /// `None` for a run that no run goes before, and in results of builds that did not compare
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Of the weights in the text encoder's folder. For a model of the hub and for `tiny` it is the
    /// name.
    pub text_encoder: String,
}

impl Digests {
    /// Digests of these files as they are now.
    ///
    /// # Errors
    /// Files that cannot be read; a split that is not a corpus.
    pub fn of(sources: &Sources, dev_only: bool) -> Result<Self> {
        let split = |split| Ok::<_, Error>(load_split(&sources.data, split)?.file.sha256);
        Ok(Self {
            train: split(Split::Train)?,
            dev: split(Split::Dev)?,
            test: if dev_only { None } else { Some(split(Split::Test)?) },
            images: sources.images.as_deref().map(sha256_file).transpose()?,
            captions: sources.captions.as_deref().map(sha256_file).transpose()?,
            selection: sources.selection.as_deref().map(selection).transpose()?,
            before: before(sources, &mut |file| Ok(sha256_file(file)?))?,
            text_encoder: text_encoder(&sources.text_encoder)?,
        })
    }

    /// The files that have changed, each as `name then -> now`. `None` if they are the same. A test
    /// split, a manifest or a run before that either run has no digest of makes no difference.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let of = |digests: &Self| {
            let Self { train, dev, images, captions, text_encoder, .. } = digests.clone();
            let [images, captions] = [images, captions].map(|digest| digest.unwrap_or_else(|| "none".to_owned()));
            let fixed = [("train", train), ("dev", dev), ("images", images), ("captions", captions)];
            fixed.into_iter().chain([("text encoder", text_encoder)])
        };
        let mut pairs: Vec<_> = of(self).zip(of(now)).map(|((name, a), (_, b))| (name, a, b)).collect();
        let known = [
            ("test", &self.test, &now.test),
            ("labelled posts", &self.selection, &now.selection),
            ("the run before", &self.before, &now.before),
        ];
        pairs.extend(known.into_iter().filter_map(|(name, a, b)| Some((name, a.clone()?, b.clone()?))));
        let changed = pairs.into_iter().filter(|(_, then, now)| then != now);
        let lines: Vec<String> =
            changed.map(|(name, then, now)| format!("file of {name}, sha256 {then} -> {now}")).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }
}

/// Digests that were computed before: a corpus has many runs, and reading it takes a while.
#[derive(Debug, Default)]
pub struct KnownDigests {
    of_corpora: HashMap<(Sources, bool), Digests>,
    of_files: HashMap<PathBuf, String>,
}

impl KnownDigests {
    /// Digests of a run's files as they were at the first call.
    ///
    /// # Errors
    /// As [`Digests::of`].
    pub fn of(&mut self, spec: &RunSpec) -> Result<Digests> {
        let of_run = Sources { selection: None, before: None, ..spec.sources.clone() };
        let of_corpus = match self.of_corpora.entry((of_run, spec.run.dev_only)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let digests = Digests::of(&new.key().0, new.key().1)?;
                new.insert(digests)
            }
        };
        let selection = spec.sources.selection.as_deref().map(selection).transpose()?;
        let before = before(&spec.sources, &mut |file| {
            if let Some(known) = self.of_files.get(file) {
                return Ok(known.clone());
            }
            let digest = sha256_file(file)?;
            self.of_files.insert(file.to_owned(), digest.clone());
            Ok(digest)
        })?;
        Ok(Digests { selection, before, ..of_corpus.clone() })
    }
}

/// The digest of what the runs before a run read beside the corpus; `of_file` is that of a file.
/// `None` without such a run.
fn before(sources: &Sources, of_file: &mut dyn FnMut(&Path) -> Result<String>) -> Result<Option<String>> {
    let Some(files) = &sources.before else { return Ok(None) };
    let images = files.images.as_deref().map(&mut *of_file).transpose()?;
    let captions = files.captions.as_deref().map(&mut *of_file).transpose()?;
    let selection = files.selection.as_deref().map(selection).transpose()?;
    let parts = (images, captions, selection, before(files, of_file)?);
    Ok(Some(sha256_json(&parts).expect("strings have a JSON form")))
}

/// The digest of the posts that a manifest names.
fn selection(manifest: &Path) -> Result<String> {
    Ok(sha256_hex(Selection::load(manifest)?.to_text().as_bytes()))
}

/// The digest of a folder's weights, in any number of files, or the name if it is not a folder.
fn text_encoder(name: &str) -> Result<String> {
    let folder = Path::new(name);
    if !folder.is_dir() {
        return Ok(name.to_owned());
    }
    // In the old layout of sentence-transformers the weights are in a folder of this one.
    let folder = model_folder(folder);
    let read = |source| Error::Read { path: folder.clone(), source };
    let paths = std::fs::read_dir(&folder).map_err(read)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<PathBuf>>>().map_err(read)?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "safetensors" || end == "bin"));
    paths.sort();
    let digests = paths.iter().map(|path| sha256_file(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(match digests.as_slice() {
        [one] => one.clone(),
        several => sha256_hex(several.concat().as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use smvae_data::selection::Selected;

    #[test]
    fn digests_are_of_the_files_and_name_what_has_changed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("writable");
        for name in ["train.txt", "valid.txt", "test.txt"] {
            write(name, "IMGID:1\nOslo\tB-LOC\n\n");
        }
        std::fs::create_dir(dir.path().join("encoder")).expect("writable");
        write("encoder/model.safetensors", "weights");
        write("encoder/config.json", "{}");
        let sources = Sources {
            data: dir.path().to_owned(),
            text_encoder: dir.path().join("encoder").display().to_string(),
            images: Some(dir.path().join("encoder/model.safetensors")),
            captions: None,
            selection: None,
            before: None,
        };
        let then = Digests::of(&sources, false).expect("they can be read");
        assert_eq!(then.images.as_deref(), Some(then.text_encoder.as_str()));
        assert_eq!(then.text_encoder, sha256_hex(b"weights"));
        write("encoder/config.json", "{ }");
        let closed = Digests::of(&sources, true).expect("they can be read");
        assert_eq!((then.difference(&closed), closed.test.is_none()), (None, true));
        write("valid.txt", "IMGID:2\nOslo\tB-LOC\n\n");
        write("encoder/more.bin", "weights");
        let now = Digests::of(&Sources { images: None, ..sources }, false).expect("they can be read");
        let difference = then.difference(&now).expect("three files are others");
        assert!(!difference.contains("train") && !difference.contains("test"), "{difference}");
        for name in ["file of dev, sha256 ", "file of images, sha256 ", " -> none", "file of text encoder, sha256 "] {
            assert!(difference.contains(name), "{difference}");
        }
        assert_eq!(text_encoder("tiny").expect("a name"), "tiny");
    }

    #[test]
    fn weights_of_an_encoder_in_a_folder_of_its_folder_count() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("writable");
        std::fs::create_dir(dir.path().join("0_Transformer")).expect("writable");
        write("modules.json", r#"[{"idx": 0, "path": "0_Transformer"}, {"idx": 1, "path": "1_Pooling"}]"#);
        write("config.json", "{}");
        write("0_Transformer/config.json", r#"{"vocab_size": 3}"#);
        write("0_Transformer/pytorch_model.bin", "weights");
        let digest = text_encoder(dir.path().to_str().expect("UTF-8")).expect("they can be read");
        assert_eq!(digest, sha256_hex(b"weights"));
    }

    #[test]
    fn what_the_runs_before_read_counts() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("writable");
        for name in ["train.txt", "valid.txt"] {
            write(name, "IMGID:1\nOslo\tB-LOC\n\n");
        }
        write("images", "vectors");
        let plain = Sources {
            data: dir.path().to_owned(),
            text_encoder: "tiny".to_owned(),
            images: None,
            captions: None,
            selection: None,
            before: None,
        };
        let mut sources = Sources { images: Some(dir.path().join("images")), ..plain.clone() };
        for _ in 0..2 {
            sources = Sources { before: Some(Box::new(sources)), ..plain.clone() };
        }
        let then = Digests::of(&sources, true).expect("they can be read");
        assert_eq!(then.difference(&Digests::of(&sources, true).expect("they can be read")), None);
        write("images", "others");
        let now = Digests::of(&sources, true).expect("they can be read");
        let difference = then.difference(&now).expect("the first run read others");
        assert!(difference.starts_with("file of the run before, sha256 "), "{difference}");
        assert_eq!(Digests { before: None, ..then }.difference(&now), None, "earlier results do not say");
        assert_eq!(Digests::of(&plain, true).expect("they can be read").before, None);
    }

    #[test]
    fn other_labelled_posts_are_told() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("draw.json");
        let digest = |posts: &[usize]| {
            let posts = posts.iter().map(|position| Selected { position: *position, image_id: String::new() });
            Selection::of(1, "0".repeat(64), posts).save(&path).expect("writable");
            Digests { selection: Some(selection(&path).expect("a manifest")), ..Digests::default() }
        };
        let (then, now) = (digest(&[1, 2]), digest(&[1, 3]));
        assert_eq!(then.difference(&digest(&[1, 2])), None);
        assert!(then.difference(&now).is_some_and(|told| told.starts_with("file of labelled posts, sha256 ")));
        assert_eq!(Digests { selection: None, ..then }.difference(&now), None);
    }
}
