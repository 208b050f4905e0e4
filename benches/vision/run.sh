#!/usr/bin/env bash
# ResNet forward at 224 pixels, ours and torchvision's alternately, then a table of medians and ratios:
#
#     benches/vision/run.sh [NAME]...            resnet50 and resnet152 without arguments
#
# Settings:
#     ROUNDS=3 REPEATS=3 BATCH=8 THREADS=2      rounds, timed batches a round, images a batch, threads of both sides
#     PEER_VENV=DIR                             an environment with torch, torchvision and safetensors (required)
#     OURS=FILE                                 our side; built in release if not given
#     OUT=DIR                                   where weights and results go; target/vision
set -euo pipefail
cd "$(dirname "$0")/../.."

ROUNDS=${ROUNDS:-3} REPEATS=${REPEATS:-3} BATCH=${BATCH:-8} THREADS=${THREADS:-2}
OUT=${OUT:-target/vision}
python=${PEER_VENV:?an environment with torch 2.15.0, torchvision 0.29.2 and safetensors}/bin/python
[ $# -gt 0 ] || set -- resnet50 resnet152
mkdir -p "$OUT"
if [ -z "${OURS:-}" ]; then
    cargo build --locked --release -p smvae-benches --example vision_ours
    OURS=${CARGO_TARGET_DIR:-target}/release/examples/vision_ours
fi
export RAYON_NUM_THREADS=$THREADS OMP_NUM_THREADS=$THREADS

results=$OUT/results-$(date +%Y%m%d-%H%M%S).jsonl
record() { sed "s/^{/{\"name\": \"$1\", \"batch\": $BATCH, /" >> "$results"; }
for name in "$@"; do
    weights=$OUT/$name.safetensors
    [ -f "$weights" ] || "$python" benches/vision/peer.py prepare "$name" "$weights"
    for ((round = 1; round <= ROUNDS; round++)); do
        "$OURS" "$weights" "$BATCH" "$REPEATS" | record "$name"
        for layout in nchw nhwc; do
            "$python" benches/vision/peer.py run "$name" "$weights" "$BATCH" "$REPEATS" "$layout" | record "$name"
        done
    done
done
echo "$results"
"$python" benches/vision/peer.py table "$results"
