//! Matrix products of a few dozen rows, as attention has them by the hundred: there gemm's set-up
//! costs more than the product.
//!
//! Both operands are copied into panels (four rows of the left one, sixteen columns of the right
//! one, padded with zeros), so that the inner loop is `[4, 1] x [1, 16]` on consecutive numbers and
//! its sums stay in registers.

use super::matrix::{Mat, MatMut, Write};
use super::real::{Real, vectorised};

/// Rows and columns of what is computed at once.
const ROWS: usize = 4;
const COLS: usize = 16;

/// Memory for the panels, kept from product to product.
pub(super) struct Panels<T> {
    left: Vec<T>,
    right: Vec<T>,
}

impl<T: Real> Panels<T> {
    pub(super) fn new() -> Self {
        Self { left: Vec::new(), right: Vec::new() }
    }

    /// `dst = scale * a b`, or `dst += scale * a b`, on this thread.
    pub(super) fn matmul(&mut self, mut dst: MatMut<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, scale: T, write: Write) {
        let ((m, k), (b_rows, n)) = (a.dims(), b.dims());
        assert!(b_rows == k && dst.dims() == (m, n), "matrix product of shapes that do not fit");
        vectorised(
            #[inline(always)]
            || {
                pack::<T, COLS>(b.t(), &mut self.right);
                for i in (0..m).step_by(ROWS) {
                    let rows = ROWS.min(m - i);
                    pack::<T, ROWS>(a.rows(i, rows), &mut self.left);
                    for (j, right) in (0..n).step_by(COLS).zip(self.right.chunks_exact(k * COLS)) {
                        let sums = multiply(&self.left, right);
                        for (r, sums) in sums.iter().enumerate().take(rows) {
                            let dst = &mut dst.row(i + r)[j..n.min(j + COLS)];
                            if write == Write::Add {
                                dst.iter_mut().zip(sums).for_each(|(d, s)| *d += scale * *s);
                            } else {
                                dst.iter_mut().zip(sums).for_each(|(d, s)| *d = scale * *s);
                            }
                        }
                    }
                }
            },
        );
    }
}

/// Panels of `WIDTH` rows of `x`, each stored column after column, the last one filled up with
/// zeros.
#[inline(always)]
fn pack<T: Real, const WIDTH: usize>(x: Mat<'_, T>, panels: &mut Vec<T>) {
    let (rows, cols) = x.dims();
    panels.clear();
    panels.resize(rows.div_ceil(WIDTH) * WIDTH * cols, T::ZERO);
    for (i, panel) in (0..rows).step_by(WIDTH).zip(panels.chunks_exact_mut(WIDTH * cols)) {
        x.rows(i, WIDTH.min(rows - i)).copy_columns(panel, WIDTH);
    }
}

#[inline(always)]
fn multiply<T: Real>(left: &[T], right: &[T]) -> [[T; COLS]; ROWS] {
    let mut sums = [[T::ZERO; COLS]; ROWS];
    // Arrays, since slices made LLVM gather columns where a CPU can (AVX-512), three times as slow.
    for (a, b) in left.as_chunks::<ROWS>().0.iter().zip(right.as_chunks::<COLS>().0) {
        for (sums, a) in sums.iter_mut().zip(a) {
            *sums = std::array::from_fn(|j| sums[j] + *a * b[j]);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_all_shapes_and_strides() {
        let mut panels = Panels::new();
        for (m, k, n) in [(1, 1, 1), (4, 3, 16), (5, 7, 17), (27, 32, 27), (3, 2, 40)] {
            let a: Vec<f64> = (0..m * k).map(|i| (i as f64).sin()).collect();
            let b: Vec<f64> = (0..n * k).map(|i| (i as f64).cos()).collect();
            let mut got = vec![1.0; m * (n + 2)];
            let (a, b) = (Mat::new(&a, m, k), Mat::new(&b, n, k).t());
            panels.matmul(MatMut::strided(&mut got, m, n, n + 2), a, b, 2.0, Write::Overwrite);
            panels.matmul(MatMut::strided(&mut got, m, n, n + 2), a, b, 1.0, Write::Add);
            for i in 0..m {
                for j in 0..n {
                    let want = 3.0 * (0..k).map(|l| a.at(i, l) * b.at(l, j)).sum::<f64>();
                    assert!((got[i * (n + 2) + j] - want).abs() < 1e-12, "{m} {k} {n}: {i}, {j}");
                }
                assert!(got[i * (n + 2) + n..][..2] == [1.0; 2], "written outside of the matrix");
            }
        }
    }
}
