//! Pairs of rows as lists: in their order, by row for gradients, and as kernels read them.

use candle_core::{Device, Result, Tensor};
use std::sync::{Arc, OnceLock};

/// Pairs of row indices, shared by the operations of a batch.
#[derive(Clone, Debug)]
pub struct Pairs {
    pub(super) pairs: Arc<[(u32, u32)]>,
    /// For each row, the pairs whose first or last row it is. Made when a gradient is first asked
    /// for: by then every index is known to be a row.
    uses: Arc<OnceLock<[Uses; 2]>>,
    /// What kernels read, on the device of the operation that first asked for it.
    tables: Arc<OnceLock<Tensor>>,
    /// One past the largest index.
    pub(super) n_rows: usize,
}

/// Pairs by row: those of row `i` are `pairs[starts[i]..starts[i + 1]]`, in ascending order.
#[derive(Debug)]
pub(super) struct Uses {
    starts: Vec<usize>,
    pairs: Vec<u32>,
}

impl Uses {
    fn new(n_rows: usize, rows: impl Iterator<Item = u32> + Clone) -> Self {
        let mut starts = vec![0; n_rows + 1];
        rows.clone().for_each(|row| starts[row as usize + 1] += 1);
        (0..n_rows).for_each(|row| starts[row + 1] += starts[row]);
        let (mut next, mut pairs) = (starts.clone(), vec![0; starts[n_rows]]);
        for (pair, row) in rows.enumerate() {
            pairs[next[row as usize]] = pair as u32;
            next[row as usize] += 1;
        }
        Self { starts, pairs }
    }

    pub(super) fn of(&self, row: usize) -> &[u32] {
        self.starts.get(row + 1).map_or(&[], |end| &self.pairs[self.starts[row]..*end])
    }
}

impl Pairs {
    /// These pairs, in this order.
    pub fn new(pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let pairs: Arc<[(u32, u32)]> = pairs.into_iter().collect();
        let n_rows = pairs.iter().map(|&(i, j)| i.max(j) as usize + 1).max().unwrap_or(0);
        Self { uses: Arc::default(), tables: Arc::default(), pairs, n_rows }
    }

    pub(super) fn uses(&self) -> &[Uses; 2] {
        let uses = |of: fn(&(u32, u32)) -> u32| Uses::new(self.n_rows, self.pairs.iter().map(of));
        self.uses.get_or_init(|| [uses(|pair| pair.0), uses(|pair| pair.1)])
    }

    pub(super) fn check(&self, op: &str, x: &Tensor) -> Result<()> {
        let (rows, _) = x.dims2()?;
        if rows < self.n_rows {
            candle_core::bail!("{op}: a pair names row {}, but there are {rows} rows", self.n_rows - 1);
        }
        Ok(())
    }

    pub(super) fn indices(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (first, last): (Vec<u32>, Vec<u32>) = self.pairs.iter().copied().unzip();
        let n = self.pairs.len();
        Ok((Tensor::from_vec(first, n, x.device())?, Tensor::from_vec(last, n, x.device())?))
    }

    /// First rows, last rows, then starts and lists of the uses as a first and as a last row.
    pub(super) fn tables(&self, device: &Device) -> Result<Tensor> {
        if let Some(tables) = self.tables.get().filter(|tables| tables.device().same_device(device)) {
            return Ok(tables.clone());
        }
        let mut all: Vec<u32> = self.pairs.iter().map(|pair| pair.0).collect();
        all.extend(self.pairs.iter().map(|pair| pair.1));
        for uses in self.uses() {
            all.extend(uses.starts.iter().map(|start| *start as u32));
            all.extend(&uses.pairs);
        }
        let tables = Tensor::new(all, device)?;
        // Those that are kept may be another device's.
        let _ = self.tables.set(tables.clone());
        Ok(tables)
    }
}
