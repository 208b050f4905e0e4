//! Whose turn it is in the queue, as batches of names. Beside `queue.rs`, since loom builds that
//! file, and these tests need no order of threads.

use crate::queue::{Ahead, Length, Queue, Waits};

/// A post, such as `a1:4`: of request `a`, with four pieces. Requests in capitals go with each
/// other alone; the client of a post with an exclamation mark has gone.
#[derive(Debug)]
struct Post(&'static str);

impl Post {
    fn name(&self) -> &'static str {
        self.0.split(':').next().expect("a name")
    }
}

impl Waits for Post {
    fn pieces(&self) -> usize {
        let number = self.0.split(':').nth(1).expect("pieces");
        number.trim_end_matches('!').parse().expect("a number")
    }

    fn words(&self) -> usize {
        1
    }

    fn is_gone(&self) -> bool {
        self.0.ends_with('!')
    }

    fn goes_with(&self, other: &Self) -> bool {
        self.0.starts_with(char::is_uppercase) == other.0.starts_with(char::is_uppercase)
    }
}

/// The batches, of at most eight pieces, that one of so many workers gets of these requests.
#[track_caller]
fn check(requests: &[&'static str], workers: usize, want: &[&str]) {
    let queue = Queue::new(Length { posts: 100, words: 100 });
    for &request in requests {
        queue.push(request.split(' ').map(Post).collect()).expect("room");
    }
    queue.close();
    let mut batches = Vec::new();
    while let Some(batch) = queue.take(8, workers) {
        batches.push(batch.entries.iter().map(Post::name).collect::<Vec<_>>().join(" "));
    }
    assert_eq!(batches, want, "{requests:?}");
    assert_eq!((queue.length(), queue.pieces()), (Length::default(), Ahead::default()));
}

#[test]
fn a_list_alone_is_taken_in_order() {
    check(&["a1:4 a2:4 a3:4"], 1, &["a1 a2", "a3"]);
    check(&["a1:100 a2:1"], 1, &["a1", "a2"]);
    check(&["a1:3 a2:3"], 2, &["a1", "a2"]);
}

#[test]
fn a_short_request_does_not_wait_for_a_list() {
    check(&["a1:6 a2:6 a3:6", "b1:1"], 1, &["a1 b1", "a2", "a3"]);
    check(&["a1:2 a2:2 a3:2 a4:2", "b1:2 b2:2 b3:2 b4:2"], 1, &["a1 a2 b1 b2", "a3 a4 b3 b4"]);
    check(&["a1:1 a2:1 a3:1 a4:1 a5:1 a6:1 a7:1 a8:1", "b1:1"], 1, &["a1 a2 a3 a4 b1 a5 a6 a7", "a8"]);
}

#[test]
fn whoever_finds_no_room_is_first_in_the_next_batch() {
    check(&["a1:5 a2:5", "b1:5 b2:5", "c1:1"], 1, &["a1", "b1 c1", "a2", "b2"]);
}

#[test]
fn what_does_not_go_together_keeps_its_turn() {
    check(&["a1:2", "B1:2", "c1:2"], 1, &["a1 c1", "B1"]);
    check(&["a1:4 a2:4 a3:4", "B1:4", "C1:4"], 1, &["a1 a2", "B1 C1", "a3"]);
}

#[test]
fn posts_whose_client_has_gone_take_no_turn() {
    check(&["a1:8! a2:8!", "b1:2 b2:2!", "c1:2"], 1, &["b1 c1"]);
}

#[test]
fn what_is_computed_counts_until_its_batch_is_dropped() {
    let queue = Queue::new(Length { posts: 100, words: 100 });
    queue.push(vec![Post("a1:4"), Post("a2:4"), Post("a3:4")]).expect("room");
    let batch = queue.take(8, 1).expect("two posts");
    assert_eq!(queue.pieces(), Ahead { posts: 1, waiting: 4, at_work: 8 });
    drop(batch);
    assert_eq!(queue.pieces(), Ahead { posts: 1, waiting: 4, at_work: 0 });
}
