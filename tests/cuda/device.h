// What the parts of the stand-in for a GPU share: counters, and memory that is the host's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace device {

// What is counted by kind, beside every call by its name.
enum Kind { LAUNCH, ALLOCATION, FREE, TO_DEVICE, TO_HOST, ON_DEVICE, MEMSET, WAIT, EVENT, KINDS };

// Counts a call of `function`, and `bytes` with it.
void count(Kind kind, const char *function, size_t bytes = 0);

// Counts a launch of a kernel, or of a product by cuBLAS, under a name of its own.
void count_launch(const std::string &kernel);

// Whether [address, address + bytes) lies in memory that was allocated and not freed. A wrong range is reported on stderr
// with the function that got it.
bool is_memory(const char *function, uint64_t address, size_t bytes);

// Whether kernels are there to compute with (SMVAE_NO_GPU_KERNELS). Without them only calls are counted, and all memory is 0.
bool computes();

}  // namespace device
