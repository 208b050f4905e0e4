// Enough of CUDA C++ for the kernels of ../cuda to be compiled by a C++ compiler and run on a CPU, one block after another.
//
// The threads of a block are fibers: each runs until it waits for others, at a barrier or in a shuffle. They take turns in
// ascending or in descending order, so that a kernel that forgets a barrier gives another result in one of the two.
// What runs here is the arithmetic of the kernels, not their speed.
#pragma once

// Its longjmp refuses to change stacks.
#undef _FORTIFY_SOURCE

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
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

enum class State { not_begun, ready, at_block_barrier, at_warp_barrier, done };

struct Fiber {
    jmp_buf place;
    std::vector<char> stack;
    // The turn of the thread that begins here next.
    unsigned turn;
};

struct Thread {
    State state;
    // Where it runs. Threads that never wait run on the same one, one after the other.
    unsigned fiber;
    bool has_waited;
    // What this lane shows the others of its warp in a shuffle.
    float shown;
};

// A deque, since fibers hold addresses of each other's places. They outlive the kernel.
inline std::deque<Fiber> fibers;
inline std::vector<Thread> threads;
inline jmp_buf scheduler;
inline unsigned current = 0;
inline bool is_descending = false;
inline void (*body)(void **) = nullptr;
inline void **arguments = nullptr;

constexpr size_t STACK = 64 * 1024;
constexpr unsigned WARP = 32;

// The thread whose turn is the k-th.
inline unsigned thread_of(unsigned k) { return is_descending ? block_size.x - 1 - k : k; }

// Comes back when another switch goes to `from`. Unlike swapcontext it makes no system call.
__attribute__((noinline)) inline void change(jmp_buf &from, jmp_buf &to) {
    if (_setjmp(from) == 0) _longjmp(to, 1);
}

// What a fiber does: it runs threads that have not begun, in their order, until one has waited; and again when it is asked to.
inline void run_threads(unsigned fiber) {
    for (;;) {
        for (unsigned k = fibers[fiber].turn; k < block_size.x; ++k) {
            current = thread_of(k);
            threads[current] = {State::ready, fiber, false, 0.0f};
            thread_index = {current, 0, 0};
            body(arguments);
            threads[current].state = State::done;
            // Meanwhile the next one has begun elsewhere.
            if (threads[current].has_waited) break;
        }
        change(fibers[fiber].place, scheduler);
    }
}

// Lets the thread of this turn begin on a fiber that has nothing to do.
__attribute__((noinline)) inline void begin(unsigned fiber, unsigned turn) {
    const bool is_new = fiber == fibers.size();
    if (is_new) fibers.emplace_back();
    fibers[fiber].turn = turn;
    if (!is_new) return change(scheduler, fibers[fiber].place);
    fibers[fiber].stack.resize(STACK);
    static ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = fibers[fiber].stack.data();
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, reinterpret_cast<void (*)()>(run_threads), 1, fiber);
    if (_setjmp(scheduler) == 0) setcontext(&context);
}

// Gives the turn to another thread, and comes back when the barrier is passed.
inline void wait(State barrier) {
    Thread &self = threads[current];
    self.state = barrier;
    self.has_waited = true;
    change(fibers[self.fiber].place, scheduler);
}

// Lets the threads of [first, last) pass a barrier that all of them have reached; those that have ended count as there.
inline bool release(unsigned first, unsigned last, State barrier) {
    bool any = false;
    for (unsigned i = first; i < last; ++i) {
        if (threads[i].state != barrier && threads[i].state != State::done) return false;
        any |= threads[i].state == barrier;
    }
    for (unsigned i = first; i < last; ++i)
        if (threads[i].state == barrier) threads[i].state = State::ready;
    return any;
}

// Runs one block; false if its threads wait for each other for ever.
inline bool run_block(bool descending) {
    const unsigned n = block_size.x;
    is_descending = descending;
    threads.assign(n, {State::not_begun, 0, false, 0.0f});
    unsigned used = 0;
    for (;;) {
        for (unsigned k = 0; k < n; ++k) {
            const unsigned i = thread_of(k);
            if (threads[i].state == State::not_begun) begin(used++, k);
            if (threads[i].state != State::ready) continue;
            current = i;
            thread_index = {i, 0, 0};
            change(scheduler, fibers[threads[i].fiber].place);
        }
        bool released = release(0, n, State::at_block_barrier);
        for (unsigned first = 0; first < n; first += WARP)
            released |= release(first, std::min(first + WARP, n), State::at_warp_barrier);
        if (released) continue;
        const auto is_done = [](const Thread &thread) { return thread.state == State::done; };
        if (std::all_of(threads.begin(), threads.end(), is_done)) return true;
        // They stay where they are.
        fibers.clear();
        return false;
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
    emulated::threads[self].shown = value;
    __syncwarp();
    const float other = emulated::threads[self ^ static_cast<unsigned>(mask)].shown;
    // Nobody shows the next value before all have read this one.
    __syncwarp();
    return other;
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }

using std::max;
using std::min;

// A kernel that the program may launch by its name.
#define EXPORT(kernel) static emulated::Export export_##kernel(#kernel, emulated::trampoline<&kernel>);
