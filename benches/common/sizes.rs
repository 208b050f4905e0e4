//! The two sizes that are measured: all-MiniLM-L6-v2's and BERT-base's, each with heads as wide as
//! its encoder.

use smvae::core::model::ModelConfig;
use smvae::encoders::text::{TransformerConfig, tiny};

/// Sizes of the networks by name, `minilm` or `base`, for image vectors of this width; `None` for
/// another name.
pub(crate) fn sizes(name: &str, image_dim: usize) -> Option<(TransformerConfig, ModelConfig)> {
    let (hidden_size, num_hidden_layers) = match name {
        "minilm" => (384, 6),
        "base" => (768, 12),
        _ => return None,
    };
    let bert = TransformerConfig {
        hidden_size,
        num_hidden_layers,
        num_attention_heads: 12,
        intermediate_size: 4 * hidden_size,
        max_position_embeddings: 512,
        ..tiny(30522)
    };
    let mut model = ModelConfig::default();
    (model.hidden_dim, model.image_dim) = (hidden_size, Some(image_dim));
    Some((bert, model))
}
