// Attention over packed texts, forward and backward. A block computes a tile of queries, or of keys, of one head of one text;
// n rows of the text attend to the first m of them. The scores of a tile are kept in global memory, [n, m] for each text and
// head, so that texts may be of any length: a block reads what it has just written, from the cache.
//
// Rows are `[rows, n_heads width]`. The probabilities are computed again in the backward pass.
#include "common.cuh"

// Rows and columns of what a block computes at a time.
constexpr unsigned TILE = 32;
// Rows of them that a warp sums: numbers of the second factor are read once for all of these.
constexpr unsigned GROUP = 8;

// Which index of a matrix counts its neighbours in memory, so that threads next to each other read them.
enum class Neighbours { in_a_row, in_a_column };

struct Factors {
    // Rows begin at multiples of 16 bytes and are read in fours.
    alignas(16) float a[TILE][TILE + 4];
    float b[TILE][TILE + 1];
};

__device__ inline Factors &factors() {
    __shared__ Factors shared;
    return shared;
}

// Calls store(i, j, sum over k < depth of a(i, k) b(k, j)) for i < rows and j < columns, where rows <= TILE. All threads of the
// block have to call it. What they wrote before, it may read; the thread that stores (i, j) depends on i and j alone.
template <Neighbours OF_A, Neighbours OF_B, typename A, typename B, typename Store>
__device__ inline void product(unsigned rows, unsigned columns, unsigned depth, A a, B b, Store store) {
    Factors &tile = factors();
    const unsigned lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE, warps = blockDim.x / WARP_SIZE;
    for (unsigned column = 0; column < columns; column += TILE) {
        for (unsigned first_group = 0; first_group * GROUP < rows; first_group += warps) {
            const unsigned row = (first_group + warp) * GROUP;
            float sums[GROUP] = {};
            for (unsigned start = 0; start < depth; start += TILE) {
                // The tiles before may still be read, and what a and b read may have just been written.
                __syncthreads();
                for (unsigned x = warp; x < TILE; x += warps) {
                    const unsigned i = OF_A == Neighbours::in_a_row ? x : lane, k = OF_A == Neighbours::in_a_row ? lane : x;
                    tile.a[i][k] = i < rows && start + k < depth ? a(i, start + k) : 0.0f;
                    const unsigned l = OF_B == Neighbours::in_a_row ? x : lane, j = OF_B == Neighbours::in_a_row ? lane : x;
                    tile.b[l][j] = start + l < depth && column + j < columns ? b(start + l, column + j) : 0.0f;
                }
                __syncthreads();
                if (row >= rows) continue;
#pragma unroll 8
                for (unsigned k = 0; k < TILE; ++k) {
                    const float factor = tile.b[k][lane];
                    for (unsigned r = 0; r < GROUP; ++r) sums[r] += tile.a[row + r][k] * factor;
                }
            }
            for (unsigned r = 0; r < GROUP; ++r)
                if (row + r < rows && column + lane < columns) store(row + r, column + lane, sums[r]);
        }
    }
}

// Up to TILE rows of a text, as the host lists them.
struct Tile {
    // The text's first row of all.
    unsigned text;
    // Its rows, and how many of them are attended to.
    unsigned n, m;
    // The tile's first row of the text.
    unsigned first;
    // Pairs of a query and a key of all texts before, in one head.
    unsigned pairs;
};

// What all kernels are given.
struct Attention {
    // q and k have the queries and the keys of `positions` positions below the rows of the texts.
    const float *q, *k, *v;
    // [n_heads, 2 longest - 1], or null.
    const float *bias;
    // Products of each query with the keys of positions, and of each key with their queries, [rows, n_heads, positions], and
    // the position of each distance, [2 longest - 1]; or null.
    const float *of_queries, *of_keys;
    const unsigned *of_distances;
    unsigned n_heads, width, longest, positions;
    float scale;
};

// A tile of one head.
struct Place {
    Tile tile;
    unsigned head;
    // Rows of the tile.
    unsigned rows;
    // Numbers of a row of all heads.
    unsigned d;
    // The first number of the head in the text's first row, and in the tile's.
    size_t of_text, of_tile;
    // Its first score of the text, and of the tile.
    size_t scores, scores_of_tile;
    // The position of the latter in the mask of dropout.
    size_t in_mask;
};

// Blocks go through heads of tiles.
__device__ inline Place place(const Attention &of, const unsigned *tiles, unsigned index) {
    Place at;
    at.tile = reinterpret_cast<const Tile *>(tiles)[index / of.n_heads];
    at.head = index % of.n_heads;
    at.rows = min(TILE, at.tile.n - at.tile.first);
    at.d = of.n_heads * of.width;
    at.of_text = size_t(at.tile.text) * at.d + at.head * of.width;
    at.of_tile = at.of_text + size_t(at.tile.first) * at.d;
    const size_t of_head = size_t(at.head) * at.tile.n * at.tile.m, before = size_t(at.tile.first) * at.tile.m;
    at.scores = size_t(at.tile.pairs) * of.n_heads + of_head;
    at.scores_of_tile = at.scores + before;
    at.in_mask = size_t(at.tile.text) * of.longest * of.n_heads + of_head + before;
    return at;
}

// Where the number of a row, a head and position 0 lies in [rows, n_heads, positions].
__device__ inline size_t in_positions(const Attention &of, unsigned row, unsigned head) {
    return (size_t(row) * of.n_heads + head) * of.positions;
}

// p = softmax(scale q k' + b), rows of the tile.
__device__ inline void probabilities(const Attention &of, const Place &at, float *p) {
    const Tile tile = at.tile;
    const float *q = of.q + at.of_tile, *k = of.k + at.of_text;
    product<Neighbours::in_a_row, Neighbours::in_a_column>(
        at.rows, tile.m, of.width, [=](unsigned i, unsigned c) { return q[size_t(i) * at.d + c]; },
        [=](unsigned c, unsigned j) { return k[size_t(j) * at.d + c]; },
        [=](unsigned i, unsigned j, float score) {
            const unsigned distance = of.longest - 1 - (tile.first + i) + j;
            if (of.of_distances) {
                const unsigned position = of.of_distances[distance];
                score += of.of_queries[in_positions(of, tile.text + tile.first + i, at.head) + position] +
                         of.of_keys[in_positions(of, tile.text + j, at.head) + position];
            }
            score *= of.scale;
            if (of.bias) score += of.bias[at.head * (2 * of.longest - 1) + distance];
            p[size_t(i) * tile.m + j] = score;
        });
    __syncthreads();
    const unsigned lane = threadIdx.x % WARP_SIZE;
    for (unsigned i = threadIdx.x / WARP_SIZE; i < at.rows; i += blockDim.x / WARP_SIZE) {
        float *row = p + size_t(i) * tile.m;
        float top = -INFINITY, sum = 0.0f;
        for (unsigned j = lane; j < tile.m; j += WARP_SIZE) top = fmaxf(top, row[j]);
        top = warp_max(top);
        for (unsigned j = lane; j < tile.m; j += WARP_SIZE) sum += row[j] = expf(row[j] - top);
        const float factor = 1.0f / warp_sum(sum);
        for (unsigned j = lane; j < tile.m; j += WARP_SIZE) row[j] *= factor;
    }
}

// out = dropout(p) v; `scores` is scratch.
extern "C" __global__ void attention_forward(float *out, float *scores, const float *q, const float *k, const float *v,
                                             const float *bias, const float *of_queries, const float *of_keys,
                                             const unsigned *of_distances, const unsigned *tiles, unsigned n_tiles,
                                             unsigned n_heads, unsigned width, unsigned longest, unsigned positions,
                                             float scale, unsigned long long seed, unsigned threshold, float keep) {
    const Attention of = {q, k, v, bias, of_queries, of_keys, of_distances, n_heads, width, longest, positions, scale};
    for (unsigned index = blockIdx.x; index < n_tiles * n_heads; index += gridDim.x) {
        const Place at = place(of, tiles, index);
        const unsigned m = at.tile.m;
        float *p = scores + at.scores_of_tile;
        probabilities(of, at, p);
        // Threads next to each other, in a warp of a row, have the same numbers of it as above.
        const unsigned lane = threadIdx.x % WARP_SIZE;
        for (unsigned i = threadIdx.x / WARP_SIZE; i < at.rows; i += blockDim.x / WARP_SIZE)
            for (unsigned j = lane; j < m; j += WARP_SIZE)
                p[size_t(i) * m + j] *= dropout_factor(seed, threshold, keep, at.in_mask + size_t(i) * m + j);
        const float *values = v + at.of_text;
        float *to = out + at.of_tile;
        product<Neighbours::in_a_row, Neighbours::in_a_row>(
            at.rows, width, m, [=](unsigned i, unsigned j) { return p[size_t(i) * m + j]; },
            [=](unsigned j, unsigned c) { return values[size_t(j) * at.d + c]; },
            [=](unsigned i, unsigned c, float sum) { to[size_t(i) * at.d + c] = sum; });
    }
}
EXPORT(attention_forward)

// Sums of the tile's gradients of scores over the pairs of each distance, for the bias of a head: what column_sums adds over
// tiles.
__device__ inline void sum_distances(const Attention &of, const Place &at, const float *ds, float *sums) {
    const Tile tile = at.tile;
    for (unsigned distance = threadIdx.x; distance < 2 * of.longest - 1; distance += blockDim.x) {
        float sum = 0.0f;
        for (unsigned i = 0; i < at.rows; ++i) {
            // Keys before the text's first one are large numbers.
            const unsigned j = distance + tile.first + i - (of.longest - 1);
            if (j < tile.m) sum += ds[size_t(i) * tile.m + j];
        }
        sums[distance] = sum;
    }
}

// The gradient of the scores and of q, by tiles of queries:
//     dp = dropout(dout v')    ds = p (dp - p . dp)    dq = scale ds k
// `p` is left with the probabilities after dropout and `ds` with the gradient, for the keys. Each tile leaves its sums for the
// bias in `dbias: [n_tiles, n_heads, 2 longest - 1]`, and its rows of `dof_queries: [rows, n_heads, positions]`, where position
// r sums the distances by_position[starts[r]..starts[r + 1]]; either may be null.
extern "C" __global__ void attention_backward_queries(
    float *dq, float *scores, float *dscores, float *dbias, float *dof_queries, const float *dout, const unsigned *by_position,
    const unsigned *starts, unsigned n_rows, const float *q, const float *k, const float *v, const float *bias,
    const float *of_queries, const float *of_keys, const unsigned *of_distances, const unsigned *tiles, unsigned n_tiles,
    unsigned n_heads, unsigned width, unsigned longest, unsigned positions, float scale, unsigned long long seed,
    unsigned threshold, float keep) {
    const Attention of = {q, k, v, bias, of_queries, of_keys, of_distances, n_heads, width, longest, positions, scale};
    const unsigned lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE, warps = blockDim.x / WARP_SIZE;
    for (unsigned index = blockIdx.x; index < n_tiles * n_heads; index += gridDim.x) {
        const Place at = place(of, tiles, index);
        const Tile tile = at.tile;
        const unsigned m = tile.m;
        float *p = scores + at.scores_of_tile, *ds = dscores + at.scores_of_tile;
        probabilities(of, at, p);
        const float *dy = dout + at.of_tile, *values = v + at.of_text, *keys = k + at.of_text;
        product<Neighbours::in_a_row, Neighbours::in_a_column>(
            at.rows, m, width, [=](unsigned i, unsigned c) { return dy[size_t(i) * at.d + c]; },
            [=](unsigned c, unsigned j) { return values[size_t(j) * at.d + c]; },
            [=](unsigned i, unsigned j, float sum) {
                ds[size_t(i) * m + j] =
                    sum * dropout_factor(seed, threshold, keep, at.in_mask + size_t(i) * m + j);
            });
        __syncthreads();
        for (unsigned i = warp; i < at.rows; i += warps) {
            float *p_row = p + size_t(i) * m, *ds_row = ds + size_t(i) * m;
            float dot = 0.0f;
            for (unsigned j = lane; j < m; j += WARP_SIZE) dot += p_row[j] * ds_row[j];
            dot = warp_sum(dot);
            for (unsigned j = lane; j < m; j += WARP_SIZE) {
                ds_row[j] = p_row[j] * (ds_row[j] - dot);
                p_row[j] *= dropout_factor(seed, threshold, keep, at.in_mask + size_t(i) * m + j);
            }
        }
        float *to = dq + at.of_tile;
        product<Neighbours::in_a_row, Neighbours::in_a_row>(
            at.rows, width, m, [=](unsigned i, unsigned j) { return ds[size_t(i) * m + j]; },
            [=](unsigned j, unsigned c) { return keys[size_t(j) * at.d + c]; },
            [=](unsigned i, unsigned c, float sum) { to[size_t(i) * at.d + c] = scale * sum; });
        __syncthreads();
        if (dbias) sum_distances(of, at, ds, dbias + size_t(index) * (2 * longest - 1));
        if (!dof_queries) continue;
        float *sums = dof_queries + in_positions(of, tile.text + tile.first, at.head);
        for (unsigned i = warp; i < at.rows; i += warps) {
            for (unsigned position = lane; position < positions; position += WARP_SIZE) {
                float sum = 0.0f;
                for (unsigned x = starts[position]; x < starts[position + 1]; ++x) {
                    const unsigned j = by_position[x] + tile.first + i - (longest - 1);
                    if (j < m) sum += ds[size_t(i) * m + j];
                }
                sums[size_t(i) * n_heads * positions + position] = sum;
            }
        }
        const float *of_positions = k + size_t(n_rows) * at.d + at.head * width;
        product<Neighbours::in_a_row, Neighbours::in_a_row>(
            at.rows, width, positions,
            [=](unsigned i, unsigned r) { return sums[size_t(i) * n_heads * positions + r]; },
            [=](unsigned r, unsigned c) { return of_positions[size_t(r) * at.d + c]; },
            [=](unsigned i, unsigned c, float sum) { to[size_t(i) * at.d + c] += scale * sum; });
    }
}
EXPORT(attention_backward_queries)

// The gradients of k and v, by tiles of keys, from what the queries left: dk = scale ds' q, dv = dropout(p)' dout; zeros for
// keys that nothing attends to. And `dof_keys`, as `dof_queries` above.
extern "C" __global__ void attention_backward_keys(float *dk, float *dv, float *dof_keys, const float *scores,
                                                   const float *dscores, const float *dout, const unsigned *by_position,
                                                   const unsigned *starts, unsigned n_rows, const float *q,
                                                   const unsigned *tiles, unsigned n_tiles, unsigned n_heads, unsigned width,
                                                   unsigned longest, unsigned positions, float scale) {
    const Attention of = {q, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, n_heads, width, longest, positions, scale};
    const unsigned lane = threadIdx.x % WARP_SIZE, warp = threadIdx.x / WARP_SIZE, warps = blockDim.x / WARP_SIZE;
    for (unsigned index = blockIdx.x; index < n_tiles * n_heads; index += gridDim.x) {
        const Place at = place(of, tiles, index);
        const Tile tile = at.tile;
        const unsigned n = tile.n, m = tile.m, first = tile.first;
        const float *p = scores + at.scores, *ds = dscores + at.scores;
        const float *queries = q + at.of_text, *dy = dout + at.of_text;
        float *to_k = dk + at.of_tile, *to_v = dv + at.of_tile;
        product<Neighbours::in_a_column, Neighbours::in_a_row>(
            at.rows, width, n, [=](unsigned j, unsigned i) { return first + j < m ? ds[size_t(i) * m + first + j] : 0.0f; },
            [=](unsigned i, unsigned c) { return queries[size_t(i) * at.d + c]; },
            [=](unsigned j, unsigned c, float sum) { to_k[size_t(j) * at.d + c] = scale * sum; });
        product<Neighbours::in_a_column, Neighbours::in_a_row>(
            at.rows, width, n, [=](unsigned j, unsigned i) { return first + j < m ? p[size_t(i) * m + first + j] : 0.0f; },
            [=](unsigned i, unsigned c) { return dy[size_t(i) * at.d + c]; },
            [=](unsigned j, unsigned c, float sum) { to_v[size_t(j) * at.d + c] = sum; });
        if (!dof_keys) continue;
        float *sums = dof_keys + in_positions(of, tile.text + first, at.head);
        for (unsigned position = warp; position < positions; position += warps) {
            // A lane a key.
            for (unsigned j = lane; j < at.rows; j += WARP_SIZE) {
                float sum = 0.0f;
                for (unsigned x = starts[position]; x < starts[position + 1]; ++x) {
                    const unsigned i = longest - 1 + first + j - by_position[x];
                    if (i < n && first + j < m) sum += ds[size_t(i) * m + first + j];
                }
                sums[size_t(j) * n_heads * positions + position] = sum;
            }
        }
        const float *of_positions = q + size_t(n_rows) * at.d + at.head * width;
        product<Neighbours::in_a_row, Neighbours::in_a_row>(
            at.rows, width, positions,
            [=](unsigned j, unsigned r) { return sums[size_t(j) * n_heads * positions + r]; },
            [=](unsigned r, unsigned c) { return of_positions[size_t(r) * at.d + c]; },
            [=](unsigned j, unsigned c, float sum) { to_k[size_t(j) * at.d + c] += scale * sum; });
    }
}
EXPORT(attention_backward_keys)

// Products of all queries with the keys of positions, and of all keys with their queries, [rows, n_heads, positions] each.
extern "C" __global__ void attention_compare_positions(float *of_queries, float *of_keys, const float *q, const float *k,
                                                       unsigned rows, unsigned n_heads, unsigned width, unsigned positions) {
    const unsigned n_tiles = (rows + TILE - 1) / TILE;
    const size_t d = size_t(n_heads) * width;
    for (unsigned index = blockIdx.x; index < 2 * n_tiles * n_heads; index += gridDim.x) {
        const bool is_of_keys = index % 2;
        const unsigned head = index / 2 % n_heads, first = index / 2 / n_heads * TILE;
        const float *x = (is_of_keys ? k : q) + first * d + head * width;
        const float *of_positions = (is_of_keys ? q : k) + rows * d + head * width;
        float *to = (is_of_keys ? of_keys : of_queries) + (size_t(first) * n_heads + head) * positions;
        product<Neighbours::in_a_row, Neighbours::in_a_column>(
            min(TILE, rows - first), positions, width, [=](unsigned i, unsigned c) { return x[i * d + c]; },
            [=](unsigned c, unsigned r) { return of_positions[r * d + c]; },
            [=](unsigned i, unsigned r, float sum) { to[size_t(i) * n_heads * positions + r] = sum; });
    }
}
EXPORT(attention_compare_positions)

// The gradients of the queries and keys of positions, which lie below the rows of dq and dk:
//     dK = scale dof_queries' q    dQ = scale dof_keys' k
extern "C" __global__ void attention_backward_positions(float *dq, float *dk, const float *dof_queries, const float *dof_keys,
                                                        const float *q, const float *k, unsigned rows, unsigned n_heads,
                                                        unsigned width, unsigned positions, float scale) {
    const unsigned n_tiles = (positions + TILE - 1) / TILE;
    const size_t d = size_t(n_heads) * width;
    for (unsigned index = blockIdx.x; index < 2 * n_tiles * n_heads; index += gridDim.x) {
        const bool is_of_keys = index % 2;
        const unsigned head = index / 2 % n_heads, first = index / 2 / n_heads * TILE;
        const float *x = (is_of_keys ? k : q) + head * width;
        const float *dof = (is_of_keys ? dof_keys : dof_queries) + size_t(head) * positions + first;
        float *to = (is_of_keys ? dq : dk) + (rows + first) * d + head * width;
        product<Neighbours::in_a_column, Neighbours::in_a_row>(
            min(TILE, positions - first), width, rows,
            [=](unsigned r, unsigned row) { return dof[size_t(row) * n_heads * positions + r]; },
            [=](unsigned row, unsigned c) { return x[row * d + c]; },
            [=](unsigned r, unsigned c, float sum) { to[r * d + c] = scale * sum; });
    }
}
EXPORT(attention_backward_positions)
