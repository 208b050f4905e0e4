//! Predictions that go to a file: under a temporary name until they are complete, in whole lines
//! whatever ends the program, and continued to the same bytes.
#![cfg(unix)]

mod support;

use smvae::data::corpus::load_split;
use smvae::data::formats::{Format, Settings, open};
use smvae::data::{Sample, Split};
use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{check, folder_with_corpus, smvae};

/// A folder with a trained `run` and `posts.jsonl`, of which every hundredth line is no post.
fn folder(n_posts: usize) -> tempfile::TempDir {
    let dir = folder_with_corpus("corpus", 20, 4);
    let train =
        "train --data corpus --text-encoder tiny --hidden-dim 8 --latent-dim 4 --max-width 3 --epochs 1 --out run";
    check(dir.path(), train, "", 0);
    let post = |i: usize| match i % 100 {
        99 => format!("{{\"id\": {i}}}\n"),
        _ => format!("{{\"id\": {i}, \"text\": \"met Zarko {} in Oslo {i}\"}}\n", "and others ".repeat(i % 7)),
    };
    let posts: String = (0..n_posts).map(post).collect();
    std::fs::write(dir.path().join("posts.jsonl"), posts).expect("writes");
    dir
}

const PREDICT: &str = "predict --model run --input posts.jsonl";
const TEMPORARY: &str = ".found.jsonl.tmp";

/// How long a test waits for the first lines: a program that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the temporary file holds something.
#[track_caller]
fn wait_for_lines(dir: &Path, child: &mut Child) -> bool {
    let start = Instant::now();
    loop {
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("nothing was written within {PATIENCE:?}");
        }
        if child.try_wait().expect("our own child").is_some() {
            return false;
        }
        if dir.join(TEMPORARY).metadata().is_ok_and(|found| found.len() > 0) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn lines_are_whole(text: &str) -> bool {
    text.ends_with('\n') && text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
}

#[test]
fn a_killed_prediction_continues_to_the_same_bytes() {
    let dir = folder(6000);
    let dir = dir.path();
    check(dir, &format!("{PREDICT} --output whole.jsonl"), "", 3);
    let whole = std::fs::read_to_string(dir.join("whole.jsonl")).expect("complete");
    assert!(whole.lines().count() == 6000 && lines_are_whole(&whole));
    assert!(!dir.join(".whole.jsonl.tmp").exists() && !dir.join(".whole.jsonl.tmp.json").exists());

    std::fs::write(dir.join("found.jsonl"), "of an earlier run\n").expect("writes");
    let mut kills = 0;
    for kill in 0..4 {
        let line = format!("{PREDICT} --output found.jsonl --chunk 100 --resume --threads {}", 1 + kill % 2);
        let mut child = smvae(dir, &line).stderr(Stdio::null()).spawn().expect("the program starts");
        if !wait_for_lines(dir, &mut child) {
            break;
        }
        std::thread::sleep(Duration::from_millis(40 * kill));
        // SIGKILL.
        child.kill().expect("our own child");
        kills += usize::from(!child.wait().expect("our own child").success());
        let old = std::fs::read_to_string(dir.join("found.jsonl")).expect("it was there");
        assert_eq!(old, "of an earlier run\n", "what was there stays until the end");
    }
    assert!(kills > 0, "it was too quick to be killed");
    // As a kill in the middle of a write leaves it.
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.join(TEMPORARY)).expect("it was killed");
    file.write_all(b"{\"id\": 17, \"te").expect("writes");
    drop(file);
    let (_, log) = check(dir, &format!("{PREDICT} --output found.jsonl --resume"), "", 3);
    let log = log.replace("1 post is", "1 posts are");
    assert!(log.contains("posts are answered already: the rest follows"), "{log}");
    assert!(log.contains("60 lines are not posts"), "those before the kill are counted: {log}");
    assert!(log.contains("in the output, the first of them line 100: expected"), "{log}");
    let failed = whole.lines().nth(99).expect("a line");
    assert!(failed.starts_with(r#"{"line":100,"id":99,"error":"expected"#), "{failed}");
    assert!(std::fs::read_to_string(dir.join("found.jsonl")).expect("complete") == whole, "other bytes");
    assert!(!dir.join(TEMPORARY).exists());
}

#[test]
fn a_signal_leaves_whole_lines_and_its_exit_code() {
    let dir = folder(20_000);
    let dir = dir.path();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        // Lines are those of this process, which then catches signals.
        let _ = std::fs::remove_file(dir.join(TEMPORARY));
        let line = format!("{PREDICT} --output found.jsonl --chunk 100");
        let mut child = smvae(dir, &line).stderr(Stdio::piped()).spawn().expect("the program starts");
        assert!(wait_for_lines(dir, &mut child), "it was too quick");
        let kill = Command::new("kill").arg(signal).arg(child.id().to_string()).status().expect("kill");
        assert!(kill.success());
        let Output { status, stderr, .. } = child.wait_with_output().expect("it ends");
        let log = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(code), "{log}");
        // The signal may come after the first post.
        let log = log.replace("1 post is", "1 posts are");
        assert!(log.contains("posts are answered, in .found.jsonl.tmp: --resume continues them, as long as"), "{log}");
        assert!(lines_are_whole(&std::fs::read_to_string(dir.join(TEMPORARY)).expect("it is kept")));
    }
    // What was not finished belongs to this input and these settings alone.
    let resume = format!("{PREDICT} --output found.jsonl --resume");
    let (_, log) = check(dir, &format!("{resume} --words whitespace"), "", 2);
    assert!(log.contains("cannot be continued: --words was ") && log.contains("and is whitespace"), "{log}");
    let (_, log) = check(dir, &format!("{resume} --all-above 0.5"), "", 2);
    assert!(log.contains("what is told of them was the default and is --all-above 0.5."), "{log}");
    std::fs::write(dir.join("posts.jsonl"), "{\"text\": \"another\"}\n").expect("writes");
    let (_, log) = check(dir, &resume, "", 2);
    assert!(log.contains("cannot be continued: the input was sha256 "), "{log}");
    assert!(
        check(dir, "predict --model run --resume --output found.jsonl", "", 2).1.contains("--resume needs an --input")
    );
    assert!(check(dir, &format!("{PREDICT} --resume"), "", 2).1.contains("--resume needs an --input"));
    // Without either option nothing is lost.
    let left = std::fs::read(dir.join(TEMPORARY)).expect("it is kept");
    let (_, log) = check(dir, &format!("{PREDICT} --output found.jsonl"), "", 2);
    let want = "error: .found.jsonl.tmp holds the answers of a run that was not finished: --resume continues it, \
                --overwrite drops it";
    assert!(log.contains(want), "{log}");
    assert!(std::fs::read(dir.join(TEMPORARY)).expect("it is kept") == left);
    let (_, log) = check(dir, &format!("{PREDICT} --output found.jsonl --overwrite"), "", 0);
    assert!(log.contains("bytes of a run that was not finished are dropped"), "{log}");
}

#[test]
fn what_is_answered_stays_in_every_format() {
    let dir = folder(100);
    let dir = dir.path();
    // How many posts of a file are read, as this format.
    let posts = |name: &str, format: Format| {
        let settings = Settings { format: Some(format), ..Settings::default() };
        let posts = open(dir.join(name), &settings).expect("a format").collect::<Result<Vec<_>, _>>();
        posts.expect("posts").len()
    };
    let columnar = [("arrow", "a.arrow", Some(Format::Arrow)), ("parquet", "a.parquet", Some(Format::Parquet))];
    let text = [
        ("jsonl", "a.jsonl", Some(Format::JsonLines)),
        ("conll", "a.conll", Some(Format::Conll)),
        ("csv", "a.csv", Some(Format::Csv)),
        ("doccano", "b.jsonl", None),
        ("label-studio", "a.json", None),
    ];
    for (to, name, format) in text.into_iter().chain(columnar.into_iter().filter(|_| cfg!(feature = "parquet"))) {
        // The last of the hundred lines is no post.
        let line = format!("{PREDICT} --strict --to {to} --output {name}");
        let (_, log) = check(dir, &line, "", 1);
        let left = format!(".{name}.tmp");
        let way = ": --resume continues them without --strict, as long as the input stays the same";
        let continued = if to == "jsonl" { way } else { "" };
        assert!(log.contains(&format!("99 posts are answered, in {left}{continued}\nerror: ")), "{to}: {log}");
        let text = || std::fs::read_to_string(dir.join(&left)).expect("text");
        match format {
            Some(format) => assert_eq!(posts(&left, format), 99, "{to}"),
            None if to == "label-studio" => {
                assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&text()).expect("an array").len(), 99);
            }
            None => assert!(lines_are_whole(&text()) && text().lines().count() == 99, "{to}"),
        }
        let (_, log) = check(dir, &line, "", 2);
        let ways = if to == "jsonl" { "--resume continues it" } else { "keep it under another name" };
        assert!(log.contains(ways) && log.contains("--overwrite drops it"), "{to}: {log}");
        check(dir, &format!("{line} --overwrite"), "", 1);
        assert!(dir.join(&left).exists(), "{to}");
    }
    // What holds no answer is no work.
    std::fs::write(dir.join(".c.jsonl.tmp"), "{\"id\": 1, \"te").expect("writes");
    check(dir, &format!("{PREDICT} --output c.jsonl"), "", 3);
    assert!(!dir.join(".c.jsonl.tmp").exists());
    let (_, log) = check(dir, &format!("{PREDICT} --strict --output d.jsonl --from csv"), "", 1);
    assert!(!log.contains("are answered") && !dir.join(".d.jsonl.tmp").exists(), "{log}");
}

#[test]
fn errors_alone_replace_no_answers() {
    let dir = folder(1);
    let dir = dir.path();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("writes");
    write("bad.jsonl", "{\"txt\": 1}\n{\"txt\": 2}\n");
    write("tasks.json", "[{\"id\": 1, \"data\": {\"text\": \"in Oslo\"}, \"annotations\": []}]\n");
    let predict = |input: &str, output: &str, code: i32| {
        check(dir, &format!("predict --model run --input {input} --output {output}"), "", code).1
    };
    let log = predict("posts.jsonl", "found.jsonl", 0);
    assert!(log.contains("found.jsonl: 1 post with "), "{log}");
    let found = || std::fs::read_to_string(dir.join("found.jsonl")).expect("it is kept");
    let answers = found();
    let log = predict("bad.jsonl", "found.jsonl", 1);
    let want = "error: no line of bad.jsonl is a post; found.jsonl is left as it was\n  because: line 1: expected";
    assert!(log.contains(want) && !log.contains("are answered"), "{log}");
    let log = predict("tasks.json", "found.jsonl", 1);
    let want =
        "tasks.json is an export of Label Studio: `smvae import` makes posts of it; found.jsonl is left as it was";
    assert!(log.contains(want), "{log}");
    assert_eq!(found(), answers);
    assert!(!dir.join(TEMPORARY).exists() && !dir.join(".found.jsonl.tmp.json").exists());
    // Where nothing is lost, each line has its error.
    predict("bad.jsonl", "new.jsonl", 3);
    assert_eq!(std::fs::read_to_string(dir.join("new.jsonl")).expect("written").lines().count(), 2);
}

#[test]
fn answers_without_captions_do_not_continue_those_with() {
    let dir = folder(100);
    let dir = dir.path();
    let train = load_split(dir.join("corpus"), Split::Train).expect("our own files").samples;
    let line = |sample: &Sample| format!("{{\"image_id\": \"{}\", \"caption\": \"a hall\"}}\n", sample.image_id);
    std::fs::write(dir.join("captions.jsonl"), train.iter().map(line).collect::<String>()).expect("writes");
    let train = "train --data corpus --captions captions.jsonl --text-encoder tiny --hidden-dim 8 --latent-dim 4 \
                 --max-width 3 --epochs 1 --out reads";
    check(dir, train, "", 0);
    let predict = "predict --model reads --input posts.jsonl --output found.jsonl";
    check(dir, &format!("{predict} --strict"), "", 1);
    std::fs::rename(dir.join("captions.jsonl"), dir.join("moved.jsonl")).expect("it is there");
    for options in ["", "--no-captions"] {
        let (_, log) = check(dir, &format!("{predict} --resume {options}"), "", 2);
        assert!(log.contains("the file of captions was sha256 ") && log.contains(" and is none"), "{log}");
    }
    check(dir, &format!("{predict} --resume --captions moved.jsonl"), "", 3);
}

#[test]
fn what_was_private_stays_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = folder(100);
    let dir = dir.path();
    let mode = |name: &str| dir.join(name).metadata().expect("it is there").permissions().mode() & 0o777;
    for wanted in [0o600, 0o400, 0o640, 0o666] {
        std::fs::write(dir.join("found.jsonl"), "of an earlier run\n").expect("writes");
        std::fs::set_permissions(dir.join("found.jsonl"), Permissions::from_mode(wanted)).expect("our own file");
        check(dir, &format!("{PREDICT} --strict --output found.jsonl"), "", 1);
        assert_eq!(mode(TEMPORARY), wanted | 0o600, "{wanted:o}");
        check(dir, &format!("{PREDICT} --output found.jsonl --resume"), "", 3);
        assert_eq!(mode("found.jsonl"), wanted, "{wanted:o}");
        std::fs::remove_file(dir.join("found.jsonl")).expect("our own file");
    }
}

#[test]
fn a_full_device_and_a_cut_pipe_end_it() {
    let dir = folder(2000);
    let dir = dir.path();
    let (_, log) = check(dir, &format!("{PREDICT} --output /dev/full"), "", 1);
    assert!(log.contains("cannot write /dev/full") && log.contains("No space left"), "{log}");
    check(dir, &format!("{PREDICT} --output absent/found.jsonl"), "", 1);
    let mut child = smvae(dir, PREDICT).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
    assert!(lines_are_whole(&first));
    assert!(child.wait().expect("it ends").success(), "whoever read has seen enough");
}

#[test]
fn what_is_typed_is_answered_at_once() {
    let dir = folder(1);
    let mut child = smvae(dir.path(), "predict --model run").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let child = child.as_mut().expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for line in ["{\"text\": \"met Zarko\"}", "no post", "{\"text\": \"\"}"] {
        // The input stays open.
        writeln!(stdin, "{line}").expect("it reads");
        let answer = lines.next().expect("an answer").expect("UTF-8");
        assert_eq!(answer.contains("\"error\""), line == "no post", "{answer}");
    }
    drop(stdin);
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
}
