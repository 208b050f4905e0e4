//! What can go wrong in this crate: data in the variants, one sentence in the message, the cause in
//! `source`.

use serde_json::value::RawValue;
use std::borrow::Cow;
use std::path::PathBuf;

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of `smvae-data`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of a corpus file is not what its place demands.
    #[error("{}:{line}: expected {expected}, got {text:?}", path.display())]
    Line {
        /// The file, or the name given to the stream.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The line, shortened if it is long; invalid UTF-8 shows as U+FFFD.
        text: String,
        /// What should stand there.
        expected: Cow<'static, str>,
        /// Id of the post as JSON, where the line has one that can be read all the same.
        id: Option<Box<RawValue>>,
    },
    /// A corpus whose tags are of no one scheme.
    #[error("{}: the tags cannot be read: name their scheme", path.display())]
    Scheme {
        /// The file.
        path: PathBuf,
        /// Which tags.
        source: Box<smvae_core::Error>,
    },
    /// A corpus whose tags are numbers.
    #[error("{}:{line}: the tags are numbers: their names must be given, in the order of the numbers", path.display())]
    TagNumbers {
        /// The file.
        path: PathBuf,
        /// Line of the first post that has some, from 1.
        line: usize,
    },
    /// An export of Label Studio of whose fields several may be the text.
    #[error("{}:{line}: which field is the text? It may be {}", path.display(), fields.join(" or "))]
    TextField {
        /// The file.
        path: PathBuf,
        /// The place of the task, from 1.
        line: usize,
        /// The fields.
        fields: Vec<String>,
    },
    /// Posts of a corpus where an export of a tool was expected.
    #[error("{} holds posts with words and labels already, and is no export of a tool", path.display())]
    Labelled {
        /// The file.
        path: PathBuf,
    },
    /// A file whose name does not tell its format.
    #[error("{}: expected a file ending in {}, or a format by name", path.display(), endings.join(", "))]
    Format {
        /// The file.
        path: PathBuf,
        /// The endings that name a format.
        endings: Vec<String>,
    },
    /// An output could not be written.
    #[error("cannot write the posts")]
    Output {
        /// What the system said.
        source: std::io::Error,
    },
    /// A format that this build does not read or write.
    #[error("{format} files need a build with the feature `{format}`")]
    NotBuilt {
        /// The format, which is the feature's name too.
        format: &'static str,
    },
    /// Columns of Arrow, of Parquet or of a table that are not posts.
    #[error("{}: expected {expected}, got {got}", path.display())]
    Columns {
        /// The file, or the name given to the stream.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A file that is named as plain text and does not begin as one.
    #[error("{} is named as a text and begins as {format} does: name its format, or rename it", path.display())]
    Disguised {
        /// The file.
        path: PathBuf,
        /// The format that it seems to have.
        format: &'static str,
    },
    /// A corpus file without a single post.
    #[error("{}: expected at least one post, the file has none", path.display())]
    Empty {
        /// The file, or the name given to the stream.
        path: PathBuf,
    },
    /// A corpus that is not a folder.
    #[error("{} is not a folder: a corpus is a folder with train.txt, valid.txt and test.txt", dir.display())]
    NoFolder {
        /// What was named.
        dir: PathBuf,
    },
    /// A corpus folder lacks the file of a split.
    #[error("{} has no {}, nor one ending in {}", dir.display(), names.join(" or "), endings.join(", "))]
    NoSplit {
        /// The folder.
        dir: PathBuf,
        /// The names it could have with the extension `.txt`.
        names: Vec<String>,
        /// The endings of the other formats.
        endings: Vec<String>,
    },
    /// A corpus folder has two files for one split.
    #[error("{} has both {}: which is the split? Remove one", dir.display(), names.join(" and "))]
    TwoSplits {
        /// The folder.
        dir: PathBuf,
        /// The file names.
        names: Vec<String>,
    },
    /// A sample whose tags are not BIO tags.
    #[error("the tags of the post {image_id:?} cannot be read")]
    Tags {
        /// Image id of the post.
        image_id: String,
        /// Which tag.
        source: Box<smvae_core::Error>,
    },
    /// Entity types that cannot be a label set.
    #[error("the entity types cannot be a label set")]
    Labels {
        /// Why.
        source: smvae_core::Error,
    },
    /// A sample that the corpus format cannot hold.
    #[error("the post {image_id:?} cannot be written: {why}")]
    Unwritable {
        /// Image id of the post.
        image_id: String,
        /// The reason in words.
        why: &'static str,
    },
    /// A file is not the JSON it should be.
    #[error("{} is not a valid {what}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A file from a newer version of this program.
    #[error("format version {got} of the {what} is newer than {supported}, the newest this program reads")]
    Version {
        /// What the file is.
        what: &'static str,
        /// Its version.
        got: u32,
        /// The newest version that can be read.
        supported: u32,
    },
    /// A selection was made from another training file.
    #[error(
        "the selection was made from a training file with sha256 {want}, this one has {got}: take the file it was \
         made from, or select posts anew"
    )]
    SelectionDigest {
        /// Digest in the selection.
        want: String,
        /// Digest of the file at hand.
        got: String,
    },
    /// A selected post is not where the selection says.
    #[error(
        "the selection has the post {want:?} at position {position}, the file has {}: take the file it was made from, \
         or select posts anew",
        found(got)
    )]
    SelectionPost {
        /// Position in the training file, from 0.
        position: usize,
        /// Image id in the selection.
        want: String,
        /// Image id in the file; `None` past its end.
        got: Option<String>,
    },
    /// A selection that contradicts itself.
    #[error("the selection is damaged: {why}")]
    SelectionDamaged {
        /// The reason in words.
        why: &'static str,
    },
    /// A file of image vectors is not a safetensors file.
    #[error("{} is not a valid safetensors file", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why.
        source: safetensors::SafeTensorError,
    },
    /// An image vector that cannot be used.
    #[error("{}the vector of image {id:?} {why}", prefix(path))]
    ImageVector {
        /// The file; `None` for vectors made in memory.
        path: Option<PathBuf>,
        /// Id of the image.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// A set of image vectors that is empty.
    #[error("{}there are no image vectors", prefix(path))]
    NoVectors {
        /// The file; `None` for vectors made in memory.
        path: Option<PathBuf>,
    },
    /// Image vectors that belong to another corpus.
    #[error(
        "{}none of the {vectors} image vectors belongs to one of the {posts} posts: the first vector is of {vector:?}, {}",
        prefix(path),
        named(post)
    )]
    NoMatch {
        /// The file; `None` for vectors made in memory.
        path: Option<PathBuf>,
        /// Number of vectors.
        vectors: usize,
        /// Number of posts.
        posts: usize,
        /// Id of the first vector.
        vector: String,
        /// Id of the first image that a post names; `None` if none names one.
        post: Option<String>,
    },
    /// A set of captions that is empty.
    #[error("{}there is no caption", prefix(path))]
    NoCaptions {
        /// The file; `None` for captions made in memory.
        path: Option<PathBuf>,
    },
    /// Captions that belong to another corpus.
    #[error(
        "{}none of the {captions} captions belongs to one of the {posts} posts: take those of this corpus, by the ids \
         of its images; the first caption is of {caption:?}, {}",
        prefix(path),
        named(post)
    )]
    NoCaptionMatch {
        /// The file; `None` for captions made in memory.
        path: Option<PathBuf>,
        /// Number of captions.
        captions: usize,
        /// Number of posts.
        posts: usize,
        /// Id of the image of the first caption.
        caption: String,
        /// Id of the first image that a post names; `None` if none names one.
        post: Option<String>,
    },
    /// A setting out of its range.
    #[error("the setting `{name}` must be {want}, got {got}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What is allowed.
        want: String,
        /// What was given.
        got: String,
    },
}

impl Error {
    /// The error for a setting out of its range: its name, what is allowed, and what was given.
    pub(crate) fn setting(name: &'static str, want: impl Into<String>, got: impl ToString) -> Self {
        Self::Setting { name, want: want.into(), got: got.to_string() }
    }
}

fn prefix(path: &Option<PathBuf>) -> String {
    path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default()
}

/// What the first post that names an image calls it.
fn named(post: &Option<String>) -> String {
    post.as_ref()
        .map_or_else(|| "and no post names an image".to_owned(), |id| format!("the first post's image is {id:?}"))
}

fn found(id: &Option<String>) -> String {
    id.as_ref().map_or_else(|| "no such position".to_owned(), |id| format!("{id:?}"))
}
