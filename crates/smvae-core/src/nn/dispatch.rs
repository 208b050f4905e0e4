//! Which form of an operation a tensor gets: the fused one, on slices of the CPU, or the one
//! composed of candle's own operations, on every other device.
//!
//! The fused ones take f32 and f64; the composed ones also f16 and bf16, for inference on a GPU.
//!
//! Tests can ask for the composed form on the CPU, so that what runs on a GPU is checked on
//! machines without one.

use candle_core::Tensor;

/// Whether operations on this tensor are the fused ones. Rows of no width are not cut into slices.
pub(crate) fn is_fused(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dims().last() != Some(&0) && !composed_is_forced()
}

#[cfg(not(test))]
fn composed_is_forced() -> bool {
    false
}

#[cfg(test)]
fn composed_is_forced() -> bool {
    FORCED.get()
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs `f` with the composed form of every operation that this thread asks for.
#[cfg(test)]
pub(crate) fn composed<R>(f: impl FnOnce() -> R) -> R {
    FORCED.set(true);
    let result = f();
    FORCED.set(false);
    result
}
