//! Weights of a text encoder from a safetensors file, whatever its tensors are called.
//!
//! Known variations: a prefix `bert.`, and `gamma`/`beta` for a layer norm's `weight`/`bias`. The pooler, the heads of
//! pretraining and the buffer `position_ids` are left out; anything else that is missing or not expected is an error.

use super::{Bert, BertConfig};
use crate::{Error, Result};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use smvae_core::candle_core::{self, DType, Device, Shape, Tensor};
use smvae_core::nn::Parameters;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Loads the weights of a BERT into `parameters`, below `prefix` (such as `encoder`), as f32.
///
/// # Errors
/// [`Error::Weights`] with the names of all tensors that are missing, not expected, or of another shape.
pub fn load_weights(config: &BertConfig, path: impl AsRef<Path>, parameters: &Parameters, prefix: &str) -> Result<()> {
    let path = path.as_ref();
    let metadata = std::fs::metadata(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let unreadable = |source: Box<dyn std::error::Error + Send + Sync>| Error::Json {
        path: path.to_owned(),
        what: "safetensors file",
        source,
    };
    if !metadata.is_file() {
        return Err(unreadable("it is not a file".into()));
    }
    let found = candle_core::safetensors::load(path, &Device::Cpu).map_err(|e| unreadable(e.into()))?;
    let mut found: BTreeMap<String, Tensor> =
        found.into_iter().filter_map(|(name, tensor)| Some((standard_name(&name)?, tensor))).collect();

    let mut report = Vec::new();
    let mut weights = Vec::new();
    for (name, shape) in expected(config)? {
        match found.remove(&name) {
            None => report.push(format!("{name} is missing")),
            Some(tensor) if tensor.shape() != &shape => {
                report.push(format!("{name} has the shape {:?}, not {:?}", tensor.dims(), shape.dims()));
            }
            Some(tensor) => weights.push((name, tensor.to_dtype(DType::F32)?)),
        }
    }
    report.extend(found.into_keys().map(|name| format!("{name} is not expected")));
    if !report.is_empty() {
        return Err(Error::Weights { path: path.to_owned(), report });
    }
    for (name, tensor) in weights {
        parameters.insert(format!("{prefix}.{name}"), &tensor)?;
    }
    Ok(())
}

/// The name a tensor has here; none for those that are left out.
fn standard_name(name: &str) -> Option<String> {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    let left_out = ["pooler.", "cls.", "classifier.", "qa_outputs."];
    if left_out.iter().any(|prefix| name.starts_with(prefix)) || name == "embeddings.position_ids" {
        return None;
    }
    let name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
    Some(name)
}

/// Names and shapes of all tensors a network asks for, found by letting it ask.
fn expected(config: &BertConfig) -> Result<BTreeMap<String, Shape>> {
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let recorder = Box::new(Recorder { seen: seen.clone() });
    Bert::load(config, VarBuilder::from_backend(recorder, DType::F32, Device::Cpu))?;
    let names = std::mem::take(&mut *seen.lock().expect("nothing panics while it is locked"));
    Ok(names)
}

struct Recorder {
    seen: Arc<Mutex<BTreeMap<String, Shape>>>,
}

impl SimpleBackend for Recorder {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        self.seen.lock().expect("nothing panics while it is locked").insert(name.to_owned(), shape.clone());
        // One number seen as many: no memory.
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name} was asked for without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tiny;
    use std::collections::HashMap;

    fn tensors(config: &BertConfig) -> HashMap<String, Tensor> {
        let shapes = expected(config).expect("a valid configuration");
        shapes
            .into_iter()
            .map(|(name, shape)| (name, Tensor::ones(shape, DType::F32, &Device::Cpu).expect("ones")))
            .collect()
    }

    /// Saves the tensors under other names, loads them, and returns the error's report.
    #[track_caller]
    fn check(change: impl Fn(&mut HashMap<String, Tensor>)) -> Vec<String> {
        let config = tiny(50);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("model.safetensors");
        let mut tensors = tensors(&config);
        change(&mut tensors);
        candle_core::safetensors::save(&tensors, &path).expect("a writable folder");
        let parameters = Parameters::new(0, &Device::Cpu);
        match load_weights(&config, &path, &parameters, "encoder") {
            Ok(()) => {
                let vb = parameters.frozen_builder(DType::F32).pp("encoder");
                Bert::load(&config, vb).expect("everything was loaded");
                Vec::new()
            }
            Err(Error::Weights { report, .. }) => report,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn names_of_other_programs_are_understood() {
        assert!(check(|_| {}).is_empty());
        assert!(
            check(|tensors| {
                let old = std::mem::take(tensors);
                for (name, tensor) in old {
                    let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
                    tensors.insert(format!("bert.{}", name.replace("LayerNorm.bias", "LayerNorm.beta")), tensor);
                }
                let extra = Tensor::ones(1, DType::F32, &Device::Cpu).expect("one number");
                tensors.insert("bert.pooler.dense.bias".to_owned(), extra.clone());
                tensors.insert("cls.predictions.bias".to_owned(), extra);
            })
            .is_empty()
        );
    }

    #[test]
    fn everything_that_does_not_fit_is_named() {
        let report = check(|tensors| {
            tensors.remove("embeddings.LayerNorm.bias");
            let wrong = Tensor::ones(3, DType::F32, &Device::Cpu).expect("ones");
            tensors.insert("encoder.layer.0.output.dense.bias".to_owned(), wrong.clone());
            tensors.insert("encoder.layer.99.x".to_owned(), wrong);
        });
        assert_eq!(report.len(), 3, "{report:?}");
        assert!(report[0].contains("embeddings.LayerNorm.bias is missing"), "{report:?}");
        assert!(report[1].contains("output.dense.bias has the shape [3]"), "{report:?}");
        assert!(report[2].contains("encoder.layer.99.x is not expected"), "{report:?}");
    }
}
