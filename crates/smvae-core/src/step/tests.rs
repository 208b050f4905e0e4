//! Steps that do not wait for their device, which here is the CPU with the composed form of every
//! operation, against steps that are read at once.

use super::*;
use crate::model::{BatchSpan, ModelConfig};
use crate::nn::dispatch::composed;
use crate::nn::{Parameters, embedding};
use crate::objective::{ImageReconstruction, UnlabelledClass};
use crate::optim::AdamConfig;
use crate::{PackedPieces, Rng, Span, rng};
use candle_core::{DType, Device, Tensor};
use candle_nn::Init;
use std::collections::BTreeMap;

const WIDTH: usize = 6;
const CLASSES: usize = 3;

/// A table of vectors.
struct Table(Tensor);

impl TextEncoder for Table {
    fn dim(&self) -> usize {
        WIDTH
    }

    fn forward(&self, pieces: &PackedPieces, _mode: Mode<'_>) -> Result<Tensor> {
        Ok(embedding(&self.0, pieces.ids())?)
    }
}

/// Networks in training, with all that their steps depend on.
struct Training {
    parameters: Parameters,
    encoder: Table,
    model: SpanModel,
    objective: Objective,
    /// Images are so many times as large.
    image_scale: f64,
    optimizer: Adam,
    rng: Rng,
}

impl Training {
    fn new(objective: Objective) -> Self {
        let parameters = Parameters::new(3, &Device::Cpu);
        let vb = parameters.builder(DType::F32);
        let encoder = Table(
            vb.get_with_hints((20, WIDTH), "table", Init::Randn { mean: 0.0, stdev: 1.0 }).expect("a new tensor"),
        );
        let sizes = ModelConfig { hidden_dim: 5, latent_dim: 4, image_dim: Some(3), ..ModelConfig::default() };
        let mut model = SpanModel::load(&sizes, WIDTH, CLASSES, &vb.pp("model")).expect("new tensors");
        objective.add_parameters(&mut model, &vb.pp("model")).expect("new tensors");
        let optimizer = Adam::new(parameters.all(), |_| 0, AdamConfig::default()).expect("defaults");
        let rng = rng::named(3, "step");
        Self { parameters, encoder, model, objective, image_scale: 1.0, optimizer, rng }
    }

    /// A step on three texts, labelled and not.
    fn step(&mut self) -> Result<PendingReport> {
        let networks = Networks { encoder: &self.encoder, model: &self.model };
        let labelled = LabelledBatch { batch: batch(self.image_scale), targets: vec![1, 0, 2, 0, 1, 2, 0] };
        let soft = [[0.2f32, 0.5, 0.3]; 7].concat();
        let unlabelled = UnlabelledBatch { batch: batch(self.image_scale), targets: Some(soft) };
        let (objective, rng) = (&self.objective, &mut self.rng);
        step(networks, objective, &mut self.optimizer, &[1e-2], &labelled, Some(&unlabelled), rng)
    }

    /// Weights and moments.
    fn state(&self) -> BTreeMap<String, Vec<u32>> {
        let bits = |x: Tensor| -> candle_core::Result<Vec<u32>> {
            Ok(x.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
        };
        let tensors = self.parameters.snapshot().expect("copies").into_iter();
        let tensors = tensors.chain(self.optimizer.state().expect("copies"));
        tensors.map(|(name, tensor)| (name, bits(tensor).expect("f32"))).collect()
    }
}

/// Three texts of four, two and two words; the second has no image.
fn batch(image_scale: f64) -> SpanBatch {
    let spans = [(0, 0, 1), (0, 0, 2), (0, 2, 4), (1, 4, 5), (1, 4, 6), (2, 6, 7), (2, 6, 8)];
    let images = rng::standard_normal((3, 3), &mut rng::named(7, "images"), &Device::Cpu).expect("numbers");
    SpanBatch {
        pieces: PackedPieces::new([&[1, 5, 6, 7, 8, 2][..], &[1, 9, 5, 2], &[1, 10, 11, 2]]),
        words: vec![1..2, 2..3, 3..4, 4..5, 7..8, 8..9, 11..12, 12..13],
        shapes: vec![],
        spans: spans.map(|(text, start, end)| BatchSpan { text, words: Span::new(start, end) }).to_vec(),
        images: Some((images * image_scale).expect("numbers")),
        has_image: vec![true, false, true],
    }
}

/// Three steps with an objective, read at once and read late, report the same and leave the same
/// weights.
#[track_caller]
fn check(edit: impl Fn(&mut Objective)) {
    let mut objective = Objective::default();
    edit(&mut objective);
    let train = || {
        let mut training = Training::new(objective.clone());
        let pending: Vec<_> = (0..3).map(|_| training.step().expect("batches that fit")).collect();
        (pending, training.parameters.snapshot().expect("copies"))
    };
    let ((at_once, want_weights), (late, weights)) = (train(), composed(train));
    assert!(at_once.iter().all(PendingReport::is_read) && !late.iter().any(PendingReport::is_read));
    let numbers = |pending: &[PendingReport]| -> Vec<f64> {
        let mut reports = read_reports(pending).expect("finite numbers");
        reports.iter_mut().flat_map(|report| report.numbers_mut().into_iter().map(|x| *x)).collect()
    };
    let (got, want) = (numbers(&late), numbers(&at_once));
    assert_eq!(numbers(&late[1..2]), got[got.len() / 3..2 * got.len() / 3], "one by one");
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        assert!(
            (got - want).abs() < 1e-4 * want.abs().max(1.0),
            "number {i} is {got} instead of {want}: {objective:?}"
        );
    }
    for (name, want) in want_weights {
        let off = (&weights[&name] - &want).and_then(|off| off.abs()?.max_all()?.to_scalar::<f32>()).expect("numbers");
        assert!(off < 1e-3, "{name} differs by {off:e}: {objective:?}");
    }
}

#[test]
fn reports_read_late_are_those_read_at_once() {
    check(|_| {});
    check(|objective| objective.free_bits = 50.0);
    check(|objective| (objective.r_drop, objective.lambda) = (1.0, 0.0));
    check(|objective| objective.boundary_smoothing = 0.2);
    check(|objective| objective.unlabelled = UnlabelledClass::MarginalFrequencies);
    check(|objective| objective.image_reconstruction = ImageReconstruction::Contrastive);
    check(|objective| objective.image_reconstruction = ImageReconstruction::Gaussian);
    check(|objective| objective.vae = false);
}

/// `spoil` makes the third step diverge, in a number that is finite or not.
#[track_caller]
fn check_diverging(spoil: impl Fn(&mut Training), is_finite: bool) {
    let spoiled_step = |training: &mut Training| {
        let objective = training.objective.clone();
        spoil(training);
        let pending = training.step();
        (training.objective, training.image_scale) = (objective, 1.0);
        pending
    };
    composed(|| {
        let mut training = Training::new(Objective::default());
        let mut pending = vec![training.step().expect("a step"), training.step().expect("a step")];
        let before = training.state();
        pending.push(spoiled_step(&mut training).expect("it is not read"));
        assert!(training.state() == before, "it changed something");
        pending.push(training.step().expect("a step"));
        assert!(training.state() != before, "the next step is taken");
        let Err(Error::NotFinite { step, got, .. }) = read_reports(&pending) else { panic!("it diverged") };
        assert_eq!((step, got.is_finite()), (3, is_finite));
        assert_eq!(read_reports(&pending[..2]).expect("steps that were taken").len(), 2);
    });
    // On the CPU it is an error at once.
    let mut training = Training::new(Objective::default());
    let before = training.state();
    assert!(matches!(spoiled_step(&mut training), Err(Error::NotFinite { step: 1, .. })));
    assert!(training.state() == before && training.optimizer.steps() == 0);
}

#[test]
fn a_step_that_diverged_changes_nothing_and_is_named_when_it_is_read() {
    check_diverging(|training| training.image_scale = f64::NAN, false);
    check_diverging(|training| training.image_scale = f64::INFINITY, false);
    // The norm of its gradients is finite.
    check_diverging(|training| training.objective.reconstruction_weight = 1e14, true);
}

#[test]
fn a_mask_that_lets_no_row_through_has_terms_of_0() {
    composed(|| {
        let mut training = Training::new(Objective::default());
        // The bias of class 0, `O`, is beyond all others.
        let bias = Tensor::new(&[1e3f32, 0.0, 0.0], &Device::Cpu).expect("numbers");
        let of_classifier = |(name, _): &(String, _)| name == "model.classifier.bias";
        let (_, var) = training.parameters.all().into_iter().find(of_classifier).expect("the model has one");
        var.set(&bias).expect("as many classes");
        let report = training.step().and_then(PendingReport::read).expect("a step");
        assert_eq!((report.mask, report.unlabelled), (0.0, TermMeans::default()));
        assert!(report.labelled.kl_text > 0.0 && report.grad_norm > 0.0);
    });
}

#[test]
fn surprise_is_the_text_part_of_the_negative_elbo_at_the_mean() -> Result<()> {
    let objective = Objective { kl_weight: 0.5, reconstruction_weight: 2.0, free_bits: 9.0, ..Objective::default() };
    let Training { encoder, model, objective, .. } = Training::new(objective);
    let batch = batch(1.0);
    let h = encoder.forward(&batch.pieces, Mode::Eval)?;
    let mean = |rows: usize| Tensor::zeros((rows, 4), DType::F32, &Device::Cpu);
    let noise = crate::objective::Noise { z: mean(7)?, text: mean(7)?, image: mean(3)? };
    let terms = objective.score(&model, &h, &batch, &noise)?.elbo.expect("a VAE");
    let want = ((terms.mse_text * 2.0)? + (terms.kl_text * 0.5)?)?.to_vec1::<f32>()?;
    let features = model.features(&h, &batch)?;
    // Of any of the spans, in any parts.
    let mut got = Vec::new();
    for spans in [&batch.spans[..3], &batch.spans[3..]] {
        let scores = model.score(&features, &batch, spans, None)?;
        got.extend(objective.surprise(&model, &features, &scores, &batch, spans)?.to_vec1::<f32>()?);
    }
    let is_near = |(got, want): (&f32, &f32)| (got - want).abs() < 1e-5 * want.abs();
    assert!(got.len() == 7 && got.iter().zip(&want).all(is_near), "{got:?}, not {want:?}");
    Ok(())
}
