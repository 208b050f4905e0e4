//! What `smvae --version` says: the version, what it was built from and with, and what the CPU
//! offers it.

use smvae::core::candle_core::Device;
use smvae::core::nn::{Precision, Unit};
use std::sync::LazyLock;

/// Features of the program, and whether it was built with them.
const FEATURES: [(&str, bool); 7] = [
    ("arrow", cfg!(feature = "arrow")),
    ("cuda", cfg!(feature = "cuda")),
    ("cudnn", cfg!(feature = "cudnn")),
    ("hub", cfg!(feature = "hub")),
    ("parquet", cfg!(feature = "parquet")),
    ("report", cfg!(feature = "report")),
    ("serve", cfg!(feature = "serve")),
];

/// The version, and below it all that a report of a mistake should have.
pub(crate) fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut text = env!("CARGO_PKG_VERSION").to_owned();
        if let Some(commit) = commit() {
            text += &format!("\ncommit: {commit}");
        }
        let features: Vec<&str> = FEATURES.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        text += &format!("\nfeatures: {}", if features.is_empty() { "none".to_owned() } else { features.join(" ") });
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        text += &format!("\nCPU: {}, {cores} cores, {}", std::env::consts::ARCH, extensions().join(" "));
        let unit = Unit::best();
        let form = Precision::Auto.form(&Device::Cpu, unit).map_or_else(|error| error.to_string(), |f| f.to_string());
        let (int8, bf16) = (unit.for_int8(), unit.for_bf16());
        text + &format!("\nint8 on this CPU: {int8}\nbf16 on this CPU: {bf16}\n--precision auto: {form}")
    });
    &TEXT
}

/// The commit that the program was built from. `None` if that is not known: in debug builds, and
/// where there was no git.
pub(crate) fn commit() -> Option<&'static str> {
    option_env!("SMVAE_COMMIT").filter(|commit| !commit.is_empty())
}

/// The extensions of the instruction set that matter here and that this CPU has.
fn extensions() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let known = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
        ("avx512bf16", std::arch::is_x86_feature_detected!("avx512bf16")),
    ];
    #[cfg(target_arch = "aarch64")]
    let known = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("dotprod", std::arch::is_aarch64_feature_detected!("dotprod")),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let known: [(&str, bool); 0] = [];
    let found: Vec<_> = known.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
    if found.is_empty() { vec!["without extensions that matter here"] } else { found }
}
