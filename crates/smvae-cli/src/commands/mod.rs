//! One file (or folder) a command: its options, and a `run` that is given them.

pub(crate) mod demo;
pub(crate) mod draw;
pub(crate) mod eval;
pub(crate) mod experiment;
pub(crate) mod features;
pub(crate) mod inspect;
pub(crate) mod predict;
#[cfg(feature = "report")]
pub(crate) mod report;
pub(crate) mod score;
pub(crate) mod stats;
pub(crate) mod train;

use anyhow::Context as _;
use std::io::Read as _;
use std::path::Path;

/// The bytes of a file, or of stdin for `-`.
fn read_input(path: &Path) -> anyhow::Result<Vec<u8>> {
    let read = || {
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            std::io::stdin().lock().read_to_end(&mut bytes)?;
        } else {
            bytes = std::fs::read(path)?;
        }
        Ok::<_, std::io::Error>(bytes)
    };
    read().with_context(|| format!("cannot read {}", name(path)))
}

/// A path as messages show it.
fn name(path: &Path) -> String {
    if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() }
}
