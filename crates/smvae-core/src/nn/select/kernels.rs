//! Rows by index with kernels.

use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1};
use candle_core::{DType, Result, Tensor};

const FORWARD: Kernel = Kernel::new("rows", "select_rows");
const BACKWARD: Kernel = Kernel::new("rows", "select_rows_backward");

/// `x: [rows, d]` or `[rows]`, contiguous.
pub(super) fn select_rows(x: &Tensor, index: &Tensor, factor: Option<&Tensor>) -> Result<Tensor> {
    let n = index.dim(0)?;
    let mut dims = x.dims().to_vec();
    dims[0] = n;
    let d: usize = dims[1..].iter().product();
    let mut y = Output::new(dims, x.device())?;
    let factor = factor.map(Tensor::detach);
    let args = &mut [
        Arg::Out(&mut y),
        Arg::In(x),
        Arg::Of(index, DType::U32),
        Arg::in_or_null(factor.as_ref()),
        n.into(),
        d.into(),
    ];
    launch(FORWARD, Grid::numbers(n * d), args, x.device())?;
    node1(y, [x], SelectRowsBackward { index: index.clone(), factor })
}

struct SelectRowsBackward {
    index: Tensor,
    factor: Option<Tensor>,
}

impl Backward<1> for SelectRowsBackward {
    const NAME: &'static str = "select-rows";

    fn backward(&self, [x]: [&Tensor; 1], dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let (rows, n) = (x.dim(0)?, self.index.dim(0)?);
        let d: usize = x.dims()[1..].iter().product();
        let mut dx = Output::like(x)?;
        let args = &mut [
            Arg::Out(&mut dx),
            Arg::In(dy),
            Arg::Of(&self.index, DType::U32),
            Arg::in_or_null(self.factor.as_ref()),
            n.into(),
            rows.into(),
            d.into(),
        ];
        launch(BACKWARD, Grid::new([rows, d.div_ceil(32), 1], 512), args, x.device())?;
        Ok([Some(dx.into_tensor())])
    }
}
