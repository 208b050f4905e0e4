//! Products of layers that train: in bf16 where that is allowed, and else in the number type of
//! what comes.

use super::super::dispatch::rounds_to_bf16;
use super::super::precision::Unit;
use super::super::real::Real;
use super::float::{Mat, MatMut, Threads, Write, matmul, matmul_alike};
#[cfg(target_arch = "x86_64")]
use super::panels;
use super::{bf16, in_bf16};

/// `dst = a b`, or `dst += a b`, on all threads: a product of a layer, rounded to bf16 where that
/// is allowed. In f32 it is `gemm`'s: arranging a weight that changes with every step takes what
/// panels would gain.
pub(crate) fn product<T: Real>(dst: MatMut<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, write: Write) {
    if let Some(dst) = unless_rounded(dst, a, b, write) {
        matmul(dst, a, b, T::ONE, write, Threads::All);
    }
}

/// [`product`] in which no bit of a row depends on how many other rows there are: those of layers
/// that keep their weights in panels, where a CPU has them. The rows of `a` are consecutive
/// elements.
pub(crate) fn product_alike<T: Real>(dst: MatMut<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, write: Write) {
    let Some(dst) = unless_rounded(dst, a, b, write) else { return };
    #[cfg(target_arch = "x86_64")]
    if has_panels_for(b.dims().0, b.dims().1)
        && let (Some(a), Some(b)) = (a.in_f32(), b.in_f32())
    {
        return panels::matmul(dst.in_f32().expect(F32), a, b, write);
    }
    matmul_alike(dst, a, b, write, Threads::All);
}

/// The right side of many products of few rows, as those of an LSTM's steps.
pub(crate) enum RightSide<'a, T> {
    /// Of layers that train, on one thread, in the number type of what comes.
    Plain(Mat<'a, T>),
    /// Where no backward pass will come: those of [`product_alike`].
    Alike(Mat<'a, T>),
    /// The same, arranged once.
    #[cfg(target_arch = "x86_64")]
    Panels(panels::Packed),
    /// Rounded once. No bit of a row depends on the rows beside it.
    Bf16(in_bf16::Packed, Unit),
}

impl<'a, T: Real> RightSide<'a, T> {
    /// `keep`: a backward pass will come. `rounds`: products are in bf16 if they are large enough.
    pub(crate) fn new(b: Mat<'a, T>, keep: bool, rounds: bool) -> Self {
        let (k, n) = b.dims();
        match b.in_f32().filter(|_| is_worth_it(k, n)) {
            Some(b) if rounds => Self::Bf16(in_bf16::Packed::new(b, &[]), Unit::best().for_bf16()),
            #[cfg(target_arch = "x86_64")]
            Some(b) if !keep && has_panels_for(k, n) => Self::Panels(panels::Packed::new(b, &[])),
            _ if keep => Self::Plain(b),
            _ => Self::Alike(b),
        }
    }

    /// `dst = a b`, or `dst += a b`, on this thread. `a` has rows of consecutive numbers.
    pub(crate) fn multiply(&self, dst: MatMut<'_, T>, a: Mat<'_, T>, write: Write) {
        match self {
            Self::Plain(b) => matmul(dst, a, *b, T::ONE, write, Threads::One),
            Self::Alike(b) => matmul_alike(dst, a, *b, write, Threads::One),
            #[cfg(target_arch = "x86_64")]
            Self::Panels(b) => panels::multiply(a.in_f32().expect(F32), b, dst.in_f32().expect(F32), write),
            Self::Bf16(b, unit) => {
                bf16::multiply_rounded(*unit, a.in_f32().expect(F32), b, dst.in_f32().expect(F32), write)
            }
        }
    }
}

const F32: &str = "all three are of one type";

/// Whether a weight of `k` terms and `n` columns is worth being arranged: panels of fewer would be
/// full of zeros.
fn is_worth_it(k: usize, n: usize) -> bool {
    k >= 32 && n >= 32
}

/// Whether products in f32 with a weight of `k` terms and `n` columns are those of `panels` where
/// no backward pass will come.
pub(in super::super) fn has_panels_for(k: usize, n: usize) -> bool {
    #[cfg(target_arch = "x86_64")]
    let is_there = panels::is_there();
    #[cfg(not(target_arch = "x86_64"))]
    let is_there = false;
    is_there && is_worth_it(k, n)
}

/// Computes a product in bf16 if it is to be, and else returns where it goes. Whether it is does
/// not depend on the number of rows.
fn unless_rounded<'a, T: Real>(
    dst: MatMut<'a, T>,
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    write: Write,
) -> Option<MatMut<'a, T>> {
    let (k, n) = b.dims();
    if !is_worth_it(k, n) || !rounds_to_bf16() {
        return Some(dst);
    }
    let (Some(a), Some(b)) = (a.in_f32(), b.in_f32()) else { return Some(dst) };
    let dst = dst.in_f32().expect(F32);
    bf16::matmul(Unit::best().for_bf16(), dst, a, b, write);
    None
}
