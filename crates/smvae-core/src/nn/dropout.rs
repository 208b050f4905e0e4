//! Dropout whose mask is a function of a seed: `y = x m / (1 - p)`, with `m ~ Bernoulli(1 - p)` for
//! each element.
//!
//! The mask is a hash of (seed, position), so it needs no memory between forward and backward, and
//! does not depend on the number of threads.

pub(super) mod kernels;
mod mask;

pub(crate) use mask::Mask;

use super::dispatch::{has_kernels, is_fused};
use super::real::{Real, Values, for_real, values};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use mask::CHUNK;
use rayon::prelude::*;

/// Sets elements of `x` to zero with probability `p` and scales the rest; draws one number from
/// `rng`. Any shape.
///
/// # Errors
/// If `p` is not in `[0, 1)` or the number type is neither f32 nor f64.
pub fn dropout(x: &Tensor, p: f64, rng: &mut crate::Rng) -> Result<Tensor> {
    let Some(mask) = Mask::draw(p, rng)? else { return Ok(x.clone()) };
    if is_fused(x) {
        return x.contiguous()?.apply_op1(mask);
    }
    if has_kernels(x) {
        return kernels::dropout(&x.contiguous()?, mask);
    }
    let kept = (0..x.elem_count()).into_par_iter().with_min_len(CHUNK).map(|i| mask.keeps(i)).collect();
    mask.apply_kept(x, kept)
}

/// `dropout(x) + y` in one pass; `x` and `y` of one shape.
///
/// # Errors
/// As [`dropout`]; if the shapes differ.
pub fn dropout_add(x: &Tensor, y: &Tensor, p: f64, rng: &mut crate::Rng) -> Result<Tensor> {
    if p == 0.0 || !(is_fused(x) || has_kernels(x)) {
        return dropout(x, p, rng)? + y;
    }
    if x.dims() != y.dims() {
        candle_core::bail!("dropout_add: the shapes {:?} and {:?} differ", x.dims(), y.dims());
    }
    match Mask::draw(p, rng)? {
        Some(mask) if is_fused(x) => x.contiguous()?.apply_op2(&y.contiguous()?, DropoutAdd(mask)),
        Some(mask) => kernels::dropout_add(&x.contiguous()?, &y.contiguous()?, mask),
        None => x + y,
    }
}

struct DropoutAdd(Mask);

impl CustomOp2 for DropoutAdd {
    fn name(&self) -> &'static str {
        "dropout-add"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_l: &Layout, y: &CpuStorage, y_l: &Layout) -> Result<(CpuStorage, Shape)> {
        for_real!(x.dtype(), "dropout_add", T => {
            let mut sum = values::<T>(y, y_l)?.to_vec();
            self.0.apply_to(&mut sum, values::<T>(x, x_l)?, #[inline(always)] |y, x| y + x);
            Ok((T::into_storage(sum), x_l.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, _sum: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dx = self.0.bwd(x, x, dy)?;
        Ok((dx, Some(dy.clone())))
    }
}

impl CustomOp1 for Mask {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_l: &Layout) -> Result<(CpuStorage, Shape)> {
        for_real!(x.dtype(), "dropout", T => {
            Ok((T::into_storage(self.apply(values::<T>(x, x_l)?)), x_l.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        for_real!(x.dtype(), "dropout", T => {
            let dx = Values::<T>::of(dy)?.with(|dy| self.apply(dy))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Var};
    use rand::SeedableRng;

    #[test]
    fn the_mask_has_its_rate_its_scale_and_its_seed() -> Result<()> {
        let x = Var::ones((100, 1000), DType::F32, &Device::Cpu)?;
        let run = |seed| dropout(&x, 0.1, &mut crate::Rng::seed_from_u64(seed));
        let (y, again, other) = (run(1)?, run(1)?, run(2)?);
        let mean = y.mean_all()?.to_scalar::<f32>()?;
        assert!((mean - 1.0).abs() < 0.005, "{mean}");
        let values = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
        assert_eq!(values(&y)?, values(&again)?);
        assert_ne!(values(&y)?, values(&other)?);
        let dx = y.sum_all()?.backward()?.remove(&x).expect("x is a variable");
        assert_eq!(values(&dx)?, values(&y)?, "of ones, the gradient is the mask, as the output is");
        Ok(())
    }

    #[test]
    fn a_probability_out_of_range_is_an_error() {
        let x = Tensor::ones(1, DType::F32, &Device::Cpu).expect("one number");
        for p in [-0.1, 1.0, f64::NAN] {
            assert!(dropout(&x, p, &mut crate::Rng::seed_from_u64(0)).is_err(), "{p}");
        }
    }
}
