//! Reports of run folders: what a page holds, that no text of a post becomes markup, and wrong
//! inputs. `tests/browser` tests the page in a browser.

use crate::fixture::{Fixture, small_with};
use crate::golden::root;
use serde_json::{Value, json};
use smvae::Config;
use smvae::Error;
use smvae::experiment::Summary;
use smvae::report::{ImageBudget, Thumbnails, Verdict, gather, html, image_ids, suggestions, text as sentence};
use std::path::Path;

/// Words that must stay words.
const HOSTILE: [&str; 5] = ["<script>alert(1)</script>", "</script>", "&amp;'\"", "\u{2028}", "Oslo"];

/// Makes a run folder without weights and metrics, as converted ones may be.
fn run(folder: &Path) {
    let golden = root().join("tests/golden/authors_run");
    std::fs::create_dir_all(folder).expect("writable");
    for entry in std::fs::read_dir(golden).expect("the golden run") {
        let path = entry.expect("a readable folder").path();
        std::fs::copy(&path, folder.join(path.file_name().expect("a file"))).expect("a copy");
    }
}

fn predictions(folder: &Path, file: &str) {
    let found = |start: usize, end: usize, label: &str| {
        let mut probabilities = [0.1; 5];
        probabilities[["O", "PER", "LOC", "ORG", "MISC"].iter().position(|l| *l == label).expect("a type")] = 0.6;
        json!({"start": start, "end": end, "label": label, "score": 0.6, "probabilities": probabilities})
    };
    let gold = |start: usize, end: usize, label: &str| json!({"start": start, "end": end, "label": label});
    let posts = [
        json!({"image_id": "1\"><b>", "words": HOSTILE, "gold": [gold(0, 2, "PER"), gold(4, 5, "LOC")],
               "predicted": [found(1, 3, "PER"), found(4, 5, "LOC")]}),
        json!({"image_id": "2", "words": ["a", "b"], "caption": "</script><b>a cat</b>", "gold": [], "predicted": [found(0, 1, "MISC")]}),
    ];
    let text: String = posts.iter().map(|post| format!("{post}\n")).collect();
    std::fs::write(folder.join(file), text).expect("writable");
}

/// The JSON inside a page.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"data\">").expect("a page has data");
    let (json, _) = rest.split_once("</script>").expect("which ends");
    serde_json::from_str(json).expect("JSON")
}

#[test]
fn suggestions_are_listed_by_rank_with_the_reason_and_what_was_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(&folder.path().join("run"));
    let file = folder.path().join("next.jsonl");
    let suggested = |rank: usize, for_dev: bool| json!({"rank": rank, "score": 1.5, "reason": "<b>2</b> entities", "for_dev": for_dev});
    let lines = [
        json!({"id": 7, "text": "</script><b>in</b> Łódź", "image_id": "2", "suggested": suggested(2, false),
               "entities": [{"start": 19, "end": 23, "label": "<LOC>", "score": 0.9}]}),
        json!({"words": ["New", "York"], "suggested": suggested(1, true)}),
    ];
    let write = |lines: &[Value]| {
        std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("writable");
    };
    write(&lines);
    let mut report = gather(folder.path().join("run")).expect("a run");
    assert!(!html(&report, &Thumbnails::default()).contains("What to label next"));
    report.suggested = suggestions(&file).expect("suggestions");
    assert_eq!(image_ids(&report).next(), Some("2"));
    let page = html(&report, &Thumbnails::default());
    let (_, list) = page.split_once("id=\"suggested-title\"").expect("a section");
    let (first, second) = (list.find("New York").expect("words"), list.find("Łódź").expect("a text"));
    assert!(list[first..second].contains("for dev") && !list[second..].contains("&middot; for dev"));
    assert!(list.contains("<mark>Łódź<small>&lt;LOC&gt;</small></mark>") && list.contains("2 posts of a pool"));
    assert!(list.contains("&lt;b&gt;2&lt;&#x2f;b&gt; entities") && !page.contains("<b>"));
    for (wrong, why) in [
        (json!({"text": "a"}), "smvae suggest"),
        (json!({"text": "a", "suggested": {"rank": "first"}}), "suggested: "),
        (json!({"suggested": suggested(1, false)}), "\"text\""),
    ] {
        write(&[lines[0].clone(), wrong]);
        let error = suggestions(&file).expect_err("a wrong line").to_string();
        assert!(["line 2", "jsonl:2"].iter().any(|place| error.contains(place)) && error.contains(why), "{error}");
    }
    // Fields of the pool's own are not what a model found, whatever they are.
    for entities in
        [json!([["x"]]), json!([{"start": 0, "end": 1, "label": "PER"}]), json!(null), json!([{"start": -1}])]
    {
        write(&[json!({"text": "a b", "suggested": suggested(1, false), "entities": entities})]);
        let posts = suggestions(&file).expect("a suggestion");
        assert!(posts[0].parts.iter().all(|part| part.label.is_none()), "{entities}");
    }
}

#[test]
fn nothing_a_post_or_a_folder_says_becomes_markup() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("<img src=x onerror=alert(2)>");
    run(&path);
    predictions(&path, "predictions-valid.jsonl");
    let report = gather(&path).expect("a run");
    assert_eq!(image_ids(&report).collect::<Vec<_>>(), ["1\"><b>", "2"]);
    let images = Thumbnails::make(folder.path(), image_ids(&report), ImageBudget::default()).expect("a folder");
    let page = html(&report, &images);
    assert_eq!(page.matches("</script").count(), 3, "the data, the charts, our own");
    for markup in ["<script>alert", "<img src=x", "<b>", "\"><"] {
        // The page's own attributes end in `">` before a tag, so that the last is looked for in the
        // data alone.
        let place = if markup == "\"><" {
            page.split_once("id=\"data\">").expect("data").1.split_once("</script>").expect("its end").0
        } else {
            &page
        };
        assert!(!place.contains(markup), "{markup} is in the page");
    }
    assert!(page.contains("&lt;img src=x onerror=alert(2)&gt;"), "the name is shown");
    let data = data(&page);
    assert_eq!(data["texts"][0]["words"], json!(HOSTILE));
    assert_eq!(data["texts"][0]["id"], "1\"><b>");
    assert_eq!(data["runs"][0]["posts"][1]["caption"], "</script><b>a cat</b>");
    let post = &data["runs"][0]["posts"][0];
    assert!(post.get("caption").is_none());
    assert_eq!(post["gold"], json!([[0, 2, "PER", "wrong-boundary"], [4, 5, "LOC", "correct"]]));
    assert_eq!(post["found"][0][3], "wrong-boundary");
}

#[test]
fn images_are_those_of_the_posts_that_are_shown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for i in 0..13 {
        let path = folder.path().join(format!("run-{i:02}"));
        run(&path);
        predictions(&path, "predictions-valid.jsonl");
        let file = path.join("predictions-valid.jsonl");
        let text = std::fs::read_to_string(&file).expect("it was written");
        let own = text.replace("\"image_id\":\"2\"", &format!("\"image_id\":\"own-{i:02}\""));
        assert_ne!(own, text);
        std::fs::write(file, own).expect("writable");
    }
    let report = gather(folder.path()).expect("runs");
    let shown = data(&html(&report, &Thumbnails::default()));
    let ids: Vec<&str> = image_ids(&report).filter(|id| id.starts_with("own-")).collect();
    assert_eq!((report.runs.len(), ids.len()), (13, 12), "a page holds the posts of twelve runs");
    let texts = shown["texts"].as_array().expect("a list");
    assert!(ids.iter().all(|id| texts.iter().any(|text| text["id"] == *id)), "{ids:?}");
}

#[test]
fn what_an_experiment_and_a_command_say_stays_text() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hostile = "</title><script>alert(1)</script>";
    run(&folder.path().join("a"));
    let mut report = gather(folder.path()).expect("a run");
    report.command = Some(format!("smvae report {hostile}"));
    report.corpora = vec![hostile.to_owned()];
    for (labelled, method) in [(5, hostile), (6, "b")] {
        let scores = |labels| json!({"gold": 10, "predicted": 10, "correct": labels, "types": {}});
        let run = json!({"id": method, "corpus": hostile, "method": method, "labels": 5, "draw": 0, "seed": 0,
                         "dev_labels": null, "dev_only": true, "images": true, "manifest": false,
                         "config": Config::default()});
        let files = json!({"train": "1", "valid": "2", "test": null, "images": null, "text_encoder": "tiny"});
        let line = json!({"run": run, "files": files, "best_epoch": 1, "epochs": 1, "steps": 1, "seconds": 1,
                          "threads": 1, "dev": scores(labelled), "test": null});
        let path = folder.path().join("results.jsonl");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(path, format!("{before}{line}\n")).expect("writable");
    }
    let gathered = gather(folder.path()).expect("an experiment");
    assert!(sentence(&gathered.answer.headline).contains(hostile), "the method is named");
    (report.answer, report.points) = (gathered.answer, gathered.points);
    let page = html(&report, &Thumbnails::default());
    assert_eq!(page.matches("</script").count(), 3, "the data, the charts, our own");
    assert!(!page.contains("<script>alert") && page.matches("</title").count() == 1);
    assert!(page.contains("&lt;script&gt;alert(1)"), "it is shown");
}

#[test]
fn a_page_reaches_nothing_outside_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(folder.path());
    let page = html(&gather(folder.path()).expect("a run"), &Thumbnails::default());
    assert!(page.contains("default-src 'none'"));
    for reference in ["src=\"", "href=\"http", "@import", "url(", "<link"] {
        assert!(!page.contains(reference), "the page has {reference}");
    }
}

#[test]
fn a_run_without_metrics_or_predictions_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(folder.path());
    let report = gather(folder.path()).expect("a run");
    let [run] = report.runs.as_slice() else { panic!("one run") };
    assert!(run.dev.is_none() && run.x.is_empty() && run.splits.is_empty() && run.labelled.is_none());
    let page = html(&report, &Thumbnails::default());
    assert!(page.contains("--save-predictions"), "the remedy is in the page");
    assert_eq!(data(&page)["runs"][0]["curves"], json!([]));
}

#[test]
fn dev_and_test_are_shown_at_the_temperature_of_dev() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(folder.path());
    predictions(folder.path(), "predictions-valid.jsonl");
    predictions(folder.path(), "predictions-test.jsonl");
    let report = gather(folder.path()).expect("a run");
    let calibration: Vec<_> = report.runs[0].splits.iter().filter_map(|split| split.calibration.as_ref()).collect();
    assert_eq!(calibration.len(), 2);
    assert_eq!(calibration[0].temperature, calibration[1].temperature);
    assert_eq!(calibration[1].fitted_on, smvae::data::Split::Dev);
    // What training saved is what `predict --calibrated` reads, and so what the page shows.
    let saved = r#"{"temperature": 2.5, "entities": 5}"#;
    std::fs::write(folder.path().join("calibration.json"), saved).expect("writable");
    let report = gather(folder.path()).expect("a run");
    let shown = |i: usize| report.runs[0].splits[i].calibration.as_ref().map(|calibration| calibration.temperature);
    assert_eq!((shown(0), shown(1)), (Some(2.5), Some(2.5)));
}

#[test]
fn what_images_change_is_shown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(folder.path());
    predictions(folder.path(), "predictions-valid.jsonl");
    let text = std::fs::read_to_string(folder.path().join("predictions-valid.jsonl")).expect("written");
    // From the text alone nothing is found in the first post, where a wrong entity was found and a
    // right one, and nothing in the second, where a wrong one was.
    let mut posts: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    posts.iter_mut().for_each(|post| post["predicted"] = json!([]));
    let save = |posts: &[Value]| {
        let text: String = posts.iter().map(|post| format!("{post}\n")).collect();
        std::fs::write(folder.path().join("predictions-valid-text.jsonl"), text).expect("writable");
    };
    save(&posts);
    let report = gather(folder.path()).expect("a run");
    let alone = report.runs[0].splits[0].text_alone.as_ref().expect("it was saved");
    assert_eq!((alone.f1, alone.better, alone.worse), (0.0, 0, 1));
    assert_eq!(alone.posts.iter().map(|post| post.gain).collect::<Vec<_>>(), [0, -1]);
    let page = html(&report, &Thumbnails::default());
    assert!(
        page.contains("fewer mistakes in 0 posts and more in 1, which <a href=\"#posts\">the posts below</a> show")
    );
    let of = |i: usize| data(&page)["runs"][0]["posts"][i].clone();
    assert_eq!((&of(0)["text_alone"], &of(0)["gain"]), (&json!([]), &Value::Null), "another answer, as many mistakes");
    assert_eq!((&of(1)["text_alone"], &of(1)["gain"]), (&json!([]), &json!(-1)));
    // The same answers are not repeated.
    std::fs::write(folder.path().join("predictions-valid-text.jsonl"), &text).expect("writable");
    let page = html(&gather(folder.path()).expect("a run"), &Thumbnails::default());
    assert_eq!(data(&page)["runs"][0]["posts"][0].get("text_alone"), None);
    // The second post's caption names no entity, since there is none; the first has no caption.
    assert_eq!(report.runs[0].splits[0].captions, None);
    let named = text.replace("</script><b>a cat</b>", "a street of oslo").replacen(
        "\"image_id\":\"1",
        "\"caption\":\"near Oslo\",\"image_id\":\"1",
        1,
    );
    std::fs::write(folder.path().join("predictions-valid.jsonl"), named).expect("writable");
    let report = gather(folder.path()).expect("a run");
    let slices = report.runs[0].splits[0].captions.clone().expect("captions were read");
    let of = slices.each_ref().map(|slice| (slice.posts, slice.f1, slice.text_alone));
    assert_eq!(of, [(1, 50.0, Some(50.0)), (1, 0.0, Some(0.0))]);
    assert!(html(&report, &Thumbnails::default()).contains("1 post whose caption names a word of an entity: F1 50.00"));
    save(&posts[1..]);
    let error = gather(folder.path()).expect_err("other posts").to_string();
    assert!(
        error.contains("predictions-valid-text.jsonl") && error.contains("save that of these posts first"),
        "{error}"
    );
}

#[test]
fn runs_are_found_in_a_folder_and_in_an_experiment() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["b", "a"] {
        run(&folder.path().join("runs").join(name));
    }
    std::fs::create_dir(folder.path().join("runs/notes")).expect("writable");
    let names =
        |path: &Path| -> Vec<String> { gather(path).expect("runs").runs.into_iter().map(|run| run.name).collect() };
    assert_eq!(names(folder.path()), ["a", "b"]);
    assert_eq!(names(&folder.path().join("runs")), ["a", "b"]);
    assert_eq!(names(&folder.path().join("runs/a")), ["a"]);
}

#[test]
fn runs_of_other_settings_are_no_repetitions() {
    let fixture = Fixture::new();
    let with = |seed: u64, labelled: usize, kl_weight: f64| {
        small_with(|c| (c.seed, c.labelled, c.objective.kl_weight) = (seed, Some(labelled), kl_weight))
    };
    for (name, config) in [("a", with(0, 8, 1.0)), ("b", with(1, 8, 1.0)), ("c", with(0, 12, 1.0))] {
        fixture.train(&format!("runs/{name}"), &config, None).expect("a run");
    }
    let points = || -> Vec<(String, usize, usize)> {
        let points = gather(fixture.out("runs")).expect("runs").points;
        points.into_iter().map(|point| (point.method, point.labelled, point.n)).collect()
    };
    let method = || "text only, semi-supervised".to_owned();
    assert_eq!(points(), [(method(), 8, 2), (method(), 12, 1)]);
    fixture.train("runs/d", &with(2, 8, 0.5), None).expect("a run");
    let as_a = || format!("{}, as a", method());
    assert_eq!(points(), [(as_a(), 8, 2), (as_a(), 12, 1), (format!("{}, as d", method()), 8, 1)]);
}

#[test]
fn an_experiment_is_averaged_over_its_draws() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counts = |correct: usize| json!({"gold": 100, "predicted": 100, "correct": correct, "types": {}});
    let line = |id: &str, labels: Value, correct: usize| {
        let run = json!({"id": id, "corpus": "2017", "method": "paper", "labels": labels, "draw": 0, "seed": 0,
                         "dev_labels": null, "dev_only": false, "images": true, "manifest": false,
                         "config": Config::default()});
        let files = json!({"train": "1", "valid": "2", "test": null, "images": null, "text_encoder": "tiny"});
        json!({"run": run, "files": files, "best_epoch": 1, "epochs": 1, "steps": 1, "seconds": 1, "threads": 1,
               "dev": counts(correct), "test": counts(correct + 10)})
    };
    run(&folder.path().join("runs/a"));
    let lines =
        [line("a", json!(50), 60), line("b", json!(50), 64), line("c", json!(100), 70), line("d", json!("all"), 80)];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.path().join("results.jsonl"), text).expect("writable");
    let report = gather(folder.path()).expect("an experiment");
    assert_eq!(
        (report.runs[0].method.as_str(), report.runs[0].test_f1, report.points[0].split),
        ("paper", Some(70.0), "test")
    );
    // Without the run's folder the number of "all" is not known.
    let points: Vec<_> = report.points.iter().map(|p| (p.labelled, p.mean, p.n)).collect();
    assert_eq!(points, [(50, 72.0, 2), (100, 80.0, 1)]);
    assert!(!html(&report, &Thumbnails::default()).contains("Means and differences"), "there is no summary");
    let mut other = line("e", json!(50), 57);
    other["run"]["method"] = json!("supervised");
    let lines: Vec<Value> = lines.into_iter().chain([other]).collect();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.path().join("results.jsonl"), text).expect("writable");
    let results = lines.into_iter().map(|line| serde_json::from_value(line).expect("a result"));
    let summary = Summary::of(&results.collect::<Vec<_>>(), Some("supervised"), 9);
    summary.write(folder.path()).expect("writable");
    let report = gather(folder.path()).expect("an experiment");
    assert_eq!(report.summary.as_ref(), Some(&summary));
    let answer = &report.answer;
    assert_eq!(sentence(&answer.headline), "paper is ahead of supervised: +5.00 F1 on test");
    let [comparison] = answer.comparisons.as_slice() else { panic!("{:?}", answer.comparisons) };
    assert_eq!(comparison.difference, summary.rows[0].test.as_ref().and_then(|test| test.difference.clone()));
    assert_eq!((comparison.place.as_str(), comparison.verdict), ("50 labelled posts of 2017", Verdict::CannotTell));
    let page = html(&report, &Thumbnails::default());
    for part in [
        "Means and differences",
        "5 of 9 runs",
        "<strong>+5.00 F1</strong>",
        "The data cannot tell",
        "minus that of <em>supervised</em>",
        "<td>+5.00</td>",
        "72.00 ± 2.83",
    ] {
        assert!(page.contains(part), "{part}");
    }
    std::fs::remove_dir_all(folder.path().join("runs")).expect("it is ours");
    let report = gather(folder.path()).expect("results alone, from another machine");
    assert_eq!((report.runs.len(), report.points.len(), report.summary), (0, 3, Some(summary)));
    std::fs::write(folder.path().join("results.jsonl"), "{}\n").expect("writable");
    let message = gather(folder.path()).expect_err("no result").to_string();
    assert!(message.contains("results.jsonl, line 1"), "{message}");
}

#[test]
fn what_cannot_be_reported_is_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    assert!(matches!(gather(path), Err(Error::NoRuns { .. })));
    assert!(matches!(gather(path.join("none")), Err(Error::Read { .. })));
    let run_folder = path.join("run");
    run(&run_folder);
    predictions(&run_folder, "predictions-valid.jsonl");
    let check = |file: &str, line: &str, want: &str| {
        let path = run_folder.join(file);
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, format!("{before}{line}\n")).expect("writable");
        let message = gather(&run_folder).expect_err(want).to_string();
        assert!(message.contains(file) && message.contains(want), "{message:?} does not say {file} and {want:?}");
        std::fs::write(&path, before).expect("writable");
    };
    check("predictions-valid.jsonl", "{\"image_id\": 3}", "line 3");
    check("metrics.jsonl", "half a li", "line 1");
    check("labels.json", "x", "label set");
    // One of several runs does not end the report of all of them.
    run(&path.join("broken"));
    std::fs::write(path.join("broken/labels.json"), "x").expect("writable");
    let report = gather(path).expect("a readable run");
    assert_eq!(report.runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["run"]);
    let [(name, why)] = report.unreadable.as_slice() else { panic!("{:?}", report.unreadable) };
    assert!(name == "broken" && why.contains("label set"), "{why}");
    let page = html(&report, &Thumbnails::default());
    assert!(page.contains("broken is left out: "), "the page says it");
}
