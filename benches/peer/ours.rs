//! Our side of the comparison with PyTorch: training steps and evaluation on real tweets, one JSON
//! line each.
//!
//! ```text
//! peer_ours prepare  --size minilm|base --shared DIR --run DIR   a run folder with random weights
//! peer_ours train    --run DIR --shared DIR [--steps N] [--semi] [--sorted]
//! peer_ours evaluate --run DIR --shared DIR          Twitter2017 test, words to entities
//! peer_ours check    --run DIR --shared DIR [--semi] the loss of one step without randomness
//! ```
//! The last three take `--device cpu|cuda|cuda:N`; on a GPU, `train` and `evaluate` multiply in
//! TF32. These two take `--precision f32|bf16`, and `evaluate` int8, too. `peer.py` has the last
//! three commands, reads the same run folder and prints the same fields. The number of threads is
//! `RAYON_NUM_THREADS`. What is timed: `train` whole steps on batches made beforehand, after two
//! steps that are not timed; `evaluate` everything between the tweets' words and the scores, once
//! before it is timed.

#[path = "../common/sizes.rs"]
mod sizes;
mod tweets;

use serde_json::{Value, json};
use smvae::core::candle_core::{DType, Device, Tensor, safetensors};
use smvae::core::model::{SpanBatch, SpanModel};
use smvae::core::nn::{Parameters, Precision};
use smvae::core::objective::Noise;
use smvae::core::optim::Adam;
use smvae::core::step::{Networks, StepReport, step, step_loss};
use smvae::core::{Mode, rng};
use smvae::data::corpus::Corpus;
use smvae::data::{ImageVectors, Selection, selection};
use smvae::encoders::device::{self, DeviceChoice};
use smvae::encoders::text::{Transformer, WordTokenizer};
use smvae::{Config, EncoderSource, ImageTrust, LoadOptions, Predictor, Result, RunInfo, TrainInput, evaluate, train};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Learning rates of the encoder and of the rest, the default configuration's.
const RATES: [f64; 2] = [5e-5, 1e-3];

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(message) => {
            eprintln!("{message}; usage: see the header of benches/peer/ours.rs");
            return ExitCode::from(2);
        }
    };
    // The backward pass walks the graph recursively; BERT-base's is deep.
    let worker = std::thread::Builder::new().stack_size(256 << 20).spawn(move || run(&args));
    match worker.expect("a thread can be made").join().expect("errors are returned") {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

struct Args {
    command: String,
    size: String,
    run: PathBuf,
    shared: PathBuf,
    steps: usize,
    semi: bool,
    sorted: bool,
    precision: Precision,
    device: Device,
}

impl Args {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let command = args.next().ok_or("a command is missing")?;
        if !["prepare", "train", "evaluate", "check"].contains(&command.as_str()) {
            return Err(format!("unknown command {command}"));
        }
        let mut parsed = Self {
            command,
            size: "minilm".to_owned(),
            run: PathBuf::new(),
            shared: PathBuf::from("../shared"),
            steps: 8,
            semi: false,
            sorted: false,
            precision: Precision::F32,
            device: Device::Cpu,
        };
        while let Some(option) = args.next() {
            let mut value = || args.next().ok_or(format!("{option} needs a value"));
            match option.as_str() {
                "--semi" => parsed.semi = true,
                "--sorted" => parsed.sorted = true,
                "--size" => parsed.size = value()?,
                "--run" => parsed.run = value()?.into(),
                "--shared" => parsed.shared = value()?.into(),
                "--device" => {
                    let choice: DeviceChoice = value()?.parse().map_err(|e| format!("--device: {e}"))?;
                    parsed.device = device::open(choice).map_err(|e| e.to_string())?;
                }
                "--precision" => {
                    let name = value()?;
                    let all = [Precision::F32, Precision::Bf16, Precision::Int8];
                    let precision = all.into_iter().find(|precision| precision.to_string() == name);
                    parsed.precision = precision.ok_or(format!("unknown precision {name}"))?;
                }
                "--steps" => parsed.steps = value()?.parse().map_err(|e| format!("--steps: {e}"))?,
                _ => return Err(format!("unknown option {option}")),
            }
        }
        if parsed.run.as_os_str().is_empty() || parsed.steps == 0 {
            return Err("--run is needed, and --steps must be at least 1".to_owned());
        }
        Ok(parsed)
    }

    fn corpus(&self) -> Result<Corpus> {
        Ok(Corpus::load(self.shared.join("data/twitter2017"))?)
    }

    fn images(&self) -> Result<ImageVectors> {
        Ok(ImageVectors::load(self.shared.join("features/twitter2017.safetensors"))?)
    }
}

fn run(args: &Args) -> Result<Value> {
    match args.command.as_str() {
        "prepare" => prepare(args),
        "check" => check(args),
        work => {
            device::allow_tf32(true);
            if work == "train" { time_training(args) } else { time_evaluation(args) }
        }
    }
}

/// Makes a run folder with random weights: an encoder folder first, then a training step of rate 0.
fn prepare(args: &Args) -> Result<Value> {
    let (corpus, images) = (args.corpus()?, args.images()?);
    let Some((bert, model)) = sizes::sizes(&args.size, images.width()) else {
        eprintln!("unknown size {}: minilm or base", args.size);
        std::process::exit(2);
    };
    let folder = args.run.with_extension("encoder");
    let put = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).unwrap_or_else(|e| panic!("cannot write {name}: {e}"));
    };
    std::fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("cannot create {}: {e}", folder.display()));
    let parameters = Parameters::new(0, &Device::Cpu);
    Transformer::load(&bert, parameters.builder(DType::F32))?;
    let weights: HashMap<String, Tensor> = parameters.snapshot()?.into_iter().collect();
    safetensors::save(&weights, folder.join("model.safetensors"))?;
    drop((weights, parameters));
    put("config.json", &serde_json::to_vec(&bert).expect("sizes and names have a JSON form"));
    WordTokenizer::from_folder(args.shared.join("models/all-MiniLM-L6-v2"))?.save(folder.join("tokenizer.json"))?;

    let mut config = Config::default();
    (config.labelled, config.model) = (Some(2), model);
    (config.training.epochs, config.training.max_steps) = (Some(1), Some(1));
    (config.training.encoder_lr, config.training.head_lr) = (0.0, 0.0);
    let chosen: Selection = selection::select(2, 0, &corpus.train, &corpus.files.train.sha256)?;
    let mut input = TrainInput::new(&corpus, EncoderSource::Folder(folder.clone()))
        .with_dev(&corpus.dev[..2])
        .with_selection(&chosen)
        .with_images(&images);
    input.replace_run = true;
    let summary = train(&input, &config, &args.run)?;
    // The run holds all of it.
    let _ = std::fs::remove_dir_all(&folder);
    Ok(json!({ "work": "prepare", "size": args.size, "run": summary.folder }))
}

/// What a run folder holds, for training it further.
struct Loaded {
    run: RunInfo,
    parameters: Parameters,
    encoder: Transformer,
    model: SpanModel,
}

fn load(folder: &Path, device: &Device) -> Result<Loaded> {
    let run = RunInfo::read(folder)?;
    let parameters = Parameters::new(0, device);
    for (name, value) in safetensors::load(folder.join("weights.safetensors"), &Device::Cpu)? {
        parameters.insert(name, &value)?;
    }
    let vb = parameters.builder(DType::F32);
    let encoder = Transformer::load(&run.encoder, vb.pp("encoder"))?;
    let model = SpanModel::load(&run.config.model, run.encoder.hidden_size, run.labels.n_classes(), &vb.pp("model"))?;
    Ok(Loaded { run, parameters, encoder, model })
}

impl Loaded {
    fn networks(&self) -> Networks<'_> {
        Networks { encoder: &self.encoder, model: &self.model }
    }

    fn optimizer(&self) -> Result<Adam> {
        let group = |name: &str| usize::from(!name.starts_with("encoder."));
        Ok(Adam::new(self.parameters.all(), group, self.run.config.optimizer.clone())?)
    }

    fn steps(&self, args: &Args) -> Result<Vec<tweets::Step>> {
        let (samples, images) = (args.corpus()?.train, args.images()?);
        let tokenizer = WordTokenizer::from_file(args.run.join("tokenizer.json"))?;
        let tweets = tweets::tweets(&self.run, &tokenizer, &images, &samples)?;
        let options = tweets::Options { steps: args.steps, semi: args.semi, sorted: args.sorted, device: &args.device };
        tweets::steps(&tweets, images.width(), &options)
    }
}

fn time_training(args: &Args) -> Result<Value> {
    let base = memory("VmRSS:");
    let loaded = load(&args.run, &args.device)?;
    let steps = loaded.steps(args)?;
    device::allow_bf16(args.precision == Precision::Bf16);
    let mut optimizer = loaded.optimizer()?;
    let mut rng = rng::named(0, "training");
    let mut take = |s: &tweets::Step| -> Result<StepReport> {
        let objective = &loaded.run.config.objective;
        let unlabelled = s.unlabelled.as_ref();
        let report = step(loaded.networks(), objective, &mut optimizer, &RATES, &s.labelled, unlabelled, &mut rng)?;
        // The peer reads its loss at every step too.
        Ok(report.read()?)
    };
    for s in steps.iter().cycle().take(2) {
        take(s)?;
    }
    let (mut seconds, mut loss, mut mask) = (Vec::new(), 0.0, 0.0);
    for s in &steps {
        let start = Instant::now();
        let report = take(s)?;
        seconds.push(start.elapsed().as_secs_f64());
        (loss, mask) = (report.loss, mask + report.mask / steps.len() as f64);
    }
    let texts = |s: &tweets::Step| s.labelled.batch.n_texts() + s.unlabelled.as_ref().map_or(0, |u| u.batch.n_texts());
    let spans =
        |s: &tweets::Step| s.labelled.batch.spans.len() + s.unlabelled.as_ref().map_or(0, |u| u.batch.spans.len());
    let tweets: usize = steps.iter().map(texts).sum();
    Ok(json!({
        "side": "ours", "work": if args.semi { "semi" } else { "supervised" },
        "variant": if args.sorted { "sorted" } else { "shuffled" },
        "precision": args.precision, "device": device::describe(&args.device), "threads": rayon::current_num_threads(),
        "tweets": tweets,
        "spans": steps.iter().map(spans).sum::<usize>(),
        "tweets_per_s": tweets as f64 / seconds.iter().sum::<f64>(), "step_s": seconds, "loss": loss, "mask": mask,
        "parameters": loaded.parameters.count(), "base_mib": base, "peak_mib": memory("VmHWM:"),
    }))
}

fn time_evaluation(args: &Args) -> Result<Value> {
    let base = memory("VmRSS:");
    let (samples, images) = (args.corpus()?.test, args.images()?);
    let predictor =
        Predictor::load_with(&args.run, &LoadOptions::on(args.device.clone()).with_precision(args.precision))?
            .with_images(images, ImageTrust::Recorded)?;
    evaluate(&predictor, &samples[..64.min(samples.len())])?;
    let start = Instant::now();
    let evaluation = evaluate(&predictor, &samples)?;
    let seconds = start.elapsed().as_secs_f64();
    let counts = evaluation.scores.overall;
    Ok(json!({
        "side": "ours", "work": "evaluate", "variant": "sorted", "precision": args.precision, "device": device::describe(&args.device),
        "threads": rayon::current_num_threads(), "tweets": samples.len(), "tweets_per_s": samples.len() as f64 / seconds,
        "gold": counts.gold, "predicted": counts.predicted, "correct": counts.correct,
        "base_mib": base, "peak_mib": memory("VmHWM:"),
    }))
}

/// The loss of the first step without dropout and with noise that needs no generator, and the norm
/// of its gradients.
fn check(args: &Args) -> Result<Value> {
    let loaded = load(&args.run, &args.device)?;
    let steps = loaded.steps(args)?;
    let latent = loaded.run.config.model.latent_dim;
    let tweets::Step { labelled, unlabelled } = &steps[0];
    let noise = wave_noise(&labelled.batch, latent, 0, &args.device)?;
    let unlabelled_noise = unlabelled.as_ref().map(|u| wave_noise(&u.batch, latent, 3, &args.device)).transpose()?;
    let loss = step_loss(
        loaded.networks(),
        &loaded.run.config.objective,
        (labelled, &noise),
        unlabelled.as_ref().zip(unlabelled_noise.as_ref()),
        Mode::Eval,
    )?;
    let grad_norm = loaded.optimizer()?.step(&loss.loss.backward()?, &[0.0, 0.0])?;
    let mut report = loss.report()?;
    report.grad_norm = grad_norm;
    Ok(serde_json::to_value(report).expect("numbers have a JSON form"))
}

/// Row `i`, column `j` of stream `k` is `cos(0.7 i + 1.3 j + k)`; z, text and image are streams of
/// their own.
fn wave_noise(batch: &SpanBatch, latent: usize, first: usize, device: &Device) -> Result<Noise> {
    let wave = |rows: usize, k: usize| {
        let value = |i: usize, j: usize| (0.7 * i as f64 + 1.3 * j as f64 + k as f64).cos() as f32;
        let values = (0..rows).flat_map(|i| (0..latent).map(move |j| value(i, j))).collect::<Vec<f32>>();
        Tensor::from_vec(values, (rows, latent), device)
    };
    let rows = batch.spans.len();
    Ok(Noise { z: wave(rows, first)?, text: wave(rows, first + 1)?, image: wave(batch.n_texts(), first + 2)? })
}

/// Resident memory now (`VmRSS:`) or at most (`VmHWM:`), in MiB.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}
