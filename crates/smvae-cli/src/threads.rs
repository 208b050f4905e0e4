//! Threads of this process: as many as one is told, all of them rayon's.
//!
//! candle has a second pool for its element-wise operations, whose workers spin for a while after
//! each of them. On two cores a training step took 15 % longer for it, since they spin where
//! rayon's workers compute. What is left of candle's own operations on large tensors runs on the
//! calling thread instead.

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

/// Starts them. Whatever computes first would do so too, but can only panic where the system has no
/// more threads.
pub(crate) fn start() -> Result<(), ThreadPoolBuildError> {
    ThreadPoolBuilder::new().build_global()
}

/// Sets the number of threads (`RAYON_NUM_THREADS`; `None` leaves the choice to rayon) and switches
/// candle's second pool off, unless the variable `CANDLE_NUM_THREADS` says otherwise. Both are read
/// once, by the first operation.
///
/// # Safety
/// No other thread may run: the environment must not change while another thread reads it. Call it
/// first in `main`.
pub(crate) unsafe fn configure(threads: Option<usize>) {
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(threads) = threads {
            std::env::set_var("RAYON_NUM_THREADS", threads.to_string());
        }
        if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
            std::env::set_var("CANDLE_NUM_THREADS", "1");
        }
    }
}
