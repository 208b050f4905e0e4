// A CUDA driver without a GPU: what of libcuda and libcurand cudarc calls for candle and for smvae.
//
// It stands in for the real libraries at link time and at run time, so that the program built with the feature `cuda` runs on
// any machine, and counts what it asks of the driver. Device memory is the host's; copies and memsets are done at once. It
// refuses what a driver refuses: empty grids, blocks over 1024 threads, more shared memory than was asked for, ranges outside
// of what is allocated.
//
//     SMVAE_NO_GPU_COUNTS=FILE    writes the counts there, as JSON, when the process ends
//     SMVAE_NO_GPU_KERNELS=LIBS   shared libraries between colons with kernels that were compiled for the CPU; each exports
//                                 emulated_launch as crates/smvae-kernels/emulator/launch.cpp does. With them, launches
//                                 compute, new memory is NaN, and an unknown kernel is an error. Without them, launches are
//                                 counted and do nothing, and memory is 0.
//
// What this does not do: run anything concurrently, parse PTX, tell times, or draw random numbers on the device.
#include "device.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

// CUresult.
constexpr int SUCCESS = 0, INVALID_VALUE = 1, NOT_FOUND = 500, NOT_SUPPORTED = 801, LAUNCH_FAILED = 719;

using emulated_launch_t = int (*)(const char *, const unsigned[3], unsigned, void **, int);

namespace {

struct Counted {
    uint64_t calls = 0, bytes = 0;
};

struct Kernel {
    std::string name;
    emulated_launch_t launch;
    int dynamic_shared_bytes = 48 << 10;
};

const char *const KIND_NAMES[device::KINDS] = {"launches",       "allocations",      "frees",   "copies to the device",
                                               "copies to host", "copies on device", "memsets", "waits", "events"};

struct State {
    std::recursive_mutex lock;
    Counted kinds[device::KINDS];
    std::map<std::string, uint64_t> calls, launches;
    std::map<uint64_t, size_t> memory;
    size_t bytes = 0, peak_bytes = 0;
    std::map<std::string, Kernel> kernels;
    std::vector<emulated_launch_t> libraries;

    State() {
        const char *paths = std::getenv("SMVAE_NO_GPU_KERNELS");
        for (std::string rest = paths ? paths : ""; !rest.empty();) {
            const size_t end = rest.find(':');
            const std::string path = rest.substr(0, end);
            rest = end == std::string::npos ? "" : rest.substr(end + 1);
            void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
            void *launch = library ? dlsym(library, "emulated_launch") : nullptr;
            if (!launch) {
                std::fprintf(stderr, "no GPU: %s\n", dlerror());
                std::exit(1);
            }
            libraries.push_back(reinterpret_cast<emulated_launch_t>(launch));
        }
    }

    void write(const char *path) const {
        std::FILE *file = std::fopen(path, "w");
        if (!file) return;
        std::fprintf(file, "{\n\"peak_bytes\": %zu,\n\"kinds\": {", peak_bytes);
        for (int k = 0; k < device::KINDS; ++k)
            std::fprintf(file, "%s\n  \"%s\": {\"calls\": %lu, \"bytes\": %lu}", k ? "," : "", KIND_NAMES[k], kinds[k].calls,
                         kinds[k].bytes);
        for (const auto &[key, map] : {std::pair{"calls", &calls}, std::pair{"launches", &launches}}) {
            std::fprintf(file, "\n},\n\"%s\": {", key);
            const char *comma = "";
            for (const auto &[name, n] : *map) {
                std::fprintf(file, "%s\n  \"%s\": %lu", comma, name.c_str(), n);
                comma = ",";
            }
        }
        std::fprintf(file, "\n}\n}\n");
        std::fclose(file);
    }
};

// Never destroyed: threads may call while the process ends.
State &state() {
    static State *the = new State;
    return *the;
}

using Guard = std::lock_guard<std::recursive_mutex>;

__attribute__((destructor)) void write_counts() {
    const Guard guard(state().lock);
    if (const char *path = std::getenv("SMVAE_NO_GPU_COUNTS")) state().write(path);
}

int allocate(const char *function, uint64_t *address, size_t bytes) {
    const Guard guard(state().lock);
    device::count(device::ALLOCATION, function, bytes);
    // An own address for each, also where nothing is asked for.
    const size_t size = bytes ? bytes : 1;
    void *memory = std::calloc(1, size);
    if (!memory) return 2;
    if (device::computes()) std::memset(memory, 0xff, size);
    *address = reinterpret_cast<uint64_t>(memory);
    state().memory[*address] = bytes;
    state().bytes += bytes;
    state().peak_bytes = std::max(state().peak_bytes, state().bytes);
    return SUCCESS;
}

void *host(uint64_t address) { return reinterpret_cast<void *>(address); }

int release(const char *function, uint64_t address) {
    const Guard guard(state().lock);
    device::count(device::FREE, function);
    const auto found = state().memory.find(address);
    if (found == state().memory.end()) {
        std::fprintf(stderr, "no GPU: %s: %lx is not the begin of allocated memory\n", function, address);
        return INVALID_VALUE;
    }
    state().bytes -= found->second;
    // Whoever reads it later shall see that.
    if (device::computes()) std::memset(host(address), 0xff, found->second);
    state().memory.erase(found);
    std::free(host(address));
    return SUCCESS;
}

int set(const char *function, uint64_t address, unsigned char value, size_t bytes) {
    device::count(device::MEMSET, function, bytes);
    if (!device::is_memory(function, address, bytes)) return INVALID_VALUE;
    std::memset(host(address), value, bytes);
    return SUCCESS;
}

int to_device(const char *function, uint64_t to, const void *from, size_t bytes) {
    device::count(device::TO_DEVICE, function, bytes);
    if (!device::is_memory(function, to, bytes)) return INVALID_VALUE;
    std::memcpy(host(to), from, bytes);
    return SUCCESS;
}

int to_host(const char *function, void *to, uint64_t from, size_t bytes) {
    device::count(device::TO_HOST, function, bytes);
    if (!device::is_memory(function, from, bytes)) return INVALID_VALUE;
    std::memcpy(to, host(from), bytes);
    return SUCCESS;
}

int on_device(const char *function, uint64_t to, uint64_t from, size_t bytes) {
    device::count(device::ON_DEVICE, function, bytes);
    if (!device::is_memory(function, to, bytes) || !device::is_memory(function, from, bytes)) return INVALID_VALUE;
    std::memmove(host(to), host(from), bytes);
    return SUCCESS;
}

// A handle that is never looked into.
void *handle() {
    static char one;
    return &one;
}

}  // namespace

namespace device {

void count(Kind kind, const char *function, size_t bytes) {
    State &s = state();
    const Guard guard(s.lock);
    ++s.kinds[kind].calls;
    s.kinds[kind].bytes += bytes;
    ++s.calls[function];
}

void count_launch(const std::string &kernel) {
    State &s = state();
    const Guard guard(s.lock);
    ++s.kinds[LAUNCH].calls;
    ++s.launches[kernel];
}

bool is_memory(const char *function, uint64_t address, size_t bytes) {
    State &s = state();
    const Guard guard(s.lock);
    auto after = s.memory.upper_bound(address);
    if (after != s.memory.begin()) {
        const auto &[begin, size] = *--after;
        if (address + bytes <= begin + size) return true;
    }
    if (bytes == 0) return true;
    std::fprintf(stderr, "no GPU: %s: %zu bytes at %lx are outside of what is allocated\n", function, bytes, address);
    return false;
}

bool computes() { return !state().libraries.empty(); }

}  // namespace device

#define API extern "C" __attribute__((visibility("default"))) int

// --- Device and context: one device like an H100, and one context. ---

API cuInit(unsigned) { return SUCCESS; }
API cuDriverGetVersion(int *version) { return *version = 13000, SUCCESS; }
API cuDeviceGetCount(int *count) { return *count = 1, SUCCESS; }
API cuDeviceGet(int *device, int ordinal) { return *device = ordinal, ordinal ? 101 : SUCCESS; }
API cuDeviceGetName(char *name, int size, int) { return std::snprintf(name, size, "no GPU"), SUCCESS; }
API cuDeviceGetUuid_v2(void *uuid, int) { return std::memset(uuid, 0, 16), SUCCESS; }
API cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = size_t(80) << 30, SUCCESS; }
API cuMemGetInfo_v2(size_t *free, size_t *total) { return *free = *total = size_t(80) << 30, SUCCESS; }

API cuDeviceGetAttribute(int *value, int attribute, int) {
    static const std::map<int, int> known = {
        {1, 1024},    // threads of a block
        {8, 49152},   // shared memory of a block
        {10, 32},     // threads of a warp
        {16, 132},    // multiprocessors
        {75, 9},      // compute capability, major
        {76, 0},      // and minor
        {97, 232448}, // shared memory of a block that asks for more
        {115, 1},     // pools of memory
    };
    const auto found = known.find(attribute);
    if (found == known.end()) return NOT_SUPPORTED;
    return *value = found->second, SUCCESS;
}

API cuDevicePrimaryCtxRetain(void **context, int) { return *context = handle(), SUCCESS; }
API cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
API cuCtxDestroy_v2(void *) { return SUCCESS; }
API cuCtxGetCurrent(void **context) { return *context = handle(), SUCCESS; }
API cuCtxSetCurrent(void *) { return SUCCESS; }
API cuCtxSynchronize() { return device::count(device::WAIT, __func__), SUCCESS; }

API cuGetErrorName(int, const char **name) { return *name = "an error of the stand-in", SUCCESS; }
API cuGetErrorString(int error, const char **text) {
    switch (error) {
        case INVALID_VALUE: *text = "invalid value"; break;
        case NOT_FOUND: *text = "there is no such kernel"; break;
        case LAUNCH_FAILED: *text = "the kernel failed"; break;
        default: *text = "an error of the stand-in for a GPU";
    }
    return SUCCESS;
}

// --- Streams and events: everything is done when it is asked for, so that they are only counted. ---

API cuStreamCreate(void **stream, unsigned) { return *stream = handle(), SUCCESS; }
API cuStreamCreateWithPriority(void **stream, unsigned, int) { return *stream = handle(), SUCCESS; }
API cuStreamDestroy_v2(void *) { return SUCCESS; }
API cuStreamSynchronize(void *) { return device::count(device::WAIT, __func__), SUCCESS; }
API cuStreamWaitEvent(void *, void *, unsigned) { return device::count(device::EVENT, __func__), SUCCESS; }
API cuStreamIsCapturing(void *, int *status) { return *status = 0, SUCCESS; }
API cuEventCreate(void **event, unsigned) {
    device::count(device::EVENT, __func__);
    return *event = handle(), SUCCESS;
}
API cuEventDestroy_v2(void *) { return device::count(device::EVENT, __func__), SUCCESS; }
API cuEventRecord(void *, void *) { return device::count(device::EVENT, __func__), SUCCESS; }
API cuEventSynchronize(void *) { return device::count(device::WAIT, __func__), SUCCESS; }
API cuEventQuery(void *) { return device::count(device::EVENT, __func__), SUCCESS; }
API cuEventElapsedTime_v2(float *ms, void *, void *) { return *ms = 0, SUCCESS; }

// --- Memory ---

API cuMemAlloc_v2(uint64_t *address, size_t bytes) { return bytes ? allocate(__func__, address, bytes) : INVALID_VALUE; }
API cuMemAllocAsync(uint64_t *address, size_t bytes, void *) { return allocate(__func__, address, bytes); }
API cuMemFree_v2(uint64_t address) { return release(__func__, address); }
API cuMemFreeAsync(uint64_t address, void *) { return release(__func__, address); }
API cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
    device::count(device::ALLOCATION, __func__, bytes);
    *memory = std::calloc(1, bytes ? bytes : 1);
    return *memory ? SUCCESS : 2;
}
API cuMemFreeHost(void *memory) {
    device::count(device::FREE, __func__);
    return std::free(memory), SUCCESS;
}

API cuDeviceGetDefaultMemPool(void **pool, int) { return *pool = handle(), SUCCESS; }
API cuDeviceGetMemPool(void **pool, int) { return *pool = handle(), SUCCESS; }
API cuDeviceSetMemPool(int, void *) { return SUCCESS; }
API cuMemPoolSetAttribute(void *, int, void *) { return SUCCESS; }
API cuMemPoolGetAttribute(void *, int, uint64_t *value) { return *value = 0, SUCCESS; }
API cuMemPoolTrimTo(void *, size_t) { return SUCCESS; }

// Copies that name no stream wait until they are done, beside what they are.
#define WAITING(call) (device::count(device::WAIT, __func__), call)

API cuMemsetD8Async(uint64_t at, unsigned char value, size_t n, void *) { return set(__func__, at, value, n); }
API cuMemsetD8_v2(uint64_t at, unsigned char value, size_t n) { return WAITING(set(__func__, at, value, n)); }
API cuMemsetD32Async(uint64_t at, unsigned value, size_t n, void *) {
    device::count(device::MEMSET, __func__, 4 * n);
    if (!device::is_memory(__func__, at, 4 * n)) return INVALID_VALUE;
    std::fill_n(static_cast<uint32_t *>(host(at)), n, value);
    return SUCCESS;
}
API cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t n, void *) { return to_device(__func__, to, from, n); }
API cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t n) { return WAITING(to_device(__func__, to, from, n)); }
API cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t n, void *) { return to_host(__func__, to, from, n); }
API cuMemcpyDtoH_v2(void *to, uint64_t from, size_t n) { return WAITING(to_host(__func__, to, from, n)); }
API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t n, void *) { return on_device(__func__, to, from, n); }
API cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t n) { return WAITING(on_device(__func__, to, from, n)); }
API cuMemcpyPeerAsync(uint64_t to, void *, uint64_t from, void *, size_t n, void *) { return on_device(__func__, to, from, n); }

// --- Kernels ---

API cuModuleLoadData(void **module, const void *) { return *module = handle(), SUCCESS; }
API cuModuleLoad(void **module, const char *) { return *module = handle(), SUCCESS; }
API cuModuleUnload(void *) { return SUCCESS; }

API cuModuleGetFunction(void **function, void *, const char *name) {
    State &s = state();
    const Guard guard(s.lock);
    ++s.calls[__func__];
    Kernel &kernel = s.kernels[name];
    if (kernel.name.empty()) {
        kernel.name = name;
        // A library without the kernel launches nothing and says 1; an empty grid is no launch where there is one.
        const unsigned none[3] = {0, 0, 0};
        for (const emulated_launch_t launch : s.libraries)
            if (!kernel.launch && launch(name, none, 1, nullptr, 0) != 1) kernel.launch = launch;
    }
    if (device::computes() && !kernel.launch) {
        std::fprintf(stderr, "no GPU: the kernel %s is in none of the libraries\n", name);
        return NOT_FOUND;
    }
    *function = &kernel;
    return SUCCESS;
}

API cuFuncSetAttribute(Kernel *kernel, int attribute, int value) {
    // The most dynamic shared memory that launches may ask for.
    if (attribute == 8) kernel->dynamic_shared_bytes = value;
    return value <= 232448 ? SUCCESS : INVALID_VALUE;
}

API cuFuncGetAttribute(int *value, int, void *) { return *value = 0, SUCCESS; }

API cuLaunchKernel(Kernel *kernel, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned shared_bytes, void *, void **arguments, void **) {
    const Guard guard(state().lock);
    device::count_launch(kernel->name);
    const uint64_t threads = uint64_t(block_x) * block_y * block_z;
    const bool is_grid = grid_x && grid_y && grid_z && grid_x <= 0x7fffffff && grid_y <= 65535 && grid_z <= 65535;
    if (!is_grid || !threads || threads > 1024 || int(shared_bytes) > kernel->dynamic_shared_bytes) {
        std::fprintf(stderr, "no GPU: %s: no launch with a grid of %u x %u x %u, %lu threads, %u bytes of shared memory\n",
                     kernel->name.c_str(), grid_x, grid_y, grid_z, threads, shared_bytes);
        return INVALID_VALUE;
    }
    if (!kernel->launch) return SUCCESS;
    if (block_y != 1 || block_z != 1 || shared_bytes) {
        std::fprintf(stderr, "no GPU: %s: only blocks in one dimension are emulated, without dynamic shared memory\n",
                     kernel->name.c_str());
        return NOT_SUPPORTED;
    }
    const unsigned grid[3] = {grid_x, grid_y, grid_z};
    const int failed = kernel->launch(kernel->name.c_str(), grid, block_x, arguments, 0);
    if (failed) std::fprintf(stderr, "no GPU: %s failed: %d\n", kernel->name.c_str(), failed);
    return failed ? LAUNCH_FAILED : SUCCESS;
}

// --- cuRAND: candle makes a generator with every device; nothing of ours draws from it. ---

API curandCreateGenerator(void **generator, int) { return *generator = handle(), SUCCESS; }
API curandDestroyGenerator(void *) { return SUCCESS; }
API curandSetPseudoRandomGeneratorSeed(void *, unsigned long long) { return SUCCESS; }
API curandSetGeneratorOffset(void *, unsigned long long) { return SUCCESS; }
API curandSetStream(void *, void *) { return SUCCESS; }
