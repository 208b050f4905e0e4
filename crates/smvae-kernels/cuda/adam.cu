// A step of Adam for all parameters at once: the norm of their gradients, then the update. optim.rs of smvae-core has the
// equations.
#include "table.cuh"

// A parameter that has a gradient.
struct AdamRow : TableRow {
    float *w, *m, *v;
    const float *g;
    // Weights are multiplied by `keep`; they go `rate` times the corrected moments.
    alignas(8) float rate;
    alignas(8) float keep;
};
static_assert(sizeof(AdamRow) == 8 * sizeof(size_t), "eight members of eight bytes");

// partial[chunk] = the sum of the squares of its gradients.
extern "C" __global__ void adam_square_sums(float *partial, const AdamRow *parameters, unsigned count, unsigned chunks) {
    for (unsigned k = blockIdx.x; k < chunks; k += gridDim.x) {
        const AdamRow p = row_of(parameters, count, k);
        const Chunk chunk = chunk_of(p, k);
        const float *g = p.g + chunk.first;
        float sum = 0.0f;
        for (unsigned i = threadIdx.x; i < chunk.n; i += blockDim.x) sum += g[i] * g[i];
        sum = block_sum(sum);
        if (threadIdx.x == 0) partial[k] = sum;
    }
}
EXPORT(adam_square_sums)

// norm[0] = the norm of all gradients; norm[1] = what they are multiplied by so that it is at most `most`, or -1 if the step
// must not be taken: the norm is not finite, or `may`, where it is given, is 0. For one block of up to 256 threads.
extern "C" __global__ void adam_norm(double *norm, const float *partial, unsigned chunks, double most,
                                     const unsigned char *may) {
    __shared__ double sums[256];
    double sum = 0.0;
    for (unsigned k = threadIdx.x; k < chunks; k += blockDim.x) sum += partial[k];
    sums[threadIdx.x] = sum;
    __syncthreads();
    // The upper half is added to the lower one, until one number is left.
    for (unsigned n = blockDim.x; n > 1; n = (n + 1) / 2) {
        const unsigned other = threadIdx.x + (n + 1) / 2;
        if (other < n) sums[threadIdx.x] += sums[other];
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        norm[0] = sqrt(sums[0]);
        const bool is_finite = norm[0] - norm[0] == 0.0;
        norm[1] = is_finite && (may == nullptr || *may != 0) ? min(1.0, most / (norm[0] + 1e-6)) : -1.0;
    }
}
EXPORT(adam_norm)

extern "C" __global__ void adam_step(const AdamRow *parameters, unsigned count, unsigned chunks, const double *norm,
                                     float beta1, float beta2, float root, float eps) {
    const float clip = float(norm[1]);
    if (clip < 0.0f) return;
    for (unsigned k = blockIdx.x; k < chunks; k += gridDim.x) {
        const AdamRow p = row_of(parameters, count, k);
        const Chunk chunk = chunk_of(p, k);
        float *w = p.w + chunk.first, *m = p.m + chunk.first, *v = p.v + chunk.first;
        const float *g = p.g + chunk.first;
        for (unsigned i = threadIdx.x; i < chunk.n; i += blockDim.x) {
            const float gi = g[i] * clip;
            const float mi = beta1 * m[i] + (1.0f - beta1) * gi;
            const float vi = beta2 * v[i] + (1.0f - beta2) * gi * gi;
            m[i] = mi;
            v[i] = vi;
            w[i] = p.keep * w[i] - p.rate * mi / (sqrtf(vi) * root + eps);
        }
    }
}
EXPORT(adam_step)
