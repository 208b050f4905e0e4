//! The two sizes that are measured: all-MiniLM-L6-v2's and BERT-base's, each with heads as wide as its encoder.

use smvae::core::model::ModelConfig;
use smvae::encoders::text::{BertConfig, HiddenAct};

/// Sizes of the networks by name, `minilm` or `base`, for image vectors of this width; none for another name.
pub(crate) fn sizes(name: &str, image_dim: usize) -> Option<(BertConfig, ModelConfig)> {
    let (hidden_size, num_hidden_layers) = match name {
        "minilm" => (384, 6),
        "base" => (768, 12),
        _ => return None,
    };
    let bert = BertConfig {
        model_type: "bert".to_owned(),
        vocab_size: 30522,
        hidden_size,
        num_hidden_layers,
        num_attention_heads: 12,
        intermediate_size: 4 * hidden_size,
        hidden_act: HiddenAct::Gelu,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        max_position_embeddings: 512,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
    };
    let model = ModelConfig { hidden_dim: hidden_size, image_dim: Some(image_dim), ..ModelConfig::default() };
    Some((bert, model))
}
