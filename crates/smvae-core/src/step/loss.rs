//! The loss of a step and the rows that it is the mean of, before anything is updated.

use crate::objective::Scored;
use candle_core::Tensor;

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
