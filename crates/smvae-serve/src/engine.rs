//! The threads that own the model's time. Each takes a batch, computes it and answers. A panic in
//! the model is an answer like any other.
//!
//! Batches side by side, one thread each, wait for nothing; one batch on all threads waits at every
//! product of matrices. So each worker computes on one thread, unless nothing is left for the
//! others: a post alone has all of rayon's threads.

use crate::answer::{Answer, Failure, Found};
use crate::entry::{Entry, Picture};
use crate::metrics::Metrics;
use crate::model::Model;
use crate::queue::{Queue, Waits as _};
use crate::speed::Speed;
use rayon::ThreadPoolBuilder;
use smvae::encoders::vision::VisionModel;
use smvae::{Post, Prediction, Predictor};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// The least probability of its label that a span is shown with as a candidate.
const LEAST_SHOWN: f32 = 0.001;

/// The vector of a post's picture; `None` without one.
type PictureVector = Result<Option<Arc<[f32]>>, Failure>;

/// What the threads need.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) queue: Arc<Queue<Entry>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) speed: Arc<Speed>,
    /// Batches side by side.
    pub(crate) workers: usize,
    /// For tests: see [`Settings`](crate::Settings).
    pub(crate) fault: Option<fn(&Post)>,
}

impl Engine {
    /// Starts the threads, which end when the queue is closed and empty. Where one of them cannot
    /// be started, it is closed, so that those before it do not wait for ever.
    pub(crate) fn start(&self) -> std::io::Result<Vec<JoinHandle<()>>> {
        let start = |number| {
            let engine = self.clone();
            std::thread::Builder::new().name(format!("smvae-engine-{number}")).spawn(move || engine.run())
        };
        let started: std::io::Result<Vec<_>> = (0..self.workers).map(start).collect();
        started.inspect_err(|_| self.queue.close())
    }

    fn run(&self) {
        let one = || ThreadPoolBuilder::new().num_threads(1).build().ok();
        let alone = if self.workers > 1 { one() } else { None };
        while let Some(mut batch) = self.queue.take(self.speed.batch(), self.workers) {
            self.metrics.dropped(batch.dropped);
            let entries = std::mem::take(&mut batch.entries);
            match &alone {
                _ if entries.is_empty() => {}
                Some(pool) if !batch.is_alone() => pool.install(|| self.compute(entries, self.workers)),
                _ => self.compute(entries, 1),
            }
        }
    }

    /// Computes a batch on the threads at hand. So many batches can be computed like this side by
    /// side.
    fn compute(&self, entries: Vec<Entry>, side_by_side: usize) {
        let start = Instant::now();
        let pieces = entries.iter().map(Entry::pieces).sum();
        let found = self.found(&entries);
        let computed = start.elapsed();
        self.metrics.batch(entries.len(), pieces, computed);
        self.speed.note(pieces, computed, side_by_side);
        for (entry, found) in entries.into_iter().zip(found) {
            let waited = start.duration_since(entry.since);
            self.metrics.answered(waited, &found);
            let found = found.map(|prediction| Found { post: entry.post, prediction });
            // A client that has gone meanwhile gets no answer.
            let _ = entry.reply.send((entry.index, Answer { found, waited, computed }));
        }
    }

    /// What is found in each post of a batch, all of which have one model and ask for the same.
    fn found(&self, entries: &[Entry]) -> Vec<Result<Prediction, Failure>> {
        let Some(first) = entries.first() else { return Vec::new() };
        let vectors = self.vectors(&first.model, entries);
        let with_picture = |(entry, vector): (&Entry, &PictureVector)| match vector {
            Ok(Some(vector)) => entry.post.clone().with_picture(smvae::features::Picture::Vector(vector.clone())),
            _ => entry.post.clone(),
        };
        let posts: Vec<Post> = entries.iter().zip(&vectors).map(with_picture).collect();
        let least = first.candidates.map(|_| LEAST_SHOWN);
        let model = first.model.predictor.clone().telling_all_above(least).expect("a probability");
        let found = self.predicted(&model, &posts).into_iter().zip(vectors).zip(entries);
        found.map(|((found, vector), entry)| vector.and(found).map(|found| best(found, entry.candidates))).collect()
    }

    /// The vector of each post's picture. A picture of several posts of a batch goes through the
    /// network once.
    fn vectors(&self, model: &Model, entries: &[Entry]) -> Vec<PictureVector> {
        let mut made: HashMap<*const Vec<f32>, Result<Arc<[f32]>, Failure>> = HashMap::new();
        let mut of_entry = |entry: &Entry| {
            let Some((vision, picture)) = model.vision.as_ref().zip(entry.picture.as_ref()) else { return Ok(None) };
            let made = made.entry(Arc::as_ptr(&picture.pixels)).or_insert_with(|| {
                let made = vector(vision, picture);
                if matches!(made, Err(Failure::Panic)) {
                    self.metrics.panicked();
                }
                made
            });
            made.clone().map(Some)
        };
        entries.iter().map(&mut of_entry).collect()
    }

    /// Where the model panics, the halves of the batch are computed alone, so that all posts but
    /// the one that it panics at are answered.
    fn predicted(&self, model: &Predictor, posts: &[Post]) -> Vec<Result<Prediction, Failure>> {
        let predict = || {
            if let Some(fault) = self.fault {
                posts.iter().for_each(fault);
            }
            model.predict_each(posts)
        };
        match catch_unwind(AssertUnwindSafe(predict)) {
            Ok(found) => found.into_iter().map(|found| found.map_err(|e| Failure::Model(e.to_string()))).collect(),
            Err(_) if posts.len() <= 1 => {
                self.metrics.panicked();
                vec![Err(Failure::Panic)]
            }
            Err(_) => {
                let (before, after) = posts.split_at(posts.len() / 2);
                self.predicted(model, before).into_iter().chain(self.predicted(model, after)).collect()
            }
        }
    }
}

/// The vector of a picture. One that cannot be computed is the fault of its post alone.
fn vector(vision: &VisionModel, picture: &Picture) -> Result<Arc<[f32]>, Failure> {
    let encoded = catch_unwind(AssertUnwindSafe(|| vision.encode(&[picture.pixels.to_vec()])));
    let made = encoded.map_err(|_| Failure::Panic)?.map_err(|error| Failure::Model(error.to_string()))?;
    let vector = made.into_iter().next().filter(|vector| vector.iter().all(|x| x.is_finite()));
    vector.map(Into::into).ok_or(Failure::Picture)
}

/// The `n` most probable candidates, the most probable first, each span with its best label alone.
fn best(mut found: Prediction, n: Option<usize>) -> Prediction {
    if let Some((candidates, n)) = found.candidates.as_mut().zip(n) {
        // Of one span they stand together, the most probable label first.
        candidates.dedup_by(|next, before| next.words == before.words);
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        candidates.truncate(n);
    }
    found
}
