//! What a user of smvae-core writes: a tagger of one's own, decoded and scored and, with the
//! feature `tensors`, one training step of a span model. Nothing but the public interface is used.

use smvae_core::bio::read_entities;
use smvae_core::decode::{Candidate, decode};
use smvae_core::metrics::Scores;
use smvae_core::spans::candidate_spans;
use smvae_core::{Convention, Entity, Error, LabelSet, Result, Span};

fn main() -> Result<()> {
    let words = ["Lady", "Gaga", "lands", "in", "Oslo"];
    let gold = read_entities(&["B-PER", "I-PER", "O", "O", "B-LOC"], Convention::Strict)?;
    let found = tag(&words)?;
    let mut scores = Scores::default();
    scores.add(&gold, &found);
    assert_eq!(scores.overall.f1(), 100.0);
    // Errors can be told apart, and more of them may come.
    match LabelSet::new(["LOC", "LOC"]) {
        Err(Error::Label { .. }) => {}
        other => panic!("a label that comes twice is refused: {other:?}"),
    }
    #[cfg(feature = "tensors")]
    tensors::train()?;
    println!("downstream: {} entities, F1 {}", found.len(), scores.overall.f1());
    Ok(())
}

/// A tagger by capitals.
fn tag(words: &[&str]) -> Result<Vec<Entity>> {
    let labels = LabelSet::new(["LOC", "PER"])?;
    let capital = |word: &&str| word.starts_with(char::is_uppercase);
    let score = |span: Span| {
        let words = &words[span.start..span.end];
        let class = if span.start == 0 { 2 } else { 1 };
        let score = 0.5 + 0.1 * words.len() as f32;
        let (class, score) = if words.iter().all(capital) { (class, score) } else { (0, 1.0) };
        Candidate { span, class, score }
    };
    let candidates: Vec<Candidate> = candidate_spans(words.len(), 3).map(score).collect();
    let name = |class| labels.name(class).expect("decoding leaves out class 0 alone");
    Ok(decode(&candidates).iter().map(|c| Entity::new(c.span.start, c.span.end, name(c.class))).collect())
}

#[cfg(feature = "tensors")]
mod tensors {
    use smvae_core::candle_core::{DType, Device, Tensor};
    use smvae_core::model::{BatchSpan, ModelConfig, SpanBatch, SpanModel};
    use smvae_core::nn::Parameters;
    use smvae_core::objective::Objective;
    use smvae_core::optim::{Adam, AdamConfig};
    use smvae_core::step::{LabelledBatch, Networks, step};
    use smvae_core::{Mode, PackedPieces, Result, Span, TextEncoder, candle_nn, rng};

    struct Table(Tensor);

    impl TextEncoder for Table {
        fn dim(&self) -> usize {
            8
        }
        fn forward(&self, pieces: &PackedPieces, _: Mode<'_>) -> Result<Tensor> {
            Ok(self.0.index_select(&Tensor::new(pieces.ids(), self.0.device())?, 0)?)
        }
    }

    /// Twenty steps on one text.
    pub fn train() -> Result<()> {
        let parameters = Parameters::new(0, &Device::Cpu);
        let vb = parameters.builder(DType::F32);
        let encoder = Table(vb.get_with_hints((10, 8), "table", candle_nn::init::DEFAULT_KAIMING_NORMAL)?);
        let mut config = ModelConfig::default();
        config.hidden_dim = 4;
        config.latent_dim = 2;
        let model = SpanModel::load(&config, encoder.dim(), 3, &vb.pp("model"))?;
        let mut optimizer = Adam::new(parameters.all(), |_| 0, AdamConfig::default())?;
        let span = |start, end| BatchSpan { text: 0, words: Span::new(start, end) };
        let batch = SpanBatch {
            pieces: PackedPieces::new([&[1, 7, 8, 2][..]]),
            words: vec![1..2, 2..3],
            shapes: vec![],
            spans: vec![span(0, 1), span(0, 2), span(1, 2)],
            images: None,
            has_image: vec![false],
        };
        let labelled = LabelledBatch { batch, targets: vec![0, 2, 0] };
        let (networks, mut rng) = (Networks { encoder: &encoder, model: &model }, rng::named(0, "training"));
        let mut losses = Vec::new();
        for _ in 0..20 {
            let objective = Objective::default();
            losses.push(step(networks, &objective, &mut optimizer, &[0.01], &labelled, None, &mut rng)?.read()?.ce);
        }
        assert!(losses[19] < losses[0]);
        Ok(())
    }
}
