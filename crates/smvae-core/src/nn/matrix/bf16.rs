//! Weights and rows in bf16, and their product on any CPU.
//!
//! bf16 is the upper half of f32: all of its range, 8 significant bits. Both sides of a product are
//! rounded to it, to the nearest, ties to even; a product of two such numbers is exact in f32, and
//! sums are f32.
//!
//! The order of a sum is that of AMX's `tdpbf16ps`, which takes a [`STEP`] of terms: those at even
//! places are added up from zero, and those at odd places, and then the sum of both is added to
//! what came before. So AMX gives the same bits, but for numbers below 2^-126, which it takes for
//! zeros.
//!
//! Weights lie in panels of [`COLS`] columns: `[panels, pairs of terms, columns, 2]`, both sides
//! filled up with zeros.

use super::super::precision::Unit;
use super::super::real::vectorised;
#[cfg(target_arch = "x86_64")]
use super::amx;
use super::float::{Mat, MatMut, Write};
use rayon::prelude::*;

/// Columns of a panel.
pub(super) const COLS: usize = 32;
/// Columns of a [`Line`].
const LANES: usize = 16;
/// Pairs of terms that a sum takes at a time.
const STEP: usize = 16;

/// A pair of terms of each of 16 columns, the first one in the low half: one register, one line of
/// the cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Line([u32; LANES]);

/// A weight in bf16, and a bias.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    k: usize,
    n: usize,
    /// Pairs of terms, a multiple of [`STEP`].
    pairs: usize,
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
        let mut lines = vec![Line([0; LANES]); panels * pairs * (COLS / LANES)];
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
    fn panels(&self) -> impl Iterator<Item = (usize, &[Line], &[f32; COLS])> {
        let length = self.pairs * (COLS / LANES);
        let panel = move |(i, bias)| (i * COLS, &self.lines[i * length..][..length], bias);
        self.bias.iter().enumerate().map(panel)
    }
}

/// Pairs of terms that `k` terms are filled up to.
fn pairs(k: usize) -> usize {
    k.div_ceil(2).next_multiple_of(STEP)
}

/// Writes columns of a weight, given as rows, to the lines of their panel.
fn pack(columns: Mat<'_, f32>, lines: &mut [Line]) {
    let (n, k) = columns.dims();
    vectorised(
        #[inline(always)]
        || {
            let mut block = [[0; STEP]; LANES];
            for (half, first) in (0..n).step_by(LANES).enumerate() {
                let columns = columns.rows(first, LANES.min(n - first));
                for (step, at) in (0..k).step_by(2 * STEP).enumerate() {
                    round_block(columns, at, &mut block);
                    let lines = lines[step * STEP * (COLS / LANES) + half..].iter_mut().step_by(COLS / LANES);
                    for (pair, line) in lines.take(STEP).enumerate() {
                        line.0 = std::array::from_fn(|j| block[j][pair]);
                    }
                }
            }
        },
    );
}

/// A step of pairs of up to 16 rows, from term `at` on; zeros beyond the last term.
#[inline(always)]
fn round_block(rows: Mat<'_, f32>, at: usize, block: &mut [[u32; STEP]; LANES]) {
    let (n, k) = rows.dims();
    let terms = (2 * STEP).min(k - at);
    let mut numbers = [[0.0; 2 * STEP]; LANES];
    rows.columns(at, terms).copy_rows(&mut numbers);
    for (to, numbers) in block.iter_mut().zip(&numbers).take(n) {
        round_row(numbers, to);
    }
}

#[inline(always)]
fn round_row(numbers: &[f32; 2 * STEP], to: &mut [u32; STEP]) {
    let (pairs, _) = numbers.as_chunks::<2>();
    to.iter_mut().zip(pairs).for_each(|(to, [low, high])| *to = rounded(*low) | rounded(*high) << 16);
}

/// The nearest bf16, ties to even, in the low half. Zero for a number below 2^-126, and a quiet NaN
/// for NaN.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    let bits = if x.is_nan() { bits | 0x40_0000 } else { nearest };
    if bits & 0x7f80_0000 == 0 { 0 } else { bits >> 16 }
}

/// Rows in bf16. Its memory is kept from product to product.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// `[rows, pairs]`.
    values: Vec<u32>,
    pairs: usize,
}

impl Rows {
    /// Takes the rows of a matrix.
    pub(crate) fn round(&mut self, x: Mat<'_, f32>) {
        let (n, k) = x.dims();
        self.pairs = pairs(k);
        self.values.resize(n * self.pairs, 0);
        let (width, values) = (self.pairs, &mut self.values);
        vectorised(
            #[inline(always)]
            || {
                let mut block = [[0; STEP]; LANES];
                for first in (0..n).step_by(LANES) {
                    let rows = x.rows(first, LANES.min(n - first));
                    for (step, at) in (0..k).step_by(2 * STEP).enumerate() {
                        round_block(rows, at, &mut block);
                        let to = values[first * width..].chunks_exact_mut(width);
                        for (to, block) in to.zip(&block).take(rows.dims().0) {
                            to[step * STEP..][..STEP].copy_from_slice(block);
                        }
                    }
                }
            },
        );
    }

    /// Takes these rows of others.
    pub(crate) fn gather(&mut self, of: &Self, rows: &[usize]) {
        self.pairs = of.pairs;
        self.values.clear();
        rows.iter().for_each(|row| self.values.extend_from_slice(&of.values[row * of.pairs..][..of.pairs]));
    }

    fn n_rows(&self) -> usize {
        self.values.len() / self.pairs.max(1)
    }
}

/// `dst = rows weight + bias`, or `dst += rows weight + bias`. No bit of a row depends on the rows
/// beside it.
pub(crate) fn multiply(unit: Unit, rows: &Rows, weight: &Packed, dst: MatMut<'_, f32>, write: Write) {
    assert!(rows.pairs == weight.pairs, "rows of another width than the weight's");
    assert!(dst.dims() == (rows.n_rows(), weight.n), "a destination of another shape than the product");
    match unit {
        #[cfg(target_arch = "x86_64")]
        Unit::Amx => by_tiles(rows, weight, dst, write),
        _ => portable(rows, weight, dst, write),
    }
}

#[cfg(target_arch = "x86_64")]
fn by_tiles(rows: &Rows, weight: &Packed, mut dst: MatMut<'_, f32>, write: Write) {
    let tiles = amx::Tiles::new(amx::Number::Bf16, &rows.values, rows.pairs);
    for (first, lines, bias) in weight.panels() {
        tiles.multiply(lines, |row, sums| {
            vectorised(
                #[inline(always)]
                || {
                    for (i, sums) in sums.iter().enumerate() {
                        let dst = &mut dst.row(row + i)[first..weight.n.min(first + COLS)];
                        finish(&sums.map(f32::from_bits), bias, dst, write);
                    }
                },
            );
        });
    }
}

/// Rows that the portable product computes at once.
const ROWS: usize = 4;

fn portable(rows: &Rows, weight: &Packed, mut dst: MatMut<'_, f32>, write: Write) {
    let n = rows.n_rows();
    vectorised(
        #[inline(always)]
        || {
            for (first, lines, bias) in weight.panels() {
                for i in (0..n).step_by(ROWS) {
                    // Beyond the last row, that one again.
                    let row = |r: usize| &rows.values[(i + r).min(n - 1) * rows.pairs..][..rows.pairs];
                    let sums = sums(std::array::from_fn(row), lines);
                    for (r, sums) in sums.iter().enumerate().take(n - i) {
                        finish(sums, bias, &mut dst.row(i + r)[first..weight.n.min(first + COLS)], write);
                    }
                }
            }
        },
    );
}

type Sums = [[f32; COLS]; ROWS];

/// The sums of some rows and the columns of a panel.
#[inline(always)]
fn sums(rows: [&[u32]; ROWS], lines: &[Line]) -> Sums {
    let mut sums = [[0.0; COLS]; ROWS];
    for (step, lines) in lines.as_chunks::<{ STEP * COLS / LANES }>().0.iter().enumerate() {
        let (mut even, mut odd) = ([[0.0; COLS]; ROWS], [[0.0; COLS]; ROWS]);
        for (pair, lines) in lines.as_chunks::<{ COLS / LANES }>().0.iter().enumerate() {
            let at = |j: usize| lines[j / LANES].0[j % LANES];
            for ((even, odd), row) in even.iter_mut().zip(&mut odd).zip(&rows) {
                let [a, b] = unpacked(row[step * STEP + pair]);
                *even = std::array::from_fn(|j| a.mul_add(unpacked(at(j))[0], even[j]));
                *odd = std::array::from_fn(|j| b.mul_add(unpacked(at(j))[1], odd[j]));
            }
        }
        for ((sums, even), odd) in sums.iter_mut().zip(&even).zip(&odd) {
            *sums = std::array::from_fn(|j| sums[j] + (even[j] + odd[j]));
        }
    }
    sums
}

/// Both numbers of a pair.
#[inline(always)]
fn unpacked(pair: u32) -> [f32; 2] {
    [f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000)]
}

#[inline(always)]
fn finish(sums: &[f32; COLS], bias: &[f32; COLS], dst: &mut [f32], write: Write) {
    let values = sums.iter().zip(bias).map(|(sum, bias)| sum + bias);
    if write == Write::Add {
        dst.iter_mut().zip(values).for_each(|(d, value)| *d += value);
    } else {
        dst.iter_mut().zip(values).for_each(|(d, value)| *d = value);
    }
}

/// Rows that a task rounds and multiplies at once.
pub(super) const BLOCK: usize = 96;

/// `dst = a b`, or `dst += a b`, with `a` and `b` rounded, on all threads.
pub(crate) fn matmul(unit: Unit, dst: MatMut<'_, f32>, a: Mat<'_, f32>, b: Mat<'_, f32>, write: Write) {
    let ((m, k), n) = (a.dims(), b.dims().1);
    assert!(b.dims().0 == k && dst.dims() == (m, n), "matrix product of shapes that do not fit");
    let weight = Packed::new(b, &[]);
    let block = m.div_ceil(rayon::current_num_threads()).next_multiple_of(COLS).clamp(COLS, BLOCK);
    let blocks = dst.row_blocks(block);
    blocks.into_par_iter().enumerate().for_each_init(Rows::default, |rows, (i, dst)| {
        rows.round(a.rows(i * block, dst.dims().0));
        multiply(unit, rows, &weight, dst, write);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers of all signs, some of them far apart, that a hash of their place gives.
    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let hash = |i: usize| (i as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        let number = |h: u64| ((h % 20_001) as f32 / 10_000.0 - 1.0) * [1.0, 1e-3, 300.0][(h >> 40) as usize % 3];
        (0..n).map(|i| hash(i).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 20).map(number).collect()
    }

    fn bits(x: &[f32]) -> Vec<u32> {
        // Which NaN it is does not matter.
        x.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
    }

    /// The portable unit, and AMX where it is; says so where it is not.
    fn units() -> Vec<Unit> {
        let best = Unit::best().for_bf16();
        if best == Unit::Portable {
            eprintln!("skipped: this CPU has no {}", Unit::Amx);
        }
        let mut units = vec![Unit::Portable, best];
        units.dedup();
        units
    }

    /// `rounded`, as a number.
    fn round(x: f32) -> f32 {
        f32::from_bits(rounded(x) << 16)
    }

    #[test]
    fn numbers_are_rounded_to_eight_bits() {
        let check = |x: f32, want: f32| assert_eq!(round(x).to_bits(), want.to_bits(), "{x}");
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
        assert!(round(f32::from_bits(0x7f80_0001)).is_nan());
    }

    /// `a b` in f64 of rounded numbers, and the sum of the magnitudes of its terms.
    fn exact(a: Mat<'_, f32>, b: Mat<'_, f32>, i: usize, j: usize) -> (f64, f64) {
        let terms = (0..a.dims().1).map(|l| round(a.at(i, l)) as f64 * round(b.at(l, j)) as f64);
        terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn products_of_all_shapes_and_strides(
            m in 1..70usize, k in 1..150usize, n in 1..80usize, more in 0..3usize, order in 0..4usize, seed: u64,
        ) {
            let (x, w) = (numbers(m.max(k) * (m.max(k) + more), seed), numbers(n.max(k) * (n.max(k) + more), !seed));
            // Either side as it lies in memory, or transposed.
            let a = if order & 1 == 0 { Mat::strided(&x, m, k, k + more) } else { Mat::strided(&x, k, m, m + more).t() };
            let b = if order & 2 == 0 { Mat::strided(&w, k, n, n + more) } else { Mat::strided(&w, n, k, k + more).t() };
            let before = numbers(m * (n + more), seed / 7);
            let mut seen: Vec<Vec<u32>> = Vec::new();
            for unit in units() {
                let mut got = before.clone();
                matmul(unit, MatMut::strided(&mut got, m, n, n + more), a, b, Write::Add);
                matmul(unit, MatMut::strided(&mut got, m, n, n + more), a, b, Write::Overwrite);
                matmul(unit, MatMut::strided(&mut got, m, n, n + more), a, b, Write::Add);
                for i in 0..m {
                    for j in 0..n {
                        let (want, size) = exact(a, b, i, j);
                        let off = (got[i * (n + more) + j] as f64 - 2.0 * want).abs();
                        prop_assert!(off <= size * 4e-6 + 1e-12, "{unit}: {i}, {j}: {off} of {size}");
                    }
                    let behind = i * (n + more) + n..(i + 1) * (n + more);
                    prop_assert_eq!(&got[behind.clone()], &before[behind], "written outside of the matrix");
                }
                seen.push(bits(&got));
            }
            prop_assert!(seen.iter().all(|got| *got == seen[0]), "units differ");
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_whatever_is_beside_it_and_nan_stays_in_its_row() {
        let (m, k, n) = (45, 50, 70);
        let (x, w) = (numbers(m * k, 3), numbers(n * k, 1));
        let product = |unit, x: &[f32]| {
            let mut y = vec![0.0; x.len() / k * n];
            let m = x.len() / k;
            matmul(unit, MatMut::new(&mut y, m, n), Mat::new(x, m, k), Mat::new(&w, n, k).t(), Write::Overwrite);
            y
        };
        for unit in units() {
            let all = product(unit, &x);
            for i in 0..m {
                let alone = product(unit, &x[i * k..][..k]);
                assert_eq!(bits(&alone), bits(&all[i * n..][..n]), "{unit}: row {i}");
            }
            let mut x = x.clone();
            x[3 * k + 5] = f32::NAN;
            let got = product(unit, &x);
            assert!(got[3 * n..4 * n].iter().all(|y| y.is_nan()), "{unit}");
            assert_eq!(
                (bits(&got[..3 * n]), bits(&got[4 * n..])),
                (bits(&all[..3 * n]), bits(&all[4 * n..])),
                "{unit}"
            );
        }
    }

    #[test]
    fn rows_that_are_used_again_forget_what_they_held() {
        let w = numbers(40 * 33, 5);
        let weight = Packed::new(Mat::new(&w, 40, 33).t(), &numbers(40, 9));
        for unit in units() {
            let mut rows = Rows::default();
            let mut products = [vec![0.0; 7 * 40], vec![0.0; 7 * 40]];
            for y in &mut products {
                // A wider product before the second, whose numbers are all NaN.
                rows.round(Mat::new(&numbers(7 * 33, 2), 7, 33));
                multiply(unit, &rows, &weight, MatMut::new(y, 7, 40), Write::Overwrite);
                rows.round(Mat::new(&[f32::NAN; 9 * 64], 9, 64));
            }
            assert_eq!(bits(&products[0]), bits(&products[1]), "{unit}");
            assert!(products[0].iter().all(|y| y.is_finite()), "{unit}");
        }
    }
}
