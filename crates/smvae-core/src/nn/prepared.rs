//! Linear layers whose weight is kept as their product takes it, for models that only predict on a
//! CPU.
//!
//! `y = f(x W' + b)` as in [`Linear`]. In f32, on a CPU with AVX-512, it is the same to the bit,
//! and arranged once instead of for every product. In int8, each row of `x` and each row of `W` (a
//! column of the product) is rounded to steps of a 127th of its largest magnitude, and the sums are
//! exact; a weight takes a quarter of its memory in f32. In bf16 both are rounded to 8 significant
//! bits, sums are f32, and a weight takes half. No bit of a row depends on other rows or on
//! threads, nor on the unit that multiplies, but for AVX-512 BF16, whose sums have another order.
//! There is no backward pass.

use super::activation::Activation;
use super::lanes::add;
use super::layer_norm::{LayerNorm, RowNorm};
use super::linear::Linear;
use super::matrix::{Packed, Rows, Write, multiply};
use super::precision::Form;
use super::real::{Values, values};
use candle_core::{Result, Storage, Tensor, bail};
use rayon::prelude::*;
use std::sync::Arc;

/// A linear layer that only predicts. A clone shares its weight.
#[derive(Clone, Debug)]
pub struct PreparedLinear {
    pub(super) weight: Arc<Packed>,
}

impl PreparedLinear {
    /// The layer with its weight arranged, and rounded, for products in this form.
    ///
    /// # Errors
    /// For f32 on a CPU without AVX-512, where there is no other arrangement
    /// ([`Form::rearranges`]); for int8 of rows of more than 132104 numbers, whose sums could
    /// overflow; for parameters that are not f32 on the CPU; for a weight `[out, in]` whose bias is
    /// not `[out]`.
    pub fn new(layer: &Linear, form: Form) -> Result<Self> {
        let ((n, k), bias) = (layer.weight().dims2()?, layer.bias().to_vec1::<f32>()?);
        if bias.len() != n {
            bail!("PreparedLinear: a weight of {n} rows and a bias of {}", bias.len());
        }
        match Values::<f32>::of(layer.weight())?.with(|weight| Packed::new(weight, n, k, &bias, form))? {
            Some(weight) => Ok(Self { weight: Arc::new(weight) }),
            None => {
                bail!(
                    "PreparedLinear: the weight [{n}, {k}] has no arrangement for {form} on this CPU: take another form"
                )
            }
        }
    }

    /// `x: [rows, in]` to `[rows, out]`, f32 on the CPU. A row with a number that is not finite
    /// gives NaN in int8; in f32 and bf16 it gives what the sums make of that number.
    ///
    /// # Errors
    /// If the shapes do not fit, or for another number type or device.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [y] = Self::forward_each([self], x)?;
        Ok(y)
    }

    /// `onto: [rows, out]` plus [`PreparedLinear::forward`] of `x: [rows, in]`.
    ///
    /// # Errors
    /// As [`PreparedLinear::forward`].
    pub fn forward_onto(&self, x: &Tensor, onto: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        let [y] =
            by_blocks([x, onto], [self.weight.dims().1], self.weight.rows_at_once(), |[x, onto], [y], scratch| {
                y.copy_from_slice(onto);
                self.multiply(x, y, Write::Add, &mut scratch.rows);
            })?;
        Ok(y)
    }

    /// The same by several layers of one form, for which rows are taken once: `x: [rows, in]` to
    /// `[rows, out]` of each layer.
    ///
    /// # Errors
    /// As [`PreparedLinear::forward`]; for no layers, and for layers of several forms.
    pub fn forward_each<const N: usize>(layers: [&Self; N], x: &Tensor) -> Result<[Tensor; N]> {
        let widths = layers.map(|layer| layer.weight.dims().1);
        layers.iter().try_for_each(|layer| layer.check(x))?;
        let Some(first) = layers.first().filter(|first| layers.iter().all(|l| l.weight.takes_rows_of(&first.weight)))
        else {
            bail!("PreparedLinear: {N} layers of different forms, where one or more of one form were expected")
        };
        by_blocks([x], widths, first.weight.rows_at_once(), |[x], ys, scratch| {
            scratch.rows.take(x, &first.weight);
            for (layer, y) in layers.iter().zip(ys) {
                multiply(&scratch.rows, &layer.weight, y, Write::Overwrite);
            }
        })
    }

    pub(super) fn multiply(&self, x: &[f32], y: &mut [f32], write: Write, rows: &mut Rows) {
        rows.take(x, &self.weight);
        multiply(rows, &self.weight, y, write);
    }

    pub(super) fn check(&self, x: &Tensor) -> Result<()> {
        let (k, n) = self.weight.dims();
        match x.dims2()? {
            (_, width) if width == k && k > 0 && n > 0 => Ok(()),
            _ => bail!("PreparedLinear: x {:?} and the weight [{n}, {k}] do not fit", x.dims()),
        }
    }
}

/// What follows attention in a layer of BERT, with linear layers in one form and the rest in f32:
///
/// ```text
/// a = norm(x + W_o context),   y = last_norm(a + W_2 f(W_1 a))
/// ```
/// A block of rows goes all of the way while it is in the cache; the wide vectors between `W_1` and
/// `W_2` never exist as a whole.
#[derive(Clone, Debug)]
pub struct PreparedBlock {
    output: PreparedLinear,
    norm: RowNorm,
    up: PreparedLinear,
    activation: Activation,
    down: PreparedLinear,
    last_norm: RowNorm,
}

impl PreparedBlock {
    /// A block of the layers `W_o: [d, d]`, `W_1: [wide, d]` and `W_2: [d, wide]`, in this order,
    /// with the norms after the first and the last.
    ///
    /// # Errors
    /// As [`PreparedLinear::new`]; for layers whose sizes do not fit each other.
    pub fn new(layers: [&Linear; 3], norms: [&LayerNorm; 2], activation: Activation, form: Form) -> Result<Self> {
        let [output, up, down] = layers.map(|layer| PreparedLinear::new(layer, form));
        let (output, up, down) = (output?, up?, down?);
        let [norm, last_norm] = norms.map(RowNorm::new);
        let (norm, last_norm) = (norm?, last_norm?);
        let ((_, d), (_, wide)) = (output.weight.dims(), up.weight.dims());
        let fits = up.weight.dims().0 == d && down.weight.dims() == (wide, d) && wide > 0;
        if !fits || norm.width() != d || last_norm.width() != d {
            bail!("PreparedBlock: layers of the width {d} whose sizes do not fit each other");
        }
        Ok(Self { output, norm, up, activation, down, last_norm })
    }

    /// `context` and `x: [rows, d]` to `[rows, d]`.
    ///
    /// # Errors
    /// As [`PreparedLinear::forward`].
    pub fn forward(&self, context: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.output.check(context)?;
        let (d, wide) = self.up.weight.dims();
        let [y] = by_blocks(
            [context, x],
            [d],
            self.up.weight.rows_at_once(),
            |[context, x], [y], Scratch { rows, wide: between, sum }| {
                self.output.multiply(context, y, Write::Overwrite, rows);
                add(y, x);
                self.norm.apply(y);
                between.resize(y.len() / d * wide, 0.0);
                self.up.multiply(y, between, Write::Overwrite, rows);
                self.activation.apply_here(between);
                // A product of its own, since one that adds would sum in another order.
                sum.resize(y.len(), 0.0);
                self.down.multiply(between, sum, Write::Overwrite, rows);
                add(y, sum);
                self.last_norm.apply(y);
            },
        )?;
        Ok(y)
    }
}

/// What a task of the thread pool keeps from block to block of rows.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) rows: Rows,
    pub(super) wide: Vec<f32>,
    pub(super) sum: Vec<f32>,
}

/// Blocks of rows are multiples of what the kernels compute at once.
const TILE: usize = 12;

/// Runs `f` on blocks of at most `at_once` rows of each of `xs: [rows, in]`, in parallel, each with
/// the same rows of new tensors of these widths. A tensor after the first is as wide as the first
/// new one.
pub(super) fn by_blocks<const M: usize, const N: usize>(
    xs: [&Tensor; M],
    widths: [usize; N],
    at_once: usize,
    f: impl Fn([&[f32]; M], [&mut [f32]; N], &mut Scratch) + Sync,
) -> Result<[Tensor; N]> {
    let (n_rows, k) = xs[0].dims2()?;
    if let Some(bad) = xs[1..].iter().find(|x| x.dims() != [n_rows, widths[0]]) {
        bail!("a prepared layer: {:?} where {:?} was expected", bad.dims(), [n_rows, widths[0]]);
    }
    let tensors = xs.iter().map(|x| x.contiguous()).collect::<Result<Vec<_>>>()?;
    let guards: Vec<_> = tensors.iter().map(|x| x.storage_and_layout()).collect();
    let slice = |i: usize| match &*guards[i].0 {
        Storage::Cpu(storage) => values::<f32>(storage, guards[i].1),
        _ => bail!("a prepared layer was given a tensor of another device"),
    };
    let slices = (0..M).map(slice).collect::<Result<Vec<_>>>()?;
    let block = n_rows.div_ceil(rayon::current_num_threads()).next_multiple_of(TILE).clamp(TILE, at_once);
    let mut ys = widths.map(|width| vec![0.0; n_rows * width]);
    let mut parts: Vec<_> = (0..n_rows.div_ceil(block)).map(|_| Vec::with_capacity(N)).collect();
    for (y, width) in ys.iter_mut().zip(widths) {
        parts.iter_mut().zip(y.chunks_mut(block * width)).for_each(|(part, y)| part.push(y));
    }
    parts.into_par_iter().enumerate().for_each_init(Scratch::default, |scratch, (i, ys)| {
        let rows = i * block..n_rows.min((i + 1) * block);
        let part = |j: usize| {
            let width = if j == 0 { k } else { widths[0] };
            &slices[j][rows.start * width..rows.end * width]
        };
        f(std::array::from_fn(part), ys.try_into().expect("one slice for each width"), scratch);
    });
    let tensor = |(y, width)| Tensor::from_vec(y, (n_rows, width), xs[0].device());
    let tensors: Vec<Tensor> = ys.into_iter().zip(widths).map(tensor).collect::<Result<_>>()?;
    Ok(tensors.try_into().expect("one tensor for each width"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{BiLstm, Parameters, Unit};
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

    /// A block of the width 30.
    fn block(form: Form) -> Result<PreparedBlock> {
        let layers = [layer(30, 30, "output"), layer(30, 100, "up"), layer(100, 30, "down")];
        let vb = Parameters::new(2, &Device::Cpu).builder(DType::F32);
        let norms = [LayerNorm::load(30, 1e-6, vb.pp("a"))?, LayerNorm::load(30, 1e-6, vb.pp("b"))?];
        PreparedBlock::new(layers.each_ref(), norms.each_ref(), Activation::GeluErf, form)
    }

    /// What a layer, a block and an LSTM of this form make of rows.
    fn run(x: &Tensor, ranges: &[Range<usize>], form: Form) -> Result<[Tensor; 3]> {
        let up = PreparedLinear::new(&layer(30, 100, "up"), form)?;
        let mut lstm = BiLstm::load(30, 9, Parameters::new(1, &Device::Cpu).builder(DType::F32))?;
        lstm.prepare(form)?;
        Ok([up.forward(x)?, block(form)?.forward(&x.cos()?, x)?, lstm.forward(x, ranges)?])
    }

    #[test]
    fn layers_are_close_to_those_of_f32() -> Result<()> {
        let (x, ranges) = (normal((130, 30), "x"), [0..50, 50..51, 60..130]);
        let [output, up, down] = [layer(30, 30, "output"), layer(30, 100, "up"), layer(100, 30, "down")];
        let norm = LayerNorm::load(30, 1e-6, Parameters::new(2, &Device::Cpu).builder(DType::F32))?;
        let lstm = BiLstm::load(30, 9, Parameters::new(1, &Device::Cpu).builder(DType::F32))?;
        let a = norm.forward(&(&x + output.forward(&x.cos()?)?)?)?;
        let fed = down.forward(&up.forward_activated(&a, Activation::GeluErf)?)?;
        let want = [up.forward(&x)?, norm.forward(&(&a + fed)?)?, lstm.forward(&x, &ranges)?];
        for form in forms(Unit::best()) {
            for ((got, want), tolerance) in run(&x, &ranges, form)?.iter().zip(&want).zip([0.01, 0.02, 0.02]) {
                let off = distance(got, want)?;
                assert!(off > 0.0 && off < tolerance, "{form}: {off}");
            }
        }
        Ok(())
    }

    /// What this unit multiplies.
    fn forms(unit: Unit) -> [Form; 2] {
        [Form::Int8(unit.for_int8()), Form::Bf16(unit.for_bf16())]
    }

    #[test]
    fn neither_rows_nor_threads_nor_units_change_a_bit() -> Result<()> {
        forms(Unit::best())
            .into_iter()
            .zip(forms(Unit::Portable))
            // The only unit with sums of its own.
            .map(|(best, portable)| (best, if best == Form::Bf16(Unit::Avx512Bf16) { best } else { portable }))
            .try_for_each(|(best, reference)| check(best, reference))
    }

    fn check(best: Form, reference: Form) -> Result<()> {
        let (x, ranges) = (normal((130, 30), "x"), [0..50, 50..51, 60..130]);
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads");
        let want = pool(1).install(|| run(&x, &ranges, reference))?;
        for threads in [1, 2, 5] {
            let got = pool(threads).install(|| run(&x, &ranges, best))?;
            got.iter()
                .zip(&want)
                .for_each(|(got, want)| assert_eq!(values(got), values(want), "{best}, {threads} threads"));
        }
        // A text of its own beside one that has no rows.
        let alone = run(&x.narrow(0, 60, 70)?, &[0..70, 3..3], best)?;
        for (got, want) in alone.iter().zip(&want) {
            assert_eq!(values(got), values(&want.narrow(0, 60, 70)?));
        }
        let [first, second] = [(30, 40), (30, 50)].map(|(k, n)| PreparedLinear::new(&layer(k, n, "a"), best));
        let (first, second) = (first?, second?);
        let both = PreparedLinear::forward_each([&first, &second], &x)?;
        assert_eq!(both.map(|y| values(&y)), [values(&first.forward(&x)?), values(&second.forward(&x)?)]);
        let onto = normal((130, 40), "onto");
        let want = (first.forward(&x)? + &onto)?;
        assert_eq!(values(&first.forward_onto(&x, &onto)?), values(&want));
        Ok(())
    }

    #[test]
    fn in_f32_no_bit_is_another() -> Result<()> {
        let (x, context) = (normal((130, 40), "x"), normal((130, 40), "context"));
        let [output, up, down] = [layer(40, 40, "output"), layer(40, 600, "up"), layer(600, 40, "down")];
        if !Form::F32.rearranges(up.weight()) {
            eprintln!("skipped: this CPU has no other arrangement for f32");
            assert!(PreparedLinear::new(&up, Form::F32).is_err());
            return Ok(());
        }
        let norm = LayerNorm::load(40, 1e-6, Parameters::new(2, &Device::Cpu).builder(DType::F32))?;
        let detached = |layer: &Linear| Linear::new(layer.weight().detach(), layer.bias().detach());
        let [output, up, down] = [&output, &up, &down].map(detached);
        let (block, gelu) = ([&output, &up, &down], Activation::GeluErf);
        let got = PreparedBlock::new(block, [&norm, &norm], gelu, Form::F32)?.forward(&context, &x)?;
        // Without a graph, in which products would be those of training.
        let a = norm.forward(&(output.forward(&context)? + &x)?)?.detach();
        let want = norm.forward(&(down.forward(&up.forward_activated(&a, gelu)?)? + &a)?)?;
        assert!(values(&got) == values(&want), "the block");
        let alone = PreparedLinear::new(&up, Form::F32)?.forward(&x)?;
        assert!(values(&alone) == values(&up.forward(&x)?), "a layer");
        Ok(())
    }

    #[test]
    fn a_row_that_is_not_finite_stays_so_and_shapes_are_checked() -> Result<()> {
        let x = Tensor::from_vec(vec![1f32, f32::NAN, 1.0, 2.0, f32::INFINITY, 0.0], (3, 2), &Device::Cpu)?;
        for form in forms(Unit::best()) {
            let small = PreparedLinear::new(&layer(2, 5, "small"), form)?;
            let finite: Vec<bool> =
                values(&small.forward(&x)?).iter().map(|row| row.iter().all(|y| y.is_finite())).collect();
            assert_eq!(finite, [false, true, false], "{form}");
            assert!(values(&small.forward(&x)?)[0].iter().all(|y| y.is_nan()), "{form}");
        }
        let int8 = Form::Int8(Unit::best().for_int8());
        let small = PreparedLinear::new(&layer(2, 5, "small"), int8)?;
        assert_eq!(small.forward(&normal((0, 2), "none"))?.dims(), [0, 5]);
        assert!(small.forward(&normal((4, 3), "wide")).is_err());
        assert!(small.forward(&normal((4, 2), "x").to_dtype(DType::F64)?).is_err());
        assert!(small.forward_onto(&normal((4, 2), "x"), &normal((4, 6), "onto")).is_err());
        let bad = Linear::new(normal((3, 2), "weight"), Tensor::new(&[1f32, 2.0], &Device::Cpu)?);
        assert!(PreparedLinear::new(&bad, int8).is_err());
        // Rows whose sums just fit into 32 bits, and those of one number more.
        let of_zeros = |k: usize| -> Result<Linear> {
            let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu);
            Ok(Linear::new(zeros(&[1, k])?, zeros(&[1])?))
        };
        assert!(PreparedLinear::new(&of_zeros(132_104)?, int8).is_ok());
        let message = PreparedLinear::new(&of_zeros(132_105)?, int8).expect_err("sums that overflow").to_string();
        assert!(message.contains("[1, 132105] has no arrangement for int8"), "{message}");
        assert!(PreparedLinear::new(&of_zeros(132_105)?, Form::Bf16(Unit::Portable)).is_ok());
        // A bias for a part of a row.
        let ones = |n: usize| Tensor::ones(n, DType::F32, &Device::Cpu);
        let norms = [LayerNorm::new(ones(2)?, ones(1)?, 1e-6), LayerNorm::new(ones(2)?, ones(2)?, 1e-6)];
        let layers = [layer(2, 2, "output"), layer(2, 5, "up"), layer(5, 2, "down")];
        let error = PreparedBlock::new(layers.each_ref(), norms.each_ref(), Activation::GeluErf, int8).err();
        assert!(error.is_some_and(|e| e.to_string().contains("a weight of 2 numbers and a bias of 1")));
        let vb = Parameters::new(0, &Device::Cpu).builder(DType::F32);
        assert!(BiLstm::load(0, 3, vb)?.prepare(int8).is_err(), "inputs of no numbers");
        // Rows are taken once, in one form.
        let other = PreparedLinear::new(&layer(2, 5, "small"), Form::Bf16(Unit::Portable))?;
        assert!(PreparedLinear::forward_each([&small, &other], &normal((4, 2), "x")).is_err());
        assert!(PreparedLinear::forward_each([], &normal((4, 2), "x")).is_err());
        // Whatever this CPU has.
        for form in forms(Unit::Amx) {
            let by_best = PreparedLinear::new(&layer(2, 5, "small"), form)?.forward(&normal((4, 2), "x"))?;
            assert!(values(&by_best).iter().flatten().all(|y| y.is_finite()), "{form}");
        }
        Ok(())
    }
}
