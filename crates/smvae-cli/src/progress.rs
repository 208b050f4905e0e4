//! Progress on stderr: a bar on a terminal, a plain line every few seconds in a pipe.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// How often a line is printed in a pipe.
const EVERY: Duration = Duration::from_secs(10);

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loudness {
    /// Errors, and what belongs to one.
    Quiet,
    /// Also notes, warnings and progress.
    Normal,
    /// Also what was chosen: files, device, threads, precision.
    Verbose,
}

/// A [`Loudness`] as a number.
static LOUDNESS: AtomicU8 = AtomicU8::new(Loudness::Normal as u8);

/// Sets how much is said from here on.
pub(crate) fn set_loudness(loudness: Loudness) {
    LOUDNESS.store(loudness as u8, Ordering::Relaxed);
}

fn is(loudness: Loudness) -> bool {
    LOUDNESS.load(Ordering::Relaxed) >= loudness as u8
}

/// Whether bars are drawn: on a terminal, unless the program is to be quiet.
pub(crate) fn is_drawn() -> bool {
    is(Loudness::Normal) && std::io::stderr().is_terminal()
}

/// Posts that are named, each with what is wrong with it; of the rest only the number is told.
pub(crate) const MAX_TOLD: usize = 10;

/// Prints a note or a warning to stderr, unless the program is to be quiet.
pub(crate) fn say(line: impl AsRef<str>) {
    if is(Loudness::Normal) {
        insist(line);
    }
}

/// Whether what is listed is listed to its end.
pub(crate) fn is_verbose() -> bool {
    is(Loudness::Verbose)
}

/// Prints what was chosen to stderr, if the program is to be verbose.
pub(crate) fn detail(line: impl FnOnce() -> String) {
    if is_verbose() {
        insist(line());
    }
}

/// Prints a line to stderr however quiet the program is to be: a part of an error or of a result.
/// A closed stderr does not make it panic.
pub(crate) fn insist(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
}

/// How much is done, where it is known how much there is and where it is not.
const KNOWN: &str = "{bar:30} {pos}/{len} {prefix} {elapsed} (left {eta}) {msg}";
const UNKNOWN: &str = "{spinner} {pos} {prefix} {elapsed} ({per_sec}) {msg}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a valid template")
}

/// What is being done, and how much of it is done.
pub(crate) struct Progress {
    /// `None` where nothing is drawn.
    bar: Option<ProgressBar>,
    what: String,
    told: Instant,
}

impl Progress {
    /// Begins; `what` is a noun, such as `steps`.
    pub(crate) fn new(what: &str) -> Self {
        let bar = is_drawn().then(|| ProgressBar::no_length().with_style(style(UNKNOWN)).with_prefix(what.to_owned()));
        Self { bar, what: what.to_owned(), told: Instant::now() }
    }

    /// Shows `done` of `total` (0 if it is not known) and a message.
    pub(crate) fn update(&mut self, done: usize, total: usize, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            if total > 0 {
                if bar.length().is_none() {
                    bar.set_style(style(KNOWN));
                }
                bar.set_length(total as u64);
            }
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
