//! Each fused operation of [`smvae::core::nn`] beside candle's composed form, forward and backward,
//! and the rate of the matrix product that bounds them.
//!
//! Sizes are BERT-base's on 16 posts of 27 pieces. Elements are floating-point operations for
//! whatever is mostly matrix products (so Gelem/s are GFLOP/s, a backward pass counts as two
//! forward passes), else numbers of the input. candle's forms are padded where ours are packed;
//! here all lengths are equal, so that both do the same work.

#[path = "common/settings.rs"]
mod settings;

use criterion::{Criterion, SamplingMode, Throughput};
use smvae::core::candle_core::{D, DType, Device, Result, Tensor, Var};
use smvae::core::nn::{
    Activation, BiLstm, Form, Gradients, Linear, Parameters, PreparedLinear, Unit, attention, dropout, embedding,
    gelu_erf, gelu_tanh, layer_norm, linear, softmax_cross_entropy, squared_error,
};
use smvae::core::rng::{named, standard_normal};
use smvae::core::{PackedLayout, candle_nn};
use std::hint::black_box;
use std::ops::Range;

const TEXTS: usize = 16;
const LENGTH: usize = 27;
const ROWS: usize = TEXTS * LENGTH;
const D_MODEL: usize = 768;
const WIDE: usize = 4 * D_MODEL;
const HEADS: usize = 12;

fn main() {
    let mut criterion = settings::criterion();
    for bench in [matmul, linears, forms, gelus, layer_norms, attentions, lstms, dropouts, rows] {
        bench(&mut criterion).expect("the shapes fit");
    }
    criterion.final_summary();
}

/// The physical limit: a product large enough that nothing else shows, and those of a training
/// step.
fn matmul(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("matrix product");
    for (m, k, n) in [(1536, 1536, 1536), (ROWS, D_MODEL, WIDE), (ROWS, WIDE, D_MODEL)] {
        let (a, b) = (normal((m, k), 1.0)?.as_detached_tensor(), normal((k, n), 1.0)?.as_detached_tensor());
        group.throughput(Throughput::Elements((2 * m * k * n) as u64)).sampling_mode(SamplingMode::Flat);
        group.bench_function(format!("{m} x {k} x {n}"), |bench| bench.iter(|| a.matmul(&b).expect("they fit")));
    }
    Ok(())
}

fn linears(criterion: &mut Criterion) -> Result<()> {
    let (x, w, b) = (normal((ROWS, D_MODEL), 1.0)?, normal((WIDE, D_MODEL), 0.02)?, normal(WIDE, 0.02)?);
    let flop = 3 * 2 * ROWS * D_MODEL * WIDE;
    pair(criterion, "linear", flop, || linear(&x, &w, &b), || x.matmul(&w.t()?)?.broadcast_add(&b));
    let layer = Linear::new(w.as_tensor().clone(), b.as_tensor().clone());
    let ours = || layer.forward_activated(&x, Activation::GeluErf);
    pair(criterion, "linear and gelu", flop, ours, || x.matmul(&w.t()?)?.broadcast_add(&b)?.gelu_erf());
    Ok(())
}

/// Linear layers that only predict, in each form of their product. Elements are operations, so that
/// Gelem/s are GFLOP/s or GOP/s.
fn forms(criterion: &mut Criterion) -> Result<()> {
    for (k, n) in [(384, 1536), (1536, 384), (D_MODEL, WIDE), (WIDE, D_MODEL)] {
        let mut group = criterion.benchmark_group(format!("prediction, {ROWS} x {k} x {n}"));
        group.throughput(Throughput::Elements((2 * ROWS * k * n) as u64)).sampling_mode(SamplingMode::Flat);
        let [x, w] = [normal((ROWS, k), 1.0)?, normal((n, k), 0.02)?].map(|x| x.as_detached_tensor());
        let layer = Linear::new(w, normal(n, 0.02)?.as_detached_tensor());
        group.bench_function("f32", |bench| bench.iter(|| layer.forward(&x).expect("the shapes fit")));
        let (portable, best) = (Unit::Portable, Unit::best());
        let mut forms = vec![Form::Bf16(portable), Form::Int8(portable)];
        forms.extend(Some(Form::Bf16(best.for_bf16())).filter(|form| *form != forms[0]));
        forms.extend([Form::Int8(Unit::Vnni.min(best)), Form::Int8(best)]);
        forms.dedup();
        for form in forms {
            let layer = PreparedLinear::new(&layer, form)?;
            group.bench_function(form.to_string(), |bench| bench.iter(|| layer.forward(&x).expect("the shapes fit")));
        }
    }
    Ok(())
}

fn gelus(criterion: &mut Criterion) -> Result<()> {
    let x = normal((ROWS, WIDE), 1.0)?;
    pair(criterion, "gelu, erf", ROWS * WIDE, || gelu_erf(&x), || x.gelu_erf());
    pair(criterion, "gelu, tanh", ROWS * WIDE, || gelu_tanh(&x), || x.gelu());
    Ok(())
}

fn layer_norms(criterion: &mut Criterion) -> Result<()> {
    const EPS: f64 = 1e-12;
    let (x, w, b) = (normal((ROWS, D_MODEL), 1.0)?, normal(D_MODEL, 1.0)?, normal(D_MODEL, 1.0)?);
    // candle's own fused form has no backward.
    let composed = || {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let var = centred.sqr()?.mean_keepdim(D::Minus1)?;
        centred.broadcast_div(&(var + EPS)?.sqrt()?)?.broadcast_mul(&w)?.broadcast_add(&b)
    };
    pair(criterion, "layer norm", ROWS * D_MODEL, || layer_norm(&x, &w, &b, EPS), composed);
    Ok(())
}

/// Without dropout: candle's would draw from the thread's generator.
fn attentions(criterion: &mut Criterion) -> Result<()> {
    let [q, k, v] = [0, 1, 2].map(|_| normal((ROWS, D_MODEL), 1.0));
    let (q, k, v) = (q?, k?, v?);
    let layout = PackedLayout::new([LENGTH; TEXTS]);
    let width = D_MODEL / HEADS;
    let heads = |x: &Tensor| x.reshape((TEXTS, LENGTH, HEADS, width))?.transpose(1, 2)?.contiguous();
    let composed = || {
        let scores = (heads(&q)?.matmul(&heads(&k)?.t()?)? * (1.0 / (width as f64).sqrt()))?;
        let context = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(&heads(&v)?)?;
        context.transpose(1, 2)?.reshape((ROWS, D_MODEL))
    };
    let flop = 3 * 2 * 2 * TEXTS * LENGTH * LENGTH * D_MODEL;
    pair(criterion, "attention", flop, || attention(&q, &k, &v, HEADS, &layout, None), composed);
    Ok(())
}

/// candle's own LSTM knows neither lengths nor a direction from the end; this is the one a user
/// would compose, with the inputs projected at once.
fn lstms(criterion: &mut Criterion) -> Result<()> {
    const H: usize = D_MODEL;
    let x = normal((ROWS, D_MODEL), 1.0)?;
    let parameters = Parameters::new(0, &Device::Cpu);
    let layer = BiLstm::load(D_MODEL, H, parameters.builder(DType::F32))?;
    let weights = |suffix: &str| -> Result<[Tensor; 3]> {
        let vb = parameters.builder(DType::F32);
        let get = |name: &str, cols: usize| vb.get((4 * H, cols), &format!("{name}{suffix}"));
        Ok([get("weight_ih", D_MODEL)?, get("weight_hh", H)?, vb.get(4 * H, &format!("bias{suffix}"))?])
    };
    let weights = [weights("")?, weights("_reverse")?];
    let ranges: Vec<Range<usize>> = (0..TEXTS).map(|text| text * LENGTH..(text + 1) * LENGTH).collect();
    let composed = || {
        let outputs = weights.iter().enumerate().map(|(i, w)| composed_lstm(&x, w, i == 1)).collect::<Result<Vec<_>>>();
        Tensor::cat(&outputs?, D::Minus1)?.reshape((ROWS, 2 * H))
    };
    let flop = 3 * 2 * 2 * ROWS * 4 * H * (D_MODEL + H);
    pair(criterion, "bidirectional LSTM", flop, || layer.forward(&x, &ranges), composed);
    Ok(())
}

/// One direction over `x: [TEXTS * LENGTH, d]`, all texts at once; returns `[TEXTS, LENGTH, h]`.
fn composed_lstm(x: &Tensor, [w_ih, w_hh, bias]: &[Tensor; 3], reverse: bool) -> Result<Tensor> {
    let (_, h) = w_hh.dims2()?;
    let projected = x.matmul(&w_ih.t()?)?.broadcast_add(bias)?.reshape((TEXTS, LENGTH, 4 * h))?;
    let w_hh = w_hh.t()?;
    let zero = Tensor::zeros((TEXTS, h), DType::F32, &Device::Cpu)?;
    let (mut hidden, mut cell) = (zero.clone(), zero);
    let mut outputs = Vec::with_capacity(LENGTH);
    for step in 0..LENGTH {
        let at = if reverse { LENGTH - 1 - step } else { step };
        let gates = (projected.narrow(1, at, 1)?.squeeze(1)? + hidden.matmul(&w_hh)?)?;
        let gate = |k: usize| gates.narrow(1, k * h, h);
        let [i, f, o] = [0, 1, 3].map(|k| candle_nn::ops::sigmoid(&gate(k)?));
        cell = ((f? * cell)? + (i? * gate(2)?.tanh()?)?)?;
        hidden = (o? * cell.tanh()?)?;
        outputs.push(hidden.clone());
    }
    if reverse {
        outputs.reverse();
    }
    Tensor::stack(&outputs, 1)
}

fn dropouts(criterion: &mut Criterion) -> Result<()> {
    let x = normal((ROWS, WIDE), 1.0)?;
    let ours = || dropout(&x, 0.1, &mut named(0, "mask"));
    pair(criterion, "dropout", ROWS * WIDE, ours, || candle_nn::ops::dropout(&x, 0.1));
    Ok(())
}

/// Operations on rows of few numbers: embeddings of a whole vocabulary, cross entropy and squared
/// error of the spans of 16 posts.
fn rows(criterion: &mut Criterion) -> Result<()> {
    const SPANS: usize = 1536;
    let table = normal((30_522, D_MODEL), 0.02)?;
    let ids: Vec<u32> = (0..ROWS as u32).map(|i| i * 7919 % 30_522).collect();
    let index = Tensor::from_slice(&ids, ROWS, &Device::Cpu)?;
    pair(criterion, "embedding", ROWS * D_MODEL, || embedding(&table, &ids), || table.index_select(&index, 0));

    let logits = normal((SPANS, 5), 1.0)?;
    let targets: Vec<u32> = (0..SPANS as u32).map(|i| i % 5).collect();
    let column = Tensor::from_slice(&targets, (SPANS, 1), &Device::Cpu)?;
    let composed = || candle_nn::ops::log_softmax(&logits, D::Minus1)?.gather(&column, 1)?.neg();
    pair(criterion, "cross entropy", SPANS * 5, || softmax_cross_entropy(&logits, &targets, None), composed);

    let (a, b) = (normal((SPANS, D_MODEL), 1.0)?, normal((SPANS, D_MODEL), 1.0)?.as_detached_tensor());
    let composed = || (a.as_tensor() - &b)?.sqr()?.mean(D::Minus1);
    pair(criterion, "squared error", SPANS * D_MODEL, || squared_error(&a, &b), composed);
    Ok(())
}

/// Both forms of an operation, forward and backward; gradients in place for ours, candle's store
/// for candle's.
fn pair(
    criterion: &mut Criterion,
    name: &str,
    elements: usize,
    ours: impl Fn() -> Result<Tensor>,
    composed: impl Fn() -> Result<Tensor>,
) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(elements as u64)).sampling_mode(SamplingMode::Flat);
    let mut gradients = Gradients::default();
    group.bench_function("ours", |bench| {
        bench.iter(|| {
            let loss = ours().and_then(|y| y.mean_all()).expect("the shapes fit");
            gradients.backward(&loss).expect("every operation has a backward");
        });
    });
    group.bench_function("candle, composed", |bench| {
        bench.iter(|| {
            let loss = composed().and_then(|y| y.mean_all()).expect("the shapes fit");
            black_box(loss.backward().expect("every operation has a backward"))
        });
    });
}

fn normal(shape: impl Into<smvae::core::candle_core::Shape>, scale: f64) -> Result<Var> {
    Var::from_tensor(&(standard_normal(shape, &mut named(0, "bench"), &Device::Cpu)? * scale)?)
}
