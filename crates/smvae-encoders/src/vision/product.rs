//! `dst = a w` or `dst += a w` on slices, on one thread: the product that every convolution on the
//! CPU ends in.
//!
//! ```text
//! a: [rows, k] (pixels, or their patches),    w: [k, n], packed,    dst: [rows, n]
//! ```
//! Weights do not change, so they are packed once: 16 columns side by side, `k` after `k`. A panel
//! of them stays in the first cache while the rows of a tile, which stay in the second, are
//! multiplied with it, six at once: twelve vectors of eight sums in the registers of AVX2. A
//! general product packs its operands in every call, and on the few rows that a late layer has that
//! is a tenth and more of the time.

use pulp::{Scalar, Simd, WithSimd};

/// Columns of a panel.
const COLUMNS: usize = 16;
/// Rows that are multiplied at once.
const ROWS: usize = 6;
/// Steps of `k` in a row: 16 KiB of a panel, half of a first cache.
const DEPTH: usize = 256;

/// A matrix `[k, n]` in panels.
#[derive(Debug)]
pub(super) struct Packed {
    k: usize,
    n: usize,
    /// `[ceil(n / 16), k, 16]`, zeros to the right of the last column.
    panels: Vec<[f32; COLUMNS]>,
}

/// What a product does with what its destination holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Overwrite,
    Add,
}

impl Packed {
    /// Packs a matrix `[k, n]` that is stored row by row.
    pub(super) fn new(matrix: &[f32], n: usize) -> Self {
        let k = matrix.len() / n.max(1);
        let mut panels = vec![[0.0; COLUMNS]; n.div_ceil(COLUMNS) * k];
        for (step, row) in matrix.chunks_exact(n.max(1)).enumerate() {
            for (panel, columns) in row.chunks(COLUMNS).enumerate() {
                panels[panel * k + step][..columns.len()].copy_from_slice(columns);
            }
        }
        Self { k, n, panels }
    }

    /// Writes the product of `a: [rows, k]` with this matrix to `dst: [rows, n]`.
    pub(super) fn multiply(&self, dst: &mut [f32], a: &[f32], write: Write) {
        assert_eq!(dst.len() * self.k, a.len() * self.n, "matrix product of shapes that do not fit");
        pulp::Arch::new().dispatch(Product { w: self, dst, a, write });
    }
}

/// A product that is to be computed with the widest vectors this CPU has.
struct Product<'a> {
    w: &'a Packed,
    dst: &'a mut [f32],
    a: &'a [f32],
    write: Write,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            8 => self.blocks::<S, 2>(simd),
            4 => self.blocks::<S, 4>(simd),
            16 => self.blocks::<S, 1>(simd),
            _ => self.blocks::<Scalar, COLUMNS>(Scalar),
        }
    }
}

impl Product<'_> {
    /// `V` vectors make a row of a panel.
    #[inline(always)]
    fn blocks<S: Simd, const V: usize>(self, simd: S) {
        let Self { w: Packed { k, n, panels }, dst, a, write } = self;
        let (k, n) = (*k, *n);
        for from in (0..k).step_by(DEPTH) {
            let to = (from + DEPTH).min(k);
            let add = from > 0 || write == Write::Add;
            for (panel, column) in panels.chunks_exact(k).zip((0..n).step_by(COLUMNS)) {
                let (panel, width) = (&panel[from..to], COLUMNS.min(n - column));
                for (dst, a) in dst.chunks_mut(ROWS * n).zip(a.chunks(ROWS * k)) {
                    let rows = a.len() / k;
                    // Where a tile's last rows are fewer than six, the last of them is multiplied
                    // several times.
                    let row = |row: usize| &a[row.min(rows - 1) * k + from..][..to - from];
                    let sums = sums::<S, V>(simd, panel, [row(0), row(1), row(2), row(3), row(4), row(5)]);
                    for (row, sums) in sums.iter().enumerate().take(rows) {
                        let to = &mut dst[row * n + column..][..width];
                        if add {
                            to.iter_mut().zip(sums).for_each(|(y, sum)| *y += sum);
                        } else {
                            to.copy_from_slice(&sums[..width]);
                        }
                    }
                }
            }
        }
    }
}

/// Six rows times a panel.
#[inline(always)]
fn sums<S: Simd, const V: usize>(simd: S, panel: &[[f32; COLUMNS]], rows: [&[f32]; ROWS]) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = [[simd.splat_f32s(0.0); V]; ROWS];
    let [a, b, c, d, e, f] = rows;
    // Iterators side by side, since an index would be checked six times a step.
    let steps = panel.iter().zip(a).zip(b).zip(c).zip(d).zip(e).zip(f);
    for ((((((weights, a), b), c), d), e), f) in steps {
        let weights = S::as_simd_f32s(weights).0;
        for (sums, x) in sums.iter_mut().zip([a, b, c, d, e, f]) {
            let x = simd.splat_f32s(*x);
            for (sum, w) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add_e_f32s(x, *w, *sum);
            }
        }
    }
    let mut numbers = [[0f32; COLUMNS]; ROWS];
    for (numbers, sums) in numbers.iter_mut().zip(sums) {
        S::as_mut_simd_f32s(numbers).0.copy_from_slice(&sums);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rows: usize, k: usize, n: usize) {
        // Whole numbers: every order of summation gives the same.
        let numbers = |count: usize, step: usize| (0..count).map(|i| ((i * step) % 7) as f32 - 3.0).collect::<Vec<_>>();
        let (a, w) = (numbers(rows * k, 5), numbers(k * n, 3));
        let want = |row: usize, column: usize| (0..k).map(|i| a[row * k + i] * w[i * n + column]).sum::<f32>();
        let want: Vec<f32> = (0..rows * n).map(|i| want(i / n, i % n)).collect();
        let packed = Packed::new(&w, n);
        let mut got = vec![f32::NAN; rows * n];
        packed.multiply(&mut got, &a, Write::Overwrite);
        assert_eq!(got, want, "{rows} x {k} x {n}");
        packed.multiply(&mut got, &a, Write::Add);
        assert!(got.iter().zip(&want).all(|(got, want)| *got == 2.0 * want), "{rows} x {k} x {n}, added");
    }

    #[test]
    fn products_of_every_edge_are_right() {
        for rows in [1, 5, 6, 7, 13] {
            for (k, n) in [(1, 1), (3, 15), (256, 16), (257, 17), (600, 40)] {
                check(rows, k, n);
            }
        }
    }
}
