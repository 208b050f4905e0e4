// Layer normalisation of rows, forward and backward, a block a row.
#include "common.cuh"

// Mean of a row and one over its standard deviation, which all threads get.
__device__ inline void moments(const float *x, unsigned d, float eps, float *mean, float *scale) {
    float sum = 0.0f;
    for (unsigned c = threadIdx.x; c < d; c += blockDim.x) sum += x[c];
    *mean = block_sum(sum) / d;
    float squares = 0.0f;
    for (unsigned c = threadIdx.x; c < d; c += blockDim.x) squares += (x[c] - *mean) * (x[c] - *mean);
    *scale = 1.0f / sqrtf(block_sum(squares) / d + eps);
}

// y = (x - mean) scale w + b; x, y: [rows, d].
extern "C" __global__ void layer_norm_forward(float *y, const float *x, const float *w, const float *b, unsigned rows,
                                              unsigned d, float eps) {
    for (unsigned row = blockIdx.x; row < rows; row += gridDim.x) {
        const float *in = x + size_t(row) * d;
        float *out = y + size_t(row) * d;
        float mean, scale;
        moments(in, d, eps, &mean, &scale);
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) out[c] = (in[c] - mean) * scale * w[c] + b[c];
    }
}
EXPORT(layer_norm_forward)

// The end of a residual block: sum = residual + (x + bias) m / (1 - p), and y = the layer norm of the sum. A threshold of 0 and
// a scale of 1 mean no dropout. x, residual, sum, y: [rows, d].
extern "C" __global__ void residual_norm_forward(float *y, float *sum, const float *x, const float *bias, const float *residual,
                                                 const float *w, const float *b, unsigned rows, unsigned d, float eps,
                                                 unsigned long long seed, unsigned threshold, float scale_of_kept) {
    for (unsigned row = blockIdx.x; row < rows; row += gridDim.x) {
        const size_t at = size_t(row) * d;
        // Here and below a thread reads no sum but those that it has written.
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) {
            const float factor = dropout_factor(seed, threshold, scale_of_kept, at + c);
            sum[at + c] = residual[at + c] + (x[at + c] + bias[c]) * factor;
        }
        float mean, scale;
        moments(sum + at, d, eps, &mean, &scale);
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) y[at + c] = (sum[at + c] - mean) * scale * w[c] + b[c];
    }
}
EXPORT(residual_norm_forward)

// With g = dy w and n = (x - mean) scale: dx = scale (g - mean(g) - n mean(g n)). Each block also leaves what its rows add to
// the gradients of w and b, in `partial: [blocks, 2, d]`, which column_sums adds up.
extern "C" __global__ void layer_norm_backward(float *dx, float *partial, const float *x, const float *w, const float *dy,
                                               unsigned rows, unsigned d, float eps) {
    float *dw = partial + size_t(blockIdx.x) * 2 * d;
    float *db = dw + d;
    for (unsigned c = threadIdx.x; c < d; c += blockDim.x) dw[c] = db[c] = 0.0f;
    for (unsigned row = blockIdx.x; row < rows; row += gridDim.x) {
        const size_t at = size_t(row) * d;
        float mean, scale;
        moments(x + at, d, eps, &mean, &scale);
        float sum_g = 0.0f, sum_gn = 0.0f;
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) {
            const float n = (x[at + c] - mean) * scale, g = dy[at + c] * w[c];
            sum_g += g;
            sum_gn += g * n;
            // A column belongs to one thread of the block.
            dw[c] += dy[at + c] * n;
            db[c] += dy[at + c];
        }
        const float mean_g = block_sum(sum_g) / d, mean_gn = block_sum(sum_gn) / d;
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) {
            const float n = (x[at + c] - mean) * scale, g = dy[at + c] * w[c];
            dx[at + c] = scale * (g - mean_g - n * mean_gn);
        }
    }
}
EXPORT(layer_norm_backward)
