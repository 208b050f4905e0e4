//! A text encoder of your own below the span model: whatever gives every word piece a vector.
//!
//! The encoder is a table of vectors here; the trait `TextEncoder` is all that the span model knows
//! of it, and a training step reaches its parameters too. Needs nothing; prints the cross entropy
//! of the spans of two texts as the optimizer brings it down:
//!
//! ```text
//! cargo run --example own_text_encoder
//! ```

use smvae::core::candle_core::{DType, Device, Tensor};
use smvae::core::candle_nn::init::DEFAULT_KAIMING_NORMAL;
use smvae::core::model::{BatchSpan, ModelConfig, SpanBatch, SpanModel};
use smvae::core::nn::Parameters;
use smvae::core::optim::{Adam, AdamConfig};
use smvae::core::step::{LabelledBatch, Networks, step};
use smvae::core::{Mode, PackedPieces, Result, Span, TextEncoder, objective::Objective, rng};

/// A vector for each of 100 word pieces.
struct Table(Tensor);

impl TextEncoder for Table {
    fn dim(&self) -> usize {
        8
    }

    fn forward(&self, pieces: &PackedPieces, _: Mode<'_>) -> Result<Tensor> {
        Ok(self.0.index_select(&Tensor::new(pieces.ids(), self.0.device())?, 0)?)
    }
}

fn main() -> Result<()> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let vb = parameters.builder(DType::F32);
    let encoder = Table(vb.get_with_hints((100, 8), "table", DEFAULT_KAIMING_NORMAL)?);
    let mut config = ModelConfig::default();
    (config.hidden_dim, config.latent_dim) = (4, 2);
    let model = SpanModel::load(&config, encoder.dim(), 3, &vb.pp("model"))?;
    let mut optimizer = Adam::new(parameters.all(), |_| 0, AdamConfig::default())?;

    // Two texts between `[CLS]` (1) and `[SEP]` (2), of two words and of one, each word one piece.
    // Words are counted over the batch: that of the second text is row 5 and word 2.
    let spans = [(0, 0, 2), (0, 1, 2), (1, 2, 3)];
    let batch = SpanBatch {
        pieces: PackedPieces::new([&[1, 7, 8, 2][..], &[1, 9, 2][..]]),
        words: vec![1..2, 2..3, 5..6],
        shapes: vec![],
        spans: spans.map(|(text, start, end)| BatchSpan { text, words: Span::new(start, end) }).to_vec(),
        images: None,
        has_image: vec![false; 2],
    };
    // The classes of the three spans; 0 is `O`.
    let labelled = LabelledBatch { batch, targets: vec![2, 0, 1] };
    let networks = Networks { encoder: &encoder, model: &model };
    let (objective, mut rng) = (Objective::default(), rng::named(0, "training"));
    let mut losses = Vec::new();
    for number in 0..=60 {
        let report = step(networks, &objective, &mut optimizer, &[0.01], &labelled, None, &mut rng)?.read()?;
        losses.push(report.ce);
        if number % 20 == 0 {
            println!("step {number}: cross entropy {:.3}", report.ce);
        }
    }
    assert!(losses[60] < 0.5 * losses[0]);
    Ok(())
}
