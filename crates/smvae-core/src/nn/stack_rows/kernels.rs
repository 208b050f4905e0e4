//! Tensors one after the other by one kernel, without a copy of their gradients.

use super::super::gradients::accumulate_tensor;
use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node2};
use candle_core::{Result, Tensor, bail};

const STACK_ROWS: Kernel = Kernel::new("stack_rows", "stack_rows");

/// `a`, then `b`, of one shape and contiguous, along the first dimension.
pub(super) fn stack_rows(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let mut dims = a.dims().to_vec();
    dims[0] *= 2;
    node2(written(&[a, b], dims)?, [a, b], StackRowsBackward)
}

/// Up to four tensors of one shape, contiguous, along a new first dimension; no gradient goes
/// through.
pub(in super::super) fn stacked(parts: &[&Tensor]) -> Result<Tensor> {
    let Some(first) = parts.first() else { bail!("stacked: there is nothing to stack") };
    let dims = [&[parts.len()], first.dims()].concat();
    Ok(written(parts, dims)?.into_tensor())
}

fn written(parts: &[&Tensor], dims: Vec<usize>) -> Result<Output> {
    let (n, device) = (parts[0].elem_count(), parts[0].device());
    if parts.len() > 4 || parts.iter().any(|part| part.dims() != parts[0].dims()) {
        bail!("stacked: up to four tensors of one shape, not {parts:?}");
    }
    let mut y = Output::new(dims, device)?;
    let part = |i: usize| parts.get(i).map_or(Arg::U64(0), |part| Arg::In(part));
    let args = &mut [Arg::Out(&mut y), part(0), part(1), part(2), part(3), n.into(), parts.len().into()];
    launch(STACK_ROWS, Grid::numbers(n), args, device)?;
    Ok(y)
}

struct StackRowsBackward;

impl Backward<2> for StackRowsBackward {
    const NAME: &'static str = "stack-rows";

    fn backward(&self, [a, b]: [&Tensor; 2], dy: &Tensor) -> Result<[Option<Tensor>; 2]> {
        // Halves of a gradient that nothing else reads.
        let n = a.dim(0)?;
        Ok([accumulate_tensor(a, dy.narrow(0, 0, n)?)?, accumulate_tensor(b, dy.narrow(0, n, n)?)?])
    }
}
