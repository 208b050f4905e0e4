//! Tells the program which commit it is built from, if that can be known: `SMVAE_COMMIT`, which
//! `smvae --version` says.
//!
//! Debug builds are not told, so that a commit does not make the tests be built anew. Where git, or
//! the checkout, is missing, nothing is told and nothing fails. No path becomes part of the
//! program.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
        return;
    }
    if let Some(commit) = of_package().or_else(of_checkout) {
        println!("cargo::rustc-env=SMVAE_COMMIT={commit}");
    }
}

/// The commit that a published package was made from, as cargo writes it into the package.
fn of_package() -> Option<String> {
    let info = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let digits = info.split("\"sha1\": \"").nth(1)?.split('"').next()?;
    digits.chars().all(|c| c.is_ascii_hexdigit()).then(|| digits.to_owned())
}

/// The last commit of the checkout, and whether files were changed since; built anew after another
/// commit, or another branch.
fn of_checkout() -> Option<String> {
    // In a checkout of something else, of which this folder is no part, its commit says nothing.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).is_file() {
        println!("cargo::rerun-if-changed={log}");
    }
    // What is changed since the commit is told, too.
    for path in ["../../crates", "../../Cargo.toml", "../../Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}, with changes") })
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end().to_owned())
}
