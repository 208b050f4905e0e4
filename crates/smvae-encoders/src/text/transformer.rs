//! A transformer encoder over packed pieces, trainable in every variable: embeddings, then the
//! layers of its family.
//!
//! ```text
//! x = LayerNorm(word[id] + position[first + i] + segment[s])          [rows, e]
//! x = P x                                                             if e is not d
//! x = layers(x)                                                       [rows, d]
//! ```
//! The layers are in `bert.rs`: Devlin et al. (2019); Liu et al. (2019), RoBERTa, whose `first` is
//! 2; Conneau et al. (2020), XLM-R; Sanh et al. (2019), DistilBERT, which has no segments; Clark et
//! al. (2020), ELECTRA, whose embeddings may be narrower; Song et al. (2020), MPNet; He et al.
//! (2021), DeBERTaV3, which has no `position`. Or in `modern.rs`: Warner et al. (2024), ModernBERT,
//! which has neither `position` nor segments. The segment `s` is 0, and 1 for the context of a text
//! where there are two segments. Parameters are named as in BERT's checkpoints of Hugging Face,
//! without the pooler; `weights.rs` knows the other families' names. Dropout after the embeddings.

use super::bert::BertLayers;
use super::config::TransformerConfig;
use super::modern::{self, ModernLayers};
use crate::{Error, Result};
use candle_nn::{Init, VarBuilder};
use smvae_core::candle_core::{self, Tensor};
use smvae_core::nn::{Form, LayerNorm, Linear, embedding_sum};
use smvae_core::{Mode, PackedPieces, TextEncoder};

/// A transformer encoder without a pooler.
#[derive(Clone, Debug)]
pub struct Transformer {
    word: Tensor,
    position: Option<Tensor>,
    segment: Option<Tensor>,
    norm: LayerNorm,
    project: Option<Linear>,
    layers: Layers,
    config: TransformerConfig,
}

/// What stands on the embeddings.
#[derive(Clone, Debug)]
enum Layers {
    Bert(BertLayers),
    Modern(ModernLayers),
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
        let modern = config.modern()?;
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
            norm: match modern {
                Some(settings) => modern::norm(config, settings, embeddings.pp("LayerNorm"))?,
                None => LayerNorm::load(width, config.layer_norm_eps, embeddings.pp("LayerNorm"))?,
            },
            project: if width == d { None } else { Some(Linear::load(width, d, vb.pp("embeddings_project"))?) },
            layers: match modern {
                Some(settings) => Layers::Modern(ModernLayers::load(config, settings, &vb)?),
                None => Layers::Bert(BertLayers::load(config, &vb.pp("encoder"))?),
            },
            config: config.clone(),
        })
    }

    /// Keeps the weights of the layers' products as this form multiplies them, alone, for
    /// predictions on the CPU. Embeddings, norms, attention and activations stay f32. Such an
    /// encoder has no gradients and no dropout. Where f32 has no such arrangement, on a GPU and on
    /// a CPU without AVX-512, nothing changes; where it has one, the numbers do not. What was
    /// prepared stays in its first form: another one is ignored.
    ///
    /// # Errors
    /// For int8 and bf16, weights that are not f32 on the CPU.
    pub fn prepare(&mut self, form: Form) -> Result<()> {
        match &mut self.layers {
            Layers::Bert(layers) => layers.prepare(&self.config, form)?,
            Layers::Modern(layers) => layers.prepare(&self.config, form)?,
        }
        Ok(())
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
        Ok(match &self.layers {
            Layers::Bert(layers) => layers.forward(x, pieces.layout(), &self.config, mode)?,
            Layers::Modern(layers) => layers.forward(x, pieces.layout(), &self.config, mode)?,
        })
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
