//! The product of quantised rows and a packed weight, by the unit that is asked for. The portable
//! one is the meaning of the others: each gives its bits.

use super::super::precision::Unit;
use super::super::real::vectorised;
#[cfg(target_arch = "x86_64")]
use super::amx;
use super::float::{MatMut, Write};
use super::in_int8::{Columns, GROUP, Line, Packed, Rows};
#[cfg(target_arch = "x86_64")]
use super::vnni;
use super::{COLS, LANES};

/// `dst = rows weight + bias`, or `dst += rows weight + bias`; `dst: [rows, n]`. Any unit gives the
/// same bits, and a row the same whatever rows are beside it.
pub(crate) fn multiply(unit: Unit, rows: &Rows, weight: &Packed, dst: MatMut<'_, f32>, write: Write) {
    assert!(rows.groups == weight.groups, "rows of another width than the weight's");
    assert!(dst.dims() == (rows.n_rows(), weight.n), "a destination of another shape than the product");
    match unit {
        #[cfg(target_arch = "x86_64")]
        Unit::Amx => by_tiles(rows, weight, dst, write),
        #[cfg(target_arch = "x86_64")]
        Unit::Vnni => vnni::multiply(rows, weight, dst, write),
        _ => portable(rows, weight, dst, write),
    }
}

#[cfg(target_arch = "x86_64")]
fn by_tiles(rows: &Rows, weight: &Packed, mut dst: MatMut<'_, f32>, write: Write) {
    let tiles = amx::Tiles::new(amx::Number::Int8, &rows.values, rows.groups);
    for (first, lines, columns) in weight.panels() {
        tiles.multiply(lines, |row, sums| {
            vectorised(
                #[inline(always)]
                || {
                    for (i, (sums, scale)) in sums.iter().zip(&rows.scales[row..]).enumerate() {
                        let sums = std::array::from_fn(|j| columns.starts[j].wrapping_add(sums[j] as i32));
                        let dst = &mut dst.row(row + i)[first..weight.n.min(first + COLS)];
                        finish(&sums, *scale, columns, dst, write);
                    }
                },
            );
        });
    }
}

fn portable(rows: &Rows, weight: &Packed, mut dst: MatMut<'_, f32>, write: Write) {
    let width = rows.groups * GROUP;
    vectorised(
        #[inline(always)]
        || {
            for (first, lines, columns) in weight.panels() {
                for (i, row_scale) in rows.scales.iter().enumerate() {
                    let row = &rows.values[i * width..][..width];
                    let dst = &mut dst.row(i)[first..weight.n.min(first + COLS)];
                    finish(&sums(row, lines, &columns.starts), *row_scale, columns, dst, write);
                }
            }
        },
    );
}

/// The sums of a row and the columns of a panel.
#[inline(always)]
fn sums(row: &[u8], lines: &[Line], starts: &[i32; COLS]) -> [i32; COLS] {
    let mut sums = *starts;
    for (four, lines) in row.as_chunks::<GROUP>().0.iter().zip(lines.as_chunks::<{ COLS / LANES }>().0) {
        let four = four.map(i32::from);
        for (sums, line) in sums.as_chunks_mut::<LANES>().0.iter_mut().zip(lines) {
            for (sum, b) in sums.iter_mut().zip(line.0.as_chunks::<GROUP>().0) {
                let b = b.map(i32::from);
                let products = four[0] * b[0] + four[1] * b[1] + four[2] * b[2] + four[3] * b[3];
                *sum = sum.wrapping_add(products);
            }
        }
    }
    sums
}

#[inline(always)]
fn finish(sums: &[i32; COLS], row_scale: f32, columns: &Columns, dst: &mut [f32], write: Write) {
    let products = sums.iter().zip(&columns.scales).map(|(sum, scale)| *sum as f32 * (row_scale * scale));
    write.put(dst, products.zip(&columns.bias).map(|(product, bias)| product + bias));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers of all signs and magnitudes that a hash of their place gives; now and then a zero.
    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let hash = |i: usize| (i as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        let number = |h: u64| (h % 2001) as f32 / 1000.0 - 1.0;
        (0..n).map(|i| hash(i).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 20).map(number).collect()
    }

    fn product(unit: Unit, x: &[f32], weight: &Packed, dst: &[f32], write: Write) -> Vec<f32> {
        let (mut rows, mut dst) = (Rows::default(), dst.to_vec());
        rows.quantise(x, weight.k);
        multiply(unit, &rows, weight, MatMut::new(&mut dst, x.len() / weight.k, weight.n), write);
        dst
    }

    fn bits(x: &[f32]) -> Vec<u32> {
        // Which NaN it is does not matter.
        x.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
    }

    /// Every other unit of this CPU; says so where one is missing.
    fn units() -> Vec<Unit> {
        let (there, missing): (Vec<_>, Vec<_>) =
            [Unit::Vnni, Unit::Amx].into_iter().partition(|unit| unit.or_before() == *unit);
        missing.iter().for_each(|unit| eprintln!("skipped: this CPU has no {unit}"));
        there
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn units_give_the_sums_of_the_portable_one(m in 0..30usize, k in 1..300usize, n in 1..120usize, seed: u64) {
            for unit in units() {
                let (x, w, bias) = (numbers(m * k, seed), numbers(n * k, !seed), numbers(n, seed / 3));
                let mut weight = Packed::new(&w, n, k, &bias);
                for write in [Write::Overwrite, Write::Add] {
                    let before = numbers(m * n, seed / 7);
                    let [got, want] = [unit, Unit::Portable].map(|unit| product(unit, &x, &weight, &before, write));
                    prop_assert_eq!(bits(&got), bits(&want));
                }
                // With these scales a product is its sum, which f32 holds: k * 127^2 < 2^24.
                for columns in &mut weight.columns {
                    (columns.scales, columns.bias) = ([1.0; COLS], [0.0; COLS]);
                }
                let (mut rows, mut got) = (Rows::default(), vec![0.0; m * n]);
                rows.quantise(&x, k);
                rows.scales.fill(1.0);
                multiply(unit, &rows, &weight, MatMut::new(&mut got, m, n), Write::Overwrite);
                for i in 0..m {
                    for j in 0..n {
                        prop_assert_eq!(got[i * n + j] as i32, sum(&x[i * k..][..k], &w[j * k..][..k]), "{}, {}", i, j);
                    }
                }
            }
        }

        #[test]
        fn products_are_close_to_those_of_f64(m in 1..20usize, k in 1..200usize, n in 1..80usize, seed: u64) {
            let (x, w, bias) = (numbers(m * k, seed), numbers(n * k, !seed), numbers(n, seed / 3));
            let got = product(Unit::best(), &x, &Packed::new(&w, n, k, &bias), &vec![0.0; m * n], Write::Overwrite);
            let largest = |row: &[f32]| row.iter().fold(0f64, |top, x| top.max(x.abs() as f64));
            for (i, x) in x.chunks(k).enumerate() {
                for (j, w) in w.chunks(k).enumerate() {
                    let want: f64 = x.iter().zip(w).map(|(x, w)| *x as f64 * *w as f64).sum::<f64>() + bias[j] as f64;
                    // Each side is off by half a step at most, and each product by both.
                    let (step_x, step_w) = (largest(x) / 254.0, largest(w) / 254.0);
                    let sum = |row: &[f32]| row.iter().map(|x| x.abs() as f64).sum::<f64>();
                    let bound = step_x * sum(w) + step_w * sum(x) + step_x * step_w * k as f64 + 1e-5;
                    let off = (got[i * n + j] as f64 - want).abs();
                    prop_assert!(off <= bound, "{i}, {j}: {off} is over {bound}");
                }
            }
        }
    }

    /// The sum of a row and a column in plain integers.
    fn sum(x: &[f32], w: &[f32]) -> i32 {
        let quantised = |row: &[f32]| -> Vec<i32> {
            let largest = row.iter().fold(0f32, |top, x| top.max(x.abs()));
            row.iter()
                .map(|x| if largest > 0.0 { (x * (127.0 / largest)).round_ties_even() as i32 } else { 0 })
                .collect()
        };
        quantised(x).iter().zip(quantised(w)).map(|(x, w)| x * w).sum()
    }

    #[test]
    fn the_longest_sums_do_not_overflow() {
        for k in [3072, 70_001] {
            for (a, b) in [(1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)] {
                let weight = Packed::new(&vec![b; 33 * k], 33, k, &[0.0; 33]);
                for unit in units().into_iter().chain([Unit::Portable]) {
                    let got = product(unit, &vec![a; 13 * k], &weight, &[0.0; 13 * 33], Write::Overwrite);
                    let want = (a * b * k as f32) as f64;
                    assert!(got.iter().all(|y| (*y as f64 / want - 1.0).abs() < 1e-5), "{unit}, {k}: {}", got[0]);
                }
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_whatever_is_beside_it_and_nan_stays_in_its_row() {
        let (k, n) = (50, 70);
        let weight = Packed::new(&numbers(n * k, 1), n, k, &numbers(n, 2));
        for unit in units().into_iter().chain([Unit::Portable]) {
            let mut x = numbers(25 * k, 3);
            x[7 * k..8 * k].fill(0.0);
            let all = product(unit, &x, &weight, &[0.0; 25 * 70], Write::Overwrite);
            for i in 0..25 {
                let alone = product(unit, &x[i * k..][..k], &weight, &[0.0; 70], Write::Overwrite);
                assert_eq!(bits(&alone), bits(&all[i * n..][..n]), "{unit}: row {i}");
            }
            let bias: Vec<f32> = weight.columns.iter().flat_map(|columns| columns.bias).take(n).collect();
            assert_eq!(bits(&all[7 * n..8 * n]), bits(&bias), "{unit}: zeros times the weight");
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x = x.clone();
                x[3 * k + 5] = bad;
                let got = product(unit, &x, &weight, &[0.0; 25 * 70], Write::Overwrite);
                assert!(got[3 * n..4 * n].iter().all(|y| y.is_nan()), "{unit}: {bad} gives NaN");
                assert_eq!(bits(&got[..3 * n]), bits(&all[..3 * n]), "{unit}");
                assert_eq!(bits(&got[4 * n..]), bits(&all[4 * n..]), "{unit}");
            }
        }
    }
}
