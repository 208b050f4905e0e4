#!/usr/bin/env bash
# How often does training and evaluation call the driver of a GPU? Needs no GPU, no driver and no CUDA.
#
#     scripts/cuda_count.sh             a table, and target/cuda-count/counts/now.json
#     scripts/cuda_count.sh NAME        the same, kept as the column NAME of benches/cuda-counts.json (docs/gpu.md)
#     SIZES="minilm base" WORK="supervised semi evaluation" scripts/cuda_count.sh
#
# Builds the program with the feature `cuda` against tests/cuda, which stands in for libcuda and its like: launches are counted
# and compute nothing. Each number is the difference of a long and a short piece of work, so that loading does not count:
# training steps 5 to 20 of Twitter2017 at the default settings (16 posts each, and 16 without labels), and the last 640 of its
# test posts. base is of BERT-base's size, with weights that are all 0.
#
# Needs the shared data (SMVAE_SHARED), a C++ compiler and Python. A first build takes about ten minutes of one core; PROGRAM
# names a program that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/no_gpu.sh
shared=$(realpath "${SMVAE_SHARED:-../shared}")
images=$shared/features/twitter2017.safetensors
counts=$CARGO_TARGET_DIR/counts
mkdir -p "$counts"
program=${PROGRAM:-$CARGO_TARGET_DIR/debug/smvae}
[ -n "${PROGRAM:-}" ] || cargo build --locked --workspace --features cuda --bin smvae

# A test split of 83 posts, which leaves 640 of the 723.
few=$counts/few-posts
mkdir -p "$few"
awk '/^IMGID:/ && ++n > 83 { exit } { print }' "$shared/data/twitter2017/test.txt" >"$few/test.txt"

counted() { # the file of the counts, and what to run
    local file=$1
    shift
    SMVAE_NO_GPU_COUNTS=$file "$@" >"$counts/log" 2>&1 || { cat "$counts/log" >&2; exit 1; }
}
train() { # the size, the number of steps, more options
    local size=$1 steps=$2 encoder=$shared/models/all-MiniLM-L6-v2
    shift 2
    [ "$size" = minilm ] || encoder=$counts/$size
    "$program" train --device cuda --data "$shared/data/twitter2017" --image-features "$images" --text-encoder "$encoder" \
        --out "$counts/run-$size" --overwrite --epochs 1 --max-steps "$steps" "$@"
}
evaluate() { # the size, the folder of the data
    "$program" eval --device cuda --model "$counts/run-$1" --data "$2" --image-features "$images"
}

rm -f "$counts"/*.json
for size in ${SIZES:-minilm base}; do
    [ "$size" = minilm ] || python3 tests/cuda/encoder.py "$shared/models/all-MiniLM-L6-v2" "$counts/$size"
    for work in ${WORK:-supervised semi evaluation}; do
        echo "$size, $work" >&2
        for part in short long; do
            file=$counts/$size-$work-$part.json
            steps=4 data=$few
            [ $part = short ] || steps=20 data=$shared/data/twitter2017
            case $work in
                supervised) counted "$file" train "$size" $steps ;;
                semi) counted "$file" train "$size" $steps --semi --labelled 400 ;;
                evaluation) counted "$file" evaluate "$size" "$data" ;;
            esac
        done
    done
done
python3 tests/cuda/counts.py "$counts" "$@"
