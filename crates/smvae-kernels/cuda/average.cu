// The moving average of all parameters at once.
#include "table.cuh"

// A parameter and its average.
struct AverageRow : TableRow {
    float *average;
    const float *weights;
};
static_assert(sizeof(AverageRow) == 4 * sizeof(size_t), "four members of eight bytes");

// average += (1 - decay) (weights - average).
extern "C" __global__ void average_follow(const AverageRow *pairs, unsigned count, unsigned chunks, float decay) {
    for (unsigned k = blockIdx.x; k < chunks; k += gridDim.x) {
        const AverageRow pair = row_of(pairs, count, k);
        const Chunk chunk = chunk_of(pair, k);
        float *average = pair.average + chunk.first;
        const float *weights = pair.weights + chunk.first;
        for (unsigned i = threadIdx.x; i < chunk.n; i += blockDim.x) average[i] += (1.0f - decay) * (weights[i] - average[i]);
    }
}
EXPORT(average_follow)
