//! What a step reports: its loss and the terms of it, as numbers, and when they show that training
//! has diverged.

use serde::{Deserialize, Serialize};

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
    /// Terms of the unlabelled rows: of those that the mask lets through, or of all where the
    /// objective sums over the classes ([`UnlabelledClass`](crate::objective::UnlabelledClass)); 0
    /// if there are none, and in supervised training.
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
    /// value; the loss comes last. The norm of the gradients is looked at by the optimizer.
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
pub(super) const EXPLODED: f64 = 1e12;

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
