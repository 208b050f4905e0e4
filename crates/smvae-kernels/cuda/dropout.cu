// Dropout, whose mask is a function of a seed and the position, alone or with a sum.
#include "common.cuh"

// y = x m / (1 - p), and the same for gradients.
extern "C" __global__ void dropout(float *y, const float *x, unsigned n, unsigned long long seed, unsigned threshold,
                                   float scale) {
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        y[i] = x[i] * dropout_factor(seed, threshold, scale, i);
}
EXPORT(dropout)

// sum = y + x m / (1 - p)
extern "C" __global__ void dropout_add(float *sum, const float *x, const float *y, unsigned n, unsigned long long seed,
                                       unsigned threshold, float scale) {
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        sum[i] = y[i] + x[i] * dropout_factor(seed, threshold, scale, i);
}
EXPORT(dropout_add)
