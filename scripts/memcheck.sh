#!/usr/bin/env bash
# valgrind's memcheck over the code that is `unsafe`: the unit tests of the layers of smvae-core, whose
# matrix products hand raw slices to gemm, and the program from its first line to its last, which sets
# variables of the environment before it has threads. Fails where memory is read that was never written,
# or beyond its end.
#
# valgrind knows no AVX-512 and no AMX and says so by CPUID; gemm and pulp ask it when they run and take
# AVX2. So what is checked are the kernels of such CPUs; those of AVX-512 differ in nothing but their width,
# but for those of ours in f32 and by AMX, which only their own tests see, and int8 and bf16 are computed by
# the portable twins of their kernels. Miri is of no use for either: it has none of these instructions, and runs no code of other languages.
#
# Takes minutes, which is why CI does not run it. Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."

# Where `unsafe` stands, which a test of the suite compares; a new place belongs to what is run below, but for what needs a
# GPU or the units above.
known="crates/smvae-cli/src/main.rs crates/smvae-cli/src/memory.rs crates/smvae-cli/src/threads.rs"
known="$known crates/smvae-core/src/cuda.rs"
known="$known crates/smvae-core/src/nn/kernels/launch.rs crates/smvae-core/src/nn/kernels/output.rs"
known="$known crates/smvae-core/src/nn/matrix/amx.rs crates/smvae-core/src/nn/matrix/avx512_bf16.rs"
known="$known crates/smvae-core/src/nn/matrix/float.rs crates/smvae-core/src/nn/matrix/panels.rs"
known="$known crates/smvae-core/src/nn/matrix/tile.rs crates/smvae-core/src/nn/matrix/vnni.rs"
known="$known crates/smvae-kernels/src/emulator.rs"
found=$(grep -rlE '\bunsafe (\{|fn|impl)' --include='*.rs' crates/*/src | sort | tr '\n' ' ')
[ "$found" = "$known " ] || { echo "unsafe stands in: $found" >&2; exit 1; }

if [ "$(command -v valgrind)" = "" ]; then
    echo "skipped: there is no valgrind"
    exit 0
fi
check() {
    local start=$SECONDS
    valgrind --quiet --error-exitcode=99 --leak-check=no --fair-sched=yes "$@"
    echo "    $((SECONDS - start)) s"
}
export RAYON_NUM_THREADS=2 CANDLE_NUM_THREADS=1

# The workspace as a whole, as CI builds it: with one package alone, dependencies are built again.
tests=$(cargo test --locked --workspace --lib --no-run 2>&1 |
    sed -n 's|.*unittests crates/smvae-core/src/lib.rs (\(.*\))|\1|p; s|.*Executable.*(\(.*/smvae_core-[0-9a-f]*\))|\1|p' | head -1)
echo "==> the tests of the layers: $tests"
# One of them goes through thousands of shapes, which the others have in small.
check "$tests" --test-threads 1 "${FILTER:-nn::}" --skip no_bit_of_a_row_depends

program=${CARGO_TARGET_DIR:-target}/debug/smvae
[ -x "$program" ] || cargo build --locked -p smvae-cli
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for split in train valid test; do
    for i in 1 2 3 4; do printf 'IMGID:%s\nmet\tO\nZarko\tB-PER\nin\tO\nOslo\tB-LOC\n\n' "$i"; done >"$work/$split.txt"
done
for line in "stats --data $work" \
    "train --data $work --text-encoder tiny --hidden-dim 8 --latent-dim 4 --max-width 3 --max-steps 1 --epochs 1 --out $work/run" \
    "predict --model $work/run --from text --input $work/text --output $work/found.jsonl"; do
    echo "met Zarko in Oslo" >"$work/text"
    echo "==> smvae ${line%% *}"
    # shellcheck disable=SC2086
    check "$program" $line >/dev/null
done
