#!/usr/bin/env bash
# Builds and packs what gpu_check.sh needs on a machine that has an NVIDIA GPU and its driver, but no compiler, no CUDA
# toolkit and no network. Run it where programs are built; no GPU is needed:
#
#     scripts/gpu_pack.sh                   leaves target/gpu-pack, to be carried beside the sources
#
# The folder has one archive: the program, the tests of smvae-core, the suite and our side of the comparison with PyTorch,
# stripped; a synthetic corpus; and of the shared data (SMVAE_SHARED, ../shared), where it is there, what the comparison
# reads. Settings:
#     CUDA_CAP=90         the compute capability that candle's own kernels are built for (ours are PTX for all since 8.0)
#     FEATURES=cuda       with FEATURES= the pack is for the processor, which tries the scripts (gpu_check.sh, DEVICE=cpu)
#     PROFILE=release     or dev
#     SELECT=...          which packages cargo builds; --workspace takes what `cargo test --workspace` has built
#     LIMIT=64            the most MiB of the archive
# A first build with CUDA takes some 25 minutes of one core.
set -euo pipefail
cd "$(dirname "$0")/.."
FEATURES=${FEATURES-cuda} PROFILE=${PROFILE:-release} LIMIT=${LIMIT:-64}
SHARED=${SMVAE_SHARED:-../shared}
SELECT=${SELECT:--p smvae-core -p smvae-cli -p smvae-suite -p smvae-benches}
pack=$PWD/${CARGO_TARGET_DIR:-target}/gpu-pack
[ -z "$FEATURES" ] || . scripts/cuda_env.sh

options=(--profile "$PROFILE")
[ -z "$FEATURES" ] || for package in core cli suite benches; do options+=(--features "smvae-$package/$FEATURES"); done
rm -rf "$pack"
mkdir -p "$pack/all/bin" "$pack/all/shared"
# One call, so that candle is built once. `bad_inputs` is there because it has the program built.
# shellcheck disable=SC2086 # SELECT is several words.
cargo test --locked --no-run --message-format json-render-diagnostics $SELECT "${options[@]}" \
    --lib --test suite --test bad_inputs --example peer_ours >"$pack/artifacts"
# put TARGET NAME: the program that cargo built of a target.
put() {
    local from
    from=$(sed -n "s/.*\"name\":\"$1\".*\"executable\":\"\([^\"]*\)\".*/\1/p" "$pack/artifacts" | tail -n 1)
    [ -n "$from" ] || { echo "cargo built no $1" >&2; exit 1; }
    cp "$from" "$pack/all/bin/$2"
    strip "$pack/all/bin/$2"
}
put smvae smvae
put smvae_core core_tests
put suite suite
put peer_ours peer_ours
rm "$pack/artifacts"

"$pack/all/bin/smvae" demo --quiet --out "$pack/demo" >/dev/null
mv "$pack/demo/corpus" "$pack/all/corpus"
rm -r "$pack/demo"
for file in data/twitter2017 features/twitter2017.safetensors models/all-MiniLM-L6-v2/tokenizer.json; do
    [ -e "$SHARED/$file" ] || { echo "without $SHARED/$file: no comparison with PyTorch" >&2; continue; }
    mkdir -p "$pack/all/shared/$(dirname "$file")"
    cp -r "$SHARED/$file" "$pack/all/shared/$file"
done
chmod -R u+w "$pack/all"
{
    echo "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
    echo "profile $PROFILE"
    echo "features ${FEATURES:-none}"
    echo "capability ${CUDA_COMPUTE_CAP:-none}"
} >"$pack/all/about"
# The programs have most of their bytes in common; a window over all of them finds that.
tar -C "$pack/all" -cf - . | xz --lzma2=preset=3,dict=256MiB >"$pack/pack.tar.xz"
rm -r "$pack/all"
size=$(($(stat -c %s "$pack/pack.tar.xz") / 1048576 + 1))
echo "$pack/pack.tar.xz: $size MiB"
[ "$size" -le "$LIMIT" ] || { echo "more than $LIMIT MiB" >&2; exit 1; }
