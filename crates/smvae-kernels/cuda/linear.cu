// What a linear layer is beside its products: bias, activation, and sums of columns of a weight.
#include "activation.cuh"

// y = f(p + bias) for a product p of n numbers. `bias` has m of them: a row, which is added to every row, or all n.
extern "C" __global__ void bias_forward(float *y, const float *p, const float *bias, unsigned n, unsigned m, unsigned activation,
                                        float leak) {
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        y[i] = activate(activation, leak, p[i] + bias[i % m]);
}
EXPORT(bias_forward)

// The gradient of the product, dp = dy f'(p + bias), and its sums over the rows of a chunk, partial[chunk, c], which column_sums
// adds up to the gradient of the bias. p, dy, dp: [rows, d]; the grid is (columns, chunks).
extern "C" __global__ void bias_backward(float *dp, float *partial, const float *p, const float *bias, const float *dy,
                                         unsigned rows, unsigned d, unsigned chunk_rows, unsigned activation, float leak) {
    const unsigned chunks = (rows + chunk_rows - 1) / chunk_rows;
    for (unsigned chunk = blockIdx.y; chunk < chunks; chunk += gridDim.y) {
        const unsigned first = chunk * chunk_rows, last = min(first + chunk_rows, rows);
        for (unsigned c = blockIdx.x * blockDim.x + threadIdx.x; c < d; c += gridDim.x * blockDim.x) {
            float sum = 0.0f;
            for (unsigned row = first; row < last; ++row) {
                const size_t at = size_t(row) * d + c;
                const float gradient = dy[at] * activation_slope(activation, leak, p[at] + bias[c]);
                dp[at] = gradient;
                sum += gradient;
            }
            partial[size_t(chunk) * d + c] = sum;
        }
    }
}
EXPORT(bias_backward)

// sum[row, c] = sign_a w[row, a + c] + sign_b w[row, b + c]; sum: [rows, d], w: [rows, all]. A sign of 0 means no such term.
extern "C" __global__ void sum_of_columns(float *sum, const float *w, unsigned rows, unsigned d, unsigned all, unsigned a,
                                          float sign_a, unsigned b, float sign_b) {
    const unsigned n = rows * d;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const float *row = w + size_t(i / d) * all + i % d;
        float value = sign_a * row[a];
        if (sign_b != 0.0f) value += sign_b * row[b];
        sum[i] = value;
    }
}
EXPORT(sum_of_columns)

// The other way round: dw[row, a + c] += sign_a x[row, c], and the same for b. A thread a number of dw, since the terms may
// have columns in common.
extern "C" __global__ void add_to_columns(float *dw, const float *x, unsigned rows, unsigned d, unsigned all, unsigned a,
                                          float sign_a, unsigned b, float sign_b) {
    const unsigned n = rows * all;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const unsigned column = i % all;
        const bool in_a = column >= a && column - a < d;
        const bool in_b = sign_b != 0.0f && column >= b && column - b < d;
        if (!in_a && !in_b) continue;
        const float *row = x + size_t(i / all) * d;
        float value = dw[i];
        if (in_a) value += sign_a * row[column - a];
        if (in_b) value += sign_b * row[column - b];
        dw[i] = value;
    }
}
EXPORT(add_to_columns)
