//! The thread that owns the model's time: it takes a batch, computes it on all of rayon's threads,
//! and answers. A panic in the model is an answer like any other.

use crate::answer::{Answer, Failure, Found, Predicted};
use crate::metrics::Metrics;
use crate::model::Model;
use crate::queue::{Entry, Queue};
use smvae::data::ImageVectors;
use smvae::{ImageTrust, Post, Prediction, Predictor};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// What the thread needs.
pub(crate) struct Engine {
    pub(crate) queue: Arc<Queue>,
    pub(crate) metrics: Arc<Metrics>,
    /// Pieces of a batch.
    pub(crate) pieces: usize,
    /// For tests: see [`Settings`](crate::Settings).
    pub(crate) fault: Option<fn(&Post)>,
}

impl Engine {
    /// Starts the thread, which ends when the queue is closed and empty.
    pub(crate) fn start(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("smvae-engine".to_owned()).spawn(move || self.run())
    }

    fn run(&self) {
        while let Some(batch) = self.queue.take(self.pieces) {
            self.metrics.dropped(batch.dropped);
            if !batch.entries.is_empty() {
                self.compute(batch.entries);
            }
        }
    }

    fn compute(&self, entries: Vec<Entry>) {
        let start = Instant::now();
        let pieces = entries.iter().map(Entry::pieces).sum();
        let found = self.found(&entries);
        let computed = start.elapsed();
        self.metrics.batch(entries.len(), pieces, computed);
        for (entry, found) in entries.into_iter().zip(found) {
            let waited = start.duration_since(entry.since);
            self.metrics.answered(waited, &found);
            let found = found.map(|(prediction, candidates)| Found { post: entry.post, prediction, candidates });
            // A client that has gone meanwhile gets no answer.
            let _ = entry.reply.send((entry.index, Answer { found, waited, computed }));
        }
    }

    /// What is found in each post of one model.
    fn found(&self, entries: &[Entry]) -> Vec<Result<Predicted, Failure>> {
        let Some(first) = entries.first() else { return Vec::new() };
        let vectors = catch_unwind(AssertUnwindSafe(|| vectors(&first.model, entries)));
        let vectors = vectors.unwrap_or_else(|_| entries.iter().map(|_| Err(Failure::Panic)).collect());
        let mut seen = BTreeMap::new();
        let mut posts = Vec::with_capacity(entries.len());
        for (i, (entry, vector)) in entries.iter().zip(&vectors).enumerate() {
            let mut post = entry.post.clone();
            if let Ok(Some(vector)) = vector {
                // Nobody else's: a name of this batch alone.
                let id = i.to_string();
                seen.insert(id.clone(), vector.clone());
                post.image_id = Some(id);
            } else if post.image_id.is_some() {
                post.image_id = Some("none".to_owned());
            }
            posts.push(post);
        }
        let model = first.model.predictor.clone();
        let model = if seen.is_empty() {
            Ok(model)
        } else {
            ImageVectors::from_map(seen).map_err(smvae::Error::from).and_then(|v| model.with_images(v, ImageTrust::Any))
        };
        let found = match model {
            Ok(model) => self.predicted(&model, &posts, entries),
            Err(error) => entries.iter().map(|_| Err(Failure::Model(error.to_string()))).collect(),
        };
        let result = |(found, vector): (_, Result<Option<Vec<f32>>, Failure>)| vector.and(found);
        found.into_iter().zip(vectors).map(result).collect()
    }

    /// Where the model panics, the halves of the batch are computed alone, so that all posts but
    /// the one that it panics at are answered.
    fn predicted(&self, model: &Predictor, posts: &[Post], entries: &[Entry]) -> Vec<Result<Predicted, Failure>> {
        let predict = || {
            if let Some(fault) = self.fault {
                posts.iter().for_each(fault);
            }
            predict(model, posts, entries)
        };
        match catch_unwind(AssertUnwindSafe(predict)) {
            Ok(found) => found,
            Err(_) if posts.len() <= 1 => {
                self.metrics.panicked();
                vec![Err(Failure::Panic)]
            }
            Err(_) => {
                let middle = posts.len() / 2;
                let mut found = self.predicted(model, &posts[..middle], &entries[..middle]);
                found.extend(self.predicted(model, &posts[middle..], &entries[middle..]));
                found
            }
        }
    }
}

fn predict(model: &Predictor, posts: &[Post], entries: &[Entry]) -> Vec<Result<Predicted, Failure>> {
    let failure = |error: smvae::Error| Failure::Model(error.to_string());
    let found = model.predict_each(posts).into_iter().zip(posts).zip(entries);
    let with_candidates = |((found, post), entry): ((smvae::Result<Prediction>, &Post), &Entry)| {
        let prediction = found.map_err(failure)?;
        let candidates = entry.candidates.map(|n| model.candidates(std::slice::from_ref(post), n)).transpose();
        let candidates = candidates.map_err(failure)?.and_then(|of_posts| of_posts.into_iter().next());
        Ok((prediction, candidates))
    };
    found.map(with_candidates).collect()
}

/// The vector of each post's picture; `None` for a post without one.
fn vectors(model: &Model, entries: &[Entry]) -> Vec<Result<Option<Vec<f32>>, Failure>> {
    let vector = |entry: &Entry| {
        let Some((vision, picture)) = model.vision.as_ref().zip(entry.picture.as_ref()) else { return Ok(None) };
        let made = vision.encode(&[picture.pixels.to_vec()]).map_err(|error| Failure::Model(error.to_string()))?;
        let vector = made.into_iter().next().filter(|vector| vector.iter().all(|x| x.is_finite()));
        vector.map(Some).ok_or(Failure::Picture)
    };
    // One after another: each takes all threads.
    entries.iter().map(vector).collect()
}
