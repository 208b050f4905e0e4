//! Every status code is provoked, and the table in `docs/serve.md` has these and no others.

use crate::support::{
    PREDICT, Reply, UPLOAD, bmp, connect, metric, parts, predict, raw, read_all, request, run, send, source, start,
    start_with, text_alone, until,
};
use smvae::Post;
use smvae::core::candle_core::{self, Device, Tensor};
use smvae_serve::{Key, Limits, ModelSource, Service};
use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// A post that takes a while, and one at which the model panics.
fn fault(post: &Post) {
    match post.text() {
        "slow" => std::thread::sleep(Duration::from_millis(600)),
        "panic" => panic!("a test asked for it"),
        _ => {}
    }
}

/// A status and a code: a row of the table.
type Row = (u16, String);

/// Checks an answer, and notes the row.
#[track_caller]
fn check(rows: &mut BTreeSet<Row>, reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{reply:?}");
    let has_shape = |error: &serde_json::Value| {
        ["code", "message", "post", "field"].iter().all(|name| error.get(name).is_some())
            && error["message"].as_str().is_some_and(|message| !message.is_empty())
    };
    if code != "-" && !code.is_empty() {
        assert!(has_shape(&reply.json()["error"]), "{reply:?}");
    }
    assert_eq!(reply.header("retry-after").is_some(), status == 429 || status == 503, "{reply:?}");
    rows.insert((status, if code.is_empty() { "-".to_owned() } else { code.to_owned() }));
}

/// A service with tight limits.
fn tight() -> Service {
    start(|settings| {
        settings.fault = Some(fault);
        settings.workers = Some(1);
        let limits = &mut settings.limits;
        (limits.body_bytes, limits.upload_bytes, limits.all_bytes) = (20_000, 40_000, 40_000);
        (limits.posts, limits.words, limits.pixels, limits.pictures) = (4, 20, 1000, 1);
        (limits.queue_posts, limits.queue_words) = (4, 80);
        (limits.body_time, limits.request_time) = (Duration::from_millis(300), Duration::from_secs(20));
    })
}

#[test]
fn every_status_is_in_the_table_and_every_row_is_tested() {
    let mut rows = BTreeSet::new();
    wrong_requests(&mut rows);
    too_much_at_a_time(&mut rows);
    failures(&mut rows);
    with_a_key(&mut rows);
    ending(&mut rows);
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/serve.md");
    let document = std::fs::read_to_string(document).expect("the document of the service");
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        Some((cells.next()?.parse::<u16>().ok()?, cells.next()?.trim_matches('`').to_owned()))
    };
    let table: BTreeSet<Row> = document.lines().filter_map(row).collect();
    assert_eq!(rows, table, "left: provoked here; right: the table of docs/serve.md");
}

/// What one request does wrong.
fn wrong_requests(rows: &mut BTreeSet<Row>) {
    let service = tight();
    let mut json = |body: &str, status, code| check(rows, &predict(&service, body), status, code);
    json(r#"{"text": "fine"}"#, 200, "");
    json(r#"{"text": NaN}"#, 400, "bad_json");
    json(r#"{"text": "a", "text": "b"}"#, 400, "bad_json");
    json(r#"{"txt": "a"}"#, 422, "bad_post");
    json(r#"{"words": ["b"], "text": "a"}"#, 422, "bad_post");
    json(&format!("[{}]", [r#"{"text":""}"#; 5].join(",")), 413, "too_many_posts");
    json(&format!(r#"{{"text": "{}"}}"#, "a ".repeat(21)), 413, "too_many_words");
    json(&format!(r#"{{"text": "{}"}}"#, "a".repeat(21 * 32)), 413, "too_many_words");
    json(&format!(r#"{{"text": "{}"}}"#, "a".repeat(20_000)), 413, "too_large");
    let mut other = |line: &str, body: &[u8], status, code| check(rows, &send(&service, line, body), status, code);
    other("POST /v1/predict?candidates=-1|content-type: application/json", b"{}", 400, "bad_query");
    other("POST /v1/predict?candidates=1001|content-type: application/json", b"{}", 400, "bad_query");
    other("POST /v1/predict?candidate=1|content-type: application/json", b"{}", 400, "bad_query");
    other("GET /nothing", b"", 404, "not_found");
    other("GET /v1/predict", b"", 405, "method_not_allowed");
    other("DELETE /health/live", b"", 405, "method_not_allowed");
    other("POST /v1/predict", b"{}", 415, "content_type");
    other("POST /v1/predict|content-type: text/plain", b"{}", 415, "content_type");
    let compressed = "POST /v1/predict|content-type: application/json|content-encoding: gzip";
    other(compressed, b"\x1f\x8b\x08", 415, "content_encoding");
    other("POST /v1/predict|content-type: multipart/form-data", b"--XX--", 400, "bad_multipart");
    other(UPLOAD, b"--XX\r\nno header", 400, "bad_multipart");
    other(UPLOAD, &parts(&[("text", b"a"), ("text", b"b")]), 400, "bad_multipart");
    other(UPLOAD, &parts(&[("image", b"x")]), 422, "bad_post");
    other(UPLOAD, &parts(&[("text", b"a"), ("image", b"no picture")]), 422, "bad_picture");
    other(UPLOAD, &parts(&[("text", b"a"), ("image", &bmp(4, 4, 1)[..60])]), 422, "bad_picture");
    other(UPLOAD, &parts(&[("posts", br#"{"text":"a","image":"b"}"#), ("c", &bmp(4, 4, 1))]), 422, "unused_picture");
    other(UPLOAD, &parts(&[("text", b"a"), ("image", &bmp(40, 30, 1))]), 413, "too_many_pixels");
    // An upload may be as large as this, but not its posts.
    other(UPLOAD, &parts(&[("posts", &[b' '; 25_000])]), 413, "too_large");
    let two = br#"[{"text":"a","image":"b"},{"text":"a","image":"c"}]"#;
    other(UPLOAD, &parts(&[("posts", two), ("b", &bmp(4, 4, 1)), ("c", &bmp(4, 4, 9))]), 413, "too_many_pictures");
    // Chunks of which the second has no length.
    let chunked = format!("{}|transfer-encoding: chunked", PREDICT);
    let broken = [&request(&chunked, b"")[..], b"3\r\n{\"t\r\nzz\r\n"].concat();
    check(rows, &raw(&service, &broken), 400, "bad_body");
    // A body that does not come.
    let slow = String::from_utf8(request(PREDICT, br#"{"text": "a"}"#)).expect("ASCII").replace(r#" "a"}"#, "");
    check(rows, &raw(&service, slow.as_bytes()), 408, "body_time");
    // What is no HTTP is answered before there is a route.
    check(rows, &raw(&service, b"HELLO\r\n\r\n"), 400, "");
    let long = format!("GET /|x: {}", "a".repeat(70_000));
    check(rows, &send(&service, &long, b""), 431, "");
    let text = start_with(text_alone(), |_| ());
    check(rows, &send(&text, UPLOAD, &parts(&[("text", b"a"), ("image", b"x")])), 422, "no_pictures");
}

/// What is too much while others ask.
fn too_much_at_a_time(rows: &mut BTreeSet<Row>) {
    let service = tight();
    let slow = || connect_and_send(&service, &request(PREDICT, br#"{"text": "slow"}"#));
    let mut first = slow();
    until("the model is busy", || metric(&service, "smvae_queue_posts") == 0.0 && predict_waits(&service));
    let waiting: Vec<_> = (0..4).map(|_| connect_and_send(&service, &request(PREDICT, br#"{"text": "a"}"#))).collect();
    until("the queue is full", || metric(&service, "smvae_queue_posts") == 4.0);
    check(rows, &predict(&service, r#"{"text": "a"}"#), 429, "queue_full");
    for mut stream in waiting {
        assert_eq!(Reply::read(&read_all(&mut stream)).status, 200);
    }
    assert_eq!(Reply::read(&read_all(&mut first)).status, 200);
    // The picture of a post that is computed keeps its place.
    let upload = |text: &[u8]| parts(&[("text", text), ("image", &bmp(4, 4, 1))]);
    let mut first = connect_and_send(&service, &request(UPLOAD, &upload(b"slow")));
    let mut refused = None;
    until("the places of pictures are taken", || {
        refused = Some(send(&service, UPLOAD, &upload(b"a"))).filter(|reply| reply.code() == "pictures_full");
        refused.is_some()
    });
    check(rows, &refused.expect("it was waited for"), 429, "pictures_full");
    assert_eq!(Reply::read(&read_all(&mut first)).status, 200);
    // A body that is announced takes its place in memory before it comes.
    let announced = |line: &str, bytes: usize| {
        let text = String::from_utf8(request(line, b"x")).expect("ASCII");
        connect_and_send(&service, text.replace("content-length: 1", &format!("content-length: {bytes}")).as_bytes())
    };
    let _held = announced(UPLOAD, 39_000);
    until("the memory of bodies is taken", || send(&service, UPLOAD, &[b' '; 4000]).code() == "too_many_bodies");
    check(rows, &send(&service, UPLOAD, &[b' '; 4000]), 429, "too_many_bodies");
    let few = start(|settings| settings.limits.connections = 1);
    let _one = connect_and_send(&few, b"GET /health/live HTTP/1.1\r\n");
    until("the connection is accepted", || {
        let reply = Reply::read(&read_all(&mut connect(few.address())));
        reply.code() == "too_many_connections"
    });
    check(rows, &Reply::read(&read_all(&mut connect(few.address()))), 503, "too_many_connections");
}

/// Whether the model has taken the slow post: the queue is empty and nothing is answered yet.
fn predict_waits(service: &Service) -> bool {
    metric(service, "smvae_queue_posts") == 0.0 && metric(service, "smvae_posts_total") == 0.0
}

fn connect_and_send(service: &Service, bytes: &[u8]) -> std::net::TcpStream {
    let mut stream = connect(service.address());
    stream.write_all(bytes).expect("it reads");
    stream
}

/// A model that fails, and one that takes too long.
fn failures(rows: &mut BTreeSet<Row>) {
    let service = start(|settings| settings.fault = Some(fault));
    check(rows, &predict(&service, r#"{"text": "panic"}"#), 500, "internal");
    // On any machine this post takes longer than a request may.
    let impatient = start(|settings| {
        settings.fault = Some(fault);
        settings.limits.request_time = Duration::from_millis(100);
    });
    check(rows, &predict(&impatient, r#"{"text": "slow"}"#), 504, "request_time");
    // A model is measured before the first request.
    let hurried = start(|settings| {
        settings.limits.batch_pieces = Some(1);
        settings.limits.request_time = Duration::from_nanos(1);
    });
    check(rows, &predict(&hurried, r#"[{"text": "a"}, {"text": "b"}]"#), 413, "too_much");
    let broken = copy_of_run("not-finite");
    let weights = broken.join("weights.safetensors");
    let tensors = candle_core::safetensors::load(&weights, &Device::Cpu).expect("weights");
    let not_finite = |(name, tensor): (String, Tensor)| (name, (tensor * f64::NAN).expect("numbers"));
    let tensors: HashMap<String, Tensor> = tensors.into_iter().map(not_finite).collect();
    candle_core::safetensors::save(&tensors, &weights).expect("a writable folder");
    // A run that knows what its files were would say that they are damaged.
    forget_digests(&broken);
    let service = start_with(ModelSource::of(broken), |_| ());
    check(rows, &predict(&service, r#"[{"text": ""}, {"text": "a b"}]"#), 500, "model");
}

/// Makes a run one of an earlier version, which does not know the digests of its files.
fn forget_digests(run: &Path) {
    let file = run.join("run.json");
    let mut state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).expect("a file of the run")).expect("JSON");
    state.as_object_mut().expect("an object").remove("files").expect("digests");
    std::fs::write(&file, state.to_string()).expect("a writable folder");
}

/// A copy of the run, to be spoilt.
fn copy_of_run(name: &str) -> std::path::PathBuf {
    let copy = run().with_file_name(name);
    std::fs::create_dir_all(&copy).expect("a writable folder");
    for entry in std::fs::read_dir(run()).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.is_file() {
            std::fs::copy(&path, copy.join(path.file_name().expect("a name"))).expect("a writable folder");
        }
    }
    copy
}

/// What a key is for.
fn with_a_key(rows: &mut BTreeSet<Row>) {
    let open = start_with(source(), |_| ());
    check(rows, &send(&open, "POST /v1/reload", b""), 403, "forbidden");
    let copy = copy_of_run("reloaded");
    let service = start_with(ModelSource::of(&copy), |settings| {
        settings.key = Some(Key::new("correct-horse").expect("a key"));
    });
    check(rows, &predict(&service, r#"{"text": "a"}"#), 401, "unauthorized");
    check(rows, &send(&service, "POST /v1/reload|authorization: Bearer wrong-horse!", b""), 401, "unauthorized");
    for open in ["GET /", "GET /health/live", "GET /health/ready", "GET /openapi.json", "GET /health"] {
        assert_eq!(send(&service, open, b"").status, 200, "{open}");
    }
    let reload = || send(&service, "POST /v1/reload|authorization: Bearer correct-horse", b"");
    assert_eq!(reload().status, 200);
    let mut busy = None;
    for _ in 0..100 {
        let replies = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..4).map(|_| scope.spawn(reload)).collect();
            asked.into_iter().map(|thread| thread.join().expect("an answer")).collect::<Vec<_>>()
        });
        busy = replies.into_iter().find(|reply| reply.status == 409);
        if busy.is_some() {
            break;
        }
    }
    check(rows, &busy.expect("two of four come together"), 409, "reloading");
    std::fs::remove_file(copy.join("weights.safetensors")).expect("a file");
    check(rows, &reload(), 500, "reload");
    let line = format!("{PREDICT}|authorization: Bearer correct-horse");
    assert_eq!(send(&service, &line, br#"{"text": "a"}"#).status, 200, "the old model still answers");
}

/// A service that was told to end.
fn ending(rows: &mut BTreeSet<Row>) {
    let service = start(|settings| settings.fault = Some(fault));
    let mut slow = connect_and_send(&service, &request(PREDICT, br#"{"text": "slow"}"#));
    until("the model is busy", || metric(&service, "smvae_queue_posts") == 0.0 && predict_waits(&service));
    service.drain();
    check(rows, &predict(&service, r#"{"text": "a"}"#), 503, "draining");
    assert_eq!(send(&service, "GET /health/ready", b"").status, 503);
    assert_eq!(send(&service, "GET /health/live", b"").status, 200);
    assert_eq!(Reply::read(&read_all(&mut slow)).status, 200);
    service.wait().expect("it ends");
}

#[test]
fn a_fault_names_its_post_and_its_field() {
    let service = start(|settings| settings.limits = Limits::default());
    let check = |body: &str, post: serde_json::Value, field: serde_json::Value| {
        let error = predict(&service, body).json()["error"].clone();
        assert_eq!((&error["post"], &error["field"]), (&post, &field), "{error}");
    };
    check("{", serde_json::Value::Null, serde_json::Value::Null);
    check(r#"[{"text": "a"}, {"text": 1}]"#, 1.into(), "text".into());
    check(r#"[{"text": "a"}, {"words": ["b"], "text": "a"}]"#, 1.into(), "words".into());
}
