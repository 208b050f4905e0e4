//! The networks of SMVAE: from the vectors of a text encoder and one image vector per text to
//! Gaussians and logits of every span.
//!
//! No loss, no optimizer, no text encoder: vectors of pieces come in, `[rows, d]`.

mod batch;
mod biaffine;
mod config;
mod decoders;
mod features;
mod image_gate;
mod image_input;
mod span_model;

pub use batch::{BatchSpan, SpanBatch};
pub use config::{Fusion, ImageSource, ModelConfig, Quirks};
pub use decoders::Decoders;
pub use features::Features;
pub use span_model::{SpanModel, SpanScores};
