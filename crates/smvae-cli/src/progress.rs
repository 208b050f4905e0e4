//! Progress on stderr: a bar on a terminal, a plain line every few seconds in a pipe.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often a line is printed in a pipe.
const EVERY: Duration = Duration::from_secs(10);

/// Prints a line to stderr. A closed stderr does not make it panic.
pub(crate) fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
}

/// What is being done, and how much of it is done.
pub(crate) struct Progress {
    /// `None` where stderr is not a terminal.
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

    /// Shows `done` of `total` (0 if it is not known) and a message.
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
