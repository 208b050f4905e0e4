//! Panics of other people's crates, which read what strangers wrote: caught, and what they would
//! print is not printed. A hook of the process sees to that, which is put before the program's own
//! at the first call and leaves every other panic to it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether what a panic of this thread would print is not printed.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does what may panic. What it works on is not to be used after a panic.
///
/// # Errors
/// What the panic carries.
pub fn catch<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
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
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a process of its own, since the hook and what is printed are the process's.
    #[test]
    fn what_is_caught_is_not_printed_and_what_is_not_caught_is() {
        const CHILD: &str = "SMVAE_TEST_QUIET";
        if std::env::var_os(CHILD).is_some() {
            assert!(catch::<()>(|| panic!("caught here")).is_err());
            let beside = || std::thread::spawn::<_, ()>(|| panic!("of another thread")).join().is_err();
            assert_eq!(catch(beside).ok(), Some(true));
            return;
        }
        let test = "quiet::tests::what_is_caught_is_not_printed_and_what_is_not_caught_is";
        let program = std::env::current_exe().expect("the program of the tests");
        let child = std::process::Command::new(program).args([test, "--exact", "--nocapture"]).env(CHILD, "1").output();
        let child = child.expect("it runs: it runs this test");
        let printed = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{printed}");
        assert!(printed.contains("of another thread") && !printed.contains("caught here"), "{printed}");
    }

    #[test]
    fn a_panic_is_caught_and_the_next_call_works() {
        assert_eq!(catch(|| 1).ok(), Some(1));
        assert!(catch(|| -> usize { panic!("damaged") }).is_err());
        assert!(!IS_QUIET.get());
        assert_eq!(catch(|| catch(|| -> usize { panic!("damaged") }).unwrap_or(2)).ok(), Some(2));
    }
}
