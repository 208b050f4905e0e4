//! The product of rows and a weight in bf16, by the unit that is asked for.
//!
//! A product of two numbers of 8 significant bits is exact in f32, and sums are f32. The order of a
//! sum is that of AMX's `tdpbf16ps`, which takes a [`STEP`] of terms: those at even places are
//! added up from zero, and those at odd places, and then the sum of both is added to what came
//! before. So AMX gives the same bits, but for numbers below 2^-126, which it takes for zeros.
//! AVX-512's instruction has another order, and so other last bits.

use super::super::precision::Unit;
use super::super::real::vectorised;
use super::float::{Mat, MatMut, Write};
use super::rounded::{Line, Packed, Rows, finish};
use super::{COLS, LANES, STEP};
#[cfg(target_arch = "x86_64")]
use super::{amx, avx512_bf16};
use rayon::prelude::*;

/// `dst = rows weight + bias`, or `dst += rows weight + bias`. No bit of a row depends on the rows
/// beside it.
pub(crate) fn multiply(unit: Unit, rows: &Rows, weight: &Packed, dst: MatMut<'_, f32>, write: Write) {
    assert!(rows.pairs == weight.pairs, "rows of another width than the weight's");
    assert!(dst.dims() == (rows.n_rows(), weight.n), "a destination of another shape than the product");
    match unit {
        #[cfg(target_arch = "x86_64")]
        Unit::Amx => by_tiles(rows, weight, dst, write),
        #[cfg(target_arch = "x86_64")]
        Unit::Avx512Bf16 => avx512_bf16::multiply(rows, weight, dst, write),
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

/// Rows that a task rounds and multiplies at once where a weight is kept.
pub(super) const BLOCK: usize = 96;
/// The same in training, where products have more rows: each block reads the whole weight.
const TRAINING_BLOCK: usize = 192;

/// `dst = a b`, or `dst += a b`, with `a` and `b` rounded, on all threads.
pub(crate) fn matmul(unit: Unit, dst: MatMut<'_, f32>, a: Mat<'_, f32>, b: Mat<'_, f32>, write: Write) {
    let ((m, k), n) = (a.dims(), b.dims().1);
    assert!(b.dims().0 == k && dst.dims() == (m, n), "matrix product of shapes that do not fit");
    let weight = Packed::new(b, &[]);
    let block = m.div_ceil(rayon::current_num_threads()).next_multiple_of(COLS).clamp(COLS, TRAINING_BLOCK);
    let blocks = dst.row_blocks(block);
    blocks.into_par_iter().enumerate().for_each_init(Rows::default, |rows, (i, dst)| {
        rows.round(a.rows(i * block, dst.dims().0));
        multiply(unit, rows, &weight, dst, write);
    });
}

#[cfg(test)]
mod tests {
    use super::super::rounded::rounded;
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
