//! Posts that wait for the model: bounded in posts and words, first come, first served.
//!
//! There is no timer. A worker of the engine takes a batch when it is free, by the size of its
//! posts in pieces; what comes meanwhile is the next batch. A single post and a post of a list are
//! the same thing here. Posts whose client has gone are dropped without being computed.
//!
//! It knows what waits by [`Waits`] alone, and locks by `crate::sync`: `tests/loom` builds this
//! file with loom's locks, which go through every order in which threads may come by.

use crate::sync::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::PoisonError;

/// Something that waits.
pub(crate) trait Waits {
    /// About how many pieces it has.
    fn pieces(&self) -> usize;

    /// How many words it has.
    fn words(&self) -> usize;

    /// Whether nobody waits for its answer any more.
    fn is_gone(&self) -> bool;

    /// Whether both may be in one batch.
    fn goes_with(&self, other: &Self) -> bool;
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

/// What a worker gets: posts that go with each other.
#[derive(Debug)]
pub(crate) struct Batch<'a, E> {
    pub(crate) entries: Vec<E>,
    /// Posts that were dropped on the way, since their client has gone.
    pub(crate) dropped: usize,
    /// Workers at work, this one included.
    pub(crate) busy: usize,
    /// Whether nothing is left for another worker to do.
    pub(crate) is_alone: bool,
    queue: &'a Queue<E>,
}

impl<E> Drop for Batch<'_, E> {
    fn drop(&mut self) {
        self.queue.lock().busy -= 1;
    }
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    waiting: Mutex<Waiting<E>>,
    filled: Condvar,
    limit: Length,
}

#[derive(Debug)]
struct Waiting<E> {
    entries: VecDeque<E>,
    words: usize,
    pieces: usize,
    is_closed: bool,
    /// Dropped since the last batch.
    dropped: usize,
    /// Batches at work.
    busy: usize,
}

impl<E> Queue<E> {
    /// A panic elsewhere does not stop the service; what is locked here is whole at any time.
    fn lock(&self) -> MutexGuard<'_, Waiting<E>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Waits> Queue<E> {
    pub(crate) fn new(limit: Length) -> Self {
        let (entries, is_closed) = (VecDeque::new(), false);
        let waiting = Waiting { entries, words: 0, pieces: 0, is_closed, dropped: 0, busy: 0 };
        Self { waiting: Mutex::new(waiting), filled: Condvar::new(), limit }
    }

    /// Takes the posts of a request, all or none.
    pub(crate) fn push(&self, entries: Vec<E>) -> Result<(), Full> {
        let words: usize = entries.iter().map(E::words).sum();
        let mut waiting = self.lock();
        if !self.has_room(&waiting, entries.len(), words) {
            waiting.drop_gone();
        }
        if !self.has_room(&waiting, entries.len(), words) {
            return Err(Full { posts: waiting.entries.len() });
        }
        waiting.words += words;
        waiting.pieces += entries.iter().map(E::pieces).sum::<usize>();
        waiting.entries.extend(entries);
        drop(waiting);
        // A list may be shared out.
        self.filled.notify_all();
        Ok(())
    }

    /// An empty queue takes any request that its door lets through: a list may have more words than
    /// wait at a time.
    fn has_room(&self, waiting: &Waiting<E>, posts: usize, words: usize) -> bool {
        waiting.entries.is_empty()
            || (waiting.entries.len() + posts <= self.limit.posts && waiting.words + words <= self.limit.words)
    }

    /// Waits for posts, and takes those that go with the first one, until a batch has so many
    /// pieces; at least one. What would leave other `workers` without work is shared out. `None`
    /// once the queue is closed and empty.
    pub(crate) fn take(&self, pieces: usize, workers: usize) -> Option<Batch<'_, E>> {
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
}

impl<E: Waits> Waiting<E> {
    /// The posts of a batch for one of so many free workers, and how many were dropped.
    fn batch(&mut self, pieces: usize, free: usize) -> (Vec<E>, usize) {
        let mut entries: Vec<E> = Vec::new();
        let mut dropped = std::mem::take(&mut self.dropped);
        let (most, mut total) = (pieces.min(self.pieces.div_ceil(free)), 0);
        while let Some(entry) = self.entries.front() {
            if entry.is_gone() {
                dropped += 1;
                self.pop();
                continue;
            }
            total += entry.pieces();
            if entries.first().is_some_and(|first| total > most || !first.goes_with(entry)) {
                break;
            }
            entries.extend(self.pop());
        }
        (entries, dropped)
    }

    fn pop(&mut self) -> Option<E> {
        let entry = self.entries.pop_front()?;
        self.words -= entry.words();
        self.pieces -= entry.pieces();
        Some(entry)
    }

    fn drop_gone(&mut self) {
        let before = self.entries.len();
        self.entries.retain(|entry| !entry.is_gone());
        self.dropped += before - self.entries.len();
        self.words = self.entries.iter().map(E::words).sum();
        self.pieces = self.entries.iter().map(E::pieces).sum();
    }
}
