//! Every fused operation against its composed form: values, and the gradient of every input, in
//! f64.
//!
//! Both sides are f64, so they differ by rounding alone; 1e-9 is far above it and far below any
//! error of a formula.
#![expect(clippy::single_range_in_vec_init, reason = "a packed array of one text is one range")]

mod attention;

use super::pairs::{Pairs, pair_product, pair_sum};
use super::*;
use crate::pieces::PackedLayout;
use crate::rng;
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::Init;
use rand::{RngCore, SeedableRng};
use std::ops::Range;

fn var(name: &str, shape: impl Into<candle_core::Shape>) -> Var {
    let noise = rng::standard_normal(shape, &mut rng::named(7, name), &Device::Cpu).expect("noise on the CPU");
    Var::from_tensor(&noise.to_dtype(DType::F64).expect("f32 to f64")).expect("a variable")
}

fn max_difference(a: &Tensor, b: &Tensor) -> Result<f64> {
    (a - b)?.abs()?.flatten_all()?.max(0)?.to_scalar()
}

/// Runs both forms on the same variables; the loss weights every output differently.
#[track_caller]
fn check(
    inputs: &[&Var],
    fused: impl Fn(&[&Tensor]) -> Result<Tensor>,
    composed: impl Fn(&[&Tensor]) -> Result<Tensor>,
) {
    let tensors: Vec<&Tensor> = inputs.iter().map(|v| v.as_tensor()).collect();
    let run = |form: &dyn Fn(&[&Tensor]) -> Result<Tensor>| -> Result<_> {
        let y = form(&tensors)?;
        let weights = var("weights", y.shape()).as_detached_tensor();
        let grads = (&y * weights)?.sum_all()?.backward()?;
        Ok((y, grads))
    };
    let ((a, a_grads), (b, b_grads)) =
        (run(&fused).expect("the fused form"), run(&composed).expect("the composed form"));
    assert_eq!(a.dims(), b.dims());
    assert!(max_difference(&a, &b).expect("equal shapes") < 1e-9, "values differ");
    for (i, input) in inputs.iter().enumerate() {
        let (a, b) = (a_grads.get(input).expect("a gradient"), b_grads.get(input).expect("a gradient"));
        assert!(b.abs().and_then(|t| t.sum_all()?.to_scalar::<f64>()).expect("a number") > 0.0, "gradient {i} is zero");
        assert!(max_difference(a, b).expect("equal shapes") < 1e-9, "gradient of input {i} differs");
    }
}

#[test]
fn linear_matches() {
    check(
        &[&var("x", (7, 5)), &var("w", (3, 5)), &var("b", 3)],
        |t| linear(t[0], t[1], t[2]),
        |t| t[0].matmul(&t[1].t()?)?.broadcast_add(t[2]),
    );
}

#[test]
fn linear_with_activation_matches() {
    let inputs = [var("x", (7, 5)), var("w", (3, 5)), var("b", 3)];
    for activation in [Activation::GeluErf, Activation::GeluTanh, Activation::LeakyRelu(0.2)] {
        check(
            &inputs.each_ref(),
            |t| Linear::new(t[1].clone(), t[2].clone()).forward_activated(t[0], activation),
            |t| {
                let y = linear(t[0], t[1], t[2])?;
                match activation {
                    Activation::GeluErf => gelu_erf(&y),
                    Activation::GeluTanh => gelu_tanh(&y),
                    Activation::LeakyRelu(slope) => leaky_relu(&y, slope),
                }
            },
        );
    }
}

#[test]
fn linear_on_columns_matches() {
    let (x, w) = (var("x", (7, 2)), var("w", (3, 9)));
    for onto in [var("bias", 3), var("rows", (7, 3))] {
        for terms in [&[Columns::Plus(4)][..], &[Columns::Plus(1), Columns::Minus(7)], &[Columns::Minus(0)]] {
            check(
                &[&x, &w, &onto],
                |t| linear_columns(t[0], t[1], terms, t[2]),
                |t| columns::composed(t[0], t[1], terms, t[2]),
            );
        }
    }
}

#[test]
fn embeddings_match() {
    let ids = [3, 0, 3, 1];
    check(
        &[&var("table", (5, 4))],
        |t| embedding(t[0], &ids),
        |t| t[0].index_select(&Tensor::new(&ids, t[0].device())?, 0),
    );
}

#[test]
fn dropout_and_sum_matches() {
    let generator = || rng::Rng::seed_from_u64(5);
    check(
        &[&var("x", (9, 4)), &var("y", (9, 4))],
        |t| dropout_add(t[0], t[1], 0.3, &mut generator()),
        |t| dropout(t[0], 0.3, &mut generator())? + t[1],
    );
}

#[test]
fn cross_entropies_match() {
    let (targets, mask) = ([2, 0, 1, 1], [true, false, true, false]);
    for mask in [None, Some(&mask[..])] {
        check(
            &[&var("logits", (4, 3))],
            |t| softmax_cross_entropy(t[0], &targets, mask),
            |t| cross_entropy::composed(t[0], &targets, mask),
        );
    }
    let logits = Tensor::new(&[[200f32, -200.0]], &Device::Cpu).expect("one row");
    let far = softmax_cross_entropy(&logits, &[1], None).and_then(|ce| ce.to_vec1::<f32>()).expect("one number");
    assert_eq!(far, [400.0], "logits far apart stay finite");
    assert!(
        softmax_cross_entropy(&logits, &[2], None).is_err() && softmax_cross_entropy(&logits, &[0, 0], None).is_err()
    );
}

#[test]
fn squared_errors_match() {
    // 37: two chunks of sixteen and a rest.
    check(
        &[&var("a", (5, 37)), &var("b", (5, 37))],
        |t| squared_error(t[0], t[1]),
        |t| (t[0] - t[1])?.sqr()?.mean(candle_core::D::Minus1),
    );
}

#[test]
fn activations_match() {
    let x = var("x", (9, 4));
    // Not candle's own GELUs: their gradients have rounded constants.
    let erf_form = |x: &Tensor| (x * 0.5)? * ((x / 2f64.sqrt())?.erf()? + 1.0)?;
    check(&[&x], |t| gelu_erf(t[0]), |t| erf_form(t[0]));
    let tanh_form = |x: &Tensor| {
        let inner = ((x + (x.powf(3.0)? * 0.044715)?)? * (2.0 / std::f64::consts::PI).sqrt())?;
        (x * 0.5)? * (inner.tanh()? + 1.0)?
    };
    check(&[&x], |t| gelu_tanh(t[0]), |t| tanh_form(t[0]));
    check(&[&x], |t| leaky_relu(t[0], 0.2), |t| candle_nn::ops::leaky_relu(t[0], 0.2));
}

#[test]
fn layer_norm_matches() {
    // 130 rows: more than two tasks of the thread pool, the last one short; 13: eight lanes and a
    // rest.
    check(
        &[&var("x", (130, 13)), &var("w", 13), &var("b", 13)],
        |t| layer_norm(t[0], t[1], t[2], 1e-5),
        |t| layer_norm::composed(t[0], t[1], t[2], 1e-5),
    );
}

#[test]
fn lstm_matches_and_leaves_uncovered_rows_at_zero() {
    // Unequal lengths out of order, an empty range, and row 9 in no range.
    let ranges: &[Range<usize>] = &[0..2, 2..2, 2..7, 7..9, 10..11];
    let (x, w0, w1) = (var("x", (11, 24)), var("w0", (12, 3)), var("w1", (12, 3)));
    let fused = |t: &[&Tensor]| lstm::recurrence(t[0], [t[1], t[2]], ranges);
    check(&[&x, &w0, &w1], fused, |t| lstm::composed(t[0], [t[1], t[2]], ranges, 3));
    // Texts of one row have no recurrence.
    let single = |t: &[&Tensor]| lstm::recurrence(t[0], [t[1], t[2]], &[3..4]);
    let grads = single(&[&x, &w0, &w1]).and_then(|y| y.sum_all()?.backward()).expect("a backward pass");
    let of_weight = grads.get(&w0).expect("a gradient").abs().and_then(|g| g.sum_all()?.to_scalar::<f64>());
    assert_eq!(of_weight.expect("a number"), 0.0);
    let y = fused(&[&x, &w0, &w1]).and_then(|y| y.narrow(0, 9, 1)?.abs()?.sum_all()?.to_scalar::<f64>());
    assert_eq!(y.expect("a number"), 0.0);
}

#[test]
fn segment_means_match() {
    let cases: [&[Range<usize>]; 4] = [
        &[0..1, 0..3, 2..5, 2..5, 1..2],
        // Candidate spans of two texts, a row between them.
        &[0..1, 0..2, 0..3, 1..2, 1..3, 2..3, 4..5, 4..6, 5..6],
        // Out of order, shrinking, and far apart.
        &[5..7, 0..2, 3..4, 0..7, 0..3, 6..7],
        &[6..7],
    ];
    for ranges in cases {
        check(
            &[&var("x", (7, 4))],
            |t| segment_mean(t[0], ranges),
            |t| {
                let means: Vec<Tensor> =
                    ranges.iter().map(|r| t[0].narrow(0, r.start, r.len())?.mean_keepdim(0)).collect::<Result<_>>()?;
                Tensor::cat(&means, 0)
            },
        );
    }
}

#[test]
fn pairs_match() {
    let index = [(0, 1), (2, 2), (0, 1), (3, 0)];
    let pairs = pairs::Pairs::new(index);
    let select = |x: &Tensor, last: bool| {
        let rows: Vec<u32> = index.iter().map(|p| if last { p.1 } else { p.0 }).collect();
        x.index_select(&Tensor::new(rows, x.device())?, 0)
    };
    let (a, b) = (var("a", (5, 3)), var("b", (5, 3)));
    check(&[&a, &b], |t| pairs::pair_sum(t[0], t[1], &pairs), |t| select(t[0], false)? + select(t[1], true)?);
    check(&[&a], |t| pairs::pair_product(t[0], &pairs), |t| select(t[0], false)? * select(t[0], true)?);
}

#[test]
fn wrong_shapes_are_errors() {
    let t = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    assert!(linear(&t(&[2, 3]), &t(&[4, 5]), &t(&[4])).is_err());
    assert!(layer_norm(&t(&[2, 3]), &t(&[4]), &t(&[3]), 1e-5).is_err());
    assert!(segment_mean(&t(&[2, 3]), &[1..3]).is_err() && segment_mean(&t(&[2, 3]), &[1..1]).is_err());
    assert!(pairs::pair_product(&t(&[2, 3]), &pairs::Pairs::new([(0, 2)])).is_err());
    let q = t(&[2, 3]);
    assert!(attention(&q, &q, &q, 2, &PackedLayout::new([2]), None).is_err(), "3 is not a multiple of 2 heads");
    assert!(attention(&q, &q, &q, 3, &PackedLayout::new([3]), None).is_err(), "3 rows, not 2");
    let biased = |bias: &[usize]| attention_with_bias(&q, &q, &q, 3, &PackedLayout::new([2]), Some(&t(bias)), None);
    assert!(biased(&[3, 3]).is_ok() && biased(&[3, 4]).is_err() && biased(&[2, 3]).is_err());
    let placed = |rows: usize, of_distances: &[u32]| {
        attention_with_positions(&t(&[rows, 3]), &t(&[4, 3]), &q, 3, &PackedLayout::new([2]), of_distances, None)
    };
    assert!(placed(4, &[0, 1, 1]).is_ok() && placed(4, &[0, 1]).is_err() && placed(4, &[0, 1, 2]).is_err());
    assert!(placed(3, &[0, 0, 0]).is_err() && placed(1, &[0, 0, 0]).is_err(), "as many queries as keys");
    assert!(lstm::recurrence(&t(&[2, 24]), [&t(&[12, 3]), &t(&[12, 3])], &[0..3]).is_err());
    let half = Tensor::zeros((2, 3), DType::F16, &Device::Cpu).expect("zeros");
    assert!(gelu_erf(&half).is_err());
}

#[test]
fn what_has_no_width_is_no_reason_to_panic() -> Result<()> {
    let of = |rows: usize, cols: usize| Tensor::zeros((rows, cols), DType::F32, &Device::Cpu);
    let (x, empty) = (of(3, 0)?, Tensor::zeros(0, DType::F32, &Device::Cpu)?);
    let pairs = Pairs::new([(0, 1)]);
    // A result of no width or an error: both will do.
    let _ = layer_norm(&x, &empty, &empty, 1e-5);
    let _ = squared_error(&x, &x);
    let _ = segment_mean(&x, &[0..2]);
    let _ = (pair_sum(&x, &x, &pairs), pair_product(&x, &pairs));
    let _ = softmax_cross_entropy(&of(0, 0)?, &[], None);
    let _ = linear_columns(&x, &of(2, 0)?, &[Columns::Plus(0)], &Tensor::zeros(2, DType::F32, &Device::Cpu)?);
    let table = Var::from_tensor(&of(2, 0)?)?;
    let _ = embedding(&table, &[0, 1]).and_then(|rows| rows.sum_all()?.backward());
    assert!(attention(&x, &x, &x, 1, &PackedLayout::new([3]), None).is_err());
    let vb = Parameters::new(0, &Device::Cpu).builder(DType::F32);
    let _ = BiLstm::load(2, 0, vb).and_then(|lstm| lstm.forward(&of(3, 2)?, &[0..3]));
    Ok(())
}

#[test]
fn what_is_out_of_range_is_an_error() -> Result<()> {
    let x = Tensor::zeros((3, 4), DType::F32, &Device::Cpu)?;
    // Nothing is counted for rows that do not exist.
    assert!(pair_product(&x, &Pairs::new([(u32::MAX - 1, 0)])).is_err());
    assert!(
        linear_columns(&x, &x, &[Columns::Plus(usize::MAX)], &Tensor::zeros(3, DType::F32, &Device::Cpu)?).is_err()
    );
    for p in [1.0, 2.0, -1.0, f64::NAN] {
        let dropout = Some((p, &mut rng::named(0, "dropout")));
        assert!(attention(&x, &x, &x, 2, &PackedLayout::new([3]), dropout).is_err(), "{p}");
    }
    let vb = Parameters::new(0, &Device::Cpu).builder(DType::F32);
    for (name, lo, up) in [("turned", 1.0, 0.0), ("nan", f64::NAN, 1.0), ("infinite", 0.0, f64::INFINITY)] {
        assert!(vb.get_with_hints(2, name, Init::Uniform { lo, up }).is_err(), "{name}");
    }
    Ok(())
}

#[test]
fn no_bit_of_a_row_depends_on_how_many_rows_there_are() -> Result<()> {
    let values = |name: &str, shape: &[usize]| -> Result<Tensor> {
        rng::standard_normal(shape.to_vec(), &mut rng::named(3, name), &Device::Cpu)
    };
    // Outputs and terms: of a classifier, of latent variables, of hidden layers, of wide encoders.
    for (n, k) in [(1, 20), (4, 8), (5, 768), (9, 1000), (64, 1500), (100, 384), (300, 768), (384, 2000)] {
        let (x, w, b) = (values("x", &[300, k])?, values("w", &[n, k])?, values("b", &[n])?);
        let all = linear(&x, &w, &b)?;
        let columns = linear_columns(&x, &w, &[Columns::Plus(0)], &b)?;
        for rows in [1, 2, 3, 5, 17, 64, 65, 130] {
            let some = x.narrow(0, 300 - rows, rows)?;
            let same = |part: Tensor, all: &Tensor| -> Result<bool> {
                Ok(part.to_vec2::<f32>()? == all.narrow(0, 300 - rows, rows)?.to_vec2::<f32>()?)
            };
            assert!(same(linear(&some, &w, &b)?, &all)?, "{rows} rows of {n} outputs, {k} terms");
            assert!(same(linear_columns(&some, &w, &[Columns::Plus(0)], &b)?, &columns)?, "{rows}, {n}, {k}");
        }
    }
    Ok(())
}

#[test]
fn a_prepared_lstm_gives_the_same() -> Result<()> {
    // Of sizes for which f32 has no other arrangement, and of some for which it may have one.
    for (d_in, h) in [(6, 4), (40, 33)] {
        let parameters = Parameters::new(5, &Device::Cpu);
        BiLstm::load(d_in, h, parameters.builder(DType::F32))?;
        let mut lstm = BiLstm::load(d_in, h, parameters.frozen_builder(DType::F32))?;
        let x = rng::standard_normal((12, d_in), &mut rng::named(3, "x"), &Device::Cpu)?;
        let run = |lstm: &BiLstm, x: &Tensor, ranges: &[Range<usize>]| lstm.forward(x, ranges)?.to_vec2::<f32>();
        let before = run(&lstm, &x, &[0..5, 6..12])?;
        lstm.prepare(Form::F32)?;
        assert!(run(&lstm, &x, &[0..5, 6..12])? == before, "{d_in}, {h}");
        // A text alone, whose steps are one row each.
        assert!(run(&lstm, &x.narrow(0, 6, 6)?, &[0..6])? == before[6..], "{d_in}, {h}");
        let tracked = BiLstm::load(d_in, h, parameters.builder(DType::F32))?;
        let of_training = run(&tracked, &x, &[0..5, 6..12])?;
        let pairs = of_training.iter().flatten().zip(before.iter().flatten());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
    }
    Ok(())
}
