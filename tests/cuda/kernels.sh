#!/usr/bin/env bash
# Compiles the kernels of candle and of smvae for the CPU, and prints the libraries between colons: what SMVAE_NO_GPU_KERNELS of
# driver.cpp takes.
#
#     tests/cuda/kernels.sh FOLDER
#
# candle's sources are read where cargo keeps them, with the emulator of crates/smvae-kernels and candle_on_cpu.h for CUDA's
# headers. Kernels in half precision are left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$1
mkdir -p "$folder/include/cuda/std"
compiler=${CXX:-c++}
for header in cuda_fp16.h cuda_bf16.h cuda_fp8.h cuda.h cuda/std/limits; do
    echo '#include "candle_on_cpu.h"' >"$folder/include/$header"
done
emulator=crates/smvae-kernels/emulator
# Each library has its own emulator, since a process would otherwise share one.
options=(-std=c++17 -O2 -w -fPIC -shared -fno-gnu-unique -Wl,-Bsymbolic)
libraries=()
compile() { # the library's name, and what else the compiler is told
    local library=$folder/lib$1.so
    shift
    "$compiler" "${options[@]}" -o "$library" -x c++ "$emulator/launch.cpp" "$@"
    libraries+=("$library")
}
compile smvae_kernels crates/smvae-kernels/cuda/*.cu

sources=$(cargo metadata --locked --features smvae-core/cuda --format-version 1 |
    python3 -c 'import json, pathlib, sys
packages = json.load(sys.stdin)["packages"]
print(next(pathlib.Path(p["manifest_path"]).parent / "src" for p in packages if p["name"] == "candle-kernels"))')
# A capability without half precision, of a compiler that needs none of candle's stopgaps.
candle=(-I "$folder/include" -I "$emulator" -I tests/cuda -include candle_on_cpu.h
    -D__CUDA_ARCH__=500 -D__CUDACC_VER_MAJOR__=13 -D__CUDACC_VER_MINOR__=0)
for name in affine binary cast fill indexing reduce ternary unary; do
    # The kernels are the functions whose names are not mangled.
    "$compiler" -std=c++17 -w -c "${candle[@]}" -o "$folder/$name.o" -x c++ "$sources/$name.cu"
    found=$(nm --defined-only "$folder/$name.o" | awk '$2 == "T" && $3 !~ /^_Z/ { print $3 }')
    {
        echo "#include \"$sources/$name.cu\""
        for kernel in $found; do echo "EXPORT($kernel)"; done
    } >"$folder/$name.cpp"
    compile "candle_$name" "${candle[@]}" "$folder/$name.cpp"
done
(IFS=:; echo "${libraries[*]}")
