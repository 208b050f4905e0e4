//! Span scoring and the VAE's terms, forward and backward, in spans per second.
//!
//! The networks that score a span, once factorised as [`smvae::core::model::SpanModel`] runs them
//! and once as the equations are written: gather `s` and `e`, concatenate `[z; s; e; s-e; s*e]`,
//! multiply by `W_f`; mean over the span, multiply by `W_t`. Both use the same linear operation, so
//! that the ratio measures the factorisation alone. `SpanModel` itself cannot be used for the
//! backward pass: its LSTMs, which do not depend on the number of spans, would hide what is
//! measured. The model's forward pass is measured on texts of 20, 200 and 2,000 words.

#[path = "common/settings.rs"]
mod settings;

use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};
use smvae::core::candle_core::{DType, Device, Result, Tensor, Var};
use smvae::core::model::{BatchSpan, ModelConfig, SpanBatch, SpanModel};
use smvae::core::nn::Columns::{Minus, Plus};
use smvae::core::nn::pairs::{Pairs, pair_product, pair_sum};
use smvae::core::nn::{Columns, Parameters, linear, linear_columns, segment_mean};
use smvae::core::rng::{named, standard_normal};
use smvae::core::spans::candidate_spans;
use smvae::core::vae::{
    ElboTerms, Expert, Gaussian, LossWeights, kl_standard_normal, mean_squared_error, product_of_experts,
};
use smvae::core::{PackedPieces, Rng, Span};
use std::hint::black_box;
use std::ops::Range;

const TEXTS: usize = 32;
const WORDS: usize = 20;
const LATENT: usize = 100;
/// BERT-base's.
const HIDDEN: usize = 768;

fn main() {
    let mut criterion = settings::criterion();
    span_layers(&mut criterion).expect("the shapes fit");
    lengths(&mut criterion).expect("the shapes fit");
    elbo(&mut criterion).expect("the shapes fit");
    criterion.final_summary();
}

/// The layers that take a span, forward and backward.
fn span_layers(criterion: &mut Criterion) -> Result<()> {
    let layers = SpanLayers::new()?;
    for (name, max_width) in [("width 5", 5), ("width 8", 8), ("all spans", WORDS)] {
        let spans = spans(max_width);
        let z = variable((spans.len(), LATENT), 1.0)?;
        let mut group = criterion.benchmark_group(format!("span scoring, {name}"));
        group.throughput(Throughput::Elements(spans.len() as u64)).sampling_mode(SamplingMode::Flat);
        bench(&mut group, "gather and concatenate", || layers.concatenated(&spans, &z));
        bench(&mut group, "factorised", || layers.factorised(&spans, &z));
    }
    Ok(())
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, forward: impl Fn() -> Result<[Tensor; 2]>) {
    group.bench_function(name, |bench| {
        bench.iter(|| {
            let [hidden, text] = forward().expect("the shapes fit");
            let loss = (hidden.mean_all().expect("a mean") + text.mean_all().expect("a mean")).expect("two scalars");
            black_box(loss.backward().expect("every operation has a backward"))
        });
    });
}

/// Inputs and parameters of the layers that take a span: `W_f` and the hidden layer of the text
/// expert.
struct SpanLayers {
    /// Outputs of the two LSTMs, one row per word: `[words, 2 HIDDEN]`.
    h1: Var,
    h2: Var,
    /// `[HIDDEN, LATENT + 8 HIDDEN]`, as it is in the checkpoint.
    w_f: Var,
    b_f: Var,
    w_t: Var,
    b_t: Var,
}

impl SpanLayers {
    fn new() -> Result<Self> {
        let words = (TEXTS * WORDS, 2 * HIDDEN);
        Ok(Self {
            h1: variable(words, 0.1)?,
            h2: variable(words, 0.1)?,
            w_f: variable((HIDDEN, LATENT + 8 * HIDDEN), 0.02)?,
            b_f: variable(HIDDEN, 0.02)?,
            w_t: variable((HIDDEN, 2 * HIDDEN), 0.02)?,
            b_t: variable(HIDDEN, 0.02)?,
        })
    }

    /// As the equations are written. Returns the hidden layers of classifier and text expert,
    /// before activation.
    fn concatenated(&self, spans: &[BatchSpan], z: &Tensor) -> Result<[Tensor; 2]> {
        let index = |word: fn(&BatchSpan) -> usize| -> Result<Tensor> {
            let words: Vec<u32> = spans.iter().map(|span| word(span) as u32).collect();
            Tensor::from_vec(words, spans.len(), &Device::Cpu)
        };
        let s = self.h2.index_select(&index(|span| span.words.start)?, 0)?;
        let e = self.h2.index_select(&index(|span| span.words.end - 1)?, 0)?;
        let all = Tensor::cat(&[z, &s, &e, &(&s - &e)?, &(&s * &e)?], 1)?;
        let text = linear(&segment_mean(&self.h1, &ranges(spans))?, &self.w_t, &self.b_t)?;
        Ok([linear(&all, &self.w_f, &self.b_f)?, text])
    }

    /// The same with all that can be done once per word done once per word, as [`SpanModel`] does
    /// it.
    fn factorised(&self, spans: &[BatchSpan], z: &Tensor) -> Result<[Tensor; 2]> {
        let column = |i: usize| LATENT + i * 2 * HIDDEN;
        let onto = |x: &Tensor, terms: &[Columns], onto: &Tensor| linear_columns(x, &self.w_f, terms, onto);
        let zero = Tensor::zeros(HIDDEN, DType::F32, &Device::Cpu)?;
        let first = onto(&self.h2, &[Plus(column(0)), Plus(column(2))], &self.b_f)?;
        let last = onto(&self.h2, &[Plus(column(1)), Minus(column(2))], &zero)?;
        let pairs = Pairs::new(spans.iter().map(|s| (s.words.start as u32, s.words.end as u32 - 1)));
        let hidden = pair_sum(&first, &last, &pairs)?;
        let hidden = onto(&pair_product(&self.h2, &pairs)?, &[Plus(column(3))], &hidden)?;
        let hidden = onto(z, &[Plus(0)], &hidden)?;
        let text = segment_mean(&linear(&self.h1, &self.w_t, &self.b_t)?, &ranges(spans))?;
        Ok([hidden, text])
    }
}

/// The whole model but its text encoder, in evaluation, on one text of a given number of words: the
/// cost is linear in the spans, and spans are scored in chunks as [`smvae::Predictor`] does it, in
/// bounded memory.
fn lengths(criterion: &mut Criterion) -> smvae::core::Result<()> {
    const CHUNK: usize = 4096;
    let mut config = ModelConfig::default();
    (config.hidden_dim, config.image_dim) = (HIDDEN, Some(384));
    let parameters = Parameters::new(0, &Device::Cpu);
    SpanModel::load(&config, HIDDEN, 5, &parameters.builder(DType::F32))?;
    let model = SpanModel::load(&config, HIDDEN, 5, &parameters.frozen_builder(DType::F32))?;
    let mut group = criterion.benchmark_group("features and scores of one text, width 8");
    for words in [20, 200, 2000] {
        let mut rng = rng();
        let batch = SpanBatch {
            shapes: vec![],
            pieces: PackedPieces::new([&vec![1; words][..]]),
            words: (0..words).map(|i| i..i + 1).collect(),
            spans: candidate_spans(words, 8).map(|words| BatchSpan { text: 0, words }).collect(),
            images: Some(standard_normal((1, 384), &mut rng, &Device::Cpu)?),
            has_image: vec![true],
        };
        let h = standard_normal((words, HIDDEN), &mut rng, &Device::Cpu)?;
        group.throughput(Throughput::Elements(batch.spans.len() as u64)).sampling_mode(SamplingMode::Flat);
        group.bench_function(format!("{words} words"), |bench| {
            bench.iter(|| {
                let features = model.features(&h, &batch).expect("a consistent batch");
                for chunk in batch.spans.chunks(CHUNK) {
                    black_box(model.score(&features, &batch, chunk, None).expect("a consistent batch"));
                }
            });
        });
    }
    Ok(())
}

/// Product of experts, its KL terms and a reconstruction, without any network.
fn elbo(criterion: &mut Criterion) -> smvae::core::Result<()> {
    let rows = spans(8).len();
    let gaussian = || -> smvae::core::Result<Gaussian> {
        let log_var = variable((rows, LATENT), 0.1)?;
        Gaussian::new(variable((rows, LATENT), 1.0)?.as_tensor().clone(), &log_var)
    };
    let (text, image) = (gaussian()?, gaussian()?);
    let present = Tensor::ones(rows, DType::F32, &Device::Cpu)?;
    let (decoded, target) = (variable((rows, HIDDEN), 1.0)?, variable((rows, HIDDEN), 1.0)?.as_detached_tensor());
    let fuse = || product_of_experts(&[(&text).into(), Expert { gaussian: &image, present: Some(&present) }]);
    let terms = || -> smvae::core::Result<Tensor> {
        let mse = mean_squared_error(&decoded, &target)?;
        let elbo = ElboTerms {
            mse_image: mse.clone(),
            mse_text: mse,
            kl_text: kl_standard_normal(&text)?,
            kl_image: kl_standard_normal(&image)?,
            kl_fused: kl_standard_normal(&fuse()?)?,
        };
        elbo.weighted_sum(LossWeights::default())
    };
    let mut group = criterion.benchmark_group("VAE, width 8");
    group.throughput(Throughput::Elements(rows as u64)).sampling_mode(SamplingMode::Flat);
    group.bench_function("product of experts", |bench| {
        bench.iter(|| {
            let fused = fuse().expect("the shapes fit");
            let loss = (fused.mu + fused.log_var).and_then(|x| x.mean_all()).expect("the shapes fit");
            black_box(loss.backward().expect("every operation has a backward"))
        });
    });
    group.bench_function("all terms of the ELBO", |bench| {
        bench.iter(|| {
            let loss = terms().expect("the shapes fit").mean_all().expect("a mean");
            black_box(loss.backward().expect("every operation has a backward"))
        });
    });
    Ok(())
}

/// All spans up to this width of all texts.
fn spans(max_width: usize) -> Vec<BatchSpan> {
    let of_text = |text: usize| {
        let at = text * WORDS;
        candidate_spans(WORDS, max_width)
            .map(move |span| BatchSpan { text, words: Span::new(span.start + at, span.end + at) })
    };
    (0..TEXTS).flat_map(of_text).collect()
}

/// Every word is one piece.
fn ranges(spans: &[BatchSpan]) -> Vec<Range<usize>> {
    spans.iter().map(|span| span.words.start..span.words.end).collect()
}

fn variable(shape: impl Into<smvae::core::candle_core::Shape>, scale: f64) -> Result<Var> {
    Var::from_tensor(&(standard_normal(shape, &mut rng(), &Device::Cpu)? * scale)?)
}

fn rng() -> Rng {
    named(0, "bench")
}
