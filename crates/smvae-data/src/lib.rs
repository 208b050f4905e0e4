//! Multimodal NER corpora: from files to samples, without tensors.
//!
//! ```text
//! train.txt valid.txt test.txt --corpus--> Sample { image_id, words, tags, caption } -entities-> Entity
//! columns, JSON, text, tables -formats--> PostRecord { text or words, image, caption, labels }
//! features.safetensors ---------images--> image id -> Vec<f32>
//! captions.jsonl --------------captions--> image id -> what the image shows, in words
//! ```
//!
//! # Modules
//!
//! - [`captions`] takes a file of JSON lines; gives the caption of an image id.
//! - [`corpus`] takes a folder; gives the samples of its splits, the label set and digests.
//! - [`exchange`] takes a file of a labelling tool; gives posts with entities of words.
//! - [`formats`] takes a file of posts in columns, JSON, text or a table; gives its posts one by
//!   one.
//! - [`reader`] takes the bytes of a corpus file; gives its samples one by one. [`writer`] takes
//!   samples; gives such a file.
//! - [`selection`] takes a number and a seed; gives the posts that are labelled, as a manifest.
//! - [`shares`] takes posts; gives each its split, by a seed. [`duplicates`] tells which say the
//!   same.
//! - [`images`] takes a safetensors file, or vectors; gives the vector of an image id.
//! - [`stats`] takes a corpus; gives what it holds, counted.
//! - [`synthetic`] takes settings; makes a corpus with image vectors.
//! - [`words`] takes a text; gives its words with their ranges, split as a corpus was.
//! - [`utf16`] takes a text; gives its places as JavaScript counts.
//! - [`is_url()`] takes a word; says whether it is a URL.
//!
//! What this crate does not do: no word pieces, no encoder, no pixels, no batches, no
//! standardisation. Spans and BIO come from `smvae-core`, positions always count the words of the
//! file, and nothing is skipped silently.
//!
//! ```
//! use smvae_data::{Convention, Entity, Reader};
//! let text = "IMGID:7\nin\tO\nNew\tB-LOC\nYork\tI-LOC\n\n";
//! let samples = Reader::new(text.as_bytes(), "inline").collect::<smvae_data::Result<Vec<_>>>()?;
//! assert_eq!(samples[0].image_id, "7");
//! assert_eq!(samples[0].entities(Convention::Conlleval)?, [Entity::new(1, 3, "LOC")]);
//! # Ok::<(), smvae_data::Error>(())
//! ```

// Public for `smvae`, which scores as the authors' program does, and for its tests.
#[doc(hidden)]
pub mod authors;
pub mod captions;
pub mod corpus;
mod draw;
pub mod duplicates;
mod error;
pub mod exchange;
// Public for `smvae` and its program, which write their files in the same way.
#[doc(hidden)]
pub mod files;
pub mod formats;
mod ids;
pub mod images;
// Public for the test that compares the documents with it.
#[doc(hidden)]
pub mod known;
mod sample;
pub mod selection;
pub mod shares;
pub mod stats;
pub mod synthetic;
mod url;
pub mod utf16;
pub mod words;

pub use captions::Captions;
pub use corpus::{Corpus, Split};
pub use error::{Error, Result};
pub use formats::conll::samples::Reader;
pub use formats::conll::{samples as reader, write as writer};
pub use images::{ImageVectors, VectorPrecision};
pub use sample::{Sample, gold_entities};
pub use selection::Selection;
pub use smvae_core::{Convention, Entity, LabelSet, Span};
pub use url::is_url;
