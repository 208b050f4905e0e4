//! Ctrl-C (and SIGTERM): the first asks for an orderly end, the second ends at once.

use crate::progress::say;
use anyhow::Context as _;
use smvae::Flow;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Exit code of a program that SIGINT ended.
const ENDED_BY_SIGNAL: i32 = 130;

/// Catches Ctrl-C from here on. Commands without an orderly end do not call it and are ended by the first.
pub(crate) fn catch() -> anyhow::Result<()> {
    let handler = || {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            std::process::exit(ENDED_BY_SIGNAL);
        }
        say("Ctrl-C: ending in good order. Again to end at once");
    };
    ctrlc::set_handler(handler).context("cannot catch Ctrl-C")
}

/// Asks for an orderly end when the process that started this one is gone, or closes the pipe that is our stdin.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        // Nothing is ever written there: it ends with whoever holds the other end.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        REQUESTED.store(true, Ordering::Relaxed);
    });
}

/// Whether an orderly end has been asked for.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// The same as the answer of a callback.
pub(crate) fn flow() -> Flow {
    if requested() { Flow::Stop } else { Flow::Continue }
}
