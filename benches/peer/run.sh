#!/usr/bin/env bash
# Both sides alternately on the same real tweets, then a table of medians and ratios:
#
#     benches/peer/run.sh [minilm|base]...          both sizes without arguments
#
# Needs the corpora, features and tokenizer of SMVAE_SHARED (../shared) and, once, the network for PyTorch. Settings:
#     ROUNDS=5 STEPS=8 THREADS=2    rounds, training steps a round, threads of both sides
#     WORK="supervised semi evaluate"      what is run
#     PRECISION="f32"               of both sides, of "f32 bf16 int8": the peer's bf16 is autocast's; int8 is of evaluation,
#                                   and has no peer but the encoders
#     ENCODERS=                     1: evaluation beside other engines with the text encoder alone, too (encoders.py)
#     PEER_VENV=DIR                 a virtual environment that has torch, transformers and safetensors
#     OUT=DIR                       where weights and results go (2 GB for base); target/peer
#     DEVICE=cpu                    or cuda, on which memory is the most that the GPU had in use
#     FEATURES=                     of cargo, for our side
set -euo pipefail
cd "$(dirname "$0")/../.."

SHARED=$(realpath "${SMVAE_SHARED:-../shared}")
ROUNDS=${ROUNDS:-5} STEPS=${STEPS:-8} THREADS=${THREADS:-2}
WORK=${WORK:-supervised semi evaluate}
PRECISION=${PRECISION:-f32}
OUT=${OUT:-target/peer}
DEVICE=${DEVICE:-cpu}
ENCODERS=${ENCODERS:-}
[ $# -gt 0 ] || set -- minilm base
mkdir -p "$OUT"

VENV=${PEER_VENV:-$OUT/venv}
if [ ! -x "$VENV/bin/python" ]; then
    python3 -m venv "$VENV"
    # The versions this was written with.
    "$VENV/bin/pip" install --quiet torch==2.15.0 transformers==5.23.0 tokenizers==0.23.3 safetensors==0.8.0 numpy==2.4.6
fi
[ -z "$ENCODERS" ] || "$VENV/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
cargo build --locked --release -p smvae-benches --example peer_ours --features "${FEATURES:-}"
ours=${CARGO_TARGET_DIR:-target}/release/examples/peer_ours
# Ours as the program runs it: without the second pool of candle, which is slower.
export CANDLE_NUM_THREADS=1
export RAYON_NUM_THREADS=$THREADS OMP_NUM_THREADS=$THREADS TOKENIZERS_PARALLELISM=true

results=$OUT/results-$(date +%Y%m%d-%H%M%S).jsonl
peer() { "$VENV/bin/python" benches/peer/peer.py "$@" --threads "$THREADS" --shared "$SHARED" --device "$DEVICE"; }
encoder() { "$VENV/bin/python" benches/peer/encoders.py "$@" --threads "$THREADS" --shared "$SHARED"; }
declare -A engines=([f32]="torch onnxruntime openvino" [bf16]="torch openvino" [int8]="onnxruntime")
ours() { "$ours" "$@" --shared "$SHARED" --device "$DEVICE"; }
# Runs a side and adds the size, and the GPU's memory, to its line.
record() {
    local fields="\"size\": \"$1\"" line watcher
    shift
    if [ "$DEVICE" = cpu ]; then
        line=$("$@")
    else
        nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -lms 100 > "$OUT/gpu-memory" &
        watcher=$!
        line=$("$@") || { kill $watcher; return 1; }
        kill $watcher
        fields+=", \"gpu_mib\": $(sort -n "$OUT/gpu-memory" | tail -n 1)"
    fi
    echo "{$fields, ${line#\{}" >> "$results"
}

for size in "$@"; do
    run=$OUT/$size
    [ -f "$run/weights.safetensors" ] || "$ours" prepare --size "$size" --run "$run" --shared "$SHARED" >&2
    for ((round = 1; round <= ROUNDS; round++)); do
        for work in $WORK; do for precision in $PRECISION; do
            echo "$size, round $round of $ROUNDS: $work, $precision" >&2
            if [ "$work" = evaluate ]; then
                record "$size" ours evaluate --run "$run" --precision "$precision"
                [ "$precision" = int8 ] || record "$size" peer evaluate --run "$run" --precision "$precision"
                [ -z "$ENCODERS" ] || for engine in ${engines[$precision]}; do
                    record "$size" encoder --run "$run" --precision "$precision" --engine "$engine"
                done
                continue
            fi
            [ "$precision" != int8 ] || continue
            options=(--steps "$STEPS" --precision "$precision")
            [ "$work" = supervised ] || options+=(--semi)
            record "$size" ours train --run "$run" "${options[@]}"
            record "$size" peer train --run "$run" "${options[@]}"
            record "$size" peer train --run "$run" "${options[@]}" --sorted
            # The strongest peer: our factorisation on top.
            record "$size" peer train --run "$run" "${options[@]}" --sorted --scoring factorised
        done; done
    done
done
echo "$results"
"$VENV/bin/python" benches/peer/table.py "$results"
