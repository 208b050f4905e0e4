//! A frozen convolution with its batch norm folded in, and with what follows it: a sum with a
//! shortcut, a ReLU.
//!
//! ```text
//! y = relu?( conv(x, w') + b' + shortcut? )
//! w' = w g / sqrt(var + eps),    b' = beta + (b - mean) g / sqrt(var + eps)
//! ```
//! On the CPU, in f32: pixels are rows. A 1 x 1 convolution is a matrix product as it stands; any
//! other first gathers the patches of a tile of pixels, small enough to stay in a core's cache.
//! Tiles are shared out to the threads, and bias, shortcut and ReLU are applied to a tile while it
//! is there. Elsewhere it is candle's `conv2d`. No gradient, no groups, no dilation.

use super::encoder::Compute;
use super::maps::{Buffers, HostMaps, Maps};
use super::product::{Packed, Write};
use rayon::prelude::*;
use smvae_core::candle_core::{DType, Result, Tensor};
use std::cell::RefCell;

/// A convolution with square kernel.
#[derive(Debug)]
pub(super) struct Conv {
    shape: Shape,
    weights: Weights,
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    c_in: usize,
    c_out: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

#[derive(Debug)]
enum Weights {
    /// `[kernel * kernel * c_in, c_out]` and `[c_out]`.
    Host { matrix: Packed, bias: Vec<f32> },
    /// `[c_out, c_in, kernel, kernel]` and `[1, c_out, 1, 1]`.
    Device { weight: Tensor, bias: Tensor },
}

/// A batch norm with fixed statistics, each `[c_out]`.
#[derive(Debug)]
pub(super) struct BatchNorm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub mean: Tensor,
    pub var: Tensor,
    pub eps: f64,
}

impl BatchNorm {
    /// Weight and bias of the convolution that does both; `weight: [c_out, ..]`.
    pub(super) fn fold(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        // In f64, since a variance near zero magnifies every rounding.
        let wide = |x: &Tensor| x.to_dtype(DType::F64);
        let scale = (wide(&self.weight)? / (wide(&self.var)? + self.eps)?.sqrt()?)?;
        let mean = match bias {
            Some(bias) => (wide(&self.mean)? - wide(bias)?)?,
            None => wide(&self.mean)?,
        };
        let bias = (wide(&self.bias)? - (mean * &scale)?)?;
        let weight = wide(weight)?.broadcast_mul(&scale.reshape(((), 1, 1, 1))?)?;
        Ok((weight.to_dtype(DType::F32)?, bias.to_dtype(DType::F32)?))
    }
}

/// How far a patch is from the next, and how many zeros surround the maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub stride: usize,
    pub padding: usize,
}

/// What follows the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    Relu,
}

impl Conv {
    /// A convolution with `weight: [c_out, c_in, k, k]` and `bias: [c_out]`, both in f32 on the
    /// CPU.
    pub(super) fn new(weight: &Tensor, bias: &Tensor, geometry: Geometry, compute: &Compute) -> Result<Self> {
        let (c_out, c_in, kernel, _) = weight.dims4()?;
        let weights = if compute.on_host() {
            let matrix = weight.permute((2, 3, 1, 0))?.flatten_all()?.to_vec1()?;
            Weights::Host { matrix: Packed::new(&matrix, c_out), bias: bias.to_vec1()? }
        } else {
            let there = |x: &Tensor| x.to_device(&compute.device)?.to_dtype(compute.dtype);
            Weights::Device { weight: there(weight)?, bias: there(&bias.reshape((1, c_out, 1, 1))?)? }
        };
        let Geometry { stride, padding } = geometry;
        Ok(Self { shape: Shape { c_in, c_out, kernel, stride, padding }, weights })
    }

    /// Number of maps it makes.
    pub(super) fn c_out(&self) -> usize {
        self.shape.c_out
    }

    /// `x` convolved, plus the shortcut, which has the shape of the result and is used up.
    pub(super) fn forward(&self, x: &Maps, shortcut: Option<Maps>, then: Then, buffers: &mut Buffers) -> Result<Maps> {
        match (&self.weights, x) {
            (Weights::Host { matrix, bias }, Maps::Host(x)) => {
                Ok(Maps::Host(self.shape.convolve(x, shortcut, matrix, bias, then, buffers)))
            }
            (Weights::Device { weight, bias }, Maps::Device(x)) => {
                let mut y = x.conv2d(weight, self.shape.padding, self.shape.stride, 1, 1)?.broadcast_add(bias)?;
                if let Some(Maps::Device(shortcut)) = shortcut {
                    y = (y + shortcut)?;
                }
                Ok(Maps::Device(if then == Then::Relu { y.relu()? } else { y }))
            }
            _ => smvae_core::candle_core::bail!("images and weights of a convolution lie on different devices"),
        }
    }
}

/// Pixels of a tile, at most: a part of their patches and of the result stay in a core's second
/// cache.
const TILE: usize = 192;

thread_local! {
    /// Patches of the tile a thread works on.
    static PATCHES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Shape {
    fn convolve(
        self,
        x: &HostMaps,
        shortcut: Option<Maps>,
        matrix: &Packed,
        bias: &[f32],
        then: Then,
        buffers: &mut Buffers,
    ) -> HostMaps {
        let size = |n: usize| (n + 2 * self.padding - self.kernel) / self.stride + 1;
        let shape = [x.n, size(x.h), size(x.w), self.c_out];
        let (mut y, write) = match shortcut {
            Some(Maps::Host(shortcut)) => (shortcut, Write::Add),
            _ => (buffers.take(shape), Write::Overwrite),
        };
        assert_eq!([y.n, y.h, y.w, y.c], shape, "a shortcut has the shape of what it is added to");
        let k = self.kernel * self.kernel * self.c_in;
        let pixels = x.n * y.h * y.w;
        // A late layer has few pixels, of which every thread gets as many; no images have none.
        let tile = pixels.div_ceil(rayon::current_num_threads()).next_multiple_of(6).clamp(1, TILE);
        let place = (y.h, y.w);
        y.values.par_chunks_mut(tile * self.c_out).enumerate().for_each(|(i, to)| {
            let rows = to.len() / self.c_out;
            let first = i * tile;
            if self.kernel == 1 && self.stride == 1 {
                let from = &x.values[first * k..(first + rows) * k];
                matrix.multiply(to, from, write);
            } else {
                PATCHES.with_borrow_mut(|patches| {
                    patches.resize(rows * k, 0.0);
                    self.gather(x, place, first, patches);
                    matrix.multiply(to, patches, write);
                });
            }
            finish(to, bias, then);
        });
        y
    }

    /// The patches of consecutive pixels of the result, from the `first` on:
    /// `[rows, kernel, kernel, c_in]`.
    fn gather(self, x: &HostMaps, (h, w): (usize, usize), first: usize, patches: &mut [f32]) {
        let Self { c_in, kernel, stride, padding, .. } = self;
        for (i, patch) in patches.chunks_exact_mut(kernel * kernel * c_in).enumerate() {
            let pixel = first + i;
            let (image, top, left) = (pixel / (h * w), pixel / w % h * stride, pixel % w * stride);
            // Columns of the patch that lie inside of the map.
            let (from, to) = (padding.saturating_sub(left), (x.w + padding - left).min(kernel));
            for (ky, line) in patch.chunks_exact_mut(kernel * c_in).enumerate() {
                let y = top + ky;
                if y < padding || y >= x.h + padding {
                    line.fill(0.0);
                    continue;
                }
                let at = ((image * x.h + y - padding) * x.w + left + from - padding) * c_in;
                let (inside, n) = (from * c_in..to * c_in, (to - from) * c_in);
                line[..inside.start].fill(0.0);
                line[inside.end..].fill(0.0);
                line[inside].copy_from_slice(&x.values[at..at + n]);
            }
        }
    }
}

/// Adds the bias to each pixel and applies what follows.
fn finish(pixels: &mut [f32], bias: &[f32], then: Then) {
    for pixel in pixels.chunks_exact_mut(bias.len()) {
        match then {
            Then::Nothing => pixel.iter_mut().zip(bias).for_each(|(y, b)| *y += b),
            Then::Relu => pixel.iter_mut().zip(bias).for_each(|(y, b)| {
                let sum = *y + b;
                *y = if sum < 0.0 { 0.0 } else { sum };
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smvae_core::candle_core::Device;

    fn numbers(shape: &[usize], step: usize) -> Tensor {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| ((i * step) % 17) as f32 / 8.0 - 1.0).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).expect("a shape of these numbers")
    }

    /// The CPU's form against candle's, which is the form of every other device.
    #[track_caller]
    fn check([n, c_in, h, w]: [usize; 4], c_out: usize, kernel: usize, geometry: Geometry) {
        let check = || -> Result<f32> {
            let (weight, bias) = (numbers(&[c_out, c_in, kernel, kernel], 5), numbers(&[c_out], 3));
            let x = numbers(&[n, c_in, h, w], 7);
            let host = Conv::new(&weight, &bias, geometry, &Compute::default())?;
            let bias = bias.reshape((1, c_out, 1, 1))?;
            let device = Conv { shape: host.shape, weights: Weights::Device { weight, bias } };
            let mut buffers = Buffers::default();
            let (ours, theirs) = (Maps::of(&x, &mut buffers)?, Maps::Device(x));
            let want = device.forward(&theirs, None, Then::Nothing, &mut buffers)?;
            let got = host.forward(&ours, None, Then::Nothing, &mut buffers)?;
            let first = (got.to_tensor()? - want.to_tensor()?)?.abs()?.max_all()?.to_scalar::<f32>()?;
            // The results once more, as shortcuts of themselves.
            let want = device.forward(&theirs, Some(want), Then::Relu, &mut buffers)?.max_pool(&mut buffers)?;
            let got = host.forward(&ours, Some(got), Then::Relu, &mut buffers)?.max_pool(&mut buffers)?;
            let means = (got.mean()? - want.mean()?)?.abs()?.max_all()?.to_scalar::<f32>()?;
            let second = (got.to_tensor()? - want.to_tensor()?)?.abs()?.max_all()?.to_scalar::<f32>()?;
            let rows = (got.into_rows()? - want.into_rows()?)?.abs()?.max_all()?.to_scalar::<f32>()?;
            Ok([first, means, second, rows].into_iter().fold(0.0, f32::max))
        };
        let worst = check().expect("shapes that fit");
        assert!(worst < 1e-4, "{n} x {c_in} x {h} x {w} to {c_out}, kernel {kernel}, {geometry:?}: {worst}");
    }

    #[test]
    fn both_forms_of_a_convolution_agree() {
        let geometry = |stride, padding| Geometry { stride, padding };
        check([2, 3, 15, 18], 5, 7, geometry(2, 3));
        check([1, 16, 9, 7], 20, 1, geometry(1, 0));
        check([3, 16, 9, 7], 20, 1, geometry(2, 0));
        check([2, 4, 8, 11], 33, 3, geometry(1, 1));
        check([1, 300, 3, 3], 7, 3, geometry(2, 1));
        check([1, 3, 1, 1], 4, 7, geometry(2, 3));
        check([2, 3, 16, 8], 6, 4, geometry(4, 0));
    }
}
