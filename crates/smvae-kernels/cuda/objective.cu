// What a loss is made of, but for layers and terms of Gaussians: rows of class scores, a warp each, and the sum of all rows.
#include "common.cuh"

// The row that a warp begins with, and how many warps there are.
__device__ inline unsigned first_row() { return (blockIdx.x * blockDim.x + threadIdx.x) / WARP_SIZE; }
__device__ inline unsigned all_warps() { return gridDim.x * blockDim.x / WARP_SIZE; }

// The largest of a row's logits, and the sum of the exponentials of their distances from it, which all lanes get.
__device__ inline void softmax_sums(const float *logits, unsigned classes, float *top, float *sum) {
    float largest = -INFINITY;
    for (unsigned c = threadIdx.x % WARP_SIZE; c < classes; c += WARP_SIZE) largest = fmaxf(largest, logits[c]);
    *top = warp_max(largest);
    float total = 0.0f;
    for (unsigned c = threadIdx.x % WARP_SIZE; c < classes; c += WARP_SIZE) total += expf(logits[c] - *top);
    *sum = warp_sum(total);
}

// What the text decoder is given, a row of classes + d numbers: softmax(logits), then mu + sigma noise.
extern "C" __global__ void decoder_input(float *y, const float *logits, const float *mu, const float *log_var,
                                         const float *noise,
                                         unsigned rows, unsigned classes, unsigned d) {
    for (unsigned row = first_row(); row < rows; row += all_warps()) {
        const float *l = logits + size_t(row) * classes;
        float *to = y + size_t(row) * (classes + d);
        float top, sum;
        softmax_sums(l, classes, &top, &sum);
        for (unsigned c = threadIdx.x % WARP_SIZE; c < classes; c += WARP_SIZE) to[c] = expf(l[c] - top) / sum;
        for (unsigned c = threadIdx.x % WARP_SIZE; c < d; c += WARP_SIZE) {
            const size_t i = size_t(row) * d + c;
            to[classes + c] = mu[i] + expf(0.5f * log_var[i]) * noise[i];
        }
    }
}
EXPORT(decoder_input)

extern "C" __global__ void decoder_input_backward(float *dlogits, float *dmu, float *dlog_var, const float *logits,
                                                  const float *log_var, const float *noise, const float *dy, unsigned rows,
                                                  unsigned classes, unsigned d) {
    for (unsigned row = first_row(); row < rows; row += all_warps()) {
        const float *l = logits + size_t(row) * classes, *g = dy + size_t(row) * (classes + d);
        float top, sum, dot = 0.0f;
        softmax_sums(l, classes, &top, &sum);
        for (unsigned c = threadIdx.x % WARP_SIZE; c < classes; c += WARP_SIZE) dot += g[c] * expf(l[c] - top) / sum;
        dot = warp_sum(dot);
        for (unsigned c = threadIdx.x % WARP_SIZE; c < classes; c += WARP_SIZE)
            dlogits[size_t(row) * classes + c] = expf(l[c] - top) / sum * (g[c] - dot);
        for (unsigned c = threadIdx.x % WARP_SIZE; c < d; c += WARP_SIZE) {
            const size_t i = size_t(row) * d + c;
            dmu[i] = g[classes + c];
            dlog_var[i] = g[classes + c] * noise[i] * 0.5f * expf(0.5f * log_var[i]);
        }
    }
}
EXPORT(decoder_input_backward)

// y[row] = - sum over classes of target log softmax(logits).
extern "C" __global__ void soft_cross_entropy(float *y, const float *logits, const float *targets, unsigned rows,
                                              unsigned classes) {
    for (unsigned row = first_row(); row < rows; row += all_warps()) {
        const float *l = logits + size_t(row) * classes, *t = targets + size_t(row) * classes;
        float top, sum, of_row = 0.0f;
        softmax_sums(l, classes, &top, &sum);
        const float log_sum = top + logf(sum);
        for (unsigned c = threadIdx.x % WARP_SIZE; c < classes; c += WARP_SIZE) of_row += t[c] * (log_sum - l[c]);
        of_row = warp_sum(of_row);
        if (threadIdx.x % WARP_SIZE == 0) y[row] = of_row;
    }
}
EXPORT(soft_cross_entropy)

// dlogits = dy (softmax(logits) sum(targets) - targets).
extern "C" __global__ void soft_cross_entropy_backward(float *dlogits, const float *logits, const float *targets,
                                                       const float *dy, unsigned rows, unsigned classes) {
    for (unsigned row = first_row(); row < rows; row += all_warps()) {
        const float *l = logits + size_t(row) * classes, *t = targets + size_t(row) * classes;
        float top, sum, weight = 0.0f;
        softmax_sums(l, classes, &top, &sum);
        for (unsigned c = threadIdx.x % WARP_SIZE; c < classes; c += WARP_SIZE) weight += t[c];
        weight = warp_sum(weight);
        for (unsigned c = threadIdx.x % WARP_SIZE; c < classes; c += WARP_SIZE)
            dlogits[size_t(row) * classes + c] = dy[row] * (expf(l[c] - top) / sum * weight - t[c]);
    }
}
EXPORT(soft_cross_entropy_backward)

// 1 for rows whose largest logit is not the first, else 0.
extern "C" __global__ void entity_mask(float *y, const float *logits, unsigned rows, unsigned classes) {
    for (unsigned row = first_row(); row < rows; row += all_warps()) {
        const float *l = logits + size_t(row) * classes;
        float largest = -INFINITY;
        for (unsigned c = 1 + threadIdx.x % WARP_SIZE; c < classes; c += WARP_SIZE) largest = fmaxf(largest, l[c]);
        largest = warp_max(largest);
        if (threadIdx.x % WARP_SIZE == 0) y[row] = largest > l[0] ? 1.0f : 0.0f;
    }
}
EXPORT(entity_mask)

// y = onto + scale sum(mask x), where there is something to add it to, and a mask. One block.
extern "C" __global__ void add_sum(float *y, const float *x, const float *mask, const float *onto, unsigned n, float scale) {
    float sum = 0.0f;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) sum += mask ? mask[i] * x[i] : x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0 && blockIdx.x == 0) y[0] = (onto ? onto[0] : 0.0f) + scale * sum;
}
EXPORT(add_sum)

extern "C" __global__ void add_sum_backward(float *dx, const float *mask, const float *dy, unsigned n, float scale) {
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        dx[i] = dy[0] * scale * (mask ? mask[i] : 1.0f);
}
EXPORT(add_sum_backward)

// y[k] = mean of the k-th of up to eight lists of n numbers, over those for which the mask is 1, or over all if there is no
// mask; 0 if the mask lets none through. A block a list.
extern "C" __global__ void means(float *y, const float *mask, const float *x0, const float *x1, const float *x2,
                                 const float *x3, const float *x4, const float *x5, const float *x6, const float *x7,
                                 unsigned lists, unsigned n) {
    const float *all[8] = {x0, x1, x2, x3, x4, x5, x6, x7};
    for (unsigned k = blockIdx.x; k < lists; k += gridDim.x) {
        float sum = 0.0f, count = 0.0f;
        for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
            const float weight = mask ? mask[i] : 1.0f;
            sum += weight * all[k][i];
            count += weight;
        }
        sum = block_sum(sum);
        count = block_sum(count);
        if (threadIdx.x == 0) y[k] = count > 0.0f ? sum / count : 0.0f;
    }
}
EXPORT(means)
