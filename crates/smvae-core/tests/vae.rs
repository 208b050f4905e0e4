//! The variational mathematics and the cross entropies: closed forms, direct formulas in f64, and
//! finite values and gradients where exponentials would overflow.
//!
//! f32 against f64: 1e-5 of the expected value (of 1, where it is smaller) is some rounding errors
//! above exactness.
#![cfg(feature = "tensor")]

use smvae_core::candle_core::{DType, Device, Result, Tensor, Var};
use smvae_core::objective::{clipped_cross_entropy, cross_entropy, entity_mask, soft_cross_entropy};
use smvae_core::rng;
use smvae_core::vae::{
    ElboTerms, Expert, Gaussian, LOG_VAR_RANGE, LossWeights, contrastive, gaussian_nll, kl_divergence,
    kl_standard_normal, mean_of_experts, mean_squared_error, product_of_experts,
};

#[track_caller]
fn close(got: f32, want: f64, context: &str) {
    assert!((f64::from(got) - want).abs() <= 1e-5 * want.abs().max(1.0), "{context}: got {got}, want {want}");
}

fn matrix<const N: usize>(rows: &[[f32; N]]) -> Tensor {
    Tensor::from_vec(rows.concat(), (rows.len(), N), &Device::Cpu).expect("as many numbers")
}

fn gaussian<const N: usize>(mu: &[[f32; N]], log_var: &[[f32; N]]) -> Gaussian {
    Gaussian::new(matrix(mu), &matrix(log_var)).expect("equal shapes")
}

fn rows(x: &Tensor) -> Vec<Vec<f32>> {
    x.to_vec2().expect("a matrix")
}

/// The default weights, changed.
fn weights(edit: impl FnOnce(&mut LossWeights)) -> LossWeights {
    let mut weights = LossWeights::default();
    edit(&mut weights);
    weights
}

#[test]
fn kl_has_its_closed_form() -> Result<()> {
    let e = std::f64::consts::E;
    let cases: [([f32; 2], [f32; 2], f64); 5] = [
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([1.0, 0.0], [0.0, 0.0], 0.5),
        ([1.0, -2.0], [0.0, 0.0], 2.5),
        ([0.0, 0.0], [1.0, 0.0], 0.5 * (e - 2.0)),
        ([3.0, 0.0], [-1.0, 1.0], 0.5 * (9.0 + 1.0 / e + e - 2.0)),
    ];
    for (mu, log_var, want) in cases {
        let context = format!("mu {mu:?}, log_var {log_var:?}");
        let (q, standard) = (gaussian(&[mu], &[log_var]), gaussian(&[[0.0; 2]], &[[0.0; 2]]));
        close(kl_standard_normal(&q).expect("a row").get(0)?.to_scalar()?, want, &context);
        close(kl_divergence(&q, &standard).expect("a row").get(0)?.to_scalar()?, want, &context);
        close(kl_divergence(&q, &q).expect("a row").get(0)?.to_scalar()?, 0.0, &context);
    }
    // KL(N(1, 4) || N(3, 0.25)) = 1/2 ((4 + 4) / 0.25 - 1 + log(0.25 / 4)).
    let (q, p) = (gaussian(&[[1.0]], &[[4f32.ln()]]), gaussian(&[[3.0]], &[[0.25f32.ln()]]));
    let want = 0.5 * (32.0 - 1.0 + (0.0625f64).ln());
    close(kl_divergence(&q, &p).expect("a row").get(0)?.to_scalar()?, want, "two Gaussians");
    Ok(())
}

#[test]
fn samples_errors_and_sums_are_as_defined() -> Result<()> {
    let q = gaussian(&[[1.0, -1.0]], &[[0.0, 4f32.ln()]]);
    let z = q.sample(&matrix(&[[0.5, -2.0]])).expect("noise of its shape");
    close(rows(&z)[0][0], 1.5, "deviation 1");
    close(rows(&z)[0][1], -5.0, "deviation 2");
    let mse = mean_squared_error(&matrix(&[[1.0, 2.0], [0.0, 0.0]]), &matrix(&[[1.0, 5.0], [2.0, 0.0]]));
    assert_eq!(mse.expect("equal shapes").to_vec1::<f32>()?, [4.5, 2.0]);
    let term = |x: f32| Tensor::new(&[x], &Device::Cpu).expect("a number");
    let elbo = ElboTerms {
        mse_text: term(1.0),
        mse_image: term(2.0),
        kl_text: term(4.0),
        kl_image: term(8.0),
        kl_fused: term(16.0),
    };
    assert_eq!(elbo.weighted_sum(LossWeights::default()).expect("a row").to_vec1::<f32>()?, [31.0]);
    assert_eq!(elbo.weighted_sum(weights(|w| w.kl = 0.5)).expect("a row").to_vec1::<f32>()?, [17.0]);
    // 4 counts as 6: 1 + 2 and 0.5 (6 + 8 + 16).
    let floored = weights(|w| (w.kl, w.free_bits) = (0.5, 6.0));
    assert_eq!(elbo.weighted_sum(floored).expect("a row").to_vec1::<f32>()?, [18.0]);
    let shapes = (matrix(&[[0.0, 0.0]]), matrix(&[[0.0]]));
    assert!(Gaussian::new(shapes.0.clone(), &shapes.1).is_err() && q.sample(&shapes.1).is_err());
    assert!(mean_squared_error(&shapes.0, &shapes.1).is_err() && product_of_experts(&[]).is_err());
    Ok(())
}

#[test]
fn a_gaussian_decoder_has_the_likelihood_of_its_variance() -> Result<()> {
    let (x, target) = (matrix(&[[1.0, 2.0], [0.0, 0.0]]), matrix(&[[1.0, 5.0], [2.0, 0.0]]));
    // Half of 9 / 4 + 2 log 4 + 2 log 2 pi, and of 4 / 4 + ...
    let log_var = Var::new(&[4f32.ln()], &Device::Cpu)?;
    let nll = gaussian_nll(&x, &target, &log_var).expect("equal shapes");
    let constant = 4f64.ln() + std::f64::consts::TAU.ln();
    close(nll.get(0)?.to_scalar()?, 1.125 + constant, "an error of 3");
    close(nll.get(1)?.to_scalar()?, 0.5 + constant, "an error of 2");
    // d/2 (1 - mse / var), over both rows.
    let slope = nll.sum_all()?.backward()?.get(&log_var).expect("a gradient").get(0)?.to_scalar()?;
    close(slope, (1.0 - 4.5 / 4.0) + (1.0 - 2.0 / 4.0), "the slope of the variance");
    let exact = |log_var: f32| gaussian_nll(&x, &x, &Tensor::new(&[log_var], &Device::Cpu)?);
    let [at_end, beyond] = [-10.0, -1e6].map(|log_var| exact(log_var).expect("equal shapes"));
    assert_eq!(at_end.to_vec1::<f32>()?, beyond.to_vec1::<f32>()?, "no row is infinitely likely");
    assert!(gaussian_nll(&x, &target, &x).is_err() && gaussian_nll(&x, &matrix(&[[0.0; 2]]), &log_var).is_err());
    Ok(())
}

#[test]
fn rows_are_told_apart_by_their_cosines() -> Result<()> {
    let (x, target) = (matrix(&[[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]), matrix(&[[5.0, 0.0], [0.0, 1.0], [0.0, 0.0]]));
    let none = Tensor::zeros((3, 3), DType::F32, &Device::Cpu)?;
    let loss = contrastive(&x, &target, &none, 0.5).expect("equal shapes");
    // Cosines are 1, 0 and 0, divided by 0.5; the last row is alike to all but the zeros.
    let side = 0.5f64.sqrt() / 0.5;
    close(loss.get(0)?.to_scalar()?, (2f64.exp() + 2.0).ln() - 2.0, "the first");
    close(loss.get(2)?.to_scalar()?, (2.0 * side.exp() + 1.0).ln(), "a row of zeros");
    let only = Tensor::new(&[[0f32, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], &Device::Cpu)?;
    let (x, target) = (Var::from_tensor(&x)?, target);
    let alone = contrastive(&x, &target, &only, 0.5).expect("equal shapes");
    assert_eq!(alone.narrow(0, 0, 2)?.to_vec1::<f32>()?, [0.0, 0.0], "nothing to tell them from");
    close(alone.get(2)?.to_scalar()?, (side.exp() + 1.0).ln(), "one is passed over");
    let grads = alone.narrow(0, 0, 2)?.sum_all()?.backward()?;
    assert!(rows(grads.get(&x).expect("a gradient")).concat().iter().all(|slope| *slope == 0.0));
    assert!(contrastive(&x, &target, &matrix(&[[0.0; 2]; 3]), 0.5).is_err());
    Ok(())
}

#[test]
fn a_mean_of_experts_is_the_first_where_the_second_is_missing() -> Result<()> {
    let (a, b) = (gaussian(&[[1.0], [1.0]], &[[0.0], [0.0]]), gaussian(&[[3.0], [3.0]], &[[2.0], [2.0]]));
    let present = Tensor::new(&[1f32, 0.0], &Device::Cpu)?;
    let mean = mean_of_experts(&a, &Expert { gaussian: &b, present: Some(&present) }).expect("equal shapes");
    assert_eq!((rows(&mean.mu), rows(&mean.log_var)), (vec![vec![2.0], vec![1.0]], vec![vec![1.0], vec![0.0]]));
    assert_eq!(rows(&mean_of_experts(&a, &(&b).into()).expect("equal shapes").mu), [[2.0], [2.0]]);
    Ok(())
}

#[test]
fn gaussians_that_do_not_fit_are_errors() -> Result<()> {
    let good = gaussian(&[[0.0; 2]; 4], &[[0.0; 2]; 4]);
    // The fields are public, so that `new` may have been passed over.
    for log_var in [matrix(&[[0.0; 2]; 2]), matrix(&[[0.0; 1]; 4]), matrix(&[[0.0; 4]; 2])] {
        let bad = Gaussian { log_var, ..good.clone() };
        assert!(kl_standard_normal(&bad).is_err());
        assert!(kl_divergence(&good, &bad).is_err() && kl_divergence(&bad, &good).is_err());
        assert!(product_of_experts(&[(&good).into(), (&bad).into()]).is_err());
        assert!(mean_of_experts(&good, &(&bad).into()).is_err());
    }
    let present = Tensor::ones(3, DType::F32, &Device::Cpu)?;
    let expert = Expert { gaussian: &good, present: Some(&present) };
    assert!(product_of_experts(&[(&good).into(), expert.clone()]).is_err() && mean_of_experts(&good, &expert).is_err());
    let (scalar, row) = (Tensor::new(0f32, &Device::Cpu)?, Tensor::new(&[[0f32, 1.0]], &Device::Cpu)?);
    for (logits, targets) in [(&scalar, &[0][..]), (&row, &[]), (&row, &[0, 1]), (&row, &[2])] {
        assert!(cross_entropy(logits, targets).is_err() && clipped_cross_entropy(logits, targets).is_err());
    }
    Ok(())
}

#[test]
fn free_bits_give_no_gradient_below_their_floor() -> Result<()> {
    let kl = Var::new(&[0.5f32, 3.0], &Device::Cpu)?;
    let zero = kl.zeros_like()?;
    let elbo = ElboTerms {
        mse_text: zero.clone(),
        mse_image: zero.clone(),
        kl_text: kl.as_tensor().clone(),
        kl_image: zero.clone(),
        kl_fused: zero,
    };
    let sum = elbo.weighted_sum(weights(|w| w.free_bits = 1.0)).expect("rows");
    assert_eq!(sum.to_vec1::<f32>()?, [3.0, 5.0]);
    let grads = sum.sum_all()?.backward()?;
    assert_eq!(grads.get(&kl).expect("a gradient").to_vec1::<f32>()?, [0.0, 1.0]);
    Ok(())
}

#[test]
fn cross_entropy_against_a_teacher_is_that_against_a_class_if_the_teacher_is_sure() -> Result<()> {
    let logits = matrix(&[[2.0, -1.0, 0.5], [0.0, 90.0, -90.0], [1.0, 1.0, 1.0]]);
    let hard = cross_entropy(&logits, &[2, 1, 0]).expect("rows").to_vec1::<f32>()?;
    let sure = matrix(&[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]);
    let soft = soft_cross_entropy(&logits, &sure).expect("rows").to_vec1::<f32>()?;
    for (soft, hard) in soft.iter().zip(&hard) {
        close(*soft, f64::from(*hard), "a sure teacher");
    }
    let rows = matrix(&[[0.5, 0.25, 0.25], [0.0, 0.0, 0.0], [0.5, 0.5, 0.0]]);
    let soft = soft_cross_entropy(&logits, &rows).expect("rows").to_vec1::<f32>()?;
    let log_sum = (2f64.exp() + (-1f64).exp() + 0.5f64.exp()).ln();
    close(soft[0], log_sum - 0.5 * 2.0 + 0.25 - 0.25 * 0.5, "an unsure one");
    assert_eq!(soft[1], 0.0);
    close(soft[2], 3f64.ln(), "an even student");
    assert!(soft_cross_entropy(&logits, &matrix(&[[1.0]])).is_err());
    Ok(())
}

/// A row's product by the formula itself, of `(mu, log_var)` of the experts that are present.
fn direct(experts: &[(f32, f32)]) -> (f64, f64) {
    let precision = |log_var: f32| (-f64::from(log_var)).exp();
    let var = 1.0 / experts.iter().map(|e| precision(e.1)).sum::<f64>();
    (var * experts.iter().map(|e| f64::from(e.0) * precision(e.1)).sum::<f64>(), var.ln())
}

/// `present[row][expert]`: which experts a row has.
#[track_caller]
fn check_product(present: &[&[bool]], scale: f64) {
    let (n_rows, n_experts, latent) = (present.len(), present[0].len(), 5);
    let draw = |name: String, scale: f64| {
        let noise = rng::standard_normal((n_rows, latent), &mut rng::named(1, &name), &Device::Cpu);
        noise.and_then(|noise| noise * scale).expect("noise on the CPU")
    };
    let gaussians: Vec<Gaussian> = (0..n_experts)
        .map(|i| Gaussian::new(draw(format!("mu {i}"), 2.0), &draw(format!("log_var {i}"), scale)).expect("one shape"))
        .collect();
    let flags: Vec<Tensor> = (0..n_experts)
        .map(|i| {
            let flags = present.iter().map(|row| f32::from(row[i]));
            Tensor::from_iter(flags, &Device::Cpu).expect("a tensor on the CPU")
        })
        .collect();
    let experts: Vec<Expert<'_>> = gaussians
        .iter()
        .zip(&flags)
        .enumerate()
        .map(|(i, (gaussian, flags))| {
            let always = present.iter().all(|row| row[i]);
            Expert { gaussian, present: (!always).then_some(flags) }
        })
        .collect();
    let fused = product_of_experts(&experts).expect("one shape");
    let (mu, log_var) = (rows(&fused.mu), rows(&fused.log_var));
    let values: Vec<_> = gaussians.iter().map(|g| (rows(&g.mu), rows(&g.log_var))).collect();
    for (r, has) in present.iter().enumerate() {
        for k in 0..latent {
            let kept: Vec<(f32, f32)> =
                values.iter().zip(*has).filter(|(_, has)| **has).map(|((mu, lv), _)| (mu[r][k], lv[r][k])).collect();
            let (want_mu, want_log_var) = direct(&kept);
            let context = format!("{n_experts} experts, row {r} with {has:?}, scale {scale}");
            close(mu[r][k], want_mu, &context);
            close(log_var[r][k], want_log_var, &context);
        }
    }
}

#[test]
fn products_are_the_direct_formula() {
    for scale in [1.0, 8.0] {
        check_product(&[&[true], &[true]], scale);
        check_product(&[&[true, true], &[true, true]], scale);
        check_product(&[&[true, true, true]], scale);
        check_product(&[&[true, false], &[true, true], &[false, true]], scale);
        check_product(&[&[true, false, true], &[false, false, true], &[true, true, true]], scale);
    }
}

#[test]
fn what_is_missing_gets_no_gradient() -> Result<()> {
    let var = |value: f32| Var::new(&[[value, -value]], &Device::Cpu);
    let (mu, log_var) = (var(3.0)?, var(2.0)?);
    let missing = Gaussian::new(mu.as_tensor().clone(), log_var.as_tensor()).expect("one shape");
    let (here, flag) = (gaussian(&[[1.0, 2.0]], &[[0.5, -0.5]]), Tensor::new(&[0f32], &Device::Cpu)?);
    let experts = [Expert::from(&here), Expert { gaussian: &missing, present: Some(&flag) }];
    let fused = product_of_experts(&experts).expect("one shape");
    assert_eq!((rows(&fused.mu), rows(&fused.log_var)), (rows(&here.mu), rows(&here.log_var)));
    let grads = (fused.mu + fused.log_var)?.sum_all()?.backward()?;
    for var in [mu, log_var] {
        assert_eq!(rows(grads.get(&var).expect("it is part of the product")), [[0.0, 0.0]]);
    }
    Ok(())
}

/// Values and gradients with respect to every input are finite.
#[track_caller]
fn check_finite(context: &str, inputs: &[&Var], value: smvae_core::Result<Tensor>) {
    let value = value.expect("inputs that fit");
    let grads = value.sum_all().and_then(|sum| sum.backward()).expect("a backward pass");
    let finite = |x: &Tensor| {
        let numbers: Vec<f32> = x.flatten_all().and_then(|x| x.to_vec1()).expect("f32 numbers");
        numbers.into_iter().all(f32::is_finite)
    };
    assert!(finite(&value), "{context}: {value}");
    for input in inputs {
        let grad = grads.get(input).unwrap_or_else(|| panic!("{context}: no gradient"));
        assert!(finite(grad), "{context}: gradient {grad}");
    }
}

#[test]
fn extreme_log_variances_stay_finite() -> Result<()> {
    const LATENT: usize = 100;
    let var = |value: f64| Var::from_tensor(&(Tensor::ones((2, LATENT), DType::F32, &Device::Cpu)? * value)?);
    let (low, high) = LOG_VAR_RANGE;
    assert!(low <= -50.0 && high >= 50.0);
    // 49 and 1000: inside of the range, and what the clamp is for.
    let extremes = [-1000.0, -50.0, -49.0, 0.0, 49.0, 50.0, 1000.0];
    for (a, b) in extremes.into_iter().flat_map(|a| extremes.map(|b| (a, b))) {
        let [mu_a, mu_b, a_var, b_var] = [var(3.0)?, var(-2.0)?, var(a)?, var(b)?];
        let of = |mu: &Var, log_var: &Var| Gaussian::new(mu.as_tensor().clone(), log_var.as_tensor());
        let (q, p) = (of(&mu_a, &a_var).expect("one shape"), of(&mu_b, &b_var).expect("one shape"));
        let context = |what| format!("{what} at log-variances {a} and {b}");
        let (both, q_only) = ([&mu_a, &mu_b, &a_var, &b_var], [&mu_a, &a_var]);
        check_finite(&context("divergence from the standard normal"), &q_only, kl_standard_normal(&q));
        check_finite(&context("divergence"), &both, kl_divergence(&q, &p));
        check_finite(&context("sample"), &q_only, q.sample(&p.mu.detach()));
        let missing = Tensor::new(&[0f32, 1.0], &Device::Cpu)?;
        for present in [None, Some(&missing)] {
            let product = || product_of_experts(&[(&q).into(), Expert { gaussian: &p, present }]);
            check_finite(&context("mean of the product"), &both, product().map(|g| g.mu));
            check_finite(&context("divergence of the product"), &both, product().and_then(|g| kl_standard_normal(&g)));
        }
    }
    Ok(())
}

#[test]
fn extreme_logits_stay_finite() -> Result<()> {
    let logits: [[f32; 3]; 4] = [[200.0, -200.0, 0.0], [-200.0, -200.0, 200.0], [200.0; 3], [-200.0; 3]];
    for target in 0..3u32 {
        let targets = [target; 4];
        let var = Var::new(&logits, &Device::Cpu)?;
        let context = format!("target {target}");
        check_finite(&context, &[&var], cross_entropy(&var, &targets));
        check_finite(&context, &[&var], clipped_cross_entropy(&var, &targets));
        let (plain, clipped) = (cross_entropy(&var, &targets), clipped_cross_entropy(&var, &targets));
        let (plain, clipped) = (plain.expect("a row each"), clipped.expect("a row each"));
        for (row, logits) in logits.iter().enumerate() {
            let largest = logits.iter().fold(f32::MIN, |a, b| a.max(*b));
            let sum: f64 = logits.iter().map(|l| f64::from(l - largest).exp()).sum();
            let log_p = f64::from(logits[target as usize] - largest) - sum.ln();
            close(plain.get(row)?.to_scalar()?, -log_p, &context);
            let want = -log_p.exp().clamp(1e-7, 1.0 - 1e-7).ln();
            close(clipped.get(row)?.to_scalar()?, want, &context);
        }
    }
    // Equal logits: the first class, which is `O`.
    let mask = entity_mask(&matrix(&logits)).expect("a matrix").to_vec1::<f32>()?;
    assert_eq!(mask, [0.0, 1.0, 0.0, 0.0]);
    Ok(())
}
