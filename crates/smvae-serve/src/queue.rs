//! Posts that wait for the model: bounded in posts and words. Requests take turns.
//!
//! There is no timer. A worker of the engine takes a batch when it is free, by the size of its
//! posts in pieces; what comes meanwhile is the next batch. Each request that waits gives an equal
//! share of the batch, so that a short one does not wait for the whole of a long list. Posts whose
//! client has gone are dropped without being computed.
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

/// What the model has to compute beside a request that comes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// Posts that wait.
    pub(crate) posts: usize,
    /// About how many pieces they have.
    pub(crate) waiting: usize,
    /// About how many pieces the batches have that are being computed.
    pub(crate) at_work: usize,
}

/// What a worker gets: posts that go with each other.
#[derive(Debug)]
pub(crate) struct Batch<'a, E> {
    pub(crate) entries: Vec<E>,
    /// Posts that were dropped on the way, since their client has gone.
    pub(crate) dropped: usize,
    /// Workers at work, this one included.
    pub(crate) busy: usize,
    /// Whether nothing waited any more when it was taken.
    is_last: bool,
    /// About how many pieces its posts have.
    pieces: usize,
    queue: &'a Queue<E>,
}

impl<E> Batch<'_, E> {
    /// Whether nothing is left for another worker to do.
    pub(crate) fn is_alone(&self) -> bool {
        self.busy == 1 && self.is_last
    }
}

impl<E> Drop for Batch<'_, E> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.busy -= 1;
        waiting.at_work -= self.pieces;
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
    /// The posts of each request, in order; whose turn it is comes first. None of them is empty.
    requests: VecDeque<VecDeque<E>>,
    words: usize,
    pieces: usize,
    is_closed: bool,
    /// Dropped since the last batch.
    dropped: usize,
    /// Batches at work.
    busy: usize,
    /// Pieces of the batches at work.
    at_work: usize,
}

impl<E> Queue<E> {
    /// A panic elsewhere does not stop the service; what is locked here is whole at any time.
    fn lock(&self) -> MutexGuard<'_, Waiting<E>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Waits> Queue<E> {
    pub(crate) fn new(limit: Length) -> Self {
        let (requests, is_closed) = (VecDeque::new(), false);
        let waiting = Waiting { requests, words: 0, pieces: 0, is_closed, dropped: 0, busy: 0, at_work: 0 };
        Self { waiting: Mutex::new(waiting), filled: Condvar::new(), limit }
    }

    /// Takes the posts of a request, all or none.
    pub(crate) fn push(&self, entries: Vec<E>) -> Result<(), Full> {
        let words: usize = entries.iter().map(E::words).sum();
        let pieces: usize = entries.iter().map(E::pieces).sum();
        let mut waiting = self.lock();
        if !self.has_room(&waiting, entries.len(), words) {
            waiting.drop_gone();
        }
        if !self.has_room(&waiting, entries.len(), words) {
            return Err(Full { posts: waiting.posts() });
        }
        waiting.words += words;
        waiting.pieces += pieces;
        if !entries.is_empty() {
            waiting.requests.push_back(entries.into());
        }
        drop(waiting);
        // A list may be shared out.
        self.filled.notify_all();
        Ok(())
    }

    /// An empty queue takes any request that its door lets through: a list may have more words than
    /// wait at a time.
    fn has_room(&self, waiting: &Waiting<E>, posts: usize, words: usize) -> bool {
        waiting.requests.is_empty()
            || (waiting.posts() + posts <= self.limit.posts && waiting.words + words <= self.limit.words)
    }

    /// Waits for posts, and takes from each request in turn those that go with the first one, until
    /// a batch has so many pieces; at least one. What would leave other `workers` without work is
    /// shared out. `None` once the queue is closed and empty.
    pub(crate) fn take(&self, pieces: usize, workers: usize) -> Option<Batch<'_, E>> {
        let mut waiting = self.lock();
        loop {
            let free = workers.saturating_sub(waiting.busy).max(1);
            let (Filling { entries, pieces: taken, .. }, dropped) = waiting.batch(pieces, free);
            if !entries.is_empty() || dropped > 0 {
                waiting.busy += 1;
                waiting.at_work += taken;
                let (busy, is_last) = (waiting.busy, waiting.requests.is_empty());
                return Some(Batch { entries, dropped, busy, is_last, pieces: taken, queue: self });
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
        Length { posts: waiting.posts(), words: waiting.words }
    }

    /// What waits and what is being computed, at one moment. A batch counts in full until it is
    /// dropped, however much of it has been computed. Posts whose client has gone do not count.
    pub(crate) fn pieces(&self) -> Ahead {
        let mut waiting = self.lock();
        waiting.drop_gone();
        Ahead { posts: waiting.posts(), waiting: waiting.pieces, at_work: waiting.at_work }
    }
}

impl<E> Waiting<E> {
    fn posts(&self) -> usize {
        self.requests.iter().map(VecDeque::len).sum()
    }
}

impl<E: Waits> Waiting<E> {
    /// The posts of a batch for one of so many free workers, and how many were dropped.
    ///
    /// A request gives its share, or one post that is larger, and goes to the end of the queue. The
    /// one whose post finds no room is first in the next batch, as are those that go with others.
    fn batch(&mut self, pieces: usize, free: usize) -> (Filling<E>, usize) {
        self.drop_gone();
        let most = pieces.min(self.pieces.div_ceil(free));
        let share = most / self.requests.len().max(1);
        let mut batch = Filling { entries: Vec::new(), pieces: 0, most };
        let mut apart = Vec::new();
        while let Some(mut request) = self.requests.pop_front() {
            match batch.take_turn(&mut request, share) {
                Turn::Over if request.is_empty() => {}
                Turn::Over => self.requests.push_back(request),
                Turn::Apart => apart.push(request),
                Turn::NoRoom => {
                    self.requests.push_front(request);
                    break;
                }
            }
        }
        apart.into_iter().rev().for_each(|request| self.requests.push_front(request));
        self.words -= batch.entries.iter().map(E::words).sum::<usize>();
        self.pieces -= batch.pieces;
        (batch, std::mem::take(&mut self.dropped))
    }

    fn drop_gone(&mut self) {
        let before = self.posts();
        self.requests.iter_mut().for_each(|request| request.retain(|entry| !entry.is_gone()));
        self.requests.retain(|request| !request.is_empty());
        let dropped = before - self.posts();
        if dropped > 0 {
            self.dropped += dropped;
            self.words = self.requests.iter().flatten().map(E::words).sum();
            self.pieces = self.requests.iter().flatten().map(E::pieces).sum();
        }
    }
}

/// A batch that is being filled.
struct Filling<E> {
    entries: Vec<E>,
    pieces: usize,
    /// The most pieces that it may have, if it has more than one post.
    most: usize,
}

/// How the turn of a request ended.
enum Turn {
    /// It has given its share, or all that it has.
    Over,
    /// Its next post finds no room.
    NoRoom,
    /// It does not go with what is in the batch.
    Apart,
}

impl<E: Waits> Filling<E> {
    /// Takes posts of a request, in order: its share of pieces, or one post that has more.
    fn take_turn(&mut self, request: &mut VecDeque<E>, share: usize) -> Turn {
        let mut given = 0;
        while let Some(next) = request.front() {
            let pieces = next.pieces();
            if self.entries.first().is_some_and(|first| !first.goes_with(next)) {
                return Turn::Apart;
            }
            if given > 0 && given + pieces > share {
                return Turn::Over;
            }
            if !self.entries.is_empty() && self.pieces + pieces > self.most {
                return Turn::NoRoom;
            }
            given += pieces;
            self.pieces += pieces;
            self.entries.extend(request.pop_front());
        }
        Turn::Over
    }
}
