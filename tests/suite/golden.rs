//! Where the repository and the golden files are. `SMVAE_GOLDENS` names another set of the same
//! layout; every test on them has `golden` in its name and takes its sizes from the files.

use serde::de::DeserializeOwned;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The root of the repository: this package stands in `tests`. cargo says where that is; to a
/// binary that was carried to another machine, `scripts/gpu_check.sh` does.
pub(crate) fn root() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    let built = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let package = PACKAGE.get_or_init(|| std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built, PathBuf::from));
    package.parent().expect("tests is a folder of the repository")
}

/// The folder of the golden files.
pub(crate) fn folder() -> PathBuf {
    let default = || root().join("tests/golden");
    std::env::var_os("SMVAE_GOLDENS").map_or_else(default, PathBuf::from)
}

/// A JSON file of the golden folder.
#[track_caller]
pub(crate) fn json<T: DeserializeOwned>(name: &str) -> T {
    parse(&folder().join(name))
}

/// A JSON file anywhere.
#[track_caller]
pub(crate) fn parse<T: DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A path in the folder of data that cannot be committed (`SMVAE_SHARED`, or `../shared` beside the
/// workspace); says that `test` is skipped when it is absent.
pub(crate) fn shared(test: &str, path: &str) -> Option<PathBuf> {
    let default = || root().join("../shared");
    let path = std::env::var_os("SMVAE_SHARED").map_or_else(default, PathBuf::from).join(path);
    if path.exists() {
        return Some(path);
    }
    skipped(test, &format!("there is no {}", path.display()));
    None
}

/// Says that a test is skipped, past libtest, which keeps what a test that passes prints with
/// `eprintln!`.
pub(crate) fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "{test}: skipped, {why}");
}
