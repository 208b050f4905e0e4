//! Dropout whose mask is a function of a seed: `y = x m / (1 - p)`, with `m ~ Bernoulli(1 - p)` for
//! each element.
//!
//! The mask is a hash of (seed, position), so it needs no memory between forward and backward, and
//! does not depend on the number of threads.

pub(super) mod kernels;

use super::dispatch::{has_kernels, is_fused};
use super::kernels::Arg;
use super::real::{Real, Values, for_real, values, vectorised};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use rand::RngCore;
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

/// A dropout mask of any length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mask {
    seed: u64,
    /// Positions whose 32-bit hash is below it are dropped.
    threshold: u32,
    scale: f64,
}

impl Mask {
    /// The mask of a probability and one number from `rng`; `None` if nothing is dropped, and then
    /// nothing is drawn.
    pub(crate) fn draw(p: f64, rng: &mut crate::Rng) -> Result<Option<Self>> {
        if !(0.0..1.0).contains(&p) {
            candle_core::bail!("the probability of dropout must be in [0, 1), got {p}");
        }
        Ok((p > 0.0).then(|| Self::new(p, rng.next_u64())))
    }

    pub(crate) fn new(p: f64, seed: u64) -> Self {
        Self { seed, threshold: (p * 4_294_967_296.0) as u32, scale: 1.0 / (1.0 - p) }
    }

    /// 0, or `1 / (1 - p)`.
    #[inline(always)]
    pub(crate) fn factor<T: Real>(&self, position: usize) -> T {
        // Two rounds of a 32-bit finaliser ("lowbias32"), each keyed with half of the seed.
        let x = finalise(position as u32 ^ self.seed as u32);
        let x = finalise(x ^ (self.seed >> 32) as u32 ^ (position as u64 >> 32) as u32);
        if x < self.threshold { T::ZERO } else { T::of(self.scale) }
    }

    /// What a kernel's `dropout_factor` takes before the position: seed, threshold, scale.
    pub(super) fn arguments<'a>(&self) -> [Arg<'a>; 3] {
        [Arg::U64(self.seed), Arg::U32(self.threshold), Arg::F32(self.scale as f32)]
    }

    /// Whether the number at a position is kept, as 1 or 0.
    pub(crate) fn keeps(&self, position: usize) -> u8 {
        u8::from(self.factor::<f32>(position) > 0.0)
    }

    /// Dropout of `x` on any device, given 1 for each number that is kept and 0 for the others; one
    /// byte per number is copied to the device.
    pub(crate) fn apply_kept(&self, x: &Tensor, kept: Vec<u8>) -> Result<Tensor> {
        let kept = Tensor::from_vec(kept, x.shape(), x.device())?.to_dtype(x.dtype())?;
        x * (kept * self.scale)?
    }

    fn apply<T: Real>(&self, x: &[T]) -> Vec<T> {
        let mut y = vec![T::ZERO; x.len()];
        self.apply_to(
            &mut y,
            x,
            #[inline(always)]
            |_, x| x,
        );
        y
    }

    /// `y = f(y, x m / (1 - p))`.
    fn apply_to<T: Real>(&self, y: &mut [T], x: &[T], f: impl Fn(T, T) -> T + Sync) {
        y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).enumerate().for_each(|(c, (y, x))| {
            vectorised(
                #[inline(always)]
                || {
                    for (i, (y, x)) in y.iter_mut().zip(x).enumerate() {
                        *y = f(*y, *x * self.factor(c * CHUNK + i));
                    }
                },
            );
        });
    }
}

#[inline(always)]
fn finalise(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

const CHUNK: usize = 16 * 1024;

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
