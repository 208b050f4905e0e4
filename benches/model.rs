//! The whole model on posts of real lengths, with random weights of MiniLM's and BERT-base's size:
//! evaluation and training steps on 16 posts with all spans up to 8 words, in posts per second.
//!
//! A semi-supervised step has 16 unlabelled posts beside its 16 labelled ones, and counts all 32.
//! Lengths are made up; `benches/peer/` measures real tweets.

#[path = "common/settings.rs"]
mod settings;
#[path = "common/sizes.rs"]
mod sizes;

use criterion::{Criterion, SamplingMode, Throughput};
use smvae::Result;
use smvae::core::candle_core::{DType, Device};
use smvae::core::model::{BatchSpan, SpanBatch, SpanModel};
use smvae::core::nn::Parameters;
use smvae::core::objective::Objective;
use smvae::core::optim::{Adam, AdamConfig};
use smvae::core::rng::{named, standard_normal};
use smvae::core::spans::candidate_spans;
use smvae::core::step::{LabelledBatch, Networks, UnlabelledBatch, step};
use smvae::core::{Mode, PackedPieces, Span, TextEncoder};
use smvae::encoders::text::Transformer;
use std::cell::LazyCell;

const MAX_WIDTH: usize = 8;
const N_CLASSES: usize = 5;
const IMAGE_DIM: usize = 384;
/// Words of the posts of a batch: 20 on average.
const LENGTHS: [usize; 16] = [12, 25, 18, 31, 8, 22, 27, 15, 20, 24, 17, 29, 10, 21, 26, 15];

fn main() {
    let mut criterion = settings::criterion();
    for size in ["minilm", "base"] {
        bench(&mut criterion, size);
    }
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, size: &str) {
    // Drawing BERT-base takes seconds, which a run that was asked for something else should not
    // pay.
    let setup = LazyCell::new(|| Setup::new(size).expect("sizes that fit each other"));
    let mut group = criterion.benchmark_group(format!("posts, {size}"));
    group.sampling_mode(SamplingMode::Flat);
    let posts = LENGTHS.len() as u64;
    group.throughput(Throughput::Elements(posts));
    group.bench_function("evaluation", |bench| {
        let frozen = setup.frozen().expect("all parameters exist");
        bench.iter(|| setup.evaluate(&frozen).expect("a consistent batch"));
    });
    for (name, semi) in [("supervised step", false), ("semi-supervised step", true)] {
        group.throughput(Throughput::Elements(if semi { 2 * posts } else { posts }));
        group.bench_function(name, |bench| {
            let mut optimizer = setup.optimizer().expect("parameters in f32");
            bench.iter(|| setup.train(&mut optimizer, semi).expect("a consistent batch"));
        });
    }
}

/// Networks, and two batches.
struct Setup {
    size: String,
    parameters: Parameters,
    networks: (Transformer, SpanModel),
    labelled: LabelledBatch,
    unlabelled: UnlabelledBatch,
}

impl Setup {
    fn new(size: &str) -> Result<Self> {
        let parameters = Parameters::new(0, &Device::Cpu);
        let networks = load(size, &parameters, true)?;
        let vocab_size = networks.0.config().vocab_size;
        let batch = posts(vocab_size, 0)?;
        // One span in 60 has a class, about as in the corpora.
        let targets = (0..batch.spans.len()).map(|i| if i % 60 == 0 { 1 + (i / 60 % 4) as u32 } else { 0 });
        Ok(Self {
            size: size.to_owned(),
            labelled: LabelledBatch { targets: targets.collect(), batch },
            unlabelled: posts(vocab_size, 1)?.into(),
            parameters,
            networks,
        })
    }

    /// The same networks without a graph.
    fn frozen(&self) -> Result<(Transformer, SpanModel)> {
        load(&self.size, &self.parameters, false)
    }

    fn optimizer(&self) -> Result<Adam> {
        Ok(Adam::new(self.parameters.all(), |_| 0, AdamConfig::default())?)
    }

    fn evaluate(&self, (encoder, model): &(Transformer, SpanModel)) -> Result<Vec<Vec<f32>>> {
        let batch = &self.labelled.batch;
        let h = encoder.forward(&batch.pieces, Mode::Eval)?;
        let features = model.features(&h, batch)?;
        Ok(model.score(&features, batch, &batch.spans, None)?.logits.to_vec2()?)
    }

    fn train(&self, optimizer: &mut Adam, semi: bool) -> Result<f64> {
        let (encoder, model) = &self.networks;
        let networks = Networks { encoder, model };
        let unlabelled = semi.then_some(&self.unlabelled);
        // A rate of 0 costs what any other does, and the same step can be taken for ever.
        let rng = &mut named(0, "training");
        Ok(step(networks, &Objective::default(), optimizer, &[0.0], &self.labelled, unlabelled, rng)?.read()?.loss)
    }
}

fn load(size: &str, parameters: &Parameters, trainable: bool) -> Result<(Transformer, SpanModel)> {
    let (bert, model) = sizes::sizes(size, IMAGE_DIM).expect("one of the two names above");
    let vb = if trainable { parameters.builder(DType::F32) } else { parameters.frozen_builder(DType::F32) };
    let encoder = Transformer::load(&bert, vb.pp("encoder"))?;
    let model = SpanModel::load(&model, bert.hidden_size, N_CLASSES, &vb.pp("model"))?;
    Ok((encoder, model))
}

/// Posts of [`LENGTHS`] words: every fourth word has two pieces, with `[CLS]` and `[SEP]` 27 on
/// average.
fn posts(vocab_size: usize, seed: usize) -> Result<SpanBatch> {
    let (mut texts, mut words, mut spans, mut row) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (text, n_words) in LENGTHS.into_iter().enumerate() {
        let (first_word, first_row) = (words.len(), row);
        row += 1;
        for word in 0..n_words {
            let n_pieces = if word % 4 == 3 { 2 } else { 1 };
            words.push(row..row + n_pieces);
            row += n_pieces;
        }
        row += 1;
        let id = |i: usize| ((seed + i) * 7919 % vocab_size) as u32;
        texts.push((first_row..row).map(id).collect::<Vec<u32>>());
        spans.extend(candidate_spans(n_words, MAX_WIDTH).map(|span| {
            let words = Span::new(span.start + first_word, span.end + first_word);
            BatchSpan { text, words }
        }));
    }
    let mut rng = named(seed as u64, "images");
    Ok(SpanBatch {
        shapes: vec![],
        pieces: PackedPieces::new(texts.iter().map(Vec::as_slice)),
        words,
        spans,
        images: Some(standard_normal((LENGTHS.len(), IMAGE_DIM), &mut rng, &Device::Cpu)?),
        has_image: vec![true; LENGTHS.len()],
    })
}
