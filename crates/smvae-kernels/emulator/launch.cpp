// The one entry of the emulator: launches a kernel by its name, with the arguments that cuLaunchKernel takes.
#include "cuda_on_cpu.h"

// 0: done; 1: there is no such kernel; 2: its threads wait for each other for ever.
extern "C" int emulated_launch(const char *name, const unsigned grid[3], unsigned threads, void **args,
                               int descending) {
    using namespace emulated;
    const auto found = kernels().find(name);
    if (found == kernels().end()) return 1;
    body = found->second;
    arguments = args;
    block_size = {threads, 1, 1};
    grid_size = {grid[0], grid[1], grid[2]};
    const size_t blocks = size_t(grid[0]) * grid[1] * grid[2];
    for (size_t k = 0; k < blocks; ++k) {
        const size_t block = descending ? blocks - 1 - k : k;
        block_index = {unsigned(block % grid[0]), unsigned(block / grid[0] % grid[1]), unsigned(block / grid[0] / grid[1])};
        if (!run_block(descending)) return 2;
    }
    return 0;
}
