//! Rows of a table by index: `y_i = table[ids_i]`, with `table: [rows, d]` to `[ids, d]`.
//!
//! The gradient of a table is zero but for the rows that were looked up; in
//! [`Gradients::backward`](super::Gradients::backward) nothing else is stored on the CPU.

mod kernels;

use super::dispatch::{has_kernels, is_fused};
use super::gradients::accumulate_rows;
use super::real::{Real, for_real, values};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use std::sync::Arc;

/// Row `ids[i]` of `table: [rows, d]` for each `i`; returns `[ids.len(), d]`.
///
/// # Errors
/// If an id is outside of the table or the number type is neither f32 nor f64.
pub fn embedding(table: &Tensor, ids: &[u32]) -> Result<Tensor> {
    check(table, ids)?;
    if is_fused(table) {
        return table.contiguous()?.apply_op1(Embedding { ids: ids.into() });
    }
    if has_kernels(table) && !ids.is_empty() {
        return kernels::embedding_sum(&[&table.contiguous()?], &[ids]);
    }
    table.contiguous()?.index_select(&Tensor::from_slice(ids, ids.len(), table.device())?, 0)
}

/// The sum of what is looked up in tables of one width, `[rows, d]` each, by as many ids: the
/// vectors of pieces, of their positions and of their segments. Returns `[ids, d]`.
///
/// # Errors
/// As [`embedding`]; if there is no table, or the numbers of ids differ.
pub fn embedding_sum(lookups: &[(&Tensor, &[u32])]) -> Result<Tensor> {
    let [(first, ids), others @ ..] = lookups else { candle_core::bail!("embedding_sum: no table") };
    let fit = |(table, more): &(&Tensor, &[u32])| more.len() == ids.len() && table.dims().last() == first.dims().last();
    if !others.iter().all(fit) {
        candle_core::bail!("embedding_sum: tables of another width, or another number of ids");
    }
    // So many inputs an operation may have.
    if has_kernels(first) && !ids.is_empty() && lookups.len() <= 3 {
        lookups.iter().try_for_each(|(table, ids)| check(table, ids))?;
        let tables = lookups.iter().map(|(table, _)| table.contiguous()).collect::<Result<Vec<_>>>()?;
        let ids: Vec<&[u32]> = lookups.iter().map(|(_, ids)| *ids).collect();
        return kernels::embedding_sum(&tables.iter().collect::<Vec<_>>(), &ids);
    }
    others.iter().try_fold(embedding(first, ids)?, |sum, (table, ids)| sum + embedding(table, ids)?)
}

fn check(table: &Tensor, ids: &[u32]) -> Result<()> {
    let (rows, _) = table.dims2()?;
    if let Some(bad) = ids.iter().find(|id| **id as usize >= rows) {
        candle_core::bail!("embedding: the row {bad} is outside of the table's {rows} rows");
    }
    Ok(())
}

struct Embedding {
    ids: Arc<[u32]>,
}

impl CustomOp1 for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn cpu_fwd(&self, table: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, d) = layout.shape().dims2()?;
        for_real!(table.dtype(), "embedding", T => {
            let table = values::<T>(table, layout)?;
            let mut y = Vec::with_capacity(self.ids.len() * d);
            self.ids.iter().for_each(|id| y.extend_from_slice(&table[*id as usize * d..][..d]));
            Ok((T::into_storage(y), (self.ids.len(), d).into()))
        })
    }

    fn bwd(&self, table: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        for_real!(table.dtype(), "embedding", T => accumulate_rows::<T>(table, &self.ids, dy))
    }
}
