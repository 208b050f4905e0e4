//! The product of rows and a weight in bf16, by the unit that is asked for.
//!
//! A product of two numbers of 8 significant bits is exact in f32, and sums are f32. The order of a
//! sum is that of AMX's `tdpbf16ps`, which takes a [`STEP`] of terms: those at even places are
//! added up from zero, and those at odd places, and then the sum of both is added to what came
//! before. So AMX gives the same bits, but for numbers below 2^-126, which it takes for zeros.
//! AVX-512's instruction has another order, and so other last bits.

use super::super::precision::Unit;
use super::super::real::vectorised;
use super::float::{Mat, MatMut, Threads, Write};
use super::in_bf16::{Line, Packed, Rows, finish, pack};
use super::{COLS, LANES, STEP};
#[cfg(target_arch = "x86_64")]
use super::{amx, avx512_bf16};
use rayon::prelude::*;
use std::cell::Cell;

/// `dst = rows weight + bias`, or `dst += rows weight + bias`. No bit of a row depends on the rows
/// beside it.
pub(crate) fn multiply(unit: Unit, rows: &Rows, weight: &Packed, mut dst: MatMut<'_, f32>, write: Write) {
    assert!(rows.pairs == weight.pairs, "rows of another width than the weight's");
    assert!(dst.dims() == (rows.n_rows(), weight.n), "a destination of another shape than the product");
    for (first, lines, bias) in weight.panels() {
        panel(unit, &rows.values, lines, bias, dst.columns(first, COLS), write);
    }
}

/// The same for the columns of a panel: `rows: [rows of dst, pairs]`, and the lines of as many
/// pairs.
fn panel(unit: Unit, rows: &[u32], lines: &[Line], bias: &[f32; COLS], dst: MatMut<'_, f32>, write: Write) {
    assert!(rows.len() == dst.dims().0 * (lines.len() / 2), "rows of another width than the panel's");
    match unit {
        #[cfg(target_arch = "x86_64")]
        Unit::Amx => by_tiles(rows, lines, bias, dst, write),
        #[cfg(target_arch = "x86_64")]
        Unit::Avx512Bf16 => avx512_bf16::multiply(rows, lines, bias, dst, write),
        _ => portable(rows, lines, bias, dst, write),
    }
}

#[cfg(target_arch = "x86_64")]
fn by_tiles(rows: &[u32], lines: &[Line], bias: &[f32; COLS], mut dst: MatMut<'_, f32>, write: Write) {
    amx::Tiles::new(amx::Number::Bf16, rows, lines.len() / 2).multiply(lines, |row, sums| {
        vectorised(
            #[inline(always)]
            || {
                for (i, sums) in sums.iter().enumerate() {
                    finish(sums.iter().map(|sum| f32::from_bits(*sum)), bias, dst.row(row + i), write);
                }
            },
        );
    });
}

/// Rows that the portable product computes at once.
const ROWS: usize = 4;

fn portable(rows: &[u32], lines: &[Line], bias: &[f32; COLS], mut dst: MatMut<'_, f32>, write: Write) {
    let (n, pairs) = (dst.dims().0, lines.len() / 2);
    vectorised(
        #[inline(always)]
        || {
            for i in (0..n).step_by(ROWS) {
                // Beyond the last row, that one again.
                let row = |r: usize| &rows[(i + r).min(n - 1) * pairs..][..pairs];
                let sums = sums(std::array::from_fn(row), lines);
                for (r, sums) in sums.iter().enumerate().take(n - i) {
                    finish(sums.iter().copied(), bias, dst.row(i + r), write);
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

/// `dst = a weight`, or `dst += a weight`, with `a` rounded.
pub(super) fn multiply_rounded(unit: Unit, a: Mat<'_, f32>, weight: &Packed, dst: MatMut<'_, f32>, write: Write) {
    let mut rows = ROUNDED.take();
    rows.round(a, Threads::One);
    multiply(unit, &rows, weight, dst, write);
    ROUNDED.set(rows);
}

/// Rows that a task rounds and multiplies at once where a weight is kept.
pub(super) const BLOCK: usize = 96;
/// Rows that are rounded, by all threads, before they are multiplied in training; the weight is
/// arranged once for each such block.
const TRAINING_BLOCK: usize = 1024;

/// `dst = a b`, or `dst += a b`, with `a` and `b` rounded, on all threads.
///
/// The rows are rounded first. Then each task arranges a panel of the weight, and multiplies it
/// while it is in the cache.
pub(crate) fn matmul(unit: Unit, dst: MatMut<'_, f32>, a: Mat<'_, f32>, b: Mat<'_, f32>, write: Write) {
    let ((m, k), n) = (a.dims(), b.dims().1);
    assert!(b.dims().0 == k && dst.dims() == (m, n), "matrix product of shapes that do not fit");
    let columns = b.t();
    let threads = rayon::current_num_threads();
    let mut rows = ROUNDED.take();
    for ([first, _], dst) in dst.blocks(TRAINING_BLOCK, n.max(1)) {
        rows.round(a.rows(first, dst.dims().0), Threads::All);
        // With more threads than panels, each panel is arranged by several of them.
        let panels = n.div_ceil(COLS);
        let at_once = dst.dims().0.div_ceil(threads.div_ceil(panels)).next_multiple_of(COLS);
        let tasks = dst.blocks(at_once, panels.div_ceil(2 * threads) * COLS);
        tasks.into_par_iter().for_each(|([row, column], dst)| {
            let (m, n) = dst.dims();
            let rows = &rows.values[row * rows.pairs..][..m * rows.pairs];
            by_panels(unit, rows, columns.rows(column, n), dst, write);
        });
    }
    ROUNDED.set(rows);
}

/// The product of rows, `[rows of dst, pairs]`, and columns of a weight, given as rows.
fn by_panels(unit: Unit, rows: &[u32], columns: Mat<'_, f32>, mut dst: MatMut<'_, f32>, write: Write) {
    let (m, n) = dst.dims();
    let mut lines = PANEL.take();
    lines.resize(rows.len() / m * (COLS / LANES), Line::ZERO);
    for first in (0..n).step_by(COLS) {
        pack(columns.rows(first, COLS.min(n - first)), &mut lines);
        panel(unit, rows, &lines, &[0.0; COLS], dst.columns(first, COLS), write);
    }
    PANEL.set(lines);
}

thread_local! {
    /// The memory of the rows and of the panel before: freed and taken again for each product, it
    /// would cost up to a tenth of one.
    static ROUNDED: Cell<Rows> = Cell::default();
    static PANEL: Cell<Vec<Line>> = Cell::default();
}

#[cfg(test)]
mod tests {
    use super::super::in_bf16::rounded;
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

    /// The portable unit, and those that this CPU has; says so of the others.
    fn units() -> Vec<Unit> {
        let all = [Unit::Portable, Unit::Avx512Bf16, Unit::Amx];
        let (units, missing): (Vec<_>, Vec<_>) = all.into_iter().partition(|unit| unit.or_before() == *unit);
        missing.iter().for_each(|unit| eprintln!("skipped: this CPU has no {unit}"));
        units
    }

    /// `rounded`, as a number.
    fn round(x: f32) -> f32 {
        f32::from_bits(rounded(x) << 16)
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
                if unit != Unit::Avx512Bf16 {
                    seen.push(bits(&got));
                }
            }
            prop_assert!(seen.iter().all(|got| *got == seen[0]), "units differ");
        }
    }

    /// The order in which `vdpbf16ps` adds, one sum after another.
    #[test]
    fn avx512_adds_the_odd_place_of_a_pair_and_then_the_even_one() {
        if !units().contains(&Unit::Avx512Bf16) {
            return;
        }
        let (m, k, n) = (29, 131, 45);
        let (x, w) = (numbers(m * k, 4), numbers(n * k, 6));
        let mut got = vec![0.0; m * n];
        let (a, b) = (Mat::new(&x, m, k), Mat::new(&w, n, k).t());
        matmul(Unit::Avx512Bf16, MatMut::new(&mut got, m, n), a, b, Write::Overwrite);
        for (i, got) in got.chunks(n).enumerate() {
            let sum = |j: usize| {
                let term = |l: usize| if l < k { (round(a.at(i, l)), round(b.at(l, j))) } else { (0.0, 0.0) };
                (0..k).step_by(2).fold(0.0, |sum, l| {
                    let ([x, w], [more_x, more_w]): ([f32; 2], [f32; 2]) = (term(l).into(), term(l + 1).into());
                    x.mul_add(w, more_x.mul_add(more_w, sum))
                })
            };
            assert!(bits(got) == bits(&(0..n).map(sum).collect::<Vec<_>>()), "row {i}");
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
    fn threads_and_blocks_change_no_bit() {
        let (m, k, n) = (TRAINING_BLOCK + 75, 40, 70);
        let (x, w) = (numbers(m * k, 8), numbers(k * n, 2));
        let product = |threads: usize| {
            let mut y = vec![0.0; m * n];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let (a, b) = (Mat::new(&x, m, k), Mat::new(&w, k, n));
            pool.install(|| matmul(Unit::best().for_bf16(), MatMut::new(&mut y, m, n), a, b, Write::Overwrite));
            bits(&y)
        };
        let one = product(1);
        // Fewer threads than panels, and more.
        assert!(product(2) == one && product(7) == one);
        let mut last = vec![0.0; n];
        let a = Mat::new(&x[(m - 1) * k..], 1, k);
        matmul(Unit::best().for_bf16(), MatMut::new(&mut last, 1, n), a, Mat::new(&w, k, n), Write::Overwrite);
        assert_eq!(bits(&last), one[(m - 1) * n..]);
    }

    #[test]
    fn no_rows_have_no_product() {
        let (k, n) = (40, 70);
        let w = numbers(k * n, 2);
        let weight = Packed::new(Mat::new(&w, k, n), &[]);
        for unit in units() {
            let mut none = Rows::default();
            none.round(Mat::new(&[], 0, k), Threads::One);
            multiply(unit, &none, &weight, MatMut::new(&mut [], 0, n), Write::Overwrite);
            matmul(unit, MatMut::new(&mut [], 0, n), Mat::new(&[], 0, k), Mat::new(&w, k, n), Write::Add);
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
                rows.round(Mat::new(&numbers(7 * 33, 2), 7, 33), Threads::One);
                multiply(unit, &rows, &weight, MatMut::new(y, 7, 40), Write::Overwrite);
                rows.round(Mat::new(&[f32::NAN; 9 * 64], 9, 64), Threads::One);
            }
            assert_eq!(bits(&products[0]), bits(&products[1]), "{unit}");
            assert!(products[0].iter().all(|y| y.is_finite()), "{unit}");
        }
    }
}
