//! Predictions of a stream of posts: reading, splitting, computing and writing overlap, the order
//! is kept, and memory does not grow with the number of posts.
//!
//! ```text
//! reader     one thread: takes posts from the iterator while the window has room
//! workers    each takes posts of about one length, the oldest that waits among them, and computes them
//! consumer   whoever calls `next`: takes the oldest post when its prediction is there
//! ```
//! The window is every post that was read and not yet taken. A worker never waits for it to be
//! full: it computes what is there. An input that pauses is thus answered at once, and a fast one
//! gives large batches. Where one worker is enough for all that waits, it has all threads.
//!
//! What this does not do: predict. A batch goes to [`Predictor::predict_each`] or its kin; only
//! which posts are computed together is decided here, and on the CPU no bit of an answer depends
//! on that.

use crate::error::Result;
use crate::inference::prediction::Prediction;
use crate::inference::predictor::Predictor;
use crate::input::post::Post;
use std::any::Any;
use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};

/// Pieces that are computed at once, by a coarse count ([`Post::weight`]).
const BATCH: usize = 2048;

/// How far ahead a stream of posts is read, and how many threads compute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamSettings {
    /// Posts that were read and whose predictions were not yet taken, at most; at least 1 is read.
    /// More of them are computed in batches of more equal length. Default: 4096.
    pub window: usize,
    /// Word pieces of these posts together, roughly and at most, so that long posts do not fill the
    /// memory either; a single post may have more. Default: 262144.
    pub window_pieces: usize,
    /// Threads that compute. Default: as many as rayon's pool has.
    pub threads: usize,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self { window: 4096, window_pieces: 1 << 18, threads: rayon::current_num_threads() }
    }
}

impl StreamSettings {
    /// The same with another window, in posts.
    pub fn with_window(self, window: usize) -> Self {
        Self { window, ..self }
    }

    /// The same with another number of threads.
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }
}

impl Predictor {
    /// Finds the entities of a stream of posts, as fast as the machine can, in bounded memory and
    /// in the order of the posts. A post that cannot be computed gives an error in its place.
    ///
    /// The posts are read on a thread of their own, ahead of what is computed; any type will do
    /// that a post can be borrowed from, and it comes back beside the post's prediction. An input
    /// that pauses (a user who types, a queue of requests) is answered without waiting for more.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// use std::io::{BufRead as _, BufReader, stdin};
    /// let predictor = Arc::new(smvae::Predictor::load("runs/mine")?);
    /// let reader = predictor.clone();
    /// let posts = BufReader::new(stdin()).lines().map_while(Result::ok).map(move |text| reader.post(text));
    /// for (post, found) in predictor.stream(posts) {
    ///     println!("{}: {} entities", post.text(), found?.entities.len());
    /// }
    /// # Ok::<(), smvae::Error>(())
    /// ```
    pub fn stream<I>(self: &Arc<Self>, posts: I) -> PredictionStream<I::Item>
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Borrow<Post> + Send + 'static>,
    {
        self.stream_with(posts, &StreamSettings::default())
    }

    /// The same with a window and a number of threads of your own.
    pub fn stream_with<I>(self: &Arc<Self>, posts: I, settings: &StreamSettings) -> PredictionStream<I::Item>
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Borrow<Post> + Send + 'static>,
    {
        let shared = Arc::new(Shared::new(settings));
        // A GPU computes one batch at a time, with all its threads.
        let threads = if self.is_on_cpu() { settings.threads.max(1) } else { 1 };
        let all = !self.is_on_cpu() || threads >= rayon::current_num_threads();
        let (of_reader, posts) = (shared.clone(), posts.into_iter());
        // Not the model itself: a reader may wait for its input long after the stream was dropped.
        let model = Arc::downgrade(self);
        std::thread::spawn(move || of_reader.guarded(|shared| shared.read(posts, &model)));
        for _ in 0..threads {
            let (shared, predictor) = (shared.clone(), self.clone());
            std::thread::spawn(move || shared.guarded(|shared| shared.compute(&predictor, threads, all)));
        }
        PredictionStream { shared }
    }
}

/// Posts with their predictions, in order. Dropped before its end, it ends the reading and the
/// computing; a reader that waits for its input ends when that comes.
#[derive(Debug)]
pub struct PredictionStream<P> {
    shared: Arc<Shared<P>>,
}

impl<P> PredictionStream<P> {
    /// Whether the next prediction, or the end, is there already, so that `next` does not wait.
    pub fn is_ready(&self) -> bool {
        self.shared.lock().is_ready()
    }

    /// What ends the stream from another thread, for instance a signal's: `next` then has nothing
    /// more.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + use<P>
    where
        P: Send + 'static,
    {
        let shared = self.shared.clone();
        move || shared.stop()
    }
}

impl<P> Iterator for PredictionStream<P> {
    type Item = (P, Result<Prediction>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut state = self.shared.lock();
        while !state.is_ready() {
            state = self.shared.answered.wait(state).expect(NO_PANIC);
        }
        if let Some(panic) = state.panic.take() {
            drop(state);
            // Its batch has no answers: whoever catches the panic and asks again gets no more.
            self.shared.stop();
            resume_unwind(panic);
        }
        if state.is_stopped {
            return None;
        }
        let slot = state.slots.pop_front()?;
        state.first += 1;
        state.pieces -= slot.weight;
        self.shared.room.notify_one();
        slot.answer
    }
}

impl<P> std::iter::FusedIterator for PredictionStream<P> {}

impl<P> Drop for PredictionStream<P> {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

const NO_PANIC: &str = "no code panics while it holds the state";

/// What reader, workers and consumer share.
#[derive(Debug)]
struct Shared<P> {
    state: Mutex<State<P>>,
    settings: StreamSettings,
    /// Told when there is something to compute.
    work: Condvar,
    /// Told when the window has room.
    room: Condvar,
    /// Told when the oldest post has its prediction.
    answered: Condvar,
}

#[derive(Debug)]
struct State<P> {
    /// The window, oldest post first.
    slots: VecDeque<Slot<P>>,
    /// Number of the oldest post.
    first: usize,
    /// The weights of the window together.
    pieces: usize,
    /// Posts that no worker has taken, by weight and number.
    waiting: BTreeMap<(usize, usize), P>,
    /// The numbers of these, oldest first; those that were taken are skipped.
    oldest: VecDeque<(usize, usize)>,
    /// Their weights together.
    waiting_pieces: usize,
    /// Workers that compute.
    busy: usize,
    /// Whether the input has ended.
    is_read: bool,
    is_stopped: bool,
    panic: Option<Box<dyn Any + Send>>,
}

#[derive(Debug)]
struct Slot<P> {
    weight: usize,
    answer: Option<(P, Result<Prediction>)>,
}

impl<P> State<P> {
    fn is_ready(&self) -> bool {
        self.is_stopped
            || self.panic.is_some()
            || match self.slots.front() {
                Some(oldest) => oldest.answer.is_some(),
                None => self.is_read,
            }
    }

    fn push(&mut self, post: P, weight: usize) {
        let key = (weight, self.first + self.slots.len());
        self.slots.push_back(Slot { weight, answer: None });
        self.pieces += weight;
        self.waiting_pieces += weight;
        self.waiting.insert(key, post);
        self.oldest.push_back(key);
    }

    /// The oldest post that waits, and of the others those nearest to it in weight, up to `limit`;
    /// with their numbers.
    fn take(&mut self, limit: usize) -> Vec<(usize, P)> {
        let Some(oldest) = self.next_waiting() else { return Vec::new() };
        let mut total = oldest.0;
        let mut keys = vec![oldest];
        let mut below = self.waiting.range(..oldest).rev().map(|(key, _)| *key).peekable();
        let mut above = self.waiting.range(oldest..).skip(1).map(|(key, _)| *key).peekable();
        loop {
            let is_below_nearer = match (below.peek(), above.peek()) {
                (Some(below), Some(above)) => oldest.0 - below.0 <= above.0 - oldest.0,
                (below, _) => below.is_some(),
            };
            let Some(key) = (if is_below_nearer { below.next() } else { above.next() }) else { break };
            total += key.0;
            if total > limit {
                break;
            }
            keys.push(key);
        }
        let take = |key: (usize, usize)| (key.1, self.waiting.remove(&key).expect("it was there a moment ago"));
        let taken: Vec<(usize, P)> = keys.iter().copied().map(take).collect();
        self.waiting_pieces -= keys.iter().map(|key| key.0).sum::<usize>();
        taken
    }

    fn next_waiting(&mut self) -> Option<(usize, usize)> {
        loop {
            let key = self.oldest.pop_front()?;
            if self.waiting.contains_key(&key) {
                return Some(key);
            }
        }
    }
}

impl<P> Shared<P> {
    fn new(settings: &StreamSettings) -> Self {
        let state = State {
            slots: VecDeque::new(),
            first: 0,
            pieces: 0,
            waiting: BTreeMap::new(),
            oldest: VecDeque::new(),
            waiting_pieces: 0,
            busy: 0,
            is_read: false,
            is_stopped: false,
            panic: None,
        };
        let (work, room, answered) = (Condvar::new(), Condvar::new(), Condvar::new());
        Self { state: Mutex::new(state), settings: *settings, work, room, answered }
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().expect(NO_PANIC)
    }

    fn stop(&self) {
        self.lock().is_stopped = true;
        self.work.notify_all();
        self.room.notify_all();
        self.answered.notify_all();
    }

    /// Runs a thread's part; a panic in it is the consumer's.
    fn guarded(&self, part: impl FnOnce(&Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| part(self))) {
            self.lock().panic.get_or_insert(panic);
            self.answered.notify_all();
        }
    }
}

impl<P: Borrow<Post> + Send> Shared<P> {
    fn read(&self, posts: impl Iterator<Item = P>, model: &Weak<Predictor>) {
        for post in posts {
            let Some(model) = model.upgrade() else { return };
            let read: &Post = post.borrow();
            let weight = read.weight(model.collator().caption_text(read));
            drop(model);
            let is_full = |state: &mut State<P>| {
                let is_long = state.pieces + weight > self.settings.window_pieces && !state.slots.is_empty();
                !state.is_stopped && (state.slots.len() >= self.settings.window.max(1) || is_long)
            };
            let mut state = self.room.wait_while(self.lock(), is_full).expect(NO_PANIC);
            if state.is_stopped {
                return;
            }
            state.push(post, weight);
            drop(state);
            self.work.notify_one();
        }
        self.lock().is_read = true;
        self.work.notify_all();
        self.answered.notify_all();
    }

    /// A worker's part; `all` says whether one batch may have all of rayon's threads.
    fn compute(&self, predictor: &Predictor, threads: usize, all: bool) {
        // Batches side by side, one thread each, wait for nothing. A batch alone has all threads.
        let is_only = all && threads == 1;
        let alone = if is_only { None } else { rayon::ThreadPoolBuilder::new().num_threads(1).build().ok() };
        loop {
            let (batch, is_alone) = self.next_batch(threads);
            if batch.is_empty() {
                return;
            }
            let posts: Vec<&Post> = batch.iter().map(|(_, post)| post.borrow()).collect();
            let found = match &alone {
                Some(pool) if !(is_alone && all) => pool.install(|| predictor.predict_each_of(&posts)),
                _ => predictor.predict_each_of(&posts),
            };
            let mut state = self.lock();
            state.busy -= 1;
            let first = state.first;
            for ((number, post), found) in batch.into_iter().zip(found) {
                state.slots[number - first].answer = Some((post, found));
            }
            if state.is_ready() {
                self.answered.notify_all();
            }
        }
    }

    /// Waits for posts; none at the end. Also says whether no other worker has something to do.
    fn next_batch(&self, threads: usize) -> (Vec<(usize, P)>, bool) {
        let mut state = self.lock();
        let is_nothing = |state: &mut State<P>| !state.is_stopped && !state.is_read && state.waiting.is_empty();
        state = self.work.wait_while(state, is_nothing).expect(NO_PANIC);
        if state.is_stopped {
            return (Vec::new(), false);
        }
        // Few posts are shared out.
        let share = state.waiting_pieces.div_ceil(threads - state.busy);
        let batch = state.take(share.min(BATCH));
        let is_alone = state.busy == 0 && state.waiting.is_empty();
        state.busy += usize::from(!batch.is_empty());
        (batch, is_alone || threads == 1)
    }
}
