//! The composed form of every operation and its kernels, which other devices run, against the fused
//! one of the CPU: values, and the gradient of every input. Then Adam, and whole training steps of
//! a small transformer with the span model.
//!
//! `SMVAE_DEVICE=cuda` puts both on a GPU; without it they run on the CPU, kernels emulated.
//! Everything is f32, as training is, so that two orders of summing differ by some 1e-6 of the
//! largest number.

mod attention;
mod spans;

use super::dispatch::{Order, composed, in_bf16, kernels};
use super::pairs::{Pairs, pair_product, pair_sum};
use super::*;
use crate::model::{BatchSpan, ModelConfig, SpanBatch, SpanModel};
use crate::objective::Objective;
use crate::optim::{Adam, AdamConfig};
use crate::step::{LabelledBatch, Networks, StepReport, read_reports, step};
use crate::vae::{Expert, Gaussian, kl_standard_normal, product_of_experts};
use crate::{Mode, PackedLayout, PackedPieces, Span, TextEncoder, rng};
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{Init, VarBuilder};
use rand::SeedableRng;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const TOLERANCE: f64 = 1e-5;

/// Where the composed side runs. Opened once: to candle, a GPU that is opened again is another one.
pub(crate) fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || match std::env::var("SMVAE_DEVICE").as_deref() {
        Err(_) | Ok("cpu") => Device::Cpu,
        #[cfg(feature = "cuda")]
        Ok("cuda") => crate::cuda::open(0).expect("SMVAE_DEVICE is cuda"),
        Ok(other) => panic!("SMVAE_DEVICE is {other:?}, neither cpu nor, in a build with it, cuda"),
    };
    DEVICE.get_or_init(open).clone()
}

pub(super) fn noise(name: &str, shape: impl Into<candle_core::Shape>) -> Tensor {
    rng::standard_normal(shape, &mut rng::named(7, name), &Device::Cpu).expect("noise on the CPU")
}

/// The largest difference, as a share of the largest number of `want` or of 1.
#[track_caller]
pub(in crate::nn) fn difference(got: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(got.dims(), want.dims());
    let largest = |x: &Tensor| x.abs()?.flatten_all()?.max(0)?.to_dtype(DType::F64)?.to_scalar::<f64>();
    let got = got.to_device(&Device::Cpu).expect("a copy");
    let (off, size) = ((got - want).and_then(|d| largest(&d)), largest(want));
    off.expect("numbers") / size.expect("numbers").max(1.0)
}

/// Runs an operation in both forms on variables of these shapes; the loss weights every output
/// differently.
#[track_caller]
pub(super) fn check(shapes: &[&[usize]], op: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let run = |device: &Device| -> Result<(Tensor, Vec<Tensor>)> {
        let var = |(i, shape): (usize, &&[usize])| Var::from_tensor(&noise(&i.to_string(), *shape).to_device(device)?);
        let vars: Vec<Var> = shapes.iter().enumerate().map(var).collect::<Result<_>>()?;
        let inputs: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let y = op(&inputs)?;
        let weights = noise("weights", y.shape()).to_device(device)?;
        let mut grads = (&y * weights)?.sum_all()?.backward()?;
        let grads = vars.iter().map(|var| grads.remove(var).expect("a gradient"));
        Ok((y, grads.collect()))
    };
    let (want, want_grads) = run(&Device::Cpu).expect("the fused form");
    let compare = |form: &str, (got, got_grads): (Tensor, Vec<Tensor>)| {
        let off = difference(&got, &want);
        assert!(off < TOLERANCE, "{form}: values differ by {off:e}");
        for (i, (got, want)) in got_grads.iter().zip(&want_grads).enumerate() {
            let off = difference(got, want);
            assert!(off < TOLERANCE, "{form}: gradient of input {i} differs by {off:e}");
        }
    };
    compare("composed", composed(|| run(&device())).expect("the composed form"));
    with_kernels(|order| compare(&format!("kernels, {order:?}"), run(&device()).expect("kernels")));
}

/// Runs `f` in all forms, on the device of each, and compares the tensors that it gives by name.
#[track_caller]
pub(crate) fn in_all_forms(f: impl Fn(&Device) -> Result<BTreeMap<String, Tensor>>) {
    let want = f(&Device::Cpu).expect("the fused form");
    let compare = |form: &str, got: Result<BTreeMap<String, Tensor>>| {
        let got = got.unwrap_or_else(|error| panic!("{form}: {error}"));
        assert!(got.keys().eq(want.keys()), "{form}");
        for (name, want) in &want {
            let off = difference(&got[name], want);
            assert!(off < TOLERANCE, "{form}: {name} differs by {off:e}");
        }
    };
    compare("composed", composed(|| f(&device())));
    with_kernels(|order| compare(&format!("kernels, {order:?}"), f(&device())));
}

/// Runs `f` with kernels: emulated on the CPU, with threads in either order, where there is a C++
/// compiler; on a GPU, once.
pub(crate) fn with_kernels(f: impl Fn(Order)) {
    if device().is_cuda() {
        return f(Order::Ascending);
    }
    if smvae_kernels::emulator::emulator().is_none() {
        eprintln!("kernels were skipped: there is no C++ compiler");
        return;
    }
    for order in [Order::Ascending, Order::Descending] {
        kernels(order, || f(order));
    }
}

#[test]
fn the_composed_form_is_another_one() {
    // Only candle's own operations know half precision.
    let half = Tensor::ones((2, 2), DType::F16, &Device::Cpu).expect("ones");
    assert!(gelu_erf(&half).is_err() && composed(|| gelu_erf(&half)).is_ok());
}

#[test]
fn linear_and_parts_of_its_weight() {
    check(&[&[7, 5], &[3, 5], &[3]], |t| linear(&t[0], &t[1], &t[2]));
    // The rows of a part of a weight lie apart.
    check(&[&[7, 2], &[3, 5], &[3]], |t| linear(&t[0], &t[1].narrow(1, 1, 2)?, &t[2]));
    check(&[&[1, 1], &[1, 1], &[1]], |t| linear(&t[0], &t[1], &t[2]));
    // A frozen weight has no gradient.
    check(&[&[7, 5], &[3]], |t| linear(&t[0], &t[0].narrow(0, 0, 3)?.detach(), &t[1]));
}

#[test]
fn linear_with_an_activation_and_on_columns() {
    for activation in [Activation::GeluErf, Activation::GeluTanh, Activation::LeakyRelu(0.2)] {
        check(&[&[7, 5], &[3, 5], &[3]], |t| {
            Linear::new(t[1].clone(), t[2].clone()).forward_activated(&t[0], activation)
        });
    }
    // More rows than a kernel sums at once, more columns than a block of it has threads.
    for rows in [64, 65, 130] {
        check(&[&[rows, 3], &[257, 3], &[257]], |t| linear(&t[0], &t[1], &t[2]));
        check(&[&[rows, 3], &[257, 3], &[257]], |t| {
            Linear::new(t[1].clone(), t[2].clone()).forward_activated(&t[0], Activation::GeluErf)
        });
    }
    // Terms that share columns, and more of them than the kernels take.
    let overlapping = [Columns::Plus(1), Columns::Minus(2), Columns::Plus(5)];
    for terms in [&overlapping[..], &overlapping[..2]] {
        check(&[&[7, 3], &[5, 8], &[5]], |t| linear_columns(&t[0], &t[1], terms, &t[2]));
    }
    let terms = [Columns::Plus(0), Columns::Minus(4)];
    check(&[&[7, 3], &[5, 8], &[5]], |t| linear_columns(&t[0], &t[1], &terms, &t[2]));
    check(&[&[7, 3], &[5, 8], &[7, 5]], |t| linear_columns(&t[0], &t[1], &terms[..1], &t[2]));
}

#[test]
fn embeddings_and_errors() {
    check(&[&[6, 3]], |t| embedding(&t[0], &[5, 0, 0, 2]));
    for d in [1, 3, 257] {
        check(&[&[6, d], &[6, d]], |t| squared_error(&t[0], &t[1])?.unsqueeze(1));
        check(&[&[6, d]], |t| squared_error(&noise("b", (6, d)).to_device(t[0].device())?, &t[0])?.unsqueeze(1));
    }
    let (targets, mask) = ([2, 0, 1, 1], [true, false, true, true]);
    for mask in [None, Some(&mask[..])] {
        for classes in [3, 33] {
            check(&[&[4, classes]], |t| cross_entropy::softmax_cross_entropy(&t[0], &targets, mask)?.unsqueeze(1));
        }
    }
}

#[test]
fn divergences_and_products_of_experts() {
    check(&[&[6, 3], &[6, 3]], |t| {
        let kl = Gaussian::new(t[0].clone(), &t[1]).and_then(|q| kl_standard_normal(&q));
        kl.expect("one shape").unsqueeze(1)
    });
    check(&[&[6, 3], &[6, 3], &[6, 3], &[6, 3]], |t| {
        let expert = |i: usize| Gaussian::new(t[i].clone(), &t[i + 1]).expect("one shape");
        let present = Tensor::new(&[1f32, 0.0, 1.0, 1.0, 0.0, 1.0], t[0].device())?;
        let image = expert(2);
        let image = Expert { gaussian: &image, present: Some(&present) };
        let fused = product_of_experts(&[(&expert(0)).into(), image]).expect("two experts");
        Tensor::cat(&[fused.mu, fused.log_var], 1)
    });
}

#[test]
fn activations() {
    check(&[&[9, 4]], |t| gelu_erf(&t[0]));
    check(&[&[9, 4]], |t| gelu_tanh(&t[0]));
    check(&[&[9, 4]], |t| leaky_relu(&t[0], 0.2));
    check(&[&[2, 3, 257]], |t| gelu_erf(&t[0].transpose(0, 2)?));
}

#[test]
fn layer_norms() {
    check(&[&[9, 13], &[13], &[13]], |t| layer_norm(&t[0], &t[1], &t[2], 1e-12));
}

#[test]
fn ends_of_residual_blocks() {
    for (rows, d, p) in [(9, 13, 0.3), (1, 300, 0.3), (70, 5, 0.0)] {
        check(&[&[rows, 3], &[d, 3], &[d], &[rows, d], &[d], &[d]], |t| {
            let linear = Linear::new(t[1].clone(), t[2].clone());
            let norm = LayerNorm::new(t[4].clone(), t[5].clone(), 1e-12);
            let y = residual_end(&linear, &t[0], &t[3], &norm, None)?;
            residual_end(&linear, &t[0], &y, &norm, Some((p, &mut rng::Rng::seed_from_u64(5))))
        });
    }
}

#[test]
fn dropout_drops_the_same() {
    let rng = || rng::Rng::seed_from_u64(5);
    check(&[&[40, 30]], |t| dropout(&t[0], 0.3, &mut rng()));
    check(&[&[40, 30], &[40, 30]], |t| dropout_add(&t[0], &t[1], 0.3, &mut rng()));
    check(&[&[3, 5, 1], &[5, 3, 1]], |t| dropout_add(&t[0].transpose(0, 1)?, &t[1], 0.9, &mut rng()));
}

#[test]
fn segments_and_pairs() {
    check(&[&[5, 4]], |t| segment_mean(&t[0], &[0..1, 0..3, 2..5, 2..5, 1..2]));
    // Several windows of ranges, of unequal height, the last not full.
    let many: Vec<_> = (0..150).map(|i| i / 2..i / 2 + 1 + (7 * i) % 11).collect();
    check(&[&[90, 3]], |t| segment_mean(&t[0], &many));
    let pairs = Pairs::new([(0, 1), (2, 2), (0, 1), (3, 0)]);
    check(&[&[5, 3], &[5, 3]], |t| pair_sum(&t[0], &t[1], &pairs));
    check(&[&[5, 3]], |t| pair_product(&t[0], &pairs));
}

/// A transformer of one layer, with everything BERT has.
struct Encoder {
    table: Tensor,
    norms: [LayerNorm; 3],
    qkvo: [Linear; 4],
    wide: Linear,
    narrow: Linear,
}

const WIDTH: usize = 8;

impl Encoder {
    fn load(vb: &VarBuilder<'_>) -> Result<Self> {
        let linear = |name: &str, from, to| Linear::load(from, to, vb.pp(name));
        let norm = |name: &str| LayerNorm::load(WIDTH, 1e-12, vb.pp(name));
        Ok(Self {
            table: vb.get_with_hints((20, WIDTH), "table", Init::Randn { mean: 0.0, stdev: 1.0 })?,
            norms: [norm("a")?, norm("b")?, norm("c")?],
            qkvo: [
                linear("q", WIDTH, WIDTH)?,
                linear("k", WIDTH, WIDTH)?,
                linear("v", WIDTH, WIDTH)?,
                linear("o", WIDTH, WIDTH)?,
            ],
            wide: linear("wide", WIDTH, 16)?,
            narrow: linear("narrow", 16, WIDTH)?,
        })
    }

    fn encode(&self, pieces: &PackedPieces, mut mode: Mode<'_>) -> Result<Tensor> {
        let x = mode.dropout(&self.norms[0].forward(&embedding(&self.table, pieces.ids())?)?, 0.1)?;
        let [q, k, v, o] = &self.qkvo;
        let (q, k, v) = (q.forward(&x)?, k.forward(&x)?, v.forward(&x)?);
        let context = attention(&q, &k, &v, 2, pieces.layout(), mode.dropout_inside(0.1))?;
        let a = residual_end(o, &context, &x, &self.norms[1], mode.dropout_inside(0.1))?;
        let wide = self.wide.forward_activated(&a, Activation::GeluErf)?;
        residual_end(&self.narrow, &wide, &a, &self.norms[2], mode.dropout_inside(0.1))
    }
}

impl TextEncoder for Encoder {
    fn dim(&self) -> usize {
        WIDTH
    }

    fn forward(&self, pieces: &PackedPieces, mode: Mode<'_>) -> crate::Result<Tensor> {
        Ok(self.encode(pieces, mode)?)
    }
}

#[test]
fn half_precision_infers_the_same_but_for_rounding() {
    let encode = |dtype: DType, device: &Device| -> Result<Tensor> {
        let (parameters, half) = (Parameters::new(3, &Device::Cpu), Parameters::new(0, device));
        Encoder::load(&parameters.builder(DType::F32))?;
        for (name, var) in parameters.all() {
            half.insert(name, &var.to_dtype(dtype)?)?;
        }
        let pieces = PackedPieces::new([&[1, 5, 6, 7, 8, 2][..], &[1, 9, 5, 2]]);
        Encoder::load(&half.frozen_builder(dtype))?.encode(&pieces, Mode::Eval)?.to_dtype(DType::F32)
    };
    let want = encode(DType::F32, &Device::Cpu).expect("f32");
    for (dtype, tolerance) in [(DType::F16, 4e-3), (DType::BF16, 3e-2)] {
        let off = difference(&composed(|| encode(dtype, &device())).expect("composed"), &want);
        assert!(off > 0.0 && off < tolerance, "{dtype:?} differs by {off:e}");
    }
}

#[test]
fn products_in_half_precision_are_the_same_but_for_rounding() {
    let x = [[130_usize, 40], [9, 40]].map(|shape| noise("x", &shape[..]));
    let (w, b) = (noise("w", (36, 40)), noise("b", 36));
    let (w, b) = (Var::from_tensor(&w).expect("a variable"), Var::from_tensor(&b).expect("a variable"));
    let grads = |x: &Tensor, device: &Device| -> Result<[Tensor; 3]> {
        let on = |t: &Tensor| Var::from_tensor(&t.to_device(device)?);
        let (x, w, b) = (on(x)?, on(&w)?, on(&b)?);
        let y =
            Linear::new(w.as_tensor().clone(), b.as_tensor().clone()).forward_activated(&x, Activation::GeluTanh)?;
        let y = (y + linear_columns(&x.narrow(1, 0, 33)?, &w, &[Columns::Plus(1), Columns::Minus(7)], &b)?)?;
        let mut grads = y.sqr()?.sum_all()?.backward()?;
        let mut gradient = |var: &Var| grads.remove(var).expect("a gradient");
        Ok([y.detach(), gradient(&x), gradient(&w)])
    };
    for x in &x {
        let want = grads(x, &Device::Cpu).expect("f32");
        let check = |form: &str, device: &Device| {
            for (got, want) in in_bf16(|| grads(x, device)).expect("bf16").iter().zip(&want) {
                let off = difference(got, want);
                // Up to three roundings to 8 bits, some of which a second product takes on.
                assert!(off > 1e-5 && off < 2e-2, "{form} differ by {off:e}");
                assert_eq!(got.dtype(), DType::F32);
            }
        };
        check("fused operations", &Device::Cpu);
        with_kernels(|_| check("kernels", &device()));
    }
}

/// Two texts of four and two words, one piece each, all spans of up to two words; the second has no
/// image.
fn batch(device: &Device) -> Result<SpanBatch> {
    let spans = [(0, 0, 1), (0, 0, 2), (0, 2, 4), (1, 4, 5), (1, 4, 6)];
    Ok(SpanBatch {
        shapes: vec![],
        pieces: PackedPieces::new([&[1, 5, 6, 7, 8, 2][..], &[1, 9, 5, 2]]),
        words: vec![1..2, 2..3, 3..4, 4..5, 7..8, 8..9],
        spans: spans.map(|(text, start, end)| BatchSpan { text, words: Span::new(start, end) }).to_vec(),
        images: Some(noise("images", (2, 5)).to_device(device)?),
        has_image: vec![true, false],
    })
}

/// What steps report, and the parameters after them.
type Steps = (Vec<StepReport>, BTreeMap<String, Tensor>);

/// Semi-supervised steps.
fn train(device: &Device, config: AdamConfig) -> crate::Result<Steps> {
    let parameters = Parameters::new(3, device);
    let vb = parameters.builder(DType::F32);
    let encoder = Encoder::load(&vb.pp("encoder"))?;
    let sizes = ModelConfig { hidden_dim: 6, latent_dim: 4, image_dim: Some(5), ..ModelConfig::default() };
    let model = SpanModel::load(&sizes, WIDTH, 3, &vb.pp("model"))?;
    let mut adam = Adam::new(parameters.all(), |_| 0, config)?;
    let labelled = LabelledBatch { batch: batch(device)?, targets: vec![1, 0, 2, 0, 1] };
    let unlabelled = batch(device)?.into();
    let mut rng = rng::named(3, "step");
    let networks = Networks { encoder: &encoder, model: &model };
    let mut reports = Vec::new();
    for _ in 0..3 {
        let objective = Objective::default();
        reports.push(step(networks, &objective, &mut adam, &[1e-3], &labelled, Some(&unlabelled), &mut rng)?);
    }
    Ok((read_reports(&reports)?, parameters.snapshot()?))
}

#[test]
fn whole_steps_report_and_leave_the_same() {
    for config in [AdamConfig::default(), AdamConfig::keras()] {
        let want = train(&Device::Cpu, config.clone()).expect("fused steps");
        let elsewhere = || train(&device(), config.clone());
        check_steps("composed", &composed(elsewhere).expect("composed steps"), &want);
        with_kernels(|order| check_steps(&format!("kernels, {order:?}"), &elsewhere().expect("kernels"), &want));
    }
}

#[track_caller]
fn check_steps(form: &str, (got, weights): &Steps, (want, want_weights): &Steps) {
    for (got, want) in got.iter().zip(want) {
        let numbers = |report: &StepReport| report.clone().numbers_mut().into_iter().map(|x| *x).collect::<Vec<f64>>();
        for (got, want) in numbers(got).into_iter().zip(numbers(want)) {
            assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "{form}: {got} instead of {want}");
        }
    }
    for (name, want) in want_weights {
        let off = difference(&weights[name], want);
        // Adam makes full steps of gradients that are zero but for rounding, as that of a key's
        // bias is.
        let tolerance = if name.ends_with("k.bias") { 1e-2 } else { 1e-4 };
        assert!(off < tolerance, "{form}: {name} differs by {off:e} after three steps");
    }
}

#[test]
fn steps_in_half_precision_lead_nearly_to_the_same() {
    let (want, want_weights) = train(&Device::Cpu, AdamConfig::default()).expect("steps in f32");
    with_kernels(|_| {
        let (got, weights) = in_bf16(|| train(&device(), AdamConfig::default())).expect("steps in bf16");
        for (got, want) in got.iter().zip(&want) {
            let off = (got.loss - want.loss).abs() / want.loss.abs();
            assert!(off > 0.0 && off < 2e-2, "a loss of {} instead of {}", got.loss, want.loss);
        }
        for (name, want) in &want_weights {
            // Three steps of 1e-3, which rounding may turn round where a gradient is about zero.
            let off = difference(&weights[name], want);
            assert!(off < 7e-3, "{name} differs by {off:e} after three steps");
        }
    });
}
