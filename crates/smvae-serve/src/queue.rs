//! Posts that wait for the model: bounded in posts and words, first come, first served.
//!
//! There is no timer. A worker of the engine takes a batch when it is free, by the size of its
//! posts in pieces; what comes meanwhile is the next batch. A single post and a post of a list are
//! the same thing here. Posts whose client has gone are dropped without being computed.

use crate::answer::Answer;
use crate::model::Model;
use smvae::Post;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// A picture that was decoded and prepared, with its place among those that may be.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// `[3, h, w]`, as the vision model takes it.
    pub(crate) pixels: Arc<Vec<f32>>,
    /// Given back with the last of the posts that it belongs to.
    pub(crate) _place: Arc<OwnedSemaphorePermit>,
}

/// A post that waits.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The model it was admitted for.
    pub(crate) model: Arc<Model>,
    pub(crate) post: Post,
    pub(crate) picture: Option<Picture>,
    /// How many of its most probable spans are asked for; `None` if none are.
    pub(crate) candidates: Option<usize>,
    /// Its place in the request.
    pub(crate) index: usize,
    pub(crate) since: Instant,
    /// Closed when the client has gone or waits no longer.
    pub(crate) reply: mpsc::UnboundedSender<(usize, Answer)>,
}

/// A picture takes as long as about this many pieces of text.
const PIECES_OF_A_PICTURE: usize = 512;
/// Bytes of a word beyond which it is estimated to have one more piece.
const BYTES_OF_A_PIECE: usize = 5;

impl Entry {
    /// About how many pieces it has. Words are cut into pieces later, by the engine.
    pub(crate) fn pieces(&self) -> usize {
        let text: usize = self.post.words().iter().map(|word| 1 + word.len() / BYTES_OF_A_PIECE).sum();
        text + if self.picture.is_some() { PIECES_OF_A_PICTURE } else { 0 }
    }

    fn words(&self) -> usize {
        self.post.words().len()
    }

    fn is_gone(&self) -> bool {
        self.reply.is_closed()
    }
}

/// A queue that had no room for a request; so many posts wait in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) posts: usize,
}

/// What waits, in posts and words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) posts: usize,
    pub(crate) words: usize,
}

/// What a worker gets: posts of one model that ask for the same.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) entries: Vec<Entry>,
    /// Posts that were dropped on the way, since their client has gone.
    pub(crate) dropped: usize,
    /// Workers at work, this one included.
    pub(crate) busy: usize,
    /// Whether nothing is left for another worker to do.
    pub(crate) is_alone: bool,
    queue: &'a Queue,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.queue.lock().busy -= 1;
    }
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    limit: Length,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    words: usize,
    pieces: usize,
    is_closed: bool,
    /// Dropped since the last batch.
    dropped: usize,
    /// Batches at work.
    busy: usize,
}

impl Queue {
    pub(crate) fn new(limit: Length) -> Self {
        Self { waiting: Mutex::default(), filled: Condvar::new(), limit }
    }

    /// Takes the posts of a request, all or none.
    pub(crate) fn push(&self, entries: Vec<Entry>) -> Result<(), Full> {
        let words: usize = entries.iter().map(Entry::words).sum();
        let mut waiting = self.lock();
        if !self.has_room(&waiting, entries.len(), words) {
            waiting.drop_gone();
        }
        if !self.has_room(&waiting, entries.len(), words) {
            return Err(Full { posts: waiting.entries.len() });
        }
        waiting.words += words;
        waiting.pieces += entries.iter().map(Entry::pieces).sum::<usize>();
        waiting.entries.extend(entries);
        drop(waiting);
        // A list may be shared out.
        self.filled.notify_all();
        Ok(())
    }

    /// An empty queue takes any request that its door lets through: a list may have more words than
    /// wait at a time.
    fn has_room(&self, waiting: &Waiting, posts: usize, words: usize) -> bool {
        waiting.entries.is_empty()
            || (waiting.entries.len() + posts <= self.limit.posts && waiting.words + words <= self.limit.words)
    }

    /// Waits for posts, and takes those that go with the first one, until a batch has so many
    /// pieces; at least one. What would leave other `workers` without work is shared out. `None`
    /// once the queue is closed and empty.
    pub(crate) fn take(&self, pieces: usize, workers: usize) -> Option<Batch<'_>> {
        let mut waiting = self.lock();
        loop {
            let free = workers.saturating_sub(waiting.busy).max(1);
            let (entries, dropped) = waiting.batch(pieces, free);
            if !entries.is_empty() || dropped > 0 {
                waiting.busy += 1;
                let (busy, is_alone) = (waiting.busy, waiting.busy == 1 && waiting.entries.is_empty());
                return Some(Batch { entries, dropped, busy, is_alone, queue: self });
            }
            if waiting.is_closed {
                return None;
            }
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the engine when nothing waits any more.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    pub(crate) fn length(&self) -> Length {
        let waiting = self.lock();
        Length { posts: waiting.entries.len(), words: waiting.words }
    }

    /// A panic elsewhere does not stop the service; what is locked here is whole at any time.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The posts of a batch for one of so many free workers, and how many were dropped.
    fn batch(&mut self, pieces: usize, free: usize) -> (Vec<Entry>, usize) {
        let mut entries: Vec<Entry> = Vec::new();
        let mut dropped = std::mem::take(&mut self.dropped);
        let (most, mut total) = (pieces.min(self.pieces.div_ceil(free)), 0);
        while let Some(entry) = self.entries.front() {
            if entry.is_gone() {
                dropped += 1;
                self.pop();
                continue;
            }
            total += entry.pieces();
            let goes_with = |first: &Entry| {
                Arc::ptr_eq(&first.model, &entry.model) && first.candidates.is_some() == entry.candidates.is_some()
            };
            if entries.first().is_some_and(|first| total > most || !goes_with(first)) {
                break;
            }
            entries.extend(self.pop());
        }
        (entries, dropped)
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.words -= entry.words();
        self.pieces -= entry.pieces();
        Some(entry)
    }

    fn drop_gone(&mut self) {
        let before = self.entries.len();
        self.entries.retain(|entry| !entry.is_gone());
        self.dropped += before - self.entries.len();
        self.words = self.entries.iter().map(Entry::words).sum();
        self.pieces = self.entries.iter().map(Entry::pieces).sum();
    }
}
