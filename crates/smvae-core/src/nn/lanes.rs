//! Loops that the compiler vectorises: sums kept side by side in lanes, in an order that is the
//! same on every machine.

use super::real::Real;

/// Partial sums of [`sum`] and [`dot`].
const LANES: usize = 16;

/// Sum of `f` of each number.
#[inline(always)]
pub(super) fn sum<T: Real>(x: &[T], f: impl Fn(T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder().iter().fold(T::ZERO, |s, v| s + f(*v));
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += f(*v);
        }
    }
    lanes.into_iter().fold(rest, |s, v| s + v)
}

/// Sum of the products of two slices of one length.
#[inline(always)]
pub(super) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    sum_of_pairs(
        a,
        b,
        #[inline(always)]
        |a, b| a * b,
    )
}

/// Sum of `f` of each pair of numbers of two slices of one length.
#[inline(always)]
pub(crate) fn sum_of_pairs<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder()).fold(T::ZERO, |s, (a, b)| s + f(*a, *b));
    for (a, b) in a.zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f(*a, *b);
        }
    }
    lanes.into_iter().fold(rest, |s, v| s + v)
}

/// The largest number; `-inf` for an empty slice.
#[inline(always)]
pub(super) fn largest<T: Real>(x: &[T]) -> T {
    let larger = |a: T, b: T| if a > b { a } else { b };
    let mut lanes = [T::of(f64::NEG_INFINITY); LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder().iter().fold(lanes[0], |top, v| larger(top, *v));
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, v)| *lane = larger(*v, *lane));
    }
    lanes.into_iter().fold(rest, larger)
}

/// Adds numbers to numbers, as many as there are of both.
#[inline(always)]
pub(crate) fn add<T: Real>(to: &mut [T], values: &[T]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += *value);
}
