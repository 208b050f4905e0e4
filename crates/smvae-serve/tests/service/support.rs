//! A small model, a service with short times, and a client of plain sockets, which can misbehave.

use serde_json::Value;
use smvae::core::candle_core::{self, Device, Tensor};
use smvae::data::synthetic::{SyntheticConfig, generate};
use smvae::data::{Corpus, ImageVectors};
use smvae::encoders::vision::{Compute, Pixels, VisionModel};
use smvae::features::FeatureDescription;
use smvae::{Config, EncoderSource, TrainInput};
use smvae_serve::{ModelSource, Pictures, Service, Settings};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// How long a client waits for anything: what takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that looks at images, whose vision model lies where it was.
pub(crate) fn run() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("smvae-serve");
        // What an earlier test run left.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a writable folder");
        train(&folder);
        folder.join("run")
    })
}

fn train(folder: &Path) {
    let vision = folder.join("vision");
    small_resnet(&vision);
    let model = VisionModel::open(&vision, None, Compute::default()).expect("a small vision model");
    let config = SyntheticConfig { n_train: 60, n_dev: 10, n_test: 4, names: 6, ..SyntheticConfig::default() };
    generate(&config).and_then(|corpus| corpus.write_to(folder.join("data"))).expect("a writable folder");
    let corpus = Corpus::load(folder.join("data")).expect("our own files");
    let ids = corpus.train.iter().chain(&corpus.dev).filter_map(|sample| sample.image());
    let vectors = ids.enumerate().map(|(i, id)| {
        let vector = model.vectors(&[picture(i)]).expect("a vector").remove(0);
        (id.to_owned(), vector)
    });
    let description: FeatureDescription = serde_json::from_value(serde_json::json!({
        "vision": model.identity, "library_version": "0", "images_sha256": ""
    }))
    .expect("the form of a description");
    let images = ImageVectors::from_map(vectors.collect()).expect("vectors of one width");
    let images = images.with_description(serde_json::to_string(&description).expect("it has a JSON form"));
    let mut config = Config::default();
    (config.model.hidden_dim, config.model.latent_dim) = (16, 8);
    config.training.epochs = Some(12);
    let input = TrainInput::new(&corpus, EncoderSource::Tiny).with_images(&images);
    smvae::train(&input, &config, folder.join("run")).expect("it trains");
}

/// A ResNet of one block, as transformers has it.
fn small_resnet(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a writable folder");
    let mut tensors = HashMap::new();
    let mut add = |name: String, shape: &[usize]| {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| 0.01 + (i * 7 % 13) as f32 / 40.0).collect();
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).expect("its own size"));
    };
    let layers = ["embedder.embedder", "encoder.stages.0.layers.0.layer.0", "encoder.stages.0.layers.0.layer.1"];
    for (layer, shape) in layers.into_iter().zip([[4, 3, 7, 7], [4, 4, 3, 3], [4, 4, 3, 3]]) {
        add(format!("{layer}.convolution.weight"), &shape);
        for part in ["weight", "bias", "running_mean", "running_var"] {
            add(format!("{layer}.normalization.{part}"), &[4]);
        }
    }
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).expect("a writable folder");
    let config = r#"{"model_type": "resnet", "layer_type": "basic", "depths": [1], "embedding_size": 4,
        "hidden_sizes": [4], "hidden_act": "relu", "num_channels": 3, "downsample_in_first_stage": false}"#;
    let preparation = r#"{"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.875,
        "size": {"shortest_edge": 8}, "resample": 3, "do_resize": true, "do_rescale": true,
        "rescale_factor": 0.00392156862745098, "do_normalize": true, "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5]}"#;
    std::fs::write(folder.join("config.json"), config).expect("a writable folder");
    std::fs::write(folder.join("preprocessor_config.json"), preparation).expect("a writable folder");
}

/// A picture that differs from the others.
fn picture(i: usize) -> Pixels {
    let (width, height) = (9 + i % 5, 7);
    Pixels { width, height, rgb: (0..width * height * 3).map(|k| (k * (i + 3) * 7 % 256) as u8).collect() }
}

/// A BMP file of one colour.
pub(crate) fn bmp(width: u32, height: u32, blue: u8) -> Vec<u8> {
    let row = (width as usize * 3).next_multiple_of(4);
    let mut bytes = b"BM".to_vec();
    let words = [54, 0, 54, 40, width, height, 1 | 24 << 16, 0, 0, 0, 0, 0, 0];
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(std::iter::repeat_n(blue, row * height as usize));
    bytes
}

/// The model of the tests.
pub(crate) fn source() -> ModelSource {
    ModelSource::of(run())
}

/// A service at a free port, with changed settings.
pub(crate) fn start(change: impl FnOnce(&mut Settings)) -> Service {
    start_with(source(), change)
}

/// The same with another model.
pub(crate) fn start_with(source: ModelSource, change: impl FnOnce(&mut Settings)) -> Service {
    let mut settings = Settings::default();
    settings.address.set_port(0);
    change(&mut settings);
    Service::start(source, settings).expect("it starts")
}

/// The model without its vision model.
pub(crate) fn text_alone() -> ModelSource {
    source().with_pictures(Pictures::Refused)
}

/// What a client got.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    /// Reads what came over a connection.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

/// A connection with a limit to its patience.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time");
    stream
}

/// Everything that comes until the other side closes. A reset is an end, too.
pub(crate) fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return bytes,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no end after {PATIENCE:?}"),
            Err(_) => return bytes,
        }
    }
}

/// Sends bytes as they are, and reads until the other side closes.
pub(crate) fn raw(service: &Service, bytes: &[u8]) -> Reply {
    let mut stream = connect(service.address());
    // A service that has refused the request already may have closed its side.
    let _ = stream.write_all(bytes);
    Reply::read(&read_all(&mut stream))
}

/// The bytes of a request; a line has method, path and headers, separated by `|`.
pub(crate) fn request(line: &str, body: &[u8]) -> Vec<u8> {
    let mut parts = line.split('|');
    let mut text = format!("{} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n", parts.next().unwrap_or_default());
    for header in parts {
        text += &format!("{header}\r\n");
    }
    if !body.is_empty() {
        text += &format!("content-length: {}\r\n", body.len());
    }
    [text.as_bytes(), b"\r\n", body].concat()
}

/// Sends a request and reads its answer.
pub(crate) fn send(service: &Service, line: &str, body: &[u8]) -> Reply {
    raw(service, &request(line, body))
}

/// A request for entities in JSON.
pub(crate) const PREDICT: &str = "POST /v1/predict|content-type: application/json";
/// The header of a request with pictures.
pub(crate) const UPLOAD: &str = "POST /v1/predict|content-type: multipart/form-data; boundary=XX";

/// Asks for entities.
pub(crate) fn predict(service: &Service, body: &str) -> Reply {
    send(service, PREDICT, body.as_bytes())
}

/// A body of parts, each a name and its content.
pub(crate) fn parts(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in parts {
        let head = format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n");
        bytes.extend([head.as_bytes(), *content, b"\r\n"].concat());
    }
    bytes.extend(b"--XX--\r\n");
    bytes
}

/// The value of a metric.
pub(crate) fn metric(service: &Service, name: &str) -> f64 {
    let text = send(service, "GET /metrics", b"").body;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not within ten seconds: {what}");
}
