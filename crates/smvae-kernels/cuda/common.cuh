// What the kernels share. Every kernel is right for any number of threads a block that is a multiple of 32, up to 1024, and
// for any grid: rows and elements are gone through in strides. Sums have a fixed order, so that the same input gives the same
// bits; there are no atomics.
#pragma once

#ifdef __CUDACC__
#define EXPORT(kernel)
#else
#include "../emulator/cuda_on_cpu.h"
#endif

constexpr unsigned WARP_SIZE = 32;

__device__ inline float warp_sum(float x) {
    for (int mask = 16; mask > 0; mask /= 2) x += __shfl_xor_sync(0xffffffffu, x, mask);
    return x;
}

__device__ inline float warp_max(float x) {
    for (int mask = 16; mask > 0; mask /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, mask));
    return x;
}

// The sum over all threads of the block, which all of them get; all have to call it.
__device__ inline float block_sum(float x) {
    __shared__ float of_warp[WARP_SIZE];
    x = warp_sum(x);
    // The call before may still be reading.
    __syncthreads();
    if (threadIdx.x % WARP_SIZE == 0) of_warp[threadIdx.x / WARP_SIZE] = x;
    __syncthreads();
    const unsigned lane = threadIdx.x % WARP_SIZE;
    return warp_sum(lane < blockDim.x / WARP_SIZE ? of_warp[lane] : 0.0f);
}

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// A 32-bit finaliser ("lowbias32").
__device__ inline unsigned finalise(unsigned x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

// 0 for a number at a position that dropout drops, `scale` for one that it keeps: the mask of nn/dropout.rs.
__device__ inline float dropout_factor(unsigned long long seed, unsigned threshold, float scale, unsigned long long position) {
    const unsigned x = finalise(unsigned(position) ^ unsigned(seed));
    return finalise(x ^ unsigned(seed >> 32) ^ unsigned(position >> 32)) < threshold ? 0.0f : scale;
}
