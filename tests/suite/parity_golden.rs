//! One training step of the authors' program, supervised and semi-supervised, and the same one of
//! ours: what every network puts out, every loss term of every row, the gradient of every variable,
//! the weights after steps of Adam.
//!
//! A row of theirs is a text of its own with one span, padded; so rows are texts here, and the
//! noise of the decoders is one draw per row for both. Tolerances and their reasons are in
//! `tests/golden/README.md`.

use crate::device::device;
use crate::golden;
use crate::keras::Manifest;
use smvae_core::candle_core::{D, DType, Device, Result, Tensor};
use smvae_core::model::{BatchSpan, SpanBatch, SpanModel};
use smvae_core::nn::{Parameters, segment_mean};
use smvae_core::objective::{Counted, Noise, Objective, Scored, entity_mask};
use smvae_core::optim::Adam;
use smvae_core::step::{LabelledBatch, Networks, StepLoss, UnlabelledBatch, step_loss};
use smvae_core::{Mode, PackedPieces, Span};
use smvae_encoders::text::Transformer;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

const INTERMEDIATE: f64 = 2e-5;
const OUTPUT: f64 = 1e-5;
const GRADIENT: f64 = 1e-4;
const WEIGHT: f64 = 2e-4;
/// The gradient of an attention key bias is zero but for rounding.
const KEY_BIAS: f64 = 1e-5;

#[test]
fn golden_outputs_are_the_authors() -> Result<()> {
    for name in ["supervised", "semi"] {
        let case = Case::load(name)?;
        assert!(case.model.decoders.is_some(), "{name}: a model to train");
        for (part, batch) in case.batches() {
            check_outputs(&case, part, batch)?;
        }
    }
    Ok(())
}

/// What the networks put out for a batch; without decoders, everything up to the class
/// probabilities.
pub(crate) fn check_outputs(case: &Case, part: &str, batch: &SpanBatch) -> Result<()> {
    let context = format!("{}, {part}", case.name);
    let check = |what: &str, ours: &Tensor, tolerance| {
        let key = format!("{part}/{what}");
        close(ours, &case.arrays[&key], tolerance, &format!("{}: {key}", case.name));
    };
    let h = case.bert.encode(&batch.pieces, Mode::Eval).expect("pieces of its vocabulary");
    let layout = batch.pieces.layout();
    check("inter/bert_output", &h, INTERMEDIATE);
    let [h1, h2] = case.model.recurrent(&h, &h, layout).expect("vectors of the pieces");
    check("inter/bilstm2_output", &h2, INTERMEDIATE);
    // Over a long padding the first LSTM amplifies the rounding of its input tenfold (theirs, too,
    // is 2e-5 from f64 there); so the chain is compared as a whole, and every number from their own
    // BERT output.
    let theirs = case.array(part, "inter/bilstm1_output").reshape(h1.dims())?;
    let relative = norm(&(&h1 - &theirs)?) / norm(&theirs);
    assert!(relative <= INTERMEDIATE, "{context}: the first LSTM's outputs differ by {relative:e} of their norm");
    let their_h = case.array(part, "inter/bert_output").reshape(h.dims())?;
    let [from_theirs, _] = case.model.recurrent(&their_h, &their_h, layout).expect("vectors of the pieces");
    check("inter/bilstm1_output", &from_theirs, INTERMEDIATE);
    let ranges = spans_to_the_left(batch);
    check("inter/span_global_feature_bilstm1", &segment_mean(&h1, &ranges)?, INTERMEDIATE);

    let features = case.model.features(&h, batch).expect("vectors of the pieces");
    let noise = case.noise(1, part);
    let scores = case.model.score(&features, batch, &batch.spans, Some(&noise.z)).expect("spans of the batch");
    let image = features.image.as_ref().expect("every text has an image");
    let p = softmax(&scores.logits)?;
    let targets = case.model.targets(&features, batch, &batch.spans).expect("spans of the batch");
    check("out/original_span_feature", &targets, OUTPUT);
    check("out/txt_mu", &scores.text.mu, OUTPUT);
    check("out/txt_logvar", &scores.text.log_var, OUTPUT);
    check("out/original_img_feature", batch.images.as_ref().expect("every text has an image"), OUTPUT);
    check("out/img_mu", &image.mu, OUTPUT);
    check("out/img_logvar", &image.log_var, OUTPUT);
    check("out/fusion_mu", &scores.fused.mu, OUTPUT);
    check("out/fusion_logvar", &scores.fused.log_var, OUTPUT);
    let theirs = case.manifest.reorder(case.array(part, "out/logits"), 1)?;
    close(&p, &theirs, OUTPUT, &format!("{context}: out/logits"));

    let Some(decoders) = &case.model.decoders else { return Ok(()) };
    let z_text = scores.text.sample(&noise.text).expect("noise of its shape");
    let z_image = image.sample(&noise.image).expect("noise of its shape");
    check("loss/z_txt", &z_text, OUTPUT);
    check("loss/z_img", &z_image, OUTPUT);
    check("loss/dec4txt_out", &decoders.text(&p, &z_text).expect("its inputs"), OUTPUT);
    let decoded = decoders.image(&z_image).expect("its input").expect("a model with images");
    check("loss/dec4img_out", &decoded, OUTPUT);
    Ok(())
}

#[test]
fn golden_losses_are_the_authors() -> Result<()> {
    for name in ["supervised", "semi"] {
        let case = Case::load(name)?;
        let step = case.loss(1);
        check_terms(&case, "labelled", &step.labelled);
        close_losses(&step.ce, case.array("labelled", "loss/ce"), &format!("{name}: ce"));
        if let Some(unlabelled) = &step.unlabelled {
            check_terms(&case, "unlabelled", unlabelled);
            let mask = entity_mask(&unlabelled.scores.logits).expect("a matrix");
            assert_eq!(mask.to_vec1::<f32>()?, case.array("unlabelled", "mask").to_vec1::<f32>()?, "{name}: mask");
        }
        let total = case.arrays["loss_per_step"].get(0)?;
        close_losses(&step.loss, &total, &format!("{name}: total"));
    }
    Ok(())
}

#[track_caller]
fn check_terms(case: &Case, part: &str, scored: &Scored) {
    let elbo = scored.elbo.as_ref().expect("the objective has the terms");
    let terms = [
        ("recon_txt", &elbo.mse_text),
        ("recon_img", &elbo.mse_image),
        ("kl_txt", &elbo.kl_text),
        ("kl_img", &elbo.kl_image),
        ("kl_fusion", &elbo.kl_fused),
    ];
    for (name, ours) in terms {
        let mut theirs = case.array(part, &format!("loss/{name}")).clone();
        let mut ours = ours.clone();
        match &scored.counted {
            Counted::All => {}
            Counted::Rows(rows) => theirs = theirs.index_select(rows, 0).expect("rows of the batch"),
            Counted::Mask(mask) => {
                ours = (ours * mask).expect("as many rows");
                theirs = (theirs * mask).expect("as many rows");
            }
        }
        close_losses(&ours, &theirs, &format!("{}, {part}: {name}", case.name));
    }
}

#[test]
fn golden_gradients_are_the_authors() -> Result<()> {
    for name in ["supervised", "semi"] {
        let case = Case::load(name)?;
        let grads = case.loss(1).loss.backward()?;
        let vars: BTreeMap<_, _> = case.parameters.all().into_iter().collect();
        let variables = case.manifest.variables();
        assert_eq!(variables.len(), vars.len(), "{name}: as many variables as parameters");
        for variable in variables {
            let context = format!("{name}: gradient of {} ({})", variable.keras, variable.ours);
            let ours = grads.get(&vars[&variable.ours]).unwrap_or_else(|| panic!("{context}: none"));
            let theirs = case.manifest.convert(&variable, &case.arrays[&format!("grad/{}", variable.keras)])?;
            if is_key_bias(&variable.ours) {
                let largest = largest(ours);
                assert!(largest < KEY_BIAS, "{context}: {largest:e}, not zero");
                continue;
            }
            let relative = norm(&(ours - &theirs)?) / norm(&theirs);
            assert!(relative <= GRADIENT, "{context}: differs by {relative:e} of its norm");
        }
    }
    Ok(())
}

#[test]
fn golden_weights_after_adam_are_the_authors() -> Result<()> {
    for name in ["supervised", "semi"] {
        let case = Case::load(name)?;
        let weights = arrays(&golden::folder(), &format!("{name}_adam_weights"));
        let (config, rate) = case.manifest.adam();
        let mut adam = Adam::new(case.parameters.all(), |_| 0, config).expect("f32 parameters");
        let n_steps = case.arrays["loss_per_step"].dim(0)?;
        for k in 1..=n_steps {
            let step = case.loss(k);
            // From the second step on, the weights differ a little, and so do the losses.
            close(&step.loss, &case.arrays["loss_per_step"].get(k - 1)?, WEIGHT, &format!("{name}: loss {k}"));
            adam.step(&step.loss.backward()?, &[rate]).expect("finite gradients");
            let ours = case.parameters.snapshot()?;
            // Adam turns the key biases' rounding into steps of full length, in whatever direction.
            for variable in case.manifest.variables().iter().filter(|v| !is_key_bias(&v.ours)) {
                if let Some(theirs) = weights.get(&format!("step{k}/{}", variable.keras)) {
                    let context = format!("{name}, step {k}: {} ({})", variable.keras, variable.ours);
                    close(&ours[&variable.ours], &case.manifest.convert(variable, theirs)?, WEIGHT, &context);
                }
            }
        }
        let last = format!("step{n_steps}/");
        assert!(weights.keys().any(|key| key.starts_with(&last)), "{name}: no weights after step {n_steps}");
    }
    Ok(())
}

/// One golden step with networks of the authors' initial weights.
pub(crate) struct Case {
    name: &'static str,
    pub(crate) manifest: Manifest,
    arrays: HashMap<String, Tensor>,
    pub(crate) parameters: Parameters,
    pub(crate) bert: Transformer,
    pub(crate) model: SpanModel,
    labelled: LabelledBatch,
    unlabelled: Option<UnlabelledBatch>,
}

impl Case {
    #[track_caller]
    fn load(name: &'static str) -> Result<Self> {
        Self::load_from(&golden::folder(), name)
    }

    /// A step of the golden files in a folder.
    #[track_caller]
    pub(crate) fn load_from(folder: &Path, name: &'static str) -> Result<Self> {
        let manifest: Manifest = golden::parse(&folder.join("manifest.json"));
        let (arrays, weights) = (arrays(folder, name), arrays(folder, "weights"));
        let parameters = Parameters::new(0, &device());
        for variable in manifest.variables() {
            parameters.insert(&variable.ours, &manifest.convert(&variable, &weights[&variable.keras])?)?;
        }
        let config = manifest.bert();
        let vb = parameters.builder(DType::F32);
        let bert = Transformer::load(&config, vb.pp("encoder")).expect("their weights fit");
        let model = manifest.model(arrays["labelled/indices"].dim(1)?);
        let model = SpanModel::load(&model, config.hidden_size, manifest.n_classes(), &vb.pp("model"))
            .expect("their weights fit");
        let targets = manifest.reorder(&arrays["labelled/label"], 1)?.argmax(D::Minus1)?.to_vec1()?;
        let labelled = LabelledBatch { batch: batch(&arrays, "labelled")?, targets };
        let has_unlabelled = arrays.contains_key("unlabelled/indices");
        let unlabelled = if has_unlabelled { Some(batch(&arrays, "unlabelled")?.into()) } else { None };
        Ok(Self { name, manifest, arrays, parameters, bert, model, labelled, unlabelled })
    }

    fn array(&self, part: &str, name: &str) -> &Tensor {
        &self.arrays[&format!("{part}/{name}")]
    }

    pub(crate) fn batches(&self) -> impl Iterator<Item = (&'static str, &SpanBatch)> {
        let unlabelled = self.unlabelled.as_ref().map(|unlabelled| ("unlabelled", &unlabelled.batch));
        std::iter::once(("labelled", &self.labelled.batch)).chain(unlabelled)
    }

    /// The recorded draws of a step, counted from 1; the decoders' serve both halves of a
    /// semi-supervised batch.
    fn noise(&self, step: usize, part: &str) -> Noise {
        let draw = |name: &str| self.arrays[&format!("step{step}/noise_{name}")].clone();
        Noise { z: draw(&format!("enc_{part}")), text: draw("z"), image: draw("z") }
    }

    #[track_caller]
    fn loss(&self, step: usize) -> StepLoss {
        let gamma = 1.0 - self.manifest.semi_gamma.ln();
        let mut objective = Objective::default();
        (objective.gamma, objective.lambda) = (gamma, self.manifest.semi_lambda);
        let networks = Networks { encoder: &self.bert, model: &self.model };
        let labelled_noise = self.noise(step, "labelled");
        let noise = self.unlabelled.as_ref().map(|_| self.noise(step, "unlabelled"));
        let unlabelled = self.unlabelled.as_ref().zip(noise.as_ref());
        step_loss(networks, &objective, (&self.labelled, &labelled_noise), unlabelled, Mode::Eval)
            .expect("a batch that fits the networks")
    }
}

/// A batch with one text and one span per row. Of a text's words only a span's first and last
/// matter, so these are all it has here.
fn batch(arrays: &HashMap<String, Tensor>, part: &str) -> Result<SpanBatch> {
    let rows = |name: &str| -> Result<Vec<Vec<i32>>> { arrays[&format!("{part}/{name}")].to_vec2() };
    let ids: Vec<Vec<u32>> = rows("indices")?.iter().map(|row| row.iter().map(|id| *id as u32).collect()).collect();
    let pad_to = ids[0].len();
    let texts = ids.iter().map(|row| &row[..row.iter().take_while(|id| **id != 0).count()]);
    let pieces = PackedPieces::new(texts).padded_to(pad_to, 0).expect("no text is longer than its row");
    assert_eq!(pieces.ids(), ids.concat(), "{part}: pads only at the end");

    let (mut words, mut spans) = (Vec::new(), Vec::new());
    let (first, last) = (rows("start_mask")?, rows("end_mask")?);
    for (text, (first, last)) in first.iter().zip(&last).enumerate() {
        let start = words.len();
        let at = |row: &[i32]| shift(&ones(row), (text * pad_to) as isize);
        words.push(at(first));
        if first != last {
            words.push(at(last));
        }
        spans.push(BatchSpan { text, words: Span::new(start, words.len()) });
    }
    let images = Some(arrays[&format!("{part}/img")].clone());
    let batch =
        SpanBatch { has_image: vec![true; pieces.layout().n_texts()], pieces, words, shapes: vec![], spans, images };
    for ((text, row), range) in rows("full_mask")?.iter().enumerate().zip(spans_to_the_left(&batch)) {
        assert_eq!(range, shift(&ones(row), (text * pad_to) as isize), "{part}: the mask of span {text}");
    }
    Ok(batch)
}

/// The pieces of each span, one piece further left, as their program has them.
fn spans_to_the_left(batch: &SpanBatch) -> Vec<Range<usize>> {
    let pieces = |span: &BatchSpan| batch.words[span.words.start].start..batch.words[span.words.end - 1].end;
    batch.spans.iter().map(|span| shift(&pieces(span), -1)).collect()
}

fn shift(range: &Range<usize>, by: isize) -> Range<usize> {
    range.start.strict_add_signed(by)..range.end.strict_add_signed(by)
}

/// The range of a mask's ones.
#[track_caller]
fn ones(mask: &[i32]) -> Range<usize> {
    let start = mask.iter().position(|m| *m == 1).expect("a mask has a one");
    let end = start + mask[start..].iter().take_while(|m| **m == 1).count();
    assert!(mask[end..].iter().all(|m| *m == 0), "a mask has one range of ones");
    start..end
}

/// Arrays of a file; whole numbers, which tests read, stay on the CPU.
#[track_caller]
fn arrays(folder: &Path, name: &str) -> HashMap<String, Tensor> {
    let path = folder.join(format!("{name}.safetensors"));
    let arrays = smvae_core::candle_core::safetensors::load(&path, &Device::Cpu);
    let arrays = arrays.unwrap_or_else(|e| panic!("{}: {e}", path.display())).into_iter();
    let place = |x: Tensor| if x.dtype() == DType::F32 { x.to_device(&device()) } else { Ok(x) };
    arrays.map(|(key, x)| (key, place(x).expect("a copy"))).collect()
}

fn is_key_bias(name: &str) -> bool {
    name.ends_with("attention.self.key.bias")
}

fn softmax(logits: &Tensor) -> Result<Tensor> {
    let e = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
    e.broadcast_div(&e.sum_keepdim(D::Minus1)?)
}

/// Compares all elements, in row-major order whatever the shapes.
#[track_caller]
fn close(ours: &Tensor, theirs: &Tensor, tolerance: f64, context: &str) {
    assert_eq!(ours.elem_count(), theirs.elem_count(), "{context}");
    let difference = ours.reshape(theirs.dims()).and_then(|ours| ours - theirs).expect("as many elements");
    let largest = largest(&difference);
    assert!(largest <= tolerance, "{context}: differs by {largest:e}, more than {tolerance:e}");
}

/// Losses are sums: where they exceed 1, their rounding grows with them.
#[track_caller]
fn close_losses(ours: &Tensor, theirs: &Tensor, context: &str) {
    close(ours, theirs, OUTPUT * largest(theirs).max(1.0), context);
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().and_then(|x| x.to_vec1()).expect("f32 numbers")
}

/// The largest absolute value; NaN if there is one.
fn largest(x: &Tensor) -> f64 {
    values(x).into_iter().map(|v| f64::from(v).abs()).fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
}

fn norm(x: &Tensor) -> f64 {
    values(x).into_iter().map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}
