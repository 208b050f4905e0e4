//! Weights of a text encoder: other programs' names, and tensors that a file lacks.

use super::*;
use crate::text::tiny;
use smvae_core::candle_core::{DType, Device, Tensor};

/// Loads the tiny encoder's tensors under the names that `rename` gives them.
#[track_caller]
fn check(rename: impl Fn(&str) -> String, more: &[&str], want: &LoadReport) {
    let config = tiny(50);
    let shapes = expected(|vb| Transformer::load(&config, vb)).expect("a valid configuration");
    let tensor = |shape| Tensor::ones(shape, DType::F32, &Device::Cpu).expect("ones");
    let more = more.iter().map(|name| ((*name).to_owned(), tensor((1,).into())));
    let tensors = shapes.into_iter().map(|(name, shape)| (rename(&name), tensor(shape))).chain(more).collect();
    let weights = Weights { path: "w".into(), tensors };
    let parameters = Parameters::new(0, &Device::Cpu);
    let report = load_weights(&config, weights, Missing::Refuse, &parameters, "encoder");
    assert_eq!(&report.expect("everything is there"), want);
    Transformer::load(&config, parameters.frozen_builder(DType::F32).pp("encoder")).expect("everything was loaded");
}

#[test]
fn sizes_beyond_the_file_are_refused_before_anything_is_made() {
    let config = TransformerConfig { vocab_size: 1 << 24, hidden_size: 1 << 10, ..tiny(50) };
    let tensors = [("encoder.layer.0.output.dense.bias".to_owned(), Tensor::new(&[1_f32], &Device::Cpu).expect("one"))];
    let weights = Weights { path: "w".into(), tensors: tensors.into() };
    let error = load_weights(&config, weights, Missing::Draw, &Parameters::new(0, &Device::Cpu), "encoder");
    let message = error.expect_err("64 GiB of numbers").to_string();
    assert!(message.contains("numbers, there are 1"), "{message}");
}

#[test]
fn what_a_file_lacks_may_be_drawn() {
    let config = tiny(50);
    let load = |missing| {
        let shapes = expected(|vb| Transformer::load(&config, vb)).expect("a valid configuration");
        let present = shapes.into_iter().filter(|(name, _)| !name.starts_with("encoder.layer.1."));
        let tensors = present.map(|(name, shape)| (name, Tensor::ones(shape, DType::F32, &Device::Cpu).expect("ones")));
        let weights = Weights { path: "w".into(), tensors: tensors.collect() };
        let parameters = Parameters::new(0, &Device::Cpu);
        load_weights(&config, weights, missing, &parameters, "encoder").map(|report| (parameters, report))
    };
    let (parameters, report) = load(Missing::Draw).expect("layer 0 is there");
    assert_eq!(report.missing.len(), 16);
    Transformer::load(&config, parameters.builder(DType::F32).pp("encoder")).expect("the rest is drawn");
    assert!(matches!(load(Missing::Refuse), Err(crate::Error::Weights { problems, .. }) if problems.len() == 16));
}

#[test]
fn names_of_other_programs_are_understood() {
    let nothing = LoadReport::default();
    check(str::to_owned, &["pooler.dense.bias"], &nothing);
    check(|name| format!("roberta.{name}"), &["lm_head.bias", "classifier.dense.weight"], &nothing);
    let old = |name: &str| {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        format!("bert.{name}")
    };
    check(old, &["bert.pooler.dense.bias", "cls.predictions.bias", "bert.embeddings.position_ids"], &nothing);
    let unused = vec!["encoder.layer.99.x".to_owned()];
    check(str::to_owned, &["encoder.layer.99.x"], &LoadReport { unused, ..nothing });
}

#[test]
fn a_matrix_of_several_is_cut_into_them() {
    let load = |shape: (usize, usize)| {
        let tensor = Tensor::arange(0_f32, (shape.0 * shape.1) as f32, &Device::Cpu).expect("numbers");
        let tensor = tensor.reshape(shape).expect("as many");
        cut(
            Weights { path: "w".into(), tensors: [("layers.0.mlp.Wi.weight".to_owned(), tensor)].into() },
            Family::ModernBert,
        )
    };
    let parts = load((4, 2)).expect("two and two rows").tensors;
    let rows = |name: &str| parts[name].to_vec2::<f32>().expect("a matrix");
    assert_eq!(rows("layers.0.intermediate.dense.weight"), [[0.0, 1.0], [2.0, 3.0]]);
    assert_eq!(rows("layers.0.intermediate.gate.weight"), [[4.0, 5.0], [6.0, 7.0]]);
    let message = load((3, 2)).expect_err("three rows").to_string();
    assert!(message.contains("layers.0.mlp.Wi.weight has the shape [3, 2], which is not 2 equal parts"), "{message}");
}
