//! Other protocols, in the shapes that their own clients send and read.

use crate::support::{PREDICT, Reply, predict, send, start};
use serde_json::{Value, json};
use smvae_serve::Service;

fn post(service: &Service, path: &str, body: &Value) -> Reply {
    send(service, &format!("POST {path}|content-type: application/json"), body.to_string().as_bytes())
}

#[test]
fn the_open_inference_protocol_takes_texts_and_gives_answers() {
    let service = start(|_| ());
    let get = |path: &str| send(&service, &format!("GET {path}"), b"");
    assert_eq!((get("/v2/health/live").status, get("/v2/health/ready").status), (200, 200));
    assert_eq!(get("/v2").json()["name"], "smvae");
    assert_eq!(get("/v2/models/smvae/ready").json(), json!({"name": "smvae", "ready": true}));
    let model = get("/v2/models/smvae").json();
    assert_eq!(model["inputs"], json!([{"name": "text", "datatype": "BYTES", "shape": [-1]}]));
    let infer = |shape: Value, data: Value| {
        let input = json!({"name": "text", "shape": shape, "datatype": "BYTES", "data": data});
        post(&service, "/v2/models/smvae/infer", &json!({"id": "7", "inputs": [input], "parameters": {"x": 1}}))
    };
    let answer = infer(json!([2, 1]), json!(["Ana Silva in Oslo", ""])).json();
    assert_eq!((&answer["model_name"], &answer["id"]), (&json!("smvae"), &json!("7")));
    let output = &answer["outputs"][0];
    assert_eq!(
        (&output["name"], &output["shape"], &output["datatype"]),
        (&json!("entities"), &json!([2, 1]), &json!("BYTES"))
    );
    let same = predict(&service, r#"{"text": "Ana Silva in Oslo"}"#).json();
    let first: Value = serde_json::from_str(output["data"][0].as_str().expect("a string")).expect("JSON");
    assert_eq!(first, same);
    assert_eq!(infer(json!([1]), json!(["a"])).status, 200);
    let refused = |reply: &Reply, status: u16, why: &str| {
        assert_eq!(reply.status, status, "{reply:?}");
        let error = reply.json()["error"].as_str().expect("the protocol's shape").to_owned();
        assert!(error.contains(why), "{error}");
    };
    refused(&infer(json!([3]), json!(["a"])), 422, "the shape [3] is not that of 1 texts");
    refused(&infer(json!([1]), json!([1])), 422, "expected a string");
    refused(&post(&service, "/v2/models/smvae/infer", &json!({"inputs": []})), 422, "expected one input");
    let line = "POST /v2/models/smvae/infer|inference-header-content-length: 2";
    refused(&send(&service, line, b"{}"), 422, "binary_data=False");
    refused(&send(&service, "POST /v2/models/smvae/infer", b"{"), 400, "cannot be read");
    refused(&infer(json!([257]), json!(vec!["a"; 257])), 413, "the request has 257 posts, the limit is 256");
}

/// What is read beside the thread that answers everybody, and gives the same answer.
#[test]
fn large_bodies_are_answered_like_small_ones() {
    let service = start(|_| ());
    let more = "x".repeat(100_000);
    let input = json!({"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Ana Silva in Oslo"]});
    let inferred = |body: Value| post(&service, "/v2/models/smvae/infer", &body);
    let large = inferred(json!({"inputs": [input], "parameters": {"more": more}}));
    assert_eq!((large.status, large.body), (200, inferred(json!({ "inputs": [input] })).body));
    let task = |data: Value| post(&service, "/predict", &json!({"tasks": [{ "data": data }]}));
    let large = task(json!({"text": "Ana Silva in Oslo", "more": more}));
    assert_eq!((large.status, large.body), (200, task(json!({"text": "Ana Silva in Oslo"})).body));
    // Tasks without a text: they are counted first.
    let many = post(&service, "/predict", &json!({"tasks": vec![json!({"data": {}}); 9000]}));
    assert_eq!((many.status, many.code().as_str()), (413, "too_many_posts"));
}

/// What Label Studio sends to a backend, but for its tasks.
fn from_label_studio(tasks: Value, config: Value) -> Value {
    json!({
        "tasks": tasks, "model_version": "x", "project": "1.1700000000", "label_config": config,
        "params": {"login": null, "password": null, "context": null}
    })
}

#[test]
fn label_studio_gets_one_result_a_task() {
    let service = start(|_| ());
    let config = json!(
        r#"<View><Labels name="ner" toName="t"><Label value="PER"/><Label value="LOC"/><Label value="ORG"/>
           <Label value="MISC"/></Labels><Text name="t" value="$tweet"/><Image name="i" value="$image"/></View>"#
    );
    assert_eq!(send(&service, "GET /health", b"").json(), json!({"status": "UP", "model_class": "smvae"}));
    let setup = post(&service, "/setup", &json!({"project": "1.1", "schema": config, "extra_params": {}})).json();
    let version = setup["model_version"].as_str().expect("a string").to_owned();
    assert!(version.starts_with("run@"), "{version}");
    let text = "🎉 Ana Silva in Oslo";
    let first = json!({"id": 1, "data": {"tweet": text, "image": "http://127.0.0.1:1/x.png"}});
    let tasks = json!([first, {"id": 2, "data": {"tweet": ""}}]);
    let answer = post(&service, "/predict", &from_label_studio(tasks, config)).json();
    let results = answer["results"].as_array().expect("a list");
    assert_eq!((results.len(), &results[1]["result"], &results[1]["score"]), (2, &json!([]), &json!(0.0)));
    assert_eq!(results[0]["model_version"], json!(version));
    let same = predict(&service, &json!({ "text": text }).to_string()).json();
    let (found, regions) = (&same["entities"], results[0]["result"].as_array().expect("a list"));
    assert_eq!(found.as_array().map(Vec::len), Some(regions.len()));
    assert!(!regions.is_empty(), "the model finds something in {text}");
    let units: Vec<u16> = text.encode_utf16().collect();
    for (region, entity) in regions.iter().zip(found.as_array().expect("a list")) {
        assert!(region["id"].is_string());
        assert_eq!(
            (&region["from_name"], &region["to_name"], &region["type"]),
            (&json!("ner"), &json!("t"), &json!("labels"))
        );
        let value = &region["value"];
        let at = |name: &str| value[name].as_u64().expect("a number") as usize;
        // As an editor in JavaScript cuts it.
        assert_eq!(
            String::from_utf16(&units[at("start")..at("end")]).expect("whole"),
            value["text"].as_str().expect("a string")
        );
        assert_eq!((&value["text"], &value["labels"]), (&entity["text"], &json!([entity["label"]])));
    }
    let hook = post(&service, "/webhook", &json!({"action": "ANNOTATION_CREATED", "project": {"id": 1}}));
    assert_eq!(hook.status, 201);
}

#[test]
fn label_studio_is_told_what_does_not_fit() {
    let service = start(|_| ());
    let check = |tasks: Value, config: Value, post_index: Value, field: &str| {
        let error = post(&service, "/predict", &from_label_studio(tasks, config)).json()["error"].clone();
        assert_eq!((&error["code"], &error["post"], &error["field"]), (&json!("bad_post"), &post_index, &json!(field)));
    };
    check(json!([]), json!("<View/>"), Value::Null, "label_config");
    check(json!([{"data": {"text": "a"}}, {"data": {"tweet": "a"}}]), Value::Null, json!(1), "text");
    check(json!([{"data": {"text": 1}}]), json!(""), json!(0), "text");
    assert_eq!(send(&service, "POST /predict", b"[]").status, 422);
    // Only labels that a person may choose.
    let config = json!(
        r#"<View><Labels name="l" toName="t"><Label value="none"/></Labels><Text name="t" value="$text"/></View>"#
    );
    let tasks = json!([{"data": {"text": "Ana Silva in Oslo"}}]);
    let answer = post(&service, "/predict", &from_label_studio(tasks, config)).json();
    assert_eq!(answer["results"][0]["result"], json!([]));
    assert!(send(&service, PREDICT, br#"{"text": "a"}"#).status == 200);
}
