#!/usr/bin/env bash
# Builds the program with CUDA on a machine that need not have a GPU or a driver, nor CUDA (see cuda_env.sh):
#
#     scripts/build_cuda.sh [CARGO OPTIONS]...          leaves target/cuda/release/smvae
#     CUDA_CAP=90 FEATURES=cuda scripts/build_cuda.sh
#
# CUDA_CAP: 80 for an A100, 86 for RTX 30, 89 for RTX 40, 90 for an H100. FEATURES: cuda, or cuda,cudnn where cuDNN is
# installed. A first build takes about 13 minutes of one core more than one without CUDA. The program needs a driver, and
# cuBLAS and cuRAND of the toolkit's version on the library path, where it runs on a GPU, and none of them elsewhere if
# cuda-toolkit.sh made the toolkit.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/cuda_env.sh
cargo build --locked --release -p smvae-cli --bin smvae --features "${FEATURES:-cuda}" "$@"
ls -l "$CARGO_TARGET_DIR/release/smvae"
