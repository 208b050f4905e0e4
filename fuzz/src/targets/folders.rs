//! Targets that read files: run folders, checkpoints, text encoders, vision models, weights, image
//! vectors, captions, experiments. The first byte of an input says which file of a good folder it
//! replaces.

use super::choice;
use smvae::core::candle_core::{Device, Tensor, safetensors};
use smvae::core::nn::Parameters;
use smvae::data::synthetic::{SyntheticConfig, generate};
use smvae::data::{Captions, Corpus, ImageVectors, Split};
use smvae::encoders::text::{TransformerConfig, WordTokenizer, load_weights, model_folder};
use smvae::encoders::vision::{Compute, VisionModel};
use smvae::encoders::weights::{Missing, Weights};
use smvae::experiment::Plan;
use smvae::{Config, EncoderSource, Event, Flow, LoadOptions, Predictor, RunInfo, RunState, TrainInput};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::LazyLock;

/// Files by their place in a folder.
type Files = BTreeMap<String, Vec<u8>>;

/// A folder for one input; in memory, where the system has such a place.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    dir.expect("a writable folder")
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("in a folder")).expect("writable");
    std::fs::write(path, bytes).expect("writable");
}

fn put_all(folder: &Path, files: &Files) {
    files.iter().for_each(|(name, bytes)| put(folder, name, bytes));
}

fn take_all(folder: &Path, below: &str, files: &mut Files) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let entry = entry.expect("readable");
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("readable").is_dir() {
            take_all(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(entry.path()).expect("readable"));
        }
    }
}

/// A small corpus, a run on it, and one that was stopped after its first step.
struct Trained {
    corpus: Corpus,
    run: Files,
    begun: Files,
}

static TRAINED: LazyLock<Trained> = LazyLock::new(|| {
    let dir = scratch();
    let small = SyntheticConfig { n_train: 6, n_dev: 2, n_test: 2, names: 3, ..SyntheticConfig::default() };
    generate(&small).and_then(|corpus| corpus.write_to(dir.path().join("data"))).expect("a writable folder");
    let corpus = Corpus::load(dir.path().join("data")).expect("our own files");
    let mut config = Config::default();
    (config.model.hidden_dim, config.model.latent_dim, config.input.max_width) = (4, 2, 2);
    (config.labelled, config.training.semi) = (Some(3), true);
    (config.training.epochs, config.training.checkpoint_every) = (Some(1), Some(1));
    let input = TrainInput::new(&corpus, EncoderSource::Tiny);
    smvae::train(&input, &config, dir.path().join("run")).expect("it trains");
    let mut stop = |event: &Event| if matches!(event, Event::Step { .. }) { Flow::Stop } else { Flow::Continue };
    smvae::train_with(&input, &config, dir.path().join("begun"), &mut stop).expect("it begins");
    let [run, begun] = ["run", "begun"].map(|name| {
        let mut files = Files::new();
        take_all(&dir.path().join(name), "", &mut files);
        files
    });
    Trained { corpus, run, begun }
});

/// A file of a run in the place of one of a good run.
pub(crate) fn run_folder(input: &[u8]) {
    const NAMES: [&str; 13] = [
        "config.json",
        "labels.json",
        "selection.json",
        "images.json",
        "encoder.json",
        "tokenizer.json",
        "words.json",
        "weights.safetensors",
        "metrics.jsonl",
        "decision.json",
        "calibration.json",
        "run.json",
        "predictions-valid.jsonl",
    ];
    let (how, rest) = choice(input);
    let dir = scratch();
    put_all(dir.path(), &TRAINED.run);
    // Whoever changes a file can change its digest.
    let state = String::from_utf8_lossy(&TRAINED.run["run.json"]).replace("\"files\"", "\"ignored\"");
    put(dir.path(), "run.json", state.as_bytes());
    put(dir.path(), NAMES[how % NAMES.len()], rest);
    if let Ok(info) = RunInfo::read(dir.path()) {
        let _ = (info.verify(), info.predictions(Split::Dev), info.best());
    }
    if let Ok(model) = Predictor::load_with(dir.path(), &LoadOptions::on(Device::Cpu).verifying(false)) {
        let _ = model.predict_text("met Zarko in Oslo");
    }
}

/// A file of a run that is continued: its checkpoint, its state, its settings, its posts. What kept
/// inputs cannot know, since it differs from machine to machine, stands there as `RUN` and
/// `SHA256`.
pub(crate) fn checkpoint(input: &[u8]) {
    const NAMES: [&str; 5] = ["checkpoint/state.json", "run.json", "selection.json", "config.json", "metrics.jsonl"];
    let (how, rest) = choice(input);
    let dir = scratch();
    put_all(dir.path(), &TRAINED.begun);
    let good: serde_json::Value = serde_json::from_slice(&TRAINED.begun[NAMES[0]]).expect("our own checkpoint");
    let mut bytes = rest.to_vec();
    for (name, field) in [("RUN", "run"), ("SHA256", "tensors_sha256")] {
        let (name, value) = (name.as_bytes(), good[field].as_str().expect("a digest"));
        if let Some(at) = bytes.windows(name.len()).position(|window| window == name) {
            bytes.splice(at..at + name.len(), value.bytes());
        }
    }
    put(dir.path(), NAMES[how % NAMES.len()], &bytes);
    let _ = RunState::read(dir.path());
    let mut steps = 0;
    // What continues in earnest has been read.
    let mut stop = |event: &Event| {
        steps += usize::from(matches!(event, Event::Step { .. }));
        if steps > 4 { Flow::Stop } else { Flow::Continue }
    };
    let _ = smvae::resume_with(&TrainInput::new(&TRAINED.corpus, EncoderSource::Tiny), dir.path(), &mut stop);
}

/// A file of a text encoder: its sizes, its tokenizer in all forms, its weights.
pub(crate) fn encoder_folder(input: &[u8]) {
    const CONFIG: &[u8] = include_bytes!("../../../tests/golden/hf_families/bert/config.json");
    const WEIGHTS: &[u8] = include_bytes!("../../../tests/golden/hf_families/bert/model.safetensors");
    const TOKENIZER: &[u8] = include_bytes!("../../../tests/golden/hf_families/bert/tokenizer.json");
    const NAMES: [&str; 12] = [
        "config.json",
        "tokenizer.json",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "model.safetensors",
        "model.safetensors.index.json",
        // Last, so that kept inputs mean what they meant.
        "added_tokens.json",
        "bpe.codes",
        "modules.json",
    ];
    let (how, rest) = choice(input);
    let name = NAMES[how % NAMES.len()];
    let dir = scratch();
    put(dir.path(), "config.json", CONFIG);
    match name {
        "vocab.txt" => (),
        "vocab.json" => put(dir.path(), "merges.txt", b"#version: 0.2\nm e\nme t\n"),
        "merges.txt" => put(dir.path(), "vocab.json", br#"{"<s>":0,"</s>":1,"<unk>":2,"m":3,"e":4,"t":5,"me":6}"#),
        "bpe.codes" => {
            put(dir.path(), "vocab.txt", b"me@@ 3\nt 2\nm@@ 1\n");
            put(
                dir.path(),
                "tokenizer_config.json",
                br#"{"tokenizer_class": "BertweetTokenizer", "normalization": true}"#,
            );
        }
        _ => put(dir.path(), "tokenizer.json", TOKENIZER),
    }
    if !name.ends_with("index.json") {
        put(dir.path(), "model.safetensors", WEIGHTS);
    }
    put(dir.path(), name, rest);
    let _ = model_folder(dir.path());
    if let Ok(tokenizer) = WordTokenizer::from_folder(dir.path()) {
        let _ = (tokenizer.check_rows(9), tokenizer.notes().iter().map(ToString::to_string).count());
        if let Ok(encoded) = tokenizer.encode(&["met", "Zarko", "\u{1f600}\u{301}", "", "\u{a0}"], 16) {
            assert!(encoded.words.len() <= 5 && encoded.ids.len() <= 16);
        }
        let _ = tokenizer.save(dir.path().join("again.json"));
    }
    let weights = Weights::from_folder(dir.path());
    if let (Ok(config), Ok(weights)) = (TransformerConfig::from_file(dir.path().join("config.json")), weights) {
        let parameters = Parameters::new(0, &Device::Cpu);
        let _ = load_weights(&config, weights, Missing::Refuse, &parameters, "encoder");
    }
}

/// A file of a vision model: what it is, how images are prepared, its weights.
pub(crate) fn vision_folder(input: &[u8]) {
    const NAMES: [&str; 3] = ["config.json", "preprocessor_config.json", "model.safetensors"];
    const CONFIG: &[u8] = br#"{"model_type": "resnet", "layer_type": "basic", "depths": [1], "hidden_sizes": [4]}"#;
    static WEIGHTS: LazyLock<Vec<u8>> = LazyLock::new(vision_weights);
    let (how, rest) = choice(input);
    let dir = scratch();
    put(dir.path(), "config.json", CONFIG);
    put(dir.path(), "model.safetensors", &WEIGHTS);
    put(dir.path(), NAMES[how % NAMES.len()], rest);
    let _ = VisionModel::open(dir.path(), None, Compute::default());
    let _ = VisionModel::open(dir.path().join("model.safetensors"), None, Compute::default());
}

/// The weights of a ResNet of one block.
fn vision_weights() -> Vec<u8> {
    let tensor = |shape: &[usize]| Tensor::full(0.1f32, shape, &Device::Cpu).expect("a small tensor");
    let mut tensors = HashMap::new();
    for (conv, norm, shape) in [
        ("conv1", "bn1", [4, 3, 7, 7]),
        ("layer1.0.conv1", "layer1.0.bn1", [4, 4, 3, 3]),
        ("layer1.0.conv2", "layer1.0.bn2", [4, 4, 3, 3]),
    ] {
        tensors.insert(format!("{conv}.weight"), tensor(&shape));
        for name in ["weight", "bias", "running_mean", "running_var"] {
            tensors.insert(format!("{norm}.{name}"), tensor(&[4]));
        }
    }
    let dir = scratch();
    let path = dir.path().join("model.safetensors");
    safetensors::save(&tensors, &path).expect("writable");
    std::fs::read(path).expect("readable")
}

/// PyTorch's weights: a whole file, or the pickle of an archive whose numbers are there.
pub(crate) fn pickle(input: &[u8]) {
    let (how, rest) = choice(input);
    let dir = scratch();
    let path = dir.path().join("pytorch_model.bin");
    let whole = match how % 2 {
        0 => archive(&[("archive/data.pkl", rest), ("archive/data/0", &[0; 64])]),
        _ => rest.to_vec(),
    };
    std::fs::write(&path, whole).expect("writable");
    let _ = Weights::from_file(path);
}

/// A zip archive of files that are not compressed.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut all, mut directory) = (Vec::new(), Vec::new());
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let halves = |halves: &[u16]| halves.iter().flat_map(|half| half.to_le_bytes()).collect::<Vec<u8>>();
    for (name, bytes) in files {
        let (at, size, long) = (all.len() as u32, bytes.len() as u32, name.len() as u16);
        let common = [halves(&[20, 0, 0, 0, 33]), words(&[crc32(bytes), size, size]), halves(&[long, 0])].concat();
        all.extend([words(&[0x0403_4b50]), common.clone(), name.as_bytes().to_vec(), bytes.to_vec()].concat());
        let rest = [halves(&[0, 0, 0]), words(&[0, at]), name.as_bytes().to_vec()].concat();
        directory.extend([words(&[0x0201_4b50]), halves(&[20]), common, rest].concat());
    }
    let (at, size, n) = (all.len() as u32, directory.len() as u32, files.len() as u16);
    all.extend(directory);
    all.extend([words(&[0x0605_4b50]), halves(&[0, 0, n, n]), words(&[size, at]), halves(&[0])].concat());
    all
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// A file of image vectors.
pub(crate) fn image_vectors(input: &[u8]) {
    let dir = scratch();
    put(dir.path(), "v.safetensors", input);
    if let Ok(vectors) = ImageVectors::load(dir.path().join("v.safetensors")) {
        assert!(vectors.width() > 0 && vectors.len() > 0);
        for id in vectors.ids() {
            assert!(vectors.get(id).is_some_and(|vector| vector.iter().all(|x| x.is_finite())));
        }
    }
}

/// A file of captions.
pub(crate) fn captions(input: &[u8]) {
    let dir = scratch();
    put(dir.path(), "c.jsonl", input);
    if let Ok(captions) = Captions::load(dir.path().join("c.jsonl")) {
        captions.save(dir.path().join("again.jsonl")).expect("a writable folder");
        let again = Captions::load(dir.path().join("again.jsonl")).expect("our own file");
        assert_eq!(captions.len(), again.len());
    }
}

/// A file that describes an experiment.
pub(crate) fn experiment(input: &[u8]) {
    let dir = scratch();
    put(dir.path(), "e.toml", input);
    if let Ok(plan) = Plan::read(dir.path().join("e.toml")) {
        assert!(plan.runs.iter().all(|run| !run.run.id.contains('/')), "a run's folder is below that of the runs");
    }
}
