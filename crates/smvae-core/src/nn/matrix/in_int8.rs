//! Weights and rows in int8, as a product takes them.
//!
//! Symmetric: a number is `q * scale` with `q` from -127 to 127 and `scale = max |.| / 127`. Each
//! column of a weight has a scale, found once, and each row that is multiplied by it has one, found
//! when it comes. Nothing of a row depends on other rows.
//!
//! ```text
//! y[i, j] = (sum_k a[i, k] b[k, j]) * (scale_a[i] * scale_b[j]) + bias[j]
//! ```
//! The sum is exact, in i32. One instruction (`vpdpbusd`) multiplies four unsigned numbers of a row
//! by four signed ones of each of 16 columns, so rows are stored plus 128, and a column's sum
//! begins at `-128 sum_k b[k, j]`. None of this can saturate or overflow: `vpdpbusd` (unlike
//! `vpdpbusds`) adds its four products, each within 255 * 127, to 32 bits that wrap; what wraps on
//! the way wraps back, since the result is within `k * 127^2`. Where a sum begins is within
//! `k * 128 * 127`, below `2^31` for `k` up to [`LONGEST`].
//!
//! Weights lie in panels of [`COLS`] columns: `[panels, groups of four terms, columns, 4]`, both
//! sides filled up with zeros.

use super::super::real::vectorised;
use super::{COLS, LANES, STEP};
use rayon::prelude::*;

/// Terms that are multiplied at once.
pub(super) const GROUP: usize = 4;
/// The most terms of a sum: a longer row has no arrangement in int8.
pub(super) const LONGEST: usize = i32::MAX as usize / (128 * 127);

/// A group of four terms of 16 columns, column by column: one register, one line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [i8; LANES * GROUP]);

/// What stands beside the numbers of a panel, for each of its columns.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// Where sums begin.
    pub(super) starts: [i32; COLS],
    pub(super) scales: [f32; COLS],
    pub(super) bias: [f32; COLS],
}

/// A weight in int8, with a scale a column and a bias.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    /// Rows of what it multiplies have as many numbers.
    pub(super) k: usize,
    /// Columns of the product.
    pub(super) n: usize,
    pub(super) groups: usize,
    pub(super) lines: Vec<Line>,
    pub(super) columns: Vec<Columns>,
}

impl Packed {
    /// A weight `[n, k]`, row after row, which is the product's right side transposed, and a bias
    /// `[n]`, with `k` at most [`LONGEST`]. A column with a number that is not finite gives NaN.
    pub(crate) fn new(weight: &[f32], n: usize, k: usize, bias: &[f32]) -> Self {
        assert!(weight.len() == n * k && bias.len() == n, "a weight whose numbers are not n x k");
        assert!(k <= LONGEST, "sums of so many terms could overflow");
        let (groups, panels) = (groups(k), n.div_ceil(COLS));
        let mut lines = vec![Line([0; LANES * GROUP]); panels * groups * (COLS / LANES)];
        let nothing = Columns { starts: [0; COLS], scales: [0.0; COLS], bias: [0.0; COLS] };
        let mut columns = vec![nothing; panels];
        if k > 0 {
            let panels = lines.par_chunks_mut(groups * (COLS / LANES)).zip(&mut columns);
            panels.zip(weight.par_chunks(COLS * k)).for_each(|((lines, columns), rows)| {
                rows.chunks_exact(k).enumerate().for_each(|(j, row)| pack_column(row, j, lines, columns));
            });
        }
        for (columns, bias) in columns.iter_mut().zip(bias.chunks(COLS)) {
            columns.bias[..bias.len()].copy_from_slice(bias);
        }
        Self { k, n, groups, lines, columns }
    }

    /// Numbers of a row that it multiplies, and of a row that it gives.
    pub(crate) fn dims(&self) -> (usize, usize) {
        (self.k, self.n)
    }

    /// Each panel with the first of its columns.
    pub(super) fn panels(&self) -> impl Iterator<Item = (usize, &[Line], &Columns)> {
        let length = self.groups * (COLS / LANES);
        let panel = move |(i, columns)| (i * COLS, &self.lines[i * length..][..length], columns);
        self.columns.iter().enumerate().map(panel)
    }
}

/// Groups that `k` terms are filled up to.
fn groups(k: usize) -> usize {
    k.div_ceil(GROUP).next_multiple_of(STEP)
}

/// Writes a column of a weight, which is a row of its memory, into its panel.
fn pack_column(row: &[f32], j: usize, lines: &mut [Line], columns: &mut Columns) {
    let (scale, inverse) = scale_of(largest(row));
    let mut sum = 0;
    for (i, value) in row.iter().enumerate() {
        let q = quantised(*value, inverse);
        lines[i / GROUP * (COLS / LANES) + j / LANES].0[j % LANES * GROUP + i % GROUP] = q;
        sum += i32::from(q);
    }
    (columns.starts[j], columns.scales[j]) = (-OFFSET * sum, scale);
}

/// What rows are stored plus.
const OFFSET: i32 = 128;

/// Rows in int8, plus 128, each with its scale. Its memory is kept from product to product.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// `[rows, 4 groups]`.
    pub(super) values: Vec<u8>,
    pub(super) scales: Vec<f32>,
    pub(super) groups: usize,
}

impl Rows {
    /// Takes the rows of `x: [rows, k]`. A row with a number that is not finite gives NaN; one
    /// whose numbers are all below [`SMALLEST`] counts as zeros.
    pub(crate) fn quantise(&mut self, x: &[f32], k: usize) {
        self.groups = groups(k);
        let (n, width) = (x.len() / k.max(1), self.groups * GROUP);
        self.scales.resize(n, 0.0);
        // What a row is filled up with is multiplied by zeros.
        self.values.resize(n * width, 0);
        let rows = self.values.chunks_exact_mut(width.max(1)).zip(x.chunks_exact(k.max(1))).zip(&mut self.scales);
        vectorised(
            #[inline(always)]
            || {
                for ((to, row), scale) in rows {
                    *scale = quantise_row(row, to);
                }
            },
        );
    }

    /// Takes these rows of others.
    pub(crate) fn gather(&mut self, of: &Self, rows: &[usize]) {
        let width = of.groups * GROUP;
        self.groups = of.groups;
        self.values.clear();
        rows.iter().for_each(|row| self.values.extend_from_slice(&of.values[row * width..][..width]));
        self.scales.clear();
        self.scales.extend(rows.iter().map(|row| of.scales[*row]));
    }

    pub(super) fn n_rows(&self) -> usize {
        self.scales.len()
    }
}

/// Returns the row's scale.
#[inline(always)]
fn quantise_row(row: &[f32], to: &mut [u8]) -> f32 {
    let (scale, inverse) = scale_of(largest(row));
    to.iter_mut().zip(row).for_each(|(to, x)| *to = quantised(*x, inverse) as u8 ^ OFFSET as u8);
    scale
}

/// The largest magnitude. As bits, since these have an order in which infinity and NaN come last.
#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    f32::from_bits(row.iter().fold(0, |top, x| (x.to_bits() & 0x7fff_ffff).max(top)))
}

/// Below this, one over the scale would not be finite.
const SMALLEST: f32 = 1e-36;

/// The scale of numbers of at most this magnitude, and what they are multiplied by.
#[inline(always)]
fn scale_of(largest: f32) -> (f32, f32) {
    if !largest.is_finite() {
        (f32::NAN, 0.0)
    } else if largest < SMALLEST {
        (0.0, 0.0)
    } else {
        (largest / 127.0, 127.0 / largest)
    }
}

/// The nearest integer, ties to the even one: adding 1.5 * 2^23 leaves it in the low bits.
#[inline(always)]
fn quantised(x: f32, inverse: f32) -> i8 {
    (x * inverse + 12_582_912.0).to_bits() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_steps_of_a_127th_of_the_largest() {
        let check = |row: &[f32], want: &[i8], scale: f32| {
            let mut rows = Rows::default();
            rows.quantise(row, row.len());
            let got: Vec<i8> = rows.values[..row.len()].iter().map(|q| (q ^ 128) as i8).collect();
            assert_eq!((got.as_slice(), rows.scales[0].to_bits()), (want, scale.to_bits()), "{row:?}");
        };
        check(&[127.0, -127.0, 1.4, -1.6, 0.0], &[127, -127, 1, -2, 0], 1.0);
        check(&[254.0, 1.0, 3.0, 5.0], &[127, 0, 2, 2], 2.0);
        check(&[0.0, -0.0], &[0, 0], 0.0);
        check(&[1e-40, -1e-38], &[0, 0], 0.0);
        let extremes = [f32::MAX, f32::MIN];
        check(&extremes, &[127, -127], f32::MAX / 127.0);
    }

    #[test]
    fn what_is_not_finite_makes_its_row_and_its_column_nan() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut rows = Rows::default();
            rows.quantise(&[1.0, 2.0, bad, 4.0], 2);
            assert!(rows.scales[0].is_finite() && rows.scales[1].is_nan(), "{bad}");
            let weight = Packed::new(&[1.0, 2.0, bad, 4.0], 2, 2, &[0.0; 2]);
            assert!(weight.columns[0].scales[0].is_finite() && weight.columns[0].scales[1].is_nan(), "{bad}");
        }
    }
}
