//! all-MiniLM-L6-v2 on ten real tweets: the hidden states of Hugging Face's transformers, and some
//! of their gradients.
//!
//! The golden file holds no ids, from which the tweets could be read, so the test needs model and
//! corpus beside it. It was made by `tests/golden/scripts/hf_minilm.py`, which says what is in it,
//! and is in the repository whatever set `SMVAE_GOLDENS` names.

use crate::device::device;
use crate::golden;
use smvae_core::candle_core::{DType, Result, Tensor, safetensors};
use smvae_core::nn::Parameters;
use smvae_core::{Mode, PackedPieces};
use smvae_encoders::text::{Transformer, TransformerConfig, WordTokenizer, load_weights};
use smvae_encoders::weights::{Missing, Weights};
use std::collections::BTreeMap;

/// Largest difference of a hidden state; they are of the order of 1.
const HIDDEN: f64 = 1e-4;
/// Of the norm of a gradient, and of the loss; six layers of f32 on both sides.
const RELATIVE: f64 = 1e-4;

#[test]
fn golden_minilm_is_transformers() -> Result<()> {
    let test = "golden_minilm_is_transformers";
    let Some(folder) = golden::shared(test, "models/all-MiniLM-L6-v2") else { return Ok(()) };
    let Some(corpus) = golden::shared(test, "data/twitter2017/test.txt") else { return Ok(()) };
    let path = golden::root().join("tests/golden/hf_minilm.safetensors");
    let theirs = safetensors::load(path, &device())?;
    let lengths: Vec<i64> = theirs["lengths"].to_vec1()?;

    let tokenizer = WordTokenizer::from_folder(&folder).expect("a BERT vocabulary");
    let tweets = smvae_data::reader::read_file(corpus).expect("a corpus without errors");
    let ids: Vec<Vec<u32>> = tweets[..lengths.len()]
        .iter()
        .map(|tweet| tokenizer.encode(&tweet.words, 512).expect("room for a tweet").ids)
        .collect();
    assert_eq!(ids.iter().map(|ids| ids.len() as i64).collect::<Vec<_>>(), lengths, "pieces of each tweet");

    let config = TransformerConfig::from_file(folder.join("config.json")).expect("a BERT configuration");
    let parameters = Parameters::new(0, &device());
    let read = Weights::from_folder(&folder).expect("a safetensors file");
    load_weights(&config, read, Missing::Refuse, &parameters, "encoder").expect("the weights of a BERT");
    let bert = Transformer::load(&config, parameters.builder(DType::F32).pp("encoder")).expect("all weights are there");
    let pieces = PackedPieces::new(ids.iter().map(Vec::as_slice));
    let hidden = bert.encode(&pieces, Mode::Eval).expect("pieces of its vocabulary");
    let largest = largest(&(&hidden - &theirs["hidden"])?)?;
    assert!(largest <= HIDDEN, "hidden states differ by {largest:e}");

    let loss = (&hidden * weights(hidden.dims2()?)?)?.sum_all()?;
    let grads = loss.backward()?;
    let vars: BTreeMap<_, _> = parameters.all().into_iter().collect();
    let check = |name: &str, ours: &Tensor| -> Result<()> {
        let relative = norm(&(ours - &theirs[name].to_dtype(DType::F32)?)?)? / norm(&theirs[name])?;
        assert!(relative <= RELATIVE, "{name} differs by {relative:e} of its norm");
        Ok(())
    };
    let grad = |name: &str| grads.get(&vars[&format!("encoder.{name}")]).expect("every parameter has a gradient");
    check("loss", &loss.reshape(1)?)?;
    check("grad.query", grad("encoder.layer.0.attention.self.query.weight"))?;
    check("grad.layer_norm", grad("encoder.layer.5.output.LayerNorm.weight"))?;
    check("grad.word_embeddings", &grad("embeddings.word_embeddings.weight").sum(0)?)
}

/// What makes every hidden state count differently in the loss.
pub(crate) fn weights((rows, d): (usize, usize)) -> Result<Tensor> {
    let weight = |k: usize| (0.1 * (k / d) as f64 + 0.01 * (k % d) as f64).cos() as f32;
    Tensor::from_iter((0..rows * d).map(weight), &device())?.reshape((rows, d))
}

pub(crate) fn largest(x: &Tensor) -> Result<f64> {
    x.abs()?.flatten_all()?.max(0)?.to_dtype(DType::F64)?.to_scalar()
}

pub(crate) fn norm(x: &Tensor) -> Result<f64> {
    x.to_dtype(DType::F64)?.sqr()?.sum_all()?.sqrt()?.to_scalar()
}
