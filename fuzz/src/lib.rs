//! The fuzz targets as a library, and what they need of a fuzzer.

mod targets;

use std::sync::Once;

/// Calls the target of this name.
///
/// # Panics
/// Where there is no such target, and where it finds a fault.
pub fn run(name: &str, input: &[u8]) {
    static WATCH: Once = Once::new();
    WATCH.call_once(watch);
    let target = targets::TARGETS.iter().find(|(known, _)| *known == name);
    target.expect("a target of this name").1(input);
}

/// libFuzzer ends at every panic, and so at those of other crates that our doors catch. Here those
/// of crates from a registry pass in silence: one that no door catches ends the target all the
/// same, since it comes out of it.
fn watch() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let is_ours = info.location().is_none_or(|place| !place.file().contains("/registry/src/"));
        if is_ours {
            hook(info);
        }
    }));
}
