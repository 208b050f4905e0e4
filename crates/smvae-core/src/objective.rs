//! What training minimises. Every loss is a number a row; the one mean is taken in [`Objective`].
//!
//! ```text
//! unsup = mse_text + mse_image + kl_text + kl_image + kl_fused
//! supervised       L = mean(CE + unsup)
//! semi-supervised  L = exp(1 - gamma) mean(CE) + mean(unsup labelled) + lambda mean(1[argmax p != O] unsup unlabelled)
//! ```

use crate::model::{Features, SpanBatch, SpanModel, SpanScores};
use crate::nn::softmax_cross_entropy;
use crate::vae::{ElboTerms, expect_dims, kl_standard_normal, mean_squared_error};
use crate::{Error, Result};
use candle_core::{D, DType, Tensor};
use serde::{Deserialize, Serialize};

/// Weights of the terms of the objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objective {
    /// With unlabelled texts, cross entropy weighs `exp(1 - gamma)`.
    pub gamma: f64,
    /// Weight of the unlabelled term.
    pub lambda: f64,
    /// Whether the VAE terms are part of the loss at all.
    pub vae: bool,
    /// Weight of the three divergences beside the reconstructions; 1 is the evidence lower bound, and the paper.
    pub kl_weight: f64,
}

impl Default for Objective {
    /// The authors' setting for Twitter2017.
    fn default() -> Self {
        Self { gamma: 0.03, lambda: 1.0, vae: true, kl_weight: 1.0 }
    }
}

/// Noise of one batch, standard normal.
#[derive(Clone, Debug)]
pub struct Noise {
    /// For z, `[rows, latent]`.
    pub z: Tensor,
    /// For the sample the text decoder is given, `[rows, latent]`.
    pub text: Tensor,
    /// For the sample the image decoder is given, `[texts, latent]`.
    pub image: Tensor,
}

impl Noise {
    /// Draws the noise of a batch.
    ///
    /// # Errors
    /// Those of the copy to the device.
    pub fn draw(batch: &SpanBatch, latent_dim: usize, like: &Tensor, rng: &mut crate::Rng) -> Result<Self> {
        let mut draw = |rows: usize| -> Result<Tensor> {
            Ok(crate::rng::standard_normal((rows, latent_dim), rng, like.device())?.to_dtype(like.dtype())?)
        };
        let rows = batch.spans.len();
        Ok(Self { z: draw(rows)?, text: draw(rows)?, image: draw(batch.n_texts())? })
    }
}

/// A batch's rows after the model has run, with everything the losses need.
#[derive(Clone, Debug)]
pub struct Scored {
    /// What the model put out.
    pub scores: SpanScores,
    /// The negative ELBO's terms; none if the objective leaves them out, or no row counts.
    pub elbo: Option<ElboTerms>,
    /// The rows these terms are of, `[counted]`, u32; none for all rows.
    pub counted: Option<Tensor>,
}

impl Objective {
    /// Checks that the weights are usable.
    ///
    /// # Errors
    /// [`Error::Setting`] for a weight that is not finite or, `gamma` aside, negative.
    pub fn validate(&self) -> Result<()> {
        let fail = |name, want, got: f64| Err(Error::Setting { name, want, got: got.to_string() });
        if !self.gamma.is_finite() {
            return fail("gamma", "a finite number", self.gamma);
        }
        let weights = [("lambda", self.lambda), ("kl_weight", self.kl_weight)];
        match weights.into_iter().find(|(_, weight)| !(weight.is_finite() && *weight >= 0.0)) {
            Some((name, weight)) => fail(name, "a finite number, at least 0", weight),
            None => Ok(()),
        }
    }

    /// Runs the model on encoder vectors `h: [pieces, d]` of a batch.
    ///
    /// # Errors
    /// If batch, vectors and noise do not fit.
    pub fn score(&self, model: &SpanModel, h: &Tensor, batch: &SpanBatch, noise: &Noise) -> Result<Scored> {
        let features = model.features(h, batch)?;
        let scores = model.score(&features, batch, &batch.spans, Some(&noise.z))?;
        let elbo = if self.vae { Some(elbo_terms(model, &features, &scores, batch, noise)?) } else { None };
        Ok(Scored { scores, elbo, counted: None })
    }

    /// The same for unlabelled texts, with the terms of the rows alone that [`entity_mask`] lets through: the others count
    /// as 0 and have no gradient, so that nothing is decoded for them.
    ///
    /// # Errors
    /// If batch, vectors and noise do not fit.
    pub fn score_unlabelled(&self, model: &SpanModel, h: &Tensor, batch: &SpanBatch, noise: &Noise) -> Result<Scored> {
        let features = model.features(h, batch)?;
        let scores = model.score(&features, batch, &batch.spans, Some(&noise.z))?;
        let mask = entity_mask(&scores.logits)?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        let counted: Vec<u32> = (0..).zip(mask).filter(|(_, mask)| *mask > 0.0).map(|(row, _)| row).collect();
        let n = counted.len();
        let counted = Tensor::from_vec(counted, n, h.device())?;
        let elbo = if self.vae && n > 0 {
            let noise = Noise { text: noise.text.index_select(&counted, 0)?, ..noise.clone() };
            Some(elbo_terms(model, &features, &scores.select(&counted)?, batch, &noise)?)
        } else {
            None
        };
        Ok(Scored { scores, elbo, counted: Some(counted) })
    }

    /// The loss of a labelled batch (cross entropy `ce: [rows]`) and, in semi-supervised training, an unlabelled one
    /// ([`Objective::score_unlabelled`]). Returns a scalar.
    ///
    /// # Errors
    /// Those of the tensor operations.
    ///
    /// # Source
    /// Zhou et al. (2022), section 3.4; weights as in the authors' program.
    pub fn loss(&self, ce: &Tensor, labelled: &Scored, unlabelled: Option<&Scored>) -> Result<Tensor> {
        let weight = if unlabelled.is_some() { (1.0 - self.gamma).exp() } else { 1.0 };
        let mut loss = (ce.mean_all()? * weight)?;
        if let Some(elbo) = &labelled.elbo {
            loss = (loss + elbo.weighted_sum(self.kl_weight)?.mean_all()?)?;
        }
        if let Some((scored, elbo)) = unlabelled.and_then(|scored| Some((scored, scored.elbo.as_ref()?))) {
            // The mean over all rows, of which those that do not count are 0.
            let rows = scored.scores.logits.dim(0)? as f64;
            loss = (loss + (elbo.weighted_sum(self.kl_weight)?.sum_all()? * (self.lambda / rows))?)?;
        }
        Ok(loss)
    }
}

/// The five terms of each row.
fn elbo_terms(
    model: &SpanModel,
    features: &Features,
    scores: &SpanScores,
    batch: &SpanBatch,
    noise: &Noise,
) -> Result<ElboTerms> {
    let probabilities = candle_nn::ops::softmax(&scores.logits, D::Minus1)?;
    let decoders = model.decoders.as_ref().ok_or(Error::NoDecoders)?;
    let decoded = decoders.text(&probabilities, &scores.text.sample(&noise.text)?)?;
    let mse_text = mean_squared_error(&decoded, &scores.target)?;
    let kl_text = kl_standard_normal(&scores.text)?;
    let (mse_image, kl_image, kl_fused) = match (&features.image, &batch.images) {
        (Some(image), Some(target)) => {
            // Once a text, then to the rows of its spans.
            let rows = |of_text: &Tensor| of_text.index_select(&scores.text_index, 0)? * &scores.has_image;
            let decoded = decoders.image(&image.sample(&noise.image)?)?;
            let mse = decoded.map(|d| mean_squared_error(&d, target)).transpose()?;
            let kl_fused = (kl_standard_normal(&scores.fused)? * &scores.has_image)?;
            let kl_image = rows(&kl_standard_normal(image)?)?;
            (mse.map_or_else(|| kl_image.zeros_like(), |mse| rows(&mse))?, kl_image, kl_fused)
        }
        _ => (kl_text.zeros_like()?, kl_text.zeros_like()?, kl_text.zeros_like()?),
    };
    Ok(ElboTerms { mse_text, mse_image, kl_text, kl_image, kl_fused })
}

/// Cross entropy of `logits: [rows, classes]` against class indices `targets: [rows]` (u32); returns `[rows]`.
///
/// # Errors
/// [`Error::Shape`] if the lengths differ; a target out of range.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    expect_dims("cross_entropy", "targets", targets, &logits.dims()[..1])?;
    Ok(softmax_cross_entropy(logits, &targets.to_vec1()?, None)?)
}

/// Cross entropy as Keras computes it from probabilities, `-log clip(p, 1e-7, 1 - 1e-7)`; returns `[rows]`.
///
/// # Errors
/// [`Error::Shape`] if the lengths differ; a target out of range.
///
/// # Source
/// The authors' program through `tf.keras.losses.categorical_crossentropy`.
pub fn clipped_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    expect_dims("clipped_cross_entropy", "targets", targets, &logits.dims()[..1])?;
    let p = candle_nn::ops::softmax(logits, D::Minus1)?.gather(&targets.unsqueeze(1)?, 1)?.squeeze(1)?;
    Ok(p.clamp(1e-7, 1.0 - 1e-7)?.log()?.neg()?)
}

/// 1 for rows whose most probable class is not `O`, else 0; `logits: [rows, classes]`, returns `[rows]` without gradient.
///
/// # Errors
/// Those of the tensor operations.
///
/// # Source
/// Zhou et al. (2022), section 3.4: unlabelled spans count where the model sees an entity.
pub fn entity_mask(logits: &Tensor) -> Result<Tensor> {
    let classes = logits.detach().argmax(D::Minus1)?;
    Ok(classes.ne(0u32)?.to_dtype(DType::F32)?.to_dtype(logits.dtype())?)
}
