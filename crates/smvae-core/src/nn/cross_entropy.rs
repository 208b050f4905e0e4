//! Softmax cross entropy of each row in one pass: `y_r = log sum_c exp(l_rc) - l_{r, target_r}`,
//! with the backward `dl = (softmax(l) - onehot(target)) dy`. Rows that a mask leaves out are 0 and
//! have no gradient.

pub(crate) mod kernels;

use super::dispatch::{has_kernels, is_fused};
use super::real::{Real, Values, for_real, values};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};
use std::sync::Arc;

/// Cross entropy of `logits: [rows, classes]` against one class per row, 0 where `mask` is false;
/// returns `[rows]`, in nats.
///
/// # Errors
/// If the lengths differ, a class is out of range, or the number type is neither f32 nor f64.
pub fn softmax_cross_entropy(logits: &Tensor, targets: &[u32], mask: Option<&[bool]>) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    if targets.len() != rows || mask.is_some_and(|mask| mask.len() != rows) {
        candle_core::bail!(
            "softmax_cross_entropy: {} targets, mask {:?}, {rows} rows",
            targets.len(),
            mask.map(<[_]>::len)
        );
    }
    if let Some(bad) = targets.iter().find(|target| **target as usize >= classes) {
        candle_core::bail!("softmax_cross_entropy: the class {bad} is not below {classes}");
    }
    if is_fused(logits) {
        return logits.contiguous()?.apply_op1(CrossEntropy { targets: targets.into(), mask: mask.map(Into::into) });
    }
    if has_kernels(logits) {
        return kernels::softmax_cross_entropy(&logits.contiguous()?, targets, mask);
    }
    composed(logits, targets, mask)
}

pub(super) fn composed(logits: &Tensor, targets: &[u32], mask: Option<&[bool]>) -> Result<Tensor> {
    let (n, device) = (targets.len(), logits.device());
    let log_p = candle_nn::ops::log_softmax(logits, D::Minus1)?;
    let ce = log_p.gather(&Tensor::from_slice(targets, (n, 1), device)?, 1)?.squeeze(1)?.neg()?;
    let Some(mask) = mask else { return Ok(ce) };
    let mask: Vec<f32> = mask.iter().map(|m| f32::from(*m)).collect();
    ce * Tensor::from_vec(mask, n, device)?.to_dtype(logits.dtype())?
}

struct CrossEntropy {
    targets: Arc<[u32]>,
    mask: Option<Arc<[bool]>>,
}

impl CrossEntropy {
    fn counts(&self, row: usize) -> bool {
        self.mask.as_ref().is_none_or(|mask| mask[row])
    }
}

/// `log sum_c exp(l_c)`.
fn log_sum_exp<T: Real>(logits: &[T]) -> T {
    let top = logits.iter().fold(logits[0], |top, l| top.larger(*l));
    top + logits.iter().fold(T::ZERO, |sum, l| sum + (*l - top).exp()).ln()
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax-cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, classes) = layout.shape().dims2()?;
        for_real!(logits.dtype(), "softmax_cross_entropy", T => {
            let mut y = vec![T::ZERO; rows];
            for (r, (y, row)) in y.iter_mut().zip(values::<T>(logits, layout)?.chunks_exact(classes)).enumerate() {
                if self.counts(r) {
                    *y = log_sum_exp(row) - row[self.targets[r] as usize];
                }
            }
            Ok((T::into_storage(y), rows.into()))
        })
    }

    fn bwd(&self, logits: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (_, classes) = logits.dims2()?;
        for_real!(logits.dtype(), "softmax_cross_entropy", T => {
            let mut grad = Values::<T>::of(logits)?.with(<[T]>::to_vec)?;
            Values::<T>::of(dy)?.with(|dy| {
                for (r, (row, dy)) in grad.chunks_exact_mut(classes).zip(dy).enumerate() {
                    if self.counts(r) {
                        let log_sum = log_sum_exp(row);
                        row.iter_mut().for_each(|l| *l = *dy * (*l - log_sum).exp());
                        row[self.targets[r] as usize] -= *dy;
                    } else {
                        row.fill(T::ZERO);
                    }
                }
            })?;
            Tensor::from_vec(grad, logits.shape(), logits.device()).map(Some)
        })
    }
}
