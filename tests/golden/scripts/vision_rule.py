"""Random numbers that Python and Rust can both compute, so that no weights need to be kept: see `numbers`.

Shared by vision.py and vision_keras.py; `tests/suite/vision_golden.rs` has the same rule in Rust.
"""

import json
import math

import numpy as np


def bits(name, n):
    """n 64-bit numbers: splitmix64, seeded by the FNV-1a hash of the name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, shape):
    """f64 numbers in [-1, 1), exact in f32."""
    n = math.prod(shape)
    return ((bits(name, n) >> np.uint64(40)).astype(np.float64) / 2**23 - 1.0).reshape(shape)


def numbers(name, shape):
    """The tensor of this name, f32: small where it is a bias or a mean, around 1 where it scales or is a variance, and
    otherwise with the variance 1 / fan_in."""
    u = uniform(name, shape)
    if name.endswith("running_var"):
        value = 1.0 + 0.5 * u
    elif len(shape) == 1:
        value = (1.0 if name.endswith("weight") else 0.0) + 0.1 * u
    else:
        value = u * math.sqrt(3.0 / math.prod(shape[1:]))
    return np.asarray(value, dtype=np.float32)


def image(width, height):
    """Noise, u8 [height, width, 3]: the hardest case for a resize."""
    return (bits(f"image{width}x{height}", width * height * 3) >> np.uint64(56)).astype(np.uint8).reshape(height, width, 3)


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, sort_keys=True, separators=(",", ":"))
        file.write("\n")
