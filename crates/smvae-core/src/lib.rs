//! Spans, BIO tags, decoding and scoring; with the feature `tensor` (default) also the networks, the variational
//! mathematics and one training step of SMVAE on candle.
//!
//! What this crate does not do: no files, no tokenizer, no hub, no pixels, no clock, no global random state. Noise,
//! seeds and masks are arguments.

pub mod bio;
pub mod columns;
pub mod decode;
mod error;
pub mod labels;
pub mod metrics;
pub mod spans;

#[cfg(feature = "tensor")]
pub mod model;
#[cfg(feature = "tensor")]
pub mod nn;
#[cfg(feature = "tensor")]
pub mod objective;
#[cfg(feature = "tensor")]
pub mod optim;
#[cfg(feature = "tensor")]
pub mod pieces;
#[cfg(feature = "tensor")]
pub mod rng;
#[cfg(feature = "tensor")]
pub mod schedule;
#[cfg(feature = "tensor")]
pub mod step;
#[cfg(feature = "tensor")]
pub mod vae;

pub use bio::Convention;
pub use error::{Error, Result};
pub use labels::LabelSet;
pub use spans::{Entity, Span};

#[cfg(feature = "tensor")]
pub use candle_core;
#[cfg(feature = "tensor")]
pub use pieces::{Mode, PackedLayout, PackedPieces, TextEncoder};
#[cfg(feature = "tensor")]
pub use rng::Rng;
