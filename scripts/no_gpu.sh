# Sourced by scripts/cuda_count.sh, in the repository's root: builds with the feature `cuda` that need no CUDA, and run without
# a GPU.
#
# Makes the stand-in of tests/cuda as every library that such a build links, and a fake nvcc whose PTX is empty, which the
# stand-in never reads. In a target folder of its own, since a real build must not find that PTX.

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/cuda-count
export CUDA_HOME=$CARGO_TARGET_DIR/driver
unset CUDA_PATH CUDA_ROOT CUDA_TOOLKIT_ROOT_DIR
export NVCC=$CUDA_HOME/bin/nvcc CUDARC_CUDA_VERSION=13000 CUDA_COMPUTE_CAP=90
mkdir -p "$CUDA_HOME/bin" "$CUDA_HOME/lib"
# Only what has changed is written, so that cargo builds no more than that.
install -C -m 755 tests/cuda/nvcc "$NVCC"
library=$CUDA_HOME/lib/libsmvae_no_gpu.so
if [ ! -e "$library" ] || [ -n "$(find tests/cuda -name '*.cpp' -newer "$library" -o -name '*.h' -newer "$library")" ]; then
    "${CXX:-c++}" -std=c++17 -O3 -Wall -Wextra -shared -fPIC -Wl,-soname,libsmvae_no_gpu.so \
        -o "$library" tests/cuda/driver.cpp tests/cuda/blas.cpp -ldl
fi
for name in cuda nvrtc curand cublas cublasLt cudart; do
    ln -sf libsmvae_no_gpu.so "$CUDA_HOME/lib/lib$name.so"
done
export LD_LIBRARY_PATH=$CUDA_HOME/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
