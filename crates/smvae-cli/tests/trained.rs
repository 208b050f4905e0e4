//! A trained model from outside: training, resuming, scoring, prediction in every format, reports,
//! and what is said of damage.

mod support;

use serde_json::{Value, json};
use std::path::Path;
use support::{TINY, check, check_error, folder, json_of};

#[test]
fn a_model_is_trained_scored_used_and_inspected() {
    let dir = folder();
    let dir = dir.path();
    let train =
        format!("{TINY} --image-features dataset/mine/features.safetensors --labelled 10 --semi --epochs 2 --out run");
    let (stdout, log) = check(dir, &train, "", 0);
    assert_eq!(stdout, "");
    assert!(log.contains("10 labelled and 30 unlabelled posts (every post has an image)"), "{log}");
    assert!(log.lines().any(|line| line.starts_with("labels of all 40 posts of train: ")), "{log}");
    assert!(log.ends_with("next: smvae eval --model run --data dataset/mine\n"), "{log}");
    check_error(dir, &train, "", 1, "run holds a run already");
    check_error(dir, &train, "", 1, "--overwrite");
    let (_, log) = check(dir, "train --resume run", "", 0);
    assert!(log.contains("run is finished: there is nothing to do") && log.contains("next: smvae eval"), "{log}");
    check(dir, &format!("{train} --overwrite"), "", 0);

    let (scores, log) = check(dir, "eval --model run --data dataset/mine --json --predictions found.jsonl", "", 0);
    assert!(log.contains("test of dataset/mine (dataset/mine/test.txt): 8 posts\n"), "{log}");
    assert!(json_of(&scores)["types"].is_object());
    let found = std::fs::read_to_string(dir.join("found.jsonl")).expect("written");
    assert_eq!(found.lines().map(json_of).filter(|line| line["entities"].is_array()).count(), 8);
    let (table, _) = check(dir, "--weights run --dataset mine --mode test", "", 0);
    assert!(table.starts_with("dev\n") && table.contains("\ntest\n"), "{table}");
    check(dir, "eval --model run --data dataset/mine --no-images", "", 0);
    let eval = "eval --model run --data dataset/mine";
    check_error(dir, &format!("{eval} --predictions absent/found.jsonl"), "", 1, "cannot write absent/found.jsonl");
    check_error(dir, &format!("{eval} --authors-protocol 0 --save-predictions"), "", 2, "cannot be used with");
    std::fs::rename(dir.join("dataset/mine/features.safetensors"), dir.join("vectors")).expect("moves");
    check(dir, "train --resume run", "", 0);
    check_error(dir, "eval --model run --data dataset/mine", "", 1, "name a copy of them with --image-features");
    check(dir, "eval --model run --data dataset/mine --image-features vectors", "", 0);

    let (text, _) = check(dir, "inspect run", "", 0);
    assert!(text.contains("semi-supervised, 10 labelled posts"), "{text}");
    assert!(!text.contains("--all"), "every epoch was evaluated: {text}");
    let (run, _) = check(dir, "inspect run --json", "", 0);
    assert_eq!(json_of(&run)["epochs"].as_array().map(Vec::len), Some(2));

    reports_of_a_run(dir);
    predictions_keep_order_and_fields(dir);
    check(dir, &format!("{TINY} --labelled run/selection.json --epochs 1 --out text"), "", 0);
    let narrow = TINY.replace("--max-width 3", "--max-width 1");
    let (_, log) = check(dir, &format!("{narrow} --config text/config.json --epochs 1 --out again"), "", 0);
    assert!(log.contains("the 10 labelled posts are those of the run of --config"), "{log}");
    assert!(log.contains("entities of train are wider than --max-width 1"), "{log}");
    let chosen = |run: &str| std::fs::read(dir.join(run).join("selection.json")).expect("a run");
    assert_eq!(chosen("again"), chosen("text"));
    damage_is_found(dir, "again");
    check(dir, &format!("{TINY} --labelled 5 --epochs 4 --eval-every 2 --out text --overwrite"), "", 0);
    let rows = |text: &str| text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count();
    let (text, _) = check(dir, "inspect text", "", 0);
    assert!(rows(&text) == 3 && text.contains("2 of 4 epochs are shown"), "two epochs and the line on them: {text}");
    assert_eq!(rows(&check(dir, "inspect text --all", "", 0).0), 4);
    check_error(dir, "eval --model text --data dataset/mine --image-features vectors", "", 1, "trained without images");
    several_answer_together(dir);
    what_was_stopped_is_told(dir);
}

/// A finished run of four epochs, as if it had been stopped.
#[track_caller]
fn what_was_stopped_is_told(dir: &Path) {
    let inspect = || check(dir, "inspect text", "", 0).0;
    assert!(!inspect().contains("not finished: "));
    let path = dir.join("text/run.json");
    let mut state = json_of(&std::fs::read_to_string(&path).expect("a run"));
    state["finished"] = json!(false);
    std::fs::write(&path, state.to_string()).expect("writable");
    assert!(inspect().contains("not finished: smvae train --resume text continues it"));
    assert_eq!(json_of(&check(dir, "inspect text --json", "", 0).0)["finished"], json!(false));
    #[cfg(feature = "report")]
    assert!(check(dir, "report text --text", "", 0).0.contains("of 4, stopped before 4 epochs"));
}

/// A run on images and one of text alone.
#[track_caller]
fn several_answer_together(dir: &Path) {
    let eval = |models: &str| json_of(&check(dir, &format!("eval {models} --data dataset/mine --json"), "", 0).0);
    let together = eval("--model run --model text --image-features vectors");
    assert_eq!(together["overall"]["gold"], eval("--model text")["overall"]["gold"]);
    let post = json!({"id": "a", "text": "met Zarko in Oslo"}).to_string() + "\n";
    let scores = |models: &str| {
        let (found, _) = check(dir, &format!("predict {models} --no-images --all-above 0"), &post, 0);
        let found = json_of(&found);
        let of = |c: &Value| (c["words"].to_string() + &c["label"].to_string(), c["score"].as_f64().expect("a number"));
        let mut scores: Vec<_> = found["candidates"].as_array().expect("asked for").iter().map(of).collect();
        scores.sort_by(|a, b| a.0.cmp(&b.0));
        scores
    };
    let (run, text, both) = (scores("--model run"), scores("--model text"), scores("--model run --model text"));
    assert_eq!((run.len(), text.len()), (both.len(), both.len()));
    for ((run, text), both) in run.iter().zip(&text).zip(&both) {
        assert!((both.1 - (run.1 + text.1) / 2.0).abs() < 1e-5, "{run:?} {text:?} {both:?}");
    }
    let (tasks, _) = check(dir, "predict --model run --model text --no-images --to label-studio", &post, 0);
    let version = json_of(&tasks)[0]["predictions"][0]["model_version"].as_str().expect("a name").to_owned();
    assert!(version.starts_with("run@") && version.contains("+text@"), "{version}");
}

/// Flips a bit of a run without images.
#[track_caller]
fn damage_is_found(dir: &Path, run: &str) {
    let (text, _) = check(dir, &format!("inspect {run} --verify"), "", 0);
    assert!(text.contains("all of them right"), "{text}");
    let path = dir.join(run).join("weights.safetensors");
    let mut weights = std::fs::read(&path).expect("weights");
    *weights.last_mut().expect("not empty") ^= 1;
    std::fs::write(&path, weights).expect("writable");
    let (text, log) = check(dir, &format!("inspect {run} --verify"), "", 1);
    assert!(text.contains("weights.safetensors: its sha256 is") && log.contains("not what training left"), "{log}");
    let predict = format!("predict --model {run}");
    check_error(dir, &predict, "{\"text\": \"in Oslo\"}\n", 1, "--no-verify compares sizes alone");
    check(dir, &format!("{predict} --no-verify"), "{\"text\": \"in Oslo\"}\n", 0);
}

/// A run that was trained with images.
#[cfg(feature = "report")]
#[track_caller]
fn what_images_change_is_reported(dir: &Path) {
    let saved = |file: &str| std::fs::read(dir.join("run").join(file)).ok();
    let before = saved("predictions-valid.jsonl").expect("training has scored dev");
    check(dir, "eval --model run --data dataset/mine --split dev --no-images --save-predictions", "", 0);
    assert_eq!(saved("predictions-valid.jsonl"), Some(before), "what is found with images stays");
    assert!(saved("predictions-valid-text.jsonl").is_some());
    check(dir, "report run", "", 0);
    let page = std::fs::read_to_string(dir.join("run/report.html")).expect("written");
    assert!(page.contains("From the text alone, without images and captions, the same model"));
    check(dir, "inspect run --verify", "", 0);
    // Of other posts than those that were saved before.
    std::fs::create_dir_all(dir.join("shorter")).expect("writable");
    for split in ["train", "valid", "test"] {
        let text = std::fs::read_to_string(dir.join(format!("dataset/mine/{split}.txt"))).expect("a corpus");
        let first = text.split("\n\n").next().expect("a post");
        std::fs::write(dir.join(format!("shorter/{split}.txt")), format!("{first}\n\n")).expect("writable");
    }
    let shorter = "eval --model run --data shorter --split dev --save-predictions";
    check_error(dir, &format!("{shorter} --no-images"), "", 2, "what the run keeps of dev is of other posts");
    check(dir, &format!("{shorter} --image-features vectors"), "", 0);
    assert!(saved("predictions-valid-text.jsonl").is_none(), "it was of other posts");
    let own = "eval --model run --data dataset/mine --split dev --save-predictions --image-features vectors";
    check(dir, own, "", 0);
}

#[cfg(feature = "report")]
#[track_caller]
fn reports_of_a_run(dir: &Path) {
    what_images_change_is_reported(dir);
    let eval = "eval --model run --data dataset/mine --image-features vectors --split test --save-predictions --json";
    let scores = json_of(&check(dir, eval, "", 0).0);
    let (out, log) = check(dir, "report run", "", 0);
    assert_eq!(out, "run/report.html\n");
    assert!(log.contains("runs: 1, images: 0"), "{log}");
    let page = std::fs::read_to_string(dir.join("run/report.html")).expect("written");
    assert!(page.starts_with("<!doctype html>") && page.contains("On test"));
    let (tables, _) = check(dir, "report run --text", "", 0);
    let f1 = format!("{:.2}", scores["f1"].as_f64().expect("a number"));
    assert!(
        tables.contains("in a single run") && tables.contains(&f1) && tables.contains("gold \\ predicted"),
        "{tables}"
    );
    check_error(dir, "report dataset", "", 1, "dataset is not a run folder and holds none");
    check_error(dir, "report absent", "", 1, "cannot read absent");
    check_error(dir, "report run --images absent", "", 1, "cannot read absent");
    for _ in 0..2 {
        check(dir, "report run --out run/page.htm", "", 0);
    }
    check_error(dir, "report run --out run/page.txt", "", 2, "--out run/page.txt: name a .html file");
    check_error(dir, "report run --out absent/page.html", "", 1, "cannot write absent/page.html");
    check_error(dir, "report run --text --out page.html", "", 2, "cannot be used with");
}

#[cfg(not(feature = "report"))]
fn reports_of_a_run(_: &Path) {}

#[track_caller]
fn predictions_keep_order_and_fields(dir: &Path) {
    let posts = "{\"id\": 1, \"text\": \"met  Zarko in Oslo\"}\n\n\
                 {\"id\": 2, \"words\": [\"a\", \"b c\"], \"image_id\": \"absent\"}\n\
                 {\"id\": 3, \"words\": []}\n";
    let (out, log) = check(dir, "predict --model run --image-features vectors --chunk 2", posts, 0);
    assert!(log.contains("1 posts name an image that has no vector (such as absent)"), "{log}");
    let (_, log) = check(dir, "predict --model run --image-features vectors", "{\"text\": \"met Zarko\"}\n", 0);
    assert!(log.contains("no post names an image"), "{log}");
    let lines: Vec<Value> = out.lines().map(json_of).collect();
    assert_eq!(lines.iter().map(|line| line["id"].clone()).collect::<Vec<_>>(), [json!(1), json!(2), json!(3)]);
    assert_eq!(lines[0]["words"], json!(["met", "Zarko", "in", "Oslo"]));
    assert!(lines.iter().all(|line| line["entities"].is_array()), "{out}");
    assert!(
        out.starts_with(r#"{"id":1,"text":"met  Zarko in Oslo","words":["met","#),
        "fields keep their order: {out}"
    );
    assert_eq!(lines[1]["text"], "a b c", "positions are those of the words joined by spaces");
    let posts_of_spans = "{\"text\": \"met  Zärko in Oslo\"}\n{\"words\": [\"ü\", \"b c\"]}\n{\"words\": []}\n";
    let (out, _) = check(dir, "predict --model run --no-images --all-above 0", posts_of_spans, 0);
    let seen: Vec<usize> = out.lines().map(|line| mentions_are_characters(&json_of(line))).collect();
    assert!(seen.len() == 3 && seen[0] > 0 && seen[1] > 0 && seen[2] == 0, "{seen:?} of {out}");
    let bad = format!("{posts}{{\"id\": 4}}\n");
    let (out, log) = check(dir, "predict --model run --no-images --strict", &bad, 1);
    assert!(log.contains("stdin:5: expected an object with") && !log.contains("vector"), "{log}");
    assert_eq!(out.lines().count(), 3, "what came before it is answered");
    let long = format!("{{\"text\": \"{}\"}}", "word ".repeat(2000));
    let (out, log) = check(dir, "predict --model run --no-images", &long, 0);
    assert!(!log.contains("words were cut") && !out.contains("words_cut"), "it is read in windows: {log}");
    let (out, log) = check(dir, "predict --model run --no-images --no-windows", &long, 0);
    assert!(log.contains("words were cut by the piece limit"), "{log}");
    assert_eq!(json_of(&out)["words_cut"], json!(2000 - 126));
    what_is_told_of_spans(dir);
    let (out, log) = check(dir, "predict --model run --no-images", &bad, 3);
    assert_eq!(json_of(out.lines().last().expect("four lines"))["line"], 5);
    assert!(log.contains("1 line is not a post and has an \"error\" in the output"), "{log}");
    posts_are_the_same_in_every_format(dir);
    // Results are not written over what they come from.
    let posts = "{\"text\": \"go\"}\n";
    check_error(dir, "predict --model run --no-images --output run/words.json", posts, 2, "a file of a run");
    let eval = "eval --model run --data dataset/mine --no-images --predictions dataset/mine/test.txt";
    check_error(dir, eval, "", 2, "a split of a corpus");
    check_error(dir, "draw --data dataset/mine --labels 2 --seed 0 --out dataset/mine/train.txt", "", 2, "a split of");
}

/// Checks that the entities and candidates of a post are the characters of its text that they say;
/// how many there are.
#[track_caller]
fn mentions_are_characters(line: &Value) -> usize {
    let text: Vec<char> = line["text"].as_str().expect("every answer has a text").chars().collect();
    let told = ["entities", "candidates"].map(|name| line[name].as_array().expect("asked for"));
    for mention in told.into_iter().flatten() {
        let at = |name: &str| mention[name].as_u64().expect("a number") as usize;
        let characters = text.get(at("start")..at("end")).map(|part| part.iter().collect::<String>());
        assert_eq!(characters.as_deref(), mention["text"].as_str(), "{mention}");
    }
    told.iter().map(|mentions| mentions.len()).sum()
}

#[track_caller]
fn what_is_told_of_spans(dir: &Path) {
    let post = "{\"text\": \"met Zarko in Oslo\", \"candidates\": 7}\n";
    let predict =
        |options: &str| json_of(&check(dir, &format!("predict --model run --no-images {options}"), post, 0).0);
    let plain = predict("");
    assert!(plain.get("candidates").is_none(), "{plain}");
    let all = predict("--all-above 0");
    assert_eq!(all["entities"], plain["entities"]);
    let candidates = all["candidates"].as_array().expect("they were asked for");
    // Nine spans of up to three words, with every label but O.
    assert_eq!(candidates.len() % 9, 0, "{all}");
    let names = ["start", "end", "text", "label", "score", "words"];
    assert!(
        candidates.iter().all(|c| c.as_object().is_some_and(|c| c.keys().all(|key| names.contains(&key.as_str()))))
    );
    assert_eq!(predict("--all-above 1")["candidates"], json!([]));
    for wrong in ["1.5", "-1", "half", "NaN"] {
        let line = format!("predict --model run --no-images --all-above={wrong}");
        check_error(dir, &line, post, 2, "it is not a probability, 0 to 1");
    }
    // As a run of an earlier version, whose files nobody compares.
    let state = std::fs::read(dir.join("run/run.json")).expect("there");
    let mut state: Value = serde_json::from_slice(&state).expect("JSON");
    state.as_object_mut().expect("an object").remove("files");
    std::fs::write(dir.join("run/run.json"), state.to_string()).expect("writes");
    std::fs::write(dir.join("run/calibration.json"), r#"{"temperature": 2.0, "entities": 5}"#).expect("writes");
    let calibrated = predict("--calibrated --all-above 0");
    let score = |answer: &Value| answer["candidates"][0]["score"].as_f64().expect("a number");
    assert!(score(&calibrated) != score(&all), "{calibrated}");
    for file in ["calibration.json", "predictions-valid.jsonl"] {
        std::fs::remove_file(dir.join("run").join(file)).expect("there");
    }
    let (_, log) = check(dir, "predict --model run --no-images --calibrated", post, 1);
    assert!(log.contains("run keeps no temperature") && log.contains("eval --split dev --save-predictions"), "{log}");
}

#[track_caller]
fn posts_are_the_same_in_every_format(dir: &Path) {
    let files = [
        ("posts.jsonl", "{\"text\": \"met Zarko in Oslo\"}\n{\"text\": \"go , now\"}\n"),
        ("posts.json", "[{\"text\": \"met Zarko in Oslo\"}, {\"tokens\": [\"go\", \",\", \"now\"]}]"),
        ("posts.txt", "met Zarko in Oslo\ngo , now\n"),
        ("posts.csv", "id,text\n1,met Zarko in Oslo\n2,\"go , now\"\n"),
        ("posts.tsv", "text\tid\nmet Zarko in Oslo\t1\ngo , now\t2\n"),
        ("posts.conll", "met O\nZarko O\nin O\nOslo O\n\ngo O\n, O\nnow O\n"),
    ];
    let found = files.map(|(name, text)| {
        std::fs::write(dir.join(name), text).expect("writable");
        let (out, _) = check(dir, &format!("predict --model run --no-images --input {name}"), "", 0);
        let line = |line| {
            let line = json_of(line);
            [line["text"].clone(), line["words"].clone(), line["entities"].clone()]
        };
        out.lines().map(line).collect::<Vec<_>>()
    });
    assert_eq!(found[0].len(), 2);
    for (other, (name, _)) in found.iter().zip(files) {
        assert_eq!(*other, found[0], "{name}");
    }
}
