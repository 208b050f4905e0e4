#!/usr/bin/env bash
# `smvae predict` beside the token-classification pipeline of Hugging Face, with the same text encoder on the same posts,
# alternately, then a table of medians: benches/peer/predict.sh
#
# Needs the corpora and all-MiniLM-L6-v2 of SMVAE_SHARED (../shared) and, once, the network for PyTorch. Settings:
#     ROUNDS=3 POSTS=20000 THREADS=2
#     ONNX="int8"      also a loop around ONNX Runtime, in f32, int8 or both; needs onnx and onnxruntime in the environment
#     PEER_VENV=DIR    a virtual environment that has torch and transformers (5 GB); made in OUT without
#     RUN=DIR          a run folder with that text encoder; one is trained for an epoch without
#     SMVAE_BIN=FILE   the program; built without
#     OUT=DIR          where posts, answers and results go; target/peer
set -euo pipefail
cd "$(dirname "$0")/../.."

SHARED=$(realpath "${SMVAE_SHARED:-../shared}")
ROUNDS=${ROUNDS:-3} POSTS=${POSTS:-20000} THREADS=${THREADS:-2}
OUT=${OUT:-target/peer}
encoder=$SHARED/models/all-MiniLM-L6-v2
mkdir -p "$OUT"

VENV=${PEER_VENV:-$OUT/venv}
if [ ! -x "$VENV/bin/python" ]; then
    python3 -m venv "$VENV"
    # The versions of run.sh.
    "$VENV/bin/pip" install --quiet torch==2.15.0 transformers==5.23.0 tokenizers==0.23.3 safetensors==0.8.0 numpy==2.4.6
fi
[ -n "${SMVAE_BIN:-}" ] || cargo build --locked --release --bin smvae
smvae=${SMVAE_BIN:-${CARGO_TARGET_DIR:-target}/release/smvae}
run=${RUN:-$OUT/predict-run}
[ -e "$run/weights.safetensors" ] || "$smvae" train --data "$SHARED/data/twitter2017" --text-encoder "$encoder" \
    --labelled all --epochs 1 --out "$run" >&2

results=$OUT/predict-$(date +%Y%m%d-%H%M%S).jsonl
predict() { "$VENV/bin/python" benches/peer/predict.py "$@" --threads "$THREADS" --posts "$OUT/posts.jsonl"; }
predict posts --corpus "$SHARED/data/twitter2017/test.txt" --n "$POSTS"
for precision in ${ONNX:-}; do
    # By itself, so that PyTorch is not in the memory of the loop.
    predict export --model "$encoder" --work "$OUT" --precision "$precision" >&2
done
for ((round = 1; round <= ROUNDS; round++)); do
    echo "round $round of $ROUNDS" >&2
    for precision in f32 int8; do
        predict ours --smvae "$smvae" --model "$run" --precision "$precision" --output "$OUT/answers-$precision.jsonl" >>"$results"
    done
    predict peer --model "$encoder" --output "$OUT/answers-peer.jsonl" >>"$results"
    predict peer --model "$encoder" --output "$OUT/answers-peer.jsonl" --sorted >>"$results"
    for precision in ${ONNX:-}; do
        predict onnx --model "$encoder" --work "$OUT" --precision "$precision" --output "$OUT/answers-onnx.jsonl" >>"$results"
    done
done
echo "$results"
"$VENV/bin/python" benches/peer/predict.py table --results "$results"
