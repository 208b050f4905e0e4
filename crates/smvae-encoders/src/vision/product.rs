//! `dst = a b` or `dst += a b` on slices, one thread: the product every convolution on the CPU ends in.
//!
//! A bounds-checked door to the `gemm` crate, which candle uses itself. Through candle each tile would cost an allocation
//! and a copy.

/// What a product does with what its destination holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Overwrite,
    Add,
}

/// `dst: [m, n]`, `a: [m, k]`, `b: [k, n]`, all stored row by row.
pub(super) fn product(dst: &mut [f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3], write: Write) {
    assert!(dst.len() == m * n && a.len() == m * k && b.len() == k * n, "matrix product of shapes that do not fit");
    if m == 0 || n == 0 {
        return;
    }
    // SAFETY: all three matrices are dense and have the lengths their shapes need (asserted above); the destination is
    // borrowed mutably, so it aliases neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            n as isize,
            write == Write::Add,
            a.as_ptr(),
            1,
            k as isize,
            b.as_ptr(),
            1,
            n as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
