//! Which numbers dropout keeps: a hash of (seed, position).

use super::super::kernels::Arg;
use super::super::real::{Real, vectorised};
use candle_core::{Result, Tensor};
use rand::RngCore;
use rayon::prelude::*;

/// Numbers that a task of the thread pool works on.
pub(super) const CHUNK: usize = 16 * 1024;

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
    pub(in crate::nn) fn arguments<'a>(&self) -> [Arg<'a>; 3] {
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

    pub(super) fn apply<T: Real>(&self, x: &[T]) -> Vec<T> {
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
    pub(super) fn apply_to<T: Real>(&self, y: &mut [T], x: &[T], f: impl Fn(T, T) -> T + Sync) {
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
