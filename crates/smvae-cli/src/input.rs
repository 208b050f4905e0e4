//! Input: files, or stdin for `-`.

use anyhow::Context as _;
use std::io::Read as _;
use std::path::Path;

/// The bytes of a file, or of stdin for `-`.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
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
pub(crate) fn name(path: &Path) -> String {
    if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() }
}
