//! Words to tensors: BERT and its family with a backward pass that works, tokenisation aligned with
//! words, weights from files or from the Hugging Face hub, and the device they go to.
//!
//! # Modules
//!
//! - [`text`] takes a `config.json` and weights; gives a network from packed pieces to hidden
//!   states (`Transformer`). With the feature `tokenizer`, it takes words and gives their pieces.
//! - [`weights`] takes a folder or a file of safetensors or PyTorch, and the names and shapes that
//!   a network expects; gives its tensors.
//! - `vision` (feature `vision`) takes the bytes of images and a frozen ResNet, ViT or CLIP; gives
//!   one vector per image.
//! - [`preprocessing`] is how images are prepared for such a network, and what identifies it.
//! - `hub` (feature `hub`) takes a name such as `google-bert/bert-base-uncased`; gives a folder of
//!   files in the cache.
//! - [`device`] takes a name such as `cuda:0`; gives a device, or what stands in the way.
//!
//! An encoder enters a model through the port `smvae_core::TextEncoder`; this crate knows nothing
//! of spans, corpora or training.
//!
//! ```no_run
//! use smvae_core::candle_core::{DType, Device};
//! use smvae_core::{Mode, PackedPieces, TextEncoder, nn::Parameters};
//! use smvae_encoders::text::{Transformer, TransformerConfig, load_weights};
//! use smvae_encoders::weights::{Missing, Weights};
//! let folder = std::path::Path::new("all-MiniLM-L6-v2");
//! let config = TransformerConfig::from_file(folder.join("config.json"))?;
//! let parameters = Parameters::new(0, &Device::Cpu);
//! load_weights(&config, Weights::from_folder(folder)?, Missing::Refuse, &parameters, "encoder")?;
//! let encoder = Transformer::load(&config, parameters.builder(DType::F32).pp("encoder"))?;
//! // Ids come from `text::WordTokenizer`, feature `tokenizer`.
//! let pieces = PackedPieces::new([&[101, 7592, 102][..], &[101, 2088, 999, 102]]);
//! assert_eq!(encoder.forward(&pieces, Mode::Eval)?.dims(), [7, config.hidden_size]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod device;
mod error;
mod files;
#[cfg(feature = "hub")]
#[cfg_attr(docsrs, doc(cfg(feature = "hub")))]
pub mod hub;
pub mod preprocessing;
pub mod text;
#[cfg(feature = "vision")]
#[cfg_attr(docsrs, doc(cfg(feature = "vision")))]
pub mod vision;
pub mod weights;

pub use error::{Error, Result};
