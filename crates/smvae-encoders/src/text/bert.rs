//! The layers of BERT and its family: a norm after attention, and one after the feed-forward part.
//!
//! ```text
//! a = LayerNorm(x + W_o attention(W_q x, W_k x, W_v x, b))            in each layer,
//! x = LayerNorm(a + W_2 act(W_1 a))                                   then; [rows, d]
//! ```
//! `b` is what MPNet adds to the scores (`relative.rs`), the same in all layers; the attention of a
//! DeBERTaV3 compares pieces with distances too (`disentangled.rs`), by the same `W_q` and `W_k`.
//! Dropout on attention weights, on both outputs of a layer and, in each layer of a DeBERTaV3, on
//! the vectors of the distances.

use super::config::TransformerConfig;
use super::disentangled::{Positions, RelativeEmbeddings};
use super::family::Relative;
use super::relative::RelativeBias;
use crate::Result;
use candle_nn::VarBuilder;
use smvae_core::candle_core::{self, Tensor};
use smvae_core::nn::{
    Activation, Form, LayerNorm, Linear, PreparedBlock, PreparedLinear, attention_with_bias, attention_with_positions,
    residual_end,
};
use smvae_core::{Mode, PackedLayout};

/// The layers of a model, and the relative positions that they share.
#[derive(Clone, Debug)]
pub(super) struct BertLayers {
    bias: Option<RelativeBias>,
    distances: Option<RelativeEmbeddings>,
    layers: Vec<Layer>,
}

impl BertLayers {
    /// All layers, below `encoder`.
    pub(super) fn load(config: &TransformerConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        let layers = vb.pp("layer");
        Ok(Self {
            bias: if config.relative() == Relative::Bias {
                Some(RelativeBias::load(config.num_attention_heads, vb.pp("relative_attention_bias"))?)
            } else {
                None
            },
            distances: match config.relative_rows()? {
                Some(rows) => Some(RelativeEmbeddings::load(rows, config.hidden_size, config.layer_norm_eps, vb)?),
                None => None,
            },
            layers: (0..config.num_hidden_layers)
                .map(|i| Ok(Layer::Float(FloatLayer::load(config, &layers.pp(i))?)))
                .collect::<candle_core::Result<_>>()?,
        })
    }

    /// Keeps the weights of all products in this form.
    pub(super) fn prepare(&mut self, config: &TransformerConfig, form: Form) -> candle_core::Result<()> {
        self.layers.iter_mut().try_for_each(|layer| layer.prepare(config, form))
    }

    /// `x: [rows, d]` to the same shape.
    pub(super) fn forward(
        &self,
        x: Tensor,
        layout: &PackedLayout,
        config: &TransformerConfig,
        mut mode: Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let longest = layout.longest();
        let bias = self.bias.as_ref().map(|bias| bias.of_distances(longest)).transpose()?;
        let positions = self.distances.as_ref().map(|distances| distances.of_texts(longest)).transpose()?;
        let inputs = LayerInputs { layout, bias, positions, config };
        self.layers.iter().try_fold(x, |x, layer| layer.forward(&x, &inputs, mode.reborrow()))
    }
}

/// What every layer is given beside the hidden states, the same for all of them.
struct LayerInputs<'a> {
    layout: &'a PackedLayout,
    /// What attention adds to its scores, `[heads, distances]`.
    bias: Option<Tensor>,
    /// What it compares pieces with beside pieces.
    positions: Option<Positions>,
    config: &'a TransformerConfig,
}

impl LayerInputs<'_> {
    /// What queries and keys are made of: the hidden states, and the positions if there are any.
    fn with_positions(&self, x: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        match &self.positions {
            Some(positions) => positions.below(x, mode, self.config.hidden_dropout_prob),
            None => Ok(x.clone()),
        }
    }

    fn attention(
        &self,
        [q, k, v]: [&Tensor; 3],
        dropout: Option<(f64, &mut smvae_core::Rng)>,
    ) -> candle_core::Result<Tensor> {
        let heads = self.config.num_attention_heads;
        match &self.positions {
            Some(positions) => attention_with_positions(q, k, v, heads, self.layout, &positions.of_distances, dropout),
            None => attention_with_bias(q, k, v, heads, self.layout, self.bias.as_ref(), dropout),
        }
    }
}

/// A layer in one of the forms of its products.
#[derive(Clone, Debug)]
enum Layer {
    Float(FloatLayer),
    Prepared(PreparedLayer),
}

#[derive(Clone, Debug)]
struct FloatLayer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

/// What only predicts, on the CPU.
#[derive(Clone, Debug)]
struct PreparedLayer {
    query: PreparedLinear,
    key: PreparedLinear,
    value: PreparedLinear,
    after_attention: PreparedBlock,
}

impl Layer {
    /// `x: [rows, d]` to the same shape.
    fn forward(&self, x: &Tensor, inputs: &LayerInputs<'_>, mode: Mode<'_>) -> candle_core::Result<Tensor> {
        match self {
            Self::Float(layer) => layer.forward(x, inputs, mode),
            Self::Prepared(layer) => layer.forward(x, inputs),
        }
    }

    fn prepare(&mut self, config: &TransformerConfig, form: Form) -> candle_core::Result<()> {
        if let Self::Float(layer) = self
            && form.rearranges(layer.intermediate.weight())
        {
            *self = Self::Prepared(PreparedLayer::of(layer, config.hidden_act.activation(), form)?);
        }
        Ok(())
    }
}

impl FloatLayer {
    fn load(config: &TransformerConfig, vb: &VarBuilder<'_>) -> candle_core::Result<Self> {
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

    fn forward(&self, x: &Tensor, inputs: &LayerInputs<'_>, mut mode: Mode<'_>) -> candle_core::Result<Tensor> {
        let config = inputs.config;
        let compared = inputs.with_positions(x, &mut mode)?;
        let (q, k, v) = (self.query.forward(&compared)?, self.key.forward(&compared)?, self.value.forward(x)?);
        let context = inputs.attention([&q, &k, &v], mode.dropout_inside(config.attention_probs_dropout_prob))?;
        let p = config.hidden_dropout_prob;
        let a = residual_end(&self.attention_output, &context, x, &self.attention_norm, mode.dropout_inside(p))?;
        let wide = self.intermediate.forward_activated(&a, config.hidden_act.activation())?;
        residual_end(&self.output, &wide, &a, &self.output_norm, mode.dropout_inside(p))
    }
}

impl PreparedLayer {
    fn of(layer: &FloatLayer, activation: Activation, form: Form) -> candle_core::Result<Self> {
        let linears = [&layer.attention_output, &layer.intermediate, &layer.output];
        let norms = [&layer.attention_norm, &layer.output_norm];
        Ok(Self {
            query: PreparedLinear::new(&layer.query, form)?,
            key: PreparedLinear::new(&layer.key, form)?,
            value: PreparedLinear::new(&layer.value, form)?,
            after_attention: PreparedBlock::new(linears, norms, activation, form)?,
        })
    }

    fn forward(&self, x: &Tensor, inputs: &LayerInputs<'_>) -> candle_core::Result<Tensor> {
        let compared = inputs.with_positions(x, &mut Mode::Eval)?;
        let [q, k, v] = PreparedLinear::forward_each([&self.query, &self.key, &self.value], &compared)?;
        let v = v.narrow(0, 0, x.dim(0)?)?;
        self.after_attention.forward(&inputs.attention([&q, &k, &v], None)?, x)
    }
}
