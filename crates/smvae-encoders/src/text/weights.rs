//! Names of a text encoder's tensors in the files of other programs.
//!
//! Known variations: a prefix `bert.` or `roberta.`, and `gamma`/`beta` for a layer norm's
//! `weight`/`bias`. Poolers, heads and the buffer `position_ids` are left out.

use super::{Transformer, TransformerConfig};
use crate::Result;
use crate::weights::{LoadReport, Missing, Weights, expected};
use smvae_core::nn::Parameters;

/// Loads weights of a text encoder into `parameters`, below `prefix` (such as `encoder`), as f32.
///
/// # Errors
/// [`crate::Error::Weights`] with the names of all tensors that are missing, unless they are to be
/// drawn, or that do not fit.
pub fn load_weights(
    config: &TransformerConfig,
    weights: Weights,
    missing: Missing,
    parameters: &Parameters,
    prefix: &str,
) -> Result<LoadReport> {
    let expected = expected(|vb| Transformer::load(config, vb))?;
    let (tensors, report) = weights.fit(&expected, standard_name, missing)?;
    for (name, tensor) in tensors {
        parameters.insert(format!("{prefix}.{name}"), &tensor)?;
    }
    Ok(report)
}

/// The name a tensor has here; `None` for those that are left out.
fn standard_name(name: &str) -> Option<String> {
    let name = ["bert.", "roberta."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let left_out = ["pooler.", "cls.", "lm_head.", "classifier.", "qa_outputs."];
    if left_out.iter().any(|prefix| name.starts_with(prefix)) || name == "embeddings.position_ids" {
        return None;
    }
    let name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
    Some(name)
}

#[cfg(test)]
mod tests;
