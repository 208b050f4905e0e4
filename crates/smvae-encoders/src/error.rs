//! What can go wrong in this crate: data in the variants, one sentence in the message, the cause as `source`.

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
}
