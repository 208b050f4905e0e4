//! What the tests of the program share: command lines from outside, JSON, small corpora and models.
#![allow(dead_code, reason = "each file of tests uses some of it")]

use serde_json::Value;
use smvae::core::candle_core::{self, Tensor};
use smvae::data::synthetic::{SyntheticConfig, generate};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A command line in a folder, its words separated by blanks, with nothing on stdin.
pub(crate) fn smvae(dir: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smvae"));
    command.current_dir(dir).args(line.split_whitespace()).stdin(Stdio::null());
    command
}

/// Runs a command line; exit code, stdout and stderr.
pub(crate) fn run(dir: &Path, line: &str, input: &str) -> (Option<i32>, String, String) {
    let mut command = smvae(dir, line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // A program that refuses its options does not read its input.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().expect("the program ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// Runs a command line and checks the exit code; stdout and stderr.
#[track_caller]
pub(crate) fn check(dir: &Path, line: &str, input: &str, code: i32) -> (String, String) {
    let (got, stdout, stderr) = run(dir, line, input);
    assert_eq!(got, Some(code), "{line}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

/// The same of a command line that ends with this message, perhaps behind notes.
#[track_caller]
pub(crate) fn check_error(dir: &Path, line: &str, input: &str, code: i32, message: &str) {
    let (stdout, stderr) = check(dir, line, input, code);
    let errors = stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert!(stderr.contains(message) && errors == 1, "{line}\n{stderr}");
    assert_eq!(stdout, "", "{line}");
}

pub(crate) fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON alone")
}

/// A temporary folder with a synthetic corpus and its image vectors.
pub(crate) fn folder_with_corpus(name: &str, n_train: usize, n_dev: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config =
        SyntheticConfig { n_train, n_dev, n_test: n_dev, image_dim: 8, names: 6, ..SyntheticConfig::default() };
    generate(&config).expect("a valid setting").write_to(dir.path().join(name)).expect("writes");
    dir
}

/// A folder with the corpus `dataset/mine` and its image vectors.
pub(crate) fn folder() -> tempfile::TempDir {
    folder_with_corpus("dataset/mine", 40, 8)
}

/// Trains the smallest model on that corpus.
pub(crate) const TINY: &str =
    "train --data dataset/mine --text-encoder tiny --hidden-dim 8 --latent-dim 4 --max-width 3 --threads 2";

/// A file of weights of a ResNet of one block.
pub(crate) fn save_vision_model(path: &Path) {
    let tensor = |shape: &[usize]| Tensor::full(0.1f32, shape, &candle_core::Device::Cpu).expect("a small tensor");
    let mut tensors = HashMap::new();
    for (conv, norm, shape) in [
        ("conv1", "bn1", [4, 3, 7, 7]),
        ("layer1.0.conv1", "layer1.0.bn1", [4, 4, 3, 3]),
        ("layer1.0.conv2", "layer1.0.bn2", [4, 4, 3, 3]),
    ] {
        tensors.insert(format!("{conv}.weight"), tensor(&shape));
        for name in ["weight", "bias", "running_mean", "running_var"] {
            tensors.insert(format!("{norm}.{name}"), tensor(&[4]));
        }
    }
    candle_core::safetensors::save(&tensors, path).expect("writes");
}
