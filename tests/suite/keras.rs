//! The golden manifest, and the authors' Keras variables as parameters of ours.
//!
//! Keras has dense kernels as `[in, out]`, ours are `[out, in]`; the LSTM gates i, f, c, o are ours
//! i, f, g, o. Keras numbers its layers by when they were made, so that a layer's role is told by
//! its place among those of its kind and network. Classes are put in our order: no entity first.

use serde::Deserialize;
use smvae_core::candle_core::{Result, Tensor};
use smvae_core::model::{ModelConfig, Quirks};
use smvae_core::optim::AdamConfig;
use smvae_encoders::text::{HiddenAct, TransformerConfig};
use std::collections::BTreeMap;

/// What `manifest.json` says about a set of golden files, as far as the tests need it.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    labels: Vec<String>,
    nonentity_label_idx: usize,
    hidden_dim: usize,
    latent_dim: usize,
    image_dim: usize,
    bert: TransformerConfig,
    /// Weight of the cross entropy, `exp(1 - gamma)`.
    pub(crate) semi_gamma: f64,
    pub(crate) semi_lambda: f64,
    adam: AdamSettings,
    variables: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
struct AdamSettings {
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
}

#[derive(Debug, Deserialize)]
struct Listed {
    name: String,
    shape: Vec<usize>,
}

/// A variable of the authors' program.
#[derive(Debug)]
pub(crate) struct Variable {
    /// Its name there, the key of its arrays.
    pub(crate) keras: String,
    /// The parameter it is here.
    pub(crate) ours: String,
    layout: Layout,
}

/// How an array differs from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Same,
    /// `[in, out]`, not `[out, in]`.
    Transposed,
    /// Transposed, and its outputs, the only dimension of a bias, are classes.
    ToClasses,
    /// Transposed, and its first inputs are classes.
    FromClasses,
}

impl Manifest {
    /// Their BERT: GELU in its tanh form whatever the configuration says, no dropout, keras-bert's
    /// epsilon.
    pub(crate) fn bert(&self) -> TransformerConfig {
        TransformerConfig {
            hidden_act: HiddenAct::GeluNew,
            layer_norm_eps: 1e-14,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            ..self.bert.clone()
        }
    }

    /// Their model, for texts padded to `pad_to` pieces.
    pub(crate) fn model(&self, pad_to: usize) -> ModelConfig {
        let mut model = ModelConfig::default();
        (model.hidden_dim, model.latent_dim) = (self.hidden_dim, self.latent_dim);
        (model.image_dim, model.quirks) = (Some(self.image_dim), Quirks::authors());
        model.quirks.pad_to = Some(pad_to);
        model
    }

    pub(crate) fn n_classes(&self) -> usize {
        self.labels.len()
    }

    /// Their optimizer and its learning rate.
    pub(crate) fn adam(&self) -> (AdamConfig, f64) {
        let AdamSettings { lr, beta1, beta2, eps } = self.adam;
        let mut config = AdamConfig::keras();
        (config.beta1, config.beta2, config.eps) = (beta1, beta2, eps);
        (config, lr)
    }

    /// Every variable, in their order.
    #[track_caller]
    pub(crate) fn variables(&self) -> Vec<Variable> {
        let mut seen = BTreeMap::new();
        let variable = |Listed { name, shape }: &Listed| {
            let parts: Vec<&str> = name.trim_end_matches(":0").split('/').collect();
            let (network, layer, parameter) = (parts[0], parts[1], parts[parts.len() - 1]);
            let (ours, layout) = match layer.split(['_', '-']).next() {
                Some("bidirectional") => {
                    let layer = place(&mut seen, "lstm", layer, &["lstm_vae", "lstm_ner"]);
                    lstm(&format!("model.{layer}"), parts[2].starts_with("backward"), parameter)
                }
                Some("dense") => {
                    let layer = place(&mut seen, network, layer, dense_roles(network));
                    dense(layer, parameter)
                }
                _ => bert(layer, parameter),
            };
            assert!(shape.len() < 3 && (layout != Layout::Transposed || shape.len() == 2), "{name}: {shape:?}");
            Variable { keras: name.clone(), ours, layout }
        };
        self.variables.iter().map(variable).collect()
    }

    /// Their array of a variable, or of its gradient, as ours.
    pub(crate) fn convert(&self, variable: &Variable, array: &Tensor) -> Result<Tensor> {
        let (last, n) = (array.rank() - 1, self.n_classes());
        match variable.layout {
            Layout::Same => Ok(array.clone()),
            Layout::Transposed => array.t()?.contiguous(),
            Layout::ToClasses => {
                let array = self.reorder(array, last)?;
                if last == 0 { Ok(array) } else { array.t()?.contiguous() }
            }
            Layout::FromClasses => {
                let classes = self.reorder(&array.narrow(0, 0, n)?, 0)?;
                Tensor::cat(&[classes, array.narrow(0, n, array.dim(0)? - n)?], 0)?.t()?.contiguous()
            }
        }
    }

    /// Puts the classes along a dimension in our order: theirs, but no entity first.
    pub(crate) fn reorder(&self, array: &Tensor, dim: usize) -> Result<Tensor> {
        let none = self.nonentity_label_idx;
        let order = std::iter::once(none).chain((0..self.n_classes()).filter(|i| *i != none)).map(|i| i as u32);
        array.index_select(&Tensor::from_iter(order, array.device())?, dim)
    }
}

/// The role of a layer: its place among the layers of `kind`, by first appearance.
#[track_caller]
fn place<'a>(seen: &mut BTreeMap<String, Vec<String>>, kind: &str, layer: &str, roles: &[&'a str]) -> &'a str {
    let layers = seen.entry(kind.to_owned()).or_default();
    let at = layers.iter().position(|l| l == layer).unwrap_or_else(|| {
        layers.push(layer.to_owned());
        layers.len() - 1
    });
    roles.get(at).unwrap_or_else(|| panic!("{layer} has no role, all of {roles:?} are taken"))
}

#[track_caller]
fn dense_roles(network: &str) -> &'static [&'static str] {
    match network {
        "encoder" => &[
            "image_expert.hidden",
            "text_expert.hidden",
            "classifier",
            "text_expert.mu",
            "text_expert.log_var",
            "image_expert.mu",
            "image_expert.log_var",
            "span_hidden",
        ],
        "dec4txt" => &["decoder.text.hidden_1", "decoder.text.hidden_2", "decoder.text.output"],
        "dec4img" => &["decoder.image.hidden_1", "decoder.image.hidden_2", "decoder.image.output"],
        _ => panic!("{network} is no network of the authors' program"),
    }
}

#[track_caller]
fn dense(layer: &str, parameter: &str) -> (String, Layout) {
    let (parameter, layout) = match (layer, parameter) {
        ("classifier", "kernel") => ("weight", Layout::ToClasses),
        ("classifier", "bias") => ("bias", Layout::ToClasses),
        ("decoder.text.hidden_1", "kernel") => ("weight", Layout::FromClasses),
        (_, "kernel") => ("weight", Layout::Transposed),
        (_, "bias") => ("bias", Layout::Same),
        _ => panic!("{parameter} is no parameter of a dense layer"),
    };
    (format!("model.{layer}.{parameter}"), layout)
}

#[track_caller]
fn lstm(layer: &str, backward: bool, parameter: &str) -> (String, Layout) {
    let (parameter, layout) = match parameter {
        "kernel" => ("weight_ih", Layout::Transposed),
        "recurrent_kernel" => ("weight_hh", Layout::Transposed),
        "bias" => ("bias", Layout::Same),
        _ => panic!("{parameter} is no parameter of an LSTM"),
    };
    (format!("{layer}.{parameter}{}", if backward { "_reverse" } else { "" }), layout)
}

/// `Embedding-Token`, `Encoder-3-FeedForward-Norm`, ...; Keras counts layers from 1.
#[track_caller]
fn bert(layer: &str, parameter: &str) -> (String, Layout) {
    let unknown = || panic!("{layer}/{parameter} is no variable of keras-bert");
    let norm = |module: String| match parameter {
        "gamma" => (format!("{module}.LayerNorm.weight"), Layout::Same),
        "beta" => (format!("{module}.LayerNorm.bias"), Layout::Same),
        _ => unknown(),
    };
    let table = |name| (format!("encoder.embeddings.{name}_embeddings.weight"), Layout::Same);
    match layer {
        "Embedding-Token" => return table("word"),
        "Embedding-Segment" => return table("token_type"),
        "Embedding-Position" => return table("position"),
        "Embedding-Norm" => return norm("encoder.embeddings".to_owned()),
        _ => {}
    }
    let Some((number, part)) = layer.strip_prefix("Encoder-").and_then(|rest| rest.split_once('-')) else {
        return unknown();
    };
    let number: usize = number.parse().unwrap_or_else(|_| panic!("{layer} has no number"));
    let module = format!("encoder.encoder.layer.{}", number - 1);
    let short = parameter.rsplit('_').next().unwrap_or(parameter);
    let linear = match (part, &short[1..]) {
        ("MultiHeadSelfAttention-Norm", _) => return norm(format!("{module}.attention.output")),
        ("FeedForward-Norm", _) => return norm(format!("{module}.output")),
        ("MultiHeadSelfAttention", "q") => "attention.self.query",
        ("MultiHeadSelfAttention", "k") => "attention.self.key",
        ("MultiHeadSelfAttention", "v") => "attention.self.value",
        ("MultiHeadSelfAttention", "o") => "attention.output.dense",
        ("FeedForward", "1") => "intermediate.dense",
        ("FeedForward", "2") => "output.dense",
        _ => return unknown(),
    };
    match short.as_bytes()[0] {
        b'W' => (format!("{module}.{linear}.weight"), Layout::Transposed),
        b'b' => (format!("{module}.{linear}.bias"), Layout::Same),
        _ => unknown(),
    }
}
