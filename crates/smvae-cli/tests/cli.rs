//! The built program from outside: what goes in, what comes out on which stream, and with which
//! exit code. Everything runs on small synthetic corpora and takes seconds.

mod support;

use serde_json::{Value, json};
use smvae::data::Split;
use smvae::data::corpus::load_split;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::{TINY, check, check_error, folder, json_of, save_vision_model, smvae};

const TAGGED: &str = "a B-PER B-PER\nb I-PER I-PER\nc O O\nd B-LOC I-ORG\n\ne O O\nf I-PER B-PER\n";

#[test]
fn score_prints_the_report_of_conlleval() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (report, _) = check(dir.path(), "score", TAGGED, 0);
    assert_eq!(
        report,
        "processed 6 tokens with 3 phrases; found: 3 phrases; correct: 2.\n\
         accuracy:  66.67%; precision:  66.67%; recall:  66.67%; FB1:  66.67\n\
         \x20             LOC: precision:   0.00%; recall:   0.00%; FB1:   0.00  0\n\
         \x20             ORG: precision:   0.00%; recall:   0.00%; FB1:   0.00  1\n\
         \x20             PER: precision: 100.00%; recall: 100.00%; FB1: 100.00  2\n"
    );
    std::fs::write(dir.path().join("tagged.txt"), TAGGED).expect("writes");
    let (scores, _) = check(dir.path(), "score tagged.txt --json", "", 0);
    let scores = json_of(&scores);
    assert_eq!((scores["gold"].clone(), scores["types"]["PER"]["f1"].clone()), (json!(3), json!(100.0)));
    assert!((scores["f1"].as_f64().expect("a number") - 200.0 / 3.0).abs() < 1e-9);
}

#[test]
fn wrong_input_is_an_error_with_its_place() {
    let dir = folder();
    let corpus = dir.path().join("dataset/mine");
    let check = |line: &str, input: &str, code, message: &str| check_error(dir.path(), line, input, code, message);
    check("score", "a O O\nb X\n", 1, "line 2: expected a gold and a predicted tag");
    check("score absent.txt", "", 1, "cannot read absent.txt");
    check("stats --data absent", "", 1, "absent is not a folder");
    check("stats --data dataset", "", 1, "dataset has no train.txt");
    check("stats", "", 2, "--data <DIR>");
    check("frobnicate", "", 2, "frobnicate");
    check("train --data dataset/mine --out run", "", 2, "--text-encoder is missing");
    check(&format!("{TINY} --out run --epochs 0"), "", 2, "the setting `training.epochs` must be at least 1, got 0");
    check(
        &format!("{TINY} --out run --max-steps 0"),
        "",
        2,
        "the setting `training.max_steps` must be at least 1, got 0",
    );
    check(&format!("{TINY} --out run --teachers 2"), "", 2, "the setting `training.semi` must be true where a teacher");
    check(&format!("{TINY} --out run --semi --generations 2"), "", 2, "--generations needs --teachers");
    check(&format!("{TINY} --out run --labelled 41"), "", 2, "must be 1 to 40, the number of training posts, got 41");
    check(&format!("{TINY} --out run --config absent.json"), "", 1, "cannot read absent.json");
    check(&format!("{TINY} --out run --image-features dataset/mine/test.txt"), "", 1, "not a valid safetensors file");
    check("eval --model dataset --data dataset/mine", "", 1, "dataset is not a run folder: config.json is missing");
    check("inspect dataset", "", 1, "dataset is not a run folder");
    check("--threads 0 score", "", 2, "0 is not in 1..");
    let (_, log) = self::check(dir.path(), "demo --out dataset", "", 1);
    assert!(log.contains("error: dataset exists already"), "{log}");
    std::fs::write(corpus.join("valid.txt"), "IMGID:1\nword without tab\n").expect("writes");
    check(&format!("{TINY} --out run"), "", 1, "valid.txt:2: expected");
    assert!(!dir.path().join("run").exists(), "a run that never began leaves no folder");
}

#[test]
fn stats_count_the_corpus() {
    let dir = folder();
    let (stats, _) = check(dir.path(), "stats --data dataset/mine --json", "", 0);
    let stats = json_of(&stats);
    assert_eq!((&stats["splits"]["train"]["tweets"], &stats["splits"]["test"]["tweets"]), (&json!(40), &json!(8)));
    let (table, log) = check(dir.path(), "stats --data dataset/mine", "", 0);
    assert!(table.contains("posts") && table.contains("labels: O "), "{table}");
    assert_eq!(log, "");
    assert!(check(dir.path(), "stats --dataset mine", "", 0).0.contains("dataset/mine/train.txt"));
    // While people label, the other splits are yet to come.
    for split in ["valid", "test"] {
        std::fs::remove_file(dir.path().join(format!("dataset/mine/{split}.txt"))).expect("it is there");
    }
    let (table, log) = check(dir.path(), "stats --data dataset/mine", "", 0);
    assert!(table.contains("labels: O "), "{table}");
    assert!(log.contains("no dev is counted") && log.contains("no test is counted"), "{log}");
}

/// The folders `vision`, with a ResNet of one block, and `pictures`, with a BMP of one colour for
/// every image of the corpus.
fn pictures(dir: &Path) {
    std::fs::create_dir_all(dir.join("pictures")).expect("a folder");
    save_vision_model(&dir.join("vision.safetensors"));
    for split in Split::ALL {
        for (i, sample) in load_split(dir.join("dataset/mine"), split).expect("a corpus").samples.iter().enumerate() {
            // One pixel of 24 bits, filled up to four bytes.
            let mut bytes = b"BM".to_vec();
            let header = [58, 0, 54, 40, 1, 1, 1 | 24 << 16, 0, 0, 0, 0, 0, 0u32];
            bytes.extend(header.iter().flat_map(|word| word.to_le_bytes()));
            bytes.extend([i as u8 * 5, 100, 200, 0]);
            std::fs::write(dir.join(format!("pictures/{}.bmp", sample.image_id)), bytes).expect("writes");
        }
    }
}

#[test]
fn images_become_vectors_and_train_takes_their_folder() {
    let dir = folder();
    let dir = dir.path();
    pictures(dir);
    std::fs::write(dir.join("pictures/notes.txt"), "no image").expect("writes");
    let line = "features --images pictures --vision vision.safetensors --out v.safetensors";
    let (stdout, log) = check(dir, line, "", 0);
    assert_eq!(stdout, "");
    assert!(
        log.contains("vectors of 4 numbers") && log.contains("1 files were left out\n  notes.txt: it is no"),
        "{log}"
    );
    check_error(dir, line, "", 1, "v.safetensors exists already");
    let (summary, _) = check(dir, &format!("{line} --overwrite --precision f16 --json"), "", 0);
    assert_eq!(json_of(&summary)["bad"][0]["file"], "notes.txt");
    check_error(dir, "features --images absent --vision vision.safetensors --out w", "", 1, "cannot read absent");
    check_error(dir, "features --images pictures --vision absent --out w", "", 1, "cannot read absent");
    check_error(dir, "features --images pictures --vision vision.safetensors", "", 2, "--out <FILE>");
    check_error(dir, &format!("{TINY} --images pictures --out run"), "", 2, "--images needs --vision");
    check_error(dir, &format!("{TINY} --vision vision.safetensors --out run"), "", 2, "--images <DIR>");

    let cache = "--images pictures --feature-cache cache";
    let train = format!("{TINY} {cache} --vision vision.safetensors --labelled 10 --epochs 1");
    let (_, log) = check(dir, &format!("{train} --out run"), "", 0);
    assert!(log.contains("vectors of 4 numbers") && log.contains("every post has an image"), "{log}");
    let (_, log) = check(dir, &format!("{train} --out again"), "", 0);
    assert!(!log.contains("vectors of 4 numbers"), "the cache has them: {log}");
    // Vectors of the same model fit, whatever file they are in; those of another do not.
    check(dir, "eval --model run --data dataset/mine --image-features v.safetensors", "", 0);
    check(dir, &format!("eval --model run --data dataset/mine {cache}"), "", 0);
    check(dir, &format!("predict --model run {cache}"), "{\"text\": \"met Zarko\", \"image_id\": \"x\"}\n", 0);
    let other = "eval --model run --data dataset/mine --images pictures --feature-cache cache";
    let other = format!("{other} --vision vision.safetensors --preprocessing torchvision-v2");
    let (_, log) = check(dir, &other, "", 1);
    assert!(log.contains("error: the image vectors do not fit the model"), "{log}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_run_that_loads() {
    let dir = folder();
    let mut child = smvae(dir.path(), &format!("{TINY} --out run --epochs 100000 --patience 100000"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    log.by_ref().find(|line| line.contains("labelled")).expect("it begins");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("a signal");
    assert!(kill.success());
    let rest: Vec<String> = log.collect();
    // Not 0: `train && eval` must not go on as if it were done.
    assert_eq!(child.wait().expect("ends").code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("stopped after")), "{rest:?}");
    check(dir.path(), "eval --model run --data dataset/mine", "", 0);
}

#[test]
fn a_device_that_is_not_there_is_an_error_that_says_why() {
    let dir = folder();
    let dir = dir.path();
    check_error(dir, &format!("{TINY} --out run --device gpu"), "", 2, "a device is cpu, cuda, cuda:N or auto");
    let (_, log) = check(dir, &format!("{TINY} --out run --device cuda:99"), "", 1);
    let why = if cfg!(feature = "cuda") { "driver" } else { "built without CUDA" };
    assert!(log.contains("cannot compute on cuda:99") && log.contains(why), "{log}");
    assert!(!dir.join("run").exists(), "a run that never began leaves no folder");
    let (_, log) = check(dir, &format!("{TINY} --out run --labelled 5 --epochs 1 --device auto"), "", 0);
    assert!(log.starts_with("computing on "), "{log}");
    check_error(dir, "eval --model run --data dataset/mine --dtype f16", "", 2, "f32, or f16 or bf16 on a GPU");
    check_error(dir, "features --images . --vision . --out x --dtype bf16", "", 1, "f32, or f16 or bf16 on a GPU");
    let (text, _) = check(dir, "inspect run", "", 0);
    assert!(text.contains("5 labelled posts (seed 0), on cpu") || cfg!(feature = "cuda"), "{text}");
}

#[test]
fn a_run_says_that_it_was_trained_in_bf16_and_its_numbers_are_close() {
    let dir = folder();
    let dir = dir.path();
    let loss = |out: &str, more: &str| -> f64 {
        check(dir, &format!("{TINY} --out {out} --labelled 20 --epochs 2 {more}"), "", 0);
        let history = std::fs::read_to_string(dir.join(out).join("metrics.jsonl")).expect("one line per epoch");
        let last = history.lines().last().expect("two epochs");
        let epoch: serde_json::Value = serde_json::from_str(last).expect("JSON");
        epoch["train"]["loss"].as_f64().unwrap_or_else(|| panic!("{epoch}"))
    };
    let (float, rounded) = (loss("float", ""), loss("rounded", "--bf16"));
    assert!(float != rounded && (float - rounded).abs() < 0.02 * float.abs(), "{float}, {rounded}");
    let (text, _) = check(dir, "inspect rounded", "", 0);
    assert!(text.contains("on cpu, bf16"), "{text}");
}

#[test]
fn a_precision_is_told_where_it_was_not_the_default() {
    let dir = folder();
    let dir = dir.path();
    check(dir, &format!("{TINY} --out run --labelled 5 --epochs 1"), "", 0);
    let eval = "eval --model run --data dataset/mine --json";
    let (plain, log) = check(dir, eval, "", 0);
    assert!(!log.contains("computing in"), "{log}");
    let (portable, log) = check(dir, &format!("{eval} --precision int8 --cpu-unit portable"), "", 0);
    assert!(log.contains("computing in int8 (portable), which is slower than f32"), "{log}");
    let (best, log) = check(dir, &format!("{eval} --precision int8"), "", 0);
    assert!(log.contains("computing in int8") && best == portable, "{log}");
    let (_, log) = check(dir, &format!("{eval} --precision bf16 --cpu-unit vnni"), "", 0);
    assert!(log.contains("computing in bf16 (portable), which is slower than f32"), "{log}");
    let (auto, log) = check(dir, &format!("{eval} --precision auto --cpu-unit portable"), "", 0);
    assert!(log.contains("computing in f32") && auto == plain, "{log}");
    check_error(dir, &format!("{eval} --precision int4"), "", 2, "expected one of `f32`, `bf16`, `int8`, `auto`");
    let (text, _) = check(dir, "--version", "", 0);
    assert!(text.contains("--precision auto: "), "{text}");
}

#[cfg(feature = "hub")]
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Serves the folder as the model `me/tiny` of a hub; `requests` counts what was asked for. Ends
/// with the test.
#[cfg(feature = "hub")]
fn hub(folder: std::path::PathBuf, requests: std::sync::Arc<std::sync::atomic::AtomicUsize>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    let names = std::fs::read_dir(&folder).expect("a model folder").map(|entry| entry.expect("readable").file_name());
    let files: Vec<Value> = names.map(|name| json!({"rfilename": name.to_str().expect("ASCII")})).collect();
    let listing = json!({"sha": COMMIT, "siblings": files}).to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            requests.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
            let body = match path.strip_prefix(&format!("/me/tiny/resolve/{COMMIT}/")) {
                Some(file) => std::fs::read(folder.join(file)).ok(),
                None => path.starts_with("/api/models/me/tiny/revision/main").then(|| listing.clone().into_bytes()),
            };
            let status = if body.is_some() { 200 } else { 404 };
            let body = body.unwrap_or_default();
            let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // A client that goes away early is its own business.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    endpoint
}

#[cfg(feature = "hub")]
#[test]
fn a_model_of_the_hub_is_recorded_with_its_commit_and_found_again_offline() {
    let dir = folder();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/hf_families/roberta");
    let requests = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let endpoint = hub(model, requests.clone());
    let train = |options: &str, offline: &str| {
        let sizes = "--hidden-dim 8 --latent-dim 4 --max-width 3 --max-steps 2 --epochs 1 --threads 2";
        let Output { status, stderr, .. } = smvae(dir.path(), &format!("train --data dataset/mine {sizes} {options}"))
            .envs([("HF_HOME", "home"), ("HF_ENDPOINT", &endpoint), ("HF_HUB_OFFLINE", offline), ("HF_TOKEN", "")])
            .envs([("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", "")])
            .output()
            .expect("the program starts");
        (status.code(), String::from_utf8(stderr).expect("UTF-8"))
    };
    let (code, stderr) = train("--text-encoder me/tiny --out a", "0");
    assert_eq!(code, Some(0), "{stderr}");
    let config: Value = json_of(&std::fs::read_to_string(dir.path().join("a/config.json")).expect("a run"));
    assert_eq!(config["text_encoder"], json!(format!("me/tiny@{COMMIT}")));
    // The golden file lies in the folder, but belongs to no text encoder.
    assert!(!dir.path().join(format!("home/hub/models--me--tiny/snapshots/{COMMIT}/golden.safetensors")).exists());

    let asked = requests.load(std::sync::atomic::Ordering::Relaxed);
    let (code, stderr) = train("--config a/config.json --out b", "1");
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(requests.load(std::sync::atomic::Ordering::Relaxed), asked, "nothing is fetched offline");
    let weights = |run: &str| std::fs::read(dir.path().join(run).join("weights.safetensors")).expect("a run");
    assert!(weights("a") == weights("b"), "the same commit gives the same run");

    for (name, offline, want) in [
        ("me/none", "0", "error: http://127.0.0.1:"),
        ("me/none", "1", "error: me/none@main is not in the cache"),
        ("none", "0", "error: none is not a folder, nor the name of a model of the hub"),
    ] {
        let (code, stderr) = train(&format!("--text-encoder {name} --out c"), offline);
        let says = stderr.lines().any(|line| line.starts_with(want));
        assert!(code == Some(1) && says, "{name}: {stderr}");
        assert!(!dir.path().join("c").exists());
    }
}
