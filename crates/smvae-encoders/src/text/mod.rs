//! Text encoders: configuration, network, weights, tokenisation, and a tiny one made on the spot.

mod bert;
mod config;
mod tiny;
#[cfg(feature = "tokenizer")]
pub mod tokenizer;
mod weights;

pub use bert::Bert;
pub use config::{BertConfig, HiddenAct};
pub use tiny::{tiny, tiny_vocabulary};
#[cfg(feature = "tokenizer")]
pub use tokenizer::WordTokenizer;
pub use weights::load_weights;
