//! What can go wrong in this crate: data in the variants, one sentence in the message, the cause as `source`.

use crate::device::NoCuda;
use std::path::PathBuf;

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
    /// A vocabulary lacks a piece that BERT needs.
    #[error("the vocabulary has no {piece}")]
    MissingPiece {
        /// The piece.
        piece: &'static str,
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
    /// A configuration with a value that cannot be.
    #[error("the configuration's {field} must be {want}, got {got}")]
    Config {
        /// The field of `config.json`.
        field: &'static str,
        /// What is allowed.
        want: String,
        /// What was found.
        got: String,
    },
    /// A weights file that does not fit the configuration.
    #[error("{} does not fit config.json: {}", path.display(), report.join("; "))]
    Weights {
        /// The file.
        path: PathBuf,
        /// One entry a tensor that is missing, not expected, or of another shape.
        report: Vec<String>,
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
    /// A device that was asked for and cannot be had.
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
    /// candle failed.
    #[error(transparent)]
    Candle(#[from] smvae_core::candle_core::Error),
}
