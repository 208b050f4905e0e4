// Up to four arrays of one length, one after the other.
#include "common.cuh"

// y: [count, n], of which the first `count` of the others are the rows.
extern "C" __global__ void stack_rows(float *y, const float *a, const float *b, const float *c, const float *d, unsigned n,
                                      unsigned count) {
    for (unsigned part = 0; part < count; ++part) {
        const float *from = part == 0 ? a : part == 1 ? b : part == 2 ? c : d;
        float *to = y + size_t(part) * n;
        for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) to[i] = from[i];
    }
}
EXPORT(stack_rows)
