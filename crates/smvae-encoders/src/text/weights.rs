//! Names of a text encoder's tensors in the files of other programs.
//!
//! Known variations: the family's names for its parts, and tensors that hold several of ours, as in
//! ModernBERT; its prefix (`bert.`), `module.` before all of it, as PyTorch's `DataParallel`
//! writes, and `gamma`/`beta` for a layer norm's `weight`/`bias`. Poolers, heads and the buffer
//! `position_ids` are left out, and with DeBERTaV3 the embeddings of positions that only its
//! training used.

use super::{Family, Transformer, TransformerConfig};
use crate::weights::{LoadReport, Missing, Weights, expected};
use crate::{Error, Result};
use smvae_core::candle_core::Shape;
use smvae_core::nn::Parameters;
use std::collections::BTreeMap;

/// The most numbers that are drawn in the place of tensors that a file lacks: 1 GiB of them.
const MAX_DRAWN: usize = 1 << 28;

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
    // Before anything of these sizes is made: what a file lacks would be drawn.
    let numbers = |shape: &Shape| shape.dims().iter().fold(1_usize, |n, dim| n.saturating_mul(*dim));
    let wanted = expected.values().fold(0_usize, |sum, shape| sum.saturating_add(numbers(shape)));
    let there: usize = weights.tensors.values().map(|tensor| tensor.elem_count()).sum();
    if wanted > there.saturating_add(MAX_DRAWN) {
        let why = format!("it describes a network of {wanted} numbers, there are {there}");
        return Err(Error::Weights { path: weights.path, problems: vec![why] });
    }
    let weights = cut(weights, config.model_type)?;
    let (tensors, report) = weights.fit(&expected, |name| standard_name(config.model_type, name), missing)?;
    for (name, tensor) in tensors {
        parameters.insert(format!("{prefix}.{name}"), &tensor)?;
    }
    Ok(report)
}

/// The weights with tensors that hold several of ours cut into these.
fn cut(weights: Weights, family: Family) -> Result<Weights> {
    let (mut tensors, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, tensor) in weights.tensors {
        let Some((theirs, ours)) = family.profile().stacked.iter().find(|(theirs, _)| name.contains(theirs)) else {
            tensors.insert(name, tensor);
            continue;
        };
        let (rows, parts) = (tensor.dims().first().copied().unwrap_or_default(), ours.len());
        if rows == 0 || !rows.is_multiple_of(parts) {
            problems.push(format!("{name} has the shape {:?}, which is not {parts} equal parts", tensor.dims()));
            continue;
        }
        for (i, part) in ours.iter().enumerate() {
            tensors.insert(name.replace(theirs, part), tensor.narrow(0, i * rows / parts, rows / parts)?);
        }
    }
    if problems.is_empty() {
        Ok(Weights { tensors, ..weights })
    } else {
        Err(Error::Weights { path: weights.path, problems })
    }
}

/// The name a tensor has here; `None` for those that are left out.
fn standard_name(family: Family, name: &str) -> Option<String> {
    let name = name.strip_prefix("module.").unwrap_or(name);
    // A RoBERTa may have been made of a BERT, with its names.
    let prefixes = ["bert.", "roberta.", family.profile().prefix];
    let name = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let left_out = [
        "pooler.",
        "cls.",
        "lm_head.",
        "classifier.",
        "qa_outputs.",
        // DistilBERT's, ELECTRA's.
        "pre_classifier.",
        "vocab_transform.",
        "vocab_layer_norm.",
        "vocab_projector.",
        "discriminator_predictions.",
        "generator_predictions.",
        "generator_lm_head.",
        // DeBERTaV3's.
        "lm_predictions.",
        "mask_predictions.",
        // ModernBERT's.
        "head.",
        "decoder.",
    ];
    // DeBERTaV3's files have embeddings of positions that only a head of its training used.
    let unused = match name.strip_prefix("embeddings.") {
        Some("position_ids") => true,
        Some("position_embeddings.weight") => !family.profile().has_positions,
        _ => left_out.iter().any(|prefix| name.starts_with(prefix)),
    };
    if unused {
        return None;
    }
    let name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
    Some(family.profile().parts.iter().fold(name, |name, (theirs, ours)| name.replace(theirs, ours)))
}

#[cfg(test)]
mod tests;
