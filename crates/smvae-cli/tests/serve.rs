//! `smvae serve` as a process: what it prints, the signals that it is sent, and what a wrong option
//! says. What it answers is tested in the crate smvae-serve.
#![cfg(all(feature = "serve", unix))]

mod support;

use smvae::data::Corpus;
use smvae::data::synthetic::{SyntheticConfig, generate};
use smvae::{Config, EncoderSource, TrainInput};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::smvae;

/// A folder with a small run of text.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = SyntheticConfig { n_train: 12, n_dev: 4, n_test: 4, ..SyntheticConfig::default() };
    generate(&config).and_then(|corpus| corpus.write_to(dir.path().join("data"))).expect("a writable folder");
    let corpus = Corpus::load(dir.path().join("data")).expect("our own files");
    let mut config = Config::default();
    (config.model.hidden_dim, config.model.latent_dim) = (8, 4);
    config.training.epochs = Some(1);
    smvae::train(&TrainInput::new(&corpus, EncoderSource::Tiny), &config, dir.path().join("run")).expect("it trains");
    dir
}

fn serve(dir: &Path, options: &str) -> Command {
    smvae(dir, &format!("serve {options}"))
}

/// A service that was started, and its log.
struct Served {
    child: Child,
    address: String,
    log: BufReader<std::process::ChildStderr>,
}

impl Served {
    fn start(dir: &Path, options: &str, key: Option<&str>) -> Self {
        let mut command = serve(dir, options);
        if let Some(key) = key {
            command.env("SMVAE_SERVE_API_KEY", key);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("http://").expect("an address").to_owned();
        let log = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, address, log }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
        let request = format!("{request}\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().expect("there is a kill");
        assert!(status.success());
    }

    /// Lines of the log until one has this text.
    fn log_until(&mut self, text: &str) -> String {
        let mut all = String::new();
        while !all.contains(text) {
            let n = self.log.read_line(&mut all).expect("UTF-8");
            assert_ne!(n, 0, "no {text:?} in {all}");
        }
        all
    }

    fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("our own child");
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("UTF-8");
        (status.code(), rest)
    }
}

#[test]
fn signals_load_anew_and_end() {
    let dir = folder();
    let start = Instant::now();
    let mut served = Served::start(dir.path(), "--model run --port 0 --log json", Some("correct-horse"));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(served.address.starts_with("127.0.0.1:") && !served.address.ends_with(":0"));
    assert!(served.ask("GET /health/ready HTTP/1.1").contains("200 OK"));
    assert!(served.ask("GET /v1/model HTTP/1.1").contains("401 Unauthorized"));
    assert!(served.ask("GET /v1/model HTTP/1.1\r\nauthorization: Bearer correct-horse").contains("weights_sha256"));
    served.signal("HUP");
    let log = served.log_until("the run was loaded anew");
    assert!(log.contains(r#""route":"/v1/model","status":401,"code":"unauthorized""#), "{log}");
    assert!(!log.contains("horse"), "{log}");
    std::fs::remove_file(dir.path().join("run/weights.safetensors")).expect("a file");
    served.signal("HUP");
    served.log_until("continues with the old one");
    assert!(served.ask("GET /health/ready HTTP/1.1").contains("200 OK"));
    served.signal("TERM");
    assert_eq!(served.ended().0, Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let dir = folder();
    let mut served = Served::start(dir.path(), "--model run --port 0 --drain-time 60", None);
    // A request whose body does not come is admitted, and keeps the service.
    let mut stream = TcpStream::connect(&served.address).expect("it listens");
    let head = "POST /v1/predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 9\r\nexpect: \
        100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("it reads");
    // It asks for the body once it has admitted the request.
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
    let mut asked = [0; 12];
    stream.read_exact(&mut asked).expect("an answer");
    assert_eq!(&asked, b"HTTP/1.1 100");
    served.signal("TERM");
    served.log_until("a second signal ends at once");
    assert!(served.ask("GET /health/ready HTTP/1.1").contains("503"));
    served.signal("TERM");
    assert_eq!(served.ended().0, Some(130));
}

#[test]
fn what_is_wrong_with_the_options_is_said() {
    let dir = folder();
    std::fs::write(dir.path().join("key"), "short\n").expect("a writable folder");
    let check = |options: &str, code: i32, message: &str| {
        let Output { status, stdout, stderr } = serve(dir.path(), options).output().expect("the program starts");
        let text = String::from_utf8_lossy(&stderr);
        assert_eq!((status.code(), stdout.len()), (Some(code), 0), "{options}\n{text}");
        assert!(text.contains(message), "{options}\n{text}");
    };
    check("", 2, "--model <DIR>");
    check("--model absent", 1, "absent is not a run folder: config.json is missing");
    check("--model run --port 70000", 2, "70000 is not in 0..=65535");
    check("--model run --host everywhere", 2, "expected an IP address, such as 127.0.0.1");
    check("--model run --max-posts 0", 2, "the setting `posts` must be at least 1, got 0");
    check("--model run --header-time soon", 2, "expected seconds, such as 10 or 0.5");
    check("--model run --api-key-file key", 1, "key holds no key");
    check("--model run --api-key-file absent", 1, "cannot read absent");
    check("--model run --vision absent", 1, "the model was trained without images");
    check("--model run --host 192.0.2.1", 1, "cannot listen on 192.0.2.1:8090");
}
