//! What a service counts, in the text format that Prometheus reads.

use crate::answer::Failure;
use crate::queue::Length;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use smvae::Prediction;
use std::time::Duration;

/// The type of what [`Metrics::text`] writes.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How a request ended. `route` is one of the service's own, and `code` one of its words: neither
/// is taken from the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    pub(crate) route: String,
    pub(crate) status: u16,
    pub(crate) code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    outcome: &'static str,
}

/// Counters, gauges and histograms of a service.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Outcome, Counter>,
    seconds: Histogram,
    queue_posts: Gauge,
    queue_words: Gauge,
    queue_seconds: Histogram,
    model_seconds: Histogram,
    batch_posts: Histogram,
    batch_pieces: Histogram,
    posts: Counter,
    dropped: Counter,
    failed: Counter,
    panics: Counter,
    words_cut: Counter,
    images_missing: Counter,
    captions_missing: Counter,
    reloads: Family<Reload, Counter>,
    pub(crate) connections: Gauge,
    pub(crate) connections_refused: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // From a millisecond to a minute; from one to thousands.
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 17));
        let sizes = |n| Histogram::new(exponential_buckets(1.0, 2.0, n));
        let mut metrics = Self {
            registry: Registry::with_prefix("smvae"),
            requests: Family::default(),
            seconds: seconds(),
            queue_posts: Gauge::default(),
            queue_words: Gauge::default(),
            queue_seconds: seconds(),
            model_seconds: seconds(),
            batch_posts: sizes(11),
            batch_pieces: sizes(14),
            posts: Counter::default(),
            dropped: Counter::default(),
            failed: Counter::default(),
            panics: Counter::default(),
            words_cut: Counter::default(),
            images_missing: Counter::default(),
            captions_missing: Counter::default(),
            reloads: Family::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("requests", "Requests by route, status and code of the error", self.requests.clone());
        r.register("request_seconds", "Time from a request's header to its answer", self.seconds.clone());
        r.register("queue_posts", "Posts that wait for the model", self.queue_posts.clone());
        r.register("queue_words", "Words of the posts that wait for the model", self.queue_words.clone());
        r.register("queue_seconds", "Time of a post in the queue", self.queue_seconds.clone());
        r.register("model_seconds", "Time of a batch in the model", self.model_seconds.clone());
        r.register("batch_posts", "Posts of a batch", self.batch_posts.clone());
        r.register("batch_pieces", "Word pieces of a batch, as estimated", self.batch_pieces.clone());
        r.register("posts", "Posts that the model has answered", self.posts.clone());
        r.register("posts_dropped", "Posts whose client had gone before the model was free", self.dropped.clone());
        r.register("posts_failed", "Posts that the model could not answer", self.failed.clone());
        r.register("panics", "Posts at which the model panicked", self.panics.clone());
        r.register("words_cut", "Words that the model did not read", self.words_cut.clone());
        r.register("images_missing", "Posts that name an image that was not sent", self.images_missing.clone());
        let captions = self.captions_missing.clone();
        r.register("captions_missing", "Posts without a caption, of a model that reads captions", captions);
        r.register("reloads", "Times that the run was loaded anew", self.reloads.clone());
        r.register("connections", "Open connections", self.connections.clone());
        r.register("connections_refused", "Connections beyond the limit", self.connections_refused.clone());
    }

    /// All of it, with the length of the queue as it is now.
    pub(crate) fn text(&self, queue: Length) -> String {
        self.queue_posts.set(queue.posts as i64);
        self.queue_words.set(queue.words as i64);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes everything");
        text
    }

    pub(crate) fn request(&self, outcome: Outcome, time: Duration) {
        self.requests.get_or_create(&outcome).inc();
        self.seconds.observe(time.as_secs_f64());
    }

    pub(crate) fn dropped(&self, posts: usize) {
        self.dropped.inc_by(posts as u64);
    }

    pub(crate) fn batch(&self, posts: usize, pieces: usize, time: Duration) {
        self.batch_posts.observe(posts as f64);
        self.batch_pieces.observe(pieces as f64);
        self.model_seconds.observe(time.as_secs_f64());
    }

    pub(crate) fn answered(&self, waited: Duration, found: &Result<Prediction, Failure>) {
        self.queue_seconds.observe(waited.as_secs_f64());
        match found {
            Ok(prediction) => {
                self.posts.inc();
                self.words_cut.inc_by(prediction.words_cut as u64);
                self.images_missing.inc_by(u64::from(prediction.image_missing));
                self.captions_missing.inc_by(u64::from(prediction.caption_missing));
            }
            Err(_) => {
                self.failed.inc();
            }
        }
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn reloaded(&self, outcome: &'static str) {
        self.reloads.get_or_create(&Reload { outcome }).inc();
    }
}
