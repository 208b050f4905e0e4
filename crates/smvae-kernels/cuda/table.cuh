// Many tensors in one launch: a table with a row for each, and chunks of them that blocks go through.
#pragma once
#include "common.cuh"

// Numbers in a chunk; as in smvae-core/src/nn/kernels/table.rs.
constexpr size_t CHUNK = 32 * 1024;

// What every row begins with; each member of a row has eight bytes.
struct TableRow {
    size_t n, first_chunk;
};

// The part of a tensor that a chunk is: `n` numbers from `first`.
struct Chunk {
    size_t first;
    unsigned n;
};

// The row that a chunk belongs to: the last of those that begin with it or before it.
template <typename R>
__device__ inline R row_of(const R *rows, unsigned count, unsigned chunk) {
    unsigned low = 0, high = count;
    while (high - low > 1) {
        const unsigned middle = low + (high - low) / 2;
        if (rows[middle].first_chunk <= chunk)
            low = middle;
        else
            high = middle;
    }
    return rows[low];
}

__device__ inline Chunk chunk_of(const TableRow &row, unsigned chunk) {
    const size_t first = (chunk - row.first_chunk) * CHUNK;
    return {first, unsigned(min(CHUNK, row.n - first))};
}
