//! One training step: encode, score, compute the loss and its gradients, update.

mod loss;
mod pending;
mod report;

use crate::model::{SpanBatch, SpanModel};
use crate::nn::dispatch::is_at_hand;
use crate::objective::{Noise, Objective, Scored};
use crate::objective::{
    clipped_cross_entropy, cross_entropy, disagreement, entity_mask, smooth_boundaries, soft_cross_entropy,
};
use crate::optim::Adam;
use crate::{Error, Mode, Result, TextEncoder};
use candle_core::{DType, Tensor};
pub use loss::StepLoss;
pub use pending::{PendingReport, read_reports};
use pending::{Unread, expect_converging};
pub use report::{StepReport, TermMeans};

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

impl std::fmt::Debug for Networks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Networks").field("model", self.model).finish_non_exhaustive()
    }
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
    let labels = Labels::of(labelled, objective, model, &scored.scores.logits)?;
    let mut ce = labels.cross_entropy(&scored.scores.logits)?;
    let mut between_passes = None;
    if objective.r_drop > 0.0 {
        let h = encoder.forward(&batch.pieces, mode.reborrow())?;
        let second = model.score(&model.features(&h, batch)?, batch, &batch.spans, Some(&noise.z))?.logits;
        ce = ((ce + labels.cross_entropy(&second)?)? * 0.5)?;
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

/// What the logits of labelled spans are compared with.
enum Labels<'a> {
    Classes(&'a [u32]),
    /// The same, as the authors' program does it.
    Clipped(&'a [u32]),
    /// Class probabilities, `[rows, classes]`.
    Smoothed(Tensor),
}

impl<'a> Labels<'a> {
    fn of(labelled: &'a LabelledBatch, objective: &Objective, model: &SpanModel, logits: &Tensor) -> Result<Self> {
        let LabelledBatch { batch, targets } = labelled;
        let is_clipped = model.config().quirks.clipped_cross_entropy;
        if objective.boundary_smoothing > 0.0 {
            if is_clipped {
                let want = "0 with the quirk clipped_cross_entropy, which compares with one class";
                return Err(Error::setting("boundary_smoothing", want, objective.boundary_smoothing));
            }
            let (rows, classes) = logits.dims2()?;
            let smoothed = smooth_boundaries(&batch.spans, targets, classes, objective.boundary_smoothing)?;
            let smoothed = Tensor::from_vec(smoothed, (rows, classes), logits.device())?;
            return Ok(Self::Smoothed(smoothed.to_dtype(logits.dtype())?));
        }
        Ok(if is_clipped { Self::Clipped(targets) } else { Self::Classes(targets) })
    }

    /// `[rows]`.
    fn cross_entropy(&self, logits: &Tensor) -> Result<Tensor> {
        match self {
            Self::Classes(targets) => cross_entropy(logits, targets),
            Self::Clipped(targets) => clipped_cross_entropy(logits, targets),
            Self::Smoothed(targets) => soft_cross_entropy(logits, targets),
        }
    }
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
/// Elsewhere than on the CPU, a step does not wait for the device; [`PendingReport::read`] and
/// [`read_reports`] do. A step that diverged has changed nothing there either, but it is counted,
/// and steps after it may have been taken by the time that its report is read.
///
/// # Errors
/// Those of [`step_loss`] and [`Adam::minimise`]. On the CPU also [`Error::NotFinite`] for a term
/// that [diverged](StepReport::diverged), elsewhere the error of reading the report. No parameter
/// was changed.
pub fn step(
    networks: Networks<'_>,
    objective: &Objective,
    optimizer: &mut Adam,
    rates: &[f64],
    labelled: &LabelledBatch,
    unlabelled: Option<&UnlabelledBatch>,
    rng: &mut crate::Rng,
) -> Result<PendingReport> {
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
    let number = optimizer.steps() + 1;
    if !is_at_hand(loss.loss.device()) {
        let unread = Unread::new(&loss)?;
        let norm = optimizer.minimise_if(&loss.loss, Some(&unread.is_converging()?), rates)?;
        return PendingReport::of_unread(unread, norm, number);
    }
    let report = loss.report()?;
    expect_converging(&report, number)?;
    let grad_norm = optimizer.minimise(&loss.loss, rates)?;
    Ok(PendingReport::of_read(StepReport { grad_norm, ..report }, number))
}

impl StepLoss {
    /// Means of everything, as numbers; the norm of the gradients is 0. Waits for the device.
    ///
    /// # Errors
    /// Those of the tensor operations.
    pub fn report(&self) -> Result<StepReport> {
        if !is_at_hand(self.loss.device()) {
            return Unread::new(self)?.read();
        }
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

#[cfg(test)]
mod tests;
