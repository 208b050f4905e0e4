// Rows by index, and sums of rows back to where they came from.
#include "common.cuh"

constexpr unsigned MAX_WARPS = 32;

// The sum, over the warps of the block, of a number that each lane of each warp has; the lanes of the first warp get it. All
// threads have to call it.
__device__ inline float sum_over_warps(float x) {
    __shared__ float of_warp[MAX_WARPS][WARP_SIZE];
    const unsigned lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE;
    // The call before may still be reading.
    __syncthreads();
    of_warp[warp][lane] = x;
    __syncthreads();
    if (warp != 0) return 0.0f;
    float sum = 0.0f;
    for (unsigned w = 0; w < blockDim.x / WARP_SIZE; ++w) sum += of_warp[w][lane];
    return sum;
}

// y[i] = factor[i] x[index[i]], where there are factors; rows of d numbers. A thread a number.
extern "C" __global__ void select_rows(float *y, const float *x, const unsigned *index, const float *factor, unsigned n,
                                       unsigned d) {
    const size_t stride = size_t(gridDim.x) * blockDim.x;
    for (size_t k = size_t(blockIdx.x) * blockDim.x + threadIdx.x; k < size_t(n) * d; k += stride) {
        const size_t i = k / d;
        y[k] = (factor ? factor[i] : 1.0f) * x[index[i] * size_t(d) + k % d];
    }
}
EXPORT(select_rows)

// y[i] = a[index[i]] + b[index[n + i]] + c[index[2 n + i]]; b and c may be null. A thread a number.
extern "C" __global__ void sum_of_rows(float *y, const float *a, const float *b, const float *c, const unsigned *index,
                                       unsigned n, unsigned d) {
    const size_t stride = size_t(gridDim.x) * blockDim.x;
    for (size_t k = size_t(blockIdx.x) * blockDim.x + threadIdx.x; k < size_t(n) * d; k += stride) {
        const size_t i = k / d, column = k % d;
        float sum = a[index[i] * size_t(d) + column];
        if (b) sum += b[index[n + i] * size_t(d) + column];
        if (c) sum += c[index[2 * size_t(n) + i] * size_t(d) + column];
        y[k] = sum;
    }
}
EXPORT(sum_of_rows)

// dx[row] = the sum of factor[i] dy[i] over all i whose index is row. For few rows: a block (row, 32 columns) reads all of
// the index, of which each warp takes its share.
extern "C" __global__ void select_rows_backward(float *dx, const float *dy, const unsigned *index, const float *factor,
                                                unsigned n, unsigned rows, unsigned d) {
    const unsigned lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE, warps = blockDim.x / WARP_SIZE;
    for (unsigned row = blockIdx.x; row < rows; row += gridDim.x) {
        for (unsigned first = blockIdx.y * WARP_SIZE; first < d; first += gridDim.y * WARP_SIZE) {
            const unsigned c = first + lane;
            float sum = 0.0f;
            if (c < d) {
                for (unsigned i = warp; i < n; i += warps) {
                    if (index[i] == row) sum += (factor ? factor[i] : 1.0f) * dy[size_t(i) * d + c];
                }
            }
            sum = sum_over_warps(sum);
            if (warp == 0 && c < d) dx[size_t(row) * d + c] = sum;
        }
    }
}
EXPORT(select_rows_backward)

// The k-th of the rows that were looked up, of the gradient of a table, gets the sum of dy at its positions added, which are
// positions[starts[k] .. starts[k + 1]]. `uses` is the rows, the starts, one more than rows, and the positions. A block
// (row, 32 columns), of which each warp takes its share of the positions.
extern "C" __global__ void add_rows(float *dtable, const float *dy, const unsigned *uses, unsigned rows, unsigned d) {
    const unsigned *starts = uses + rows, *positions = starts + rows + 1;
    const unsigned lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE, warps = blockDim.x / WARP_SIZE;
    for (unsigned k = blockIdx.x; k < rows; k += gridDim.x) {
        for (unsigned first = blockIdx.y * WARP_SIZE; first < d; first += gridDim.y * WARP_SIZE) {
            const unsigned c = first + lane;
            float sum = 0.0f;
            if (c < d) {
                for (unsigned i = starts[k] + warp; i < starts[k + 1]; i += warps) sum += dy[size_t(positions[i]) * d + c];
            }
            sum = sum_over_warps(sum);
            if (warp == 0 && c < d) dtable[size_t(uses[k]) * d + c] += sum;
        }
    }
}
EXPORT(add_rows)
