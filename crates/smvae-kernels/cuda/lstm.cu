// One step of the recurrence of bidirectional LSTMs, forward of one or two and backward of one: a thread a unit of a text and
// direction.
//
// Texts are sorted by falling length, and a step works on those that still run, a prefix of the step before. Directions 0 and 1
// are those of the first LSTM, 2 and 3 those of the second; odd ones run from a text's last row to its first. `table` has the
// first row of each text, the last row of each, the first position of each step, and twice the number of all positions.
#include "common.cuh"

struct Step {
    // Its first position, its texts, and how many of them have a step after it.
    unsigned start, active, remaining;
    // Of all steps.
    unsigned positions;
};

__device__ inline Step step_of(const unsigned *table, unsigned texts, unsigned step, unsigned steps) {
    const unsigned *starts = table + 2 * texts;
    const unsigned start = starts[step], end = starts[step + 1];
    return {start, end - start, starts[step + 2] - end, starts[steps]};
}

__device__ inline unsigned row_of(const unsigned *table, unsigned texts, unsigned step, unsigned direction, unsigned text) {
    return direction % 2 == 0 ? table[text] + step : table[texts + text] - step;
}

// From what the inputs and the states before say of the gates, projected: [rows, 8h] of each LSTM and product:
// [directions, active, 4h] (none in the first step), to the hidden states, out: [rows, 2h] of each LSTM.
//
// hiddens, cells: [directions, states, h] are what a step leaves for the step after. With gates: [directions, positions, 4h],
// which a backward pass wants, they are kept for every position but those of the first step; without them, a step
// overwrites those of the step before.
extern "C" __global__ void lstm_forward(float *out_a, float *out_b, float *gates, float *hiddens, float *cells,
                                        const float *projected_a, const float *projected_b, const float *product,
                                        const unsigned *table, unsigned texts, unsigned step, unsigned steps, unsigned h,
                                        unsigned directions) {
    const Step at = step_of(table, texts, step, steps);
    const unsigned states = gates ? at.positions - texts : step_of(table, texts, 0, steps).remaining;
    const unsigned before = gates ? at.start - texts : 0, after = gates ? at.start + at.active - texts : 0;
    const unsigned n = directions * at.active * h;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const unsigned unit = i % h, text = i / h % at.active, direction = i / h / at.active, side = direction % 2;
        const size_t row = row_of(table, texts, step, direction, text);
        const float *in = (direction < 2 ? projected_a : projected_b) + (row * 2 + side) * 4 * h + unit;
        float gate[4];
        for (unsigned k = 0; k < 4; ++k) gate[k] = in[k * h];
        if (product) {
            const float *more = product + (size_t(direction) * at.active + text) * 4 * h + unit;
            for (unsigned k = 0; k < 4; ++k) gate[k] += more[k * h];
        }
        for (unsigned k = 0; k < 4; ++k) gate[k] = k == 2 ? tanhf(gate[k]) : sigmoid(gate[k]);
        const size_t state = size_t(direction) * states + text;
        float cell = gate[0] * gate[2];
        if (step > 0) cell += gate[1] * cells[(state + before) * h + unit];
        const float hidden = gate[3] * tanhf(cell);
        (direction < 2 ? out_a : out_b)[(row * 2 + side) * h + unit] = hidden;
        if (text < at.remaining) {
            // Without gates, this is the cell that this very thread has just read.
            cells[(state + after) * h + unit] = cell;
            hiddens[(state + after) * h + unit] = hidden;
        }
        if (gates) {
            float *keep = gates + (size_t(direction) * at.positions + at.start + text) * 4 * h + unit;
            for (unsigned k = 0; k < 4; ++k) keep[k * h] = gate[k];
        }
    }
}
EXPORT(lstm_forward)

// Of one LSTM: from the gradients dout: [rows, 2h] of its outputs and, of texts that have a step after this, those of the
// hidden states, dhidden: [2, remaining, h], and of the cells, dcells: [2, texts, h], which are overwritten by those of the
// cells before. What the nonlinearities were given gets dgates: [2, positions, 4h] in step order, and the same by rows,
// dprojected: [rows, 8h]. gates and cells are what the forward pass has kept.
extern "C" __global__ void lstm_backward(float *dprojected, float *dgates, float *dcells, const float *dout,
                                         const float *dhidden, const float *gates, const float *cells, const unsigned *table,
                                         unsigned texts, unsigned step, unsigned steps, unsigned h) {
    const Step at = step_of(table, texts, step, steps);
    const unsigned n = 2 * at.active * h;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const unsigned unit = i % h, text = i / h % at.active, direction = i / h / at.active;
        const size_t row = row_of(table, texts, step, direction, text);
        const size_t position = size_t(direction) * at.positions + at.start + text;
        const float *kept = gates + position * 4 * h + unit;
        const float in = kept[0], forget = kept[h], candidate = kept[2 * h], out = kept[3 * h];
        const size_t state = size_t(direction) * (at.positions - texts) + at.start - texts + text;
        const float before = step > 0 ? cells[state * h + unit] : 0.0f;
        const float tanh_cell = tanhf(in * candidate + forget * before);

        float *dcell = dcells + (size_t(direction) * texts + text) * h + unit;
        float dh = dout[(row * 2 + direction) * h + unit], dc = 0.0f;
        if (text < at.remaining) {
            dh += dhidden[(size_t(direction) * at.remaining + text) * h + unit];
            dc = *dcell;
        }
        dc += dh * out * (1.0f - tanh_cell * tanh_cell);
        *dcell = dc * forget;
        const float dgate[4] = {dc * candidate * in * (1.0f - in), dc * before * forget * (1.0f - forget),
                                dc * in * (1.0f - candidate * candidate), dh * tanh_cell * out * (1.0f - out)};
        float *by_row = dprojected + (row * 2 + direction) * 4 * h + unit;
        float *by_step = dgates + position * 4 * h + unit;
        for (unsigned k = 0; k < 4; ++k) by_row[k * h] = by_step[k * h] = dgate[k];
    }
}
EXPORT(lstm_backward)

// Zeros in these rows of x: [_, width].
extern "C" __global__ void lstm_clear_rows(float *x, const unsigned *rows, unsigned n_rows, unsigned width) {
    const unsigned n = n_rows * width;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        x[size_t(rows[i / width]) * width + i % width] = 0.0f;
}
EXPORT(lstm_clear_rows)
