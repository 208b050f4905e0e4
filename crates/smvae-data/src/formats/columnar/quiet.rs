//! Panics behind the one door to the crates that read Arrow and Parquet, which are errors here:
//! what they would print is not printed. A hook sees to that, which is put before the program's own
//! once and leaves every other panic to it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether this thread is behind the door.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does what may panic; `None` if it does. What it works on is not to be used after that.
pub(super) fn quiet<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                hook(info);
            }
        }));
    });
    let outer = IS_QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IS_QUIET.set(outer);
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing_and_the_next_call_works() {
        assert_eq!(quiet(|| 1), Some(1));
        assert_eq!(quiet(|| -> usize { panic!("damaged") }), None);
        assert!(!IS_QUIET.get());
        assert_eq!(quiet(|| quiet(|| -> usize { panic!("damaged") }).unwrap_or(2)), Some(2));
    }
}
