// What candle's kernels need of CUDA C++ beyond our own kernels, for compiling them as C++ (kernels.sh). Half precision is left
// out: these types are names only.
#pragma once

#include "cuda_on_cpu.h"

#include <math.h>

#include <cassert>
#include <limits>

using std::isnan;
using std::signbit;

namespace cuda::std {
using ::std::numeric_limits;
}

struct float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }

struct __half {
    unsigned short bits;
};
struct __nv_bfloat16 {
    unsigned short bits;
};
struct __nv_fp8_e4m3 {
    unsigned char __x;
    __nv_fp8_e4m3() = default;
    explicit __nv_fp8_e4m3(float) {}
};
constexpr int __NV_E4M3 = 0;
inline __half __nv_cvt_fp8_to_halfraw(unsigned char, int) { return {0}; }
inline float __half2float(__half) { return NAN; }
inline __half __hmax_nan(__half a, __half) { return a; }
inline __half __hmin_nan(__half a, __half) { return a; }
inline unsigned short __half_as_ushort(__half a) { return a.bits; }
inline __half __ushort_as_half(unsigned a) { return {static_cast<unsigned short>(a)}; }

template <typename To, typename From>
To with_bits_of(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}
inline float __uint_as_float(unsigned a) { return with_bits_of<float>(a); }
inline float __int_as_float(int a) { return with_bits_of<float>(a); }
inline unsigned __float_as_uint(float a) { return with_bits_of<unsigned>(a); }
inline int __float_as_int(float a) { return with_bits_of<int>(a); }
inline double __longlong_as_double(long long a) { return with_bits_of<double>(a); }
inline long long __double_as_longlong(double a) { return with_bits_of<long long>(a); }

// One thread runs at a time.
template <typename T>
T exchanged(T *at, T value) {
    return std::exchange(*at, value);
}
template <typename T, typename U>
T atomicAdd(T *at, U value) {
    return exchanged(at, T(*at + value));
}
template <typename T, typename U>
T atomicMax(T *at, U value) {
    return exchanged(at, std::max(*at, T(value)));
}
template <typename T, typename U>
T atomicMin(T *at, U value) {
    return exchanged(at, std::min(*at, T(value)));
}
template <typename T, typename U, typename V>
T atomicCAS(T *at, U expected, V value) {
    return exchanged(at, *at == T(expected) ? T(value) : *at);
}

template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask, int) {
    static T shown[1024];
    const unsigned self = threadIdx.x;
    shown[self] = value;
    __syncwarp();
    const T other = shown[self ^ static_cast<unsigned>(mask)];
    __syncwarp();
    return other;
}

inline double normcdf(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }
inline float normcdff(float x) { return 0.5f * erfcf(-x * float(M_SQRT1_2)); }
