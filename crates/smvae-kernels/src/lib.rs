//! CUDA kernels as PTX, and the same kernels on a CPU for tests; the README is the first page.

#![doc = include_str!("../README.md")]

#[cfg(feature = "emulator")]
pub mod emulator;

/// The PTX of a module for a GPU of this compute capability (major, minor): the text for the
/// newest architecture that the GPU can run. `None` for an unknown module, or a GPU older than 8.0.
///
/// A module is named as its file in `cuda/`.
pub fn ptx(module: &str, capability: (u32, u32)) -> Option<&'static str> {
    let texts = match capability {
        (9.., _) => modules::SM_90,
        (8, _) => modules::SM_80,
        _ => return None,
    };
    texts.iter().find(|(name, _)| *name == module).map(|(_, text)| *text)
}

/// All modules, by name.
pub fn modules() -> impl Iterator<Item = &'static str> {
    modules::SM_80.iter().map(|(name, _)| *name)
}

mod modules {
    /// One list of names for all architectures.
    macro_rules! modules {
        ($($name:literal),* $(,)?) => {
            pub(super) const SM_80: &[(&str, &str)] =
                &[$(($name, include_str!(concat!("../ptx/sm_80/", $name, ".ptx")))),*];
            pub(super) const SM_90: &[(&str, &str)] =
                &[$(($name, include_str!(concat!("../ptx/sm_90/", $name, ".ptx")))),*];
        };
    }
    modules![
        "activation",
        "adam",
        "attention",
        "average",
        "dropout",
        "latent",
        "layer_norm",
        "linear",
        "losses",
        "lstm",
        "objective",
        "rows",
        "spans",
        "stack_rows",
        "sums",
    ];
}
