//! Words to tensors: BERT with a backward pass that works, tokenisation aligned with words, weights from files.
//!
//! An encoder enters a model through the port `smvae_core::TextEncoder`; this crate knows nothing of spans, corpora or
//! training.

mod error;
pub mod text;

pub use error::{Error, Result};
