//! A corpus folder: `train.txt`, `valid.txt` (or `dev.txt`), `test.txt`.
//!
//! Training must not read the test split and evaluation reads one split only, hence [`load_split`]; [`Corpus`] is all
//! three. Types keep the names of the file (`OTHER` in Twitter2015, `MISC` in Twitter2017).

use crate::{Convention, Error, LabelSet, Reader, Result, Sample, files};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The three splits of a corpus folder.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// Training split.
    pub train: Vec<Sample>,
    /// The split models are selected on: the file `valid.txt` or `dev.txt`.
    pub dev: Vec<Sample>,
    /// Test split.
    pub test: Vec<Sample>,
    /// `O` and the types of the training split, see [`label_set`].
    pub labels: LabelSet,
    /// Where the splits came from.
    pub files: CorpusFiles,
}

impl Corpus {
    /// Reads all three splits of a folder.
    ///
    /// # Errors
    /// As [`load_split`] and [`label_set`].
    pub fn load(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let [train, dev, test] = Split::ALL.map(|split| load_split(dir, split));
        let (train, dev, test) = (train?, dev?, test?);
        Ok(Self {
            labels: label_set(&train.samples)?,
            files: CorpusFiles { train: train.file, dev: dev.file, test: test.file },
            train: train.samples,
            dev: dev.samples,
            test: test.samples,
        })
    }

    /// The samples of one split.
    pub fn split(&self, split: Split) -> &[Sample] {
        match split {
            Split::Train => &self.train,
            Split::Dev => &self.dev,
            Split::Test => &self.test,
        }
    }
}

/// The files of a [`Corpus`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusFiles {
    /// File of the training split.
    pub train: SplitFile,
    /// File of the split models are selected on.
    #[serde(rename = "valid")]
    pub dev: SplitFile,
    /// File of the test split.
    pub test: SplitFile,
}

impl CorpusFiles {
    /// The file of one split.
    pub fn split(&self, split: Split) -> &SplitFile {
        match split {
            Split::Train => &self.train,
            Split::Dev => &self.dev,
            Split::Test => &self.test,
        }
    }
}

/// A file and its content's digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitFile {
    /// Path it was read from.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// One split, read.
#[derive(Clone, Debug)]
pub struct LoadedSplit {
    /// Its tweets, in file order.
    pub samples: Vec<Sample>,
    /// Its file.
    pub file: SplitFile,
}

/// Which part of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What is learned from.
    Train,
    /// What models are selected on.
    #[serde(rename = "valid", alias = "dev")]
    Dev,
    /// What is read once, at the end.
    Test,
}

impl Split {
    /// All splits, in the order of their use.
    pub const ALL: [Self; 3] = [Self::Train, Self::Dev, Self::Test];

    /// Name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Dev => "valid",
            Self::Test => "test",
        }
    }

    /// File names that may hold the split; a folder has exactly one of them.
    pub fn file_names(self) -> &'static [&'static str] {
        match self {
            Self::Train => &["train.txt"],
            Self::Dev => &["valid.txt", "dev.txt"],
            Self::Test => &["test.txt"],
        }
    }
}

impl std::str::FromStr for Split {
    type Err = Error;

    /// Reads a [`Split::name`]; `dev` is `valid`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "dev" => Ok(Self::Dev),
            _ => Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| Error::Setting {
                name: "split",
                want: "train, valid (or dev) or test".to_owned(),
                got: format!("{text:?}"),
            }),
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads one split of a folder; no other file is opened.
///
/// # Errors
/// [`Error::NoSplit`] or [`Error::TwoSplits`] if the folder does not have one file for it; as
/// [`read_file`](crate::reader::read_file) if that file cannot be read or is malformed.
pub fn load_split(dir: impl AsRef<Path>, split: Split) -> Result<LoadedSplit> {
    load_file(split_path(dir.as_ref(), split)?)
}

/// Reads one corpus file, wherever it lies, with its digest.
///
/// # Errors
/// As [`read_file`](crate::reader::read_file).
pub fn load_file(path: impl Into<PathBuf>) -> Result<LoadedSplit> {
    let path = path.into();
    // One read for both, so that the digest is of the very bytes that were parsed.
    let bytes = files::read(&path)?;
    let samples = Reader::new(bytes.as_slice(), &path).collect::<Result<_>>()?;
    Ok(LoadedSplit { samples, file: SplitFile { path, sha256: files::sha256_hex(&bytes) } })
}

/// The file of a split in a folder.
///
/// # Errors
/// [`Error::NoFolder`], [`Error::NoSplit`] if there is none, [`Error::TwoSplits`] if there is more than one.
pub fn split_path(dir: &Path, split: Split) -> Result<PathBuf> {
    if !dir.is_dir() {
        return Err(Error::NoFolder { dir: dir.to_owned() });
    }
    let names = split.file_names();
    let mut present = names.iter().map(|name| dir.join(name)).filter(|path| path.exists());
    match (present.next(), present.next()) {
        (Some(path), None) => Ok(path),
        (None, _) => Err(Error::NoSplit { dir: dir.to_owned(), names }),
        (Some(_), Some(_)) => Err(Error::TwoSplits { dir: dir.to_owned(), names }),
    }
}

/// `O` and the entity types of some tweets, sorted by name: the same corpus gives the same class indices on every run,
/// whichever tweets are labelled.
///
/// # Errors
/// [`Error::Tags`] for a tag that is none, [`Error::Labels`] for a type named `O`.
pub fn label_set(samples: &[Sample]) -> Result<LabelSet> {
    LabelSet::new(entity_types(samples)?).map_err(|source| Error::Labels { source })
}

/// Types of some tweets that a label set lacks, sorted: their entities can never be found.
///
/// # Errors
/// [`Error::Tags`] for a tag that is none.
pub fn unknown_types(labels: &LabelSet, samples: &[Sample]) -> Result<Vec<String>> {
    Ok(entity_types(samples)?.into_iter().filter(|name| labels.index(name).is_none()).collect())
}

fn entity_types(samples: &[Sample]) -> Result<BTreeSet<String>> {
    let mut types = BTreeSet::new();
    for sample in samples {
        // Under this convention every type that a tag names is the type of an entity.
        types.extend(sample.entities(Convention::Conlleval)?.into_iter().map(|entity| entity.label));
    }
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("writes");
        }
        dir
    }

    const TRAIN: &str = "IMGID:1\na\tB-PER\nb\tO\nc\tB-LOC\n\nIMGID:2\nb\tI-ORG\n";
    const OTHER: &str = "IMGID:3\na\tB-NEW\n";

    #[test]
    fn labels_are_the_sorted_types_of_train() {
        let dir = folder(&[("train.txt", TRAIN), ("dev.txt", OTHER), ("test.txt", TRAIN)]);
        let corpus = Corpus::load(dir.path()).expect("three well-formed files");
        assert_eq!(corpus.labels.names(), ["O", "LOC", "ORG", "PER"]);
        assert_eq!(unknown_types(&corpus.labels, &corpus.dev).expect("tags"), ["NEW"]);
        assert_eq!(Split::ALL.map(|split| corpus.split(split).len()), [2, 1, 2]);
        assert_eq!(corpus.files.train.sha256, files::sha256_hex(TRAIN.as_bytes()));
        assert_eq!(corpus.files.dev.path, dir.path().join("dev.txt"));
    }

    #[test]
    fn one_split_opens_one_file() {
        let dir = folder(&[("train.txt", TRAIN), ("test.txt", "not a corpus")]);
        assert_eq!(load_split(dir.path(), Split::Train).expect("train alone").samples.len(), 2);
        assert!(matches!(load_split(dir.path(), Split::Test), Err(Error::Line { line: 1, .. })));
        assert!(matches!(load_split(dir.path(), Split::Dev), Err(Error::NoSplit { .. })));
        let dir = folder(&[("valid.txt", TRAIN), ("dev.txt", OTHER)]);
        let error = load_split(dir.path(), Split::Dev).expect_err("which one?").to_string();
        assert!(error.ends_with("has both valid.txt and dev.txt: which is the split? Remove one"), "{error}");
    }

    #[test]
    fn splits_have_names() {
        for split in Split::ALL {
            assert_eq!(split.name().parse::<Split>().expect("its own name"), split);
        }
        assert_eq!("dev".parse::<Split>().expect("an alias"), Split::Dev);
        assert!(matches!("all".parse::<Split>(), Err(Error::Setting { .. })));
    }
}
