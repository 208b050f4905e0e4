//! Products in f32 and f64 on slices, with strides: a bounds-checked door to the `gemm` crate, the
//! product candle uses itself.
//!
//! Inside a fused operation candle's tensors would cost an allocation and a copy for each product.

use super::super::real::{Real, vectorised};
use gemm::Parallelism;
use rayon::prelude::*;
use std::any::TypeId;
use std::marker::PhantomData;

/// A matrix in a slice, element `(i, j)` at `i * row_stride + j * col_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T: Real> Mat<'a, T> {
    /// A matrix stored row after row.
    pub(crate) fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// A matrix whose rows lie `row_stride` elements apart.
    pub(crate) fn strided(data: &'a [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || cols == 0 || (rows - 1) * row_stride + cols <= data.len(), "matrix outside of its slice");
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transpose, a view.
    #[inline(always)]
    pub(crate) fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// Numbers of rows and columns.
    #[inline(always)]
    pub(crate) fn dims(self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// `rows` rows from `start` on, a view.
    #[inline(always)]
    pub(crate) fn rows(self, start: usize, rows: usize) -> Self {
        assert!(start + rows <= self.rows, "rows outside of their matrix");
        Self { data: &self.data[(start * self.row_stride).min(self.data.len())..], rows, ..self }
    }

    /// What lies from an element on, of a matrix of consecutive rows, and how far apart these are.
    #[inline(always)]
    pub(super) fn from(self, row: usize, col: usize) -> (&'a [T], usize) {
        assert!(self.col_stride == 1, "rows of numbers that lie apart");
        (&self.data[row * self.row_stride + col..], self.row_stride)
    }

    /// Whether the numbers of a row lie one after another.
    #[inline(always)]
    pub(super) fn has_consecutive_rows(self) -> bool {
        self.col_stride == 1
    }

    /// `cols` columns from `start` on, a view.
    #[inline(always)]
    pub(crate) fn columns(self, start: usize, cols: usize) -> Self {
        assert!(start + cols <= self.cols, "columns outside of their matrix");
        Self { data: &self.data[(start * self.col_stride).min(self.data.len())..], cols, ..self }
    }

    /// Writes each row to the beginning of one of `to`.
    #[inline(always)]
    pub(crate) fn copy_rows<const WIDTH: usize>(self, to: &mut [[T; WIDTH]]) {
        if self.col_stride == 1 {
            for (i, to) in to.iter_mut().enumerate().take(self.rows) {
                to[..self.cols].copy_from_slice(&self.data[i * self.row_stride..][..self.cols]);
            }
        } else {
            for j in 0..self.cols {
                let column = self.column(j).iter().step_by(self.row_stride);
                to.iter_mut().zip(column).take(self.rows).for_each(|(to, v)| to[j] = *v);
            }
        }
    }

    /// Writes column `j` to the beginning of `to[j * width..]`, for every column.
    #[inline(always)]
    pub(crate) fn copy_columns(self, to: &mut [T], width: usize) {
        let columns = to.chunks_exact_mut(width).take(self.cols);
        if self.row_stride == 1 {
            columns.enumerate().for_each(|(j, to)| to[..self.rows].copy_from_slice(&self.column(j)[..self.rows]));
        } else {
            for (j, to) in columns.enumerate() {
                to.iter_mut()
                    .zip(self.column(j).iter().step_by(self.row_stride))
                    .take(self.rows)
                    .for_each(|(t, v)| *t = *v);
            }
        }
    }

    #[inline(always)]
    fn column(self, j: usize) -> &'a [T] {
        &self.data[j * self.col_stride..]
    }

    /// The same if its numbers are f32.
    pub(super) fn in_f32(self) -> Option<Mat<'a, f32>> {
        let Self { data, rows, cols, row_stride, col_stride } = self;
        T::as_f32s(data).map(|data| Mat { data, rows, cols, row_stride, col_stride })
    }

    #[cfg(test)]
    pub(crate) fn at(self, i: usize, j: usize) -> T {
        self.data[i * self.row_stride + j * self.col_stride]
    }
}

/// A matrix to write to: rows of consecutive elements, `row_stride` apart.
pub(crate) struct MatMut<'a, T> {
    /// The first element. What lies between the rows belongs to others.
    data: *mut T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    of: PhantomData<&'a mut [T]>,
}

// SAFETY: it is what a mutable slice is, of elements that no other reaches.
unsafe impl<T: Send> Send for MatMut<'_, T> {}

impl<'a, T: Real> MatMut<'a, T> {
    pub(crate) fn new(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    pub(crate) fn strided(data: &'a mut [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || cols == 0 || (rows - 1) * row_stride + cols <= data.len(), "matrix outside of its slice");
        assert!(cols <= row_stride || rows <= 1, "rows of a written matrix overlap");
        Self { data: data.as_mut_ptr(), rows, cols, row_stride, of: PhantomData }
    }

    pub(crate) fn dims(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    #[inline(always)]
    pub(crate) fn row(&mut self, i: usize) -> &mut [T] {
        assert!(i < self.rows, "a row outside of its matrix");
        // Wrapping, since a row of no columns may be outside of the slice.
        let first = self.data.wrapping_add(i * self.row_stride);
        // SAFETY: the constructors checked that every row with columns lies inside of its slice,
        // and nothing else reaches it: this matrix is borrowed, and blocks of one have no element
        // in common.
        unsafe { std::slice::from_raw_parts_mut(first, self.cols) }
    }

    /// The same if its numbers are f32.
    pub(super) fn in_f32(self) -> Option<MatMut<'a, f32>> {
        let Self { data, rows, cols, row_stride, of: _ } = self;
        let is_f32 = TypeId::of::<T>() == TypeId::of::<f32>();
        is_f32.then_some(MatMut { data: data.cast(), rows, cols, row_stride, of: PhantomData })
    }

    /// Blocks of so many rows and columns, row after row of blocks, each with the place of its
    /// first element.
    pub(crate) fn blocks(self, rows: usize, cols: usize) -> Vec<([usize; 2], Self)> {
        let places = (0..self.rows).step_by(rows).flat_map(|i| (0..self.cols).step_by(cols).map(move |j| [i, j]));
        // SAFETY: blocks of a grid have no element in common, and this matrix is given up.
        places.map(|at| (at, unsafe { self.block(at, [rows, cols]) })).collect()
    }

    /// `cols` columns from `start` on.
    #[inline(always)]
    pub(super) fn columns(&mut self, start: usize, cols: usize) -> MatMut<'_, T> {
        // SAFETY: this matrix is borrowed as long as its columns are used.
        unsafe { self.block([0, start], [self.rows, cols]) }
    }

    /// At most so many rows and columns from a place on.
    ///
    /// # Safety
    /// For elements that nothing else reaches as long as the block is used.
    #[inline(always)]
    unsafe fn block(&self, [i, j]: [usize; 2], [rows, cols]: [usize; 2]) -> Self {
        assert!(i < self.rows.max(1) && j < self.cols.max(1), "a block outside of its matrix");
        let (rows, cols) = (rows.min(self.rows - i), cols.min(self.cols - j));
        // Of a matrix without elements, a place that nothing reads.
        let data = self.data.wrapping_add(i * self.row_stride + j);
        Self { data, rows, cols, row_stride: self.row_stride, of: PhantomData }
    }
}

/// What a product does with what its destination holds.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Write {
    Overwrite,
    Add,
}

impl Write {
    /// Writes numbers of a row to the beginning of `dst`, as many as both have.
    #[inline(always)]
    pub(super) fn put(self, dst: &mut [f32], values: impl Iterator<Item = f32>) {
        match self {
            Self::Overwrite => dst.iter_mut().zip(values).for_each(|(to, value)| *to = value),
            Self::Add => dst.iter_mut().zip(values).for_each(|(to, value)| *to += value),
        }
    }
}

/// Whether a product may use the thread pool. Either way each element is summed in the same order.
#[derive(Clone, Copy)]
pub(crate) enum Threads {
    One,
    All,
}

/// `dst = scale * a b`, or `dst += scale * a b`.
pub(crate) fn matmul<T: Real>(dst: MatMut<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, scale: T, write: Write, on: Threads) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert!(b.rows == k && dst.rows == m && dst.cols == n, "matrix product of shapes that do not fit");
    if m == 0 || n == 0 {
        return;
    }
    let pool = match on {
        Threads::All if rayon::current_num_threads() > 1 => Parallelism::Rayon(rayon::current_num_threads()),
        _ => Parallelism::None,
    };
    // SAFETY: the constructors of Mat and MatMut checked that every element lies inside its slice,
    // the shapes fit (asserted above), and the destination is borrowed mutably, so it aliases
    // neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.data,
            1,
            dst.row_stride as isize,
            write == Write::Add,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            T::ONE,
            scale,
            false,
            false,
            false,
            pool,
        );
    }
}

/// [`matmul`] in which no bit of a row depends on how many other rows there are.
///
/// gemm sums in another order where a product has one row or few numbers, and where both sides are
/// small. Such a product gets rows of zeros below its own, so that it is none of these.
///
/// # Panics
/// For an `a` whose rows are not consecutive elements.
pub(crate) fn matmul_alike<T: Real>(mut dst: MatMut<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, write: Write, on: Threads) {
    assert!(a.col_stride == 1, "rows of elements that lie apart");
    let (m, k, n) = (a.rows, a.cols, b.cols);
    // Of gemm 0.19: at most 256 numbers in small kernels, at most 64 rows and columns in blocks of
    // 512 terms.
    let needed = if n <= 64 && k > 512 { 65 } else { (256 / n.max(1) + 1).max(2) };
    if m >= needed || m == 0 || n == 0 {
        return matmul(dst, a, b, T::ONE, write, on);
    }
    let (mut rows, mut product) = (vec![T::ZERO; needed * k], vec![T::ZERO; needed * n]);
    for i in 0..m {
        rows[i * k..(i + 1) * k].copy_from_slice(&a.data[i * a.row_stride..][..k]);
        product[i * n..(i + 1) * n].copy_from_slice(dst.row(i));
    }
    matmul(MatMut::new(&mut product, needed, n), Mat::new(&rows, needed, k), b, T::ONE, write, on);
    product.chunks_exact(n).take(m).enumerate().for_each(|(i, row)| dst.row(i).copy_from_slice(row));
}

/// The transpose of `x: [rows, cols]`, copied.
pub(crate) fn transposed<T: Real>(x: &[T], rows: usize, cols: usize) -> Vec<T> {
    const TILE: usize = 16;
    let mut y = vec![T::ZERO; x.len()];
    // By tiles, so that neither side leaves the cache.
    for (i0, j0) in (0..rows).step_by(TILE).flat_map(|i| (0..cols).step_by(TILE).map(move |j| (i, j))) {
        for j in j0..cols.min(j0 + TILE) {
            for i in i0..rows.min(i0 + TILE) {
                y[j * rows + i] = x[i * cols + j];
            }
        }
    }
    y
}

/// `rows` copies of `row`, one after another.
pub(crate) fn repeated<T: Real>(row: &[T], rows: usize) -> Vec<T> {
    if rayon::current_num_threads() == 1 {
        return row.repeat(rows);
    }
    let mut y = vec![T::ZERO; rows * row.len()];
    y.par_chunks_mut((ROWS * row.len()).max(1)).for_each(|y| {
        y.chunks_exact_mut(row.len()).for_each(|y| y.copy_from_slice(row));
    });
    y
}

/// Adds each row of `x` (rows of `sums.len()` elements) to `sums`, every sum in the order of the
/// rows.
pub(crate) fn add_column_sums<T: Real>(x: &[T], sums: &mut [T]) {
    let width = sums.len();
    sums.par_chunks_mut(COLUMNS).enumerate().for_each(|(block, sums)| {
        vectorised(
            #[inline(always)]
            || {
                for row in x.chunks_exact(width) {
                    sums.iter_mut().zip(&row[block * COLUMNS..]).for_each(|(s, v)| *s += *v);
                }
            },
        );
    });
}

/// Rows, and columns, a task of the thread pool works on.
const ROWS: usize = 64;
const COLUMNS: usize = 256;
