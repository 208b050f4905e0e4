#!/usr/bin/env bash
# Builds and runs a crate outside of the workspace that depends on smvae-core without tensors, then
# checks it with tensors. It has the versions of the workspace's Cargo.lock, and needs no network.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-../../target}
cargo fmt --check
cp ../../Cargo.lock Cargo.lock
cargo run --offline --quiet
cargo check --offline --quiet --features tensors
