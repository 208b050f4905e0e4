// The activations of nn/activation.rs and their slopes.
#pragma once
#include "common.cuh"

enum Activation : unsigned { IDENTITY = 0, GELU_ERF = 1, GELU_TANH = 2, LEAKY_RELU = 3 };

// x + 0.044715 x^3, times 2 sqrt(2 / pi): gelu_tanh(x) = x sigmoid of it.
__device__ inline float gelu_tanh_argument(float x) { return 1.595769121605731f * (x + 0.044715f * x * x * x); }

// f(x); `leak` is the slope of a leaky ReLU below zero.
__device__ inline float activate(unsigned activation, float leak, float x) {
    switch (activation) {
        case GELU_ERF: return 0.5f * x * (1.0f + erff(x * 0.7071067811865476f));
        case GELU_TANH: return x * sigmoid(gelu_tanh_argument(x));
        case LEAKY_RELU: return x > 0.0f ? x : leak * x;
        default: return x;
    }
}

// f'(x)
__device__ inline float activation_slope(unsigned activation, float leak, float x) {
    switch (activation) {
        case GELU_ERF: {
            const float cdf = 0.5f * (1.0f + erff(x * 0.7071067811865476f));
            return cdf + x * 0.3989422804014327f * expf(-0.5f * x * x);
        }
        case GELU_TANH: {
            const float s = sigmoid(gelu_tanh_argument(x));
            return s + x * s * (1.0f - s) * 1.595769121605731f * (1.0f + 0.134145f * x * x);
        }
        case LEAKY_RELU: return x > 0.0f ? 1.0f : leak;
        default: return 1.0f;
    }
}
