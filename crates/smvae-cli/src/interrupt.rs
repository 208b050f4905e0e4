//! Ctrl-C (and SIGTERM): the first asks the program to stop cleanly, the second ends it at once.

use crate::failure::{Signalled, exit_code};
use crate::progress::say;
use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use smvae::Flow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Catches Ctrl-C from here on. Commands that cannot be stopped in the middle do not call it: the
/// first Ctrl-C ends them.
pub(crate) fn catch() -> anyhow::Result<()> {
    catch_and(|| ())
}

/// The same, and calls `stop` at the first signal.
pub(crate) fn catch_and(stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let handler = move || {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            std::process::exit(exit_code(number()));
        }
        say("Ctrl-C: stopping cleanly. Press it again to stop at once");
        stop();
    };
    ctrlc::set_handler(handler).context("cannot catch Ctrl-C")?;
    // ctrlc does not tell which signal it was.
    let number = SIGNAL.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_usize(signal, number.clone(), signal as usize).context("cannot catch signals")?;
    }
    Ok(())
}

/// The number of the last signal; 0 before the first.
static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// The signal that has asked for a clean stop, for a command that has not succeeded then.
pub(crate) fn signal() -> Option<Signalled> {
    requested().then(|| Signalled(number()))
}

/// The number of the last signal. Another one that ctrlc catches, or a parent that is gone, counts
/// as Ctrl-C.
fn number() -> i32 {
    match SIGNAL.get().map_or(0, |number| number.load(Ordering::Relaxed)) {
        0 => SIGINT,
        number => number as i32,
    }
}

/// How a command ends: in the signal that stopped it, if it was `stopped`, so that `train && eval`
/// and a queue of jobs do not take it for finished.
pub(crate) fn end(stopped: bool) -> anyhow::Result<()> {
    match signal() {
        Some(signal) if stopped => Err(signal.into()),
        _ => Ok(()),
    }
}

/// Asks for a clean stop when the process that started this one is gone or closes the pipe that is
/// our stdin.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        // Nothing is ever written there: reading ends when the other end is closed.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        REQUESTED.store(true, Ordering::Relaxed);
    });
}

/// Whether a clean stop has been asked for.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// The same, as the answer of a callback.
pub(crate) fn flow() -> Flow {
    if requested() { Flow::Stop } else { Flow::Continue }
}
