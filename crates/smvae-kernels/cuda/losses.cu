// Errors of rows, forward and backward: softmax cross entropy, a warp a row, and mean squared error, a block a row.
#include "common.cuh"

// log sum_c exp(l_c), which all threads of the warp get.
__device__ inline float log_sum_exp(const float *logits, unsigned classes) {
    const unsigned lane = threadIdx.x % WARP_SIZE;
    float top = -INFINITY, sum = 0.0f;
    for (unsigned c = lane; c < classes; c += WARP_SIZE) top = fmaxf(top, logits[c]);
    top = warp_max(top);
    for (unsigned c = lane; c < classes; c += WARP_SIZE) sum += expf(logits[c] - top);
    return top + logf(warp_sum(sum));
}

// y = log sum_c exp(l_c) - l_target; logits: [rows, classes]. A row whose target is no class does not count: 0.
extern "C" __global__ void cross_entropy_forward(float *y, const float *logits, const unsigned *targets, unsigned rows,
                                                 unsigned classes) {
    const unsigned warps = blockDim.x / WARP_SIZE;
    for (unsigned row = blockIdx.x * warps + threadIdx.x / WARP_SIZE; row < rows; row += gridDim.x * warps) {
        const float *of_row = logits + size_t(row) * classes;
        const unsigned target = targets[row];
        const float log_sum = log_sum_exp(of_row, classes);
        if (threadIdx.x % WARP_SIZE == 0) y[row] = target < classes ? log_sum - of_row[target] : 0.0f;
    }
}
EXPORT(cross_entropy_forward)

// dl = (softmax(l) - onehot(target)) dy, or 0 for a row that does not count.
extern "C" __global__ void cross_entropy_backward(float *dlogits, const float *logits, const unsigned *targets, const float *dy,
                                                  unsigned rows, unsigned classes) {
    const unsigned warps = blockDim.x / WARP_SIZE;
    for (unsigned row = blockIdx.x * warps + threadIdx.x / WARP_SIZE; row < rows; row += gridDim.x * warps) {
        const size_t at = size_t(row) * classes;
        const unsigned target = targets[row];
        const float log_sum = log_sum_exp(logits + at, classes);
        for (unsigned c = threadIdx.x % WARP_SIZE; c < classes; c += WARP_SIZE) {
            const float of_class = expf(logits[at + c] - log_sum) - (c == target ? 1.0f : 0.0f);
            dlogits[at + c] = target < classes ? of_class * dy[row] : 0.0f;
        }
    }
}
EXPORT(cross_entropy_backward)

// y = mean_d (a - b)^2; a, b: [rows, d].
extern "C" __global__ void squared_error_forward(float *y, const float *a, const float *b, unsigned rows, unsigned d) {
    for (unsigned row = blockIdx.x; row < rows; row += gridDim.x) {
        const size_t at = size_t(row) * d;
        float sum = 0.0f;
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) sum += (a[at + c] - b[at + c]) * (a[at + c] - b[at + c]);
        sum = block_sum(sum);
        if (threadIdx.x == 0) y[row] = sum / d;
    }
}
EXPORT(squared_error_forward)

// da = 2 (a - b) dy / d, db = -da; either may be null.
extern "C" __global__ void squared_error_backward(float *da, float *db, const float *a, const float *b, const float *dy,
                                                  unsigned rows, unsigned d) {
    for (unsigned row = blockIdx.x; row < rows; row += gridDim.x) {
        const size_t at = size_t(row) * d;
        const float scale = 2.0f / d * dy[row];
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) {
            const float gradient = scale * (a[at + c] - b[at + c]);
            if (da) da[at + c] = gradient;
            if (db) db[at + c] = -gradient;
        }
    }
}
EXPORT(squared_error_backward)
