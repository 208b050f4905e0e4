//! Softmax cross entropy by kernels: a warp a row.

use super::super::gradients::accumulate_tensor;
use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1};
use candle_core::{DType, Result, Tensor};

const FORWARD: Kernel = Kernel::new("losses", "cross_entropy_forward");
const BACKWARD: Kernel = Kernel::new("losses", "cross_entropy_backward");

/// The target of a row that does not count: no class.
const NOT_COUNTED: u32 = u32::MAX;

/// `logits: [rows, classes]`, contiguous.
pub(super) fn softmax_cross_entropy(logits: &Tensor, targets: &[u32], mask: Option<&[bool]>) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    let counts = |row: usize| mask.is_none_or(|mask| mask[row]);
    let of_row = |(row, target): (usize, &u32)| if counts(row) { *target } else { NOT_COUNTED };
    let targets = Tensor::from_iter(targets.iter().enumerate().map(of_row), logits.device())?;
    let mut y = Output::new(rows, logits.device())?;
    let args = &mut [Arg::Out(&mut y), Arg::In(logits), Arg::Of(&targets, DType::U32), rows.into(), classes.into()];
    launch(FORWARD, Grid::warps(rows), args, logits.device())?;
    node1(y, [logits], AgainstTargets { kernel: BACKWARD, targets, dtype: DType::U32 })
}

/// The backward pass of a loss of scores and targets, of classes or of probabilities, by a kernel
/// with a warp a row.
pub(crate) struct AgainstTargets {
    pub(crate) kernel: Kernel,
    pub(crate) targets: Tensor,
    /// What the kernel reads targets as: u32 for classes, f32 for probabilities.
    pub(crate) dtype: DType,
}

impl Backward<1> for AgainstTargets {
    const NAME: &'static str = "cross-entropy";

    fn backward(&self, [logits]: [&Tensor; 1], dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let (rows, classes) = logits.dims2()?;
        let mut dlogits = Output::like(logits)?;
        let args = &mut [
            Arg::Out(&mut dlogits),
            Arg::In(logits),
            Arg::Of(&self.targets, self.dtype),
            Arg::In(dy),
            rows.into(),
            classes.into(),
        ];
        launch(self.kernel, Grid::warps(rows), args, logits.device())?;
        Ok([accumulate_tensor(logits, dlogits.into_tensor())?])
    }
}
