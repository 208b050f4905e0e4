//! One training step: encode, score, compute the loss and its gradients, update.

use crate::model::{SpanBatch, SpanModel};
use crate::objective::{Noise, Objective, Scored};
use crate::objective::{clipped_cross_entropy, cross_entropy, disagreement, entity_mask, soft_cross_entropy};
use crate::optim::Adam;
use crate::{Error, Mode, Result, TextEncoder};
use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

/// A batch and the class of each of its spans.
#[derive(Clone, Debug)]
pub struct LabelledBatch {
    /// Texts and spans.
    pub batch: SpanBatch,
    /// Class index of each span, 0 for `O`.
    pub targets: Vec<u32>,
}

/// A batch whose classes are not known, perhaps with soft labels.
#[derive(Clone, Debug)]
pub struct UnlabelledBatch {
    /// Texts and spans.
    pub batch: SpanBatch,
    /// Soft labels: class probabilities that a teacher gives each span, `spans x classes` row by
    /// row; a row of zeros counts as 0. `None` without a teacher.
    pub targets: Option<Vec<f32>>,
}

impl From<SpanBatch> for UnlabelledBatch {
    fn from(batch: SpanBatch) -> Self {
        Self { batch, targets: None }
    }
}

/// The networks that are trained together.
#[derive(Clone, Copy)]
pub struct Networks<'a> {
    /// From pieces to vectors.
    pub encoder: &'a dyn TextEncoder,
    /// From vectors to scores.
    pub model: &'a SpanModel,
}

/// The loss of one step and its terms, as means over rows, for a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepReport {
    /// What was minimised.
    pub loss: f64,
    /// Cross entropy of the labelled rows.
    pub ce: f64,
    /// Terms of the labelled rows.
    pub labelled: TermMeans,
    /// Terms of the unlabelled rows that the mask let through; 0 if it lets no row through, and in
    /// supervised training.
    pub unlabelled: TermMeans,
    /// Share of unlabelled rows whose most probable class is not `O`: those the paper's mask lets
    /// through.
    pub mask: f64,
    /// Cross entropy of the unlabelled rows against soft labels; 0 without them.
    #[serde(default)]
    pub soft_ce: f64,
    /// Disagreement of two passes over the labelled rows; 0 without R-Drop.
    #[serde(default)]
    pub disagreement: f64,
    /// Global norm of the gradients before clipping.
    pub grad_norm: f64,
}

impl StepReport {
    /// Every number of the report, for sums and means over steps.
    pub fn numbers_mut(&mut self) -> Vec<&mut f64> {
        let Self { loss, ce, labelled, unlabelled, mask, soft_ce, disagreement, grad_norm } = self;
        let mut numbers = vec![loss, ce, mask, soft_ce, disagreement, grad_norm];
        for TermMeans { mse_text, mse_image, kl_text, kl_image, kl_fused } in [labelled, unlabelled] {
            numbers.extend([mse_text, mse_image, kl_text, kl_image, kl_fused]);
        }
        numbers
    }

    /// The first term that is not finite, or so large that nothing can be learned from it, and its
    /// value; the loss comes last. The norm of the gradients is looked at by [`Adam::minimise`].
    pub fn diverged(&self) -> Option<(&'static str, f64)> {
        let Self { loss, ce, labelled, unlabelled, mask, soft_ce, disagreement, .. } = self;
        let (l, u) = (labelled, unlabelled);
        let terms = [
            ("the cross entropy (ce)", ce),
            ("the reconstruction of labelled texts (mse_text)", &l.mse_text),
            ("the reconstruction of labelled images (mse_image)", &l.mse_image),
            ("the divergence of labelled texts (kl_text)", &l.kl_text),
            ("the divergence of labelled images (kl_image)", &l.kl_image),
            ("the divergence of labelled pairs (kl_fused)", &l.kl_fused),
            ("the reconstruction of unlabelled texts (mse_text)", &u.mse_text),
            ("the reconstruction of unlabelled images (mse_image)", &u.mse_image),
            ("the divergence of unlabelled texts (kl_text)", &u.kl_text),
            ("the divergence of unlabelled images (kl_image)", &u.kl_image),
            ("the divergence of unlabelled pairs (kl_fused)", &u.kl_fused),
            ("the share of entity-like spans (mask)", mask),
            ("the cross entropy against soft labels (soft_ce)", soft_ce),
            ("the disagreement of two passes", disagreement),
            ("the loss", loss),
        ];
        let found = terms.into_iter().find(|(_, value)| !(value.is_finite() && value.abs() <= EXPLODED));
        found.map(|(name, value)| (name, *value))
    }
}

/// Terms beyond this have exploded: gradients of such a loss teach nothing.
const EXPLODED: f64 = 1e12;

/// Means over rows of the terms of the negative ELBO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of `ElboTerms`")]
#[non_exhaustive]
pub struct TermMeans {
    pub mse_text: f64,
    pub mse_image: f64,
    pub kl_text: f64,
    pub kl_image: f64,
    pub kl_fused: f64,
}

/// The loss of one step before anything is updated.
#[derive(Debug)]
pub struct StepLoss {
    /// Scalar, with gradient.
    pub loss: Tensor,
    /// Cross entropy of each labelled row.
    pub ce: Tensor,
    /// Disagreement of two passes over each labelled row, with R-Drop.
    pub disagreement: Option<Tensor>,
    /// Labelled rows.
    pub labelled: Scored,
    /// Unlabelled rows, in semi-supervised training.
    pub unlabelled: Option<Scored>,
    /// Cross entropy of each of them against its soft label.
    pub soft_ce: Option<Tensor>,
}

/// Computes the loss of a labelled batch and, in semi-supervised training, an unlabelled one, each
/// with its noise.
///
/// # Errors
/// A weight of the objective out of range; a batch that has no spans, is inconsistent, has another
/// number of targets than spans, or does not fit the networks.
pub fn step_loss(
    networks: Networks<'_>,
    objective: &Objective,
    (labelled, noise): (&LabelledBatch, &Noise),
    unlabelled: Option<(&UnlabelledBatch, &Noise)>,
    mut mode: Mode<'_>,
) -> Result<StepLoss> {
    objective.validate()?;
    let LabelledBatch { batch, targets } = labelled;
    let unlabelled_spans = unlabelled.map_or(1, |(unlabelled, _)| unlabelled.batch.spans.len());
    for (what, got) in [("labelled spans", batch.spans.len()), ("unlabelled spans", unlabelled_spans)] {
        if got == 0 {
            return Err(Error::Length { op: "step", what, got, want: 1 });
        }
    }
    if targets.len() != batch.spans.len() {
        return Err(Error::Length { op: "step", what: "targets", got: targets.len(), want: batch.spans.len() });
    }
    let Networks { encoder, model } = networks;
    let h = encoder.forward(&batch.pieces, mode.reborrow())?;
    let scored = objective.score(model, &h, batch, noise)?;
    let prior = objective.class_prior(targets, scored.scores.logits.dim(1)?);
    let targets = Tensor::from_slice(targets, targets.len(), h.device())?;
    let clipped = model.config().quirks.clipped_cross_entropy;
    let cross_entropy = if clipped { clipped_cross_entropy } else { cross_entropy };
    let mut ce = cross_entropy(&scored.scores.logits, &targets)?;
    let mut between_passes = None;
    if objective.r_drop > 0.0 {
        let h = encoder.forward(&batch.pieces, mode.reborrow())?;
        let second = model.score(&model.features(&h, batch)?, batch, &batch.spans, Some(&noise.z))?.logits;
        ce = ((ce + cross_entropy(&second, &targets)?)? * 0.5)?;
        between_passes = Some(disagreement(&scored.scores.logits, &second)?);
    }
    let (mut unlabelled_scored, mut soft_ce) = (None, None);
    if let Some((UnlabelledBatch { batch, targets }, noise)) = unlabelled {
        let h = encoder.forward(&batch.pieces, mode.reborrow())?;
        let scored = objective.score_unlabelled(model, &h, batch, noise, &prior)?;
        soft_ce = targets.as_deref().map(|targets| against_teacher(&scored.scores.logits, targets)).transpose()?;
        unlabelled_scored = Some(scored);
    }
    let loss = objective.loss(&ce, between_passes.as_ref(), &scored, unlabelled_scored.as_ref(), soft_ce.as_ref())?;
    Ok(StepLoss { loss, ce, disagreement: between_passes, labelled: scored, unlabelled: unlabelled_scored, soft_ce })
}

fn against_teacher(logits: &Tensor, targets: &[f32]) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    if targets.len() != rows * classes {
        return Err(Error::Length {
            op: "step",
            what: "a teacher's probabilities",
            got: targets.len(),
            want: rows * classes,
        });
    }
    let targets = Tensor::from_slice(targets, (rows, classes), logits.device())?.to_dtype(logits.dtype())?;
    soft_cross_entropy(logits, &targets)
}

/// One step: draws noise and dropout from `rng`, computes the loss and its gradients, and updates
/// the parameters; `rates` are the learning rates of the optimizer's groups. The objective is taken
/// as it is: call [`Objective::at`] before for a weight that rises.
///
/// # Errors
/// Those of [`step_loss`] and [`Adam::minimise`], and [`Error::NotFinite`] for a term that
/// [diverged](StepReport::diverged); then no parameter was changed.
pub fn step(
    networks: Networks<'_>,
    objective: &Objective,
    optimizer: &mut Adam,
    rates: &[f64],
    labelled: &LabelledBatch,
    unlabelled: Option<&UnlabelledBatch>,
    rng: &mut crate::Rng,
) -> Result<StepReport> {
    let latent = networks.model.config().latent_dim;
    let like = networks.model.parameter();
    let noise = Noise::draw(&labelled.batch, latent, like, rng)?;
    let unlabelled_noise = unlabelled.map(|u| Noise::draw(&u.batch, latent, like, rng)).transpose()?;
    let loss = step_loss(
        networks,
        objective,
        (labelled, &noise),
        unlabelled.zip(unlabelled_noise.as_ref()),
        Mode::Train(rng),
    )?;
    let report = loss.report()?;
    if let Some((what, got)) = report.diverged() {
        return Err(Error::NotFinite { what, got, step: optimizer.steps() + 1 });
    }
    let grad_norm = optimizer.minimise(&loss.loss, rates)?;
    Ok(StepReport { grad_norm, ..report })
}

impl StepLoss {
    /// Means of everything, as numbers.
    ///
    /// # Errors
    /// Those of the tensor operations.
    pub fn report(&self) -> Result<StepReport> {
        let mask = self.unlabelled.as_ref().map(|s| mean(&entity_mask(&s.scores.logits)?)).transpose()?;
        Ok(StepReport {
            loss: mean(&self.loss)?,
            ce: mean(&self.ce)?,
            labelled: term_means(Some(&self.labelled))?,
            unlabelled: term_means(self.unlabelled.as_ref())?,
            mask: mask.unwrap_or(0.0),
            soft_ce: self.soft_ce.as_ref().map(mean).transpose()?.unwrap_or(0.0),
            disagreement: self.disagreement.as_ref().map(mean).transpose()?.unwrap_or(0.0),
            grad_norm: 0.0,
        })
    }
}

fn term_means(scored: Option<&Scored>) -> Result<TermMeans> {
    let Some(elbo) = scored.and_then(|scored| scored.elbo.as_ref()) else { return Ok(TermMeans::default()) };
    let [mse_text, mse_image, kl_text, kl_image, kl_fused] = elbo.named().map(|(_, term)| mean(term));
    Ok(TermMeans {
        mse_text: mse_text?,
        mse_image: mse_image?,
        kl_text: kl_text?,
        kl_image: kl_image?,
        kl_fused: kl_fused?,
    })
}

fn mean(x: &Tensor) -> Result<f64> {
    if x.elem_count() == 0 {
        return Ok(0.0);
    }
    Ok(x.detach().to_dtype(DType::F64)?.mean_all()?.to_scalar()?)
}
