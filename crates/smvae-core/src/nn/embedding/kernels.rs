//! Embeddings by kernels. The gradient is that of the whole table, to which each row that was
//! looked up is added once, however often it was looked up, in the order of the positions.

use super::super::gradients::accumulate_part_tensor;
use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node1};
use candle_core::{Result, Tensor};

const SELECT: Kernel = Kernel::new("rows", "select_rows");
const ADD: Kernel = Kernel::new("rows", "add_rows");

/// `table: [rows, d]`, contiguous; `ids` are rows of it, at least one.
pub(super) fn embedding(table: &Tensor, ids: &[u32]) -> Result<Tensor> {
    let ((_, d), n, device) = (table.dims2()?, ids.len(), table.device());
    let uses = if table.track_op() { Uses::of(ids) } else { Uses::default() };
    let indices = [ids, &uses.rows, &uses.starts, &uses.positions].concat();
    let indices = Tensor::new(indices, device)?;
    let mut y = Output::new((n, d), device)?;
    let (index, factor) = (indices.narrow(0, 0, n)?, Arg::in_or_null(None));
    let args = &mut [Arg::Out(&mut y), Arg::In(table), Arg::In(&index), factor, n.into(), d.into()];
    launch(SELECT, Grid::numbers(n * d), args, device)?;
    let backward = EmbeddingBackward {
        uses: indices.narrow(0, n, indices.elem_count() - n)?,
        rows: uses.rows.len(),
        most: uses.most(),
    };
    node1(y, [table], backward)
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

struct EmbeddingBackward {
    /// Rows, starts and positions of [`Uses`].
    uses: Tensor,
    rows: usize,
    most: usize,
}

impl Backward<1> for EmbeddingBackward {
    const NAME: &'static str = "embedding";

    fn backward(&self, [table]: [&Tensor; 1], dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let (_, d) = table.dims2()?;
        let gradient = accumulate_part_tensor(table, |sum| {
            let args = &mut [Arg::Write(sum), Arg::In(dy), Arg::In(&self.uses), self.rows.into(), d.into()];
            // A warp for every eight positions, where one row has many.
            let warps = self.most.div_ceil(8).clamp(1, 8) as u32;
            launch(ADD, Grid::new([self.rows, d.div_ceil(32), 1], 32 * warps), args, table.device())
        })?;
        Ok([gradient])
    }
}
