//! What all requests share: the model, the queue, and how much of everything may be in hand.

use crate::entry::Entry;
use crate::error::Result;
use crate::http::errors::Fault;
use crate::metrics::Metrics;
use crate::model::{Current, Model, ModelSource};
use crate::queue::{Length, Queue};
use crate::settings::Settings;
use crate::speed::Speed;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Instant;
use tokio::sync::{Notify, Semaphore, watch};

/// Pictures that are decoded at a time: each may take 16 bytes for a pixel.
const DECODERS: usize = 2;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) current: Current,
    pub(crate) queue: Arc<Queue<Entry>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) speed: Arc<Speed>,
    /// KiB of bodies that may still be read into memory.
    pub(crate) bodies: Arc<Semaphore>,
    /// Pictures that may still be taken.
    pub(crate) pictures: Arc<Semaphore>,
    /// Pictures that may be decoded now.
    pub(crate) decoders: Arc<Semaphore>,
    source: ModelSource,
    /// Batches that are computed side by side.
    workers: usize,
    /// Held while the run is loaded anew.
    reloading: Mutex<()>,
    /// Whether the service was told to end.
    draining: watch::Sender<bool>,
    /// Requests that were admitted and are not answered yet.
    active: AtomicUsize,
    idle: Notify,
    requests: AtomicU64,
}

/// What became of an order to load the run anew.
#[derive(Debug)]
pub(crate) enum Reload {
    /// Loaded, in so many seconds.
    Done { seconds: f64 },
    /// It is being loaded already.
    Busy,
}

impl State {
    /// A state whose model has this speed with so many workers.
    pub(crate) fn new(
        settings: Settings,
        source: ModelSource,
        model: Model,
        speed: Arc<Speed>,
        workers: usize,
    ) -> Self {
        let limits = &settings.limits;
        // Rounded up, as bodies reserve it: one that is as large as all may be has room.
        let kib = limits.all_bytes.div_ceil(1024).min(Semaphore::MAX_PERMITS);
        Self {
            current: Current::new(model),
            queue: Arc::new(Queue::new(Length { posts: limits.queue_posts, words: limits.queue_words })),
            metrics: Arc::new(Metrics::new()),
            speed,
            bodies: Arc::new(Semaphore::new(kib)),
            pictures: Arc::new(Semaphore::new(limits.pictures.min(Semaphore::MAX_PERMITS))),
            decoders: Arc::new(Semaphore::new(DECODERS)),
            source,
            workers,
            reloading: Mutex::new(()),
            draining: watch::Sender::new(false),
            active: AtomicUsize::new(0),
            idle: Notify::new(),
            requests: AtomicU64::new(0),
            settings,
        }
    }

    /// Counts a request as admitted until the guard is dropped.
    ///
    /// # Errors
    /// 503 once the service was told to end.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Admitted, Fault> {
        self.active.fetch_add(1, Ordering::SeqCst);
        let admitted = Admitted(Arc::clone(self));
        if self.is_draining() { Err(Fault::draining()) } else { Ok(admitted) }
    }

    /// Refuses new requests from now on.
    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Until the service is told to end.
    pub(crate) async fn told_to_end(&self) {
        // The sender lives as long as this.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Until no admitted request is without an answer.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.active.load(Ordering::SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Loads the run anew. Requests that were admitted before keep the model they were admitted
    /// for; where loading fails, all do. It takes seconds.
    ///
    /// # Errors
    /// Those of loading.
    pub(crate) fn reload(&self) -> Result<Reload> {
        let _guard = match self.reloading.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(Reload::Busy),
        };
        let start = Instant::now();
        let loaded = Model::load(&self.source).map(|model| self.set(model));
        self.metrics.reloaded(if loaded.is_ok() { "loaded" } else { "failed" });
        loaded.map(|()| Reload::Done { seconds: start.elapsed().as_secs_f64() })
    }

    /// Measures a model and gives it to all requests from now on.
    fn set(&self, model: Model) {
        let speed = Speed::new(self.speed.batch());
        speed.measure(&model, self.workers);
        self.speed.replace(&speed);
        self.current.set(model);
    }

    /// A number for the next request.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }
}

/// A request that will be answered before the service ends.
#[derive(Debug)]
pub(crate) struct Admitted(Arc<State>);

impl Drop for Admitted {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
