//! The layers of ModernBERT (Warner et al. 2024): norms before attention and before the
//! feed-forward part, rotary positions, windows, and a gate.
//!
//! ```text
//! x = x + W_o attention(R W_q n, R W_k n, W_v n),   n = norm(x)       in each layer,
//! x = x + W_2 (act(W_1 n) * (W_g n)),               n = norm(x)       then; [rows, d]
//! x = norm(x)                                                         after the last one
//! ```
//! The first layer takes `x` for `n` in attention. `R` turns queries and keys by their places, by
//! one base of frequencies in layers whose attention sees a text and by another in those that see a
//! window of it. What stands in a checkpoint as one matrix, `W_q`, `W_k`, `W_v` or `W_1`, `W_g`, is
//! cut when it is read (`weights.rs`). Dropout on attention weights, on the output of attention,
//! and before `W_2`; most published models have none.

use super::config::TransformerConfig;
use super::modern_settings::{Attention, ModernBert};
use candle_nn::VarBuilder;
use smvae_core::candle_core::{Result, Tensor};
use smvae_core::nn::{Form, LayerNorm, Linear, PreparedGated, PreparedLinear, Rotary, attention_with_bias};
use smvae_core::{Mode, PackedLayout, Rng};

/// The layers of a model, and the norm after the last one.
#[derive(Clone, Debug)]
pub(super) struct ModernLayers {
    layers: Vec<(Attention, Layer)>,
    norm: LayerNorm,
    settings: ModernBert,
}

impl ModernLayers {
    /// All layers, below the encoder's builder.
    pub(super) fn load(config: &TransformerConfig, settings: &ModernBert, vb: &VarBuilder<'_>) -> Result<Self> {
        let below = vb.pp("encoder.layer");
        let layer = |(i, attention): (usize, &Attention)| {
            Ok((*attention, Layer::Float(FloatLayer::load(config, settings, i == 0, &below.pp(i))?)))
        };
        Ok(Self {
            layers: settings.layer_types.iter().enumerate().map(layer).collect::<Result<_>>()?,
            norm: norm(config, settings, vb.pp("final_norm"))?,
            settings: settings.clone(),
        })
    }

    /// Keeps the weights of all products in this form.
    pub(super) fn prepare(&mut self, config: &TransformerConfig, form: Form) -> Result<()> {
        self.layers.iter_mut().try_for_each(|(_, layer)| layer.prepare(config, form))
    }

    /// `x: [rows, d]` to the same shape.
    pub(super) fn forward(
        &self,
        mut x: Tensor,
        layout: &PackedLayout,
        config: &TransformerConfig,
        mut mode: Mode<'_>,
    ) -> Result<Tensor> {
        let sight = |attention| Sight::new(attention, layout, config, &self.settings, &x);
        let [text, window] = [Attention::FullAttention, Attention::SlidingAttention].map(sight);
        let (text, window) = (text?, window?);
        for (attention, layer) in &self.layers {
            let sight = if *attention == Attention::FullAttention { &text } else { &window };
            x = layer.forward(&x, sight, mode.reborrow())?;
        }
        self.norm.forward(&x)
    }
}

/// A norm of a model, which may have no bias.
pub(super) fn norm(config: &TransformerConfig, settings: &ModernBert, vb: VarBuilder<'_>) -> Result<LayerNorm> {
    let load = if settings.norm_bias { LayerNorm::load } else { LayerNorm::load_without_bias };
    load(config.hidden_size, config.layer_norm_eps, vb)
}

/// What attention sees of a text, the same in all layers of a kind.
struct Sight<'a> {
    layout: &'a PackedLayout,
    rotary: Rotary,
    /// What is added to the scores, `[heads, distances]`, where a text reaches beyond the window.
    bias: Option<Tensor>,
    config: &'a TransformerConfig,
    settings: &'a ModernBert,
}

impl<'a> Sight<'a> {
    fn new(
        attention: Attention,
        layout: &'a PackedLayout,
        config: &'a TransformerConfig,
        settings: &'a ModernBert,
        x: &Tensor,
    ) -> Result<Self> {
        let heads = config.num_attention_heads;
        let rotary = Rotary::new(layout, config.hidden_size / heads, settings.theta(attention), x.device())?;
        let bias = match settings.window(attention).and_then(|window| bias_of_window(layout.longest(), window)) {
            Some(row) => {
                let bias = Tensor::new(row.repeat(heads), x.device())?.reshape((heads, row.len()))?;
                Some(bias.to_dtype(x.dtype())?)
            }
            None => None,
        };
        Ok(Self { layout, rotary, bias, config, settings })
    }

    fn attention(&self, [q, k, v]: [&Tensor; 3], dropout: Option<(f64, &mut Rng)>) -> Result<Tensor> {
        let (q, k) = (self.rotary.forward(q)?, self.rotary.forward(k)?);
        attention_with_bias(&q, &k, v, self.config.num_attention_heads, self.layout, self.bias.as_ref(), dropout)
    }
}

/// What takes all but `window` pieces to each side out of the scores of texts of up to `longest`
/// pieces, for each of the `2 longest - 1` distances. `None` where there are no others.
fn bias_of_window(longest: usize, window: usize) -> Option<Vec<f32>> {
    let last = longest as i64 - 1;
    let of_distance = |x: i64| if x.unsigned_abs() <= window as u64 { 0.0 } else { OUT_OF_SIGHT };
    (longest > window + 1).then(|| (-last..=last).map(of_distance).collect())
}

/// Far below any score, and a number of half precision. It is finite, since a row of padding may
/// see no piece of its text, and a row of nothing but infinities has no softmax.
const OUT_OF_SIGHT: f32 = -3e4;

/// A layer in one of the forms of its products.
#[derive(Clone, Debug)]
enum Layer {
    Float(FloatLayer),
    Prepared(PreparedLayer),
}

#[derive(Clone, Debug)]
struct FloatLayer {
    attention_norm: Option<LayerNorm>,
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    norm: LayerNorm,
    intermediate: Linear,
    gate: Linear,
    output: Linear,
}

/// What only predicts, on the CPU.
#[derive(Clone, Debug)]
struct PreparedLayer {
    attention_norm: Option<LayerNorm>,
    query: PreparedLinear,
    key: PreparedLinear,
    value: PreparedLinear,
    after_attention: PreparedGated,
}

impl Layer {
    /// `x: [rows, d]` to the same shape.
    fn forward(&self, x: &Tensor, sight: &Sight<'_>, mode: Mode<'_>) -> Result<Tensor> {
        match self {
            Self::Float(layer) => layer.forward(x, sight, mode),
            Self::Prepared(layer) => layer.forward(x, sight),
        }
    }

    fn prepare(&mut self, config: &TransformerConfig, form: Form) -> Result<()> {
        if let Self::Float(layer) = self
            && form.rearranges(layer.intermediate.weight())
        {
            *self = Self::Prepared(PreparedLayer::of(layer, config, form)?);
        }
        Ok(())
    }
}

impl FloatLayer {
    fn load(config: &TransformerConfig, settings: &ModernBert, is_first: bool, vb: &VarBuilder<'_>) -> Result<Self> {
        let (d, wide) = (config.hidden_size, config.intermediate_size);
        let linear = |from, to, has_bias: bool, name: &str| {
            let load = if has_bias { Linear::load } else { Linear::load_without_bias };
            load(from, to, vb.pp(name))
        };
        let ModernBert { attention_bias, mlp_bias, .. } = *settings;
        Ok(Self {
            attention_norm: if is_first { None } else { Some(norm(config, settings, vb.pp("attention.LayerNorm"))?) },
            query: linear(d, d, attention_bias, "attention.self.query")?,
            key: linear(d, d, attention_bias, "attention.self.key")?,
            value: linear(d, d, attention_bias, "attention.self.value")?,
            attention_output: linear(d, d, attention_bias, "attention.output.dense")?,
            norm: norm(config, settings, vb.pp("intermediate.LayerNorm"))?,
            intermediate: linear(d, wide, mlp_bias, "intermediate.dense")?,
            gate: linear(d, wide, mlp_bias, "intermediate.gate")?,
            output: linear(wide, d, mlp_bias, "output.dense")?,
        })
    }

    fn forward(&self, x: &Tensor, sight: &Sight<'_>, mut mode: Mode<'_>) -> Result<Tensor> {
        let p = sight.config.attention_probs_dropout_prob;
        let n = normed(x, self.attention_norm.as_ref())?;
        let (q, k, v) = (self.query.forward(&n)?, self.key.forward(&n)?, self.value.forward(&n)?);
        let context = sight.attention([&q, &k, &v], mode.dropout_inside(p))?;
        let a = mode.dropout_add(&self.attention_output.forward(&context)?, x, p)?;
        let n = self.norm.forward(&a)?;
        let wide = self.intermediate.forward_activated(&n, sight.config.hidden_act.activation())?;
        let wide = mode.dropout(&(wide * self.gate.forward(&n)?)?, sight.settings.mlp_dropout)?;
        self.output.forward(&wide)? + a
    }
}

impl PreparedLayer {
    fn of(layer: &FloatLayer, config: &TransformerConfig, form: Form) -> Result<Self> {
        let linears = [&layer.attention_output, &layer.intermediate, &layer.gate, &layer.output];
        Ok(Self {
            attention_norm: layer.attention_norm.clone(),
            query: PreparedLinear::new(&layer.query, form)?,
            key: PreparedLinear::new(&layer.key, form)?,
            value: PreparedLinear::new(&layer.value, form)?,
            after_attention: PreparedGated::new(linears, &layer.norm, config.hidden_act.activation(), form)?,
        })
    }

    fn forward(&self, x: &Tensor, sight: &Sight<'_>) -> Result<Tensor> {
        let n = normed(x, self.attention_norm.as_ref())?;
        let [q, k, v] = PreparedLinear::forward_each([&self.query, &self.key, &self.value], &n)?;
        self.after_attention.forward(&sight.attention([&q, &k, &v], None)?, x)
    }
}

fn normed(x: &Tensor, norm: Option<&LayerNorm>) -> Result<Tensor> {
    norm.map_or_else(|| Ok(x.clone()), |norm| norm.forward(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_have_no_window() {
        assert_eq!(bias_of_window(0, 2), None);
        assert_eq!(bias_of_window(3, 2), None);
        let (out, row) = (OUT_OF_SIGHT, bias_of_window(4, 2).expect("a piece sees two of the three others"));
        assert_eq!(row, [out, 0.0, 0.0, 0.0, 0.0, 0.0, out]);
        assert_eq!(bias_of_window(2, 0).expect("a piece sees itself"), [out, 0.0, out]);
    }
}
