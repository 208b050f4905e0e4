//! Sums and products of pairs by kernels: a block a pair, and in the backward pass a block a row.
//! The tables of [`Pairs`] are uploaded once.

use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1, node2};
use super::lists::Pairs;
use candle_core::{DType, Result, Tensor};

const SUMS: Kernel = Kernel::new("spans", "pair_sums");
const SUMS_BACKWARD: Kernel = Kernel::new("spans", "pair_sums_backward");
const PRODUCTS: Kernel = Kernel::new("spans", "pair_products");
const PRODUCTS_BACKWARD: Kernel = Kernel::new("spans", "pair_products_backward");

/// `a`, `b`: `[rows, d]`, contiguous; at least one pair.
pub(super) fn pair_sum(a: &Tensor, b: &Tensor, pairs: &Pairs) -> Result<Tensor> {
    let ((_, d), n) = (a.dims2()?, pairs.pairs.len());
    let tables = pairs.tables(a.device())?;
    let mut y = Output::new((n, d), a.device())?;
    let args = &mut [Arg::Out(&mut y), Arg::In(a), Arg::In(b), Arg::Of(&tables, DType::U32), n.into(), d.into()];
    launch(SUMS, Grid::rows(n, d), args, a.device())?;
    node2(y, [a, b], PairSumBackward(pairs.clone()))
}

/// `x: [rows, d]`, contiguous; at least one pair.
pub(super) fn pair_product(x: &Tensor, pairs: &Pairs) -> Result<Tensor> {
    let ((_, d), n) = (x.dims2()?, pairs.pairs.len());
    let tables = pairs.tables(x.device())?;
    let mut y = Output::new((n, d), x.device())?;
    launch(
        PRODUCTS,
        Grid::rows(n, d),
        &mut [Arg::Out(&mut y), Arg::In(x), Arg::Of(&tables, DType::U32), n.into(), d.into()],
        x.device(),
    )?;
    node1(y, [x], PairProductBackward(pairs.clone()))
}

struct PairSumBackward(Pairs);

impl Backward<2> for PairSumBackward {
    const NAME: &'static str = "pair-sum";

    fn backward(&self, [a, _]: [&Tensor; 2], dy: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let ((rows, d), device) = (a.dims2()?, a.device());
        let tables = self.0.tables(device)?;
        let (mut da, mut db) = (Output::like(a)?, Output::like(a)?);
        let args = &mut [
            Arg::Out(&mut da),
            Arg::Out(&mut db),
            Arg::In(dy),
            Arg::Of(&tables, DType::U32),
            self.0.pairs.len().into(),
            self.0.n_rows.into(),
            rows.into(),
            d.into(),
        ];
        launch(SUMS_BACKWARD, Grid::rows(rows, d), args, device)?;
        Ok([Some(da.into_tensor()), Some(db.into_tensor())])
    }
}

struct PairProductBackward(Pairs);

impl Backward<1> for PairProductBackward {
    const NAME: &'static str = "pair-product";

    fn backward(&self, [x]: [&Tensor; 1], dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let ((rows, d), device) = (x.dims2()?, x.device());
        let tables = self.0.tables(device)?;
        let mut dx = Output::like(x)?;
        let args = &mut [
            Arg::Out(&mut dx),
            Arg::In(x),
            Arg::In(dy),
            Arg::Of(&tables, DType::U32),
            self.0.pairs.len().into(),
            self.0.n_rows.into(),
            rows.into(),
            d.into(),
        ];
        launch(PRODUCTS_BACKWARD, Grid::rows(rows, d), args, device)?;
        Ok([Some(dx.into_tensor())])
    }
}
