//! Text encoders: configuration, network, weights, tokenisation, and a tiny one made on the spot.

mod bert;
mod config;
mod disentangled;
mod family;
mod layout;
mod modern;
mod modern_settings;
mod relative;
mod tiny;
#[cfg(feature = "tokenizer")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokenizer")))]
pub mod tokenizer;
mod transformer;
mod weights;

pub use config::{HiddenAct, TransformerConfig};
pub use disentangled::Disentangled;
pub use family::Family;
pub use layout::{model_folder, wanted_files};
pub use modern_settings::ModernBert;
pub use tiny::{tiny, tiny_vocabulary};
#[cfg(feature = "tokenizer")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokenizer")))]
pub use tokenizer::WordTokenizer;
pub use transformer::Transformer;
pub use weights::load_weights;
