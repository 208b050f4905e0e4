//! Which activation.

/// An activation, alone or at the end of a linear layer
/// ([`Linear::forward_activated`](crate::nn::Linear)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// [`gelu_erf`](crate::nn::gelu_erf).
    GeluErf,
    /// [`gelu_tanh`](crate::nn::gelu_tanh).
    GeluTanh,
    /// [`leaky_relu`](crate::nn::leaky_relu) with this slope.
    LeakyRelu(f64),
}
