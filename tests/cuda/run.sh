#!/usr/bin/env bash
# The tests that run on a GPU, without one: operations, Adam, whole training steps, gradients, the authors' numbers, runs.
#
#     tests/cuda/run.sh [FILTER]...
#
# The real build with CUDA runs against the driver of this folder, which launches kernels of smvae and of candle that were
# compiled for the CPU. What this shows: that arguments, sizes, offsets and lifetimes of every launch are right on the side of
# Rust. What it does not: how a GPU orders threads, and TF32. Half precision is left out (kernels.sh).
#
# Takes a C++ compiler and Python, and about a quarter of an hour of one core where nothing is built yet.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/no_gpu.sh
SMVAE_NO_GPU_KERNELS=$(tests/cuda/kernels.sh "$CARGO_TARGET_DIR/kernels")
# The backward pass walks the graph recursively, and tests run on threads with small stacks.
export SMVAE_NO_GPU_KERNELS SMVAE_DEVICE=cuda RUST_MIN_STACK=$((256 << 20))
[ $# -gt 0 ] || set -- device_tests:: optim:: average:: gradients:: parity_golden:: runs::
cargo test --locked --workspace --features cuda --lib --test suite -- "$@" --skip half_precision
