//! Rows by index, features of spans, Gaussians and what a loss is made of, in every form; edges of
//! kernels; and the loss of a step under each objective, with all its gradients.
#![expect(clippy::single_range_in_vec_init, reason = "one range is an edge")]

use super::super::select::select_rows;
use super::*;
use crate::objective::{Noise, UnlabelledClass, disagreement, entity_mask, soft_cross_entropy};
use crate::step::{UnlabelledBatch, step_loss};
use crate::vae::{ElboTerms, LossWeights, mean_of_experts};

#[test]
fn rows_of_tables() {
    // Rows that many positions share, rows wider than a warp, and a table of one number.
    let often: Vec<u32> = (0..130).map(|i| if i % 3 == 0 { 4 } else { i % 7 }).collect();
    check(&[&[7, 33]], |t| embedding(&t[0], &often));
    check(&[&[7, 257]], |t| embedding(&t[0], &often[..9]));
    check(&[&[1, 1]], |t| embedding(&t[0], &[0, 0]));
    let ids = [&[1, 0, 1, 2][..], &[0, 0, 0, 0], &[2, 3, 4, 3]];
    for n in 1..=3 {
        check(&[&[3, 33][..], &[1, 33], &[5, 33]][..n], |t| embedding_sum(&t.iter().zip(ids).collect::<Vec<_>>()));
    }
    // A fourth table is added by candle.
    check(&[&[3, 3][..]; 4], |t| embedding_sum(&t.iter().map(|table| (table, ids[0])).collect::<Vec<_>>()));
}

#[test]
fn tables_that_cannot_be_added_up_are_errors() {
    let table = |rows: usize, d: usize| noise("table", (rows, d)).to_device(&device()).expect("a copy");
    let (a, b, wide) = (table(3, 2), table(2, 2), table(3, 4));
    let wrong: [&[(&Tensor, &[u32])]; 4] =
        [&[], &[(&a, &[0, 1]), (&b, &[0])], &[(&a, &[0]), (&wide, &[0])], &[(&a, &[2]), (&b, &[2])]];
    for lookups in wrong {
        assert!(embedding_sum(lookups).is_err() && composed(|| embedding_sum(lookups)).is_err());
        with_kernels(|_| assert!(embedding_sum(lookups).is_err()));
    }
}

#[test]
fn gradients_of_a_table_are_added_up_where_they_are_kept() {
    let want = {
        let table = Var::from_tensor(&noise("table", (5, 3))).expect("a variable");
        let loss = looked_up_twice(&table).expect("the fused form");
        loss.backward().expect("a backward pass").remove(&table).expect("a gradient")
    };
    with_kernels(|_| {
        let table = Var::from_tensor(&noise("table", (5, 3)).to_device(&device()).expect("a copy"));
        let table = table.expect("a variable");
        let mut gradients = Gradients::default();
        // Nothing is left of an earlier pass.
        for _ in 0..2 {
            gradients.backward(&looked_up_twice(&table).expect("kernels")).expect("a backward pass");
            let got = gradients.get(&table).expect("a copy").expect("a gradient");
            assert!(difference(&got, &want) < TOLERANCE, "{got} instead of {want}");
        }
    });
}

fn looked_up_twice(table: &Tensor) -> Result<Tensor> {
    let parts = [embedding(table, &[3, 0, 3])?, embedding(table, &[4, 3])?, table.clone()];
    Tensor::cat(&parts, 0)?.sqr()?.sum_all()
}

#[test]
fn rows_by_an_index_on_the_device() {
    for (rows, d, n) in [(3u32, 5, 7), (1, 1, 1), (4, 33, 70), (2, 257, 100)] {
        let index = |device: &Device| Tensor::from_iter((0..n).map(|i| (i * i + 1) % rows), device);
        for shape in [&[rows as usize, d][..], &[rows as usize]] {
            let column = |y: Tensor| if y.rank() == 1 { y.unsqueeze(1) } else { Ok(y) };
            check(&[shape], |t| column(select_rows(&t[0], &index(t[0].device())?, None)?));
            check(&[shape], |t| {
                let factor = noise("factor", n as usize).to_device(t[0].device())?;
                column(select_rows(&t[0], &index(t[0].device())?, Some(&factor))?)
            });
        }
    }
}

#[test]
fn means_over_many_and_over_single_rows() {
    let many: Vec<_> = (0..20).map(|i| i / 2..i / 2 + 1 + (7 * i) % 11).collect();
    for d in [1, 33, 257] {
        check(&[&[30, d]], |t| segment_mean(&t[0], &many));
    }
    check(&[&[1, 1]], |t| segment_mean(&t[0], &[0..1]));
}

#[test]
fn pairs_of_wide_and_of_single_rows() {
    let pairs = Pairs::new([(0, 1), (2, 2), (0, 1), (3, 0), (3, 3)]);
    for d in [1, 33, 257] {
        // The last row is in no pair.
        check(&[&[5, d], &[5, d]], |t| pair_sum(&t[0], &t[1], &pairs));
        check(&[&[5, d]], |t| pair_product(&t[0], &pairs));
    }
    let one = Pairs::new([(0, 0)]);
    check(&[&[1, 1], &[1, 1]], |t| pair_sum(&t[0], &t[1], &one));
    check(&[&[1, 1]], |t| pair_product(&t[0], &one));
}

#[test]
fn kernels_leave_other_number_types_and_nothing_at_all_to_the_composed_form() {
    let of = |dtype| Tensor::ones((2, 3), dtype, &device()).expect("ones");
    let (wide, narrow) = (of(DType::F64), of(DType::F32));
    with_kernels(|_| {
        let mean = segment_mean(&wide, &[0..2]).and_then(|mean| mean.to_vec2::<f64>());
        assert_eq!(mean.expect("f64"), [[1.0; 3]]);
        // What needs no gradient.
        assert_eq!(embedding(&narrow, &[1]).and_then(|row| row.to_vec2::<f32>()).expect("a row"), [[1.0; 3]]);
        assert_eq!(segment_mean(&narrow, &[]).expect("no range").dims(), [0, 3]);
        if device().is_cpu() {
            // A driver refuses to upload nothing.
            assert_eq!(pair_product(&narrow, &Pairs::new([])).expect("no pair").dims(), [0, 3]);
            assert_eq!(embedding(&narrow, &[]).expect("no id").dims(), [0, 3]);
        }
    });
}

fn gaussian(t: &[Tensor]) -> Gaussian {
    Gaussian::new(t[0].clone(), &t[1]).expect("one shape")
}

#[test]
fn samples_and_clamps() {
    for shape in [&[6, 3][..], &[1, 1], &[3, 257]] {
        check(&[shape, shape], |t| {
            let noise = noise("z", shape).to_device(t[0].device())?;
            Ok(gaussian(t).sample(&noise).expect("noise of its shape"))
        });
        // A third of them lies outside.
        check(&[shape], |t| Ok(gaussian(&[t[0].detach(), (&t[0] * 50.0)?]).log_var));
    }
}

#[test]
fn divergences_of_one_row_and_of_wide_ones() {
    for shape in [&[1, 1][..], &[2, 33], &[70, 2], &[3, 257]] {
        check(&[shape, shape], |t| kl_standard_normal(&gaussian(t)).expect("one shape").unsqueeze(1));
        check(&[shape, shape], |t| {
            let factor = noise("factor", shape[0]).to_device(t[0].device())?;
            let kl = crate::vae::kl_standard_normal_times(&gaussian(t), &factor);
            kl.expect("as many factors").unsqueeze(1)
        });
    }
}

#[test]
fn products_of_experts_that_all_rows_have_and_that_some_have() {
    for (rows, d) in [(1, 1), (5, 33), (3, 257)] {
        let shape = &[rows, d][..];
        for some in [false, true] {
            let fused = |t: &[Tensor]| -> Result<Tensor> {
                let present = Tensor::from_iter((0..rows).map(|row| (row % 2) as f32), t[0].device())?;
                let image = Expert { present: some.then_some(&present), gaussian: &gaussian(&t[2..]) };
                let fused = product_of_experts(&[(&gaussian(t)).into(), image.clone()]).expect("two experts");
                let mean = mean_of_experts(&gaussian(t), &image).expect("two experts");
                Tensor::cat(&[fused.mu, fused.log_var, mean.mu], 1)
            };
            check(&[shape; 4], fused);
        }
    }
}

#[test]
fn weighted_terms_and_their_floor() {
    for free_bits in [0.0, 0.5] {
        let weights = LossWeights { reconstruction: 0.7, kl: 0.3, free_bits };
        for rows in [1, 40, 300] {
            check(&[&[rows][..]; 5], |t| {
                let [mse_text, mse_image, kl_text, kl_image, kl_fused] = t.to_vec().try_into().expect("five");
                let terms = ElboTerms { mse_text, mse_image, kl_text, kl_image, kl_fused };
                Ok(terms.weighted_sum(weights).expect("as many rows"))
            });
        }
    }
}

#[test]
fn losses_against_soft_labels_and_the_mask() {
    for shape in [&[1, 1][..], &[5, 3], &[3, 70]] {
        check(&[shape], |t| {
            let targets = candle_nn::ops::softmax(&noise("targets", shape).to_device(t[0].device())?, 1)?;
            // The last row counts as 0.
            let targets = targets.pad_with_zeros(0, 0, 1)?.narrow(0, 1, shape[0])?;
            soft_cross_entropy(&t[0], &targets).expect("one shape").unsqueeze(1)
        });
        let logits = noise("logits", shape);
        let want = entity_mask(&logits).and_then(|mask| Ok(mask.to_vec1::<f32>()?)).expect("a mask");
        with_kernels(|_| {
            let mask = logits.to_device(&device()).map_err(Into::into).and_then(|logits| entity_mask(&logits));
            assert_eq!(mask.and_then(|mask| Ok(mask.to_vec1::<f32>()?)).expect("a mask"), want);
        });
    }
    check(&[&[4, 3], &[4, 3]], |t| disagreement(&t[0], &t[1]).expect("one shape").unsqueeze(1));
}

/// The loss of a step and the gradients of all parameters.
fn loss_and_gradients(device: &Device, objective: &Objective) -> crate::Result<BTreeMap<String, Tensor>> {
    let parameters = Parameters::new(3, device);
    let vb = parameters.builder(DType::F32);
    let encoder = Encoder::load(&vb.pp("encoder"))?;
    let sizes = ModelConfig { hidden_dim: 6, latent_dim: 4, image_dim: Some(5), ..ModelConfig::default() };
    let model = SpanModel::load(&sizes, WIDTH, 3, &vb.pp("model"))?;
    let labelled = LabelledBatch { batch: batch(device)?, targets: vec![1, 0, 2, 0, 1] };
    let targets = [0.1, 0.7, 0.2, 0.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.3, 0.3, 0.4, 0.0, 1.0, 0.0];
    let unlabelled = UnlabelledBatch { batch: batch(device)?, targets: Some(targets.to_vec()) };
    let mut rng = rng::named(3, "noise");
    let mut draw = || Noise::draw(&labelled.batch, sizes.latent_dim, model.parameter(), &mut rng);
    let (noise, other) = (draw()?, draw()?);
    let mut rng = rng::named(3, "dropout");
    let loss = step_loss(
        Networks { encoder: &encoder, model: &model },
        objective,
        (&labelled, &noise),
        Some((&unlabelled, &other)),
        Mode::Train(&mut rng),
    )?;
    let mut gradients = Gradients::default();
    gradients.backward(&loss.loss)?;
    let mut all = BTreeMap::from([("the loss".to_owned(), loss.loss.detach())]);
    for (name, var) in parameters.all() {
        all.extend(gradients.get(&var)?.map(|gradient| (name, gradient)));
    }
    Ok(all)
}

#[test]
fn the_loss_of_a_step_and_its_gradients() {
    let with = |edit: fn(&mut Objective)| {
        let mut objective = Objective::default();
        edit(&mut objective);
        objective
    };
    let objectives = [
        Objective::default(),
        with(|o| o.vae = false),
        with(|o| (o.free_bits, o.kl_weight, o.r_drop) = (0.5, 0.3, 1.0)),
        with(|o| o.unlabelled = UnlabelledClass::MarginalFrequencies),
    ];
    for objective in objectives {
        let want = loss_and_gradients(&Device::Cpu, &objective).expect("the fused form");
        let compare = |form: &str, got: BTreeMap<String, Tensor>| {
            assert!(got.keys().eq(want.keys()), "{form}: other gradients");
            for (name, want) in &want {
                let off = difference(&got[name], want);
                assert!(off < TOLERANCE, "{form}: {name} differs by {off:e} ({objective:?})");
            }
        };
        compare("composed", composed(|| loss_and_gradients(&device(), &objective)).expect("the composed form"));
        with_kernels(|order| {
            compare(&format!("kernels, {order:?}"), loss_and_gradients(&device(), &objective).expect("kernels"));
        });
    }
}

#[test]
fn means_of_lists() {
    let lists: Vec<Tensor> = (0..11).map(|i| noise(&i.to_string(), 300)).collect();
    for mask in [None, Some(1), Some(3), Some(0)] {
        // Every, every third, and no number counts.
        let flag = |i: usize, step: usize| f32::from(step > 0 && i.is_multiple_of(step));
        let mask: Option<Vec<f32>> = mask.map(|step| (0..300).map(|i| flag(i, step)).collect());
        let count = mask.as_ref().map_or(300.0, |mask| mask.iter().sum::<f32>()).max(1.0);
        let want = lists.iter().map(|list| {
            let list = list.to_vec1::<f32>().expect("numbers");
            let part = |(i, x): (usize, &f32)| mask.as_ref().map_or(1.0, |mask| mask[i]) * x;
            list.iter().enumerate().map(part).sum::<f32>() / count
        });
        let want = Tensor::from_iter(want, &Device::Cpu).expect("as many means");
        with_kernels(|order| {
            let there = |x: &Tensor| x.to_device(&device()).expect("a copy");
            let mask = mask.as_ref().map(|mask| Tensor::new(&mask[..], &device()).expect("flags"));
            let lists: Vec<Tensor> = lists.iter().map(there).collect();
            let got = crate::objective::means(&lists, mask.as_ref()).expect("lists of one length");
            assert!(difference(&got, &want) < TOLERANCE, "{order:?}: {got} instead of {want}");
        });
    }
}

#[test]
fn whole_steps_with_kernels_leave_the_same() {
    let (_, want) = train(&Device::Cpu, AdamConfig::default()).expect("fused steps");
    with_kernels(|order| {
        let (_, weights) = train(&device(), AdamConfig::default()).expect("steps with kernels");
        for (name, want) in &want {
            let off = difference(&weights[name], want);
            // As above.
            let tolerance = if name.ends_with("k.bias") { 1e-2 } else { 1e-4 };
            assert!(off < tolerance, "{order:?}: {name} differs by {off:e} after three steps");
        }
    });
}
