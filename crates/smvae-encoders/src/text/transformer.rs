//! BERT and its family over packed pieces, trainable in every variable.
//!
//! ```text
//! x = LayerNorm(word[id] + position[first + i] + segment[s])          [rows, e]
//! x = P x                                                             if e is not d
//! a = LayerNorm(x + W_o attention(W_q x, W_k x, W_v x, b))            in each layer,
//! x = LayerNorm(a + W_2 act(W_1 a))                                   then; [rows, d]
//! ```
//! Devlin et al. (2019); Liu et al. (2019), RoBERTa, whose `first` is 2; Conneau et al. (2020),
//! XLM-R; Sanh et al. (2019), DistilBERT, which has no segments; Clark et al. (2020), ELECTRA,
//! whose embeddings may be narrower; Song et al. (2020), MPNet, where `b` is a number for each head
//! and each distance of two pieces (`relative.rs`), the same in all layers; He et al. (2021),
//! DeBERTaV3, which has no `position`, and whose attention compares pieces with distances
//! (`disentangled.rs`) by the same `W_q` and `W_k`. The segment `s` is 0, and 1 for the context of
//! a text where there are two segments. Parameters are named as in BERT's checkpoints of Hugging
//! Face, without the pooler; `weights.rs` knows the other families' names. Dropout after the
//! embeddings, on attention weights, on both outputs of a layer and, in each layer of a DeBERTaV3,
//! on the vectors of the distances.

use super::config::{HiddenAct, TransformerConfig};
use super::disentangled::{Positions, RelativeEmbeddings};
use super::family::Relative;
use super::relative::RelativeBias;
use crate::{Error, Result};
use smvae_core::candle_core::{self, Tensor};
use smvae_core::nn::{
    Activation, Form, LayerNorm, Linear, PreparedBlock, PreparedLinear, attention_with_bias, attention_with_positions,
    embedding_sum, residual_end,
};
use smvae_core::{Mode, PackedLayout, PackedPieces, TextEncoder};

use candle_nn::{Init, VarBuilder};

/// A transformer encoder without a pooler.
#[derive(Clone, Debug)]
pub struct Transformer {
    word: Tensor,
    position: Option<Tensor>,
    segment: Option<Tensor>,
    norm: LayerNorm,
    project: Option<Linear>,
    bias: Option<RelativeBias>,
    distances: Option<RelativeEmbeddings>,
    layers: Vec<Layer>,
    config: TransformerConfig,
}

impl Transformer {
    /// An encoder from a builder; a fresh one is initialised as BERT was, normal with deviation
    /// 0.02.
    ///
    /// # Errors
    /// A setting out of range; those of the builder: a missing tensor, a wrong shape.
    pub fn load(config: &TransformerConfig, vb: VarBuilder<'_>) -> Result<Self> {
        config.validate()?;
        let (d, width) = (config.hidden_size, config.embedding_width());
        let embeddings = vb.pp("embeddings");
        let table = |name: &str, rows: usize| {
            let init = Init::Randn { mean: 0.0, stdev: 0.02 };
            embeddings.pp(name).get_with_hints((rows, width), "weight", init)
        };
        let layers = vb.pp("encoder.layer");
        Ok(Self {
            word: table("word_embeddings", config.vocab_size)?,
            position: if config.has_positions() {
                Some(table("position_embeddings", config.max_position_embeddings)?)
            } else {
                None
            },
            segment: match config.type_vocab_size {
                0 => None,
                segments => Some(table("token_type_embeddings", segments)?),
            },
            norm: LayerNorm::load(width, config.layer_norm_eps, embeddings.pp("LayerNorm"))?,
            project: if width == d { None } else { Some(Linear::load(width, d, vb.pp("embeddings_project"))?) },
            bias: if config.relative() == Relative::Bias {
                Some(RelativeBias::load(config.num_attention_heads, vb.pp("encoder.relative_attention_bias"))?)
            } else {
                None
            },
            distances: match config.relative_rows()? {
                Some(rows) => Some(RelativeEmbeddings::load(rows, d, config.layer_norm_eps, &vb.pp("encoder"))?),
                None => None,
            },
            layers: (0..config.num_hidden_layers)
                .map(|i| Ok(Layer::Float(FloatLayer::load(config, &layers.pp(i))?)))
                .collect::<candle_core::Result<_>>()?,
            config: config.clone(),
        })
    }

    /// Keeps the weights of the layers' products as this form multiplies them, alone, for
    /// predictions on the CPU. Embeddings, norms, attention and activations stay f32. Such an
    /// encoder has no gradients and no dropout. Where f32 has no such arrangement, on a GPU and on
    /// a CPU without AVX-512, nothing changes; where it has one, the numbers do not.
    ///
    /// # Errors
    /// For int8 and bf16, weights that are not f32 on the CPU.
    pub fn prepare(&mut self, form: Form) -> Result<()> {
        Ok(self.layers.iter_mut().try_for_each(|layer| layer.prepare(&self.config, form))?)
    }

    /// Sizes and settings.
    pub fn config(&self) -> &TransformerConfig {
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
        if let Some(project) = &self.project {
            x = project.forward(&x)?;
        }
        let layout = pieces.layout();
        let longest = layout.longest();
        let bias = self.bias.as_ref().map(|bias| bias.of_distances(longest)).transpose()?;
        let positions = self.distances.as_ref().map(|distances| distances.of_texts(longest)).transpose()?;
        let inputs = LayerInputs { layout, bias, positions, config: &self.config };
        for layer in &self.layers {
            x = layer.forward(&x, &inputs, mode.reborrow())?;
        }
        Ok(x)
    }

    fn check(&self, pieces: &PackedPieces) -> Result<()> {
        if let Some(&id) = pieces.ids().iter().find(|id| **id as usize >= self.config.vocab_size) {
            return Err(Error::PieceId { id, vocab_size: self.config.vocab_size });
        }
        let (longest, limit) = (pieces.layout().longest(), self.config.position_limit());
        if longest > limit {
            return Err(Error::TextLength { pieces: longest, limit });
        }
        Ok(())
    }

    fn embed(&self, pieces: &PackedPieces) -> candle_core::Result<Tensor> {
        let layout = pieces.layout();
        let first = self.config.first_position() as u32;
        let positions_of = |text| (first..).take(layout.rows(text).len());
        let positions: Vec<u32> = (0..layout.n_texts()).flat_map(positions_of).collect();
        let mut segments = vec![0; layout.n_rows()];
        if self.config.type_vocab_size > 1 {
            pieces.own_and_context().for_each(|[_, context]| segments[context].fill(1));
        }
        let mut lookups = vec![(&self.word, pieces.ids())];
        lookups.extend(self.position.iter().map(|table| (table, &positions[..])));
        lookups.extend(self.segment.iter().map(|table| (table, &segments[..])));
        embedding_sum(&lookups)
    }
}

impl TextEncoder for Transformer {
    fn dim(&self) -> usize {
        self.config.hidden_size
    }

    fn forward(&self, pieces: &PackedPieces, mode: Mode<'_>) -> smvae_core::Result<Tensor> {
        self.encode(pieces, mode).map_err(|source| smvae_core::Error::Encoder(Box::new(source)))
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
            *self = Self::Prepared(PreparedLayer::of(layer, activation(config), form)?);
        }
        Ok(())
    }
}

fn activation(config: &TransformerConfig) -> Activation {
    match config.hidden_act {
        HiddenAct::Gelu => Activation::GeluErf,
        HiddenAct::GeluNew => Activation::GeluTanh,
        HiddenAct::Relu => Activation::LeakyRelu(0.0),
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
        let wide = self.intermediate.forward_activated(&a, activation(config))?;
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
