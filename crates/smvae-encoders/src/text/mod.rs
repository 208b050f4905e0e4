//! Text encoders: configuration, network, weights, tokenisation, and a tiny one made on the spot.

mod config;
mod tiny;
#[cfg(feature = "tokenizer")]
pub mod tokenizer;
mod transformer;
mod weights;

pub use config::{Family, HiddenAct, TransformerConfig};
pub use tiny::{tiny, tiny_vocabulary};
#[cfg(feature = "tokenizer")]
pub use tokenizer::WordTokenizer;
pub use transformer::Transformer;
pub use weights::load_weights;
