//! Embeddings by kernels. The gradient is that of the whole table, to which each row that was
//! looked up is added once, however often it was looked up, in the order of the positions.

use super::super::gradients::accumulate_part_tensor;
use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1, node2, node3};
use candle_core::{DType, Result, Tensor};

const SUM: Kernel = Kernel::new("rows", "sum_of_rows");
const ADD: Kernel = Kernel::new("rows", "add_rows");

/// The sum of a row of each of one to three tables, for each position; tables are `[rows, d]` and
/// contiguous, ids are rows of them, at least one and of all tables as many.
pub(super) fn embedding_sum(tables: &[&Tensor], ids: &[&[u32]]) -> Result<Tensor> {
    let ((_, d), n, device) = (tables[0].dims2()?, ids[0].len(), tables[0].device());
    let uses =
        ids.iter().zip(tables).map(|(ids, table)| if table.track_op() { Uses::of(ids) } else { Uses::default() });
    let uses: Vec<Uses> = uses.collect();
    let lists = uses.iter().flat_map(|uses| [&uses.rows[..], &uses.starts, &uses.positions]);
    let all = Tensor::new(ids.iter().copied().chain(lists).flatten().copied().collect::<Vec<u32>>(), device)?;
    let mut y = Output::new((n, d), device)?;
    let index = all.narrow(0, 0, tables.len() * n)?;
    let table = |i: usize| Arg::in_or_null(tables.get(i).copied());
    let args = &mut [Arg::Out(&mut y), table(0), table(1), table(2), Arg::Of(&index, DType::U32), n.into(), d.into()];
    launch(SUM, Grid::numbers(n * d), args, device)?;
    let mut start = tables.len() * n;
    let mut uploaded = |uses: &Uses| {
        let (first, numbers) = (start, uses.rows.len() + uses.starts.len() + uses.positions.len());
        start += numbers;
        Ok(UsesOnDevice { lists: all.narrow(0, first, numbers)?, rows: uses.rows.len(), most: uses.most() })
    };
    let uses = uses.iter().map(&mut uploaded).collect::<Result<Vec<UsesOnDevice>>>()?;
    let backward = EmbeddingBackward(uses);
    match *tables {
        [a] => node1(y, [a], backward),
        [a, b] => node2(y, [a, b], backward),
        [a, b, c] => node3(y, [a, b, c], backward),
        _ => candle_core::bail!("embedding_sum: {} tables, not one to three", tables.len()),
    }
}

/// For each row that was looked up, where.
#[derive(Default)]
struct Uses {
    rows: Vec<u32>,
    /// Those of row `k` are `positions[starts[k]..starts[k + 1]]`.
    starts: Vec<u32>,
    positions: Vec<u32>,
}

impl Uses {
    fn of(ids: &[u32]) -> Self {
        let mut positions: Vec<u32> = (0..ids.len() as u32).collect();
        positions.sort_by_key(|position| ids[*position as usize]);
        let (mut rows, mut starts) = (Vec::new(), Vec::new());
        for (at, position) in positions.iter().enumerate() {
            let row = ids[*position as usize];
            if rows.last() != Some(&row) {
                rows.push(row);
                starts.push(at as u32);
            }
        }
        starts.push(ids.len() as u32);
        Self { rows, starts, positions }
    }

    /// How often a row was looked up at most.
    fn most(&self) -> usize {
        self.starts.windows(2).map(|pair| (pair[1] - pair[0]) as usize).max().unwrap_or(0)
    }
}

struct UsesOnDevice {
    /// Rows, starts and positions of [`Uses`].
    lists: Tensor,
    rows: usize,
    most: usize,
}

/// The uses of each table.
struct EmbeddingBackward(Vec<UsesOnDevice>);

impl<const N: usize> Backward<N> for EmbeddingBackward {
    const NAME: &'static str = "embedding";

    fn backward(&self, tables: [&Tensor; N], dy: &Tensor) -> Result<[Option<Tensor>; N]> {
        let mut gradients = [const { None }; N];
        for ((gradient, table), uses) in gradients.iter_mut().zip(tables).zip(&self.0) {
            let (_, d) = table.dims2()?;
            *gradient = accumulate_part_tensor(table, |sum| {
                let args =
                    &mut [Arg::Write(sum), Arg::In(dy), Arg::Of(&uses.lists, DType::U32), uses.rows.into(), d.into()];
                // A warp for every eight positions, where one row has many.
                let warps = uses.most.div_ceil(8).clamp(1, 8) as u32;
                launch(ADD, Grid::new([uses.rows, d.div_ceil(32), 1], 32 * warps), args, table.device())
            })?;
        }
        Ok(gradients)
    }
}
