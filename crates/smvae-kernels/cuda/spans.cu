// Features of spans, forward and backward: means over ranges of rows, and sums and products of pairs of rows. A block a row
// of the result; in backward passes that is a row of the input, which adds up what it was used for.
#include "common.cuh"

// y[r] = mean of x[ranges[r] .. ranges[n + r]]; rows of d numbers.
extern "C" __global__ void segment_means(float *y, const float *x, const unsigned *ranges, unsigned n, unsigned d) {
    for (unsigned r = blockIdx.x; r < n; r += gridDim.x) {
        const unsigned first = ranges[r], last = ranges[n + r];
        const float scale = 1.0f / float(last - first);
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) {
            float sum = 0.0f;
            for (unsigned row = first; row < last; ++row) sum += x[size_t(row) * d + c];
            y[size_t(r) * d + c] = sum * scale;
        }
    }
}
EXPORT(segment_means)

// dx[row] = the sum of dy[r] / length of r over the ranges r that have the row. After the ranges, `ranges` has the start of
// each row's list, one more than rows, and the lists.
extern "C" __global__ void segment_means_backward(float *dx, const float *dy, const unsigned *ranges, unsigned n,
                                                  unsigned rows,
                                                  unsigned d) {
    const unsigned *starts = ranges + 2 * size_t(n), *lists = starts + rows + 1;
    for (unsigned row = blockIdx.x; row < rows; row += gridDim.x) {
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) {
            float sum = 0.0f;
            for (unsigned i = starts[row]; i < starts[row + 1]; ++i) {
                const unsigned r = lists[i];
                sum += dy[size_t(r) * d + c] * (1.0f / float(ranges[n + r] - ranges[r]));
            }
            dx[size_t(row) * d + c] = sum;
        }
    }
}
EXPORT(segment_means_backward)

// The tables of n pairs, one after another: the first row of each, its last row; then for the first rows and for the last
// ones, where the list of each row's pairs starts, one more than rows, and the lists.
struct Pairs {
    const unsigned *first, *last;
    struct Uses {
        const unsigned *starts, *pairs;
    } by_first, by_last;

    __device__ Pairs(const unsigned *tables, unsigned n, unsigned rows) {
        first = tables;
        last = first + n;
        by_first.starts = last + n;
        by_first.pairs = by_first.starts + rows + 1;
        by_last.starts = by_first.pairs + n;
        by_last.pairs = by_last.starts + rows + 1;
    }
};

// y[r] = a[first[r]] + b[last[r]].
extern "C" __global__ void pair_sums(float *y, const float *a, const float *b, const unsigned *tables, unsigned n,
                                     unsigned d) {
    for (unsigned r = blockIdx.x; r < n; r += gridDim.x) {
        const float *from_a = a + size_t(tables[r]) * d, *from_b = b + size_t(tables[n + r]) * d;
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) y[size_t(r) * d + c] = from_a[c] + from_b[c];
    }
}
EXPORT(pair_sums)

// The gradients of a and of b, of `all` rows each, of which `rows` have lists: the sums of dy over the pairs whose first row,
// or whose last row, this is.
extern "C" __global__ void pair_sums_backward(float *da, float *db, const float *dy, const unsigned *tables, unsigned n,
                                              unsigned rows, unsigned all, unsigned d) {
    const Pairs pairs(tables, n, rows);
    for (unsigned row = blockIdx.x; row < all; row += gridDim.x) {
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) {
            float of_a = 0.0f, of_b = 0.0f;
            if (row < rows) {
                for (unsigned i = pairs.by_first.starts[row]; i < pairs.by_first.starts[row + 1]; ++i)
                    of_a += dy[size_t(pairs.by_first.pairs[i]) * d + c];
                for (unsigned i = pairs.by_last.starts[row]; i < pairs.by_last.starts[row + 1]; ++i)
                    of_b += dy[size_t(pairs.by_last.pairs[i]) * d + c];
            }
            da[size_t(row) * d + c] = of_a;
            db[size_t(row) * d + c] = of_b;
        }
    }
}
EXPORT(pair_sums_backward)

// y[r] = x[first[r]] x[last[r]].
extern "C" __global__ void pair_products(float *y, const float *x, const unsigned *tables, unsigned n, unsigned d) {
    for (unsigned r = blockIdx.x; r < n; r += gridDim.x) {
        const float *a = x + size_t(tables[r]) * d, *b = x + size_t(tables[n + r]) * d;
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) y[size_t(r) * d + c] = a[c] * b[c];
    }
}
EXPORT(pair_products)

// dx[row] = the sum of dy times the other row of the pair, over the pairs that it is the first row of, then over those that
// it is the last row of: 2 x dy for a pair of one row.
extern "C" __global__ void pair_products_backward(float *dx, const float *x, const float *dy, const unsigned *tables,
                                                  unsigned n,
                                                  unsigned rows, unsigned all, unsigned d) {
    const Pairs pairs(tables, n, rows);
    for (unsigned row = blockIdx.x; row < all; row += gridDim.x) {
        for (unsigned c = threadIdx.x; c < d; c += blockDim.x) {
            float sum = 0.0f;
            if (row < rows) {
                for (unsigned i = pairs.by_first.starts[row]; i < pairs.by_first.starts[row + 1]; ++i) {
                    const unsigned r = pairs.by_first.pairs[i];
                    sum += dy[size_t(r) * d + c] * x[size_t(pairs.last[r]) * d + c];
                }
                for (unsigned i = pairs.by_last.starts[row]; i < pairs.by_last.starts[row + 1]; ++i) {
                    const unsigned r = pairs.by_last.pairs[i];
                    sum += dy[size_t(r) * d + c] * x[size_t(pairs.first[r]) * d + c];
                }
            }
            dx[size_t(row) * d + c] = sum;
        }
    }
}
EXPORT(pair_products_backward)
