//! The log: one line per request, on stderr, for people or as JSON. It never holds the text of a
//! post, nor a key.

use std::panic::PanicHookInfo;
use tracing::level_filters::LevelFilter;

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
    /// Not at all.
    Off,
}

/// Begins to log, once per process. From then on a panic is one line, too, with its place alone:
/// the message of a panic may quote what it was given.
pub fn start(format: LogFormat) {
    let builder = || {
        let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false);
        builder.with_max_level(LevelFilter::INFO).with_ansi(false)
    };
    // Whoever has set up logging of his own keeps it.
    let _ = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(builder().finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(builder().json().flatten_event(true).finish()),
        LogFormat::Off => Ok(()),
    };
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let place = info.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "panic");
    }));
}
