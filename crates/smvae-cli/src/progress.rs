//! Progress on stderr: a bar on a terminal, a plain line now and then in a pipe.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often a pipe is told.
const EVERY: Duration = Duration::from_secs(10);

/// Prints a line to stderr. That stderr is closed is no reason to panic.
pub(crate) fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
}

/// What is being done and how far it has come.
pub(crate) struct Progress {
    /// None where stderr is no terminal.
    bar: Option<ProgressBar>,
    what: String,
    told: Instant,
}

impl Progress {
    /// Begins; `what` is a noun, such as `steps`.
    pub(crate) fn new(what: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {prefix} {elapsed} (left {eta}) {msg}");
            ProgressBar::new(0).with_style(style.expect("a valid template")).with_prefix(what.to_owned())
        });
        Self { bar, what: what.to_owned(), told: Instant::now() }
    }

    /// `done` of `total` (0 where it is not known), and what else there is to say.
    pub(crate) fn update(&mut self, done: usize, total: usize, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_length(total.max(done) as u64);
            bar.set_position(done as u64);
            bar.set_message(message());
        } else if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let of = if total > 0 { format!("/{total}") } else { String::new() };
            say(format!("{done}{of} {} {}", self.what, message()).trim_end());
        }
    }

    /// Prints a line that stays.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
