//! Products of layers that train: in bf16 where that is allowed, and else in the number type of
//! what comes.

use super::super::dispatch::rounds_to_bf16;
use super::super::precision::Unit;
use super::super::real::Real;
use super::bf16;
use super::float::{Mat, MatMut, Threads, Write, matmul, matmul_alike};
#[cfg(target_arch = "x86_64")]
use super::panels;

/// `dst = a b`, or `dst += a b`, on all threads: a product of a layer, rounded to bf16 where that
/// is allowed.
pub(crate) fn product<T: Real>(dst: MatMut<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, write: Write) {
    if let Some(dst) = unless_ours(dst, a, b, write) {
        matmul(dst, a, b, T::ONE, write, Threads::All);
    }
}

/// [`product`] in which no bit of a row depends on how many other rows there are.
pub(crate) fn product_alike<T: Real>(dst: MatMut<'_, T>, a: Mat<'_, T>, b: Mat<'_, T>, write: Write) {
    if let Some(dst) = unless_ours(dst, a, b, write) {
        matmul_alike(dst, a, b, write, Threads::All);
    }
}

/// Fewer terms or columns than these are not worth being arranged: panels would be full of zeros.
const WORTH_IT: usize = 32;

/// Computes a product by a kernel of ours if it is to be, in bf16 or f32, and else returns where it
/// goes. Whether it is does not depend on the number of rows.
fn unless_ours<'a, T: Real>(dst: MatMut<'a, T>, a: Mat<'_, T>, b: Mat<'_, T>, write: Write) -> Option<MatMut<'a, T>> {
    let (k, n) = b.dims();
    let rounds = rounds_to_bf16();
    if k < WORTH_IT || n < WORTH_IT || !(rounds || has_panels()) {
        return Some(dst);
    }
    let (Some(a), Some(b)) = (a.in_f32(), b.in_f32()) else { return Some(dst) };
    let dst = dst.in_f32().expect("all three are of one type");
    if rounds {
        bf16::matmul(Unit::best().for_bf16(), dst, a, b, write);
    } else {
        #[cfg(target_arch = "x86_64")]
        panels::matmul(dst, a, b, write);
    }
    None
}

fn has_panels() -> bool {
    #[cfg(target_arch = "x86_64")]
    return panels::is_there();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}
