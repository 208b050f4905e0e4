//! Draws that come out the same on every machine: ChaCha8 words and integer arithmetic only.
//!
//! `rand`'s own ranges and `rand_distr`'s normal may change between versions, differ between 32 and
//! 64 bits or call the platform's `exp` and `ln`; a selection or a corpus that two machines share
//! must not.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A seeded source of draws.
#[derive(Clone, Debug)]
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// Draws of a seed and a stream: streams of one seed are independent of each other.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A uniform integer in `0..n`, `n > 0`, without bias: words at the ragged end of the range are
    /// drawn again.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        let ragged = u64::MAX - u64::MAX % n;
        loop {
            let word = self.0.next_u64();
            if word < ragged {
                return (word % n) as usize;
            }
        }
    }

    /// A uniform element of a slice that is not empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// True with probability `p`, to 53 bits.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        ((self.0.next_u64() >> 11) as f64) / ((1u64 << 53) as f64) < p
    }

    /// About a standard normal: the sum of twelve uniforms less its mean (Irwin-Hall; unit
    /// variance, within +-6).
    pub(crate) fn normal(&mut self) -> f32 {
        let sum: i64 = (0..12).map(|_| i64::from(self.0.next_u32())).sum();
        (sum - 6 * (1i64 << 32)) as f32 / (1u64 << 32) as f32
    }

    /// `k` of the positions `0..n`, all subsets equally likely, in the order drawn. The first `j`
    /// of them are what `k = j` draws.
    pub(crate) fn sample(&mut self, n: usize, k: usize) -> Vec<usize> {
        let mut positions: Vec<usize> = (0..n).collect();
        for i in 0..k.min(n) {
            let j = i + self.below(n - i);
            positions.swap(i, j);
        }
        positions.truncate(k);
        positions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_pinned() {
        let mut draw = Draw::new(7, 0);
        let drawn: Vec<usize> = (0..6).map(|_| draw.below(1000)).collect();
        assert_eq!((drawn, Draw::new(7, 1).sample(10, 4)), (vec![635, 994, 745, 443, 440, 238], vec![5, 9, 4, 6]));
    }

    #[test]
    fn the_normal_has_mean_zero_and_variance_one() {
        let mut draw = Draw::new(0, 0);
        let values: Vec<f64> = (0..20_000).map(|_| f64::from(draw.normal())).collect();
        let mean = values.iter().sum::<f64>() / 2e4;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2e4;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    }
}
