//! One vector per post: the mean of the text encoder's vectors of its own pieces, of length 1.
//! Sentence encoders (sentence-transformers) call it mean pooling. No gradient is tracked.

use crate::error::{Error, Result};
use crate::input::collate::{Collator, Item};
use crate::scoring::scorer::{BATCH_PIECES, batches};
use rayon::prelude::*;
use smvae_core::candle_core::{DType, Device};
use smvae_core::{Mode, TextEncoder};
use smvae_encoders::text::Transformer;

/// The vector of each item, in order, each of the encoder's width.
///
/// # Errors
/// Those of the encoder; [`Error::NotFinite`].
pub(crate) fn mean_vectors(
    encoder: &Transformer,
    collator: &Collator<'_>,
    items: &[Item],
    device: &Device,
) -> Result<Vec<Vec<f32>>> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(items[*i].n_pieces()));
    let encode = |batch: &&[usize]| -> Result<Vec<Vec<f32>>> {
        let texts: Vec<_> = batch.iter().map(|i| (&items[*i], Vec::new())).collect();
        let pieces = collator.batch(&texts, device)?.pieces;
        let hidden = encoder.forward(&pieces, Mode::Eval)?.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        let own = |text| &hidden[pieces.layout().rows(text).start..][..pieces.own_layout().lengths()[text]];
        (0..batch.len()).map(|text| mean(own(text))).collect()
    };
    let parts = batches(&order, |i| items[i].n_pieces(), BATCH_PIECES);
    // A GPU computes one batch at a time.
    let encoded: Vec<Vec<Vec<f32>>> = if device.is_cpu() {
        parts.par_iter().map(encode).collect::<Result<_>>()?
    } else {
        parts.iter().map(encode).collect::<Result<_>>()?
    };
    let mut vectors = vec![Vec::new(); items.len()];
    for (i, vector) in order.iter().zip(encoded.into_iter().flatten()) {
        vectors[*i] = vector;
    }
    Ok(vectors)
}

/// The mean of rows, of length 1.
fn mean(rows: &[Vec<f32>]) -> Result<Vec<f32>> {
    let mut sum = vec![0f32; rows.first().map_or(0, Vec::len)];
    rows.iter().for_each(|row| sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x));
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    if !length.is_finite() {
        return Err(Error::NotFinite { what: "the vectors of the text encoder" });
    }
    sum.iter_mut().for_each(|x| *x /= length.max(f32::MIN_POSITIVE));
    Ok(sum)
}
