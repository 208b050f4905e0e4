//! Linear layers whose weight is kept in int8, for models that only predict on a CPU.
//!
//! `y = f(x W' + b)` as in [`Linear`], where each row of `x` and each row of `W` (a column of the
//! product) is rounded to steps of a 127th of its largest magnitude, and the sums are exact. A
//! weight takes a quarter of its memory in f32. No bit of a row depends on other rows, on threads,
//! or on the unit that multiplies. There is no backward pass.

use super::activation::Activation;
use super::linear::Linear;
use super::matrix::{Packed, Rows, Write, multiply};
use super::precision::Unit;
use super::real::Values;
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;
use std::sync::Arc;

/// A linear layer in int8. A clone shares its weight.
#[derive(Clone, Debug)]
pub struct QuantizedLinear {
    weight: Arc<Packed>,
    unit: Unit,
}

/// What a task of the thread pool keeps from block to block of rows.
#[derive(Default)]
struct Scratch {
    rows: Rows,
    wide: Vec<f32>,
    wide_rows: Rows,
}

impl QuantizedLinear {
    /// The layer with its weight rounded, where this unit multiplies.
    ///
    /// # Errors
    /// For parameters that are not f32 on the CPU, or for a weight `[out, in]` whose bias is not
    /// `[out]`.
    pub fn new(layer: &Linear, unit: Unit) -> Result<Self> {
        let ((n, k), bias) = (layer.weight().dims2()?, layer.bias().to_vec1::<f32>()?);
        if bias.len() != n {
            bail!("QuantizedLinear: a weight of {n} rows and a bias of {}", bias.len());
        }
        let weight = Values::<f32>::of(layer.weight())?.with(|weight| Packed::new(weight, n, k, &bias))?;
        Ok(Self { weight: Arc::new(weight), unit })
    }

    /// `x: [rows, in]` to `[rows, out]`, f32 on the CPU. A row with a number that is not finite
    /// gives NaN.
    ///
    /// # Errors
    /// If the shapes do not fit, or for another number type or device.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [y] = Self::forward_each([self], x)?;
        Ok(y)
    }

    /// The same by several layers, for which rows are rounded once: `x: [rows, in]` to `[rows, out]`
    /// of each layer.
    ///
    /// # Errors
    /// As [`QuantizedLinear::forward`].
    pub fn forward_each<const N: usize>(layers: [&Self; N], x: &Tensor) -> Result<[Tensor; N]> {
        let widths = layers.map(|layer| layer.weight.dims().1);
        layers.iter().try_for_each(|layer| layer.check(x))?;
        by_blocks(x, widths, |x, ys, scratch| {
            scratch.rows.quantise(x, layers[0].weight.dims().0);
            for (layer, y) in layers.iter().zip(ys) {
                multiply(layer.unit, &scratch.rows, &layer.weight, y, Write::Overwrite);
            }
        })
    }

    /// `down(f(up(x)))` without the wide vectors between them as a whole: `x: [rows, in]` to
    /// `[rows, out]`, where `up` gives `wide` numbers and `down` takes them.
    ///
    /// # Errors
    /// As [`QuantizedLinear::forward`].
    pub fn feed_forward(up: &Self, activation: Activation, down: &Self, x: &Tensor) -> Result<Tensor> {
        up.check(x)?;
        let ((k, wide), (down_in, n)) = (up.weight.dims(), down.weight.dims());
        if wide != down_in {
            bail!("feed_forward: a layer that gives {wide} numbers before one that takes {down_in}");
        }
        let [y] = by_blocks(x, [n], |x, [y], scratch| {
            scratch.rows.quantise(x, k);
            scratch.wide.resize(x.len() / k.max(1) * wide, 0.0);
            multiply(up.unit, &scratch.rows, &up.weight, &mut scratch.wide, Write::Overwrite);
            activation.apply_here(&mut scratch.wide);
            scratch.wide_rows.quantise(&scratch.wide, wide);
            multiply(down.unit, &scratch.wide_rows, &down.weight, y, Write::Overwrite);
        })?;
        Ok(y)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        let (k, n) = self.weight.dims();
        match x.dims2()? {
            (_, width) if width == k && k > 0 && n > 0 => Ok(()),
            _ => bail!("QuantizedLinear: x {:?} and the weight [{n}, {k}] do not fit", x.dims()),
        }
    }
}

/// Rows that a task computes at once: a multiple of what the kernel computes at once, and few enough
/// for a second cache.
const BLOCK: usize = 96;
const TILE: usize = 12;

/// Runs `f` on blocks of the rows of `x: [rows, in]`, in parallel, each with the same rows of new
/// tensors of these widths.
fn by_blocks<const N: usize>(
    x: &Tensor,
    widths: [usize; N],
    f: impl Fn(&[f32], [&mut [f32]; N], &mut Scratch) + Sync,
) -> Result<[Tensor; N]> {
    let (n_rows, k) = x.dims2()?;
    let block = n_rows.div_ceil(rayon::current_num_threads()).next_multiple_of(TILE).clamp(TILE, BLOCK);
    let mut ys = widths.map(|width| vec![0.0; n_rows * width]);
    Values::<f32>::of(x)?.with(|x| {
        let mut parts: Vec<_> = x.chunks(block * k).map(|x| (x, Vec::with_capacity(N))).collect();
        for (y, width) in ys.iter_mut().zip(widths) {
            parts.iter_mut().zip(y.chunks_mut(block * width)).for_each(|((_, ys), y)| ys.push(y));
        }
        parts.into_par_iter().for_each_init(Scratch::default, |scratch, (x, ys)| {
            f(x, ys.try_into().expect("one slice for each width"), scratch);
        });
    })?;
    let mut widths = widths.into_iter();
    let tensors: Vec<Tensor> = ys
        .into_iter()
        .map(|y| Tensor::from_vec(y, (n_rows, widths.next().unwrap_or(0)), x.device()))
        .collect::<Result<_>>()?;
    Ok(tensors.try_into().expect("one tensor for each width"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{BiLstm, Parameters};
    use crate::rng::{named, standard_normal};
    use candle_core::{DType, Device};
    use std::ops::Range;

    fn normal(shape: (usize, usize), name: &str) -> Tensor {
        standard_normal(shape, &mut named(0, name), &Device::Cpu).expect("a tensor of the CPU")
    }

    fn layer(d_in: usize, d_out: usize, name: &str) -> Linear {
        Linear::load(d_in, d_out, Parameters::new(0, &Device::Cpu).builder(DType::F32).pp(name)).expect("a fresh layer")
    }

    fn values(x: &Tensor) -> Vec<Vec<f32>> {
        x.to_vec2().expect("f32 on the CPU")
    }

    /// The largest difference of two tensors beside the largest number of the second.
    fn distance(got: &Tensor, want: &Tensor) -> Result<f32> {
        let largest = |x: &Tensor| x.detach().abs()?.flatten_all()?.max(0)?.to_scalar::<f32>();
        Ok(largest(&(got - want)?)? / largest(want)?)
    }

    /// What a feed-forward network and an LSTM of this unit make of rows.
    fn run(x: &Tensor, ranges: &[Range<usize>], unit: Unit) -> Result<[Tensor; 3]> {
        let (up, down) = (layer(30, 100, "up"), layer(100, 30, "down"));
        let (up, down) = (QuantizedLinear::new(&up, unit)?, QuantizedLinear::new(&down, unit)?);
        let mut lstm = BiLstm::load(30, 9, Parameters::new(1, &Device::Cpu).builder(DType::F32))?;
        lstm.quantize(unit)?;
        let fed = QuantizedLinear::feed_forward(&up, Activation::GeluErf, &down, x)?;
        Ok([up.forward(x)?, fed, lstm.forward(x, ranges)?])
    }

    #[test]
    fn layers_are_close_to_those_of_f32() -> Result<()> {
        let (x, ranges) = (normal((130, 30), "x"), [0..50, 50..51, 60..130]);
        let (up, down) = (layer(30, 100, "up"), layer(100, 30, "down"));
        let lstm = BiLstm::load(30, 9, Parameters::new(1, &Device::Cpu).builder(DType::F32))?;
        let [one, fed, recurrent] = run(&x, &ranges, Unit::best())?;
        assert!(distance(&one, &up.forward(&x)?)? < 0.01);
        assert!(distance(&fed, &down.forward(&up.forward_activated(&x, Activation::GeluErf)?)?)? < 0.02);
        assert!(distance(&recurrent, &lstm.forward(&x, &ranges)?)? < 0.02);
        Ok(())
    }

    #[test]
    fn neither_rows_nor_threads_nor_units_change_a_bit() -> Result<()> {
        let (x, ranges) = (normal((130, 30), "x"), [0..50, 50..51, 60..130]);
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads");
        let want = run(&x, &ranges, Unit::Portable)?;
        for threads in [1, 2, 5] {
            let got = pool(threads).install(|| run(&x, &ranges, Unit::best()))?;
            got.iter().zip(&want).for_each(|(got, want)| assert_eq!(values(got), values(want), "{threads} threads"));
        }
        let alone = run(&x.narrow(0, 60, 70)?, &[0..70], Unit::best())?;
        for (got, want) in alone.iter().zip(&want) {
            assert_eq!(values(got), values(&want.narrow(0, 60, 70)?));
        }
        let [first, second] = [(30, 40), (30, 50)].map(|(k, n)| QuantizedLinear::new(&layer(k, n, "a"), Unit::best()));
        let (first, second) = (first?, second?);
        let both = QuantizedLinear::forward_each([&first, &second], &x)?;
        assert_eq!(both.map(|y| values(&y)), [values(&first.forward(&x)?), values(&second.forward(&x)?)]);
        Ok(())
    }

    #[test]
    fn a_row_that_is_not_finite_stays_so_and_shapes_are_checked() -> Result<()> {
        let x = Tensor::from_vec(vec![1f32, f32::NAN, 1.0, 2.0, f32::INFINITY, 0.0], (3, 2), &Device::Cpu)?;
        let small = QuantizedLinear::new(&layer(2, 5, "small"), Unit::best())?;
        let finite: Vec<bool> =
            values(&small.forward(&x)?).iter().map(|row| row.iter().all(|y| y.is_finite())).collect();
        assert_eq!(finite, [false, true, false]);
        assert!(values(&small.forward(&x)?)[0].iter().all(|y| y.is_nan()));
        assert_eq!(small.forward(&normal((0, 2), "none"))?.dims(), [0, 5]);
        assert!(small.forward(&normal((4, 3), "wide")).is_err());
        assert!(small.forward(&normal((4, 2), "x").to_dtype(DType::F64)?).is_err());
        let bad = Linear::new(normal((3, 2), "weight"), Tensor::new(&[1f32, 2.0], &Device::Cpu)?);
        assert!(QuantizedLinear::new(&bad, Unit::best()).is_err());
        Ok(())
    }
}
