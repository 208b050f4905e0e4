//! A training step reaches every parameter, leaves alone what it is not given, and is the same
//! twice; a text's numbers do not depend on what it is packed with. A tiny BERT and a span model
//! with images, of which one text has none.

use crate::device::device;
use smvae_core::candle_core::{DType, Result, Tensor};
use smvae_core::model::{BatchSpan, Fusion, ImageSource, ModelConfig, SpanBatch, SpanModel, SpanScores};
use smvae_core::nn::Parameters;
use smvae_core::objective::{ImageReconstruction, Noise, Objective, UnlabelledClass};
use smvae_core::optim::{Adam, AdamConfig};
use smvae_core::step::{LabelledBatch, Networks, PendingReport, StepReport, UnlabelledBatch, read_reports};
use smvae_core::step::{step, step_loss};
use smvae_core::{Mode, PackedPieces, Span, rng};
use smvae_encoders::text::{Transformer, tiny};
use std::collections::BTreeMap;
use std::ops::Range;

const N_PIECES: usize = 30;
const N_CLASSES: usize = 3;
const IMAGE_DIM: usize = 6;
const LATENT_DIM: usize = 4;
const MAX_WIDTH: usize = 3;
const RATE: f64 = 1e-3;
/// Length of the step in [`every_form_of_the_objective_has_the_gradient_of_its_loss`].
const STEP: f64 = 1e-2;

type Values = BTreeMap<String, Tensor>;

#[test]
fn every_parameter_gets_a_gradient_and_moves() -> Result<()> {
    check_every_parameter_moves(&Setup::new())?;
    check_every_parameter_moves(&Setup::with(|model| (model.image_in_classifier, model.image_gate) = (true, true)))
}

#[track_caller]
fn check_every_parameter_moves(setup: &Setup) -> Result<()> {
    let (labelled, unlabelled) = (setup.labelled(), batch(&[&TEXTS[2], &TEXTS[1]]));
    let mut rng = rng::named(1, "noise");
    let noise = |batch: &SpanBatch, rng: &mut smvae_core::Rng| {
        Noise::draw(batch, LATENT_DIM, &labelled.batch.images.clone().expect("images"), rng).expect("noise on the CPU")
    };
    let noises = (noise(&labelled.batch, &mut rng), noise(&unlabelled, &mut rng));
    let unlabelled = unlabelled.into();
    let halves = ((&labelled, &noises.0), Some((&unlabelled, &noises.1)));
    let loss = step_loss(setup.networks(), &Objective::default(), halves.0, halves.1, Mode::Train(&mut rng));
    let grads = loss.expect("batches that fit").loss.backward()?;
    for (name, var) in setup.parameters.all() {
        let grad = grads.get(&var).unwrap_or_else(|| panic!("{name} has no gradient"));
        if !is_key_bias(&name) {
            assert!(largest(grad)? > 1e-9, "the gradient of {name} is zero");
        }
    }

    let before = setup.parameters.snapshot()?;
    setup.train(1, |_| true);
    for (name, moved) in movements(&before, &setup.parameters.snapshot()?)? {
        assert!(moved > 0.0 || is_key_bias(&name), "{name} did not move");
        assert!(moved < 1.1 * RATE, "{name} moved by {moved:e}, more than the first step of Adam can");
    }
    Ok(())
}

#[test]
fn what_the_optimizer_is_not_given_does_not_move() -> Result<()> {
    let frozen: [fn(&str) -> bool; 3] = [
        |name| name.starts_with("encoder."),
        |name| name.starts_with("encoder.embeddings."),
        |name| name == "model.classifier.bias",
    ];
    for is_frozen in frozen {
        let setup = Setup::new();
        let before = setup.parameters.snapshot()?;
        setup.train(1, |name| !is_frozen(name));
        for (name, moved) in movements(&before, &setup.parameters.snapshot()?)? {
            assert_eq!(moved == 0.0, is_frozen(&name), "{name} moved by {moved:e}");
        }
    }
    Ok(())
}

#[test]
fn an_encoder_without_a_graph_does_not_move() -> Result<()> {
    let mut setup = Setup::new();
    let vb = setup.parameters.frozen_builder(DType::F32);
    setup.bert = Transformer::load(&tiny(N_PIECES), vb.pp("encoder")).expect("all weights are there");
    let before = setup.parameters.snapshot()?;
    setup.train(1, |_| true);
    for (name, moved) in movements(&before, &setup.parameters.snapshot()?)? {
        assert_eq!(moved == 0.0, name.starts_with("encoder."), "{name} moved by {moved:e}");
    }
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_bits() -> Result<()> {
    let run = || {
        let setup = Setup::new();
        let reports = setup.train(3, |_| true);
        (reports, setup.parameters.snapshot().expect("copies"))
    };
    let ((reports, values), (again, values_again)) = (run(), run());
    assert_eq!(reports, again);
    assert!(reports.iter().all(|r| r.loss.is_finite() && r.grad_norm > 0.0), "{reports:?}");
    for (name, value) in values {
        let bits = |x: &Tensor| -> Result<Vec<u32>> {
            Ok(x.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
        };
        assert_eq!(bits(&value)?, bits(&values_again[&name])?, "{name}");
    }
    Ok(())
}

#[test]
fn packed_texts_have_the_numbers_of_single_ones() -> Result<()> {
    check_packed(&Setup::new())?;
    check_packed(&Setup::with(|model| (model.image_in_classifier, model.image_gate) = (true, true)))
}

#[track_caller]
fn check_packed(setup: &Setup) -> Result<()> {
    let (h, packed, packed_targets) = setup.score(&batch(&TEXTS.each_ref()));
    let (mut row, mut piece) = (0, 0);
    for (i, text) in TEXTS.iter().enumerate() {
        // The text without image is a batch without images, when alone.
        let (single_h, single, single_targets) = setup.score(&batch(&[text]));
        let close = |what: &str, packed: &Tensor, single: &Tensor, from: usize| -> Result<()> {
            let difference = largest(&(packed.narrow(0, from, single.dim(0)?)? - single)?)?;
            assert!(difference <= 1e-5, "{what} of text {i} differ by {difference:e}");
            Ok(())
        };
        close("vectors", &h, &single_h, piece)?;
        for (what, of) in OUTPUTS {
            close(what, of(&packed), of(&single), row)?;
        }
        close("targets", &packed_targets, &single_targets, row)?;
        row += single.logits.dim(0)?;
        piece += single_h.dim(0)?;
    }
    assert_eq!((row, piece), (packed.logits.dim(0)?, h.dim(0)?));
    Ok(())
}

#[test]
fn spans_of_another_batch_are_an_error() {
    let setup = Setup::new();
    let batch = batch(&TEXTS.each_ref());
    let h = setup.bert.encode(&batch.pieces, Mode::Eval).expect("pieces of its vocabulary");
    let features = setup.model.features(&h, &batch).expect("vectors of the pieces");
    let check = |text: usize, words: Span, want: &str| {
        let span = BatchSpan { text, words };
        let error = setup.model.score(&features, &batch, &[span], None).expect_err(want).to_string();
        assert!(error.contains(want), "{span:?}: {error}");
    };
    let all = batch.words.len();
    check(0, Span::new(0, all + 1), "reaches past the last word");
    check(0, Span { start: 0, end: 0 }, "has no words");
    check(TEXTS.len(), Span::new(0, 1), "a text that there is not");
    // The words of the first text, with the image of the second.
    check(1, Span::new(0, 1), "is not of words of its text");
    check(0, Span::new(0, all), "is not of words of its text");
    // The features of one text and a span of another: a GPU would read what lies behind them.
    let one = self::batch(&[&TEXTS[0]]);
    let h = setup.bert.encode(&one.pieces, Mode::Eval).expect("pieces of its vocabulary");
    let features = setup.model.features(&h, &one).expect("vectors of the pieces");
    let error = setup.model.score(&features, &batch, &batch.spans, None).expect_err("other features").to_string();
    assert!(error.contains("texts of the features"), "{error}");
    assert!(setup.model.targets(&features, &batch, &batch.spans).is_err());
}

#[test]
fn a_span_with_nothing_to_its_left_cannot_be_shifted() {
    let mut batch = batch(&[&TEXTS[0]]);
    batch.words[0].start = 0;
    let score = |shifted: bool| {
        let setup = Setup::with(|model| model.quirks.shifted_spans = shifted);
        let h = setup.bert.encode(&batch.pieces, Mode::Eval).expect("pieces of its vocabulary");
        let features = setup.model.features(&h, &batch).expect("vectors of the pieces");
        setup.model.score(&features, &batch, &batch.spans, None).map(|_| ())
    };
    score(false).expect("spans of the text");
    let error = score(true).expect_err("the piece before the first one").to_string();
    assert!(error.contains("to the left of which there is none"), "{error}");
}

#[test]
fn a_model_that_sees_captions_ignores_vectors_of_any_width() {
    let setup = Setup::with(|model| model.image_source = ImageSource::Caption);
    let batch = captioned(&batch(&TEXTS.each_ref()));
    let wide = Tensor::zeros((batch.n_texts(), IMAGE_DIM + 1), DType::F32, &device()).expect("zeros");
    let h = setup.bert.encode(&batch.pieces, Mode::Eval).expect("pieces of its vocabulary");
    let batch = SpanBatch { images: Some(wide), ..batch };
    setup.model.features(&h, &batch).expect("captions stand for images");
}

#[test]
fn a_text_without_image_has_no_image_terms() -> Result<()> {
    let setup = Setup::new();
    let batch = batch(&TEXTS.each_ref());
    let (h, scores, _) = setup.score(&batch);
    let noise = Noise::draw(&batch, LATENT_DIM, &h, &mut rng::named(1, "noise")).expect("noise on the CPU");
    let scored = Objective::default().score(&setup.model, &h, &batch, &noise).expect("a batch that fits");
    let elbo = scored.elbo.expect("the objective has the terms");
    for (name, term) in elbo.named() {
        for (span, value) in batch.spans.iter().zip(term.to_vec1::<f32>()?) {
            let is_there = !name.ends_with("image") && name != "kl_fused" || TEXTS[span.text].has_image;
            assert_eq!(value > 0.0, is_there, "{name} of {span:?} is {value}");
        }
    }
    // Its product of experts is the text expert.
    let row = batch.spans.iter().position(|span| !TEXTS[span.text].has_image).expect("a text without image");
    let of_row = |x: &Tensor| x.get(row)?.to_vec1::<f32>();
    assert_eq!(of_row(&scores.fused.mu)?, of_row(&scores.text.mu)?);
    assert_eq!(of_row(&scores.fused.log_var)?, of_row(&scores.text.log_var)?);
    Ok(())
}

/// The slope of the loss along its gradient is the gradient's length, for every option of the
/// objective. What a decoder is to reconstruct comes from the encoder and the text's BiLSTM and is
/// a constant of the loss, so that these stay as they are.
#[test]
fn every_form_of_the_objective_has_the_gradient_of_its_loss() -> Result<()> {
    type Edit = fn(&mut Objective, &mut ModelConfig);
    let forms: [(&str, Edit); 15] = [
        ("the paper's", |_, _| {}),
        ("marginal", |o, _| o.unlabelled = UnlabelledClass::Marginal),
        ("frequencies", |o, _| o.unlabelled = UnlabelledClass::MarginalFrequencies),
        ("free bits", |o, _| (o.free_bits, o.kl_weight, o.reconstruction_weight) = (0.05, 0.5, 2.0)),
        ("two passes", |o, _| (o.vae, o.r_drop) = (false, 2.0)),
        ("borders smoothed", |o, _| o.boundary_smoothing = 0.2),
        ("biaffine scores", |_, m| m.biaffine_dim = Some(5)),
        ("a teacher alone", |o, _| (o.vae, o.soft_label_weight) = (false, 3.0)),
        ("a likelihood of images", |o, _| o.image_reconstruction = ImageReconstruction::Gaussian),
        ("images told apart", |o, _| o.image_reconstruction = ImageReconstruction::Contrastive),
        ("an image in the classifier", |_, m| m.image_in_classifier = true),
        ("a gate", |_, m| m.image_gate = true),
        ("a caption for an image", |_, m| m.image_source = ImageSource::Caption),
        ("a gate in a mean", |_, m| (m.image_gate, m.fusion) = (true, Fusion::Mean)),
        ("a gate with a prior", |_, m| {
            (m.image_gate, m.image_in_classifier, m.fusion) = (true, true, Fusion::ProductWithPrior);
        }),
    ];
    for (name, edit) in forms {
        let mut objective = Objective::default();
        let mut setup = Setup::with(|model| edit(&mut objective, model));
        let vb = setup.parameters.builder(DType::F32).pp("model");
        objective.add_parameters(&mut setup.model, &vb).expect("fresh weights");
        let (labelled, unlabelled) = (setup.labelled(), batch(&[&TEXTS[2], &TEXTS[1]]));
        let mut rng = rng::named(1, "noise");
        let like = labelled.batch.images.clone().expect("images");
        let is_caption = setup.model.config().image_source == ImageSource::Caption;
        let (labelled, unlabelled) = if is_caption {
            (LabelledBatch { batch: captioned(&labelled.batch), ..labelled }, captioned(&unlabelled))
        } else {
            (labelled, unlabelled)
        };
        let mut noise = |batch: &SpanBatch| Noise::draw(batch, LATENT_DIM, &like, &mut rng).expect("noise on the CPU");
        let noises = (noise(&labelled.batch), noise(&unlabelled));
        let targets =
            (0..unlabelled.spans.len()).flat_map(|row| [0.5, 0.3, 0.2].map(|p| if row % 4 == 0 { 0.0 } else { p }));
        let unlabelled = UnlabelledBatch { targets: Some(targets.collect()), batch: unlabelled };
        let loss = || {
            let halves = ((&labelled, &noises.0), Some((&unlabelled, &noises.1)));
            // Two passes differ by their dropout, the same one each time.
            let mut dropout = rng::named(2, "dropout");
            let mode = if objective.r_drop > 0.0 { Mode::Train(&mut dropout) } else { Mode::Eval };
            let loss = step_loss(setup.networks(), &objective, halves.0, halves.1, mode).expect("batches that fit");
            if let Some(disagreement) = loss.disagreement {
                assert!(largest(&disagreement).expect("numbers") > 1e-6, "two passes of one dropout");
            }
            loss.loss
        };
        let moves = |name: &str| name.starts_with("model.") && !name.contains("lstm");
        let vars: Vec<_> = setup.parameters.all().into_iter().filter(|(name, _)| moves(name)).collect();
        let grads = loss().backward()?;
        let grads: Vec<Option<Tensor>> = vars.iter().map(|(_, var)| grads.get(var).cloned()).collect();
        let squares: Vec<f64> = grads
            .iter()
            .flatten()
            .map(|grad| grad.sqr()?.sum_all()?.to_dtype(DType::F64)?.to_scalar())
            .collect::<Result<_>>()?;
        let length = squares.iter().sum::<f64>().sqrt();
        let before = setup.parameters.snapshot()?;
        let at = |step: f64| -> Result<f64> {
            for ((name, var), grad) in vars.iter().zip(&grads) {
                if let Some(grad) = grad {
                    var.set(&(&before[name] + (grad * (step / length))?)?)?;
                }
            }
            loss().to_dtype(DType::F64)?.to_scalar()
        };
        let slope = (at(STEP)? - at(-STEP)?) / (2.0 * STEP);
        assert!((slope / length - 1.0).abs() < 5e-3, "{name}: the loss rises by {slope}, its gradient says {length}");
    }
    Ok(())
}

/// What a row of the model has, by name.
type Output = (&'static str, fn(&SpanScores) -> &Tensor);
const OUTPUTS: [Output; 6] = [
    ("means of the text expert", |s| &s.text.mu),
    ("variances of the text expert", |s| &s.text.log_var),
    ("means of the product", |s| &s.fused.mu),
    ("variances of the product", |s| &s.fused.log_var),
    ("latent variables", |s| &s.z),
    ("logits", |s| &s.logits),
];

/// Networks from a seed.
struct Setup {
    parameters: Parameters,
    bert: Transformer,
    model: SpanModel,
}

impl Setup {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, with another configuration of the span model.
    fn with(edit: impl FnOnce(&mut ModelConfig)) -> Self {
        let parameters = Parameters::new(3, &device());
        let vb = parameters.builder(DType::F32);
        let bert = Transformer::load(&tiny(N_PIECES), vb.pp("encoder")).expect("fresh weights");
        let mut config = ModelConfig::default();
        (config.hidden_dim, config.latent_dim) = (12, LATENT_DIM);
        (config.image_dim, config.span_widths) = (Some(IMAGE_DIM), true);
        edit(&mut config);
        let width = bert.config().hidden_size;
        let model = SpanModel::load(&config, width, N_CLASSES, &vb.pp("model")).expect("fresh weights");
        Self { parameters, bert, model }
    }

    fn networks(&self) -> Networks<'_> {
        Networks { encoder: &self.bert, model: &self.model }
    }

    fn labelled(&self) -> LabelledBatch {
        let batch = batch(&TEXTS.each_ref());
        let targets = (0..batch.spans.len()).map(|row| (row % N_CLASSES) as u32).collect();
        LabelledBatch { batch, targets }
    }

    /// Semi-supervised steps that update the parameters of these names.
    #[track_caller]
    fn train(&self, n_steps: usize, is_trained: impl Fn(&str) -> bool) -> Vec<StepReport> {
        let trained = self.parameters.all().into_iter().filter(|(name, _)| is_trained(name)).collect();
        let mut adam = Adam::new(trained, |_| 0, AdamConfig::keras()).expect("f32 parameters");
        let mut rng = rng::named(3, "step");
        let (labelled, unlabelled) = (self.labelled(), batch(&[&TEXTS[2], &TEXTS[1]]).into());
        let mut one =
            || step(self.networks(), &Objective::default(), &mut adam, &[RATE], &labelled, Some(&unlabelled), &mut rng);
        let reports: Vec<PendingReport> = (0..n_steps).map(|_| one().expect("batches that fit")).collect();
        read_reports(&reports).expect("finite numbers")
    }

    /// Vectors, scores and targets of a batch, in evaluation.
    #[track_caller]
    fn score(&self, batch: &SpanBatch) -> (Tensor, SpanScores, Tensor) {
        let h = self.bert.encode(&batch.pieces, Mode::Eval).expect("pieces of its vocabulary");
        let features = self.model.features(&h, batch).expect("vectors of the pieces");
        let scores = self.model.score(&features, batch, &batch.spans, None).expect("spans of the batch");
        let targets = self.model.targets(&features, batch, &batch.spans).expect("spans of the batch");
        (h, scores, targets)
    }
}

/// A text as the number of pieces of each word, its first piece, and whether it has an image.
struct Text {
    words: &'static [usize],
    first_piece: u32,
    has_image: bool,
}

const TEXTS: [Text; 3] = [
    Text { words: &[1, 3, 1, 2], first_piece: 4, has_image: true },
    Text { words: &[2], first_piece: 11, has_image: false },
    Text { words: &[1, 1, 1, 2, 1, 1], first_piece: 14, has_image: true },
];

/// Packs texts, with every span of at most [`MAX_WIDTH`] words.
fn batch(texts: &[&Text]) -> SpanBatch {
    let (mut ids, mut words, mut spans, mut images) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut row = 0;
    for (i, text) in texts.iter().enumerate() {
        let n_pieces: usize = text.words.iter().sum();
        ids.push([vec![2], (text.first_piece..).take(n_pieces).collect(), vec![3]].concat());
        let first_word = words.len();
        let mut at = row + 1;
        words.extend(text.words.iter().map(|n| -> Range<usize> {
            at += n;
            at - n..at
        }));
        for start in first_word..words.len() {
            let ends = start + 1..=words.len().min(start + MAX_WIDTH);
            spans.extend(ends.map(|end| BatchSpan { text: i, words: Span::new(start, end) }));
        }
        let pixel = |j: usize| if text.has_image { (text.first_piece as f32 + j as f32).sin() } else { 0.0 };
        images.extend((0..IMAGE_DIM).map(pixel));
        row += n_pieces + 2;
    }
    let has_image: Vec<bool> = texts.iter().map(|text| text.has_image).collect();
    let images = Tensor::from_vec(images, (texts.len(), IMAGE_DIM), &device()).expect("as many numbers");
    SpanBatch {
        shapes: vec![],
        pieces: PackedPieces::new(ids.iter().map(Vec::as_slice)),
        words,
        spans,
        images: has_image.contains(&true).then_some(images),
        has_image,
    }
}

/// The same texts, where those with an image have a caption instead.
fn captioned(batch: &SpanBatch) -> SpanBatch {
    let (ids, layout) = (batch.pieces.ids(), batch.pieces.layout());
    let caption = |text: usize| if batch.has_image[text] { &[7u32, 9, 3][..] } else { &[] };
    let pieces = PackedPieces::with_contexts((0..batch.n_texts()).map(|text| (&ids[layout.rows(text)], caption(text))));
    SpanBatch { pieces, images: None, has_image: vec![false; batch.n_texts()], ..batch.clone() }
}

#[test]
fn a_caption_stands_for_an_image_as_the_mean_of_its_pieces_without_gradient() -> Result<()> {
    let setup = Setup::with(|model| model.image_source = ImageSource::Caption);
    let batch = captioned(&batch(&TEXTS.each_ref()));
    let h = setup.bert.encode(&batch.pieces, Mode::Eval).expect("pieces of its vocabulary");
    let features = setup.model.features(&h, &batch).expect("vectors of the pieces");
    let images = features.images.expect("two texts have captions");
    assert!(h.track_op() && !images.track_op());
    assert_eq!(features.has_image.to_vec1::<f32>()?, [1.0, 0.0, 1.0]);
    for (text, [_, caption]) in batch.pieces.own_and_context().enumerate() {
        let got = images.get(text)?;
        let want = if caption.is_empty() { got.zeros_like()? } else { h.narrow(0, caption.start, 3)?.mean(0)? };
        assert!(largest(&(got - want)?)? < 1e-6, "of text {text}");
    }
    Ok(())
}

fn is_key_bias(name: &str) -> bool {
    name.ends_with("attention.self.key.bias")
}

/// The largest change of each parameter.
fn movements(before: &Values, after: &Values) -> Result<BTreeMap<String, f64>> {
    assert!(!before.is_empty() && before.keys().eq(after.keys()));
    before.iter().map(|(name, value)| Ok((name.clone(), largest(&(value - &after[name])?)?))).collect()
}

fn largest(x: &Tensor) -> Result<f64> {
    x.abs()?.flatten_all()?.max(0)?.to_dtype(DType::F64)?.to_scalar()
}

#[test]
fn a_batch_that_does_not_fit_is_an_error_and_changes_nothing() {
    let setup = Setup::new();
    let before = setup.parameters.snapshot().expect("copies");
    let check = |change: fn(&mut LabelledBatch, &mut UnlabelledBatch, &mut Objective), want: &str| {
        let (mut labelled, mut unlabelled) = (setup.labelled(), batch(&[&TEXTS[2], &TEXTS[1]]).into());
        let mut objective = Objective::default();
        change(&mut labelled, &mut unlabelled, &mut objective);
        let vars = setup.parameters.all().into_iter().collect();
        let mut adam = Adam::new(vars, |_| 0, AdamConfig::default()).expect("f32");
        let halves = (&labelled, Some(&unlabelled));
        let rng = &mut rng::named(2, "noise");
        let step = step(setup.networks(), &objective, &mut adam, &[RATE], halves.0, halves.1, rng);
        let error = step.expect_err(want).to_string();
        assert!(error.contains(want), "{error}");
    };
    check(|l, _, _| (l.batch.spans.clear(), l.targets.clear()).0, "1 of labelled spans, got 0");
    check(|_, u, _| u.batch.spans.clear(), "1 of unlabelled spans, got 0");
    check(|l, _, _| l.batch.images = None, "image rows, since a text has one");
    check(|l, _, _| l.batch.words.swap(0, 1), "counted over the whole batch");
    check(|_, _, o| o.kl_weight = -1.0, "`kl_weight`");
    for rate in [-1.0, f64::NAN, f64::INFINITY] {
        let vars = setup.parameters.all().into_iter().collect();
        let mut adam = Adam::new(vars, |_| 0, AdamConfig::default()).expect("f32");
        let (objective, rng) = (Objective::default(), &mut rng::named(2, "noise"));
        let step = step(setup.networks(), &objective, &mut adam, &[rate], &setup.labelled(), None, rng);
        assert!(step.expect_err("no rate").to_string().contains("learning rate"));
    }
    let moved = movements(&before, &setup.parameters.snapshot().expect("copies")).expect("equal shapes");
    assert!(moved.iter().all(|(_, moved)| *moved == 0.0));
}
