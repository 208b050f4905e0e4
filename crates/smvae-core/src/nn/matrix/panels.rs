//! The product of f32 on CPUs with AVX-512, twelve rows by 32 columns at a time, 24 registers of
//! sums.
//!
//! The kernel of `vnni` with another number type. With the few rows of one post it is twice as fast
//! as `gemm`, which arranges the right side anew for every product. Here a layer that only predicts
//! does that once, in panels of 32 columns, `[panels, terms, columns]`.
//!
//! Sums are those of [`DEPTH`] terms each, one after another, added up in order. So no bit of a row
//! depends on other rows.

use super::super::real::vectorised;
use super::float::{Mat, MatMut, Write};
use super::tile::{TILE, by_rows, fetch_ahead, stored};
use super::{COLS, LANES};
use rayon::prelude::*;
use std::arch::x86_64::*;

/// Terms of a sum: as many lines of a panel as fit into the first two caches beside the rows.
const DEPTH: usize = 512;
/// Rows that a task computes at once.
pub(super) const BLOCK: usize = 192;

/// A term of 16 columns: one register, one line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LANES]);

/// Whether this CPU has what [`multiply`] needs.
pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// The right side of a product, and a bias.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    k: usize,
    n: usize,
    lines: Vec<Line>,
    bias: Vec<f32>,
}

impl Packed {
    /// The right side of a product, `[k, n]`, and what is added to each row of the product, `[n]`
    /// or nothing.
    pub(crate) fn new(weight: Mat<'_, f32>, bias: &[f32]) -> Self {
        let (k, n) = weight.dims();
        assert!(bias.is_empty() || bias.len() == n, "a bias that does not fit its weight");
        let mut lines = vec![Line([0.0; LANES]); n.div_ceil(COLS) * k * (COLS / LANES)];
        let columns = weight.t();
        lines.par_chunks_mut((k * (COLS / LANES)).max(1)).enumerate().for_each(|(panel, lines)| {
            for (half, first) in (panel * COLS..n.min((panel + 1) * COLS)).step_by(LANES).enumerate() {
                pack(columns.rows(first, LANES.min(n - first)), &mut lines[half..]);
            }
        });
        Self { k, n, lines, bias: bias.to_vec() }
    }

    /// Numbers of a row that it multiplies, and of a row that it gives.
    pub(crate) fn dims(&self) -> (usize, usize) {
        (self.k, self.n)
    }
}

/// Writes up to 16 columns, given as rows, to every second line.
fn pack(columns: Mat<'_, f32>, lines: &mut [Line]) {
    let (_, k) = columns.dims();
    vectorised(
        #[inline(always)]
        || {
            let mut block = [[0.0; LANES]; LANES];
            for at in (0..k).step_by(LANES) {
                let terms = LANES.min(k - at);
                columns.columns(at, terms).copy_rows(&mut block);
                let to = lines[at * (COLS / LANES)..].iter_mut().step_by(COLS / LANES);
                for (term, line) in to.take(terms).enumerate() {
                    line.0 = std::array::from_fn(|j| block[j][term]);
                }
            }
        },
    );
}

/// `dst = rows weight + bias`, or `dst += rows weight + bias`. `rows` are rows of consecutive
/// numbers.
pub(crate) fn multiply(rows: Mat<'_, f32>, weight: &Packed, dst: MatMut<'_, f32>, write: Write) {
    assert!(rows.dims().1 == weight.k, "rows of another width than the weight's");
    assert!(dst.dims() == (rows.dims().0, weight.n), "a destination of another shape than the product");
    assert!(is_there(), "a CPU without AVX-512");
    // SAFETY: the CPU has the feature that the function was compiled for.
    unsafe { panels(rows, weight, dst, write) }
}

/// Where a tile lies, and what it is written to.
struct Place<'a, 'd> {
    /// Its first row, column and term.
    row: usize,
    col: usize,
    term: usize,
    dst: &'a mut MatMut<'d, f32>,
    /// What is added to each row; nothing if the sums of the terms before are.
    bias: &'a [f32],
    write: Write,
}

#[target_feature(enable = "avx512f")]
fn panels(rows: Mat<'_, f32>, weight: &Packed, mut dst: MatMut<'_, f32>, write: Write) {
    let n = rows.dims().0;
    let length = weight.k * (COLS / LANES);
    for (panel, col) in (0..weight.n).step_by(COLS).enumerate() {
        let lines = weight.lines[panel * length..][..length].as_chunks::<2>().0;
        let bias = weight.bias.get(col..).unwrap_or_default();
        for term in (0..weight.k.max(1)).step_by(DEPTH) {
            let lines = &lines[term..weight.k.min(term + DEPTH)];
            for row in (0..n).step_by(TILE) {
                let (bias, write) = if term == 0 { (bias, write) } else { (&[][..], Write::Add) };
                let at = Place { row, col, term, dst: &mut dst, bias, write };
                by_rows!(n - row, tile(rows, lines, at));
            }
        }
    }
}

/// `R` rows by the columns of a panel, of as many terms as there are pairs of lines.
#[inline]
#[target_feature(enable = "avx512f")]
fn tile<const R: usize>(rows: Mat<'_, f32>, lines: &[[Line; 2]], at: Place<'_, '_>) {
    let (values, apart) = rows.from(at.row, at.term);
    assert!((R - 1) * apart + lines.len() <= values.len(), "a panel of more terms than the rows");
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for (term, halves) in lines.iter().enumerate() {
        fetch_ahead(halves);
        let [left, right] = halves;
        // SAFETY: a line has 16 numbers and is aligned to as many.
        let (left, right) = unsafe { (_mm512_load_ps(left.0.as_ptr()), _mm512_load_ps(right.0.as_ptr())) };
        for (r, [to_left, to_right]) in sums.iter_mut().enumerate() {
            // SAFETY: r < R and term < lines.len(), which lie within the slice (asserted).
            let x = _mm512_set1_ps(unsafe { *values.get_unchecked(r * apart + term) });
            *to_left = _mm512_fmadd_ps(x, left, *to_left);
            *to_right = _mm512_fmadd_ps(x, right, *to_right);
        }
    }
    finish(&stored(sums), at);
}

/// Adds the sums, and a bias, to where they belong.
#[inline]
#[target_feature(enable = "avx512f")]
fn finish(sums: &[[f32; COLS]], at: Place<'_, '_>) {
    for (r, sums) in sums.iter().enumerate() {
        let row = &mut at.dst.row(at.row + r)[at.col..];
        match at.bias {
            [] => at.write.put(row, sums.iter().copied()),
            bias => at.write.put(row, sums.iter().zip(bias).map(|(sum, bias)| sum + bias)),
        }
    }
}

/// `dst = a b`, or `dst += a b`, on all threads. `a` has rows of consecutive numbers.
pub(crate) fn matmul(dst: MatMut<'_, f32>, a: Mat<'_, f32>, b: Mat<'_, f32>, write: Write) {
    let ((m, k), n) = (a.dims(), b.dims().1);
    assert!(b.dims().0 == k && dst.dims() == (m, n), "matrix product of shapes that do not fit");
    let weight = Packed::new(b, &[]);
    let block = m.div_ceil(rayon::current_num_threads()).clamp(1, BLOCK);
    dst.blocks(block, weight.n.max(1)).into_par_iter().for_each(|([row, _], dst)| {
        multiply(a.rows(row, dst.dims().0), &weight, dst, write);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    fn bits(x: &[f32]) -> Vec<u32> {
        x.iter().map(|x| x.to_bits()).collect()
    }

    fn skips() -> bool {
        if !is_there() {
            eprintln!("skipped: this CPU has no AVX-512");
        }
        !is_there()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn products_of_all_shapes_and_strides(
            m in 1..40usize, k in 1..1100usize, n in 1..80usize, more in 0..3usize, transposed: bool,
        ) {
            if skips() {
                return Ok(());
            }
            let (x, w) = (numbers(m * (k + more), 0.7), numbers(n.max(k) * (n.max(k) + more), 1.3));
            let a = Mat::strided(&x, m, k, k + more);
            let b = if transposed { Mat::strided(&w, n, k, k + more).t() } else { Mat::strided(&w, k, n, n + more) };
            let before = numbers(m * (n + more), 0.1);
            let mut got = before.clone();
            matmul(MatMut::strided(&mut got, m, n, n + more), a, b, Write::Overwrite);
            matmul(MatMut::strided(&mut got, m, n, n + more), a, b, Write::Add);
            for i in 0..m {
                for j in 0..n {
                    let want = 2.0 * (0..k).map(|l| a.at(i, l) as f64 * b.at(l, j) as f64).sum::<f64>();
                    let off = (got[i * (n + more) + j] as f64 - want).abs();
                    prop_assert!(off <= 1e-6 * k as f64, "{i}, {j}: {off}");
                }
                let behind = i * (n + more) + n..(i + 1) * (n + more);
                prop_assert_eq!(&got[behind.clone()], &before[behind], "written outside of the matrix");
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_whatever_is_beside_it_and_nan_stays_in_its_row() {
        if skips() {
            return;
        }
        let (m, k, n) = (45, 700, 70);
        let (x, w, bias) = (numbers(m * k, 0.3), numbers(n * k, 0.9), numbers(n, 0.5));
        let weight = Packed::new(Mat::new(&w, n, k).t(), &bias);
        let product = |x: &[f32]| {
            let m = x.len() / k;
            let mut y = vec![0.0; m * n];
            multiply(Mat::new(x, m, k), &weight, MatMut::new(&mut y, m, n), Write::Overwrite);
            y
        };
        let all = product(&x);
        for i in 0..m {
            assert_eq!(bits(&product(&x[i * k..][..k])), bits(&all[i * n..][..n]), "row {i}");
        }
        // As a layer that trains begins with its bias and adds.
        let mut added = bias.repeat(m);
        let (rows, columns) = (Mat::new(&x, m, k), Mat::new(&w, n, k).t());
        matmul(MatMut::new(&mut added, m, n), rows, columns, Write::Add);
        assert_eq!(bits(&added), bits(&all));
        let mut x = x.clone();
        x[3 * k + 5] = f32::NAN;
        let got = product(&x);
        assert!(got[3 * n..4 * n].iter().all(|y| y.is_nan()));
        assert_eq!((bits(&got[..3 * n]), bits(&got[4 * n..])), (bits(&all[..3 * n]), bits(&all[4 * n..])));
    }
}
