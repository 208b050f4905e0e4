//! The hub against a small HTTP server on loopback that serves a tiny model, well or badly.

use super::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS: &str = "model.safetensors";

/// How the server behaves.
#[derive(Clone, Default)]
struct Behaviour {
    /// Every answer has this status.
    status: Option<u16>,
    /// How many transfers of the weights are cut in the middle.
    cuts: usize,
    /// Ranges are ignored: every file is sent whole.
    no_ranges: bool,
    /// The bytes of the weights are not those that are listed.
    damaged: bool,
    /// The weights are followed by megabytes that nobody listed, and their length is not told.
    endless: bool,
    /// Only this token may read files; everybody may see the list.
    token: Option<&'static str>,
    /// Files are sent on to this address.
    sent_on: Option<String>,
    /// The list is not a list.
    nonsense: bool,
}

#[derive(Default)]
struct Log {
    behaviour: Behaviour,
    /// `path range authorization` of every request.
    requests: Vec<String>,
}

/// A server that ends with the test.
struct Server {
    endpoint: String,
    log: Arc<Mutex<Log>>,
}

fn files() -> BTreeMap<&'static str, Vec<u8>> {
    let weights = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    BTreeMap::from([("README.md", b"#".to_vec()), ("config.json", b"{\"a\": 1}\n".to_vec()), (WEIGHTS, weights)])
}

impl Server {
    fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let log = Arc::new(Mutex::new(Log { behaviour, requests: Vec::new() }));
        let shared = log.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away early is part of some tests.
                let _ = answer(stream, &shared);
            }
        });
        Self { endpoint, log }
    }

    fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.log.lock().expect("no test panics with it").behaviour);
    }

    /// What was asked for since the last call.
    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().expect("no test panics with it").requests)
    }
}

/// Reads one request, writes one answer, closes.
fn answer(mut stream: TcpStream, log: &Mutex<Log>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut range, mut authorization) = (None, String::new());
    for line in lines {
        let line = line?;
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("range") => range = Some(value.to_owned()),
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => value.clone_into(&mut authorization),
            Some(_) => {}
            None => break,
        }
    }
    let mut log = log.lock().expect("no test panics with it");
    log.requests.push(format!("{path} {} {authorization}", range.as_deref().unwrap_or("-")).trim_end().to_owned());
    let (head, body) = reply(&mut log.behaviour, &path, range.as_deref(), &authorization);
    drop(log);
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

/// Head and body of an answer.
fn reply(behaviour: &mut Behaviour, path: &str, range: Option<&str>, authorization: &str) -> (String, Vec<u8>) {
    let plain = |status: u16, body: &[u8]| {
        (format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()), body.to_vec())
    };
    if let Some(status) = behaviour.status {
        return plain(status, b"no");
    }
    if let Some(revision) = path.strip_prefix("/api/models/me/tiny/revision/") {
        let known = ["main", "v1", COMMIT].contains(&revision.trim_end_matches("?blobs=true"));
        return if behaviour.nonsense {
            plain(200, b"<html>")
        } else if known {
            plain(200, listing().as_bytes())
        } else {
            plain(404, b"no")
        };
    }
    let file = path.strip_prefix(&format!("/me/tiny/resolve/{COMMIT}/")).or_else(|| path.strip_prefix("/store/"));
    let Some(mut body) = file.and_then(|file| files().remove(file)) else { return plain(404, b"no") };
    if behaviour.token.is_some_and(|token| authorization != format!("Bearer {token}")) {
        return plain(401, b"no");
    }
    if let Some(address) = &behaviour.sent_on {
        let file = file.expect("it has a body");
        return (
            format!("HTTP/1.1 302 x\r\nLocation: {address}/store/{file}\r\nContent-Length: 0\r\n\r\n"),
            Vec::new(),
        );
    }
    if behaviour.damaged && file == Some(WEIGHTS) {
        body[7] ^= 1;
    }
    let from = range
        .filter(|_| !behaviour.no_ranges)
        .and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse::<usize>().ok());
    let (from, whole) = (from.unwrap_or(0), body.len());
    let status = if from > 0 { 206 } else { 200 };
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{whole}\r\nConnection: close\r\n\r\n",
        whole - from,
        whole - 1
    );
    body.drain(..from);
    if behaviour.endless && file == Some(WEIGHTS) {
        body.resize(body.len() + (8 << 20), 0);
        return ("HTTP/1.1 200 x\r\nConnection: close\r\n\r\n".to_owned(), body);
    }
    if behaviour.cuts > 0 && file == Some(WEIGHTS) {
        behaviour.cuts -= 1;
        body.truncate(body.len() / 2);
    }
    (head, body)
}

/// As the hub lists files: git's digest of a small one, SHA-256 of a large one.
fn listing() -> String {
    let of_file = |(name, bytes): (&str, Vec<u8>)| {
        let size = bytes.len();
        if name == WEIGHTS {
            let digest = Sha256::digest(bytes);
            let lfs = format!(r#"{{"sha256": "{digest:x}", "size": {size}, "pointerSize": 134}}"#);
            return format!(r#"{{"rfilename": "{name}", "size": {size}, "blobId": "{COMMIT}", "lfs": {lfs}}}"#);
        }
        let digest = sha1::Sha1::new_with_prefix(format!("blob {size}\0")).chain_update(bytes).finalize();
        format!(r#"{{"rfilename": "{name}", "size": {size}, "blobId": "{digest:x}"}}"#)
    };
    let files: Vec<String> = files().into_iter().map(of_file).collect();
    format!(r#"{{"id": "me/tiny", "sha": "{COMMIT}", "siblings": [{}]}}"#, files.join(", "))
}

struct Client {
    hub: Hub,
    _folder: tempfile::TempDir,
}

impl Client {
    fn of(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cache = folder.path().join("hub");
        let hub = Hub { cache, endpoint: endpoint.to_owned(), token: None, offline: false };
        Self { hub, _folder: folder }
    }

    /// Fetches configuration and weights; the README is not wanted.
    fn fetch(&self, model: &str) -> Result<Fetched, HubError> {
        let wanted = |_: &[&str]| vec!["config.json".to_owned(), WEIGHTS.to_owned(), "not/there".to_owned()];
        self.hub.fetch(&model.parse()?, wanted, &mut |_| ControlFlow::Continue(()))
    }

    /// Expects an error whose sentence has all of these in it, and no file that could be taken for
    /// whole.
    #[track_caller]
    fn check_error(&self, model: &str, want: &[&str]) {
        let message = self.fetch(model).expect_err(model).to_string();
        assert!(want.iter().all(|want| message.contains(want)), "{message}");
        assert_eq!(message.lines().count(), 1);
        let weights = self.hub.cache.join("models--me--tiny/snapshots").join(COMMIT).join(WEIGHTS);
        assert!(!weights.exists(), "{message}");
    }
}

#[track_caller]
fn check_whole(fetched: &Fetched) {
    assert_eq!(fetched.revision, COMMIT);
    for file in ["config.json", WEIGHTS] {
        let bytes = std::fs::read(fetched.folder.join(file)).expect(file);
        assert!(bytes == files()[file], "{file} differs");
    }
    assert!(!fetched.folder.join("README.md").exists());
    let blobs = fetched.folder.join("../../blobs");
    let names = blobs.read_dir().expect("a cache").map(|entry| entry.expect("readable").file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with(".incomplete")));
}

#[test]
fn a_model_is_fetched_once_and_then_offline() {
    let server = Server::start(Behaviour::default());
    let mut client = Client::of(&server.endpoint);
    let mut told = Vec::new();
    let wanted = |names: &[&str]| names.iter().filter(|name| **name != "README.md").map(|n| (*n).to_owned()).collect();
    let model: ModelId = "me/tiny@v1".parse().expect("a model");
    let fetched = client.hub.fetch(&model, wanted, &mut |p| {
        told.push((p.file.to_owned(), p.done, p.total));
        ControlFlow::Continue(())
    });
    check_whole(&fetched.expect("a good server"));
    assert_eq!(told.last(), Some(&(WEIGHTS.to_owned(), 300_000, Some(300_000))));
    assert_eq!(server.requests().len(), 3);
    // Again: the list alone is asked for.
    check_whole(&client.fetch("me/tiny").expect("a good server"));
    assert_eq!(server.requests(), ["/api/models/me/tiny/revision/main?blobs=true -"]);
    client.hub.offline = true;
    for revision in ["", "@v1", "@main", &format!("@{COMMIT}")] {
        check_whole(&client.fetch(&format!("me/tiny{revision}")).expect("it is in the cache"));
    }
    assert!(server.requests().is_empty());
    client.hub.cache.push("elsewhere");
    client.check_error("me/tiny", &["not in the cache", "HF_HUB_OFFLINE", "local folder"]);
}

#[test]
fn a_cut_transfer_continues_where_it_broke_off() {
    let server = Server::start(Behaviour { cuts: 2, ..Behaviour::default() });
    let client = Client::of(&server.endpoint);
    check_whole(&client.fetch("me/tiny").expect("the third attempt"));
    let ranges: Vec<String> = server.requests().into_iter().filter(|request| request.contains("bytes=")).collect();
    let request = |from| format!("/me/tiny/resolve/{COMMIT}/{WEIGHTS} bytes={from}-");
    assert_eq!(ranges, [request(150_000), request(225_000)]);
}

#[test]
fn a_transfer_that_is_ended_continues_next_time() {
    let server = Server::start(Behaviour::default());
    let client = Client::of(&server.endpoint);
    let wanted = |_: &[&str]| vec![WEIGHTS.to_owned()];
    let model: ModelId = "me/tiny".parse().expect("a model");
    let mut at_first_bytes =
        |p: Progress<'_>| if p.done > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let error = client.hub.fetch(&model, wanted, &mut at_first_bytes).expect_err("it was ended");
    let HubError::Stopped { got, want: Some(300_000), .. } = error else { panic!("{error}") };
    assert!(error.to_string().contains("continue from there"), "{error}");
    server.requests();
    check_whole(&client.fetch("me/tiny").expect("a good server"));
    assert!(server.requests().iter().any(|request| request.ends_with(&format!("bytes={got}-"))));
}

#[test]
fn half_a_file_is_kept_apart_until_it_is_whole() {
    // A server that cuts every time and ignores ranges never comes to an end.
    let server = Server::start(Behaviour { cuts: usize::MAX, no_ranges: true, ..Behaviour::default() });
    let client = Client::of(&server.endpoint);
    client.check_error("me/tiny", &["150000 of 300000 bytes", "run the command again"]);
    server.behave(|b| (b.cuts, b.no_ranges) = (0, false));
    server.requests();
    check_whole(&client.fetch("me/tiny").expect("a good server"));
    assert!(server.requests().iter().any(|request| request.ends_with("bytes=150000-")));
    // A file of another length under the final name is not ours.
    let path = client.hub.cache.join("models--me--tiny/snapshots").join(COMMIT).join(WEIGHTS);
    std::fs::remove_file(&path).and_then(|()| std::fs::write(&path, "half")).expect("writable");
    check_whole(&client.fetch("me/tiny").expect("a good server"));
}

#[test]
fn two_programs_at_once_do_not_mix() {
    let server = Server::start(Behaviour { cuts: 2, ..Behaviour::default() });
    let client = Client::of(&server.endpoint);
    std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| client.fetch("me/tiny")));
        for fetched in both {
            check_whole(&fetched.join().expect("no panic").expect("a good server"));
        }
    });
}

#[test]
fn what_arrives_damaged_is_deleted() {
    let server = Server::start(Behaviour { damaged: true, ..Behaviour::default() });
    let client = Client::of(&server.endpoint);
    client.check_error("me/tiny", &[WEIGHTS, "SHA-256", "deleted"]);
    // Another program may wait for the lock of this very file.
    assert_eq!(part_of_weights(&client).metadata().expect("the part").len(), 0);
    // A file under the name of a part that is not one is found out too.
    server.behave(|b| b.damaged = false);
    check_whole(&client.fetch("me/tiny").expect("a good server"));
}

/// What there is of the weights before they are whole.
fn part_of_weights(client: &Client) -> PathBuf {
    let digest = Sha256::digest(&files()[WEIGHTS]);
    client.hub.cache.join("models--me--tiny/blobs").join(format!("{digest:x}.incomplete"))
}

#[test]
fn a_body_without_an_end_does_not_fill_the_disk() {
    let server = Server::start(Behaviour { endless: true, ..Behaviour::default() });
    let client = Client::of(&server.endpoint);
    client.check_error("me/tiny", &[WEIGHTS, "length 300001", "lists 300000"]);
    server.behave(|b| b.endless = false);
    check_whole(&client.fetch("me/tiny").expect("a good server"));
}

#[test]
fn waiting_for_another_program_can_be_ended() {
    let server = Server::start(Behaviour::default());
    let client = Client::of(&server.endpoint);
    let path = part_of_weights(&client);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
    let other = std::fs::File::create(&path).expect("writable");
    other.lock().expect("nobody else has it");
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let model: ModelId = "me/tiny".parse().expect("a model");
        let mut told = 0;
        let fetched = client.hub.fetch(&model, |_| vec![WEIGHTS.to_owned()], &mut |p| {
            told += 1;
            assert_eq!((p.done, p.total), (0, Some(300_000)));
            if told == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        // Nobody may be there to hear it any more.
        let _ = send.send(fetched.map_err(|error| error.to_string()));
    });
    let fetched = receive.recv_timeout(Duration::from_secs(30)).expect("it does not wait for ever");
    assert!(fetched.expect_err("it was ended").contains("was stopped at 0 of 300000 bytes"));
    drop(other);
}

#[test]
fn refusals_say_what_to_do() {
    let check = |status: u16, want: &[&str]| {
        let server = Server::start(Behaviour { status: Some(status), ..Behaviour::default() });
        Client::of(&server.endpoint).check_error("me/tiny", want);
    };
    check(401, &["me/tiny@main", "401", "set HF_TOKEN", "local folder"]);
    check(403, &["403", "set HF_TOKEN"]);
    check(404, &["has no model me/tiny@main", "local folder"]);
    check(503, &["503", "try again later"]);
    let server = Server::start(Behaviour { nonsense: true, ..Behaviour::default() });
    Client::of(&server.endpoint).check_error("me/tiny", &["HF_ENDPOINT"]);
    Client::of(&server.endpoint).check_error("me/tiny@v2", &["HF_ENDPOINT"]);
    server.behave(|b| b.nonsense = false);
    Client::of(&server.endpoint).check_error("me/tiny@v2", &["has no model me/tiny@v2"]);
}

#[test]
fn a_token_opens_gated_models_and_stays_with_the_hub() {
    let server = Server::start(Behaviour { token: Some("hf_x"), ..Behaviour::default() });
    let mut client = Client::of(&server.endpoint);
    client.check_error("me/tiny", &["refuses me/tiny@main", "set HF_TOKEN"]);
    client.hub.token = Some("hf_wrong".to_owned());
    client.check_error("me/tiny", &["refuses me/tiny@main", "may not read it"]);
    client.hub.token = Some("hf_x".to_owned());
    // The bytes lie at another host, which must not see the token.
    let store = Server::start(Behaviour::default());
    server.behave(|b| b.sent_on = Some(store.endpoint.replace("127.0.0.1", "localhost")));
    check_whole(&client.fetch("me/tiny").expect("the right token"));
    assert_eq!(store.requests(), ["/store/config.json -", &format!("/store/{WEIGHTS} -")]);
    assert!(!format!("{:?}", client.hub).contains("hf_x"));
}

#[test]
fn without_a_network_the_way_out_is_named() {
    let server = Server::start(Behaviour::default());
    let mut client = Client::of(&server.endpoint);
    check_whole(&client.fetch("me/tiny").expect("a good server"));
    // Nothing listens there: the listener is closed when it is dropped.
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    client.hub.endpoint = format!("http://{closed}");
    let message = client.fetch("me/tiny").expect_err("nobody is there").to_string();
    let want = format!("cannot reach http://{closed}");
    assert!(message.starts_with(&want) && message.contains(&format!("HF_HUB_OFFLINE=1 to use revision {COMMIT}")));
    Client::of(&client.hub.endpoint).check_error("me/tiny", &["check the network or HF_ENDPOINT", "local folder"]);
}

#[test]
fn names_are_owner_slash_name() {
    let check = |text: &str, want: Option<(&str, &str)>| {
        let got = text.parse::<ModelId>().ok().map(|id| (id.name, id.revision));
        assert_eq!(got.as_ref().map(|(name, revision)| (name.as_str(), revision.as_str())), want, "{text}");
    };
    check("me/tiny", Some(("me/tiny", "main")));
    check("me/tiny-1.0_x@refs/pr/1", Some(("me/tiny-1.0_x", "refs/pr/1")));
    for text in ["", "tiny", "a/b/c", "/b", "a/", "../b", "a/..", "./b", "a/b@", "a/b@../x", "a b/c", "a/b?x", "a/b@x/"]
    {
        check(text, None);
    }
}
