//! The one kind of random generator, always an argument: ChaCha8, the same numbers on every
//! machine.

use candle_core::{Device, Result, Shape, Tensor};
use rand::{Rng as _, RngCore as _, SeedableRng};
use rand_distr::StandardNormal;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The generator everything in this workspace draws from.
pub type Rng = rand_chacha::ChaCha8Rng;

/// A generator for one purpose: independent streams of one seed, told apart by name.
pub fn named(seed: u64, name: &str) -> Rng {
    // FNV-1a: stable across versions of Rust, unlike the standard hasher.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&hash.to_le_bytes());
    Rng::from_seed(bytes)
}

/// The state of a generator between two draws, to be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RngState {
    seed: [u8; 32],
    stream: u64,
    word: u128,
}

impl RngState {
    /// Where this generator is.
    pub fn of(rng: &Rng) -> Self {
        Self { seed: rng.get_seed(), stream: rng.get_stream(), word: rng.get_word_pos() }
    }

    /// The generator that was saved.
    pub fn rng(&self) -> Rng {
        let mut rng = Rng::from_seed(self.seed);
        rng.set_stream(self.stream);
        rng.set_word_pos(self.word);
        rng
    }
}

/// Standard normal noise of this shape, f32; takes one number from `rng`, from which every block of
/// numbers gets a generator of its own, so that the noise does not depend on the number of threads.
///
/// # Errors
/// Those of the copy to the device.
pub fn standard_normal(shape: impl Into<Shape>, rng: &mut Rng, device: &Device) -> Result<Tensor> {
    let shape = shape.into();
    let seed = rng.next_u64();
    let mut values = vec![0f32; shape.elem_count()];
    values.par_chunks_mut(BLOCK).enumerate().for_each(|(block, values)| {
        let mut rng = Rng::seed_from_u64(seed.wrapping_add(block as u64));
        values.iter_mut().for_each(|v| *v = rng.sample(StandardNormal));
    });
    Tensor::from_vec(values, shape, device)
}

/// Numbers of one generator.
const BLOCK: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_generator_continues() {
        let mut rng = named(7, "x");
        rng.set_stream(3);
        for n in 0..70 {
            let text = serde_json::to_string(&RngState::of(&rng)).expect("serialises");
            let mut again = serde_json::from_str::<RngState>(&text).expect("its own text").rng();
            assert_eq!(again.next_u64(), rng.clone().next_u64(), "after {n} words");
            rng.next_u32();
        }
    }
}
