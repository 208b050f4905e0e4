//! A service from its start to its end: what is admitted is answered, whatever happens meanwhile.

use crate::support::{PREDICT, Reply, connect, metric, predict, read_all, request, send, start, until};
use smvae::Post;
use smvae_serve::{ModelSource, Service, Settings};
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn a_panic_is_one_answer_and_not_the_end() {
    fn fault(post: &Post) {
        assert!(!post.text().contains("panic"), "a test asked for it");
        if post.text() == "slow" {
            std::thread::sleep(Duration::from_millis(300));
        }
    }
    let service = start(|settings| {
        settings.fault = Some(fault);
        settings.workers = Some(1);
    });
    assert_eq!(predict(&service, r#"{"text": "panic"}"#).status, 500);
    let error = predict(&service, r#"[{"text": "a"}, {"text": "b"}, {"text": "panic"}]"#).json()["error"].clone();
    assert_eq!(error["post"], 2);
    // Those that came into the same batch are answered.
    std::thread::scope(|scope| {
        let asked = |text: &str| {
            let (body, service) = (format!(r#"{{"text": "{text}"}}"#), &service);
            scope.spawn(move || predict(service, &body).status)
        };
        let slow = asked("slow");
        std::thread::sleep(Duration::from_millis(50));
        let together: Vec<_> = ["a", "panic", "b", "c"].into_iter().map(asked).collect();
        let mut statuses: Vec<u16> = together.into_iter().map(|thread| thread.join().expect("an answer")).collect();
        statuses.sort_unstable();
        assert_eq!((slow.join().expect("an answer"), statuses), (200, vec![200, 200, 200, 500]));
    });
    assert_eq!(metric(&service, "smvae_panics_total"), 3.0);
    assert_eq!(predict(&service, r#"{"text": "a"}"#).status, 200);
}

#[test]
fn workers_share_a_list() {
    static AT_WORK: AtomicUsize = AtomicUsize::new(0);
    fn fault(_: &Post) {
        AT_WORK.fetch_add(1, Ordering::SeqCst);
        until("both posts are computed at a time", || AT_WORK.load(Ordering::SeqCst) == 2);
    }
    let service = start(|settings| {
        settings.fault = Some(fault);
        settings.workers = Some(2);
    });
    assert_eq!(predict(&service, r#"[{"text": "a"}, {"text": "b"}]"#).status, 200);
    assert_eq!(metric(&service, "smvae_batch_posts_count"), 2.0);
}

#[test]
fn a_short_request_does_not_wait_for_the_whole_of_a_list() {
    static COMPUTED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static OPEN: AtomicBool = AtomicBool::new(false);
    fn fault(post: &Post) {
        COMPUTED.lock().expect("no thread panics with it").push(post.text().to_owned());
        while !OPEN.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let service = start(|settings| {
        settings.fault = Some(fault);
        settings.workers = Some(1);
        settings.limits.batch_pieces = Some(1);
    });
    let mut list = connect_and_send(&service, &format!("[{}]", [r#"{"text": "of a list"}"#; 30].join(",")));
    until("all but the first of the list wait", || metric(&service, "smvae_queue_posts") == 29.0);
    let mut short = connect_and_send(&service, r#"{"text": "short"}"#);
    until("both requests wait", || metric(&service, "smvae_queue_posts") == 30.0);
    OPEN.store(true, Ordering::SeqCst);
    assert_eq!(Reply::read(&read_all(&mut short)).status, 200);
    assert_eq!(Reply::read(&read_all(&mut list)).status, 200);
    let computed = COMPUTED.lock().expect("no thread panics with it");
    let place = computed.iter().position(|text| text == "short");
    assert!(place.is_some_and(|place| place < 4), "{computed:?}");
}

#[test]
fn whoever_has_gone_costs_nothing() {
    static COMPUTED: AtomicUsize = AtomicUsize::new(0);
    static OPEN: AtomicBool = AtomicBool::new(false);
    fn fault(post: &Post) {
        COMPUTED.fetch_add(1, Ordering::SeqCst);
        while post.text() == "wait" && !OPEN.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let service = start(|settings| {
        settings.fault = Some(fault);
        settings.workers = Some(1);
        (settings.limits.posts, settings.limits.queue_posts) = (10, 20);
    });
    let busy = connect_and_send(&service, r#"{"text": "wait"}"#);
    until("the model is busy", || COMPUTED.load(Ordering::SeqCst) == 1);
    let list = format!("[{}]", [r#"{"text": "a"}"#; 10].join(","));
    let gone: Vec<_> = (0..2).map(|_| connect_and_send(&service, &list)).collect();
    until("they wait", || metric(&service, "smvae_queue_posts") == 20.0);
    drop(gone);
    // Their places are free for others, although the model is still busy.
    until("they are noticed", || {
        let open = "smvae_requests_total{route=\"/v1/predict\",status=\"499\",code=\"client_gone\"}";
        send(&service, "GET /metrics", b"").body.contains(open) && metric(&service, open) == 2.0
    });
    std::thread::scope(|scope| {
        let other = scope.spawn(|| predict(&service, r#"{"text": "b"}"#).status);
        until("it has a place", || metric(&service, "smvae_queue_posts") == 1.0);
        OPEN.store(true, Ordering::SeqCst);
        assert_eq!(other.join().expect("an answer"), 200);
    });
    assert_eq!(COMPUTED.load(Ordering::SeqCst), 2, "the one that waited and the one that came last");
    assert_eq!(metric(&service, "smvae_posts_dropped_total"), 20.0);
    drop(busy);
}

fn connect_and_send(service: &Service, body: &str) -> std::net::TcpStream {
    let mut stream = connect(service.address());
    stream.write_all(&request(PREDICT, body.as_bytes())).expect("it reads");
    stream
}

#[test]
fn a_run_is_loaded_anew_without_losing_a_request() {
    let service = start(|_| ());
    let done = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let reply = predict(&service, r#"[{"text": "Ana in Oslo"}, {"text": "b"}]"#);
                    assert_eq!(reply.status, 200, "{reply:?}");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for _ in 0..5 {
            let before = answered.load(Ordering::SeqCst);
            assert!(service.reload().expect("the run is still there").is_some());
            until("requests are answered meanwhile", || answered.load(Ordering::SeqCst) > before);
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(metric(&service, "smvae_reloads_total{outcome=\"loaded\"}"), 5.0);
}

#[test]
fn a_service_that_is_told_to_end_answers_what_it_admitted() {
    fn fault(_: &Post) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let service = start(|settings| {
        settings.fault = Some(fault);
        settings.limits.batch_pieces = Some(1);
    });
    let streams: Vec<_> = (0..10).map(|_| connect_and_send(&service, r#"{"text": "a"}"#)).collect();
    // An idle connection does not keep it.
    let idle = connect(service.address());
    until("all are admitted", || metric(&service, "smvae_queue_posts") + metric(&service, "smvae_posts_total") >= 9.0);
    let start = Instant::now();
    service.drain();
    service.wait().expect("it ends");
    for mut stream in streams {
        assert_eq!(Reply::read(&read_all(&mut stream)).status, 200);
    }
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    drop(idle);
}

#[test]
fn drain_time_is_a_limit() {
    static OPEN: AtomicBool = AtomicBool::new(false);
    fn fault(_: &Post) {
        while !OPEN.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let service = start(|settings| {
        settings.fault = Some(fault);
        settings.limits.drain_time = Duration::from_millis(50);
        settings.limits.request_time = Duration::from_millis(400);
    });
    let mut stream = connect_and_send(&service, r#"{"text": "a"}"#);
    std::thread::sleep(Duration::from_millis(50));
    service.drain();
    assert_ne!(Reply::read(&read_all(&mut stream)).status, 200);
    OPEN.store(true, Ordering::SeqCst);
    service.wait().expect("it ends");
}

#[test]
fn what_keeps_a_service_from_starting_is_said() {
    let fails = |source: ModelSource, change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::default();
        settings.address.set_port(0);
        change(&mut settings);
        Service::start(source, settings).expect_err("it cannot start").to_string()
    };
    let folder = std::env::temp_dir().join("no-such-run");
    assert!(
        fails(ModelSource::of(folder), &|_| ()).ends_with("no-such-run is not a run folder: config.json is missing")
    );
    let limits = fails(crate::support::source(), &|settings| settings.limits.posts = 0);
    assert_eq!(limits, "the setting `posts` must be at least 1, got 0");
    // What is large is no such thing.
    let service = start(|settings| {
        let limits = &mut settings.limits;
        (limits.all_bytes, limits.pictures, limits.connections) = (usize::MAX, usize::MAX, usize::MAX);
    });
    let address = service.address();
    let error = fails(crate::support::source(), &|settings| settings.address = address);
    assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
}
