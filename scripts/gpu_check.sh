#!/usr/bin/env bash
# On a machine with an NVIDIA GPU: does it compute what the CPU does, how fast, and in how much memory?
#
#     scripts/gpu_check.sh [minilm|base]...          base if none is named
#
# First the tests on the GPU: every operation and whole training steps against the CPU, gradients, runs, the numbers of the
# authors' program and of transformers. Then training steps and evaluation beside PyTorch on the same GPU, both in TF32, as
# benches/README.md describes: tweets a second, the most memory the GPU had in use, ratios.
#
# Needs a toolkit (cuda_env.sh), nvidia-smi, the shared data (SMVAE_SHARED) for the second part, and once the network for
# PyTorch. ROUNDS, STEPS, WORK, PEER_VENV are settings of benches/peer/run.sh; PARITY=0 and SPEED=0 leave a part out.
set -euo pipefail
cd "$(dirname "$0")/.."
nvidia-smi --query-gpu=name,driver_version,memory.total,memory.used --format=csv
. scripts/cuda_env.sh
export FEATURES=${FEATURES:-cuda}

if [ "${PARITY:-1}" = 1 ]; then
    # The backward pass walks the graph recursively, and tests run on threads with small stacks.
    export SMVAE_DEVICE=cuda RUST_MIN_STACK=$((256 << 20))
    cargo test --locked --release --features "$FEATURES" -p smvae-core --lib device_tests
    # One at a time: each opens the GPU for itself.
    cargo test --locked --release --features "$FEATURES" -p smvae-suite --test suite -- --test-threads 1
    unset SMVAE_DEVICE RUST_MIN_STACK
fi
if [ "${SPEED:-1}" = 1 ]; then
    [ $# -gt 0 ] || set -- base
    DEVICE=cuda benches/peer/run.sh "$@"
fi
