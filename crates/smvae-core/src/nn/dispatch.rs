//! Which form of an operation a tensor gets: the fused one, on slices of the CPU; kernels, on a
//! CUDA device; or the one composed of candle's own operations, on every device.
//!
//! The fused ones take f32 and f64, kernels f32; the composed ones also f16 and bf16, for inference
//! on a GPU.
//!
//! Tests can ask for the composed form and for kernels on the CPU, so that what runs on a GPU is
//! checked on machines without one.

use candle_core::{DType, Device, Tensor};

/// Whether operations on this tensor are the fused ones. Rows of no width are not cut into slices.
pub(crate) fn is_fused(x: &Tensor) -> bool {
    is_at_hand(x.device()) && x.dims().last() != Some(&0)
}

/// Whether numbers of this device can be read without waiting. Elsewhere each read waits until the
/// device has done all that it was given, and the device then waits for what it is given next.
pub(crate) fn is_at_hand(device: &Device) -> bool {
    device.is_cpu() && forced().is_none()
}

/// Whether operations on this tensor are kernels.
pub(crate) fn has_kernels(x: &Tensor) -> bool {
    let runs = match forced() {
        None => cfg!(feature = "cuda") && x.device().is_cuda(),
        Some(form) => matches!(form, Forced::Kernels(_)),
    };
    runs && x.dtype() == DType::F32 && x.elem_count() > 0
}

/// Whether products of linear layers, and on the CPU those of LSTMs, are in bf16.
pub(super) fn rounds_to_bf16() -> bool {
    #[cfg(test)]
    if IN_BF16.get() {
        return true;
    }
    super::precision::bf16_is_allowed()
}

/// The form that a test asks for.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "tests alone make one"))]
enum Forced {
    Composed,
    Kernels(Order),
}

#[cfg(test)]
pub(crate) use smvae_kernels::emulator::Order;

/// Emulated kernels are for tests.
#[cfg(not(test))]
type Order = std::convert::Infallible;

#[cfg(not(test))]
fn forced() -> Option<Forced> {
    None
}

#[cfg(test)]
fn forced() -> Option<Forced> {
    FORCED.get()
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Forced>> = const { std::cell::Cell::new(None) };
    static IN_BF16: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs `f` with the composed form of every operation that this thread asks for.
#[cfg(test)]
pub(crate) fn composed<R>(f: impl FnOnce() -> R) -> R {
    with(Forced::Composed, f)
}

/// Runs `f` with the kernels of every operation that this thread asks for and that has some;
/// emulated on the CPU, with threads in this order.
#[cfg(test)]
pub(crate) fn kernels<R>(order: Order, f: impl FnOnce() -> R) -> R {
    with(Forced::Kernels(order), f)
}

/// Runs `f` with such products of this thread in bf16.
#[cfg(test)]
pub(crate) fn in_bf16<R>(f: impl FnOnce() -> R) -> R {
    let _restore = Restore(&IN_BF16, IN_BF16.replace(true));
    f()
}

#[cfg(test)]
fn with<R>(form: Forced, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(&FORCED, FORCED.replace(Some(form)));
    f()
}

/// What a thread's cell held before, which it holds again when this is dropped, also by a panic:
/// the next test on the thread must not run in another form.
#[cfg(test)]
struct Restore<T: Copy + 'static>(&'static std::thread::LocalKey<std::cell::Cell<T>>, T);

#[cfg(test)]
impl<T: Copy + 'static> Drop for Restore<T> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// The order that emulated threads take turns in.
#[cfg(test)]
pub(super) fn emulated_order() -> Order {
    match forced() {
        Some(Forced::Kernels(order)) => order,
        _ => Order::Ascending,
    }
}
