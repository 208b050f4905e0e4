//! What training minimises. Every loss is one number per row; the only mean is taken in
//! [`Objective::loss`].
//!
//! ```text
//! unsup = mse_text + mse_image + kl_text + kl_image + kl_fused
//! supervised       L = mean(CE + unsup)
//! semi-supervised  L = exp(1 - gamma) mean(CE) + mean(unsup of labelled rows)
//!                      + lambda mean(1[argmax p != O] unsup of unlabelled rows)
//! ```
//! That is the paper's objective. Options beyond it: other terms in the place of `mse_image`
//! ([`ImageReconstruction`]), a weight, a floor and a schedule for the KL terms, the
//! class-marginalised form of the unlabelled term, cross entropy against soft labels
//! ([`soft_cross_entropy`]), labels that are shared with spans nearby ([`smooth_boundaries`]), and
//! two passes under different dropout that are to agree ([`disagreement`]).

mod boundaries;
mod images;
mod kernels;
mod losses;
mod noise;
mod rows;

use crate::model::{BatchSpan, Features, SpanBatch, SpanModel, SpanScores};
use crate::nn::dispatch::{has_kernels, is_at_hand};
use crate::vae::{ElboTerms, LossWeights, kl_standard_normal, mean_squared_error};
use crate::{Error, Result};
pub use boundaries::smooth_boundaries;
use candle_core::{D, DType, Tensor};
use candle_nn::VarBuilder;
pub use images::ImageReconstruction;
pub(crate) use kernels::means;
pub use losses::{clipped_cross_entropy, cross_entropy, disagreement, entity_mask, soft_cross_entropy};
pub use noise::Noise;
use rows::Rows;
use serde::{Deserialize, Serialize};

/// Weights of the terms of the objective.
///
/// `gamma` and `lambda` are the paper's. All that follows them is not in the paper, and by default
/// the objective is the paper's. What an option was worth is said at its field, as measured on
/// Twitter2017 with 100 labelled posts (experiments/README.md; where not said otherwise in one run,
/// whose F1 other noise moves by 1 to 2.5 points).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Objective {
    /// With unlabelled texts, cross entropy weighs `exp(1 - gamma)`. Default: 0.03, the authors'.
    pub gamma: f64,
    /// Weight of the VAE terms of unlabelled rows. Default: 1. The whole semi-supervised objective
    /// of the paper made no difference that five draws could show.
    pub lambda: f64,
    /// Whether the VAE terms are part of the loss at all. Default: true. Leaving them out made no
    /// difference.
    pub vae: bool,
    /// Weight of the three KL terms; the reconstructions have their own. Default: 1, the paper's.
    /// Weights of 0.1 and 0.01 made no difference.
    pub kl_weight: f64,
    /// Share of the steps over which `kl_weight` rises from 0: annealing (Bowman et al. 2016).
    /// Default: 0, no annealing. It made no difference.
    ///
    /// [`Objective::at`] applies it: call that before [`step`](crate::step::step).
    pub kl_warmup: f64,
    /// Nats below which a KL term of a row is not reduced further: free bits (Kingma et al. 2016).
    /// Default: 0. Five nats were worth 0.11 F1 on test over five draws (-0.93 to +1.15): no
    /// difference.
    pub free_bits: f64,
    /// Weight of the two reconstructions. Default: 1. A weight of 0.1 made no difference, one of 10
    /// was worse by 1.6.
    pub reconstruction_weight: f64,
    /// How the image decoder's output is compared with the image. `mse`: mean squared error, the
    /// paper's. `gaussian`: negative log-likelihood with a learned variance, summed over the
    /// dimensions of the vector. `contrastive`: telling the post's image from the others of its
    /// batch. The last two need images and are not measured yet. Default:
    /// [`ImageReconstruction::Mse`].
    ///
    /// [`Objective::add_parameters`] adds the variance: call that after [`SpanModel::load`].
    #[serde(skip_serializing_if = "is_default")]
    pub image_reconstruction: ImageReconstruction,
    /// What stands for the unknown class of an unlabelled row. Default: [`UnlabelledClass::Mask`],
    /// the paper's. The others ruin the classifier: `marginal` -48,
    /// `marginal-frequencies` -10.
    #[serde(alias = "unlabelled_class")]
    pub unlabelled: UnlabelledClass,
    /// Weight of the cross entropy of unlabelled rows against soft labels, where there are any.
    /// Default: 1. Soft labels are what gains from unlabelled posts, by 2 to 3 points.
    #[serde(rename = "distillation", alias = "soft_label_weight")]
    pub soft_label_weight: f64,
    /// Weight of the disagreement of two passes over the labelled texts with different dropout,
    /// whose cross entropies are averaged (R-Drop, Liang et al. 2021, where it is `alpha`).
    /// Default: 0, one pass. It made no difference, with 100 labels or with all.
    pub r_drop: f64,
    /// Probability that the label of an entity shares, in equal parts, with the candidates whose
    /// first or last word is off by one; what no entity has of a candidate is `O`'s (boundary
    /// smoothing, Zhu & Li 2022, with their distance 1). From 0 to below 1; only where a step has
    /// all spans of its posts. Default: 0, one class for each candidate. Not measured yet.
    #[serde(skip_serializing_if = "is_default")]
    pub boundary_smoothing: f64,
}

/// What stands for the class of an unlabelled row in its negative ELBO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnlabelledClass {
    /// The model's probabilities in place of the class, only on rows whose most probable class is
    /// not `O`: the paper.
    #[default]
    Mask,
    /// Every class in turn, weighted by its probability, on all rows, plus the KL divergence of the
    /// probabilities from a uniform prior over classes (Kingma et al. 2014, equation 7).
    Marginal,
    /// The same, with the frequencies of the classes among the labelled rows of the step as the
    /// prior.
    #[serde(rename = "marginal-frequencies")]
    MarginalFrequencies,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Objective {
    /// The authors' setting for Twitter2017.
    fn default() -> Self {
        Self {
            gamma: 0.03,
            lambda: 1.0,
            vae: true,
            kl_weight: 1.0,
            kl_warmup: 0.0,
            free_bits: 0.0,
            reconstruction_weight: 1.0,
            image_reconstruction: ImageReconstruction::Mse,
            unlabelled: UnlabelledClass::Mask,
            soft_label_weight: 1.0,
            r_drop: 0.0,
            boundary_smoothing: 0.0,
        }
    }
}

/// A batch's rows after the model has run, with everything the losses need.
#[derive(Clone, Debug)]
pub struct Scored {
    /// What the model put out.
    pub scores: SpanScores,
    /// The terms of the negative ELBO; `None` if the objective leaves them out, or no row counts.
    pub elbo: Option<ElboTerms>,
    /// The rows that these terms belong to.
    pub counted: Counted,
    /// KL divergence of each row's class probabilities from the prior over classes, `[rows]`, where
    /// the class is marginalised.
    pub kl_class: Option<Tensor>,
}

/// Which rows terms belong to, and which of them count.
#[derive(Clone, Debug)]
pub enum Counted {
    /// All rows.
    All,
    /// The terms are of these rows alone, whose indices are `[counted]`, u32.
    Rows(Tensor),
    /// There are terms of all rows, of which those count where this is 1 and not 0, `[rows]`: on
    /// another device than the CPU, where it takes longer to learn which rows count than to compute
    /// the terms of the others.
    Mask(Tensor),
}

impl Objective {
    /// Checks that the weights are usable.
    ///
    /// # Errors
    /// [`Error::Setting`] for a weight that is not finite or, `gamma` aside, negative.
    pub fn validate(&self) -> Result<()> {
        if !self.gamma.is_finite() {
            return Err(Error::setting("gamma", "a finite number", self.gamma));
        }
        if !(0.0..=1.0).contains(&self.kl_warmup) {
            return Err(Error::setting("kl_warmup", "a share, 0 to 1", self.kl_warmup));
        }
        if !(0.0..1.0).contains(&self.boundary_smoothing) {
            return Err(Error::setting("boundary_smoothing", "at least 0 and below 1", self.boundary_smoothing));
        }
        let weights = [
            ("lambda", self.lambda),
            ("kl_weight", self.kl_weight),
            ("free_bits", self.free_bits),
            ("reconstruction_weight", self.reconstruction_weight),
            ("soft_label_weight", self.soft_label_weight),
            ("r_drop", self.r_drop),
        ];
        match weights.into_iter().find(|(_, weight)| !(weight.is_finite() && *weight >= 0.0)) {
            Some((name, weight)) => Err(Error::setting(name, "a finite number, at least 0", weight)),
            None => Ok(()),
        }
    }

    /// Adds to a model what this objective alone trains, from the builder that the model was loaded
    /// from, once: for [`ImageReconstruction::Gaussian`] the variance of the image decoder.
    ///
    /// # Errors
    /// Those of the builder.
    pub fn add_parameters(&self, model: &mut SpanModel, vb: &VarBuilder<'_>) -> Result<()> {
        match (self.image_reconstruction, &mut model.decoders) {
            (ImageReconstruction::Gaussian, Some(decoders)) => decoders.learn_image_variance(&vb.pp("decoder")),
            _ => Ok(()),
        }
    }

    /// The objective once this share of the steps is done; only the weight of the KL terms changes.
    #[must_use]
    pub fn at(&self, done: f64) -> Self {
        let rise = if self.kl_warmup > 0.0 { (done / self.kl_warmup).min(1.0) } else { 1.0 };
        Self { kl_weight: self.kl_weight * rise, ..self.clone() }
    }

    fn weights(&self) -> LossWeights {
        LossWeights { reconstruction: self.reconstruction_weight, kl: self.kl_weight, free_bits: self.free_bits }
    }

    /// Runs the model on encoder vectors `h: [pieces, d]` of a batch.
    ///
    /// # Errors
    /// If batch, vectors and noise do not fit.
    pub fn score(&self, model: &SpanModel, h: &Tensor, batch: &SpanBatch, noise: &Noise) -> Result<Scored> {
        let features = model.features(h, batch)?;
        let scores = model.score(&features, batch, &batch.spans, Some(&noise.z))?;
        let rows = || Rows::new(self.image_reconstruction, model, &features, &scores, batch, &batch.spans, noise);
        let elbo = if self.vae { Some(rows()?.terms()?) } else { None };
        Ok(Scored { scores, elbo, counted: Counted::All, kl_class: None })
    }

    /// How little a trained model expected the text of the spans that it has scored, `[rows]`, at
    /// least 0: what the paper calls the negative ELBO of the text VAE, the reconstruction error
    /// and the KL term as this objective weighs them, without free bits. The latent variable is at
    /// its mean, so that nothing is sampled. Terms of images are left out, which only some posts
    /// have.
    ///
    /// # Errors
    /// [`Error::NoDecoders`] for a model without decoders; those of the tensor operations.
    pub fn surprise(
        &self,
        model: &SpanModel,
        features: &Features,
        scores: &SpanScores,
        batch: &SpanBatch,
        spans: &[BatchSpan],
    ) -> Result<Tensor> {
        let decoders = model.decoders.as_ref().ok_or(Error::NoDecoders)?;
        let probabilities = candle_nn::ops::softmax(&scores.logits, D::Minus1)?;
        let decoded = decoders.text(&probabilities, &scores.text.mu)?;
        let mse = mean_squared_error(&decoded, &model.targets(features, batch, spans)?)?;
        Ok(((mse * self.reconstruction_weight)? + (kl_standard_normal(&scores.text)? * self.kl_weight)?)?)
    }

    /// The prior over classes of a step whose labelled rows have these classes, `[classes]`, all
    /// above 0.
    #[must_use]
    pub fn class_prior(&self, targets: &[u32], classes: usize) -> Vec<f32> {
        // One row of each class is added to those there are.
        let mut counts = vec![1.0f32; classes];
        if self.unlabelled == UnlabelledClass::MarginalFrequencies {
            for &class in targets {
                // A class out of range is the cross entropy's error.
                if let Some(count) = counts.get_mut(class as usize) {
                    *count += 1.0;
                }
            }
        }
        let total: f32 = counts.iter().sum();
        counts.iter().map(|count| count / total).collect()
    }

    /// [`Objective::score`] for unlabelled texts. With [`UnlabelledClass::Mask`], only the rows
    /// that [`entity_mask`] lets through count: the terms of the others are 0 and have no gradient,
    /// so that, on the CPU, nothing is decoded for them. There are no terms if `lambda` is 0.
    /// `prior` is that of [`Objective::class_prior`].
    ///
    /// # Errors
    /// If batch, vectors, noise and prior do not fit.
    pub fn score_unlabelled(
        &self,
        model: &SpanModel,
        h: &Tensor,
        batch: &SpanBatch,
        noise: &Noise,
        prior: &[f32],
    ) -> Result<Scored> {
        let features = model.features(h, batch)?;
        let scores = model.score(&features, batch, &batch.spans, Some(&noise.z))?;
        expect_classes(&scores, prior)?;
        if !self.vae || self.lambda == 0.0 {
            return Ok(Scored { scores, elbo: None, counted: Counted::All, kl_class: None });
        }
        if self.unlabelled != UnlabelledClass::Mask {
            let rows = Rows::new(self.image_reconstruction, model, &features, &scores, batch, &batch.spans, noise)?;
            let (elbo, kl_class) = rows.marginal_terms(prior)?;
            return Ok(Scored { scores, elbo: Some(elbo), counted: Counted::All, kl_class: Some(kl_class) });
        }
        let rows = |scores: &SpanScores, spans: &[BatchSpan], noise: &Noise| {
            Rows::new(self.image_reconstruction, model, &features, scores, batch, spans, noise)?.terms()
        };
        let mask = entity_mask(&scores.logits)?;
        if !is_at_hand(h.device()) {
            let elbo = Some(rows(&scores, &batch.spans, noise)?);
            return Ok(Scored { scores, elbo, counted: Counted::Mask(mask), kl_class: None });
        }
        let mask = mask.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        let counted: Vec<u32> = (0..).zip(mask).filter(|(_, mask)| *mask > 0.0).map(|(row, _)| row).collect();
        let spans: Vec<BatchSpan> = counted.iter().map(|row| batch.spans[*row as usize]).collect();
        let counted = Tensor::from_vec(counted, spans.len(), h.device())?;
        let elbo = if spans.is_empty() {
            None
        } else {
            let noise = Noise { text: noise.text.index_select(&counted, 0)?, ..noise.clone() };
            Some(rows(&scores.select(&counted)?, &spans, &noise)?)
        };
        Ok(Scored { scores, elbo, counted: Counted::Rows(counted), kl_class: None })
    }

    /// The loss of a labelled batch (cross entropy `ce: [rows]` and, with R-Drop, the disagreement
    /// of its two passes, `disagreement: [rows]`) and, in semi-supervised training, an unlabelled
    /// one ([`Objective::score_unlabelled`]) with, where there are soft labels, the cross entropy
    /// against them, `soft_ce: [rows]`. Returns a scalar.
    ///
    /// # Errors
    /// Those of the tensor operations.
    ///
    /// # Source
    /// Zhou et al. (2022), section 3.4; weights as in the authors' program.
    pub fn loss(
        &self,
        ce: &Tensor,
        disagreement: Option<&Tensor>,
        labelled: &Scored,
        unlabelled: Option<&Scored>,
        soft_ce: Option<&Tensor>,
    ) -> Result<Tensor> {
        let weight = if unlabelled.is_some() { (1.0 - self.gamma).exp() } else { 1.0 };
        let mut loss = add_mean(None, ce, weight)?;
        if let Some(disagreement) = disagreement {
            loss = add_mean(Some(loss), disagreement, weight * self.r_drop)?;
        }
        if let Some(elbo) = &labelled.elbo {
            loss = add_mean(Some(loss), &elbo.weighted_sum(self.weights())?, 1.0)?;
        }
        if let Some((scored, elbo)) = unlabelled.and_then(|scored| Some((scored, scored.elbo.as_ref()?))) {
            loss = self.add_unlabelled(loss, scored, elbo)?;
        }
        if let Some(soft_ce) = soft_ce {
            loss = add_mean(Some(loss), soft_ce, self.soft_label_weight)?;
        }
        Ok(loss)
    }

    /// The loss with the terms of unlabelled rows: the mean over all rows, of which those that do
    /// not count are 0.
    fn add_unlabelled(&self, loss: Tensor, scored: &Scored, elbo: &ElboTerms) -> Result<Tensor> {
        let weight = self.lambda / scored.scores.logits.dim(0)? as f64;
        let mut terms = elbo.weighted_sum(self.weights())?;
        let mask = if let Counted::Mask(mask) = &scored.counted { Some(mask) } else { None };
        if has_kernels(&terms) {
            let loss = kernels::add_sum(Some(&loss), &terms, mask, weight)?;
            return match &scored.kl_class {
                Some(kl_class) => Ok(kernels::add_sum(Some(&loss), kl_class, None, weight)?),
                None => Ok(loss),
            };
        }
        if let Some(mask) = mask {
            terms = (terms * mask)?;
        }
        let mut sum = terms.sum_all()?;
        if let Some(kl_class) = &scored.kl_class {
            sum = (sum + kl_class.sum_all()?)?;
        }
        Ok((loss + (sum * weight)?)?)
    }
}

/// `onto + weight mean(x)`.
fn add_mean(onto: Option<Tensor>, x: &Tensor, weight: f64) -> Result<Tensor> {
    if has_kernels(x) {
        return Ok(kernels::add_sum(onto.as_ref(), x, None, weight / x.elem_count() as f64)?);
    }
    let mean = (x.mean_all()? * weight)?;
    Ok(match onto {
        Some(onto) => (onto + mean)?,
        None => mean,
    })
}

fn expect_classes(scores: &SpanScores, prior: &[f32]) -> Result<()> {
    let (got, want) = (prior.len(), scores.logits.dim(1)?);
    let fault = Error::Length { op: "score_unlabelled", what: "classes of the prior", got, want };
    if got == want { Ok(()) } else { Err(fault) }
}

#[cfg(test)]
mod tests {
    use super::{Objective, UnlabelledClass};

    #[test]
    fn the_prior_counts_each_class_once_more_than_it_is_there() {
        let prior =
            |unlabelled, targets: &[u32]| Objective { unlabelled, ..Objective::default() }.class_prior(targets, 4);
        let targets = [0, 0, 0, 2, 0, 2];
        assert_eq!(prior(UnlabelledClass::MarginalFrequencies, &targets), [0.5, 0.1, 0.3, 0.1]);
        assert_eq!(prior(UnlabelledClass::MarginalFrequencies, &[]), [0.25; 4]);
        assert_eq!(prior(UnlabelledClass::Marginal, &targets), [0.25; 4]);
    }
}
