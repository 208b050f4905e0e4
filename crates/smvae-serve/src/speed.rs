//! How fast the model is at work, and so how long it takes for what waits.
//!
//! Speed is counted in pieces per second of all workers together, as
//! [`Post::weight`](smvae::Post::weight) estimates pieces. It is measured before the first request
//! and when another model is loaded, and again with every batch that is large enough to tell
//! something.

use crate::model::Model;
use rayon::ThreadPoolBuilder;
use smvae::{Post, Predictor};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// What is read to measure a model: as long as many posts are.
const TEXT: &str = "RT @ana: Lady Gaga lands in Oslo tonight, and half of the city waits for her in front of \
    the Opera House, says Reuters. #oslo #music http://t.co/x1y2z3";
/// How much the last batch counts against those before it.
const SHARE_OF_THE_LAST: f64 = 0.2;

/// Pieces per second.
#[derive(Debug)]
pub(crate) struct Speed {
    /// Pieces of a full batch.
    batch: usize,
    /// A moving mean, as the bits of an `f64`; 0 where nothing is known.
    mean: AtomicU64,
}

impl Speed {
    /// Nothing is known yet.
    pub(crate) fn new(batch: usize) -> Self {
        Self { batch, mean: AtomicU64::new(0) }
    }

    /// Pieces of a full batch.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// Measures a model before it is given requests. All workers compute at a time, each on one
    /// thread, as they do for a long list. A model that fails tells nothing, nor do threads that
    /// the system does not give.
    pub(crate) fn measure(&self, model: &Model, workers: usize) {
        let post = model.predictor.post(TEXT);
        let weight = post.weight(None);
        let posts = vec![post; self.least_that_tells().div_ceil(weight).max(1)];
        let work = || time_of(&model.predictor, &posts, workers > 1);
        let times: Vec<Option<Duration>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| Builder::new().spawn_scoped(scope, work)).collect();
            threads.into_iter().map(|thread| thread.ok()?.join().ok().flatten()).collect()
        });
        let times: Option<Vec<Duration>> = times.into_iter().collect();
        if let Some(longest) = times.and_then(|times| times.into_iter().max()) {
            self.note(posts.len() * weight, longest, workers);
        }
    }

    /// Forgets what is known, and takes over what another one knows.
    pub(crate) fn replace(&self, other: &Self) {
        self.mean.store(other.mean().to_bits(), Ordering::Relaxed);
    }

    /// A batch of so many pieces took so long, and so many can be computed like it side by side.
    ///
    /// How many others were really at work is not asked: of workers that start together, the first
    /// one to take a batch would find itself alone.
    pub(crate) fn note(&self, pieces: usize, time: Duration, side_by_side: usize) {
        let (now, before) = ((pieces * side_by_side) as f64 / time.as_secs_f64().max(1e-6), self.mean());
        // What a batch costs beside its pieces makes a small one look slow.
        if pieces < self.least_that_tells() && (before == 0.0 || now <= before) {
            return;
        }
        let mean = if before == 0.0 { now } else { (1.0 - SHARE_OF_THE_LAST) * before + SHARE_OF_THE_LAST * now };
        self.mean.store(mean.to_bits(), Ordering::Relaxed);
    }

    /// How long so many pieces take; nothing where no speed is known.
    pub(crate) fn time_for(&self, pieces: usize) -> Duration {
        let mean = self.mean();
        if mean > 0.0 { Duration::from_secs_f64(pieces as f64 / mean) } else { Duration::ZERO }
    }

    /// When so many pieces will have been computed, in whole seconds from 1 to 60.
    pub(crate) fn seconds_for(&self, pieces: usize) -> u64 {
        self.time_for(pieces).as_secs_f64().ceil().clamp(1.0, 60.0) as u64
    }

    fn mean(&self) -> f64 {
        f64::from_bits(self.mean.load(Ordering::Relaxed))
    }

    fn least_that_tells(&self) -> usize {
        self.batch / 4
    }
}

/// How long posts take when they were computed once before. `None` if the model fails.
fn time_of(predictor: &Predictor, posts: &[Post], on_one_thread: bool) -> Option<Duration> {
    let compute = || predictor.predict_each(posts).iter().all(Result::is_ok);
    let time = || {
        // The first time takes longer: memory comes from the system, a GPU is given its kernels.
        let is_fine = compute();
        let start = Instant::now();
        (is_fine && compute()).then(|| start.elapsed())
    };
    if on_one_thread { ThreadPoolBuilder::new().num_threads(1).build().ok()?.install(time) } else { time() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches as (pieces, milliseconds, batches side by side), of 1000 pieces where they are full,
    /// and the milliseconds that 1000 pieces are expected to take then.
    #[track_caller]
    fn check(batches: &[(usize, u64, usize)], want: u128) {
        let speed = Speed::new(1000);
        for &(pieces, milliseconds, side_by_side) in batches {
            speed.note(pieces, Duration::from_millis(milliseconds), side_by_side);
        }
        assert_eq!(speed.time_for(1000).as_millis(), want, "{batches:?}");
    }

    #[test]
    fn speed_is_a_moving_mean_of_batches_that_tell_something() {
        check(&[], 0);
        check(&[(1000, 500, 1)], 500);
        check(&[(1000, 500, 4)], 125);
        check(&[(500, 250, 1)], 500);
        // 0.8 of 2000 pieces a second, and 0.2 of 12000.
        check(&[(1000, 500, 1), (600, 50, 1)], 250);
        check(&[(1000, 500, 1), (3, 250, 1)], 500);
        // A small one that is fast is believed.
        check(&[(1000, 500, 1), (120, 10, 1)], 250);
    }

    #[test]
    fn the_speed_of_another_model_is_not_mixed_with_the_old_one() {
        let (speed, other) = (Speed::new(1000), Speed::new(1000));
        speed.note(1000, Duration::from_millis(500), 1);
        other.note(1000, Duration::from_millis(250), 1);
        speed.replace(&other);
        assert_eq!(speed.time_for(1000).as_millis(), 250);
    }

    #[test]
    fn one_small_batch_alone_tells_nothing() {
        let speed = Speed::new(1000);
        speed.note(3, Duration::from_millis(250), 1);
        assert_eq!(speed.time_for(1000), Duration::ZERO);
        assert_eq!(speed.seconds_for(1000), 1);
    }
}
