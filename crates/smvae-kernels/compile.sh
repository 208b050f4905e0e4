#!/usr/bin/env bash
# Compiles the kernels to the PTX that is committed:
#
#     crates/smvae-kernels/compile.sh [--check] [MODULE]...          all modules if none is named
#
# With --check nothing is written: it says which files are not what the sources give, and fails. nvcc is the one on the PATH
# or that of CUDA_HOME, and has to be the version below, since every version writes other PTX; without one, SMVAE_CUDA_TOOLKIT
# (../shared/tools/cuda-toolkit.sh) fetches it.
set -euo pipefail
cd "$(dirname "$0")/../.."
VERSION=13.0.88

check=
if [ "${1:-}" = --check ]; then check=1 && shift; fi
toolkit=${SMVAE_CUDA_TOOLKIT:-../shared/tools/cuda-toolkit.sh}
if ! command -v nvcc >/dev/null && [ -z "${CUDA_HOME:-}" ] && [ -f "$toolkit" ]; then
    eval "$(bash "$toolkit" target/cuda-toolkit)"
fi
nvcc=${CUDA_HOME:+$CUDA_HOME/bin/}nvcc
"$nvcc" --version | grep -q "V$VERSION" || { echo "nvcc has to be $VERSION" >&2; exit 1; }

cd crates/smvae-kernels
[ $# -gt 0 ] || set -- $(cd cuda && ls ./*.cu | sed 's|^./||; s|\.cu$||')
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
status=0
for sm in 80 90; do
    mkdir -p "ptx/sm_$sm"
    for module; do
        # --fmad=false would cost speed; sums and products are in f32 as they are written.
        "$nvcc" --ptx -arch "compute_$sm" -O3 -std=c++17 -o "$made/$module.ptx" "cuda/$module.cu"
        # The identification of the build has a number that differs from machine to machine.
        sed -i '/^\/\/ Compiler Build ID/d' "$made/$module.ptx"
        if [ -z "$check" ]; then
            mv "$made/$module.ptx" "ptx/sm_$sm/$module.ptx"
        elif ! cmp -s "$made/$module.ptx" "ptx/sm_$sm/$module.ptx"; then
            echo "ptx/sm_$sm/$module.ptx is not what cuda/$module.cu gives: run crates/smvae-kernels/compile.sh" >&2
            status=1
        fi
    done
done
exit $status
