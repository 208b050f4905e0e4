//! The program where the system gives it less than it asks for: a full disk, a folder it may not
//! write to, few descriptors, pipes that nobody reads. It ends with an error that names the file,
//! or does its work; it leaves no half of a file under a final name.
#![cfg(unix)]

mod support;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::{check, folder_with_corpus, save_vision_model, smvae};

const TRAIN: &str = "train --data corpus --text-encoder tiny --hidden-dim 8 --latent-dim 4 --max-width 3 --epochs 1";

fn folder() -> tempfile::TempDir {
    folder_with_corpus("corpus", 12, 4)
}

/// A command line below limits that a shell sets.
fn limited(dir: &Path, limits: &str, line: &str) -> Output {
    let mut command = Command::new("sh");
    command.current_dir(dir).args(["-c", &format!("{limits}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_smvae")]);
    command.args(line.split_whitespace()).stdin(Stdio::null()).output().expect("there is a shell")
}

/// The file `vision.safetensors`, a ResNet of one block, and the folder `pictures`, whose vectors
/// take more than a few kilobytes.
fn pictures(dir: &Path) {
    save_vision_model(&dir.join("vision.safetensors"));
    std::fs::create_dir(dir.join("pictures")).expect("writable");
    for i in 0..120 {
        // A BMP of one pixel of 24 bits, filled up to four bytes.
        let header = [58, 0, 54, 40, 1, 1, 1 | 24 << 16, 0, 0, 0, 0, 0, 0u32];
        let mut bytes = b"BM".to_vec();
        bytes.extend(header.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend([i * 2, 100, 200, 0]);
        std::fs::write(dir.join(format!("pictures/{i}.bmp")), bytes).expect("writable");
    }
}

#[track_caller]
fn code_and_log(output: Output) -> (Option<i32>, String) {
    let log = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(!log.contains("panicked"), "{log}");
    (output.status.code(), log)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_half_written() {
    let dir = folder();
    let dir = dir.path();
    check(dir, &format!("{TRAIN} --out run"), "", 0);
    // Their last words differ and follow no rule, so that no format writes them in few bytes.
    let word = |i: u32| i.wrapping_mul(0x9e37_79b1);
    let post = |i: u32| format!("{{\"text\": \"met Zarko in Oslo {:08x}\"}}\n", word(i));
    std::fs::write(dir.join("posts.jsonl"), (0..5000).map(post).collect::<String>()).expect("writable");
    // Writing beyond a few kilobytes of a file fails, as on a full disk.
    let full = |line: &str| code_and_log(limited(dir, "trap '' XFSZ; ulimit -f 16", line));
    let (code, log) = full(&format!("{TRAIN} --out new"));
    assert!(code == Some(1) && log.contains("cannot write new/"), "{code:?}: {log}");
    let is_half = |name: &String| [".tmp", ".new"].iter().any(|ending| name.ends_with(*ending));
    let half = names(&dir.join("new")).into_iter().find(|name| is_half(name) || name == "weights.safetensors");
    assert_eq!(half, None);
    let (code, log) = full("predict --model run --input posts.jsonl --output found.jsonl");
    assert!(code == Some(1) && log.contains("cannot write found.jsonl"), "{code:?}: {log}");
    assert!(!dir.join("found.jsonl").exists());
    let whole = std::fs::read_to_string(dir.join(".found.jsonl.tmp")).expect("it is kept to be continued");
    assert!(whole.is_empty() || whole.ends_with('\n'), "its lines are whole");
    // Where there is room again, it goes on.
    check(dir, "predict --model run --input posts.jsonl --output found.jsonl --resume", "", 0);
    assert_eq!(std::fs::read_to_string(dir.join("found.jsonl")).expect("complete").lines().count(), 5000);
    if cfg!(feature = "parquet") {
        let (code, log) = full("predict --model run --input posts.jsonl --output found.parquet");
        assert!(code == Some(1) && log.contains("cannot write found.parquet"), "{code:?}: {log}");
        assert!(!dir.join("found.parquet").exists());
    }
    pictures(dir);
    let features = "features --images pictures --vision vision.safetensors --out v.safetensors";
    let (code, log) = full(features);
    assert!(code == Some(1) && log.contains("cannot write v.safetensors"), "{code:?}: {log}");
    assert!(!dir.join("v.safetensors").exists());
    check(dir, features, "", 0);
    // A device that is always full, in the place of each stream.
    for line in ["stats --data corpus", "stats --data corpus --json", "inspect run", "eval --model run --data corpus"] {
        let (code, log) = code_and_log(limited(dir, "exec >/dev/full", line));
        assert!(code == Some(1) && log.contains("cannot write to stdout"), "{line}: {code:?}: {log}");
    }
    let output = limited(dir, "exec 2>/dev/full", "stats --data absent");
    assert_eq!(output.status.code(), Some(1), "a message that cannot be written is no reason to panic");
}

#[test]
fn a_folder_that_may_not_be_written_to_is_named() {
    let dir = folder();
    let dir = dir.path();
    check(dir, &format!("{TRAIN} --out run"), "", 0);
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("our own folder");
    };
    std::fs::create_dir(dir.join("closed")).expect("writable");
    mode(&dir.join("closed"), 0o555);
    mode(dir, 0o755);
    // Nobody's rules hold for root, who therefore runs this as somebody else.
    let is_root = std::fs::write(dir.join("closed/mine"), "x").is_ok();
    let ask = |line: &str| {
        let mut command = smvae(dir, line);
        if is_root {
            use std::os::unix::process::CommandExt as _;
            command.uid(65_534).gid(65_534);
        }
        command.output().map(code_and_log)
    };
    match ask("stats --data corpus") {
        Ok((Some(0), _)) => {}
        other => {
            // So that the folder can be removed.
            mode(&dir.join("closed"), 0o755);
            // Past libtest, which keeps what a test that passes prints with `eprintln!`.
            let _ = writeln!(std::io::stderr(), "skipped: another user cannot run the program here ({other:?})");
            return;
        }
    }
    for line in [
        &format!("{TRAIN} --out closed/new"),
        "predict --model run --input corpus/test.txt --output closed/found.jsonl",
        "eval --model run --data corpus --predictions closed/found.jsonl",
        "draw --data corpus --labels 2 --seed 0 --out closed/draw.json",
    ] {
        let (code, log) = ask(line).expect("it ran just now");
        assert!(code == Some(1) && log.contains("cannot write closed/"), "{line}: {code:?}: {log}");
    }
    mode(&dir.join("closed"), 0o755);
    assert!(names(&dir.join("closed")).iter().all(|name| name == "mine"), "{:?}", names(&dir.join("closed")));
    // A file that may not be read.
    mode(&dir.join("corpus/train.txt"), 0o000);
    let (code, log) = ask("stats --data corpus").expect("it ran just now");
    assert!(code == Some(1) && log.contains("cannot read corpus/train.txt"), "{code:?}: {log}");
}

#[test]
fn few_descriptors_are_enough_or_an_error() {
    let dir = folder();
    let dir = dir.path();
    check(dir, &format!("{TRAIN} --out run"), "", 0);
    for line in [
        "stats --data corpus",
        "eval --model run --data corpus --json",
        "predict --model run --input corpus/test.txt --output found.jsonl --overwrite",
        &format!("{TRAIN} --out new --overwrite"),
    ] {
        for n in [4, 5, 6, 8, 16] {
            let (code, log) = code_and_log(limited(dir, &format!("ulimit -n {n}"), line));
            let is_told = code == Some(1) && log.contains("Too many open files");
            assert!(code == Some(0) || is_told, "{n} descriptors: {line}: {code:?}: {log}");
            assert!(n < 16 || code == Some(0), "16 descriptors are enough: {line}: {log}");
        }
    }
}

#[test]
fn pipes_that_nobody_reads_are_no_failure() {
    let dir = folder();
    let dir = dir.path();
    check(dir, &format!("{TRAIN} --out run"), "", 0);
    for line in ["stats --data corpus --json", "inspect run --json", "eval --model run --data corpus --json", "--help"]
    {
        // The reader is gone before anything is written.
        let mut child = smvae(dir, line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let (code, log) = code_and_log(output);
        assert_eq!(code, Some(0), "{line}: {log}");
    }
    // Streams that are closed from the beginning.
    for closed in ["exec <&-", "exec >&-", "exec 2>&-", "exec <&- >&- 2>&-"] {
        let (code, log) = code_and_log(limited(dir, closed, "stats --data corpus"));
        assert_eq!(code, Some(0), "{closed}: {log}");
        let (code, log) = code_and_log(limited(dir, closed, &format!("{TRAIN} --out new --overwrite")));
        assert_eq!(code, Some(0), "{closed}: {log}");
    }
}
