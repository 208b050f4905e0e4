//! Text encoders: configuration, network, weights, tokenisation, and a tiny one made on the spot.

mod config;
mod tiny;
#[cfg(feature = "tokenizer")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokenizer")))]
pub mod tokenizer;
mod transformer;
mod weights;

pub use config::{Family, HiddenAct, TransformerConfig};
pub use tiny::{tiny, tiny_vocabulary};
#[cfg(feature = "tokenizer")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokenizer")))]
pub use tokenizer::WordTokenizer;
pub use transformer::Transformer;
pub use weights::load_weights;

/// The files of a text encoder among the names of all files of a model.
pub fn wanted_files(names: &[&str]) -> Vec<String> {
    let mut wanted = vec!["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];
    if !names.contains(&"tokenizer.json") {
        wanted.extend(["vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model"]);
    }
    let named = wanted.into_iter().filter(|name| names.contains(name)).map(str::to_owned);
    named.chain(crate::weights::weight_files(names)).collect()
}
