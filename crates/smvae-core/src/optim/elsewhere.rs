//! Adam on another device than the CPU, by candle's operations, where there are no kernels
//! (`kernels.rs`). Nothing here waits for the device: the norm of the gradients, the factor that
//! clips them and whether the step may be taken stay there. A step that may not be taken leaves
//! weights and moments as they are, whatever the gradients are.

use super::update::Update;
use crate::Result;
use candle_core::{DType, Tensor, Var};

/// First and second moment of a parameter, in its shape.
pub(super) type Moments = [Tensor; 2];

/// What the step of one parameter needs.
pub(super) struct Parameter<'a> {
    pub var: &'a Var,
    pub gradient: &'a Tensor,
    pub moments: &'a mut Moments,
    pub update: Update,
}

/// Steps of all parameters at once, if their gradients are finite and `may`, a scalar of u8, is not
/// 0; `None` means that it may. Returns the global norm of the gradients before clipping, a scalar
/// of f64, even if it is not finite.
pub(super) fn update(
    parameters: Vec<Parameter<'_>>,
    clip_norm: Option<f64>,
    may: Option<&Tensor>,
) -> Result<Option<Tensor>> {
    let squares = parameters.iter().map(|p| Ok(p.gradient.sqr()?.sum_all()?)).collect::<Result<Vec<_>>>()?;
    if squares.is_empty() {
        return Ok(None);
    }
    let norm = Tensor::stack(&squares, 0)?.to_dtype(DType::F64)?.sum_all()?.sqrt()?;
    let mut fine = is_finite(&norm)?;
    if let Some(may) = may {
        fine = (fine * may)?;
    }
    let clip = clip_norm.map(|max| clip_factor(&norm, max)).transpose()?;
    for Parameter { var, gradient, moments, update } in parameters {
        let gradient = match &clip {
            Some(clip) => gradient.broadcast_mul(clip)?,
            None => gradient.clone(),
        };
        step(var, &gradient, moments, update, &fine)?;
    }
    Ok(Some(norm))
}

/// 1 if a number is finite, else 0; both scalars, the result of u8.
fn is_finite(x: &Tensor) -> Result<Tensor> {
    // 0 times a number is 0, or, if it is not finite, not a number, which does not equal itself.
    let zero = (x * 0.0)?;
    Ok(zero.eq(&zero)?)
}

/// `min(1, max / norm)`, a scalar of f32.
fn clip_factor(norm: &Tensor, max: f64) -> Result<Tensor> {
    let one = Tensor::full(1f64, norm.shape(), norm.device())?;
    Ok(((norm + 1e-6)?.recip()? * max)?.minimum(&one)?.to_dtype(DType::F32)?)
}

/// The step of one parameter if `fine` is 1.
fn step(var: &Var, gradient: &Tensor, [m, v]: &mut Moments, u: Update, fine: &Tensor) -> Result<()> {
    let new_m = ((&*m * u.beta1)? + (gradient * (1.0 - u.beta1))?)?;
    let new_v = ((&*v * u.beta2)? + (gradient.sqr()? * (1.0 - u.beta2))?)?;
    let change = ((&new_m * u.rate)? / ((new_v.sqrt()? * u.root)? + u.eps)?)?;
    let new = ((var.as_tensor() * u.keep)? - change)?;
    // Chosen and not multiplied: 0 times what is not finite is not finite.
    let fine = fine.broadcast_as(var.shape())?;
    let weights = fine.where_cond(&new, &var.as_detached_tensor())?;
    (*m, *v) = (fine.where_cond(&new_m, m)?, fine.where_cond(&new_v, v)?);
    Ok(var.set(&weights)?)
}

#[cfg(test)]
mod tests {
    use crate::nn::dispatch::composed;
    use crate::optim::{Adam, AdamConfig};
    use candle_core::{Device, Result, Tensor, Var};

    fn parameters() -> Result<Vec<(String, Var)>> {
        let matrix = Var::new(&[[1f32, -2.0, 0.5]], &Device::Cpu)?;
        Ok(vec![("matrix".to_owned(), matrix), ("bias".to_owned(), Var::new(&[1f32, 0.0], &Device::Cpu)?)])
    }

    /// The norm of each step, and the parameters and moments after it.
    type Steps = (Vec<Option<f64>>, Vec<Vec<f32>>);

    /// Three steps, the last of which has a gradient that is not finite.
    fn train(config: AdamConfig) -> Result<Steps> {
        let parameters = parameters()?;
        let mut adam = Adam::new(parameters.clone(), |_| 0, config).expect("settings in their range");
        let (mut norms, mut states) = (Vec::new(), Vec::new());
        for scale in [3.0, -1e-3, f64::INFINITY] {
            let loss = ((parameters[0].1.sqr()?.sum_all()? + parameters[1].1.sum_all()?)? * scale)?;
            norms.push(adam.step(&loss.backward()?, &[0.01]).ok());
            let state = adam.state().expect("copies").into_values();
            let all = state.chain(parameters.iter().map(|(_, var)| var.as_detached_tensor()));
            states.push(all.flat_map(|x| x.flatten_all().and_then(|x| x.to_vec1::<f32>()).expect("f32")).collect());
        }
        assert_eq!(adam.steps(), 2, "a step that changed nothing is not counted");
        Ok((norms, states))
    }

    #[test]
    fn steps_are_those_of_the_cpu() -> Result<()> {
        let unclipped = AdamConfig { clip_norm: None, ..AdamConfig::default() };
        for config in [AdamConfig::default(), unclipped, AdamConfig::keras()] {
            let ((want_norms, want), (norms, got)) = (train(config.clone())?, composed(|| train(config.clone()))?);
            assert!(norms[2].is_none() && want_norms[2].is_none());
            assert!(got[1] == got[2], "the last step changed something ({config:?})");
            for (got, want) in norms.iter().flatten().zip(want_norms.iter().flatten()) {
                assert!((got - want).abs() < 1e-6 * want, "{got} instead of {want}");
            }
            for (got, want) in got.iter().flatten().zip(want.iter().flatten()) {
                // 1 - 0.999 in f32 is 1e-5 of it off.
                assert!((got - want).abs() < 1e-5, "{got} instead of {want} ({config:?})");
            }
        }
        Ok(())
    }

    #[test]
    fn a_step_without_any_gradient_has_a_norm_of_0() -> Result<()> {
        let grads = Tensor::new(1f32, &Device::Cpu)?.backward()?;
        let norm = composed(|| Adam::new(parameters()?, |_| 0, AdamConfig::default())?.step(&grads, &[0.01]));
        assert_eq!(norm.expect("nothing to do"), 0.0);
        Ok(())
    }
}
