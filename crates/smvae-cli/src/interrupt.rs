//! Ctrl-C (and SIGTERM): the first asks the program to stop cleanly, the second ends it at once.

use crate::progress::say;
use anyhow::Context as _;
use smvae::Flow;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Exit code of a program that SIGINT ended.
const ENDED_BY_SIGNAL: i32 = 130;

/// Catches Ctrl-C from here on. Commands that cannot be stopped in the middle do not call it: the
/// first Ctrl-C ends them.
pub(crate) fn catch() -> anyhow::Result<()> {
    let handler = || {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            std::process::exit(ENDED_BY_SIGNAL);
        }
        say("Ctrl-C: stopping cleanly. Press it again to stop at once");
    };
    ctrlc::set_handler(handler).context("cannot catch Ctrl-C")
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
