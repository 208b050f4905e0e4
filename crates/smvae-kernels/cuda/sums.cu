// Sums that gradients of parameters are made of.
#include "common.cuh"

// sums[c] = sum over rows of x[row, c]; x: [rows, d]. A thread a column.
extern "C" __global__ void column_sums(float *sums, const float *x, unsigned rows, unsigned d) {
    for (unsigned c = blockIdx.x * blockDim.x + threadIdx.x; c < d; c += gridDim.x * blockDim.x) {
        float sum = 0.0f;
        for (unsigned row = 0; row < rows; ++row) sum += x[size_t(row) * d + c];
        sums[c] = sum;
    }
}
EXPORT(column_sums)

// partial[chunk, c] = sum over the rows of a chunk of x[row, c]; the grid is (columns, chunks). column_sums adds the chunks.
extern "C" __global__ void partial_column_sums(float *partial, const float *x, unsigned rows, unsigned d, unsigned chunk_rows) {
    const unsigned first = blockIdx.y * chunk_rows, last = min(first + chunk_rows, rows);
    for (unsigned c = blockIdx.x * blockDim.x + threadIdx.x; c < d; c += gridDim.x * blockDim.x) {
        float sum = 0.0f;
        for (unsigned row = first; row < last; ++row) sum += x[size_t(row) * d + c];
        partial[size_t(blockIdx.y) * d + c] = sum;
    }
}
EXPORT(partial_column_sums)

// sum += x, number by number.
extern "C" __global__ void add_to(float *sum, const float *x, unsigned n) {
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum[i] += x[i];
}
EXPORT(add_to)
