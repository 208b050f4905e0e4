//! Differentiable layers: what candle lacks a backward for, or does slowly.
//!
//! Each operation works on slices with a hand-written backward on the CPU, in f32 and f64, has
//! kernels for CUDA devices in f32, and is composed of candle's operations for everything else.
//! Nothing here knows what spans mean, VAEs or posts; nothing draws a random number that is not an
//! argument.

pub mod activation;
pub mod attention;
pub mod average;
pub mod columns;
pub mod cross_entropy;
#[cfg(test)]
pub(crate) mod device_tests;
pub(crate) mod dispatch;
pub mod dropout;
pub mod embedding;
pub mod gradients;
pub(crate) mod kernels;
pub(crate) mod lanes;
pub mod layer_norm;
pub mod linear;
pub mod lstm;
mod matrix;
pub mod pairs;
pub mod parameters;
pub mod precision;
pub mod prepared;
pub mod prepared_gated;
pub(crate) mod real;
pub mod residual;
pub mod rotary;
pub mod segments;
pub(crate) mod select;
mod small;
pub mod squared_error;
mod stack_rows;
mod sums;
#[cfg(test)]
mod tests;

pub use activation::{Activation, gelu_erf, gelu_tanh, leaky_relu};
pub use attention::{attention, attention_with_bias, attention_with_positions};
pub use average::Average;
pub use columns::{Columns, linear_columns};
pub use cross_entropy::softmax_cross_entropy;
pub use dropout::{dropout, dropout_add};
pub use embedding::{embedding, embedding_sum};
pub use gradients::Gradients;
pub use layer_norm::{LayerNorm, layer_norm};
pub use linear::{Linear, linear};
pub use lstm::BiLstm;
pub use parameters::Parameters;
pub use precision::{Form, Precision, Unit};
pub use prepared::{PreparedBlock, PreparedLinear};
pub use prepared_gated::PreparedGated;
pub use residual::residual_end;
pub use rotary::Rotary;
pub use segments::segment_mean;
pub use squared_error::squared_error;
