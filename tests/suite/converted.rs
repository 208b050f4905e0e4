//! What the scripts make of the weights of other programs: the authors' `*.model.h5` and a
//! TensorFlow checkpoint of BERT.
//!
//! The scripts run where Python with h5py, numpy and safetensors is (`SMVAE_PYTHON`, or `python3`)
//! and the authors' files are in the shared data. Everywhere else, a folder of the same content,
//! its weights put together from the golden variables, is loaded and used:
//! `tests/golden/authors_run` has the small files, and the first test compares both.

use crate::device::device;
use crate::golden;
use crate::parity_golden::{Case, check_outputs};
use smvae::{Config, Origin, RunInfo};
use smvae_core::candle_core::{DType, Device, Result, Tensor, safetensors};
use smvae_core::model::SpanModel;
use smvae_core::nn::Parameters;
use smvae_encoders::text::{Transformer, TransformerConfig, WordTokenizer, load_weights};
use smvae_encoders::weights::{Missing, Weights};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The files of a converted run that are compared as they stand.
const SMALL: [&str; 5] = ["config.json", "labels.json", "encoder.json", "images.json", "origin.json"];

#[test]
fn the_authors_weights_are_converted() -> Result<()> {
    let test = "the_authors_weights_are_converted";
    let (Some(python), Some(goldens)) = (python(test, "h5py"), golden::shared(test, "goldens/weights.h5")) else {
        return Ok(());
    };
    let goldens = goldens.parent().expect("the folder of the file");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let convert = |labels: &str, out: &Path| {
        let bert = goldens.join("bert_tiny");
        python.run(
            "convert_authors_weights.py",
            &[
                goldens.join("weights.h5").as_ref(),
                "--bert".as_ref(),
                bert.as_ref(),
                "--labels".as_ref(),
                Path::new(labels),
                "--out".as_ref(),
                out,
            ],
        )
    };
    let run = folder.path().join("run");
    check_success(&convert("O,PER,LOC,ORG,MISC", &run));
    for name in SMALL {
        let value = |folder: &Path| golden::parse::<serde_json::Value>(&folder.join(name));
        assert_eq!(value(&run), value(&committed()), "{name}");
    }
    let case = Case::load_from(goldens, "supervised")?;
    let (want, weights) = (encoder_variables(&case)?, load(&run.join("weights.safetensors"))?);
    assert_eq!(want.keys().collect::<Vec<_>>(), weights.keys().collect::<Vec<_>>());
    for (name, want) in &want {
        assert_eq!(values(want), values(&weights[name]), "{name}");
    }
    let vocabulary = WordTokenizer::from_folder(goldens.join("bert_tiny")).expect("their vocabulary");
    let tokenizer = WordTokenizer::from_file(run.join("tokenizer.json")).expect("a converted vocabulary");
    for post in smvae_data::reader::read_file(goldens.join("mini_dev.txt")).expect("posts") {
        let ids = |t: &WordTokenizer| t.encode(&post.words, 100).expect("room");
        assert_eq!(ids(&tokenizer), ids(&vocabulary), "{:?}", post.words);
    }
    check_networks(case, &run)?;

    // The classes in another order: ours has O first, and the rows of the classifier go with their
    // names.
    let other = folder.path().join("other");
    check_success(&convert("PER,LOC,O,ORG,MISC", &other));
    let labels: Vec<String> = golden::parse(&other.join("labels.json"));
    assert_eq!(labels, ["O", "PER", "LOC", "ORG", "MISC"]);
    let moved = load(&other.join("weights.safetensors"))?;
    for name in ["model.classifier.weight", "model.classifier.bias"] {
        let rows = weights[name].index_select(&Tensor::new(&[2u32, 0, 1, 3, 4], &Device::Cpu)?, 0)?;
        assert_eq!(values(&moved[name]), values(&rows), "{name}");
    }

    let refused = |output: Output, want: &str| {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(want), "{message:?} does not say {want:?}");
    };
    refused(convert("O,PER", &folder.path().join("none")), "must be 5 different names");
    refused(convert("O,PER,LOC,ORG,MISC", &run), "holds a run already");
    Ok(())
}

/// A program in the place of smvae: it finds what a model would whose classes are PER, O, LOC, ORG,
/// MISC in this order, and which takes one of four places for a person. Class names of the run end
/// in the class's number; that of O is `O`.
const STUB: &str = r#"
import json, pathlib, re, sys
option = lambda name: pathlib.Path(sys.argv[sys.argv.index(name) + 1])
names = json.loads((option("--model") / "labels.json").read_text())
name = {int(re.search("[0-9]$", n)[0]): n for n in names if n != "O"}
order = ["PER", "O", "LOC", "ORG", "MISC"]
gold = [("PER", "PER")] * 3 + [("LOC", "LOC")] * 3 + [("LOC", "PER"), ("ORG", "ORG"), ("MISC", "MISC")] + [(None, "O")] * 20
with open(option("--predictions"), "w") as out:
    for i, (true, found) in enumerate(gold):
        span = lambda kind: [{"start": 0, "end": 1, "type": kind}] if kind else []
        line = {"gold": span(true), "entities": span(name.get(order.index(found)))}
        out.write(json.dumps(line) + "\n")
"#;

#[test]
fn the_order_of_labels_is_guessed() {
    let test = "the_order_of_labels_is_guessed";
    let (Some(python), Some(goldens)) = (python(test, "h5py"), golden::shared(test, "goldens/weights.h5")) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (stub, run) = (folder.path().join("stub"), folder.path().join("run"));
    std::fs::write(&stub, format!("#!/usr/bin/env {}{STUB}", python.0.display())).expect("writable");
    #[cfg(unix)]
    std::fs::set_permissions(&stub, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("writable");
    let bert = goldens.with_file_name("bert_tiny");
    let output = python.run(
        "convert_authors_weights.py",
        &[
            &goldens,
            Path::new("--bert"),
            &bert,
            Path::new("--guess-labels"),
            folder.path(),
            Path::new("--smvae"),
            &stub,
            Path::new("--out"),
            &run,
        ],
    );
    check_success(&output);
    let origin = RunInfo::read(&run).expect("a complete folder").origin.expect("an origin");
    // 8 of 9 found and of 9 gold; with ORG and MISC exchanged, 6.
    assert_eq!(origin.labels, "guessed on dev: F1 88.89, that of the next order 66.67");
    let labels: Vec<String> = golden::parse(&run.join("labels.json"));
    assert_eq!(labels, ["O", "PER", "LOC", "ORG", "MISC"]);
    let weights = |path: &Path| load(path).expect("a file of tensors")["model.classifier.bias"].to_vec1::<f32>();
    let got = weights(&run.join("weights.safetensors")).expect("a vector");
    let theirs =
        safetensors::load(goldens.with_file_name("weights.safetensors"), &Device::Cpu).expect("golden weights");
    let theirs: Vec<f32> = theirs["encoder/dense_2/bias:0"].to_vec1().expect("a vector");
    assert_eq!(got, [1, 0, 2, 3, 4].map(|i: usize| theirs[i]));
}

#[test]
fn a_converted_folder_predicts_and_does_not_train() -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in SMALL {
        std::fs::copy(committed().join(name), folder.path().join(name)).expect("a copy");
    }
    let case = Case::load_from(&golden_folder(), "supervised")?;
    let weights: HashMap<String, Tensor> = encoder_variables(&case)?.into_iter().collect();
    safetensors::save(&weights, folder.path().join("weights.safetensors"))?;
    // Their vocabulary is not here; another of its size will do.
    let pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned).into_iter();
    let size = weights["encoder.embeddings.word_embeddings.weight"].dim(0)?;
    let pieces: Vec<String> = pieces.chain((4..size).map(|i| format!("w{i}"))).collect();
    let tokenizer = WordTokenizer::from_vocab(pieces).expect("a vocabulary");
    tokenizer.save(folder.path().join("tokenizer.json")).expect("writable");

    let info = RunInfo::read(folder.path()).expect("a complete folder");
    assert!(info.selection.is_none() && info.epochs.is_empty());
    let Some(Origin { program, .. }) = info.origin else { panic!("converted weights have an origin") };
    assert_eq!(program, "ZovanZhou/SMVAE");
    assert_eq!(info.config.model.quirks, Config::preset("twitter2017").expect("a preset").model.quirks);

    let predictor = crate::fixture::load(folder.path()).expect("a complete folder");
    let posts = ["w7 w8 nothing w9", ""].map(|text| predictor.post(text));
    let found = predictor.predict(&posts).expect("valid posts");
    assert!(found[0].entities.iter().all(|e| e.words.end <= 4) && found[1].entities.is_empty(), "{found:?}");
    check_networks(case, folder.path())?;

    std::fs::remove_file(folder.path().join("origin.json")).expect("there");
    let error = RunInfo::read(folder.path()).expect_err("without origin, a selection is missing").to_string();
    assert!(error.contains("selection.json"), "{error}");
    Ok(())
}

#[test]
fn a_bert_checkpoint_is_converted() -> Result<()> {
    let test = "a_bert_checkpoint_is_converted";
    let (Some(python), Some(bert)) = (python(test, "numpy"), golden::shared(test, "goldens/bert_tiny")) else {
        return Ok(());
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("bert");
    check_success(&python.run("convert_bert_checkpoint.py", &[bert.as_ref(), "--out".as_ref(), out.as_ref()]));
    let config = TransformerConfig::from_file(out.join("config.json")).expect("a configuration");
    let parameters = Parameters::new(0, &Device::Cpu);
    load_weights(&config, Weights::from_folder(&out).expect("a file"), Missing::Refuse, &parameters, "encoder")
        .expect("every weight of a BERT");
    // The variables of the golden model are those of the checkpoint.
    let case = Case::load_from(bert.parent().expect("a folder above"), "supervised")?;
    let want = encoder_variables(&case)?;
    let got = parameters.snapshot()?;
    assert_eq!(got.len(), want.keys().filter(|name| name.starts_with("encoder.")).count());
    for (name, got) in &got {
        assert_eq!(values(got), values(&want[name]), "{name}");
    }
    let tokenizer = WordTokenizer::from_folder(&out).expect("a vocabulary");
    assert_eq!(tokenizer.vocab_size(), config.vocab_size);

    let damaged = folder.path().join("damaged");
    std::fs::create_dir(&damaged).expect("writable");
    std::fs::write(damaged.join("bert_model.ckpt.index"), [0; 100]).expect("writable");
    let output = python.run("convert_bert_checkpoint.py", &[damaged.as_ref(), "--out".as_ref(), damaged.as_ref()]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && message.contains("no checkpoint of TensorFlow"), "{message}");
    Ok(())
}

/// Compares what the networks of a run folder put out with the golden step.
#[track_caller]
fn check_networks(mut case: Case, run: &Path) -> Result<()> {
    let bert = TransformerConfig::from_file(run.join("encoder.json")).expect("a configuration");
    let config = Config::from_file(run.join("config.json")).expect("a configuration");
    let labels: Vec<String> = golden::parse(&run.join("labels.json"));
    let parameters = Parameters::new(0, &device());
    for (name, tensor) in load(&run.join("weights.safetensors"))? {
        parameters.insert(name, &tensor)?;
    }
    let vb = parameters.frozen_builder(DType::F32);
    case.bert = Transformer::load(&bert, vb.pp("encoder")).expect("all weights are there");
    case.model = SpanModel::load_for_prediction(&config.model, bert.hidden_size, labels.len(), &vb.pp("model"))
        .expect("all weights are there");
    for (part, batch) in case.batches() {
        check_outputs(&case, part, batch)?;
    }
    Ok(())
}

/// The golden variables that a weights file of theirs holds: all but the decoders, by our names.
fn encoder_variables(case: &Case) -> Result<BTreeMap<String, Tensor>> {
    let all = case.parameters.snapshot()?.into_iter();
    all.filter(|(name, _)| !name.starts_with("model.decoder."))
        .map(|(n, x)| Ok((n, x.to_device(&Device::Cpu)?)))
        .collect()
}

fn load(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    Ok(safetensors::load(path, &Device::Cpu)?.into_iter().collect())
}

fn values(x: &Tensor) -> (Vec<usize>, Vec<f32>) {
    (x.dims().to_vec(), x.flatten_all().and_then(|x| x.to_vec1()).expect("f32 numbers"))
}

/// The golden files of the repository, whatever set `SMVAE_GOLDENS` names: the small files go with
/// them.
fn golden_folder() -> PathBuf {
    golden::root().join("tests/golden")
}

fn committed() -> PathBuf {
    golden_folder().join("authors_run")
}

struct Python(PathBuf);

/// A Python that has a module; says that `test` is skipped where there is none.
fn python(test: &str, module: &str) -> Option<Python> {
    let program = std::env::var_os("SMVAE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let imports = format!("import {module}, numpy, safetensors");
    let output = Command::new(&program).args(["-c", &imports]).output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(Python(program));
    }
    golden::skipped(test, &format!("{} (SMVAE_PYTHON) has not all of {imports:?}", program.display()));
    None
}

impl Python {
    fn run(&self, script: &str, args: &[&Path]) -> Output {
        let script = golden::root().join("scripts").join(script);
        Command::new(&self.0).arg(script).args(args).output().expect("it ran before")
    }
}

#[track_caller]
fn check_success(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
