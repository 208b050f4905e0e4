//! Losses of rows from their logits, `[rows]` each: against a class, against soft labels, between
//! two passes; and the paper's mask. Nothing is averaged here.

use super::kernels;
use crate::nn::dispatch::has_kernels;
use crate::nn::softmax_cross_entropy;
use crate::vae::expect_dims;
use crate::{Error, Result};
use candle_core::{D, DType, Tensor};

/// Cross entropy of `logits: [rows, classes]` against one class index per row; returns `[rows]`.
///
/// # Errors
/// [`crate::Error::Length`] if there is not one target for each row, or a target is not a class.
pub fn cross_entropy(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    expect_targets("cross_entropy", targets, rows, classes)?;
    Ok(softmax_cross_entropy(logits, targets, None)?)
}

/// Checks that there is one target for each row, and that each is a class.
pub(super) fn expect_targets(op: &'static str, targets: &[u32], rows: usize, classes: usize) -> Result<()> {
    if targets.len() != rows {
        return Err(Error::Length { op, what: "targets", got: targets.len(), want: rows });
    }
    match targets.iter().find(|target| **target as usize >= classes) {
        Some(bad) => Err(Error::Length { op, what: "classes", got: classes, want: *bad as usize + 1 }),
        None => Ok(()),
    }
}

/// Cross entropy of `logits: [rows, classes]` against class probabilities `targets`, of the same
/// shape; returns `[rows]`. A row of zeros counts as 0.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes differ.
pub fn soft_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    expect_dims("soft_cross_entropy", "targets", targets, logits.dims())?;
    if has_kernels(logits) && !targets.track_op() {
        return Ok(kernels::soft_cross_entropy(logits, targets)?);
    }
    Ok((log_softmax(logits)? * targets)?.sum(D::Minus1)?.neg()?)
}

/// Half the sum of the KL divergences, in both directions, between the class probabilities of two
/// passes; logits `[rows, classes]`, returns `[rows]`.
///
/// # Errors
/// If the shapes differ.
///
/// # Source
/// Liang et al. (2021), R-Drop, equation 2.
pub fn disagreement(first: &Tensor, second: &Tensor) -> Result<Tensor> {
    expect_dims("disagreement", "second", second, first.dims())?;
    let (log_p, log_q) = (log_softmax(first)?, log_softmax(second)?);
    // KL(p || q) + KL(q || p) = sum (p - q) (log p - log q)
    let both = ((log_p.exp()? - log_q.exp()?)? * (&log_p - &log_q)?)?.sum(D::Minus1)?;
    Ok((both * 0.5)?)
}

pub(super) fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    Ok(logits.broadcast_sub(&logits.log_sum_exp(D::Minus1)?.unsqueeze(1)?)?)
}

/// Cross entropy as Keras computes it from probabilities, `-log clip(p, 1e-7, 1 - 1e-7)`, of
/// `logits: [rows, classes]` against one class index per row; returns `[rows]`.
///
/// # Errors
/// [`crate::Error::Length`] if there is not one target for each row, or a target is not a class.
///
/// # Source
/// The authors' program through `tf.keras.losses.categorical_crossentropy`.
pub fn clipped_cross_entropy(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    expect_targets("clipped_cross_entropy", targets, rows, classes)?;
    let targets = Tensor::from_slice(targets, (rows, 1), logits.device())?;
    let p = candle_nn::ops::softmax(logits, D::Minus1)?.gather(&targets, 1)?.squeeze(1)?;
    Ok(p.clamp(1e-7, 1.0 - 1e-7)?.log()?.neg()?)
}

/// 1 for rows whose most probable class is not `O`, else 0; `logits: [rows, classes]`, returns
/// `[rows]` without gradient.
///
/// # Errors
/// Those of the tensor operations.
///
/// # Source
/// Zhou et al. (2022), section 3.4: unlabelled spans count where the model sees an entity.
pub fn entity_mask(logits: &Tensor) -> Result<Tensor> {
    if has_kernels(logits) {
        return Ok(kernels::entity_mask(logits)?);
    }
    let classes = logits.detach().argmax(D::Minus1)?;
    Ok(classes.ne(0u32)?.to_dtype(DType::F32)?.to_dtype(logits.dtype())?)
}

#[cfg(test)]
mod tests {
    use super::disagreement;
    use candle_core::{Device, Tensor};

    #[test]
    fn two_passes_disagree_by_the_mean_of_both_divergences() -> candle_core::Result<()> {
        let logits = |rows: [[f32; 2]; 2]| Tensor::new(&rows.map(|row| row.map(f32::ln)), &Device::Cpu);
        let (p, q) = (logits([[0.5, 0.5], [0.2, 0.8]])?, logits([[0.9, 0.1], [0.2, 0.8]])?);
        // 0.5 (0.5 ln(0.5 / 0.9) + 0.5 ln(0.5 / 0.1) + 0.9 ln(0.9 / 0.5) + 0.1 ln(0.1 / 0.5))
        let want = 0.439_445f32;
        for (first, second) in [(&p, &q), (&q, &p)] {
            let got = disagreement(first, second).expect("equal shapes").to_vec1::<f32>()?;
            assert!((got[0] - want).abs() < 1e-5 && got[1].abs() < 1e-6, "{got:?}");
        }
        assert!(disagreement(&p, &p.narrow(0, 0, 1)?).is_err());
        Ok(())
    }
}
