# Sourced by build_cuda.sh and gpu_pack.sh, in the repository's root: the CUDA toolkit and a target folder of its own.
#
# The toolkit is the one CUDA_HOME names; where it is not set, what SMVAE_CUDA_TOOLKIT (../shared/tools/cuda-toolkit.sh)
# makes from wheels of PyPI, and else that of an nvcc on the PATH. CUDA_CAP is the compute capability built for.

toolkit=${SMVAE_CUDA_TOOLKIT:-../shared/tools/cuda-toolkit.sh}
if [ -z "${CUDA_HOME:-}" ] && [ -f "$toolkit" ]; then
    eval "$(bash "$toolkit" target/cuda-toolkit --cap "${CUDA_CAP:-90}")"
elif [ -n "${CUDA_HOME:-}" ] || command -v nvcc >/dev/null; then
    [ -z "${CUDA_CAP:-}" ] || export CUDA_COMPUTE_CAP=$CUDA_CAP
else
    echo "no CUDA toolkit: set CUDA_HOME to one, or SMVAE_CUDA_TOOLKIT to a script that makes one" >&2
    exit 1
fi
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/cuda
