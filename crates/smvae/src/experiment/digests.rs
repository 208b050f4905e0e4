//! Which files a run read, by digest: a result from another machine counts if it read the same.

use crate::error::{Error, Result};
use crate::experiment::spec::{RunSpec, Sources};
use serde::{Deserialize, Serialize};
use smvae_data::Split;
use smvae_data::corpus::load_split;
use smvae_data::files::{sha256_file, sha256_hex};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

/// Digests (SHA-256) of a run's files. The labelled posts need none: their manifest names the
/// training file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
            text_encoder: text_encoder(&sources.text_encoder)?,
        })
    }

    /// The files that have changed, each as `name then -> now`. `None` if they are the same. A test
    /// split that either run left closed makes no difference.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let of = |digests: &Self| {
            let Self { train, dev, images, captions, text_encoder, .. } = digests.clone();
            let [images, captions] = [images, captions].map(|digest| digest.unwrap_or_else(|| "none".to_owned()));
            let fixed = [("train", train), ("dev", dev), ("images", images), ("captions", captions)];
            fixed.into_iter().chain([("text encoder", text_encoder)])
        };
        let mut pairs: Vec<_> = of(self).zip(of(now)).map(|((name, a), (_, b))| (name, a, b)).collect();
        pairs.extend(self.test.clone().zip(now.test.clone()).map(|(a, b)| ("test", a, b)));
        let changed = pairs.into_iter().filter(|(_, then, now)| then != now);
        let lines: Vec<String> =
            changed.map(|(name, then, now)| format!("file of {name}, sha256 {then} -> {now}")).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }
}

/// Digests that were computed before: a corpus has many runs, and reading it takes a while.
#[derive(Debug, Default)]
pub struct KnownDigests(HashMap<(Sources, bool), Digests>);

impl KnownDigests {
    /// Digests of a run's files as they were at the first call.
    ///
    /// # Errors
    /// As [`Digests::of`].
    pub fn of(&mut self, spec: &RunSpec) -> Result<&Digests> {
        match self.0.entry((Sources { selection: None, ..spec.sources.clone() }, spec.run.dev_only)) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let digests = Digests::of(&new.key().0, new.key().1)?;
                Ok(new.insert(digests))
            }
        }
    }
}

/// The digest of a folder's weights, in any number of files, or the name if it is not a folder.
fn text_encoder(name: &str) -> Result<String> {
    let folder = Path::new(name);
    if !folder.is_dir() {
        return Ok(name.to_owned());
    }
    let read = |source| Error::Read { path: folder.to_owned(), source };
    let paths = std::fs::read_dir(folder).map_err(read)?.map(|entry| entry.map(|entry| entry.path()));
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
}
