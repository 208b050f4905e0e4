// The products of cuBLAS that candle calls, without a GPU: counted, and computed by plain loops where kernels compute too.
#include "device.h"

#include <algorithm>
#include <vector>

// cublasStatus_t, cublasOperation_t, cudaDataType.
constexpr int SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15;
constexpr int TRANSPOSED = 1;
constexpr int F32 = 0, F64 = 1, F16 = 2, BF16 = 14;

namespace {

// One operand: column-major matrices, `stride` elements from one to the next.
struct Operand {
    const void *data;
    bool transposed;
    int64_t leading, stride;
};

struct Sizes {
    int m, n, k, batch;
};

// Elements from the first to the last that an operand of rows x columns has, 0 if it has none.
size_t extent(int64_t rows, int64_t columns, int64_t leading, int64_t stride, int batch) {
    if (!rows || !columns || !batch) return 0;
    return size_t(stride * (batch - 1) + leading * (columns - 1) + rows);
}

// c = alpha a b + beta c for each matrix of the batch; every element is a sum in the order of k.
template <typename T>
void product(const Sizes &s, T alpha, const Operand &a, const Operand &b, T beta, T *c, int64_t ldc, int64_t stride_c) {
    // The columns of a beside each other, and one column of the result.
    std::vector<T> columns(size_t(s.m) * s.k), sums(s.m);
    for (int batch = 0; batch < s.batch; ++batch) {
        const T *x = static_cast<const T *>(a.data) + batch * a.stride;
        const T *y = static_cast<const T *>(b.data) + batch * b.stride;
        T *z = c + batch * stride_c;
        for (int64_t l = 0; l < s.k; ++l)
            for (int64_t i = 0; i < s.m; ++i) columns[l * s.m + i] = x[a.transposed ? i * a.leading + l : l * a.leading + i];
        for (int64_t j = 0; j < s.n; ++j) {
            std::fill(sums.begin(), sums.end(), T(0));
            for (int64_t l = 0; l < s.k; ++l) {
                const T factor = y[b.transposed ? l * b.leading + j : j * b.leading + l];
                for (int64_t i = 0; i < s.m; ++i) sums[i] += columns[l * s.m + i] * factor;
            }
            // As cuBLAS does: where beta is 0, what c held does not matter.
            for (int64_t i = 0; i < s.m; ++i)
                z[j * ldc + i] = alpha * sums[i] + (beta == 0 ? T(0) : beta * z[j * ldc + i]);
        }
    }
}

template <typename T>
int checked(const char *name, const Sizes &s, const T *alpha, const Operand &a, const Operand &b, const T *beta, void *c,
            int64_t ldc, int64_t stride_c) {
    device::count_launch(name);
    if (s.m < 0 || s.n < 0 || s.k < 0 || a.leading < 1 || b.leading < 1 || ldc < s.m) return INVALID_VALUE;
    const auto is_memory = [&](const void *data, size_t elements) {
        return device::is_memory(name, reinterpret_cast<uint64_t>(data), elements * sizeof(T));
    };
    const size_t in_a = extent(a.transposed ? s.k : s.m, a.transposed ? s.m : s.k, a.leading, a.stride, s.batch);
    const size_t in_b = extent(b.transposed ? s.n : s.k, b.transposed ? s.k : s.n, b.leading, b.stride, s.batch);
    if (!is_memory(a.data, in_a) || !is_memory(b.data, in_b) || !is_memory(c, extent(s.m, s.n, ldc, stride_c, s.batch)))
        return INVALID_VALUE;
    if (device::computes()) product<T>(s, *alpha, a, b, *beta, static_cast<T *>(c), ldc, stride_c);
    return SUCCESS;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default"))) int

API cublasCreate_v2(void **handle) {
    static char one;
    return *handle = &one, SUCCESS;
}
API cublasDestroy_v2(void *) { return SUCCESS; }
API cublasSetStream_v2(void *, void *) { return SUCCESS; }
API cublasSetWorkspace_v2(void *, void *, size_t) { return SUCCESS; }
API cublasSetMathMode(void *, int) { return SUCCESS; }

API cublasSgemmStridedBatched(void *, int op_a, int op_b, int m, int n, int k, const float *alpha, const float *a, int lda,
                              long long stride_a, const float *b, int ldb, long long stride_b, const float *beta, float *c,
                              int ldc, long long stride_c, int batch) {
    return checked<float>("cuBLAS f32", {m, n, k, batch}, alpha, {a, op_a == TRANSPOSED, lda, stride_a},
                          {b, op_b == TRANSPOSED, ldb, stride_b}, beta, c, ldc, stride_c);
}

API cublasDgemmStridedBatched(void *, int op_a, int op_b, int m, int n, int k, const double *alpha, const double *a, int lda,
                              long long stride_a, const double *b, int ldb, long long stride_b, const double *beta,
                              double *c, int ldc, long long stride_c, int batch) {
    return checked<double>("cuBLAS f64", {m, n, k, batch}, alpha, {a, op_a == TRANSPOSED, lda, stride_a},
                           {b, op_b == TRANSPOSED, ldb, stride_b}, beta, c, ldc, stride_c);
}

API cublasSgemm_v2(void *, int op_a, int op_b, int m, int n, int k, const float *alpha, const float *a, int lda, const float *b,
                   int ldb, const float *beta, float *c, int ldc) {
    return checked<float>("cuBLAS f32", {m, n, k, 1}, alpha, {a, op_a == TRANSPOSED, lda, 0}, {b, op_b == TRANSPOSED, ldb, 0},
                          beta, c, ldc, 0);
}

API cublasGemmStridedBatchedEx(void *, int op_a, int op_b, int m, int n, int k, const void *alpha, const void *a, int type_a,
                               int lda, long long stride_a, const void *b, int type_b, int ldb, long long stride_b,
                               const void *beta, void *c, int type_c, int ldc, long long stride_c, int batch, int, int) {
    if (type_a != type_b || type_a != type_c) return NOT_SUPPORTED;
    if (type_a == F16 || type_a == BF16) {
        // Half precision is only counted.
        device::count_launch(type_a == F16 ? "cuBLAS f16" : "cuBLAS bf16");
        return device::computes() ? NOT_SUPPORTED : SUCCESS;
    }
    if (type_a == F64)
        return cublasDgemmStridedBatched(nullptr, op_a, op_b, m, n, k, static_cast<const double *>(alpha),
                                         static_cast<const double *>(a), lda, stride_a, static_cast<const double *>(b), ldb,
                                         stride_b, static_cast<const double *>(beta), static_cast<double *>(c), ldc, stride_c,
                                         batch);
    if (type_a != F32) return NOT_SUPPORTED;
    return cublasSgemmStridedBatched(nullptr, op_a, op_b, m, n, k, static_cast<const float *>(alpha),
                                     static_cast<const float *>(a), lda, stride_a, static_cast<const float *>(b), ldb, stride_b,
                                     static_cast<const float *>(beta), static_cast<float *>(c), ldc, stride_c, batch);
}

API cublasGemmEx(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha, const void *a, int type_a, int lda,
                 const void *b, int type_b, int ldb, const void *beta, void *c, int type_c, int ldc, int compute, int algo) {
    return cublasGemmStridedBatchedEx(handle, op_a, op_b, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb, 0, beta, c, type_c,
                                      ldc, 0, 1, compute, algo);
}
