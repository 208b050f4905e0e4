//! What is answered, and that it is what `smvae predict` writes.

use crate::support::{Reply, UPLOAD, bmp, parts, predict, run, send, start, start_with, text_alone};
use serde_json::{Value, json};
use smvae::data::formats::LabelUse;
use smvae::data::formats::json::read_post;
use smvae::{Predictor, json as wire};
use std::collections::BTreeSet;

/// What `smvae predict` writes for a line of JSON.
fn line(model: &Predictor, object: &str) -> String {
    let record = read_post(object.as_bytes(), LabelUse::Ignored).expect("a post");
    let post = model.post_of(&record).expect("its own words");
    wire::answer(&record.fields, &post, model.predict_one(&post).expect("it computes"))
}

const POSTS: [&str; 5] = [
    r#"{"id":1e3,"text":"Ana Silva 🎉 in Oslo, with (Bo).","more":{"b":1,"a":[2.50]}}"#,
    r#"{"words":["in","Oslo"],"id":"x"}"#,
    r#"{"text":""}"#,
    r#"{"text":"Oslo","image":"../../etc/passwd"}"#,
    r#"{"text":"(Oslo)","words":["(","Oslo",")"],"entities":[1],"words_cut":7}"#,
];

#[test]
fn the_answer_is_the_line_of_predict() {
    let service = start(|_| ());
    let model = Predictor::load(run()).expect("a run");
    for post in POSTS {
        assert_eq!(predict(&service, post).body, line(&model, post));
    }
    let lines: Vec<String> = POSTS.iter().map(|post| line(&model, post)).collect();
    let got = predict(&service, &format!("[{}]", POSTS.join(", ")));
    assert_eq!(got.body, format!("[{}]", lines.join(",")));
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/json")));
    assert!(got.header("server-timing").is_some_and(|times| times.contains("model;dur=")), "{got:?}");
    assert_eq!(predict(&service, "[]").body, "[]");
    assert!(lines.iter().any(|line| line.contains("\"label\"")), "the model finds something: {lines:?}");
}

#[test]
fn many_clients_get_their_own_answers() {
    let service = start(|settings| settings.limits.batch_pieces = Some(64));
    let model = Predictor::load(run()).expect("a run");
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (service, model) = (&service, &model);
            scope.spawn(move || {
                for i in 0..6 {
                    let post =
                        json!({"id": client * 10 + i, "text": format!("Ana {client} Silva in Oslo {i}")}).to_string();
                    assert_eq!(predict(service, &post).body, line(model, &post));
                }
            });
        }
    });
}

#[test]
fn candidates_are_told_on_request() {
    let service = start(|_| ());
    let ask = |n: usize| {
        let line = format!("POST /v1/predict?candidates={n}|content-type: application/json");
        send(&service, &line, br#"{"text": "Ana Silva lands in Oslo", "candidates": "mine"}"#).json()
    };
    let answer = ask(1000);
    let candidates = answer["candidates"].as_array().expect("a list");
    assert!((4..=15).contains(&candidates.len()), "of every span of five words: {candidates:?}");
    let scores: Vec<f64> = candidates.iter().map(|c| c["score"].as_f64().expect("a number")).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|score| *score >= 0.001), "{scores:?}");
    let spans: BTreeSet<String> = candidates.iter().map(|c| c["words"].to_string()).collect();
    assert_eq!(spans.len(), candidates.len(), "each span once");
    for entity in answer["entities"].as_array().expect("a list") {
        assert!(candidates.contains(entity), "{entity}");
    }
    assert_eq!(ask(2)["candidates"].as_array().expect("a list")[..], candidates[..2]);
    assert_eq!(ask(0)["candidates"], json!([]));
    assert_eq!(predict(&service, r#"{"text": "a"}"#).json().get("candidates"), None);
}

/// What is written beside the thread that answers everybody, and is the same.
#[test]
fn large_answers_are_like_small_ones() {
    let service = start(|_| ());
    let line = "POST /v1/predict?candidates=1000|content-type: application/json";
    let post = |i: usize| json!({"id": i, "text": format!("Ana Silva lands in Oslo {}", "x".repeat(3000 + i))});
    let list: Vec<Value> = (0..12).map(post).collect();
    let got = send(&service, line, Value::from(list.clone()).to_string().as_bytes());
    assert!(got.status == 200 && got.body.len() > 1 << 16, "{} bytes", got.body.len());
    let alone = |post: &Value| send(&service, line, post.to_string().as_bytes()).body;
    assert_eq!(got.body, format!("[{}]", list.iter().map(alone).collect::<Vec<_>>().join(",")));
}

/// The scores of everything that a post could have.
fn scores(reply: &Reply) -> Vec<f64> {
    let answer: Value = reply.json();
    let list = if answer.is_array() { answer[0]["candidates"].clone() } else { answer["candidates"].clone() };
    list.as_array().expect("a list").iter().map(|c| c["score"].as_f64().expect("a number")).collect()
}

#[test]
fn pictures_belong_to_the_posts_that_name_them() {
    let service = start(|_| ());
    let line = UPLOAD.replacen("predict", "predict?candidates=3", 1);
    let upload = |list: &[(&str, &[u8])]| send(&service, &line, &parts(list));
    let (dark, light) = (bmp(9, 7, 3), bmp(20, 20, 250));
    let alone = upload(&[("text", b"Ana Silva in Oslo")]);
    let with_dark = upload(&[("text", b"Ana Silva in Oslo"), ("image", &dark)]);
    let with_light = upload(&[("posts", br#"{"text": "Ana Silva in Oslo"}"#), ("photo", &light)]);
    assert_ne!(scores(&alone), scores(&with_dark), "the model looks at pictures");
    assert_ne!(scores(&with_light), scores(&with_dark));
    assert_eq!(with_dark.json().get("image_missing"), None);
    assert!(!with_dark.body.contains("\"image"), "{}", with_dark.body);
    let list = r#"[{"text":"Ana Silva in Oslo","image":"b"},{"text":"x","image":"a"},{"text":"y","image":"none"},
        {"text":"z"}]"#;
    let both = upload(&[("posts", list.as_bytes()), ("a", &dark), ("b", &light)]);
    assert_eq!(scores(&both), scores(&with_light));
    let answers = both.json();
    let missing: Vec<bool> = answers.as_array().expect("a list").iter().map(|a| a["image_missing"] == true).collect();
    assert_eq!(missing, [false, false, true, false]);
    // One picture for two posts.
    let list = r#"[{"text":"x","image":"a"},{"text":"y","image":"a"}]"#;
    assert_eq!(upload(&[("posts", list.as_bytes()), ("a", &dark)]).status, 200);
}

#[test]
fn a_service_says_what_it_is() {
    let service = start_with(text_alone(), |settings| settings.workers = Some(1));
    let model = send(&service, "GET /v1/model", b"").json();
    assert_eq!((&model["name"], &model["run"]), (&json!("smvae"), &json!("run")));
    assert_eq!((&model["looks_at_images"], &model["reads_pictures"]), (&json!(true), &json!(false)));
    assert_eq!(model["reads_captions"], json!(false));
    assert_eq!(model["labels"][0], "O");
    assert_eq!(model["weights_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(send(&service, "GET /health/live", b"").json(), json!({"status": "live"}));
    assert_eq!(send(&service, "GET /health/ready", b"").json(), json!({"status": "ready"}));
    let page = send(&service, "GET /", b"");
    assert!(page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    predict(&service, r#"[{"text": "a b"}, {"text": "c"}]"#);
    let metrics = send(&service, "GET /metrics", b"");
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    for line in [
        "smvae_posts_total 2",
        "smvae_batch_posts_count 1",
        "smvae_batch_posts_sum 2.0",
        "smvae_queue_posts 0",
        r#"smvae_requests_total{route="/v1/predict",status="200",code="ok"} 1"#,
        "# EOF",
    ] {
        assert!(metrics.body.lines().any(|l| l == line), "no {line} in {}", metrics.body);
    }
}
