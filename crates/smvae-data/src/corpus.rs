//! A corpus folder: `train.txt`, `valid.txt` (or `dev.txt`), `test.txt`, or the same names with
//! another extension.
//!
//! `.txt` and `.conll` are words in columns, the Twitter corpora among them; the others are as in
//! [`formats`]. Training must not read the test split and evaluation reads one
//! split only, hence [`load_split`]; [`Corpus`] is all three. Types keep the names of the file
//! (`OTHER` in Twitter2015, `MISC` in Twitter2017).

pub(crate) mod format;
mod unlabelled;

pub use format::{CorpusFormat, LabelNames};

use crate::formats::conll::Dialect;
use crate::formats::{self, Decided, Format, LabelUse, PostRecord, labelled};
use crate::{Convention, Error, LabelSet, Result, Sample, files};
use serde::{Deserialize, Serialize};
use smvae_core::schemes::{Scheme, Told};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The three splits of a corpus folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
    /// How the splits were read.
    pub read_as: BTreeMap<Split, ReadAs>,
}

impl Corpus {
    /// Reads all three splits of a folder.
    ///
    /// # Errors
    /// As [`load_split`] and [`label_set`].
    pub fn load(dir: impl AsRef<Path>) -> Result<Self> {
        Self::load_with(dir, &CorpusFormat::default())
    }

    /// The same with files that are read as `format` says.
    ///
    /// # Errors
    /// As [`load_split`] and [`label_set`].
    pub fn load_with(dir: impl AsRef<Path>, format: &CorpusFormat) -> Result<Self> {
        let dir = dir.as_ref();
        let [train, dev, test] = Split::ALL.map(|split| load_split_with(dir, split, format));
        let (train, dev, test) = (train?, dev?, test?);
        let read_as = Split::ALL.into_iter().zip([train.read_as, dev.read_as, test.read_as]).collect();
        Ok(Self {
            read_as,
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
#[non_exhaustive]
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
#[non_exhaustive]
pub struct SplitFile {
    /// Path it was read from.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// One split, read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadedSplit {
    /// Its posts, in file order.
    pub samples: Vec<Sample>,
    /// Its file.
    pub file: SplitFile,
    /// How it was read.
    pub read_as: ReadAs,
}

impl LoadedSplit {
    /// The same posts without their own captions.
    pub fn without_captions(mut self) -> Self {
        self.samples.iter_mut().for_each(|sample| sample.caption = None);
        self
    }
}

/// What was told from a corpus file, or asked for. `Display` says it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadAs {
    /// The format.
    pub format: Decided,
    /// The scheme of the tags; `None` where entities were not written as tags.
    pub scheme: Option<Told>,
}

impl ReadAs {
    /// Whether nothing had to be told: the file has the form of the Twitter corpora, or that which
    /// its extension names, and its tags are BIO.
    pub fn is_plain(&self) -> bool {
        let Decided { columns, has_image_lines, .. } = self.format;
        let is_twitters = |columns| columns == Dialect::TWITTER && has_image_lines;
        columns.is_none_or(is_twitters) && self.scheme.as_ref().is_none_or(|told| told.scheme == Scheme::Iob2)
    }
}

impl std::fmt::Display for ReadAs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { format, scheme } = self;
        write!(f, "{format}")?;
        scheme.as_ref().map_or(Ok(()), |scheme| write!(f, ", scheme {scheme}"))
    }
}

/// Which part of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What is learned from.
    Train,
    /// What models are selected on.
    #[serde(alias = "valid")]
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
            Self::Dev => "dev",
            Self::Test => "test",
        }
    }

    /// Extensions of files that may hold a split, those of words in columns first.
    pub const EXTENSIONS: [&str; 7] = ["txt", "conll", "jsonl", "json", "csv", "tsv", "parquet"];

    /// What the names of files that may hold the split are before the extension; a folder has
    /// exactly one such file.
    pub fn stems(self) -> &'static [&'static str] {
        match self {
            Self::Train => &["train"],
            Self::Dev => &["valid", "dev"],
            Self::Test => &["test"],
        }
    }
}

impl std::str::FromStr for Split {
    type Err = Error;

    /// Reads a [`Split::name`]; `valid`, as files are called, is `dev`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "valid" => Ok(Self::Dev),
            _ => Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| Error::Setting {
                name: "split",
                want: "train, dev (or valid) or test".to_owned(),
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
/// [`Error::NoFolder`] for what is no folder; [`Error::NoSplit`] or [`Error::TwoSplits`] if the
/// folder does not have one file for it; as [`load_file_with`] if that file cannot be read or is
/// malformed.
pub fn load_split(dir: impl AsRef<Path>, split: Split) -> Result<LoadedSplit> {
    load_split_with(dir, split, &CorpusFormat::default())
}

/// The same with a file that is read as `format` says.
///
/// # Errors
/// As [`load_split`].
pub fn load_split_with(dir: impl AsRef<Path>, split: Split, format: &CorpusFormat) -> Result<LoadedSplit> {
    load_file_with(split_path(dir.as_ref(), split)?, format)
}

/// Reads one corpus file, wherever it lies, with its digest. What its name does not tell is told
/// from its content.
///
/// # Errors
/// As [`load_file_with`].
pub fn load_file(path: impl Into<PathBuf>) -> Result<LoadedSplit> {
    load_file_with(path, &CorpusFormat::default())
}

/// Reads one corpus file as `format` says; what it does not say is told from the file. Labels are
/// always required. Without a format, a file is one of words in columns unless its extension says
/// otherwise.
///
/// # Errors
/// [`Error::Read`]; [`Error::Line`] for a malformed line, or a post without words and labels;
/// [`Error::Scheme`] for tags of no one scheme; [`Error::TagNumbers`] for tags that are numbers
/// without names; [`Error::Empty`] for a file without posts; [`Error::Columns`] for a table, or
/// columns of Arrow or Parquet, that are not posts; [`Error::NotBuilt`] for Arrow or Parquet in a
/// build without them.
pub fn load_file_with(path: impl Into<PathBuf>, format: &CorpusFormat) -> Result<LoadedSplit> {
    let path = path.into();
    // One read for both, so that the digest is of the very bytes that were parsed.
    let bytes = files::read(&path)?;
    let (read, decided) = records(&bytes, &path, format)?;
    let (samples, scheme) = labelled::samples(read, &path, format.scheme)?;
    let read_as = ReadAs { format: decided, scheme };
    Ok(LoadedSplit { samples, file: SplitFile { path, sha256: files::sha256_hex(&bytes) }, read_as })
}

/// The posts of a corpus file as it has them, tags by name, and how it was read.
pub(crate) fn records(bytes: &[u8], path: &Path, format: &CorpusFormat) -> Result<(Vec<PostRecord>, Decided)> {
    let by_name = Format::of_path(path).filter(|format| *format != Format::Text);
    let mut settings = format.settings(LabelUse::Required);
    settings.format = settings.format.or(by_name).or(Some(Format::Conll));
    let mut posts = formats::read(bytes, path, &settings)?;
    let mut read = posts.by_ref().collect::<Result<Vec<_>>>()?;
    if read.is_empty() {
        return Err(Error::Empty { path: path.to_owned() });
    }
    if let Some(names) = &format.label_names {
        labelled::name_tags(&mut read, path, names)?;
    }
    Ok((read, posts.decided()))
}

/// The file of a split in a folder.
///
/// # Errors
/// [`Error::NoFolder`], [`Error::NoSplit`] if there is none, [`Error::TwoSplits`] if there is more
/// than one.
pub fn split_path(dir: impl AsRef<Path>, split: Split) -> Result<PathBuf> {
    let dir = dir.as_ref();
    if !dir.is_dir() {
        return Err(Error::NoFolder { dir: dir.to_owned() });
    }
    let names_with = |extension: &'static str| split.stems().iter().map(move |stem| format!("{stem}.{extension}"));
    let names = Split::EXTENSIONS.into_iter().flat_map(names_with);
    let present: Vec<String> = names.filter(|name| dir.join(name).exists()).collect();
    match present.as_slice() {
        [name] => Ok(dir.join(name)),
        [] => {
            let endings = Split::EXTENSIONS[1..].iter().map(|extension| format!(".{extension}")).collect();
            Err(Error::NoSplit { dir: dir.to_owned(), names: names_with("txt").collect(), endings })
        }
        _ => Err(Error::TwoSplits { dir: dir.to_owned(), names: present }),
    }
}

/// `O` and the entity types of some posts, sorted by name: the same corpus gives the same class
/// indices on every run, whichever posts are labelled.
///
/// # Errors
/// [`Error::Tags`] for a malformed tag, [`Error::Labels`] for a type named `O`.
pub fn label_set(samples: &[Sample]) -> Result<LabelSet> {
    LabelSet::new(entity_types(samples)?).map_err(|source| Error::Labels { source })
}

/// Types of some posts that a label set lacks, sorted: their entities can never be found.
///
/// # Errors
/// [`Error::Tags`] for a malformed tag.
pub fn unknown_types(labels: &LabelSet, samples: &[Sample]) -> Result<Vec<String>> {
    let known: BTreeSet<&String> = labels.names().iter().collect();
    Ok(entity_types(samples)?.into_iter().filter(|name| !known.contains(name)).collect())
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
