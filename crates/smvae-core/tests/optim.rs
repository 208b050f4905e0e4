//! Adam against its formula in f64: both places of epsilon, decay and its exemption, clipping,
//! groups, a saved state.
#![cfg(feature = "tensor")]

use smvae_core::candle_core::{DType, Device, Result, Tensor, Var};
use smvae_core::optim::{Adam, AdamConfig, AdamForm};

/// Gradients of three steps: large, tiny (where epsilon counts), zero.
const GRADIENTS: [[f32; 3]; 3] = [[3.0, 1e-7, 0.0], [-4.0, 2e-7, 0.0], [0.5, -1e-7, 1.0]];
const START: [f32; 3] = [1.0, -2.0, 0.5];
const RATE: f64 = 0.01;

fn parameters() -> Result<Vec<(String, Var)>> {
    let matrix = Var::from_tensor(&Tensor::new(&START, &Device::Cpu)?.reshape((1, 3))?)?;
    Ok(vec![("matrix".to_owned(), matrix), ("bias".to_owned(), Var::new(&START, &Device::Cpu)?)])
}

/// One step with these gradients for both parameters; returns the norm.
fn advance(adam: &mut Adam, parameters: &[(String, Var)], gradient: [f32; 3], rates: &[f64]) -> Result<f64> {
    let gradient = Tensor::new(&gradient, &Device::Cpu)?;
    let of = |var: &Var| (var.flatten_all()? * &gradient)?.sum_all();
    let grads = (of(&parameters[0].1)? + of(&parameters[1].1)?)?.backward()?;
    Ok(adam.step(&grads, rates).expect("finite gradients"))
}

/// The default settings, changed.
fn config(edit: impl FnOnce(&mut AdamConfig)) -> AdamConfig {
    let mut config = AdamConfig::default();
    edit(&mut config);
    config
}

fn values(var: &Var) -> Result<Vec<f32>> {
    var.flatten_all()?.to_vec1()
}

/// The formula of the crate's documentation, one number at a time.
fn reference(config: &AdamConfig, decay: f64, rate: f64) -> [f64; 3] {
    let mut w = START.map(f64::from);
    let (mut m, mut v) = ([0.0; 3], [0.0; 3]);
    for (t, gradient) in (1..).zip(GRADIENTS) {
        let gradient = gradient.map(f64::from);
        let norm = (2.0 * gradient.iter().map(|g| g * g).sum::<f64>()).sqrt();
        let clip = config.clip_norm.map_or(1.0, |max| (max / norm).min(1.0));
        let correct = |beta: f64| 1.0 - beta.powi(t);
        for k in 0..3 {
            let g = gradient[k] * clip;
            m[k] = config.beta1 * m[k] + (1.0 - config.beta1) * g;
            v[k] = config.beta2 * v[k] + (1.0 - config.beta2) * g * g;
            w[k] -= rate * decay * w[k];
            w[k] -= match config.form {
                AdamForm::PyTorch => {
                    rate * (m[k] / correct(config.beta1)) / ((v[k] / correct(config.beta2)).sqrt() + config.eps)
                }
                AdamForm::Keras => {
                    rate * correct(config.beta2).sqrt() / correct(config.beta1) * m[k] / (v[k].sqrt() + config.eps)
                }
            };
        }
    }
    w
}

#[track_caller]
fn check(config: AdamConfig, rates: [f64; 2]) {
    let parameters = parameters().expect("parameters on the CPU");
    let group = |name: &str| usize::from(name == "bias");
    let mut adam = Adam::new(parameters.clone(), group, config.clone()).expect("a setting in its range");
    for gradient in GRADIENTS {
        advance(&mut adam, &parameters, gradient, &rates).expect("a step");
    }
    for ((name, var), (rate, decay)) in parameters.iter().zip([(rates[0], config.weight_decay), (rates[1], 0.0)]) {
        let want = reference(&config, decay, rate);
        for (got, want) in values(var).expect("numbers").into_iter().zip(want) {
            assert!((f64::from(got) - want).abs() < 1e-6, "{config:?}: {name} is {got}, want {want}");
        }
    }
}

#[test]
fn steps_are_the_formula() {
    let plain = config(|c| (c.weight_decay, c.clip_norm) = (0.0, None));
    check(plain.clone(), [RATE; 2]);
    check(AdamConfig::keras(), [RATE; 2]);
    check(config(|c| (c.weight_decay, c.clip_norm) = (0.5, None)), [RATE; 2]);
    check(config(|c| (c.weight_decay, c.clip_norm) = (0.0, Some(2.0))), [RATE; 2]);
    check(AdamConfig::default(), [RATE, 0.1 * RATE]);
    check(plain, [0.0, RATE]);
}

#[test]
fn a_saved_state_continues_with_the_same_bits() -> Result<()> {
    let (whole, halves) = (parameters()?, parameters()?);
    let new = |p: &[(String, Var)]| Adam::new(p.to_vec(), |_| 0, AdamConfig::default()).expect("defaults");
    let (mut adam, mut first) = (new(&whole), new(&halves));
    for gradient in GRADIENTS {
        advance(&mut adam, &whole, gradient, &[RATE])?;
    }
    advance(&mut first, &halves, GRADIENTS[0], &[RATE])?;
    let (state, steps) = (first.state().expect("copies"), first.steps());
    let mut second = new(&halves);
    second.load_state(steps, &state).expect("its own state");
    for gradient in &GRADIENTS[1..] {
        advance(&mut second, &halves, *gradient, &[RATE])?;
    }
    assert_eq!((adam.steps(), second.steps()), (3, 3));
    for ((name, a), (_, b)) in whole.iter().zip(&halves) {
        assert_eq!(values(a)?, values(b)?, "{name}");
    }
    let mut state = state;
    state.remove("bias.v");
    assert!(second.load_state(1, &state).is_err(), "a moment is missing");
    Ok(())
}

#[test]
fn what_cannot_be_done_changes_nothing() -> Result<()> {
    let parameters = parameters()?;
    let mut adam = Adam::new(parameters.clone(), |_| 0, AdamConfig::default()).expect("defaults");
    let grads = (parameters[1].1.as_tensor() * f64::INFINITY)?.sum_all()?.backward()?;
    assert!(adam.step(&grads, &[RATE]).is_err(), "the norm is not finite");
    assert!(adam.step(&grads, &[]).is_err(), "the group has no rate");
    assert_eq!((adam.steps(), values(&parameters[1].1)?), (0, START.to_vec()));
    let half = Var::zeros(1, DType::F16, &Device::Cpu)?;
    assert!(Adam::new(vec![("half".to_owned(), half)], |_| 0, AdamConfig::default()).is_err());
    assert!(Adam::new(parameters, |_| 0, config(|c| c.beta1 = 1.0)).is_err());
    // As f32 they are 0 and 1.
    assert!(config(|c| c.eps = 1e-50).validate().is_err());
    assert!(config(|c| c.eps = 1e300).validate().is_err());
    assert!(config(|c| c.beta2 = 0.999_999_99).validate().is_err());
    assert!(config(|c| (c.eps, c.beta2, c.weight_decay) = (1e-30, 0.999_999, 0.0)).validate().is_ok());
    Ok(())
}

#[test]
fn the_norm_is_of_all_gradients_before_clipping() -> Result<()> {
    let parameters = parameters()?;
    let mut adam = Adam::new(parameters.clone(), |_| 0, AdamConfig::default()).expect("defaults");
    let norm = advance(&mut adam, &parameters, [3.0, 4.0, 0.0], &[RATE])?;
    assert!((norm - 50f64.sqrt()).abs() < 1e-6, "{norm}");
    Ok(())
}
