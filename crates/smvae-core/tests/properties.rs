//! What holds of every input: decoding is maximal, scores are those of a slow oracle, and what is
//! computed cleverly is what a direct computation gives.
//!
//! Beside these, the properties of tags and schemes stand with their code (`bio.rs`, `schemes`), as
//! does the enumeration of spans.

use proptest::prelude::*;
use smvae_core::decode::{Candidate, decode};
use smvae_core::metrics::{Counts, Scores};
use smvae_core::{Entity, Span};
use std::collections::BTreeMap;

fn entities() -> impl Strategy<Value = Vec<Entity>> {
    let one = (0usize..5, 1usize..3, 0usize..3);
    let entity =
        |(start, width, label): (usize, usize, usize)| Entity::new(start, start + width, ["PER", "LOC", "X-Y"][label]);
    prop::collection::vec(one.prop_map(entity), 0..8)
}

/// Counts by crossing out each gold entity that a predicted one is equal to.
fn crossed_out(gold: &[Entity], predicted: &[Entity], is_counted: impl Fn(&Entity) -> bool) -> Counts {
    let of = |entities: &[Entity]| entities.iter().filter(|entity| is_counted(entity)).cloned().collect::<Vec<_>>();
    let (mut left, predicted) = (of(gold), of(predicted));
    let mut counts = Counts { gold: left.len(), predicted: predicted.len(), correct: 0 };
    for entity in &predicted {
        if let Some(at) = left.iter().position(|other| other == entity) {
            left.remove(at);
            counts.correct += 1;
        }
    }
    counts
}

proptest! {
    /// No two kept spans share a word, and none that was left out would have had room.
    #[test]
    fn decoding_is_free_of_overlap_and_maximal(
        rows in prop::collection::vec((0usize..12, 1usize..6, 0usize..3, 0u8..5), 0..40)
    ) {
        let candidate = |&(start, width, class, score): &(usize, usize, usize, u8)| Candidate {
            span: Span::new(start, start + width), class, score: f32::from(score),
        };
        let all: Vec<Candidate> = rows.iter().map(candidate).collect();
        let kept = decode(&all);
        for (i, a) in kept.iter().enumerate() {
            prop_assert!(a.class != 0 && all.contains(a));
            prop_assert!(kept[i + 1..].iter().all(|b| !a.span.overlaps(b.span) && a.span.start < b.span.start));
        }
        for c in all.iter().filter(|c| c.class != 0) {
            let rival = kept.iter().find(|k| k.span.overlaps(c.span) && k.score >= c.score);
            prop_assert!(rival.is_some(), "{c:?} has room, or is better than what keeps it out");
        }
    }

    #[test]
    fn scores_are_those_of_a_slow_oracle(texts in prop::collection::vec((entities(), entities()), 0..6)) {
        let (mut scores, mut overall) = (Scores::default(), Counts::default());
        let mut types: BTreeMap<String, Counts> = BTreeMap::new();
        for (gold, predicted) in &texts {
            scores.add(gold, predicted);
            overall += crossed_out(gold, predicted, |_| true);
            for label in ["PER", "LOC", "X-Y"] {
                let counts = crossed_out(gold, predicted, |entity| entity.label == label);
                if counts != Counts::default() {
                    *types.entry(label.to_owned()).or_default() += counts;
                }
            }
        }
        prop_assert_eq!(scores.overall, overall);
        prop_assert_eq!(&scores.types, &types);
        let (p, r, f1) = (overall.precision(), overall.recall(), overall.f1());
        prop_assert!([p, r, f1].iter().all(|x| (0.0..=100.0).contains(x)));
        prop_assert!(f1 <= p.max(r) + 1e-9 && f1 >= p.min(r) - 1e-9);
    }
}

#[cfg(feature = "tensor")]
mod tensors {
    use super::*;
    use smvae_core::candle_core::{DType, Device, Tensor};
    use smvae_core::model::{BatchSpan, ModelConfig, SpanBatch, SpanModel};
    use smvae_core::nn::{BiLstm, Form, Parameters, attention};
    use smvae_core::vae::{Expert, Gaussian, product_of_experts};
    use smvae_core::{PackedPieces, rng};

    const LATENT: usize = 3;

    fn gaussian(numbers: &[(f32, f32)]) -> Gaussian {
        let tensor = |values: Vec<f32>| {
            let rows = values.len() / LATENT;
            Tensor::from_vec(values, (rows, LATENT), &Device::Cpu).expect("as many numbers")
        };
        let (mu, log_var): (Vec<f32>, Vec<f32>) = numbers.iter().copied().unzip();
        Gaussian::new(tensor(mu), &tensor(log_var)).expect("equal shapes")
    }

    fn flat(x: &Tensor) -> Vec<f32> {
        x.flatten_all().and_then(|x| x.to_vec1()).expect("numbers")
    }

    fn close(a: &[f32], b: &[f32], tolerance: f32) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(1.0))
    }

    fn noise(shape: (usize, usize), rng: &mut rng::Rng) -> Tensor {
        rng::standard_normal(shape, rng, &Device::Cpu).expect("noise")
    }

    fn numbers() -> impl Strategy<Value = Vec<(f32, f32)>> {
        prop::collection::vec((-5f32..5.0, -6f32..6.0), 2 * LATENT)
    }

    proptest! {
        /// In any order the product is the same, and it is nowhere wider than its narrowest expert.
        #[test]
        fn a_product_of_experts_commutes_and_narrows(a in numbers(), b in numbers(), c in numbers(), absent in 0usize..3) {
            let [a, b, c] = [a, b, c].map(|numbers| gaussian(&numbers));
            let present = Tensor::new(&[[1f32, 1.0], [0.0, 1.0], [0.0, 0.0]][absent], &Device::Cpu).expect("two rows");
            let perhaps = |gaussian| Expert { gaussian, present: Some(&present) };
            let product = |experts: &[Expert<'_>]| product_of_experts(experts).expect("equal shapes");
            let whole = product(&[(&a).into(), (&b).into(), perhaps(&c)]);
            for other in [product(&[perhaps(&c), (&b).into(), (&a).into()]), product(&[(&b).into(), perhaps(&c), (&a).into()])] {
                prop_assert!(close(&flat(&other.mu), &flat(&whole.mu), 1e-4));
                prop_assert!(close(&flat(&other.log_var), &flat(&whole.log_var), 1e-4));
            }
            // The fused way of two, against the other order.
            let (ab, ba) = (product(&[(&a).into(), (&b).into()]), product(&[(&b).into(), (&a).into()]));
            prop_assert!(close(&flat(&ab.mu), &flat(&ba.mu), 1e-4) && close(&flat(&ab.log_var), &flat(&ba.log_var), 1e-4));
            let there = flat(&present);
            for (i, width) in flat(&whole.log_var).into_iter().enumerate() {
                let of_c = if there[i / LATENT] > 0.0 { flat(&c.log_var)[i] } else { f32::INFINITY };
                let narrowest = flat(&a.log_var)[i].min(flat(&b.log_var)[i]).min(of_c);
                prop_assert!(width <= narrowest + 1e-4, "{width} is wider than {narrowest}");
                let means = [flat(&a.mu)[i], flat(&b.mu)[i], if of_c.is_finite() { flat(&c.mu)[i] } else { flat(&a.mu)[i] }];
                let (low, high) = means.iter().fold((f32::MAX, f32::MIN), |(l, h), m| (l.min(*m), h.max(*m)));
                prop_assert!((low - 1e-3..=high + 1e-3).contains(&flat(&whole.mu)[i]), "the mean lies between the means");
            }
        }

        /// A text's rows are the same packed beside others, padded, and alone.
        #[test]
        fn packed_equals_padded_and_alone(lengths in prop::collection::vec(1usize..6, 1..5), seed in 0u64..1000) {
            const WIDTH: usize = 4;
            let texts: Vec<Vec<u32>> = lengths.iter().map(|n| vec![1; *n]).collect();
            let packed = PackedPieces::new(texts.iter().map(Vec::as_slice));
            let longest = packed.layout().longest();
            let padded = packed.padded_to(longest, 0).expect("room");
            let mut rng = rng::named(seed, "rows");
            let mut random = |rows: usize| noise((rows, WIDTH), &mut rng);
            let qkv: Vec<Tensor> = (0..3).map(|_| random(packed.layout().n_rows())).collect();
            // The same rows with others, which nobody may look at, after those of each text.
            let spread: Vec<Tensor> = qkv.iter().map(|x| {
                let padding = random(padded.layout().n_rows());
                let parts = (0..lengths.len()).flat_map(|t| {
                    let (from, to) = (packed.layout().rows(t), padded.layout().rows(t));
                    let rest = to.len() - from.len();
                    let own = x.narrow(0, from.start, from.len()).expect("its rows");
                    let filled = (rest > 0).then(|| padding.narrow(0, to.start, rest).expect("rows of padding"));
                    std::iter::once(own).chain(filled)
                });
                Tensor::cat(&parts.collect::<Vec<_>>(), 0).expect("equal widths")
            }).collect();
            let attend = |x: &[Tensor], pieces: &PackedPieces| {
                attention(&x[0], &x[1], &x[2], 2, pieces.layout(), None).expect("equal shapes")
            };
            let parameters = Parameters::new(seed, &Device::Cpu);
            let lstm = BiLstm::load(WIDTH, 3, parameters.builder(DType::F32)).expect("new parameters");
            let recur = |x: &Tensor, pieces: &PackedPieces| {
                let texts = 0..pieces.layout().n_texts();
                let real: Vec<_> = texts.map(|t| pieces.layout().real_rows(t)).collect();
                lstm.forward(x, &real).expect("its width")
            };
            let here = [attend(&qkv, &packed), recur(&qkv[0], &packed)];
            let there = [attend(&spread, &padded), recur(&spread[0], &padded)];
            for t in 0..lengths.len() {
                let rows = |x: &Tensor, pieces: &PackedPieces| {
                    flat(&x.narrow(0, pieces.layout().rows(t).start, lengths[t]).expect("its rows"))
                };
                let alone = PackedPieces::new([&texts[t][..]]);
                let own: Vec<Tensor> =
                    qkv.iter().map(|x| x.narrow(0, packed.layout().rows(t).start, lengths[t]).expect("rows")).collect();
                let apart = [attend(&own, &alone), recur(&own[0], &alone)];
                for ((here, there), apart) in here.iter().zip(&there).zip(&apart) {
                    prop_assert!(close(&rows(here, &packed), &rows(there, &padded), 1e-5), "padded");
                    prop_assert!(close(&rows(here, &packed), &flat(apart), 1e-5), "alone");
                }
            }
        }

        /// The span layer in parts, per piece, word and span, is that of each span's whole vector.
        #[test]
        fn what_is_factorised_equals_the_formula(
            lengths in prop::collection::vec(1usize..5, 1..4),
            seed in 0u64..1000,
            (image_in_classifier, image_gate, biaffine) in any::<(bool, bool, bool)>(),
        ) {
            let mut config = ModelConfig::default();
            (config.image_in_classifier, config.image_gate) = (image_in_classifier, image_gate);
            config.biaffine_dim = biaffine.then_some(2);
            (config.hidden_dim, config.latent_dim, config.image_dim) = (3, LATENT, Some(2));
            let parameters = Parameters::new(seed, &Device::Cpu);
            let model = SpanModel::load_for_prediction(&config, 4, 5, &parameters.builder(DType::F32)).expect("loads");
            let batch = batch(&lengths, seed);
            let h = noise((batch.pieces.layout().n_rows(), 4), &mut rng::named(seed, "h"));
            let features = model.features(&h, &batch).expect("a batch that fits");
            let scores = model.score(&features, &batch, &batch.spans, None).expect("its spans");
            let naive = Naive::new(&model, &parameters, &h, &batch);
            let logits: Vec<Vec<f32>> = scores.logits.to_vec2().expect("a matrix");
            for (span, got) in batch.spans.iter().zip(&logits) {
                let want = naive.logits(&batch, span);
                prop_assert!(close(got, &want, 1e-4), "{span:?}: {got:?}, not {want:?}");
            }
        }
    }

    /// At widths for which a CPU with AVX-512 has an arrangement, and on any other trivially.
    #[test]
    fn a_model_that_is_prepared_in_f32_has_the_same_bits() {
        let mut config = ModelConfig::default();
        (config.hidden_dim, config.latent_dim, config.image_dim) = (33, LATENT, Some(2));
        let parameters = Parameters::new(3, &Device::Cpu);
        SpanModel::load(&config, 40, 5, &parameters.builder(DType::F32)).expect("fresh");
        let mut model = SpanModel::load_for_prediction(&config, 40, 5, &parameters.frozen_builder(DType::F32))
            .expect("the same parameters");
        let batch = batch(&[4, 1, 3], 3);
        let h = noise((batch.pieces.layout().n_rows(), 40), &mut rng::named(3, "h"));
        let logits = |model: &SpanModel| -> Vec<Vec<f32>> {
            let features = model.features(&h, &batch).expect("a batch that fits");
            model.score(&features, &batch, &batch.spans, None).expect("its spans").logits.to_vec2().expect("a matrix")
        };
        let plain = logits(&model);
        model.prepare(Form::F32).expect("f32 on the CPU");
        assert!(logits(&model) == plain);
    }

    /// Texts of so many words of one and two pieces; every second one has an image; all spans.
    fn batch(lengths: &[usize], seed: u64) -> SpanBatch {
        let (mut texts, mut words, mut spans) = (Vec::new(), Vec::new(), Vec::new());
        let mut row = 0;
        for (text, n) in lengths.iter().enumerate() {
            let first = words.len();
            let start = row;
            row += 1;
            for word in 0..*n {
                let pieces = 1 + (word + seed as usize) % 2;
                words.push(row..row + pieces);
                row += pieces;
            }
            row += 1;
            texts.push(vec![1; row - start]);
            for a in first..words.len() {
                spans.extend((a + 1..=words.len()).map(|b| BatchSpan { text, words: Span::new(a, b) }));
            }
        }
        let has_image: Vec<bool> = (0..lengths.len()).map(|text| text % 2 == 0).collect();
        let images = noise((lengths.len(), 2), &mut rng::named(seed, "images"));
        let pieces = PackedPieces::new(texts.iter().map(Vec::as_slice));
        SpanBatch { pieces, words, shapes: Vec::new(), spans, images: Some(images), has_image }
    }

    /// The formulas of `span_model.rs`, span by span and number by number.
    struct Naive {
        parameters: BTreeMap<String, Tensor>,
        h1: Vec<Vec<f32>>,
        h2: Vec<Vec<f32>>,
        images: Vec<Vec<f32>>,
    }

    impl Naive {
        fn new(model: &SpanModel, parameters: &Parameters, h: &Tensor, batch: &SpanBatch) -> Self {
            let [h1, h2] = model.recurrent(h, h, batch.pieces.layout()).expect("its width");
            let rows = |x: &Tensor| x.to_vec2().expect("a matrix");
            let images = rows(batch.images.as_ref().expect("it has some"));
            Self { parameters: parameters.snapshot().expect("numbers"), h1: rows(&h1), h2: rows(&h2), images }
        }

        fn linear(&self, name: &str, x: &[f32]) -> Vec<f32> {
            let weight: Vec<Vec<f32>> = self.parameters[&format!("{name}.weight")].to_vec2().expect("a matrix");
            let bias = flat(&self.parameters[&format!("{name}.bias")]);
            weight.iter().zip(bias).map(|(row, b)| b + row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>()).collect()
        }

        fn expert(&self, name: &str, x: &[f32]) -> [Vec<f32>; 2] {
            let hidden = leaky(&self.linear(&format!("{name}.hidden"), x));
            ["mu", "log_var"].map(|head| self.linear(&format!("{name}.{head}"), &hidden))
        }

        fn logits(&self, batch: &SpanBatch, span: &BatchSpan) -> Vec<f32> {
            let word = |at: usize| batch.words[at].clone();
            let (first, last) = (word(span.words.start), word(span.words.end - 1));
            let pieces = mean(&self.h1[first.start..last.end]);
            let [mu, log_var] = self.expert("text_expert", &pieces);
            let (has_image, gate) = (batch.has_image[span.text], self.gate(&pieces));
            let z: Vec<f32> = if has_image {
                let [image_mu, image_log_var] = self.expert("image_expert", &self.images[span.text]);
                let fuse = |i: usize| {
                    let (a, b) = ((-log_var[i]).exp(), gate * (-image_log_var[i]).exp());
                    (a * mu[i] + b * image_mu[i]) / (a + b)
                };
                (0..mu.len()).map(fuse).collect()
            } else {
                mu
            };
            let (s, e) = (mean(&self.h2[first]), mean(&self.h2[last]));
            let biaffine = self.has("biaffine.classes").then(|| self.biaffine(&s, &e));
            let pairs = || s.iter().zip(&e);
            let difference: Vec<f32> = pairs().map(|(s, e)| s - e).collect();
            let product: Vec<f32> = pairs().map(|(s, e)| s * e).collect();
            let whole = [z, s.clone(), e.clone(), difference, product].concat();
            let mut hidden = self.linear("span_hidden", &whole);
            if has_image && self.has("image_input.hidden") {
                let seen = leaky(&self.linear("image_input.hidden", &self.images[span.text]));
                let seen = self.linear("image_input.output", &seen);
                hidden.iter_mut().zip(seen).for_each(|(h, seen)| *h += gate * seen);
            }
            let mut logits = self.linear("classifier", &leaky(&hidden));
            logits.iter_mut().zip(biaffine.into_iter().flatten()).for_each(|(logit, score)| *logit += score);
            logits
        }

        /// The biaffine score of each class for a first and a last word.
        fn biaffine(&self, s: &[f32], e: &[f32]) -> Vec<f32> {
            let (s, e) = (leaky(&self.linear("biaffine.first", s)), leaky(&self.linear("biaffine.last", e)));
            let of_classes = self.linear("biaffine.classes", &s);
            of_classes.chunks(e.len()).map(|u| u.iter().zip(&e).map(|(u, e)| u * e).sum()).collect()
        }

        /// How much of the image counts for a span of these pieces.
        fn gate(&self, pieces: &[f32]) -> f32 {
            if !self.has("image_gate") {
                return 1.0;
            }
            let hidden = leaky(&self.linear("text_expert.hidden", pieces));
            1.0 / (1.0 + (-self.linear("image_gate", &hidden)[0]).exp())
        }

        fn has(&self, layer: &str) -> bool {
            self.parameters.contains_key(&format!("{layer}.weight"))
        }
    }

    fn leaky(x: &[f32]) -> Vec<f32> {
        x.iter().map(|x| if *x < 0.0 { 0.2 * x } else { *x }).collect()
    }

    fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
        (0..rows[0].len()).map(|i| rows.iter().map(|row| row[i]).sum::<f32>() / rows.len() as f32).collect()
    }
}
