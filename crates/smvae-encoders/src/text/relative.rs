//! MPNet's relative positions: a number for each head and each distance from a query to a key, the
//! same in all layers (Song et al. 2020; the buckets are T5's, Raffel et al. 2020).
//!
//! ```text
//! b[h, j - i] = table[bucket(j - i), h]          table: [32, heads]
//! ```
//! Half of the buckets are for keys after the query. Of each half, the first 8 have a distance
//! each, and the others ever more of them, as the logarithm grows; the last has all from 91 on.

use candle_nn::{Init, VarBuilder};
use serde_json::{Map, Value};
use smvae_core::candle_core::{Result, Tensor};
use smvae_core::nn::embedding;

/// Rows of the table. transformers chooses among so many, whatever the configuration says.
const BUCKETS: usize = 32;

/// The distance at which the logarithm would leave the last bucket.
const MAX_DISTANCE: f64 = 128.0;

/// Checks what an MPNet's configuration says of its relative positions.
pub(super) fn check(fields: &Map<String, Value>) -> crate::Result<()> {
    let field = "relative_attention_num_buckets";
    match fields.get(field) {
        Some(value) if value.as_u64() != Some(BUCKETS as u64) => {
            Err(crate::Error::Config { field, want: BUCKETS.to_string(), got: value.to_string() })
        }
        _ => Ok(()),
    }
}

/// The table of a model.
#[derive(Clone, Debug)]
pub(super) struct RelativeBias {
    table: Tensor,
}

impl RelativeBias {
    pub(super) fn load(heads: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let init = Init::Randn { mean: 0.0, stdev: 0.02 };
        Ok(Self { table: vb.get_with_hints((BUCKETS, heads), "weight", init)? })
    }

    /// What attention adds in texts of up to `longest` pieces, `[heads, 2 longest - 1]`: that of
    /// the distance `x` is in column `longest - 1 + x`.
    pub(super) fn of_distances(&self, longest: usize) -> Result<Tensor> {
        let last = longest as i64 - 1;
        let buckets: Vec<u32> = (-last..=last).map(bucket).collect();
        embedding(&self.table, &buckets)?.t()?.contiguous()
    }
}

/// The bucket of a distance, key minus query. In f32, as transformers computes it: this decides on
/// which side of a border a distance falls.
fn bucket(distance: i64) -> u32 {
    const HALF: u32 = BUCKETS as u32 / 2;
    const EXACT: u32 = HALF / 2;
    let first = if distance > 0 { HALF } else { 0 };
    let n = distance.unsigned_abs();
    if n < u64::from(EXACT) {
        return first + n as u32;
    }
    let logarithm = (n as f32 / EXACT as f32).ln() / (MAX_DISTANCE / f64::from(EXACT)).ln() as f32;
    let beyond = (logarithm * (HALF - EXACT) as f32) as u32;
    first + (EXACT + beyond).min(HALF - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_distances_have_a_bucket_each() {
        let check = |distance: i64, want: u32| assert_eq!(bucket(distance), want, "{distance}");
        // As tests/golden/scripts/hf_families.py prints them.
        let begin = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91, 600];
        for (i, from_to) in begin.windows(2).enumerate() {
            for distance in from_to[0]..from_to[1] {
                check(-distance, i as u32);
                check(distance, if distance > 0 { 16 + i as u32 } else { 0 });
            }
        }
        check(i64::MIN, 15);
        check(i64::MAX, 31);
    }
}
