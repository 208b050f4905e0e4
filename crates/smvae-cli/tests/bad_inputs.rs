//! Bad inputs from outside: every row of `bad_inputs/*.toml` is one, with the exit code and the
//! parts of the message that a person needs to mend it. One test goes through all rows and tells of
//! each that differs.
//!
//! ```toml
//! [[row]]
//! name = "a word without a tag"                   # one sentence
//! files = { "c/train.txt" = "IMGID:1\nword\n" }   # written into the row's folder
//! changes = ["flip run/weights.safetensors"]      # then done to what is there, see `change`
//! before = ["stats --data corpus"]                # command lines that succeed
//! after = ["cut found.arrow 200"]                 # changes to what they leave
//! run = "train --data c"                          # the command line
//! stdin = ""                                      # what it reads
//! env = { SMVAE_SERVE_PORT = "no" }               # variables; one with a `-` is unset
//! code = 1                                        # exit code
//! says = ["c/train.txt:2", "expected"]            # parts of stderr
//! feature = "serve"                               # where the program has it
//! ```
//! A row's folder has: `corpus`, with image vectors; `run`, trained on its text, and `seen`, on its
//! image vectors too; `begun`, which was stopped with a checkpoint; `encoder`, a tiny BERT;
//! `vision.safetensors`; `pictures`; `posts.jsonl`.

mod support;

use serde::Deserialize;
use serde_json::Value;
use smvae::data::corpus::Corpus;
use smvae::data::{ImageVectors, Split};
use smvae::{Config, EncoderSource, Event, Flow, TrainInput};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{folder_with_corpus, save_vision_model, smvae};

/// Longer than any row takes on a busy machine: beyond it, the program hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const TABLES: [(&str, &str); 6] = [
    ("data.toml", include_str!("bad_inputs/data.toml")),
    ("labelled.toml", include_str!("bad_inputs/labelled.toml")),
    ("options.toml", include_str!("bad_inputs/options.toml")),
    ("models.toml", include_str!("bad_inputs/models.toml")),
    ("outputs.toml", include_str!("bad_inputs/outputs.toml")),
    ("service.toml", include_str!("bad_inputs/service.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    changes: Vec<String>,
    #[serde(default)]
    before: Vec<String>,
    #[serde(default)]
    after: Vec<String>,
    run: String,
    #[serde(default)]
    stdin: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    code: i32,
    says: Vec<String>,
    feature: Option<String>,
}

impl Row {
    /// Whether this build has what the row needs.
    fn is_built(&self) -> bool {
        match self.feature.as_deref() {
            None => true,
            Some("hub") => cfg!(feature = "hub"),
            Some("parquet") => cfg!(feature = "parquet"),
            Some("report") => cfg!(feature = "report"),
            Some("serve") => cfg!(feature = "serve"),
            Some(other) => panic!("{}: there is no feature {other}", self.name),
        }
    }
}

#[test]
fn every_bad_input_is_told_and_nothing_hangs_or_panics() {
    let rows: Vec<Row> = TABLES.into_iter().flat_map(|(name, text)| rows(name, text)).collect();
    assert!(rows.len() >= 80, "there are {} rows", rows.len());
    let good = good();
    // As many at a time as small machines have cores; each row has its own process and folder.
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // A row that cannot be set up says why on its own, and the others go on.
                    let checked =
                        std::panic::catch_unwind(|| row.is_built().then(|| check(row, good.path())).flatten());
                    if let Some(difference) = checked.unwrap_or_else(|_| Some("  cannot be set up\n".to_owned())) {
                        wrong.lock().expect("no thread panics").insert(&row.name, difference);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no thread panics");
    let report = wrong.iter().fold(String::new(), |all, (name, difference)| all + &format!("{name}\n{difference}\n"));
    assert!(wrong.is_empty(), "{} of {} rows differ\n\n{report}", wrong.len(), rows.len());
}

fn rows(name: &str, text: &str) -> Vec<Row> {
    toml::from_str::<Table>(text).unwrap_or_else(|error| panic!("{name}: {error}")).row
}

/// What is wrong with what the program does in this row.
fn check(row: &Row, good: &Path) -> Option<String> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    copy(good, dir.path());
    for (name, text) in &row.files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }
    row.changes.iter().for_each(|line| change(dir.path(), line));
    for line in &row.before {
        let Outcome { code, stderr, .. } = outcome(dir.path(), line, &Row::default());
        if code != Some(0) {
            return Some(format!("  before it, {line}: {code:?}\n{stderr}"));
        }
    }
    row.after.iter().for_each(|line| change(dir.path(), line));
    let Outcome { code, stdout, stderr } = outcome(dir.path(), &row.run, row);
    // What people read: --nocapture shows it.
    println!("{}\n$ smvae {}\n{stderr}", row.name, row.run);
    let mut wrong = String::new();
    if code != Some(row.code) {
        let _ = writeln!(wrong, "  exit code {code:?}, not {}", row.code);
    }
    for part in row.says.iter().filter(|part| !stderr.contains(*part)) {
        let _ = writeln!(wrong, "  does not say {part:?}");
    }
    if stderr.contains("panicked") || stderr.lines().filter(|line| line.starts_with("error: ")).count() != 1 {
        let _ = writeln!(wrong, "  not one error");
    }
    // What came before the line at which it ended is answered.
    if row.code != 3 && !row.run.contains("--strict") && !stdout.is_empty() {
        let _ = writeln!(wrong, "  stdout has {stdout:?}");
    }
    (!wrong.is_empty()).then(|| format!("  {}\n{wrong}{stderr}", row.run))
}

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs a command line; a program that hangs is ended and has no exit code.
fn outcome(dir: &Path, line: &str, row: &Row) -> Outcome {
    let mut command = smvae(dir, line);
    // What the machine has set must change nothing.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("SMVAE_") || name.starts_with("HF_") || name.starts_with("XDG_") {
            command.env_remove(name);
        }
    }
    command.env("HF_HUB_OFFLINE", "1").env("HOME", dir).env_remove("RUST_BACKTRACE");
    for (name, value) in &row.env {
        if value == "-" {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    let file = |name: &str| std::fs::File::create(dir.join(name)).expect("writable");
    command.stdin(Stdio::piped()).stdout(file(".stdout")).stderr(file(".stderr"));
    let mut child = command.spawn().expect("the program starts");
    // A program that refuses its options does not read its input.
    let _ = child.stdin.take().expect("piped").write_all(row.stdin.as_bytes());
    let start = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break status.code();
        }
        if start.elapsed() > PATIENCE {
            child.kill().and_then(|()| child.wait()).expect("our own child");
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = |name| String::from_utf8_lossy(&std::fs::read(dir.join(name)).expect("written")).into_owned();
    Outcome { code, stdout: text(".stdout"), stderr: text(".stderr") }
}

/// Changes a file of a row's folder as a line says. Names have no blanks.
fn change(dir: &Path, line: &str) {
    let (verb, rest) = line.split_once(' ').expect("a verb and a file");
    let (name, argument) = rest.split_once(' ').unwrap_or((rest, ""));
    let path = dir.join(name);
    let read = || std::fs::read(&path).unwrap_or_else(|error| panic!("{line}: {error}"));
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{line}: {error}"));
    match verb {
        "remove" => std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path)).expect("it is there"),
        "folder" => std::fs::create_dir_all(&path).expect("writable"),
        // Its first bytes alone.
        "cut" => write(&read()[..argument.parse().expect("a number")]),
        // One bit of its last byte.
        "flip" => {
            let mut bytes = read();
            *bytes.last_mut().expect("not empty") ^= 1;
            write(&bytes);
        }
        // Its last four bytes are no number.
        "nan" => {
            let mut bytes = read();
            let end = bytes.len() - 4;
            bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
            write(&bytes);
        }
        "append" => write(&[read(), argument.as_bytes().to_vec()].concat()),
        "hex" => {
            let digits: Vec<u8> = argument.bytes().filter(u8::is_ascii_hexdigit).collect();
            let digit = |c: u8| (c as char).to_digit(16).expect("filtered") as u8;
            write(&digits.chunks(2).map(|pair| 16 * digit(pair[0]) + digit(pair[1])).collect::<Vec<u8>>());
        }
        "copy" => write(&std::fs::read(dir.join(argument)).expect("it is there")),
        // OLD => NEW, wherever it stands.
        "edit" => {
            let (old, new) = argument.split_once(" => ").expect("OLD => NEW");
            let text = String::from_utf8(read()).expect("a text");
            assert!(text.contains(old), "{line}: it has no {old:?}");
            write(text.replace(old, new).as_bytes());
        }
        // The run's files are not compared with what training left.
        "trust" => {
            let path = path.join("run.json");
            let mut state: Value = serde_json::from_slice(&std::fs::read(&path).expect("a run")).expect("JSON");
            state.as_object_mut().expect("an object").remove("files");
            std::fs::write(path, state.to_string()).expect("writable");
        }
        #[cfg(unix)]
        "link" => {
            let _ = std::fs::remove_file(&path);
            std::os::unix::fs::symlink(argument, &path).expect("writable");
        }
        #[cfg(unix)]
        "pipe" => {
            let _ = std::fs::remove_file(&path);
            assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
        }
        _ => panic!("{line}: there is no such change"),
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("writable");
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("readable").is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("writable");
        }
    }
}

/// The folder that every row begins with.
fn good() -> tempfile::TempDir {
    let dir = folder_with_corpus("corpus", 16, 4);
    let at = |name: &str| dir.path().join(name);
    let corpus = Corpus::load(at("corpus")).expect("our own corpus");
    let vectors = ImageVectors::load(at("corpus/features.safetensors")).expect("our own vectors");
    let mut config = Config::default();
    (config.model.hidden_dim, config.model.latent_dim, config.input.max_width) = (8, 4, 3);
    config.training.epochs = Some(1);
    // As the program records it: where a run is continued, the corpus is looked for there.
    config.data = Some("corpus".into());
    config.training.checkpoint_every = Some(1);
    let text = TrainInput::new(&corpus, EncoderSource::Tiny);
    let seen = TrainInput::new(&corpus, EncoderSource::Tiny).with_images(&vectors);
    smvae::train(&text, &config, at("run")).expect("it trains");
    smvae::train(&seen, &config, at("seen")).expect("it trains");
    let mut stop = |event: &Event| if matches!(event, Event::Step { .. }) { Flow::Stop } else { Flow::Continue };
    smvae::train_with(&text, &config, at("begun"), &mut stop).expect("it begins");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/hf_families/bert"), &at("encoder"));
    save_vision_model(&at("vision.safetensors"));
    std::fs::create_dir(at("pictures")).expect("writable");
    let image = corpus.split(Split::Train)[0].image_id.clone();
    std::fs::write(at("pictures").join(image).with_extension("bmp"), one_pixel()).expect("writable");
    std::fs::write(at("posts.jsonl"), "{\"text\": \"met Zarko in Oslo\"}\n").expect("writable");
    dir
}

/// A BMP of one pixel of 24 bits, filled up to four bytes.
fn one_pixel() -> Vec<u8> {
    let header = [58, 0, 54, 40, 1, 1, 1 | 24 << 16, 0, 0, 0, 0, 0, 0u32];
    let mut bytes = b"BM".to_vec();
    bytes.extend(header.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend([50, 100, 200, 0]);
    bytes
}
