//! Means over ranges by kernels: a block a range, and in the backward pass a block a row, which
//! reads the list of the ranges that have it.

use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1};
use candle_core::{DType, Result, Tensor};
use std::ops::Range;

const FORWARD: Kernel = Kernel::new("spans", "segment_means");
const BACKWARD: Kernel = Kernel::new("spans", "segment_means_backward");

/// `x: [rows, d]`, contiguous; at least one range.
pub(super) fn segment_mean(x: &Tensor, ranges: &[Range<usize>]) -> Result<Tensor> {
    let ((rows, d), n) = (x.dims2()?, ranges.len());
    let mut table: Vec<u32> = Vec::with_capacity(2 * n);
    table.extend(ranges.iter().map(|range| range.start as u32));
    table.extend(ranges.iter().map(|range| range.end as u32));
    if x.track_op() {
        add_lists(&mut table, ranges, rows);
    }
    let table = Tensor::new(table, x.device())?;
    let mut y = Output::new((n, d), x.device())?;
    let args = &mut [Arg::Out(&mut y), Arg::In(x), Arg::Of(&table, DType::U32), n.into(), d.into()];
    launch(FORWARD, Grid::rows(n, d), args, x.device())?;
    node1(y, [x], SegmentMeanBackward { table, n })
}

/// Adds, for each row, where the list of the ranges that have it starts, and the lists.
fn add_lists(table: &mut Vec<u32>, ranges: &[Range<usize>], rows: usize) {
    let mut starts = vec![0; rows + 1];
    ranges.iter().flat_map(Range::clone).for_each(|row| starts[row + 1] += 1);
    (0..rows).for_each(|row| starts[row + 1] += starts[row]);
    let mut lists = vec![0; starts[rows] as usize];
    table.extend(&starts);
    for (r, range) in ranges.iter().enumerate() {
        for row in range.clone() {
            lists[starts[row] as usize] = r as u32;
            starts[row] += 1;
        }
    }
    table.extend(lists);
}

struct SegmentMeanBackward {
    table: Tensor,
    /// Number of ranges.
    n: usize,
}

impl Backward<1> for SegmentMeanBackward {
    const NAME: &'static str = "segment-mean";

    fn backward(&self, [x]: [&Tensor; 1], dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let (rows, d) = x.dims2()?;
        let mut dx = Output::like(x)?;
        let args = &mut [
            Arg::Out(&mut dx),
            Arg::In(dy),
            Arg::Of(&self.table, DType::U32),
            self.n.into(),
            rows.into(),
            d.into(),
        ];
        launch(BACKWARD, Grid::rows(rows, d), args, x.device())?;
        Ok([Some(dx.into_tensor())])
    }
}
