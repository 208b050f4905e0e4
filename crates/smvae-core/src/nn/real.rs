//! The two number types that the CPU kernels are written for, and access to a tensor's values as a
//! slice.
//!
//! f32 is what models train in; f64 is there so that gradients can be checked by central
//! differences.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType, bail};

/// f32 or f64.
pub(crate) trait Real: WithDType + std::ops::Neg<Output = Self> {
    const ZERO: Self;
    const ONE: Self;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn sqrt(self) -> Self;
    fn larger(self, other: Self) -> Self;
    /// Error function, to about 1.5e-7 in f32 and to rounding in f64.
    fn erf(self) -> Self;
    /// The same slice if this type is f32.
    fn of_f32s(values: &mut [f32]) -> Option<&mut [Self]>;
    /// The same slice if this type is f32.
    fn as_f32s(values: &[Self]) -> Option<&[f32]>;

    fn of(value: f64) -> Self {
        Self::from_f64(value)
    }

    fn into_storage(values: Vec<Self>) -> CpuStorage {
        Self::to_cpu_storage_owned(values)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp())
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        Self::of(2.0) * (self * Self::of(2.0)).sigmoid() - Self::ONE
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    /// Range reduction to `2^n 2^r` and a polynomial, in a form the compiler vectorises on every
    /// CPU (that of libm is one call per number): relative error below 3e-7, at least exp(-87.3),
    /// some 1e-38, and at most exp(88.3), so never 0 or infinite.
    #[inline(always)]
    fn exp(self) -> Self {
        // 1.5 * 2^23: adding and subtracting it rounds to an integer.
        const ROUND: f32 = 12_582_912.0;
        let x = self.clamp(-87.3, 88.3);
        let rounded = x * std::f32::consts::LOG2_E + ROUND;
        let n = rounded - ROUND;
        let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
        let p = 1.987_569_1e-4;
        let p = p * r + 1.398_199_9e-3;
        let p = p * r + 8.333_452e-3;
        let p = p * r + 4.166_579_6e-2;
        let p = p * r + 1.666_666_5e-1;
        let p = p * r + 0.5;
        let y = p * r * r + r + 1.0;
        // The low bits of `rounded` are n in two's complement; shifted into the exponent they are
        // 2^n.
        y * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f32::ln(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        f32::max(self, other)
    }
    /// Abramowitz and Stegun, 7.1.26.
    #[inline(always)]
    fn erf(self) -> Self {
        let x = self.abs();
        let t = 1.0 / (1.0 + 0.327_591_1 * x);
        let p = 1.061_405_4;
        let p = p * t - 1.453_152;
        let p = p * t + 1.421_413_8;
        let p = p * t - 0.284_496_74;
        let p = p * t + 0.254_829_6;
        let y = 1.0 - p * t * Real::exp(-x * x);
        if self < 0.0 { -y } else { y }
    }
    fn of_f32s(values: &mut [f32]) -> Option<&mut [Self]> {
        Some(values)
    }
    fn as_f32s(values: &[Self]) -> Option<&[f32]> {
        Some(values)
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn exp(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn larger(self, other: Self) -> Self {
        f64::max(self, other)
    }
    fn erf(self) -> Self {
        candle_core::cpu::erf::erf_f64(self)
    }
    fn of_f32s(_: &mut [f32]) -> Option<&mut [Self]> {
        None
    }
    fn as_f32s(_: &[Self]) -> Option<&[f32]> {
        None
    }
}

/// Runs a loop compiled for the widest vectors this CPU has, so that a plain build gets AVX2 or
/// AVX-512. The same operations in the same order: the same bits on every CPU. `f` should be
/// `#[inline(always)]`.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Runs `$body` with `$t` bound to the number type of `$dtype`; an error for any other than f32 and
/// f64.
macro_rules! for_real {
    ($dtype:expr, $op:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("{}: expected f32 or f64, got {other:?}", $op),
        }
    };
}
pub(crate) use for_real;

/// The values of a contiguous storage.
pub(crate) fn values<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<T>()?[from..to]),
        None => bail!("a fused operation was given a layout that is not contiguous"),
    }
}

/// A tensor's values, row by row. Borrowed from the tensor when it lies contiguously on the CPU.
pub(crate) struct Values<T> {
    tensor: Tensor,
    marker: std::marker::PhantomData<T>,
}

impl<T: Real> Values<T> {
    pub(crate) fn of(tensor: &Tensor) -> Result<Self> {
        Ok(Self { tensor: tensor.contiguous()?, marker: std::marker::PhantomData })
    }

    /// Calls `f` with the values.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&[T]) -> R) -> Result<R> {
        let (storage, layout) = self.tensor.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => Ok(f(values(storage, layout)?)),
            _ => bail!("the backward of a fused CPU operation was given a tensor of another device"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f32_exp_and_erf_are_close_to_f64() {
        for i in -8700..=8700 {
            let x = i as f32 * 0.01;
            let (got, want) = (Real::exp(x) as f64, (x as f64).exp());
            assert!((got / want - 1.0).abs() < 3e-7, "exp({x}) = {got}, want {want}");
        }
        for i in -600..=600 {
            let x = i as f32 * 0.01;
            let (got, want) = (Real::erf(x) as f64, Real::erf(x as f64));
            assert!((got - want).abs() < 5e-7, "erf({x}) = {got}, want {want}");
        }
        let [least, most] = [f32::NEG_INFINITY, f32::INFINITY].map(Real::exp);
        assert!(least > 1e-38 && least < 1.3e-38 && most > 2e38 && most.is_finite(), "{least:e}, {most:e}");
        assert!(Real::exp(f32::NAN).is_nan());
        assert_eq!(Real::exp(f32::NEG_INFINITY), Real::exp(-87.3f32));
        assert!(Real::sigmoid(-200f32) < 1e-37 && Real::sigmoid(200f32) == 1.0);
    }
}
