//! What follows attention in a layer of ModernBERT, for models that only predict on a CPU.

use super::activation::Activation;
use super::lanes::add;
use super::layer_norm::{LayerNorm, RowNorm};
use super::linear::Linear;
use super::matrix::{Write, multiply};
use super::precision::Form;
use super::prepared::{PreparedLinear, Scratch, by_blocks};
use candle_core::{Result, Tensor, bail};

/// As [`PreparedBlock`](super::PreparedBlock), with the norm before the wide layers, and a gate
/// (Shazeer 2020, GeGLU where `f` is GELU):
///
/// ```text
/// a = x + W_o context,   y = a + W_2 (f(W_1 n) * (W_g n)),   n = norm(a)
/// ```
#[derive(Clone, Debug)]
pub struct PreparedGated {
    output: PreparedLinear,
    norm: RowNorm,
    up: PreparedLinear,
    activation: Activation,
    gate: PreparedLinear,
    down: PreparedLinear,
}

impl PreparedGated {
    /// A block of the layers `W_o: [d, d]`, `W_1` and `W_g: [wide, d]` and `W_2: [d, wide]`, in
    /// this order, with the norm before the wide ones.
    ///
    /// # Errors
    /// As [`PreparedLinear::new`]; for layers whose sizes do not fit each other.
    pub fn new(layers: [&Linear; 4], norm: &LayerNorm, activation: Activation, form: Form) -> Result<Self> {
        let [output, up, gate, down] = layers.map(|layer| PreparedLinear::new(layer, form));
        let (output, up, gate, down) = (output?, up?, gate?, down?);
        let norm = RowNorm::new(norm)?;
        let ((_, d), (_, wide)) = (output.weight.dims(), up.weight.dims());
        let wide_fit = [&up, &gate].iter().all(|layer| layer.weight.dims() == (d, wide));
        if !wide_fit || down.weight.dims() != (wide, d) || norm.width() != d || wide == 0 {
            bail!("PreparedGated: layers of the width {d} whose sizes do not fit each other");
        }
        Ok(Self { output, norm, up, activation, gate, down })
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
                sum.clear();
                sum.extend_from_slice(y);
                self.norm.apply(sum);
                rows.take(sum, &self.up.weight);
                between.resize(2 * y.len() / d * wide, 0.0);
                let (between, gates) = between.split_at_mut(y.len() / d * wide);
                multiply(rows, &self.up.weight, between, Write::Overwrite);
                multiply(rows, &self.gate.weight, gates, Write::Overwrite);
                self.activation.apply_here(between);
                between.iter_mut().zip(&*gates).for_each(|(x, gate)| *x *= gate);
                // A product of its own, since one that adds would sum in another order.
                self.down.multiply(between, sum, Write::Overwrite, rows);
                add(y, sum);
            },
        )?;
        Ok(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Parameters, Unit};
    use crate::rng::{named, standard_normal};
    use candle_core::{DType, Device};

    const WIDTH: usize = 40;

    /// A block's layers and norm.
    struct Layers([Linear; 4], LayerNorm);

    impl Layers {
        fn new() -> Self {
            let parameters = Parameters::new(0, &Device::Cpu);
            let load = |vb: candle_nn::VarBuilder<'_>| -> Result<Self> {
                let layers = [(WIDTH, WIDTH, "output"), (WIDTH, 600, "up"), (WIDTH, 600, "gate"), (600, WIDTH, "down")];
                let [output, up, gate, down] = layers.map(|(from, to, name)| Linear::load(from, to, vb.pp(name)));
                Ok(Self([output?, up?, gate?, down?], LayerNorm::load(WIDTH, 1e-6, vb.pp("norm"))?))
            };
            load(parameters.builder(DType::F32)).expect("fresh layers");
            // Without a graph, in which products would be those of training.
            load(parameters.frozen_builder(DType::F32)).expect("the same layers")
        }

        fn composed(&self, context: &Tensor, x: &Tensor) -> Result<Tensor> {
            let Self([output, up, gate, down], norm) = self;
            let a = (output.forward(context)? + x)?;
            let n = norm.forward(&a)?;
            let wide = (up.forward_activated(&n, Activation::GeluErf)? * gate.forward(&n)?)?;
            down.forward(&wide)? + a
        }

        fn prepared(&self, form: Form) -> Result<PreparedGated> {
            PreparedGated::new(self.0.each_ref(), &self.1, Activation::GeluErf, form)
        }
    }

    fn normal(rows: usize, name: &str) -> Tensor {
        standard_normal((rows, WIDTH), &mut named(0, name), &Device::Cpu).expect("a tensor of the CPU")
    }

    #[test]
    fn in_f32_no_bit_is_another_and_other_forms_are_close() -> Result<()> {
        let (layers, context, x) = (Layers::new(), normal(130, "context"), normal(130, "x"));
        let want = layers.composed(&context, &x)?;
        if Form::F32.rearranges(layers.0[1].weight()) {
            let got = layers.prepared(Form::F32)?.forward(&context, &x)?;
            assert!(got.to_vec2::<f32>()? == want.to_vec2::<f32>()?);
        } else {
            eprintln!("skipped: this CPU has no other arrangement for f32");
        }
        let largest = |x: &Tensor| x.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>();
        for form in [Form::Int8(Unit::best().for_int8()), Form::Bf16(Unit::best().for_bf16())] {
            let off = largest(&(layers.prepared(form)?.forward(&context, &x)? - &want)?)? / largest(&want)?;
            assert!(off > 0.0 && off < 0.02, "{form}: {off}");
        }
        Ok(())
    }

    #[test]
    fn other_rows_and_threads_change_no_bit() -> Result<()> {
        let (layers, context, x) = (Layers::new(), normal(130, "context"), normal(130, "x"));
        for form in [Form::Int8(Unit::Portable), Form::Bf16(Unit::Portable)] {
            let block = layers.prepared(form)?;
            let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads");
            let all = pool(1).install(|| block.forward(&context, &x))?.to_vec2::<f32>()?;
            assert!(pool(5).install(|| block.forward(&context, &x))?.to_vec2::<f32>()? == all, "{form}");
            let alone = block.forward(&context.narrow(0, 60, 7)?, &x.narrow(0, 60, 7)?)?;
            assert!(alone.to_vec2::<f32>()? == all[60..67], "{form}");
        }
        Ok(())
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() -> Result<()> {
        let (Layers([output, up, gate, down], norm), form) = (Layers::new(), Form::Int8(Unit::Portable));
        let new = |layers| PreparedGated::new(layers, &norm, Activation::GeluErf, form);
        assert!(new([&output, &up, &gate, &down])?.forward(&normal(3, "context"), &normal(2, "x")).is_err());
        assert!(new([&output, &up, &down, &gate]).is_err() && new([&output, &up, &output, &down]).is_err());
        Ok(())
    }
}
