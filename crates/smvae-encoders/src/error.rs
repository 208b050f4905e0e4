//! What can go wrong in this crate: data in the variants, one sentence in the message, the cause as
//! `source`.

use crate::weights::file_names::WEIGHT_FILES;
use std::path::{Path, PathBuf};

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of `smvae-encoders`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A JSON file is not what it should be.
    #[error("{} is not a valid {what}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A vocabulary has an entry twice.
    #[error("the vocabulary has {piece:?} twice, at {first} and {second}")]
    DuplicatePiece {
        /// The entry.
        piece: String,
        /// Its first position, from 0.
        first: usize,
        /// Its second position, from 0.
        second: usize,
    },
    /// A vocabulary lacks a piece that every encoder needs.
    #[error("the vocabulary has no {piece}")]
    MissingPiece {
        /// The piece.
        piece: String,
    },
    /// A tokenizer with pieces that its encoder has no embedding for.
    #[error(
        "the tokenizer has {pieces} pieces (the last is {piece:?}), the encoder's embeddings have {rows} rows: take both from \
         one model, or give the model the rows with transformers: model.resize_token_embeddings({pieces}), then \
         save_pretrained"
    )]
    TooManyPieces {
        /// Pieces of the tokenizer, up to the last that a text can have.
        pieces: usize,
        /// Rows of the embeddings.
        rows: usize,
        /// The last of the pieces.
        piece: String,
    },
    /// A tokenizer of another kind of model.
    #[error("the tokenizer puts {got} pieces around a text, two were expected: [CLS] and [SEP], or <s> and </s>")]
    Frame {
        /// How many.
        got: usize,
    },
    /// A folder without a tokenizer that can be read.
    #[error(
        "{} has no tokenizer: tokenizer.json, vocab.txt, or vocab.json with merges.txt was expected there{}",
        folder.display(), sentencepiece.map(|file| from_sentencepiece(folder, file)).unwrap_or_default()
    )]
    NoTokenizer {
        /// The folder.
        folder: PathBuf,
        /// A file of sentencepiece that it has instead.
        sentencepiece: Option<&'static str>,
    },
    /// A folder with BPE of fastBPE that is not BERTweet's.
    #[error(
        "{} has bpe.codes, which are read for BERTweet alone (\"tokenizer_class\": \"BertweetTokenizer\"), and names \
         {class}: take another text encoder, or one with a tokenizer.json", folder.display()
    )]
    Codes {
        /// The folder.
        folder: PathBuf,
        /// The class of tokenizer that it names.
        class: String,
    },
    /// A limit that leaves no room for `[CLS]` and `[SEP]`.
    #[error("a text needs room for [CLS] and [SEP], the limit is {max_pieces} pieces")]
    PieceLimit {
        /// The limit that was given.
        max_pieces: usize,
    },
    /// The tokenizer failed on a word.
    #[error("cannot tokenise {word:?}")]
    Tokenise {
        /// The word.
        word: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An encoder of a family that is not read.
    #[error("{} is of a {got}, which is not read ({instead}); read are {known}", path.display())]
    Family {
        /// Its configuration.
        path: PathBuf,
        /// Its `model_type`.
        got: String,
        /// The families that are read.
        known: String,
        /// What would help.
        instead: &'static str,
    },
    /// A configuration with a value that is not allowed.
    #[error("the configuration's {field} must be {want}, got {got}")]
    Config {
        /// The field of `config.json`.
        field: &'static str,
        /// What is allowed.
        want: String,
        /// What was found.
        got: String,
    },
    /// A folder without weights.
    #[error("{} has no weights: one of {} was expected there", folder.display(), WEIGHT_FILES.join(", "))]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// A weights file that cannot be read.
    #[error("{} cannot be read as {what}: {why}", path.display())]
    WeightsFile {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        why: String,
    },
    /// Weights that do not fit the network.
    #[error("{} does not fit config.json: {}", path.display(), listing(problems))]
    Weights {
        /// The file.
        path: PathBuf,
        /// One entry for each tensor that is missing, has another shape, has a type that is not
        /// floating point, or is there twice.
        problems: Vec<String>,
    },
    /// A piece id outside of the vocabulary.
    #[error("the piece id {id} is outside of the vocabulary of {vocab_size} pieces")]
    PieceId {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocab_size: usize,
    },
    /// A text longer than the encoder's position embeddings.
    #[error("a text has {pieces} pieces, more than the {limit} the encoder can take")]
    TextLength {
        /// Pieces of the text.
        pieces: usize,
        /// The most pieces a text may have.
        limit: usize,
    },
    /// A device that was asked for and cannot be used.
    #[error("cannot compute on {device}: {why}")]
    Device {
        /// Its name.
        device: String,
        /// What stands in the way.
        why: NoCuda,
    },
    /// A name that no device has.
    #[error("a device is cpu, cuda, cuda:N or auto, got {got:?}")]
    DeviceName {
        /// The name.
        got: String,
    },
    /// A model cannot be fetched from the hub.
    #[cfg(feature = "hub")]
    #[cfg_attr(docsrs, doc(cfg(feature = "hub")))]
    #[error(transparent)]
    Hub(#[from] crate::hub::HubError),
    /// candle failed.
    #[error(transparent)]
    Candle(#[from] smvae_core::candle_core::Error),
}

impl Error {
    /// The error for a file or folder whose pieces are not those that an encoder needs, or cannot
    /// be added. One that names its file stays as it is.
    #[cfg(feature = "tokenizer")]
    pub(crate) fn of_tokenizer(self, path: &Path) -> Self {
        match self {
            Self::DuplicatePiece { .. } | Self::MissingPiece { .. } | Self::Frame { .. } | Self::Tokenise { .. } => {
                Self::Json { path: path.to_owned(), what: "tokenizer", source: self.into() }
            }
            other => other,
        }
    }
}

/// What stands in the way of a CUDA device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoCuda {
    /// The program was built without it.
    #[error("this program was built without CUDA, which is the feature `cuda` (scripts/build_cuda.sh builds with it)")]
    Feature,
    /// There is no driver that answers.
    #[error("no NVIDIA driver answers ({why})")]
    Driver {
        /// What answered instead.
        why: String,
    },
    /// The driver has no such device.
    #[error("the driver knows {count} devices, counted from 0")]
    Device {
        /// How many it has.
        count: usize,
    },
    /// Driver and device are there but cannot be used, because cuBLAS, cuRAND or memory is lacking.
    #[error("the device cannot be used ({why})")]
    Unusable {
        /// What candle says.
        why: String,
    },
}

/// The first few of many problems: a file of another family lacks every tensor.
fn listing(problems: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = problems.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = problems.len().saturating_sub(SHOWN);
    if more > 0 { format!("{shown}; and {more} more") } else { shown }
}

/// How to make what can be read out of what cannot.
fn from_sentencepiece(folder: &Path, file: &str) -> String {
    let folder = folder.display();
    format!(
        ", and {file} alone is not read; make it with: python -c \"from transformers import AutoTokenizer; \
         AutoTokenizer.from_pretrained('{folder}').save_pretrained('{folder}')\""
    )
}
