//! Feature maps between layers, on the device they are computed on.
//!
//! On the CPU a batch lies as `[n, h, w, c]`, so that a 1 x 1 convolution is one matrix product and
//! a patch is a few copies of neighbouring numbers; elsewhere it is candle's `[n, c, h, w]`.

use rayon::prelude::*;
use smvae_core::candle_core::{Device, Result, Tensor};

/// Feature maps of a batch.
#[derive(Debug)]
pub(super) enum Maps {
    /// On the CPU.
    Host(HostMaps),
    /// On another device, `[n, c, h, w]`.
    Device(Tensor),
}

/// Feature maps of a batch on the CPU, `[n, h, w, c]`.
#[derive(Debug)]
pub(super) struct HostMaps {
    pub n: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub values: Vec<f32>,
}

/// Memory of maps that are no longer needed. With a fresh allocation for each layer the operating
/// system would have to clear as many pages again.
#[derive(Debug, Default)]
pub(super) struct Buffers(Vec<Vec<f32>>);

impl Buffers {
    /// Maps of this shape with arbitrary values.
    pub(super) fn take(&mut self, [n, h, w, c]: [usize; 4]) -> HostMaps {
        let mut values = self.0.pop().unwrap_or_default();
        values.resize(n * h * w * c, 0.0);
        HostMaps { n, h, w, c, values }
    }

    /// Keeps the memory of maps for later ones.
    pub(super) fn give(&mut self, maps: Maps) {
        if let Maps::Host(maps) = maps {
            self.0.push(maps.values);
        }
    }
}

impl Maps {
    /// Maps of a batch of images, `[n, c, h, w]`.
    pub(super) fn of(images: &Tensor, buffers: &mut Buffers) -> Result<Self> {
        if !matches!(images.device(), Device::Cpu) {
            return Ok(Self::Device(images.clone()));
        }
        let (n, c, h, w) = images.dims4()?;
        let values = images.flatten_all()?.to_vec1::<f32>()?;
        let mut maps = buffers.take([n, h, w, c]);
        let (size, area) = (c * h * w, h * w);
        for (to, from) in maps.values.chunks_exact_mut(size.max(1)).zip(values.chunks_exact(size.max(1))) {
            for (i, pixel) in to.chunks_exact_mut(c).enumerate() {
                pixel.iter_mut().enumerate().for_each(|(channel, x)| *x = from[channel * area + i]);
            }
        }
        Ok(Self::Host(maps))
    }

    /// The maps as a tensor, `[n, c, h, w]`.
    pub(super) fn to_tensor(&self) -> Result<Tensor> {
        match self {
            Self::Device(x) => Ok(x.clone()),
            Self::Host(x) => {
                let tensor = Tensor::from_slice(&x.values, (x.n, x.h, x.w, x.c), &Device::Cpu)?;
                tensor.permute((0, 3, 1, 2))?.contiguous()
            }
        }
    }

    /// One vector per pixel, image by image and row by row, `[n * h * w, c]`.
    pub(super) fn into_rows(self) -> Result<Tensor> {
        match self {
            Self::Device(x) => {
                let c = x.dim(1)?;
                x.flatten_from(2)?.transpose(1, 2)?.contiguous()?.reshape(((), c))
            }
            Self::Host(x) => Tensor::from_vec(x.values, (x.n * x.h * x.w, x.c), &Device::Cpu),
        }
    }

    /// Mean over each map, `[n, c]`.
    pub(super) fn mean(&self) -> Result<Tensor> {
        match self {
            Self::Device(x) => x.mean((2, 3)),
            Self::Host(x) => {
                let area = x.h * x.w;
                let mut means = vec![0f32; x.n * x.c];
                for (mean, image) in means.chunks_exact_mut(x.c).zip(x.values.chunks_exact(area * x.c)) {
                    for pixel in image.chunks_exact(x.c) {
                        mean.iter_mut().zip(pixel).for_each(|(m, v)| *m += v);
                    }
                    mean.iter_mut().for_each(|m| *m /= area as f32);
                }
                Tensor::from_vec(means, (x.n, x.c), &Device::Cpu)
            }
        }
    }

    /// The largest of every 3 x 3 window, every second one; outside of a map there is nothing.
    pub(super) fn max_pool(self, buffers: &mut Buffers) -> Result<Self> {
        let x = match self {
            // Maps come from a ReLU, so that zeros at the border change no maximum.
            Self::Device(x) => {
                let padded = x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
                return Ok(Self::Device(padded.max_pool2d_with_stride(3, 2)?));
            }
            Self::Host(x) => x,
        };
        let (h, w) = (x.h.div_ceil(2), x.w.div_ceil(2));
        let mut pooled = buffers.take([x.n, h, w, x.c]);
        pooled.values.par_chunks_exact_mut(w * x.c).enumerate().for_each(|(row, to)| {
            let (image, y) = (row / h, row % h);
            for (column, to) in to.chunks_exact_mut(x.c).enumerate() {
                to.fill(f32::NEG_INFINITY);
                for from_y in window(y, x.h) {
                    for from_x in window(column, x.w) {
                        let at = ((image * x.h + from_y) * x.w + from_x) * x.c;
                        to.iter_mut()
                            .zip(&x.values[at..at + x.c])
                            .for_each(|(m, v)| *m = if *v > *m { *v } else { *m });
                    }
                }
            }
        });
        buffers.give(Self::Host(x));
        Ok(Self::Host(pooled))
    }
}

/// Rows (or columns) of the input that a row of the pooled maps sees.
fn window(at: usize, size: usize) -> std::ops::Range<usize> {
    (2 * at).saturating_sub(1)..(2 * at + 2).min(size)
}
