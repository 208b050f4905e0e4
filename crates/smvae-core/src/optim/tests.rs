//! Adam in all forms, on parameters that kernels cut into chunks: what it leaves, that a saved
//! state continues with the same bits, and that a step that may not be taken changes nothing.

use super::*;
use crate::nn::device_tests::{device, in_all_forms, with_kernels};
use crate::nn::dispatch::composed;
use crate::rng;
use candle_core::Device;

/// Of the two groups.
const RATES: [f64; 2] = [1e-2, 1e-3];

type Tensors = BTreeMap<String, Tensor>;

struct Run {
    parameters: Vec<(String, Var)>,
    adam: Adam,
}

impl Run {
    /// Three chunks; less than one, in a group of its own; one number; chunks without a rest; and
    /// what has no gradient.
    fn new(device: &Device, config: AdamConfig) -> Self {
        let shapes: [(&str, &[usize]); 5] =
            [("a", &[300, 257]), ("bias", &[33]), ("c", &[1]), ("d", &[2, 16 * 1024]), ("unused", &[5])];
        let var = |(name, shape): (&str, &[usize])| {
            (name.to_owned(), Var::from_tensor(&noise(name, shape, device)).expect("a copy"))
        };
        let parameters = shapes.map(var).to_vec();
        let adam = Adam::new(parameters.clone(), |name| usize::from(name == "bias"), config);
        Self { parameters, adam: adam.expect("f32 on one device") }
    }

    /// The loss of the next step; the gradient of `a` is a transposed tensor.
    fn loss(&self, scale: f64) -> Tensor {
        let step = self.adam.steps() + 1;
        let of = |i: usize| -> candle_core::Result<Tensor> {
            let (name, var) = &self.parameters[i];
            let var = if i == 0 { var.t()? } else { var.as_tensor().clone() };
            (&var * noise(&format!("{name} {step}"), var.dims(), var.device()))?.sum_all()
        };
        let loss = of(0).and_then(|sum| (((sum + of(1)?)? + of(2)?)? + of(3)?)? * scale);
        loss.expect("equal shapes")
    }

    fn step(&mut self, scale: f64) -> Result<f64> {
        let loss = self.loss(scale);
        self.adam.minimise(&loss, &RATES)
    }

    /// Weights and moments.
    fn state(&self) -> Tensors {
        let mut state = self.adam.state().expect("copies");
        let copy = |var: &Var| var.to_device(&Device::Cpu).and_then(|x| x.copy()).expect("a copy");
        state.extend(self.parameters.iter().map(|(name, var)| (name.clone(), copy(var))));
        state
    }
}

fn noise(name: &str, shape: &[usize], device: &Device) -> Tensor {
    let noise = rng::standard_normal(shape, &mut rng::named(7, name), &Device::Cpu);
    noise.and_then(|noise| noise.to_device(device)).expect("noise")
}

/// The bits of each tensor, in the order of the names.
fn bits(tensors: &Tensors) -> Vec<Vec<u32>> {
    let values = |x: &Tensor| x.flatten_all().and_then(|x| x.to_vec1::<f32>()).expect("f32");
    tensors.values().map(|x| values(x).into_iter().map(f32::to_bits).collect()).collect()
}

/// Runs `f` where gradients stay on their device: composed, and with kernels.
fn elsewhere(f: impl Fn()) {
    composed(&f);
    with_kernels(|_| f());
}

fn unclipped() -> AdamConfig {
    AdamConfig { clip_norm: None, ..AdamConfig::default() }
}

#[test]
fn steps_are_the_same_in_all_forms() {
    let loose = AdamConfig { clip_norm: Some(1e6), ..AdamConfig::default() };
    for config in [AdamConfig::default(), AdamConfig::keras(), unclipped(), loose] {
        in_all_forms(|device| {
            let mut run = Run::new(device, config.clone());
            let norms = [1.0, 0.1, 3.0].map(|scale| run.step(scale).expect("finite") as f32);
            let mut state = run.state();
            state.insert("norms".to_owned(), Tensor::new(&norms, &Device::Cpu)?);
            Ok(state)
        });
    }
}

#[test]
fn norms_of_more_gradients_than_a_block_has_threads_are_the_same_in_all_forms() {
    in_all_forms(|device| {
        let var = |i: usize| {
            let name = i.to_string();
            Ok((name.clone(), Var::from_tensor(&noise(&name, &[1 + i % 3], device))?))
        };
        let parameters = (0..300).map(var).collect::<candle_core::Result<Vec<_>>>()?;
        let squares =
            parameters.iter().map(|(_, var)| var.sqr()?.sum_all()).collect::<candle_core::Result<Vec<_>>>()?;
        let mut adam = Adam::new(parameters.clone(), |_| 0, AdamConfig::default()).expect("f32 on one device");
        let norm = adam.minimise(&Tensor::stack(&squares, 0)?.sum_all()?, &RATES).expect("finite");
        let mut state: Tensors = parameters.into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect();
        state.insert("norm".to_owned(), Tensor::new(&[norm as f32], &Device::Cpu)?);
        Ok(state)
    });
}

#[test]
fn a_saved_state_continues_with_the_same_bits() {
    elsewhere(|| {
        let mut whole = Run::new(&device(), AdamConfig::default());
        let mut first = Run::new(&device(), AdamConfig::default());
        (0..4).for_each(|_| assert!(whole.step(1.0).is_ok()));
        (0..2).for_each(|_| assert!(first.step(1.0).is_ok()));
        let saved = first.adam.state().expect("copies");
        let mut second = Run::new(&device(), AdamConfig::default());
        for ((_, var), (_, of)) in second.parameters.iter().zip(&first.parameters) {
            var.set(of).expect("equal shapes");
        }
        second.adam.load_state(first.adam.steps(), &saved).expect("its own state");
        (0..2).for_each(|_| assert!(second.step(1.0).is_ok()));
        assert_eq!(bits(&whole.state()), bits(&second.state()));
        let before = bits(&saved);
        assert!(first.step(1.0).is_ok());
        assert_eq!(bits(&saved), before, "what was saved is a copy");
    });
}

#[test]
fn a_step_that_may_not_be_taken_changes_nothing() {
    elsewhere(|| {
        let mut run = Run::new(&device(), AdamConfig::default());
        assert!(run.step(1.0).is_ok());
        let before = run.state();
        assert!(run.step(f64::INFINITY).is_err());
        assert_eq!((run.adam.steps(), bits(&run.state())), (1, bits(&before)));
        for (may, is_taken) in [(0u8, false), (1, true)] {
            let may = Tensor::new(may, &device()).expect("a scalar");
            run.adam.minimise_if(&run.loss(1.0), Some(&may), &RATES).expect("finite gradients");
            assert_eq!(bits(&run.state()) != bits(&before), is_taken);
        }
    });
}

#[test]
fn kernels_give_the_same_bits_every_time_and_in_every_order() {
    let first = std::cell::OnceCell::new();
    with_kernels(|order| {
        for _ in 0..2 {
            let mut run = Run::new(&device(), AdamConfig::default());
            (0..2).for_each(|_| assert!(run.step(1.0).is_ok()));
            let state = bits(&run.state());
            assert_eq!(first.get_or_init(|| state.clone()), &state, "{order:?}");
        }
    });
}
