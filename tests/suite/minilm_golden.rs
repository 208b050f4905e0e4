//! all-MiniLM-L6-v2 on ten real tweets: the hidden states of Hugging Face's transformers, and some
//! of their gradients. all-mpnet-base-v2 on invented texts: the same with all of the gradients,
//! where
//! `SMVAE_MPNET` names its folder.
//!
//! The golden file holds no ids, from which the tweets could be read, so the test needs model and
//! corpus beside it. It was made by `tests/golden/scripts/hf_minilm.py`, which says what is in it,
//! and is in the repository whatever set `SMVAE_GOLDENS` names.

use crate::device::device;
use crate::golden;
use smvae_core::candle_core::{DType, Result, Tensor, safetensors};
use smvae_core::nn::{Form, Parameters, Unit};
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
    check("grad.word_embeddings", &grad("embeddings.word_embeddings.weight").sum(0)?)?;

    // A model that only predicts has its weights arranged, and the same bits.
    let frozen = Transformer::load(&config, parameters.frozen_builder(DType::F32).pp("encoder"));
    let mut frozen = frozen.expect("all weights are there");
    let bits = |of: &Transformer| -> Result<Vec<Vec<f32>>> {
        of.encode(&pieces, Mode::Eval).expect("its own pieces").to_vec2()
    };
    let plain = bits(&frozen)?;
    frozen.prepare(Form::F32).expect("f32 on the CPU");
    assert!(bits(&frozen)? == plain, "an arrangement changes bits");
    Ok(())
}

/// Made by `tests/golden/scripts/hf_mpnet.py`.
#[test]
fn golden_mpnet_is_transformers() -> Result<()> {
    let Some(folder) = std::env::var_os("SMVAE_MPNET").map(std::path::PathBuf::from) else {
        golden::skipped("golden_mpnet_is_transformers", "SMVAE_MPNET does not name a folder");
        return Ok(());
    };
    let theirs = safetensors::load(golden::root().join("tests/golden/hf_mpnet.safetensors"), &device())?;
    let mut texts: Vec<Vec<String>> = golden::parse(&golden::root().join("tests/golden/hf_families/texts.json"));
    texts.push(std::iter::repeat_n(texts.concat(), 8).flatten().collect());
    let tokenizer = WordTokenizer::from_folder(&folder).expect("an MPNet's vocabulary");
    let ids: Vec<Vec<u32>> =
        texts.iter().map(|words| tokenizer.encode(words, 512).expect("room for a text").ids).collect();
    let flat: Vec<i64> = ids.iter().flatten().map(|id| i64::from(*id)).collect();
    assert_eq!(flat, theirs["ids"].to_vec1::<i64>()?);

    let config = TransformerConfig::from_file(folder.join("config.json")).expect("an MPNet's configuration");
    tokenizer.check_rows(config.vocab_size).expect("both of one model");
    let parameters = Parameters::new(0, &device());
    let read = Weights::from_folder(&folder).expect("a safetensors file");
    load_weights(&config, read, Missing::Refuse, &parameters, "encoder").expect("the weights of an MPNet");
    let load = |builder| Transformer::load(&config, builder).expect("all weights are there");
    let pieces = PackedPieces::new(ids.iter().map(Vec::as_slice));
    let hidden =
        load(parameters.builder(DType::F32).pp("encoder")).encode(&pieces, Mode::Eval).expect("its own pieces");
    let (rows, d) = hidden.dims2()?;
    let columns: Vec<u32> = (0..d as u32).step_by(16).collect();
    let some = hidden.index_select(&Tensor::new(columns, &device())?, 1)?;
    let off = largest(&(&some - &theirs["hidden"])?)?;
    assert!(off <= HIDDEN, "hidden states differ by {off:e}");

    let grads = (&hidden * weights((rows, d))?)?.sum_all()?.backward()?;
    let vars = parameters.all();
    let (mut worst, mut largest_norm) = (0.0_f64, 0.0_f64);
    for (name, var) in &vars {
        let name = name.strip_prefix("encoder.").expect("where they were loaded");
        let [want, want_weighted] = theirs[&format!("grad.{name}")].to_vec1::<f64>()?[..] else { panic!("{name}") };
        let grad = grads.get(var).expect("every parameter has a gradient").flatten_all()?.to_dtype(DType::F64)?;
        let n = grad.elem_count();
        let cosines = Tensor::from_iter((0..n).map(|i| (0.1 * i as f64).cos()), &device())?;
        let weighted = (&grad * cosines)?.sum_all()?.to_scalar::<f64>()?;
        largest_norm = largest_norm.max(want);
        if name.ends_with(".key.bias") {
            // Zero but for rounding: it shifts all scores of a query alike.
            assert!(norm(&grad)? < 1e-4 * largest_norm, "{name}");
            continue;
        }
        let off = (norm(&grad)? - want).abs().max((weighted - want_weighted).abs()) / want;
        assert!(off <= 5.0 * RELATIVE, "{name} differs by {off:e} of its norm");
        worst = worst.max(off);
    }
    eprintln!("mpnet: hidden states within {off:e}, {} gradients within {worst:e} of their norm", vars.len());
    let mut int8 = load(parameters.frozen_builder(DType::F32).pp("encoder"));
    int8.prepare(Form::Int8(Unit::best())).expect("f32 on the CPU");
    let off = norm(&(int8.encode(&pieces, Mode::Eval).expect("its own pieces") - &hidden)?)? / norm(&hidden)?;
    eprintln!("mpnet: int8 within {off:e} of the norm");
    assert!(off < 0.2, "int8 differs by {off:e} of the norm");
    Ok(())
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
