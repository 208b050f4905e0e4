//! A stream of posts: order, bounds, bits, and how it ends.

use crate::fixture::{Fixture, load, small, small_with};
use smvae::{Config, Post, PredictionStream, Predictor, StreamSettings};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// A trained model and posts of all lengths.
fn model() -> (Fixture, Arc<Predictor>, Vec<Post>) {
    model_of(&small())
}

fn model_of(config: &Config) -> (Fixture, Arc<Predictor>, Vec<Post>) {
    let fixture = Fixture::new();
    let images = Some(&fixture.images);
    let folder = fixture.train("run", config, images).expect("a run").folder;
    let predictor = load(folder).expect("a complete folder");
    let predictor = predictor.with_images(fixture.images.clone(), smvae::ImageTrust::Recorded).expect("its own");
    let long = "word Zarko ".repeat(400);
    let texts = ["", "http://t.co/x", "go", "Oslo", "met Zarko", &long];
    let of_corpus: Vec<Post> = fixture.corpus.test.iter().map(Post::from).collect();
    let posts = (0..120).map(|i| match i % 8 {
        0..6 => predictor.post(texts[i % 8]),
        _ => of_corpus[i % of_corpus.len()].clone(),
    });
    let posts = posts.collect();
    (fixture, Arc::new(predictor), posts)
}

#[test]
fn no_bit_of_an_answer_depends_on_the_posts_beside_it() {
    check_bits(&small());
    // As the authors' presets have it.
    check_bits(&small_with(|config| config.model.quirks.sampled_evaluation = true));
}

#[track_caller]
fn check_bits(config: &Config) {
    let (_fixture, predictor, posts) = model_of(config);
    let alone: Vec<_> = posts.iter().map(|post| predictor.predict_one(post).expect("a valid post")).collect();
    assert!(alone.iter().any(|found| !found.entities.is_empty()), "there is something to compare");
    assert_eq!(predictor.predict(&posts).expect("valid posts"), alone);
    for (window, threads) in [(1, 1), (3, 2), (7, 1), (50, 3), (4096, 2)] {
        let settings = StreamSettings::default().with_window(window).with_threads(threads);
        let stream = predictor.stream_with(posts.clone(), &settings);
        let (read, found): (Vec<Post>, Vec<_>) =
            stream.map(|(post, found)| (post, found.expect("a valid post"))).unzip();
        assert!(read == posts && found == alone, "a window of {window}, {threads} threads");
    }
}

#[test]
fn no_more_posts_are_in_memory_than_the_window_has() {
    let (_fixture, predictor, posts) = model();
    let read = Arc::new(AtomicUsize::new(0));
    let check = |settings: StreamSettings, most: usize| {
        read.store(0, Ordering::SeqCst);
        let of_reader = read.clone();
        let counted = posts.clone().into_iter().cycle().take(1000).inspect(move |_| {
            of_reader.fetch_add(1, Ordering::SeqCst);
        });
        let (mut taken, mut largest) = (0, 0);
        for (_, found) in predictor.stream_with(counted, &settings) {
            found.expect("a valid post");
            largest = largest.max(read.load(Ordering::SeqCst) - taken);
            taken += 1;
        }
        assert_eq!(taken, 1000);
        // One more is in the reader's hand, and one in ours.
        assert!(largest <= most + 2, "{largest} posts were in memory, of at most {most}");
    };
    check(StreamSettings::default().with_window(10), 10);
    check(StreamSettings::default().with_window(100), 100);
    // Of long posts, fewer.
    let mut short = StreamSettings::default();
    short.window_pieces = 1700;
    check(short, 20);
}

#[test]
fn what_was_read_is_answered_while_the_input_waits() {
    let (_fixture, predictor, posts) = model();
    let (sender, receiver) = mpsc::channel::<Post>();
    let mut stream = predictor.stream(receiver);
    for post in &posts[..5] {
        sender.send(post.clone()).expect("the stream reads");
        // The sender is still there: more could come.
        assert_eq!(stream.next().expect("an answer").0, *post);
    }
    drop(sender);
    assert!(stream.next().is_none() && stream.next().is_none());
}

#[test]
fn a_stream_can_be_stopped_while_its_input_waits() {
    let (_fixture, predictor, posts) = model();
    let (sender, receiver) = mpsc::channel::<Post>();
    let mut stream: PredictionStream<Post> = predictor.stream(receiver);
    let stop = stream.stopper();
    sender.send(posts[0].clone()).expect("the stream reads");
    assert!(stream.next().is_some());
    let stopper = std::thread::spawn(stop);
    assert!(stream.next().is_none(), "though the sender lives");
    stopper.join().expect("no panic");
    drop(sender);
}

#[test]
fn a_panic_of_the_input_is_the_consumers() {
    let (_fixture, predictor, posts) = model();
    let bad = posts.into_iter().enumerate().map(|(i, post)| if i == 20 { panic!("of the input") } else { post });
    let consumed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| predictor.stream(bad).count()));
    assert_eq!(consumed.expect_err("a panic").downcast_ref(), Some(&"of the input"));
}
