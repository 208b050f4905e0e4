//! Rules of the house that no compiler checks: see ARCHITECTURE.md.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The longest source file. Longer ones do more than one thing.
const MAX_LINES: usize = 500;

#[test]
fn every_source_file_says_what_it_is() {
    for path in sources() {
        let first = read(&path).lines().next().unwrap_or_default().to_owned();
        assert!(first.starts_with("//! "), "{} must begin with a `//!` header, not {first:?}", path.display());
    }
}

#[test]
fn no_source_file_is_long() {
    for path in sources() {
        let lines = read(&path).lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines, more than {MAX_LINES}", path.display());
    }
}

#[test]
fn versions_stand_in_the_workspace_alone() {
    for path in manifests() {
        let text = read(&path);
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                section = line;
            }
            let inherits = || line.contains(".workspace = true") || line.contains("workspace = true");
            let declares = section.ends_with("dependencies]") && section != "[workspace.dependencies]";
            let entry = line.contains('=') && !line.starts_with('#');
            assert!(!(declares && entry) || inherits(), "{}: {section} {line}", path.display());
        }
    }
}

/// Crates that may depend on each other, in one direction.
#[test]
fn dependencies_point_one_way() {
    check_depends("crates/smvae-core", &[]);
    check_depends("crates/smvae-data", &["smvae-core"]);
    check_depends("crates/smvae-encoders", &["smvae-core"]);
    check_depends("crates/smvae-cli", &["smvae"]);
    check_depends(".", &["smvae-core", "smvae-data", "smvae-encoders"]);
}

#[test]
fn spans_and_scores_need_no_candle() {
    for package in ["smvae-core", "smvae-data"] {
        let names = tree(package, &["--no-default-features"]);
        for heavy in ["candle-core", "candle-nn", "gemm", "rayon", "tokenizers"] {
            assert!(!names.iter().any(|name| name == heavy), "{package} without features pulls in {heavy}");
        }
    }
}

#[track_caller]
fn check_depends(folder: &str, want: &[&str]) {
    let text = read(&root().join(folder).join("Cargo.toml"));
    // `[dependencies]` up to the next section.
    let section = text.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter(|line| line.starts_with("smvae"));
    let got: Vec<&str> = names.filter_map(|line| line.split([' ', '.', '=']).next()).collect();
    assert_eq!(got, want, "{folder}");
}

/// Names of the packages that a build of `package` takes.
fn tree(package: &str, options: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
        .args(options)
        .output()
        .expect("cargo runs: it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Every Rust file of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["src", "crates", "tests", "examples", "benches"] {
        collect(&root().join(folder), "rs", &mut found);
    }
    assert!(found.len() > 50, "the sources are not where they were");
    found
}

fn manifests() -> Vec<PathBuf> {
    let mut found = vec![root().join("Cargo.toml")];
    collect(&root().join("crates"), "toml", &mut found);
    found
}

/// Files below a folder that have this extension, but for what was built.
fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
