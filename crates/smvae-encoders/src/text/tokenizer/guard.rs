//! The one door to the crate `tokenizers`: some malformed files make it panic, while they are read
//! or while a word is encoded, and here that becomes an error.

use smvae_core::quiet;
use std::any::Any;

/// What went wrong behind the door.
#[derive(Debug, thiserror::Error)]
#[error("it makes the crate tokenizers panic: {message}")]
pub(super) struct Panicked {
    message: String,
}

/// Does what may panic.
///
/// # Errors
/// [`Panicked`], with what the panic says.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    // A tokenizer is changed by nothing that could be left half done: it is read, or thrown away.
    quiet::catch(work).map_err(|panic| Panicked { message: message(&*panic) })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_call_works() {
        let check = |work: fn() -> usize, want: Result<usize, &str>| {
            let got = guarded(work).map_err(|panicked| panicked.to_string());
            match (got, want) {
                (Err(message), Err(want)) => assert!(message.ends_with(want), "{message}"),
                (got, want) => assert_eq!(got.ok(), want.ok()),
            }
        };
        check(|| 1, Ok(1));
        check(|| panic!("plain"), Err("panic: plain"));
        check(|| panic!("at {}", 7), Err("panic: at 7"));
        check(|| std::panic::panic_any(7), Err("without a message"));
        check(|| guarded(|| [0; 2].get(2).copied().expect("too far")).unwrap_or(5), Ok(5));
        check(|| 2, Ok(2));
    }
}
