//! What the span model computes of a batch before any span is scored: once per piece, word or text.

use super::super::{Features, ImageSource, SpanBatch};
use super::SpanModel;
use crate::nn::Columns::{Minus, Plus};
use crate::nn::{BiLstm, PreparedLinear, embedding, linear_columns, segment_mean};
use crate::shapes::N_SHAPES;
use crate::vae::expect_dims;
use crate::{Error, PackedLayout, Result};
use candle_core::Tensor;
use std::ops::Range;

impl SpanModel {
    /// What can be computed before any span is scored, from the encoder's vectors `h: [pieces, d]`,
    /// of which those of contexts are dropped first.
    ///
    /// # Errors
    /// If `h` has another number of rows than the batch has pieces, or the batch is inconsistent.
    pub fn features(&self, h: &Tensor, batch: &SpanBatch) -> Result<Features> {
        batch.validate()?;
        expect_dims("SpanModel::features", "h", h, &[batch.pieces.layout().n_rows(), self.text_dim])?;
        let (images, has_image) = self.images(h, batch)?;
        let (h, layout) = (&batch.without_contexts(h)?, batch.pieces.own_layout());
        let pieces = h.detach();
        let [h1, h2] = self.recurrent(h, &self.with_shapes(h, batch)?, layout)?;
        let words = segment_mean(&h2, &batch.words)?;
        let image = match (&self.image, &images) {
            (Some(net), Some(images)) => Some(net.gaussian(&net.hidden.forward(images)?)?),
            _ => None,
        };
        let image_input = match (&self.image_input, &images) {
            (Some(layers), Some(images)) => Some(layers.forward(images)?),
            _ => None,
        };
        let has_image: Vec<f32> = has_image.iter().map(|h| f32::from(*h && image.is_some())).collect();
        let [text_hidden, first, last] = self.parts(&h1, &words)?;
        Ok(Features {
            text_hidden,
            first,
            last,
            biaffine: self.biaffine.as_ref().map(|layers| layers.of_words(&words)).transpose()?,
            words,
            has_image: Tensor::from_vec(has_image, batch.n_texts(), h.device())?.to_dtype(h.dtype())?,
            images,
            image,
            image_input,
            pieces,
        })
    }

    /// What stands for the images of a batch, of the encoder's vectors `h: [pieces, d]`, and which
    /// texts have one.
    fn images(&self, h: &Tensor, batch: &SpanBatch) -> Result<(Option<Tensor>, Vec<bool>)> {
        if self.config.image_source == ImageSource::Vectors {
            if let (Some(dim), Some(images)) = (self.config.image_dim, &batch.images) {
                expect_dims("SpanModel::features", "images", images, &[batch.n_texts(), dim])?;
            }
            return Ok((batch.images.clone(), batch.has_image.clone()));
        }
        let contexts: Vec<Range<usize>> = batch.pieces.own_and_context().map(|[_, context]| context).collect();
        let has_image: Vec<bool> = contexts.iter().map(|context| !context.is_empty()).collect();
        if !has_image.contains(&true) {
            return Ok((None, has_image));
        }
        // Of a text without a context any row, which then counts as 0.
        let rows: Vec<_> = contexts.into_iter().map(|c| if c.is_empty() { 0..1 } else { c }).collect();
        let is_there: Vec<f32> = has_image.iter().map(|has| f32::from(*has)).collect();
        let is_there = Tensor::from_vec(is_there, (rows.len(), 1), h.device())?.to_dtype(h.dtype())?;
        let means = segment_mean(&h.detach(), &rows)?;
        Ok((Some(means.broadcast_mul(&is_there)?), has_image))
    }

    /// The hidden layer of the text expert for each piece, of `h1: [pieces, 2k]`, and what the span
    /// layer makes of each word as a first and as a last one, of `words: [words, 2k]`.
    fn parts(&self, h1: &Tensor, words: &Tensor) -> Result<[Tensor; 3]> {
        if let Some(layers) = &self.prepared {
            let [first, last] = PreparedLinear::forward_each([&layers.first, &layers.last], words)?;
            return Ok([layers.text_hidden.forward(h1)?, first, last]);
        }
        let [_, s, e, difference, _] = self.span_columns();
        let (weight, bias) = (self.span_hidden.weight(), self.span_hidden.bias());
        Ok([
            self.text.hidden.forward(h1)?,
            linear_columns(words, weight, &[Plus(s), Plus(difference)], bias)?,
            linear_columns(words, weight, &[Plus(e), Minus(difference)], &bias.zeros_like()?)?,
        ])
    }

    /// The encoder's vectors plus that of the shape of each piece's word.
    fn with_shapes(&self, h: &Tensor, batch: &SpanBatch) -> Result<Tensor> {
        let Some(table) = &self.shapes else { return Ok(h.clone()) };
        if batch.shapes.len() != batch.words.len() {
            let (got, want) = (batch.shapes.len(), batch.words.len());
            return Err(Error::Length { op: "SpanModel", what: "word shapes", got, want });
        }
        if let Some(index) = batch.shapes.iter().position(|shape| *shape as usize >= N_SHAPES) {
            let why = "has a shape that there is not";
            return Err(Error::Batch { what: "word", index, got: batch.words[index].clone(), why });
        }
        Ok((h + embedding(table, &batch.piece_shapes(N_SHAPES as u32))?)?)
    }

    /// What the two LSTMs make of vectors `[pieces, d]`, `[pieces, 2 hidden_dim]` each: first that
    /// of the VAE path, of `h`, which no gradient reaches, then that of the classifier, of
    /// `shaped`, which is `h` where words have no shapes. Rows of padding are 0 in the second.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn recurrent(&self, h: &Tensor, shaped: &Tensor, layout: &PackedLayout) -> Result<[Tensor; 2]> {
        let texts = 0..layout.n_texts();
        let real: Vec<Range<usize>> = texts.clone().map(|t| layout.real_rows(t)).collect();
        // Without padding, both are the same; over padding only the authors' program runs.
        let all: Vec<Range<usize>> = texts.map(|t| layout.rows(t)).collect();
        let h = h.detach();
        if all == real {
            return Ok(BiLstm::forward_both([&self.lstm_vae, &self.lstm_ner], [&h, shaped], &all)?);
        }
        Ok([self.lstm_vae.forward(&h, &all)?, self.lstm_ner.forward(shaped, &real)?])
    }
}
