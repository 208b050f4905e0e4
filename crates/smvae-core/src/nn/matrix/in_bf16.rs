//! Weights and rows in bf16, as products take them.
//!
//! bf16 is the upper half of f32: all of its range, 8 significant bits. Numbers are rounded to the
//! nearest, ties to even.
//!
//! Weights lie in panels of [`COLS`] columns: `[panels, pairs of terms, columns, 2]`, both sides
//! filled up with zeros.

use super::super::real::vectorised;
use super::float::{Mat, Threads, Write};
use super::{COLS, LANES, STEP};
use rayon::prelude::*;

/// A pair of terms of each of 16 columns, the first one in the low half: one register, one line of
/// the cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u32; LANES]);

impl Line {
    pub(super) const ZERO: Self = Self([0; LANES]);
}

/// A weight in bf16, and a bias.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    k: usize,
    pub(super) n: usize,
    /// Pairs of terms, a multiple of [`STEP`].
    pub(super) pairs: usize,
    lines: Vec<Line>,
    bias: Vec<[f32; COLS]>,
}

impl Packed {
    /// The right side of a product, `[k, n]`, and what is added to each row of the product, `[n]`
    /// or nothing.
    pub(crate) fn new(weight: Mat<'_, f32>, bias: &[f32]) -> Self {
        let (k, n) = weight.dims();
        assert!(bias.is_empty() || bias.len() == n, "a bias that does not fit its weight");
        let (pairs, panels) = (pairs(k), n.div_ceil(COLS));
        let mut lines = vec![Line::ZERO; panels * pairs * (COLS / LANES)];
        let columns = weight.t();
        lines.par_chunks_mut((pairs * (COLS / LANES)).max(1)).enumerate().for_each(|(panel, lines)| {
            let first = panel * COLS;
            pack(columns.rows(first, COLS.min(n - first)), lines);
        });
        let mut padded = vec![[0.0; COLS]; panels];
        padded.iter_mut().zip(bias.chunks(COLS)).for_each(|(to, bias)| to[..bias.len()].copy_from_slice(bias));
        Self { k, n, pairs, lines, bias: padded }
    }

    /// Numbers of a row that it multiplies, and of a row that it gives.
    pub(crate) fn dims(&self) -> (usize, usize) {
        (self.k, self.n)
    }

    /// Each panel with the first of its columns and their bias.
    pub(super) fn panels(&self) -> impl Iterator<Item = (usize, &[Line], &[f32; COLS])> {
        let length = self.pairs * (COLS / LANES);
        let panel = move |(i, bias)| (i * COLS, &self.lines[i * length..][..length], bias);
        self.bias.iter().enumerate().map(panel)
    }
}

/// Pairs of terms that `k` terms are filled up to.
fn pairs(k: usize) -> usize {
    k.div_ceil(2).next_multiple_of(STEP)
}

/// Writes columns of a weight, given as rows, to the lines of their panel, to all of them.
pub(super) fn pack(columns: Mat<'_, f32>, lines: &mut [Line]) {
    let (n, k) = columns.dims();
    vectorised(
        #[inline(always)]
        || {
            let mut block = [[0; STEP]; LANES];
            let steps = lines.as_chunks_mut::<{ STEP * COLS / LANES }>().0;
            for (lines, at) in steps.iter_mut().zip((0..k).step_by(2 * STEP)) {
                for half in 0..COLS / LANES {
                    let first = n.min(half * LANES);
                    let columns = columns.rows(first, LANES.min(n - first));
                    let lines = lines[half..].iter_mut().step_by(COLS / LANES);
                    if columns.has_consecutive_rows() {
                        round_rows(columns, at, &mut block);
                        for (pair, line) in lines.enumerate() {
                            line.0 = std::array::from_fn(|j| block[j][pair]);
                        }
                    } else {
                        round_columns(columns, at, &mut block);
                        lines.zip(&block).for_each(|(line, pairs)| line.0 = *pairs);
                    }
                }
            }
        },
    );
}

/// The pairs of up to 16 rows, `[rows, pairs]`, a step from term `at` on; zeros beyond the last row
/// and term.
#[inline(always)]
fn round_rows(rows: Mat<'_, f32>, at: usize, block: &mut [[u32; STEP]; LANES]) {
    let (n, k) = rows.dims();
    let terms = (2 * STEP).min(k - at);
    for (i, to) in block.iter_mut().enumerate() {
        if i >= n {
            *to = [0; STEP];
            continue;
        }
        let numbers = padded::<{ 2 * STEP }>(&rows.from(i, at).0[..terms]);
        let (pairs, _) = numbers.as_chunks::<2>();
        to.iter_mut().zip(pairs).for_each(|(to, [low, high])| *to = rounded(*low) | rounded(*high) << 16);
    }
}

/// The same `[pairs, rows]`, for rows whose numbers lie apart: those of a term are read at once.
#[inline(always)]
fn round_columns(rows: Mat<'_, f32>, at: usize, block: &mut [[u32; LANES]; STEP]) {
    for (pair, to) in block.iter_mut().enumerate() {
        let (low, high) = (of_term(rows, at + 2 * pair), of_term(rows, at + 2 * pair + 1));
        for ((to, low), high) in to.iter_mut().zip(&low).zip(&high) {
            *to = rounded(*low) | rounded(*high) << 16;
        }
    }
}

/// A number of each of up to 16 rows; zeros beyond the last row and term.
#[inline(always)]
fn of_term(rows: Mat<'_, f32>, term: usize) -> [f32; LANES] {
    let (n, k) = rows.dims();
    if term < k { padded(&rows.t().from(term, 0).0[..n]) } else { [0.0; LANES] }
}

/// Up to `N` numbers, and zeros.
#[inline(always)]
fn padded<const N: usize>(numbers: &[f32]) -> [f32; N] {
    numbers.first_chunk().copied().unwrap_or_else(|| {
        let mut all = [0.0; N];
        all[..numbers.len()].copy_from_slice(numbers);
        all
    })
}

/// The nearest bf16, ties to even, in the low half. Zero for a number below 2^-126, and a quiet NaN
/// for NaN.
#[inline(always)]
pub(super) fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    let bits = if x.is_nan() { bits | 0x40_0000 } else { nearest };
    if bits & 0x7f80_0000 == 0 { 0 } else { bits >> 16 }
}

/// Rows in bf16. Its memory is kept from product to product.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// `[rows, pairs]`.
    pub(super) values: Vec<u32>,
    pub(super) pairs: usize,
}

impl Rows {
    /// Takes the rows of a matrix.
    pub(crate) fn round(&mut self, x: Mat<'_, f32>, on: Threads) {
        let (n, k) = x.dims();
        self.pairs = pairs(k);
        self.values.resize(n * self.pairs, 0);
        let width = self.pairs;
        match on {
            Threads::One => round(x, &mut self.values, width),
            Threads::All => self.values.par_chunks_mut((ROWS * width).max(1)).enumerate().for_each(|(i, to)| {
                round(x.rows(i * ROWS, ROWS.min(n - i * ROWS)), to, width);
            }),
        }
    }

    /// Takes these rows of others.
    pub(crate) fn gather(&mut self, of: &Self, rows: &[usize]) {
        self.pairs = of.pairs;
        self.values.clear();
        rows.iter().for_each(|row| self.values.extend_from_slice(&of.values[row * of.pairs..][..of.pairs]));
    }

    pub(super) fn n_rows(&self) -> usize {
        self.values.len() / self.pairs.max(1)
    }
}

/// Rows that a task rounds.
const ROWS: usize = 64;

/// Rounds rows, `[rows, k]`, to `[rows, width]` pairs.
fn round(x: Mat<'_, f32>, values: &mut [u32], width: usize) {
    let (n, k) = x.dims();
    vectorised(
        #[inline(always)]
        || {
            let mut block = [[0; STEP]; LANES];
            for first in (0..n).step_by(LANES) {
                let rows = x.rows(first, LANES.min(n - first));
                for (step, at) in (0..k).step_by(2 * STEP).enumerate() {
                    let to = values[first * width..].chunks_exact_mut(width).take(rows.dims().0);
                    let to = to.map(|row| &mut row[step * STEP..][..STEP]);
                    if x.has_consecutive_rows() {
                        round_rows(rows, at, &mut block);
                        to.zip(&block).for_each(|(to, block)| to.copy_from_slice(block));
                    } else {
                        round_columns(rows, at, &mut block);
                        for (row, to) in to.enumerate() {
                            to.iter_mut().zip(&block).for_each(|(to, pairs)| *to = pairs[row]);
                        }
                    }
                }
            }
        },
    );
}

/// Adds the bias to sums of a row, and writes them to where they belong.
#[inline(always)]
pub(super) fn finish(sums: impl Iterator<Item = f32>, bias: &[f32; COLS], dst: &mut [f32], write: Write) {
    write.put(dst, sums.zip(bias).map(|(sum, bias)| sum + bias));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_eight_bits() {
        let check = |x: f32, want: f32| assert_eq!(f32::from_bits(rounded(x) << 16).to_bits(), want.to_bits(), "{x}");
        // Steps of 2^-7 between 1 and 2: a half goes to the even one, a little more goes up.
        check(1.0 + 1.0 / 256.0, 1.0);
        check(1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0);
        check(1.0 + 1.0 / 256.0 + 1e-6, 1.0 + 2.0 / 256.0);
        check(-1.0 - 3.0 / 256.0, -1.0 - 4.0 / 256.0);
        check(f32::MAX, f32::INFINITY);
        check(f32::NEG_INFINITY, f32::NEG_INFINITY);
        check(f32::MIN_POSITIVE, f32::MIN_POSITIVE);
        // The largest number below the normal ones rounds up to the first of them.
        check(f32::MIN_POSITIVE.next_down(), f32::MIN_POSITIVE);
        check(f32::MIN_POSITIVE / 2.0, 0.0);
        check(-0.0, 0.0);
        // Only in its low half is this one no infinity.
        assert!(f32::from_bits(rounded(f32::from_bits(0x7f80_0001)) << 16).is_nan());
    }
}
