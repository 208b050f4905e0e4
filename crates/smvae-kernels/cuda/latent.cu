// Diagonal Gaussians, one per row: [rows, d] numbers, a thread each, or a warp for a row where a row is summed;
// and weighted sums of the terms that are computed of them.
#include "common.cuh"

__device__ inline size_t first_number() { return size_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline size_t all_threads() { return size_t(gridDim.x) * blockDim.x; }

// y = x, but low below low and high above high. What is not a number stays so.
extern "C" __global__ void clamp_forward(float *y, const float *x, unsigned n, float low, float high) {
    for (size_t i = first_number(); i < n; i += all_threads()) y[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}
EXPORT(clamp_forward)

// Both bounds pass half of the gradient, as candle's minimum and maximum do of equal numbers.
extern "C" __global__ void clamp_backward(float *dx, const float *x, const float *dy, unsigned n, float low, float high) {
    for (size_t i = first_number(); i < n; i += all_threads()) {
        const bool inside = x[i] > low && x[i] < high, at_bound = x[i] == low || x[i] == high;
        dx[i] = inside ? dy[i] : at_bound ? 0.5f * dy[i] : 0.0f;
    }
}
EXPORT(clamp_backward)

// z = mu + sigma noise.
extern "C" __global__ void sample_forward(float *z, const float *mu, const float *log_var, const float *noise, unsigned n) {
    for (size_t i = first_number(); i < n; i += all_threads()) z[i] = mu[i] + expf(0.5f * log_var[i]) * noise[i];
}
EXPORT(sample_forward)

// The gradient of log_var; that of mu is dz.
extern "C" __global__ void sample_backward(float *dlog_var, const float *log_var, const float *noise, const float *dz,
                                           unsigned n) {
    for (size_t i = first_number(); i < n; i += all_threads())
        dlog_var[i] = dz[i] * noise[i] * 0.5f * expf(0.5f * log_var[i]);
}
EXPORT(sample_backward)

// kl[row] = factor[row] / 2 * sum of mu^2 + sigma^2 - 1 - log_var, where there are factors. A warp a row.
extern "C" __global__ void kl_forward(float *kl, const float *mu, const float *log_var, const float *factor, unsigned rows,
                                      unsigned d) {
    const unsigned warps = blockDim.x / WARP_SIZE, lane = threadIdx.x % WARP_SIZE;
    for (unsigned row = blockIdx.x * warps + threadIdx.x / WARP_SIZE; row < rows; row += gridDim.x * warps) {
        const float *m = mu + size_t(row) * d, *l = log_var + size_t(row) * d;
        float sum = 0.0f;
        for (unsigned c = lane; c < d; c += WARP_SIZE) sum += m[c] * m[c] + expf(l[c]) - 1.0f - l[c];
        sum = warp_sum(sum);
        if (lane == 0) kl[row] = (factor ? factor[row] : 1.0f) * 0.5f * sum;
    }
}
EXPORT(kl_forward)

extern "C" __global__ void kl_backward(float *dmu, float *dlog_var, const float *mu, const float *log_var, const float *factor,
                                       const float *dkl, unsigned rows, unsigned d) {
    for (size_t i = first_number(); i < size_t(rows) * d; i += all_threads()) {
        const size_t row = i / d;
        const float scale = (factor ? factor[row] : 1.0f) * dkl[row];
        dmu[i] = scale * mu[i];
        dlog_var[i] = scale * 0.5f * (expf(log_var[i]) - 1.0f);
    }
}
EXPORT(kl_backward)

// Two experts a and b, of which a row may lack b: the weight of the mean of a, and the logarithm of the product's variance.
// `present` is above one half in the rows that have b; every row has it if it is null.
__device__ inline bool is_there(const float *present, size_t row) { return !present || present[row] > 0.5f; }

extern "C" __global__ void expert_weights(float *weight, const float *a, const float *b, const float *present, unsigned rows,
                                          unsigned d) {
    for (size_t i = first_number(); i < size_t(rows) * d; i += all_threads())
        weight[i] = is_there(present, i / d) ? sigmoid(b[i] - a[i]) : 1.0f;
}
EXPORT(expert_weights)

extern "C" __global__ void expert_weights_backward(float *da, float *db, const float *a, const float *b, const float *present,
                                                   const float *dweight, unsigned rows, unsigned d) {
    for (size_t i = first_number(); i < size_t(rows) * d; i += all_threads()) {
        const float w = sigmoid(b[i] - a[i]);
        const float slope = is_there(present, i / d) ? w * (1.0f - w) * dweight[i] : 0.0f;
        da[i] = -slope;
        db[i] = slope;
    }
}
EXPORT(expert_weights_backward)

// -log(exp(-a) + exp(-b)), without an exponential that overflows.
extern "C" __global__ void expert_log_vars(float *log_var, const float *a, const float *b, const float *present, unsigned rows,
                                           unsigned d) {
    for (size_t i = first_number(); i < size_t(rows) * d; i += all_threads()) {
        const float small = a[i] < b[i] ? a[i] : b[i], large = a[i] < b[i] ? b[i] : a[i];
        log_var[i] = is_there(present, i / d) ? small - logf(1.0f + expf(small - large)) : a[i];
    }
}
EXPORT(expert_log_vars)

extern "C" __global__ void expert_log_vars_backward(float *da, float *db, const float *a, const float *b, const float *present,
                                                    const float *dlog_var, unsigned rows, unsigned d) {
    for (size_t i = first_number(); i < size_t(rows) * d; i += all_threads()) {
        const bool there = is_there(present, i / d);
        da[i] = there ? sigmoid(b[i] - a[i]) * dlog_var[i] : dlog_var[i];
        db[i] = there ? sigmoid(a[i] - b[i]) * dlog_var[i] : 0.0f;
    }
}
EXPORT(expert_log_vars_backward)

// y = w a + (1 - w) b.
extern "C" __global__ void mix_forward(float *y, const float *a, const float *b, const float *w, unsigned n) {
    for (size_t i = first_number(); i < n; i += all_threads()) y[i] = w[i] * a[i] + (1.0f - w[i]) * b[i];
}
EXPORT(mix_forward)

extern "C" __global__ void mix_backward(float *da, float *db, float *dw, const float *a, const float *b, const float *w,
                                        const float *dy, unsigned n) {
    for (size_t i = first_number(); i < n; i += all_threads()) {
        da[i] = w[i] * dy[i];
        db[i] = (1.0f - w[i]) * dy[i];
        dw[i] = (a[i] - b[i]) * dy[i];
    }
}
EXPORT(mix_backward)

// y = wa f(a) + wb f(b) + wc f(c), f(x) being the larger of x and the floor, or x where the floor is 0. A thread a number.
extern "C" __global__ void weighted_terms(float *y, const float *a, const float *b, const float *c, unsigned n, float wa,
                                          float wb,
                                          float wc, float floor) {
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const float of_a = floor > 0.0f && a[i] < floor ? floor : a[i];
        const float of_b = floor > 0.0f && b[i] < floor ? floor : b[i];
        const float of_c = floor > 0.0f && c[i] < floor ? floor : c[i];
        y[i] = wa * of_a + wb * of_b + wc * of_c;
    }
}
EXPORT(weighted_terms)

// The slope of f; at the floor it is one half, as that of candle's maximum.
__device__ inline float slope(float x, float floor) {
    return floor <= 0.0f || x > floor ? 1.0f : x == floor ? 0.5f : 0.0f;
}

extern "C" __global__ void weighted_terms_backward(float *da, float *db, float *dc, const float *a, const float *b,
                                                   const float *c, const float *dy, unsigned n, float wa, float wb, float wc,
                                                   float floor) {
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        da[i] = dy[i] * wa * slope(a[i], floor);
        db[i] = dy[i] * wb * slope(b[i], floor);
        dc[i] = dy[i] * wc * slope(c[i], floor);
    }
}
EXPORT(weighted_terms_backward)
