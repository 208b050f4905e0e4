//! The composed form of the recurrence and its kernels against the fused one.
#![expect(clippy::single_range_in_vec_init, reason = "one text is one range")]

use super::super::device_tests::{check, device, difference, noise, with_kernels};
use super::super::dispatch::in_bf16;
use super::super::stack_rows::stack_rows;
use super::{BiLstm, recurrence, recurrences};
use crate::nn::{Gradients, Parameters};
use candle_core::{DType, Result, Tensor, Var};
use std::ops::Range;

/// One LSTM of width `h` over these ranges of as many rows, then two.
#[track_caller]
fn check_recurrence(rows: usize, h: usize, ranges: &[Range<usize>]) {
    let (projected, weight): (&[usize], &[usize]) = (&[rows, 8 * h], &[4 * h, h]);
    // As large as those of a fresh layer: large ones make much of rounding.
    let scaled = |weight: &Tensor| weight * (1.0 / (h as f64).sqrt());
    check(&[projected, weight, weight], |t| recurrence(&t[0], [&scaled(&t[1])?, &scaled(&t[2])?], ranges));
    check(&[projected, weight, weight, projected, weight, weight], |t| {
        let weights = [[&scaled(&t[1])?, &scaled(&t[2])?], [&scaled(&t[4])?, &scaled(&t[5])?]];
        Tensor::cat(&recurrences([&t[0], &t[3]], weights, ranges)?, 1)
    });
}

#[test]
fn lstms() {
    // Unequal lengths out of order, an empty range, and row 9 in no range.
    check_recurrence(11, 3, &[0..2, 2..2, 2..7, 7..9, 10..11]);
    check_recurrence(2, 1, &[0..2]);
    check_recurrence(6, 33, &[0..6]);
    // More numbers than a block has threads.
    check_recurrence(40, 65, &[0..9, 9..20, 20..21, 22..31, 31..40]);
}

#[test]
fn lstms_in_half_precision_are_the_same_but_for_rounding() {
    let h = 33;
    let (x, w) = (noise("x", (20, 8 * h)), ["w", "v"].map(|name| noise(name, (4 * h, h)) * 0.2));
    let [w, v] = w.map(|w| w.expect("a weight"));
    let run = || -> Result<[Tensor; 4]> {
        let [x, w, v] = [Var::from_tensor(&x)?, Var::from_tensor(&w)?, Var::from_tensor(&v)?];
        let y = recurrence(&x, [&w, &v], &[0..9, 9..20])?;
        let mut grads = y.sqr()?.sum_all()?.backward()?;
        let [dx, dw, dv] = [&x, &w, &v].map(|var| grads.remove(var).expect("a gradient"));
        Ok([y.detach(), dx, dw, dv])
    };
    let (want, got) = (run().expect("f32"), in_bf16(run).expect("bf16"));
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let off = difference(got, want);
        assert!(off > 1e-5 && off < 2e-2, "number {i} differs by {off:e}");
    }
    // Where no backward pass will come, rows give the same bits alone.
    let frozen = |rows: Range<usize>| {
        let x = x.narrow(0, rows.start, rows.len())?;
        in_bf16(|| recurrence(&x, [&w, &v], &[0..rows.len()]))?.to_vec2::<f32>()
    };
    let both = in_bf16(|| recurrence(&x, [&w, &v], &[0..9, 9..20])).and_then(|y| y.to_vec2::<f32>()).expect("both");
    assert!([frozen(0..9).expect("the first"), frozen(9..20).expect("the second")].concat() == both);
}

#[test]
fn texts_of_one_row_have_no_recurrence() {
    // The composed form has no gradient of the recurrent weights then, where the others have zeros.
    check(&[&[4, 24], &[12, 3], &[12, 3]], |t| {
        let weights = (t[1].mean_all()? + t[2].mean_all()?)?;
        recurrence(&t[0], [&t[1], &t[2]], &[3..4, 0..1, 2..3])?.broadcast_add(&weights)
    });
}

#[test]
fn parts_of_other_tensors_as_weights() {
    check(&[&[5, 16], &[8, 5], &[2, 8]], |t| recurrence(&t[0], [&t[1].narrow(1, 2, 2)?, &t[2].t()?], &[0..3, 3..5]));
}

#[test]
fn stacked_rows() {
    check(&[&[3, 5], &[3, 5]], |t| stack_rows(&t[0], &t[1]));
    check(&[&[700], &[700]], |t| stack_rows(&t[0], &t[1])?.unsqueeze(1));
    check(&[&[2, 5], &[3, 5]], |t| stack_rows(&t[0], &t[1]));
}

/// Two layers of one width, and their inputs.
fn layers(parameters: &Parameters) -> Result<([BiLstm; 2], [Var; 2])> {
    let builder = parameters.builder(DType::F32);
    let layer = |name: &str| BiLstm::load(6, 4, builder.pp(name));
    let x = |name: &str| Var::from_tensor(&noise(name, (9, 6)).to_device(&device())?);
    Ok(([layer("a")?, layer("b")?], [x("x")?, x("y")?]))
}

const RANGES: &[Range<usize>] = &[0..3, 3..8];

#[test]
fn two_layers_give_what_each_gives() {
    let compare = || -> Result<()> {
        let parameters = Parameters::new(5, &device());
        let ([a, b], [x, y]) = layers(&parameters)?;
        let want = [a.forward(&x, RANGES)?, b.forward(&y, RANGES)?];
        let both = BiLstm::forward_both([&a, &b], [&x, &y], RANGES)?;
        // Without a trace the same bits.
        let frozen = |name: &str| BiLstm::load(6, 4, parameters.frozen_builder(DType::F32).pp(name));
        let [fa, fb] = [frozen("a")?, frozen("b")?];
        let untracked = BiLstm::forward_both([&fa, &fb], [&x.as_detached_tensor(), &y.as_detached_tensor()], RANGES)?;
        for (i, want) in want.iter().enumerate() {
            let want = want.to_vec2::<f32>()?;
            assert_eq!(both[i].to_vec2::<f32>()?, want);
            assert_eq!(untracked[i].to_vec2::<f32>()?, want);
        }
        Ok(())
    };
    with_kernels(|_| compare().expect("kernels"));
}

#[test]
fn gradients_are_kept_in_place_and_a_loss_of_one_layer_has_those_of_that_layer() {
    let run = || -> Result<()> {
        let parameters = Parameters::new(5, &device());
        let ([a, b], [x, y]) = layers(&parameters)?;
        let [of_x, of_y] = BiLstm::forward_both([&a, &b], [&x, &y], RANGES)?;
        let mut gradients = Gradients::default();
        let largest = |x: &Tensor| x.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>();
        // The second pass over a graph finds what the first has left.
        for (loss, depends) in [((&of_x * &of_y)?, ["a", "b"]), (of_x.clone(), ["a", "a"]), (of_y.sqr()?, ["b", "b"])] {
            let loss = loss.sum_all()?;
            gradients.backward(&loss)?;
            let want = loss.backward()?;
            for (name, var) in parameters.all() {
                let (got, want) = (gradients.get(&var)?, want.get(&var));
                let depends = depends.iter().any(|layer| name.starts_with(layer));
                assert_eq!((got.is_some(), want.is_some()), (depends, depends), "{name}");
                if let (Some(got), Some(want)) = (got, want) {
                    assert!(largest(&got)? > 0.0 && largest(&(got - want)?)? < 1e-6, "{name}");
                }
            }
        }
        Ok(())
    };
    with_kernels(|_| run().expect("kernels"));
}
