// Activations of numbers, forward and backward.
#include "activation.cuh"

// y = f(x)
extern "C" __global__ void activation_forward(float *y, const float *x, unsigned n, unsigned activation, float leak) {
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        y[i] = activate(activation, leak, x[i]);
}
EXPORT(activation_forward)

// dx = dy f'(x)
extern "C" __global__ void activation_backward(float *dx, const float *x, const float *dy, unsigned n, unsigned activation,
                                               float leak) {
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        dx[i] = dy[i] * activation_slope(activation, leak, x[i]);
}
EXPORT(activation_backward)
