//! Clients that are slow, broken or hostile: each is got rid of, and the others are answered.

use crate::support::{
    PREDICT, Reply, UPLOAD, bmp, connect, metric, parts, predict, raw, read_all, request, send, start, until,
};
use smvae_serve::Service;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// A service with little patience.
fn hasty() -> Service {
    start(|settings| {
        settings.limits.header_time = Duration::from_millis(200);
        settings.limits.body_time = Duration::from_millis(200);
    })
}

#[track_caller]
fn still_answers(service: &Service) {
    let reply = predict(service, r#"{"text": "Ana in Oslo"}"#);
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Sends bytes one by one until the other side closes; how long that took.
fn drip(service: &Service, bytes: &[u8]) -> (Duration, Reply) {
    let start = Instant::now();
    let mut stream = connect(service.address());
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a time");
    let (mut got, mut buffer) = (Vec::new(), [0; 4096]);
    for byte in bytes.iter().cycle().take(1000) {
        let is_open = stream.write_all(&[*byte]).is_ok();
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => got.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && is_open => {}
            Err(_) => break,
        }
    }
    (start.elapsed(), Reply::read(&got))
}

#[test]
fn a_byte_at_a_time_is_too_slow() {
    let service = hasty();
    let (time, reply) = drip(&service, b"GET /health/live HTTP/1.1\r\nx: a\r\nx-and-so-on: ");
    assert!(time < Duration::from_secs(5) && reply.status == 0, "{time:?} {reply:?}");
    let mut stream = connect(service.address());
    let head =
        String::from_utf8(request(PREDICT, b"x")).expect("ASCII").replace("content-length: 1", "content-length: 900");
    stream.write_all(head.as_bytes()).expect("it reads");
    let start = Instant::now();
    let reply = Reply::read(&read_all(&mut stream));
    assert_eq!((reply.status, reply.code().as_str()), (408, "body_time"));
    assert!(start.elapsed() < Duration::from_secs(5));
    still_answers(&service);
}

#[test]
fn a_body_that_drips_is_cut_off_as_a_whole() {
    let service = hasty();
    let mut stream = connect(service.address());
    let head = String::from_utf8(request(PREDICT, b"")).expect("ASCII");
    let head = head.replace("\r\n\r\n", "\r\ncontent-length: 10000\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    let (start, mut writer) = (Instant::now(), stream.try_clone().expect("a second handle"));
    let dripping = std::thread::spawn(move || {
        (0..200).all(|_| {
            std::thread::sleep(Duration::from_millis(10));
            writer.write_all(b" ").is_ok()
        })
    });
    let reply = Reply::read(&read_all(&mut stream));
    assert_eq!((reply.status, reply.code().as_str()), (408, "body_time"));
    assert!(start.elapsed() < Duration::from_millis(1900), "{:?}", start.elapsed());
    drop(stream);
    let _ = dripping.join();
    still_answers(&service);
}

#[test]
fn the_largest_body_that_is_allowed_has_room() {
    let service = start(|settings| {
        let limits = &mut settings.limits;
        (limits.body_bytes, limits.upload_bytes, limits.all_bytes) = (1500, 1500, 1500);
    });
    let body = format!("{:1500}", r#"{"text": "Ana in Oslo"}"#);
    let reply = predict(&service, &body);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(predict(&service, &format!("{body} ")).code(), "too_large");
}

#[test]
fn whoever_takes_no_answer_is_let_go() {
    let service = start(|settings| settings.limits.body_time = Duration::from_millis(300));
    let mut stream = connect(service.address());
    stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a time");
    // Requests without end, whose answers are never read.
    let one = b"GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n".repeat(50);
    for _ in 0..200 {
        if stream.write_all(&one).is_err() {
            break;
        }
    }
    until("it is let go", || metric(&service, "smvae_connections") <= 1.0);
    still_answers(&service);
}

#[test]
fn half_a_connection_is_none() {
    let service = hasty();
    for part in [&b""[..], b"GET /", b"POST /v1/predict HTTP/1.1\r\ncontent-length: 5\r\n\r\n{"] {
        let mut stream = connect(service.address());
        stream.write_all(part).expect("it reads");
        stream.shutdown(Shutdown::Write).expect("it is open");
        read_all(&mut stream);
    }
    until("they are closed", || metric(&service, "smvae_connections") <= 1.0);
    still_answers(&service);
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    let service = start(|_| ());
    for i in 0..300 {
        let mut stream = connect(service.address());
        if i % 2 == 0 {
            stream.write_all(&request(PREDICT, br#"{"text": "a"}"#)).expect("it reads");
        }
    }
    until("they are closed", || metric(&service, "smvae_connections") <= 1.0);
    still_answers(&service);
}

/// Connections that a process may have open beside its others, of which this one has both ends.
fn room() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files: usize = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(256);
    (files.saturating_sub(200) / 2).min(1000)
}

#[test]
fn a_thousand_idle_connections_are_nothing() {
    let service = start(|settings| {
        settings.limits.connections = 2000;
        settings.limits.header_time = Duration::from_secs(3);
    });
    let idle: Vec<TcpStream> = (0..room()).map(|_| connect(service.address())).collect();
    until("they are accepted", || metric(&service, "smvae_connections") > idle.len() as f64);
    let start = Instant::now();
    (0..10).for_each(|_| still_answers(&service));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    until("they are closed after the time for a header", || metric(&service, "smvae_connections") <= 1.0);
    drop(idle);
}

#[test]
fn nonsense_is_refused_in_words() {
    let service = start(|_| ());
    let deep = format!(r#"{{"text": "a", "x": {}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    for body in ["", " ", "null", "\"a\"", "{\"text\":}", "\u{feff}{}", "[1,2", "{}{}", "{\"text\": \"\u{1}\"}"] {
        let reply = predict(&service, body);
        assert!([400, 422].contains(&reply.status) && !reply.code().is_empty(), "{body:?}: {reply:?}");
    }
    for body in [deep.as_str(), r#"{"text": "\u0000\ud83c\udf89"}"#, "{\"text\": \"\u{202e}\u{200b}\"}"] {
        assert_eq!(predict(&service, body).status, 200, "{body:?}");
    }
    // What an address or a path in a post is worth: it is passed on, and not looked at.
    for image in ["/etc/passwd", "http://127.0.0.1:1/x.png", "file:///etc/passwd"] {
        let answer = predict(&service, &format!(r#"{{"text": "a", "image": "{image}"}}"#)).json();
        assert_eq!((&answer["image_missing"], &answer["image"]), (&true.into(), &image.into()));
    }
    still_answers(&service);
}

#[test]
fn broken_parts_are_refused_in_words() {
    let service = start(|_| ());
    let whole = parts(&[("text", b"a"), ("image", &bmp(9, 7, 1))]);
    let reply = send(&service, UPLOAD, &whole);
    assert_eq!(reply.status, 200, "{reply:?}");
    for end in (0..whole.len() - 3).step_by(7) {
        let reply = send(&service, UPLOAD, &whole[..end]);
        assert!([400, 415, 422].contains(&reply.status) && !reply.code().is_empty(), "{end}: {reply:?}");
    }
    let without_name = b"--XX\r\ncontent-disposition: form-data\r\n\r\na\r\n--XX--\r\n";
    assert_eq!(send(&service, UPLOAD, without_name).code(), "bad_multipart");
    let many: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    assert_eq!(send(&service, UPLOAD, &parts(&many)).code(), "bad_multipart");
    // A picture that says it is huge and is not there.
    let mut huge = bmp(1, 1, 0);
    huge[18..26].copy_from_slice(&[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
    assert_eq!(send(&service, UPLOAD, &parts(&[("text", b"a"), ("image", &huge)])).code(), "too_many_pixels");
    still_answers(&service);
}

#[test]
fn two_lengths_are_no_way_to_hide_a_request() {
    let service = start(|_| ());
    let hidden = b"POST /v1/predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\
        transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nhost: test\r\n\r\n";
    let reply = raw(&service, hidden);
    assert!(reply.status >= 400 && !reply.body.contains("smvae_posts"), "{reply:?}");
    let twice = b"GET / HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n";
    assert_eq!(raw(&service, twice).status, 400);
    still_answers(&service);
}
