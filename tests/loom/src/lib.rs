//! The queue of the service with loom's locks in place of the standard library's. A test is run
//! once for every order in which its threads can come by, with at most three interruptions of a
//! thread that could continue; loom fails it if in one of them they wait for each other, or for
//! nobody, for ever.
//!
//! `cd tests/loom && cargo test --release`; `.ci/run` does it.
#![cfg(test)]

#[path = "../../../crates/smvae-serve/src/queue.rs"]
#[allow(dead_code)]
mod queue;

/// The locks that `queue.rs` takes.
mod sync {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

use loom::sync::Arc;
use loom::thread;
use queue::{Length, Queue, Waits};

/// A post of one piece and one word.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Post {
    id: usize,
    is_gone: bool,
}

impl Waits for Post {
    fn pieces(&self) -> usize {
        1
    }

    fn words(&self) -> usize {
        1
    }

    fn is_gone(&self) -> bool {
        self.is_gone
    }

    fn goes_with(&self, _: &Self) -> bool {
        true
    }
}

/// Faults of locks show with one or two interruptions; without a bound the orders are millions.
fn every_order(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

fn post(id: usize) -> Post {
    Post { id, is_gone: false }
}

fn queue() -> Arc<Queue<Post>> {
    Arc::new(Queue::new(Length { posts: 8, words: 8 }))
}

/// Takes batches of at most two posts until the queue has ended; the ids, and how many were
/// dropped.
fn work(queue: &Queue<Post>, workers: usize) -> (Vec<usize>, usize) {
    let (mut ids, mut n_dropped) = (Vec::new(), 0);
    while let Some(batch) = queue.take(2, workers) {
        assert!((1..=workers).contains(&batch.busy), "{} of {workers} at work", batch.busy);
        ids.extend(batch.entries.iter().map(|post| post.id));
        n_dropped += batch.dropped;
    }
    (ids, n_dropped)
}

#[test]
fn every_post_is_taken_once_and_workers_end() {
    every_order(|| {
        let queue = queue();
        let start = |queue: Arc<Queue<Post>>| thread::spawn(move || work(&queue, 2));
        let workers = [start(Arc::clone(&queue)), start(Arc::clone(&queue))];
        queue.push(vec![post(0), post(1)]).expect("room");
        queue.push(vec![post(2)]).expect("room");
        queue.close();
        let mut ids: Vec<usize> = workers.into_iter().flat_map(|worker| worker.join().expect("ends").0).collect();
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2]);
        assert_eq!(queue.length(), Length::default());
    });
}

#[test]
fn a_worker_that_waits_hears_of_a_post() {
    every_order(|| {
        let queue = queue();
        let worker = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.take(2, 1).expect("not closed").entries.len())
        };
        queue.push(vec![post(0)]).expect("room");
        assert_eq!(worker.join().expect("ends"), 1);
    });
}

#[test]
fn posts_of_two_clients_are_all_taken_and_those_that_left_are_counted() {
    every_order(|| {
        let queue = queue();
        let client = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.push(vec![post(0), Post { id: 1, is_gone: true }]).expect("room"))
        };
        let worker = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || work(&queue, 1))
        };
        queue.push(vec![post(2)]).expect("room");
        client.join().expect("ends");
        queue.close();
        let (mut ids, n_dropped) = worker.join().expect("ends");
        ids.sort_unstable();
        assert_eq!((ids, n_dropped), (vec![0, 2], 1));
    });
}

#[test]
fn a_full_queue_refuses_all_of_a_request_in_whatever_order_clients_come() {
    every_order(|| {
        let queue: Arc<Queue<Post>> = Arc::new(Queue::new(Length { posts: 2, words: 8 }));
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.push(vec![post(0), post(1)]).is_ok())
        };
        let mine = queue.push(vec![post(2), post(3)]).is_ok();
        let others = other.join().expect("ends");
        assert!(mine != others, "one of them has room, and one has not");
        assert_eq!(queue.length(), Length { posts: 2, words: 2 });
    });
}
