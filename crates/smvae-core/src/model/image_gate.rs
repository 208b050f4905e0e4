//! A gate for each span, `g = sigmoid(w t + b)` of the text expert's hidden layer t: how much the
//! post's image says of this span. It is the factor of the image expert's precision in a product,
//! of its weight in a mean, and of what the classifier sees of the image.
//!
//! The gate is kept as its argument `a`, since `log g = -softplus(-a)` is finite where g is 0.

use super::config::ModelConfig;
use crate::Result;
use crate::nn::Linear;
use crate::vae::Gaussian;
use candle_core::Tensor;
use candle_nn::VarBuilder;

/// The layer that gates come from.
#[derive(Clone, Debug)]
pub(super) struct ImageGate(Linear);

impl ImageGate {
    /// The layer, if the configuration asks for it and there are images. A fresh one gives gates
    /// around one half.
    pub(super) fn load(config: &ModelConfig, text_dim: usize, vb: VarBuilder<'_>) -> Result<Option<Self>> {
        let is_there = config.image_gate && config.image_width(text_dim).is_some();
        Ok(is_there.then(|| Linear::load(config.hidden_dim, 1, vb)).transpose()?.map(Self))
    }

    /// The gates of spans with these hidden layers of the text expert, `[rows, k]`.
    pub(super) fn of(&self, hidden: &Tensor) -> Result<Gate> {
        Ok(Gate { argument: self.0.forward(hidden)? })
    }
}

/// One gate per row.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    /// `[rows, 1]`.
    argument: Tensor,
}

impl Gate {
    /// The gates, `[rows, 1]`.
    pub(super) fn openness(&self) -> Result<Tensor> {
        Ok(candle_nn::ops::sigmoid(&self.argument)?)
    }

    /// Gaussians whose precisions are multiplied by the gates.
    pub(super) fn gated(&self, gaussian: &Gaussian) -> Result<Gaussian> {
        // -log g = softplus(-a) = max(-a, 0) + log(1 + exp(-|a|)). The maximum is (|a| - a) / 2, so
        // that the slope is right at 0, too.
        let (a, size) = (&self.argument, self.argument.abs()?);
        let widening = (((&size - a)? * 0.5)? + (size.neg()?.exp()? + 1.0)?.log()?)?;
        Gaussian::new(gaussian.mu.clone(), &gaussian.log_var.broadcast_add(&widening)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_gate_multiplies_precisions_and_a_shut_one_leaves_finite_numbers() -> Result<()> {
        let gate = Gate { argument: Tensor::new(&[[0f32], [2.0], [-1e5], [1e5]], &Device::Cpu)? };
        let one = Tensor::zeros((4, 1), candle_core::DType::F32, &Device::Cpu)?;
        let log_var = gate.gated(&Gaussian::new(one.clone(), &one)?)?.log_var.flatten_all()?.to_vec1::<f32>()?;
        let openness = gate.openness()?.flatten_all()?.to_vec1::<f32>()?;
        for (log_var, openness) in log_var.iter().zip(&openness).take(2) {
            assert!(((-log_var).exp() - openness).abs() < 1e-6, "{log_var} {openness}");
        }
        assert_eq!((openness[2], openness[3], log_var[3]), (0.0, 1.0, 0.0));
        assert_eq!(f64::from(log_var[2]), crate::vae::LOG_VAR_RANGE.1);
        Ok(())
    }
}
