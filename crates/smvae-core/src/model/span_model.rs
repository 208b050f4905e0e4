//! Every span's Gaussians and logits from the vectors of its text's pieces.
//!
//! ```text
//! h1 = BiLSTM_vae(sg(h)),  h2 = BiLSTM_ner(h)                                     [pieces, 2k]
//! t  = lrelu(W_t mean_span h1),  v = lrelu(W_v image)           experts: linear heads of t and v
//! z  = mu + sigma * noise, or mu, of the product of experts                       [rows, latent]
//! logits = W_o lrelu(W_f [z; s; e; s-e; s*e])    s, e: means of h2 over the first and last word
//! ```
//! Inside the last lrelu a vector of the span's width is added, if `span_widths` asks for it, and
//! what `image_input.rs` makes of the image, if `image_in_classifier` does. What can be computed
//! once per piece or once per word is computed so ([`Features`]): `W_t` commutes with the mean, and
//! of `W_f` only the terms of `z` and of `s*e` need one product per span. The checkpoint has `W_f`
//! flat. How much of an image counts for a span is `image_gate.rs`, if the model has that, and
//! `biaffine.rs` is what can be added to the logits.

mod precompute;

use super::biaffine::Biaffine;
use super::config::LEAKY_SLOPE;
use super::image_gate::{Gate, ImageGate};
use super::image_input::ImageInput;
use super::{BatchSpan, Decoders, Features, Fusion, ModelConfig, SpanBatch};
use crate::nn::Columns::Plus;
use crate::nn::pairs::{Pairs, pair_product, pair_sum};
use crate::nn::select::select_rows;
use crate::nn::{BiLstm, Form, Linear, PreparedLinear, embedding, leaky_relu, linear_columns, segment_mean};
use crate::shapes::N_SHAPES;
use crate::vae::{Expert, Gaussian, mean_of_experts, product_of_experts};
use crate::{Error, Result};
use candle_core::Tensor;
use candle_nn::init::ZERO;
use candle_nn::{Init, VarBuilder};
use std::ops::Range;

/// Number of widths of a span, in words, that have a vector of their own; wider spans share the
/// last.
const N_WIDTHS: usize = 16;

/// The span classifier and its two encoders of the latent variable.
#[derive(Clone, Debug)]
pub struct SpanModel {
    lstm_vae: BiLstm,
    lstm_ner: BiLstm,
    /// One vector per shape, and one for pieces that belong to no word, `[shapes + 1, d]`.
    shapes: Option<Tensor>,
    /// One vector per width, which the span layer adds before its activation, `[widths, k]`.
    widths: Option<Tensor>,
    /// Scores that are added to the logits.
    biaffine: Option<Biaffine>,
    text: ExpertNet,
    image: Option<ExpertNet>,
    /// What the classifier sees of an image beside z.
    image_input: Option<ImageInput>,
    /// How much the image says of each span.
    image_gate: Option<ImageGate>,
    span_hidden: Linear,
    /// The larger products, in a model that was prepared for a form; `span_hidden` then has the
    /// columns of z alone.
    prepared: Option<PreparedSpans>,
    classifier: Linear,
    /// The decoders of the two VAEs; `None` in a model that can only predict.
    pub decoders: Option<Decoders>,
    /// Width of the encoder's vectors.
    text_dim: usize,
    config: ModelConfig,
}

/// Hidden layer and the two heads of an expert.
#[derive(Clone, Debug)]
struct ExpertNet {
    hidden: Linear,
    mu: Linear,
    log_var: Linear,
}

impl ExpertNet {
    fn load(from: usize, config: &ModelConfig, vb: &VarBuilder<'_>) -> Result<Self> {
        let (k, latent) = (config.hidden_dim, config.latent_dim);
        Ok(Self {
            hidden: Linear::load(from, k, vb.pp("hidden"))?,
            mu: Linear::load(k, latent, vb.pp("mu"))?,
            log_var: Linear::load(k, latent, vb.pp("log_var"))?,
        })
    }

    /// The Gaussian of each row of the hidden layer, whose activation is still to come.
    fn gaussian(&self, hidden: &Tensor) -> Result<Gaussian> {
        self.heads(&leaky_relu(hidden, LEAKY_SLOPE)?)
    }

    /// The Gaussian of each row of the hidden layer.
    fn heads(&self, hidden: &Tensor) -> Result<Gaussian> {
        Gaussian::new(self.mu.forward(hidden)?, &self.log_var.forward(hidden)?)
    }
}

/// Layers in the arrangement of a form. Those of the ends of a span are sums of columns of `W_f`.
#[derive(Clone, Debug)]
struct PreparedSpans {
    text_hidden: PreparedLinear,
    first: PreparedLinear,
    last: PreparedLinear,
    product: PreparedLinear,
}

/// What the model says of spans, one row per span.
#[derive(Clone, Debug)]
pub struct SpanScores {
    /// The text expert.
    pub text: Gaussian,
    /// The product of the experts, or their mean with [`Fusion::Mean`]: of the text expert, of the
    /// image expert where the row has an image, and of the prior with [`Fusion::ProductWithPrior`].
    pub fused: Gaussian,
    /// The latent variable, `[rows, latent]`.
    pub z: Tensor,
    /// Unnormalised log-probabilities, `[rows, classes]`.
    pub logits: Tensor,
    /// Index of each row's text, `[rows]`, u32.
    pub text_index: Tensor,
    /// 1 where the row's text has an image, else 0, `[rows]`.
    pub has_image: Tensor,
}

impl SpanScores {
    /// The same for some rows: row `i` of the result is row `index[i]`; `index: [selected]`, u32.
    ///
    /// # Errors
    /// On the CPU, if an index is out of range. On a GPU that is not checked: the index lies there,
    /// and to read it would be to wait for the device.
    pub fn select(&self, index: &Tensor) -> Result<Self> {
        let rows = |x: &Tensor| x.index_select(index, 0);
        Ok(Self {
            text: self.text.select(index)?,
            fused: self.fused.select(index)?,
            z: rows(&self.z)?,
            logits: rows(&self.logits)?,
            text_index: rows(&self.text_index)?,
            has_image: rows(&self.has_image)?,
        })
    }
}

/// Prefix of the decoders' parameters.
const DECODER: &str = "decoder";

impl SpanModel {
    /// A model from a builder, for vectors of width `text_dim` and `n_classes` classes.
    ///
    /// # Errors
    /// A setting out of range; those of the builder: a missing tensor, a wrong shape.
    pub fn load(config: &ModelConfig, text_dim: usize, n_classes: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        let decoders = Decoders::load(config, text_dim, n_classes, &vb.pp(DECODER))?;
        Ok(Self { decoders: Some(decoders), ..Self::load_for_prediction(config, text_dim, n_classes, vb)? })
    }

    /// A model that was loaded for prediction, with the decoders of the same builder: for
    /// [`Objective::surprise`](crate::objective::Objective::surprise).
    ///
    /// # Errors
    /// As [`SpanModel::load`].
    pub fn with_decoders(self, n_classes: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        let decoders = Decoders::load(&self.config, self.text_dim, n_classes, &vb.pp(DECODER))?;
        Ok(Self { decoders: Some(decoders), ..self })
    }

    /// The same without the decoders, which only training needs.
    ///
    /// # Errors
    /// As [`SpanModel::load`].
    pub fn load_for_prediction(
        config: &ModelConfig,
        text_dim: usize,
        n_classes: usize,
        vb: &VarBuilder<'_>,
    ) -> Result<Self> {
        config.validate()?;
        for (name, size) in [("text_dim", text_dim), ("n_classes", n_classes)] {
            if size == 0 {
                return Err(Error::setting(name, "at least 1", size));
            }
        }
        let (k, latent) = (config.hidden_dim, config.latent_dim);
        Ok(Self {
            lstm_vae: BiLstm::load(text_dim, k, vb.pp("lstm_vae"))?,
            lstm_ner: BiLstm::load(text_dim, k, vb.pp("lstm_ner"))?,
            shapes: config.word_shapes.then(|| shape_table(text_dim, vb)).transpose()?,
            widths: config.span_widths.then(|| vb.get_with_hints((N_WIDTHS, k), "span_widths", ZERO)).transpose()?,
            biaffine: Biaffine::load(config, n_classes, &vb.pp("biaffine"))?,
            text: ExpertNet::load(2 * k, config, &vb.pp("text_expert"))?,
            image: config
                .image_width(text_dim)
                .map(|dim| ExpertNet::load(dim, config, &vb.pp("image_expert")))
                .transpose()?,
            image_input: ImageInput::load(config, text_dim, &vb.pp("image_input"))?,
            image_gate: ImageGate::load(config, text_dim, vb.pp("image_gate"))?,
            span_hidden: Linear::load(latent + 8 * k, k, vb.pp("span_hidden"))?,
            classifier: Linear::load(k, n_classes, vb.pp("classifier"))?,
            prepared: None,
            decoders: None,
            text_dim,
            config: config.clone(),
        })
    }

    /// Arranges the parameters for predictions in this form, once instead of in each forward pass;
    /// later changes of them are not seen. The weights of the large products are kept in that form
    /// alone: those of both LSTMs, of the text expert's hidden layer and of the span layer, but for
    /// its columns of z. The heads of the experts, the classifier and what sees an image stay as
    /// they are. What was prepared stays in its first form: another one is ignored.
    ///
    /// # Errors
    /// [`Error::Candle`] if a tensor cannot be copied, or, for int8 and bf16, for weights that are
    /// not f32 on the CPU.
    pub fn prepare(&mut self, form: Form) -> Result<()> {
        self.lstm_vae.prepare(form)?;
        self.lstm_ner.prepare(form)?;
        if self.prepared.is_some() {
            return Ok(());
        }
        let of_words = self.span_hidden.weight().narrow(1, self.config.latent_dim, 2 * self.config.hidden_dim)?;
        let fits = form.rearranges(self.text.hidden.weight()) && form.rearranges(&of_words);
        if fits { self.pack(form) } else { Ok(()) }
    }

    fn pack(&mut self, form: Form) -> Result<()> {
        let ([z, s, e, difference, product], width) = (self.span_columns(), 2 * self.config.hidden_dim);
        let (weight, bias) = (self.span_hidden.weight().clone(), self.span_hidden.bias().clone());
        let columns = |at: usize| weight.narrow(1, at, width);
        let pack = |weight: Tensor, bias: &Tensor| PreparedLinear::new(&Linear::new(weight, bias.clone()), form);
        let nothing = bias.zeros_like()?;
        self.prepared = Some(PreparedSpans {
            text_hidden: PreparedLinear::new(&self.text.hidden, form)?,
            first: pack((columns(s)? + columns(difference)?)?, &bias)?,
            last: pack((columns(e)? - columns(difference)?)?, &nothing)?,
            product: pack(columns(product)?.contiguous()?, &nothing)?,
        });
        // Copied, so that the other columns are freed.
        self.span_hidden = Linear::new(weight.narrow(1, z, self.config.latent_dim)?.copy()?, bias);
        // Nothing reads it from here on.
        let empty = self.text.hidden.bias().narrow(0, 0, 0)?;
        self.text.hidden = Linear::new(empty.reshape((0, width))?, empty);
        Ok(())
    }

    /// Sizes and quirks.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// A parameter, for its device and number type.
    pub(crate) fn parameter(&self) -> &Tensor {
        self.classifier.bias()
    }

    /// Scores spans of `batch`; `noise: [rows, latent]` samples z; without it, z is the mean.
    ///
    /// # Errors
    /// If a span does not belong to the batch, the features are of another one, or the noise has
    /// another shape.
    pub fn score(
        &self,
        features: &Features,
        batch: &SpanBatch,
        spans: &[BatchSpan],
        noise: Option<&Tensor>,
    ) -> Result<SpanScores> {
        features.check("SpanModel::score", batch)?;
        let ranges = self.piece_ranges(batch, spans)?;
        let text_index: Vec<u32> = spans.iter().map(|span| span.text as u32).collect();
        let text_index = Tensor::from_vec(text_index, spans.len(), features.pieces.device())?;
        let has_image = select_rows(&features.has_image, &text_index, None)?;

        let text_hidden = leaky_relu(&segment_mean(&features.text_hidden, &ranges)?, LEAKY_SLOPE)?;
        let text = self.text.heads(&text_hidden)?;
        let image = features.image.as_ref().map(|image| image.select(&text_index)).transpose()?;
        let gate = self.image_gate.as_ref().filter(|_| image.is_some());
        let gate = gate.map(|gate| gate.of(&text_hidden)).transpose()?;
        let fused = fuse(self.config.fusion, &text, image.as_ref(), gate.as_ref(), &has_image)?;
        let z = match noise {
            Some(noise) => fused.sample(noise)?,
            None => fused.mu.clone(),
        };
        let ([of_z, _, _, _, of_product], weight) = (self.span_columns(), self.span_hidden.weight());
        let pairs = Pairs::new(spans.iter().map(|s| (s.words.start as u32, s.words.end as u32 - 1)));
        let ends = pair_sum(&features.first, &features.last, &pairs)?;
        let products = pair_product(&features.words, &pairs)?;
        let hidden = match &self.prepared {
            Some(layers) => layers.product.forward_onto(&products, &ends)?,
            None => linear_columns(&products, weight, &[Plus(of_product)], &ends)?,
        };
        let hidden =
            if self.config.latent_in_classifier { linear_columns(&z, weight, &[Plus(of_z)], &hidden)? } else { hidden };
        let hidden = match &self.widths {
            Some(table) => (hidden + embedding(table, &spans.iter().map(width_index).collect::<Vec<_>>())?)?,
            None => hidden,
        };
        let hidden = match &features.image_input {
            // Nothing where there is no image.
            Some(of_texts) => {
                let part = match &gate {
                    Some(gate) => {
                        let part = (has_image.unsqueeze(1)? * gate.openness()?)?;
                        select_rows(of_texts, &text_index, None)?.broadcast_mul(&part)?
                    }
                    None => select_rows(of_texts, &text_index, Some(&has_image))?,
                };
                (hidden + part)?
            }
            None => hidden,
        };
        let logits = self.classifier.forward(&leaky_relu(&hidden, LEAKY_SLOPE)?)?;
        let logits = match (&self.biaffine, &features.biaffine) {
            (Some(layers), Some(words)) => (logits + layers.scores(words, spans)?)?,
            _ => logits,
        };
        Ok(SpanScores { text, fused, z, logits, text_index, has_image })
    }

    /// What the text decoder reconstructs of spans of `batch`: the mean of the encoder's vectors
    /// over each, without gradient, `[spans, d]`.
    ///
    /// # Errors
    /// If a span does not belong to the batch, or the features are of another one.
    pub fn targets(&self, features: &Features, batch: &SpanBatch, spans: &[BatchSpan]) -> Result<Tensor> {
        features.check("SpanModel::targets", batch)?;
        Ok(segment_mean(&features.pieces, &self.piece_ranges(batch, spans)?)?)
    }

    /// The rows of pieces that each span is averaged over.
    fn piece_ranges(&self, batch: &SpanBatch, spans: &[BatchSpan]) -> Result<Vec<Range<usize>>> {
        batch.check_spans(spans)?;
        let shifted = self.config.quirks.shifted_spans;
        if shifted {
            batch.check_shifted(spans)?;
        }
        Ok(spans.iter().map(|span| batch.piece_rows(span, shifted)).collect())
    }

    /// The first of the columns of `W_f` that multiply z, s, e, s-e and s*e.
    fn span_columns(&self) -> [usize; 5] {
        let (latent, width) = (self.config.latent_dim, 2 * self.config.hidden_dim);
        [0, latent, latent + width, latent + 2 * width, latent + 3 * width]
    }
}

fn width_index(span: &BatchSpan) -> u32 {
    span.words.width().clamp(1, N_WIDTHS) as u32 - 1
}

fn shape_table(text_dim: usize, vb: &VarBuilder<'_>) -> Result<Tensor> {
    // As large as what a layer norm puts out is different from text to text.
    let init = Init::Randn { mean: 0.0, stdev: 0.1 };
    Ok(vb.get_with_hints((N_SHAPES + 1, text_dim), "word_shapes", init)?)
}

/// One Gaussian per row, from that of the text expert and, where there is an image, that of the
/// image expert, as far as its gate is open.
fn fuse(
    fusion: Fusion,
    text: &Gaussian,
    image: Option<&Gaussian>,
    gate: Option<&Gate>,
    has_image: &Tensor,
) -> Result<Gaussian> {
    let gated = match (image, gate, fusion) {
        (Some(image), Some(gate), Fusion::Product | Fusion::ProductWithPrior) => Some(gate.gated(image)?),
        _ => None,
    };
    let weight = match (gate, fusion) {
        // The weight of the image in the mean is half of this.
        (Some(gate), Fusion::Mean) => (gate.openness()?.squeeze(1)? * has_image)?,
        _ => has_image.clone(),
    };
    let image = gated.as_ref().or(image).map(|gaussian| Expert { gaussian, present: Some(&weight) });
    match (fusion, image) {
        (Fusion::Product | Fusion::Mean, None) => Ok(text.clone()),
        (Fusion::Product, Some(image)) => product_of_experts(&[text.into(), image]),
        (Fusion::Mean, Some(image)) => mean_of_experts(text, &image),
        (Fusion::ProductWithPrior, image) => {
            let prior = Gaussian { mu: text.mu.zeros_like()?, log_var: text.log_var.zeros_like()? };
            let experts: Vec<Expert<'_>> = [text.into(), (&prior).into()].into_iter().chain(image).collect();
            product_of_experts(&experts)
        }
    }
}
