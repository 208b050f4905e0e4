//! BERT over packed pieces, trainable in every variable.
//!
//! ```text
//! x = LayerNorm(word[id] + position[i] + segment[0])                                         [rows, d]
//! a = LayerNorm(x + W_o attention(W_q x, W_k x, W_v x)),  x = LayerNorm(a + W_2 gelu(W_1 a))    per layer
//! ```
//! Devlin et al. (2019); parameters named as in Hugging Face's checkpoints, without the pooler. Dropout after the
//! embeddings, on attention weights and on both outputs of a layer.

use super::config::{BertConfig, HiddenAct};
use crate::{Error, Result};
use smvae_core::candle_core::{self, Tensor};
use smvae_core::nn::{Activation, LayerNorm, Linear, attention, embedding};
use smvae_core::{Mode, PackedLayout, PackedPieces, TextEncoder};

use candle_nn::{Init, VarBuilder};

/// A BERT without its pooler.
#[derive(Clone, Debug)]
pub struct Bert {
    word: Tensor,
    position: Tensor,
    segment: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
    config: BertConfig,
}

impl Bert {
    /// A BERT from a builder; a fresh one is initialised as BERT was, normal with deviation 0.02.
    ///
    /// # Errors
    /// A setting out of range; those of the builder: a missing tensor, a wrong shape.
    pub fn load(config: &BertConfig, vb: VarBuilder<'_>) -> Result<Self> {
        config.validate()?;
        let d = config.hidden_size;
        let embeddings = vb.pp("embeddings");
        let table = |name: &str, rows: usize| {
            let init = Init::Randn { mean: 0.0, stdev: 0.02 };
            embeddings.pp(name).get_with_hints((rows, d), "weight", init)
        };
        let layers = vb.pp("encoder.layer");
        Ok(Self {
            word: table("word_embeddings", config.vocab_size)?,
            position: table("position_embeddings", config.max_position_embeddings)?,
            segment: table("token_type_embeddings", config.type_vocab_size)?,
            norm: LayerNorm::load(d, config.layer_norm_eps, embeddings.pp("LayerNorm"))?,
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::load(config, &layers.pp(i)))
                .collect::<candle_core::Result<_>>()?,
            config: config.clone(),
        })
    }

    /// Sizes and settings.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// Vectors of all pieces, `[rows, d]`.
    ///
    /// # Errors
    /// [`Error::PieceId`] and [`Error::TextLength`] for pieces that do not fit the model.
    pub fn encode(&self, pieces: &PackedPieces, mut mode: Mode<'_>) -> Result<Tensor> {
        self.check(pieces)?;
        let p = self.config.hidden_dropout_prob;
        let mut x = mode.dropout(&self.norm.forward(&self.embed(pieces)?)?, p)?;
        for layer in &self.layers {
            x = layer.forward(&x, pieces.layout(), &self.config, mode.reborrow())?;
        }
        Ok(x)
    }

    fn check(&self, pieces: &PackedPieces) -> Result<()> {
        if let Some(&id) = pieces.ids().iter().find(|id| **id as usize >= self.config.vocab_size) {
            return Err(Error::PieceId { id, vocab_size: self.config.vocab_size });
        }
        let (longest, limit) = (pieces.layout().longest(), self.config.max_position_embeddings);
        if longest > limit {
            return Err(Error::TextLength { pieces: longest, limit });
        }
        Ok(())
    }

    fn embed(&self, pieces: &PackedPieces) -> candle_core::Result<Tensor> {
        let layout = pieces.layout();
        let positions: Vec<u32> = (0..layout.n_texts()).flat_map(|text| 0..layout.rows(text).len() as u32).collect();
        let x = (embedding(&self.word, pieces.ids())? + embedding(&self.position, &positions)?)?;
        x + embedding(&self.segment, &vec![0; positions.len()])?
    }
}

impl TextEncoder for Bert {
    fn dim(&self) -> usize {
        self.config.hidden_size
    }

    fn forward(&self, pieces: &PackedPieces, mode: Mode<'_>) -> smvae_core::Result<Tensor> {
        self.encode(pieces, mode).map_err(|source| smvae_core::Error::Encoder(Box::new(source)))
    }
}

#[derive(Clone, Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

impl Layer {
    fn load(config: &BertConfig, vb: &VarBuilder<'_>) -> candle_core::Result<Self> {
        let (d, wide, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let attention = vb.pp("attention");
        Ok(Self {
            query: Linear::load(d, d, attention.pp("self.query"))?,
            key: Linear::load(d, d, attention.pp("self.key"))?,
            value: Linear::load(d, d, attention.pp("self.value"))?,
            attention_output: Linear::load(d, d, attention.pp("output.dense"))?,
            attention_norm: LayerNorm::load(d, eps, attention.pp("output.LayerNorm"))?,
            intermediate: Linear::load(d, wide, vb.pp("intermediate.dense"))?,
            output: Linear::load(wide, d, vb.pp("output.dense"))?,
            output_norm: LayerNorm::load(d, eps, vb.pp("output.LayerNorm"))?,
        })
    }

    /// `x: [rows, d]` to the same shape.
    fn forward(
        &self,
        x: &Tensor,
        layout: &PackedLayout,
        config: &BertConfig,
        mut mode: Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let dropout = match &mut mode {
            Mode::Train(rng) => Some((config.attention_probs_dropout_prob, &mut **rng)),
            Mode::Eval => None,
        };
        let (q, k, v) = (self.query.forward(x)?, self.key.forward(x)?, self.value.forward(x)?);
        let context = attention(&q, &k, &v, config.num_attention_heads, layout, dropout)?;
        let p = config.hidden_dropout_prob;
        let a = mode.dropout_add(&self.attention_output.forward(&context)?, x, p)?;
        let a = self.attention_norm.forward(&a)?;
        let activation = match config.hidden_act {
            HiddenAct::Gelu => Activation::GeluErf,
            HiddenAct::GeluNew => Activation::GeluTanh,
        };
        let wide = self.intermediate.forward_activated(&a, activation)?;
        self.output_norm.forward(&mode.dropout_add(&self.output.forward(&wide)?, &a, p)?)
    }
}
