//! Every route answers as `/openapi.json` says, and every route is described.

use crate::support::{PREDICT, Reply, UPLOAD, bmp, parts, send, start};
use serde_json::{Value, json};
use smvae_serve::{Key, description};
use std::collections::BTreeSet;

/// What a value does not have of a schema; as much of JSON Schema as the description uses.
fn faults(value: &Value, schema: &Value, all: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let named = all.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is nowhere"));
        return faults(value, named, all, at, found);
    }
    for list in ["oneOf", "anyOf"] {
        if let Some(options) = schema[list].as_array() {
            let fits = |option: &&Value| {
                let mut its = Vec::new();
                faults(value, option, all, at, &mut its);
                its.is_empty()
            };
            let n = options.iter().filter(fits).count();
            if n == 0 || (list == "oneOf" && n > 1) {
                found.push(format!("{at}: fits {n} of {list}"));
            }
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{at}: the type {other}"),
    };
    if !types.is_empty() && !types.iter().any(is) {
        found.push(format!("{at}: {value} is none of {types:?}"));
    }
    if let (Some(number), Some(least)) = (value.as_f64(), schema["minimum"].as_f64()) {
        assert!(number >= least, "{at}: {number} is below {least}");
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(object) = value.as_object() {
        found.extend(required.filter(|name| !object.contains_key(*name)).map(|name| format!("{at} lacks {name}")));
        for (name, value) in object {
            if let Some(property) = schema["properties"].get(name) {
                faults(value, property, all, &format!("{at}.{name}"), found);
            }
        }
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        faults(item, &schema["items"], all, &format!("{at}[{i}]"), found);
    }
}

#[track_caller]
fn check(all: &Value, method: &str, path: &str, reply: &Reply, tried: &mut BTreeSet<(String, String)>) {
    tried.insert((method.to_owned(), path.to_owned()));
    let response = &all["paths"][path][method]["responses"][reply.status.to_string()];
    assert!(response.is_object(), "{method} {path} is not described to answer {}: {reply:?}", reply.status);
    let Some(content) = response["content"].as_object() else {
        assert_eq!(reply.body, "", "{method} {path}");
        return;
    };
    let (kind, described) = content.iter().next().expect("a type");
    assert!(
        reply.header("content-type").is_some_and(|got| got.starts_with(kind.as_str())),
        "{method} {path}: {reply:?}"
    );
    if kind == "application/json" {
        let mut found = Vec::new();
        faults(&reply.json(), &described["schema"], all, path, &mut found);
        assert!(found.is_empty(), "{method} {path}: {found:?} in {}", reply.body);
    }
}

#[test]
fn every_route_answers_as_it_is_described() {
    let service = start(|settings| settings.key = Some(Key::new("correct-horse").expect("a key")));
    let all: Value = send(&service, "GET /openapi.json", b"").json();
    assert_eq!(all, serde_json::from_str::<Value>(&description()).expect("JSON"));
    assert!(all["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let key = "authorization: Bearer correct-horse";
    let mut tried = BTreeSet::new();
    let mut ask = |method: &str, path: &str, query: &str, headers: &str, body: &[u8]| {
        let line = format!("{} {path}{query}|{headers}", method.to_uppercase());
        check(&all, method, path, &send(&service, &line, body), &mut tried);
        // Without the key.
        let needs_key = !path.contains("health") && all["paths"][path][method]["responses"].get("401").is_some();
        if needs_key {
            let reply = send(&service, &format!("{} {path}", method.to_uppercase()), body);
            check(&all, method, path, &reply, &mut tried);
        }
    };
    for path in ["/v1/model", "/metrics", "/health/live", "/health/ready", "/health", "/v2", "/v2/models/smvae"] {
        ask("get", path, "", key, b"");
    }
    for path in ["/v2/health/live", "/v2/health/ready", "/v2/models/smvae/ready"] {
        ask("get", path, "", key, b"");
    }
    for path in ["/v1/reload", "/setup", "/webhook"] {
        ask("post", path, "", key, b"");
    }
    let json_headers = format!("content-type: application/json|{key}");
    for body in [
        r#"{"text": "Ana Silva in Oslo", "image": "x"}"#,
        r#"[{"text": "Ana Silva in Oslo"}, {"words": ["a"], "id": 7}]"#,
        "[]",
        "{",
        "{}",
        "[{\"text\": 1}]",
    ] {
        ask("post", "/v1/predict", "?candidates=3", &json_headers, body.as_bytes());
    }
    ask("post", "/v1/predict", "", &format!("content-type: text/plain|{key}"), b"a");
    let upload = UPLOAD.split_once('|').expect("headers").1;
    let body = parts(&[("text", b"Ana"), ("image", &bmp(9, 7, 1))]);
    ask("post", "/v1/predict", "", &format!("{upload}|{key}"), &body);
    let tasks = json!({"tasks": [{"data": {"text": "Ana Silva in Oslo"}}], "label_config": null}).to_string();
    ask("post", "/predict", "", &json_headers, tasks.as_bytes());
    ask("post", "/predict", "", &json_headers, b"{}");
    let input = json!({"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Ana Silva in Oslo"]});
    ask("post", "/v2/models/smvae/infer", "", &json_headers, json!({"inputs": [input]}).to_string().as_bytes());
    ask("post", "/v2/models/smvae/infer", "", &json_headers, b"{}");
    let described: BTreeSet<(String, String)> = all["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, methods)| methods.as_object().into_iter().flatten().map(|(m, _)| (m.clone(), path.clone())))
        .collect();
    assert_eq!(tried, described);
}

/// The description of an entity has the fields of the wire form.
#[test]
fn an_entity_is_described_as_it_is_written() {
    let service = start(|_| ());
    let all: Value = serde_json::from_str(&description()).expect("JSON");
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    let line = PREDICT.replacen("predict", "predict?candidates=1", 1);
    let answer = send(&service, &line, br#"{"text": "Ana", "image": "x"}"#).json();
    assert_eq!(names(&all["components"]["schemas"]["Entity"]["properties"]), names(&answer["candidates"][0]));
    let described = names(&all["components"]["schemas"]["Predicted"]["properties"]);
    let mut written = names(&answer);
    // The model reads no captions, and all words.
    written.extend(["words_cut", "caption_missing"].map(str::to_owned));
    written.remove("image");
    assert_eq!(described, written);
}
