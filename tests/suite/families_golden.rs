//! Tiny random encoders of each family: pieces, hidden states and gradients of Hugging Face's
//! transformers.
//!
//! Made by `tests/golden/scripts/hf_families.py`, which says what is in the files. Each is a whole
//! model folder with its weights in another form, so that reading these is compared as well. The
//! folder is in the repository whatever set `SMVAE_GOLDENS` names.

use crate::golden;
use crate::minilm_golden::{self, largest, norm, weights};
use smvae_core::candle_core::{DType, Device, Tensor, safetensors};
use smvae_core::nn::{Form, Parameters, Unit};
use smvae_core::{Mode, PackedPieces, rng};
use smvae_encoders::Error;
use smvae_encoders::text::{Family, Transformer, TransformerConfig, WordTokenizer, load_weights};
use smvae_encoders::weights::{LoadReport, Missing, Weights};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// Their folders.
const FAMILIES: [(&str, Family); 9] = [
    ("bert", Family::Bert),
    ("roberta", Family::Roberta),
    ("xlm-roberta", Family::XlmRoberta),
    ("mpnet", Family::MpNet),
    ("distilbert", Family::DistilBert),
    ("electra", Family::Electra),
    ("deberta-v2", Family::DebertaV2),
    ("modernbert", Family::ModernBert),
    ("modernbert-with-biases", Family::ModernBert),
];
/// The golden files of these have a few gradients, those of the others have all.
const WITH_SOME_GRADIENTS: [Family; 3] = [Family::Bert, Family::Roberta, Family::XlmRoberta];
/// Largest difference of a hidden state; they are of the order of 1.
const HIDDEN: f64 = 1e-4;
/// Of the norm of a gradient, and of the loss.
const RELATIVE: f64 = 1e-4;
/// The keys' biases shift every score of a query alike, which attention does not see: their
/// gradient is rounding. DeBERTa's are compared with distances, ModernBERT's are turned by places.
fn is_without_effect(parameter: &str, family: Family) -> bool {
    parameter.ends_with(".key.bias") && ![Family::DebertaV2, Family::ModernBert].contains(&family)
}

fn folder(family: &str) -> PathBuf {
    golden::root().join("tests/golden/hf_families").join(family)
}

fn texts() -> Vec<Vec<String>> {
    golden::parse(&folder("texts.json"))
}

struct Golden {
    arrays: HashMap<String, Tensor>,
    config: TransformerConfig,
    parameters: Parameters,
    encoder: Transformer,
}

impl Golden {
    #[track_caller]
    fn open(family: &str, want: Family) -> Self {
        let folder = folder(family);
        let arrays = safetensors::load(folder.join("golden.safetensors"), &Device::Cpu).expect("a golden file");
        let config = TransformerConfig::from_file(folder.join("config.json")).expect("their configuration");
        assert_eq!(config.model_type, want);
        let parameters = Parameters::new(0, &Device::Cpu);
        let read = Weights::from_folder(&folder).expect("weights in one form or another");
        let report = load_weights(&config, read, Missing::Refuse, &parameters, "encoder").expect("their weights");
        assert_eq!(report, LoadReport::default());
        let vb = parameters.builder(DType::F32).pp("encoder");
        Self { encoder: Transformer::load(&config, vb).expect("all weights are there"), arrays, config, parameters }
    }

    fn whole(&self, name: &str) -> Vec<i64> {
        self.arrays[name].to_vec1().expect("whole numbers")
    }

    /// The pieces of all texts, as they tokenise them.
    fn pieces(&self) -> PackedPieces {
        let ids: Vec<u32> = self.whole("ids").into_iter().map(|id| id as u32).collect();
        let mut rest = ids.as_slice();
        let texts = self.whole("lengths").into_iter().map(|n| rest.split_off(..n as usize).expect("as many ids"));
        PackedPieces::new(texts.collect::<Vec<_>>())
    }
}

#[track_caller]
fn check(family: &str, want: Family) {
    let golden = Golden::open(family, want);
    let hidden = golden.encoder.encode(&golden.pieces(), Mode::Eval).expect("pieces of its vocabulary");
    let compare = || -> smvae_core::candle_core::Result<()> {
        let largest = largest(&(&hidden - &golden.arrays["hidden"])?)?;
        assert!(largest <= HIDDEN, "{family}: hidden states differ by {largest:e}");
        let loss = (&hidden * weights(hidden.dims2()?)?)?.sum_all()?;
        let theirs = golden.arrays["loss"].to_vec1::<f64>()?[0];
        let ours = f64::from(loss.to_scalar::<f32>()?);
        // The loss is a sum of cancelling terms of the size of the hidden states.
        assert!((ours - theirs).abs() <= RELATIVE * norm(&hidden)?, "{family}: loss {ours} is not {theirs}");
        let grads = loss.backward()?;
        let vars: BTreeMap<_, _> = golden.parameters.all().into_iter().collect();
        let mut relatives = Vec::new();
        for (name, theirs) in &golden.arrays {
            let Some(name) = name.strip_prefix("grad.") else { continue };
            let ours = grads.get(&vars[&format!("encoder.{name}")]).expect("every parameter has a gradient");
            if is_without_effect(name, want) {
                let off = minilm_golden::largest(&(ours - theirs)?)?;
                assert!(off <= HIDDEN, "{family}: grad of {name} is {off:e} from theirs, which is rounding");
                relatives.push(0.0);
                continue;
            }
            let relative = norm(&(ours - theirs)?)? / norm(theirs)?;
            assert!(relative <= RELATIVE, "{family}: grad of {name} differs by {relative:e} of its norm");
            relatives.push(relative);
        }
        let wanted = if WITH_SOME_GRADIENTS.contains(&want) { 8 } else { golden.parameters.all().len() };
        assert_eq!(relatives.len(), wanted, "{family}");
        let worst = relatives.into_iter().fold(0.0, f64::max);
        eprintln!("{family}: hidden states within {largest:e}, gradients within {worst:e} of their norm");
        Ok(())
    };
    compare().expect("tensors of the same shapes");
}

#[test]
fn golden_families_are_transformers() {
    for (family, want) in FAMILIES {
        check(family, want);
    }
}

#[test]
fn golden_families_have_the_same_pieces() {
    for (family, want) in FAMILIES {
        let golden = Golden::open(family, want);
        let tokenizer = WordTokenizer::from_folder(folder(family)).expect("their tokenizer");
        let saved = tempfile::tempdir().expect("a temporary folder");
        tokenizer.save(saved.path().join("tokenizer.json")).expect("writable");
        let again = WordTokenizer::from_file(saved.path().join("tokenizer.json")).expect("our own file");
        for tokenizer in [tokenizer, again] {
            let limit = golden.config.position_limit();
            let encoded = texts()
                .iter()
                .map(|words| tokenizer.encode(words, limit).expect("room for a text"))
                .collect::<Vec<_>>();
            let ids: Vec<i64> = encoded.iter().flat_map(|text| &text.ids).map(|id| i64::from(*id)).collect();
            let lengths: Vec<i64> = encoded.iter().map(|text| text.ids.len() as i64).collect();
            let pieces: Vec<i64> = encoded.iter().flat_map(|text| &text.words).map(|word| word.len() as i64).collect();
            assert_eq!(ids, golden.whole("ids"), "{family}");
            assert_eq!(lengths, golden.whole("lengths"), "{family}");
            assert_eq!(pieces, golden.whole("word_pieces"), "{family}");
        }
    }
}

#[test]
fn golden_families_train_every_variable() {
    for (family, want) in FAMILIES {
        let golden = Golden::open(family, want);
        let mut rng = rng::named(0, "dropout");
        let hidden = golden.encoder.encode(&golden.pieces(), Mode::Train(&mut rng)).expect("pieces of its vocabulary");
        let weights = weights(hidden.dims2().expect("a matrix")).expect("a matrix");
        let loss = hidden.mul(&weights).and_then(|x| x.sum_all()).expect("equal shapes");
        let grads = loss.backward().expect("every operation has a backward pass");
        for (name, var) in golden.parameters.all() {
            let grad = grads.get(&var).unwrap_or_else(|| panic!("{family}: {name} has no gradient"));
            let norm = norm(grad).expect("real numbers");
            assert!(norm > 1e-6 || is_without_effect(&name, want), "{family}: the gradient of {name} is {norm:e}");
        }
    }
}

/// As far as bits go, on the CPU.
#[test]
fn golden_families_give_a_text_the_same_in_any_batch() {
    for (family, want) in FAMILIES {
        let golden = Golden::open(family, want);
        let builder = golden.parameters.frozen_builder(DType::F32).pp("encoder");
        let float = Transformer::load(&golden.config, builder).expect("all weights are there");
        let mut int8 = float.clone();
        int8.prepare(Form::Int8(Unit::Portable)).expect("f32 on the CPU");
        let all = golden.pieces();
        for encoder in [float, int8] {
            let encode = |pieces: &PackedPieces| {
                let hidden = encoder.encode(pieces, Mode::Eval).expect("pieces of its vocabulary");
                hidden.to_vec2::<f32>().expect("a matrix")
            };
            let together = encode(&all);
            for text in 0..all.layout().n_texts() {
                let rows = all.layout().rows(text);
                let alone = encode(&PackedPieces::new([&all.ids()[rows.clone()]]));
                assert_eq!(alone, together[rows], "{family}, text {text}");
            }
        }
    }
}

#[test]
fn golden_families_are_close_in_int8_and_closer_in_bf16() {
    for (family, want) in FAMILIES {
        let golden = Golden::open(family, want);
        let builder = golden.parameters.frozen_builder(DType::F32).pp("encoder");
        let float = Transformer::load(&golden.config, builder).expect("all weights are there");
        let theirs = &golden.arrays["hidden"];
        let check = |form: Form, tolerance: f64| {
            let mut rounded = float.clone();
            rounded.prepare(form).expect("f32 on the CPU");
            let hidden = rounded.encode(&golden.pieces(), Mode::Eval).expect("pieces of its vocabulary");
            let off = (hidden - theirs).and_then(|off| norm(&off)).expect("equal shapes");
            let off = off / norm(theirs).expect("numbers");
            assert!(off > 0.0 && off < tolerance, "{family}, {form}: {off:e} of the norm");
        };
        check(Form::Int8(Unit::Portable), 0.1);
        check(Form::Bf16(Unit::Portable), 0.02);
    }
}

#[test]
fn golden_roberta_reads_the_older_files_of_its_tokenizer() {
    let json: serde_json::Value = golden::parse(&folder("roberta/tokenizer.json"));
    let model = &json["model"];
    let merge = |merge: &serde_json::Value| {
        format!("{} {}", merge[0].as_str().expect("text"), merge[1].as_str().expect("text"))
    };
    let merges: Vec<String> = model["merges"].as_array().expect("a list").iter().map(merge).collect();
    let old = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(old.path().join("vocab.json"), model["vocab"].to_string()).expect("writable");
    std::fs::write(old.path().join("merges.txt"), format!("#version: 0.2\n{}\n", merges.join("\n"))).expect("writable");
    let [new, old] =
        [folder("roberta").as_path(), old.path()].map(|f| WordTokenizer::from_folder(f).expect("a tokenizer"));
    for words in texts() {
        assert_eq!(old.encode(&words, 100).expect("room"), new.encode(&words, 100).expect("room"));
    }
}

/// Special pieces come from the tokenizer alone, never from a text.
#[test]
fn golden_families_read_special_pieces_as_text() {
    for (family, _) in FAMILIES {
        let tokenizer = WordTokenizer::from_folder(folder(family)).expect("their tokenizer");
        let frame = tokenizer.encode(&[""; 0], 2).expect("room for two").ids;
        for word in ["<s>", "</s>", "<pad>", "<mask>", "[CLS]", "[SEP]", "[PAD]", "[MASK]"] {
            let ids = tokenizer.encode(&[word], 100).expect("room").ids;
            let text = &ids[1..ids.len() - 1];
            assert!(!text.is_empty() && text.iter().all(|id| !frame.contains(id)), "{family} {word}: {ids:?}");
        }
        // A word without pieces still has one, and so has every empty one.
        let encoded = tokenizer.encode(&["", "in", "\u{200b}"], 100).expect("room");
        assert_eq!(encoded.words.len(), 3, "{family}");
        assert!(encoded.words.iter().all(|word| !word.is_empty()), "{family}");
    }
}

#[test]
fn the_documentation_has_the_families_that_are_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("config.json");
    std::fs::write(&path, r#"{"model_type": "of no family"}"#).expect("writable");
    let error = TransformerConfig::from_file(&path).expect_err("a family that is not read");
    let Error::Family { known, .. } = error else { panic!("{error}") };
    let read: BTreeSet<&str> = known.split(", ").collect();
    let text = std::fs::read_to_string(golden::root().join("docs/encoders.md")).expect("readable");
    let (_, families) = text.split_once("## Families").expect("the section of the families");
    let (families, _) = families.split_once("\n## ").expect("the section after it");
    // Below the head of the table.
    let rows = families.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).skip(1);
    assert_eq!(rows.collect::<BTreeSet<_>>(), read);
}
