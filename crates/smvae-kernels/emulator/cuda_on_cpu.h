// Enough of CUDA C++ for the kernels of ../cuda to be compiled by a C++ compiler and run on a CPU, one block after another.
//
// The threads of a block are fibers: each runs until it waits for others, at a barrier or in a shuffle. They take turns in
// ascending or in descending order, so that a kernel that forgets a barrier gives another result in one of the two.
// What runs here is the arithmetic of the kernels, not their speed.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
// One block runs at a time, and its threads share what is static.
#define __shared__ static

struct emulated_dim3 {
    unsigned x, y, z;
};

namespace emulated {

// What a thread sees of its place.
inline emulated_dim3 thread_index, block_index, block_size, grid_size;
inline float *dynamic_shared = nullptr;

enum class State { ready, at_block_barrier, at_warp_barrier, done };

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    State state;
    // What this lane shows the others of its warp in a shuffle.
    float shown;
};

inline std::vector<Fiber> fibers;
inline ucontext_t scheduler;
inline unsigned current = 0;
inline void (*body)(void **) = nullptr;
inline void **arguments = nullptr;

inline void run_body() {
    body(arguments);
    fibers[current].state = State::done;
    swapcontext(&fibers[current].context, &scheduler);
}

// Gives the turn to another thread, and comes back when the barrier is passed.
inline void wait(State barrier) {
    const unsigned self = current;
    fibers[self].state = barrier;
    swapcontext(&fibers[self].context, &scheduler);
}

// Lets the threads of [first, last) pass a barrier that all of them have reached; those that have ended count as there.
inline bool release(unsigned first, unsigned last, State barrier) {
    bool any = false;
    for (unsigned i = first; i < last; ++i) {
        if (fibers[i].state != barrier && fibers[i].state != State::done) return false;
        any |= fibers[i].state == barrier;
    }
    for (unsigned i = first; i < last; ++i)
        if (fibers[i].state == barrier) fibers[i].state = State::ready;
    return any;
}

constexpr size_t STACK = 64 * 1024;
constexpr unsigned WARP = 32;

// Runs one block; false if its threads wait for each other for ever.
inline bool run_block(bool descending) {
    const unsigned n = block_size.x;
    if (fibers.size() < n) fibers.resize(n);
    for (unsigned i = 0; i < n; ++i) {
        Fiber &fiber = fibers[i];
        fiber.stack.resize(STACK);
        fiber.state = State::ready;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, run_body, 0);
    }
    for (;;) {
        for (unsigned k = 0; k < n; ++k) {
            const unsigned i = descending ? n - 1 - k : k;
            if (fibers[i].state != State::ready) continue;
            current = i;
            thread_index = {i, 0, 0};
            swapcontext(&scheduler, &fibers[i].context);
        }
        bool released = release(0, n, State::at_block_barrier);
        for (unsigned first = 0; first < n; first += WARP)
            released |= release(first, std::min(first + WARP, n), State::at_warp_barrier);
        if (!released) {
            for (unsigned i = 0; i < n; ++i)
                if (fibers[i].state != State::done) return false;
            return true;
        }
    }
}

using Trampoline = void (*)(void **);

inline std::map<std::string, Trampoline> &kernels() {
    static std::map<std::string, Trampoline> known;
    return known;
}

template <typename... A, size_t... I>
void apply(void (*kernel)(A...), void **args, std::index_sequence<I...>) {
    kernel(*static_cast<A *>(args[I])...);
}

template <typename... A>
void call(void (*kernel)(A...), void **args) {
    apply(kernel, args, std::index_sequence_for<A...>());
}

template <auto kernel>
void trampoline(void **args) {
    call(kernel, args);
}

struct Export {
    Export(const char *name, Trampoline kernel) { kernels()[name] = kernel; }
};

}  // namespace emulated

#define threadIdx emulated::thread_index
#define blockIdx emulated::block_index
#define blockDim emulated::block_size
#define gridDim emulated::grid_size

inline void __syncthreads() { emulated::wait(emulated::State::at_block_barrier); }

inline void __syncwarp() { emulated::wait(emulated::State::at_warp_barrier); }

inline float __shfl_xor_sync(unsigned, float value, int mask) {
    const unsigned self = emulated::current;
    emulated::fibers[self].shown = value;
    __syncwarp();
    const float other = emulated::fibers[self ^ static_cast<unsigned>(mask)].shown;
    // Nobody shows the next value before all have read this one.
    __syncwarp();
    return other;
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }

using std::max;
using std::min;

// A kernel that the program may launch by its name.
#define EXPORT(kernel) static emulated::Export export_##kernel(#kernel, emulated::trampoline<&kernel>);
#define DYNAMIC_SHARED(name) float *name = emulated::dynamic_shared
