//! The posts of a pool that may be chosen: offered one at a time. The best of them are kept, and of
//! every post a number, by which its copies are known.

use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::inference::prediction::Prediction;
use crate::inference::vectors::PostVectors;
use crate::input::post::Post;
use crate::suggest::bags::WordBags;
use crate::suggest::choose::{apart, covering};
use crate::suggest::strategy::{Strategy, SuggestSettings};
use crate::suggest::value::{check, reason, value};
use smvae_data::duplicates::{key, lot};
use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

/// Posts whose vectors are made at once.
const PART: usize = 512;

/// The posts of a pool that may be chosen. See [`suggest`](crate::suggest).
#[derive(Debug)]
pub struct Shortlist<P> {
    settings: SuggestSettings,
    /// What the posts said that were seen.
    seen: HashSet<u64>,
    /// What posts said that are labelled.
    excluded: HashSet<u64>,
    n_offered: usize,
    n_duplicates: usize,
    n_labelled: usize,
    n_wordless: usize,
    /// The most valuable posts; the least of them is the first to go.
    best: BinaryHeap<Reverse<ByValue<P>>>,
    /// The posts with the smallest lots, which are drawn at random; the greatest is the first to
    /// go.
    drawn: BinaryHeap<ByLot<P>>,
    /// Posts that are labelled already, those with the smallest lots.
    labelled: BinaryHeap<ByLot<Post>>,
}

/// A post that was chosen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Suggestion<P> {
    /// The post, as it was offered.
    pub post: P,
    /// The entities that the first of the models found in it, if there was one.
    pub found: Option<Prediction>,
    /// Its place in the order of the choice, from 1.
    pub rank: usize,
    /// What tools can sort by: the post's value times its distance to what was chosen before. For
    /// [`Strategy::Typical`], how much nearer it brings the posts that are compared to what is
    /// chosen: the mean gain of their cosine. 1 for [`Strategy::Random`]. A post for dev has that
    /// of its neighbour among the others, so that what is sorted by it keeps its order.
    pub score: f32,
    /// Why it was chosen, for people.
    pub reason: String,
    /// Whether it was drawn at random, for dev.
    pub for_dev: bool,
}

/// A post that was offered.
#[derive(Debug)]
struct Offered<P> {
    post: P,
    found: Option<Prediction>,
    value: f32,
    /// As good as random.
    lot: u64,
    /// How many were offered before it.
    number: usize,
}

#[derive(Debug)]
struct ByValue<P>(Arc<Offered<P>>);

#[derive(Debug)]
struct ByLot<P>(Arc<Offered<P>>);

impl<P: Borrow<Post> + Clone> Shortlist<P> {
    /// An empty one.
    ///
    /// # Errors
    /// [`Error::Core`] with `Setting` for settings that choose nothing or contradict each other.
    pub fn new(settings: &SuggestSettings) -> Result<Self> {
        settings.validate()?;
        Ok(Self {
            settings: *settings,
            seen: HashSet::new(),
            excluded: HashSet::new(),
            n_offered: 0,
            n_duplicates: 0,
            n_labelled: 0,
            n_wordless: 0,
            best: BinaryHeap::new(),
            drawn: BinaryHeap::new(),
            labelled: BinaryHeap::new(),
        })
    }

    /// Tells it of a post that is labelled already: it is not chosen, and neither is what is like
    /// it. Comes before the pool.
    pub fn exclude(&mut self, post: &Post) {
        let key = key(post.words());
        self.excluded.insert(key);
        if self.seen.insert(key) {
            let number = self.labelled.len();
            let offered = Offered { post: post.clone(), found: None, value: 0.0, lot: lot(key, 0), number };
            keep(&mut self.labelled, ByLot(Arc::new(offered)), self.settings.shortlist);
        }
    }

    /// Offers a post of the pool, with what each model found in it, candidates down to
    /// [`LEAST_CANDIDATE`](super::LEAST_CANDIDATE) among it. A post that says what an earlier one
    /// said, or one without words, is not chosen.
    ///
    /// # Errors
    /// [`Error::Core`] with `Setting` if the strategy needs more than was found: as many models as
    /// [`Strategy::models`] says, loaded with [`Strategy::prediction`].
    pub fn offer(&mut self, post: P, found: Vec<Prediction>) -> Result<()> {
        let number = self.n_offered;
        self.n_offered += 1;
        let SuggestSettings { strategy, seed, shortlist, for_dev, .. } = self.settings;
        if post.borrow().words().is_empty() {
            self.n_wordless += 1;
            return Ok(());
        }
        check(strategy, &found)?;
        let key = key(post.borrow().words());
        if !self.seen.insert(key) {
            let is_labelled = self.excluded.contains(&key);
            *(if is_labelled { &mut self.n_labelled } else { &mut self.n_duplicates }) += 1;
            return Ok(());
        }
        let value = value(strategy, post.borrow(), &found);
        // The value is all that is made of the candidates.
        let found = found.into_iter().next().map(|found| Prediction { candidates: None, ..found });
        let offered = Arc::new(Offered { post, found, value, lot: lot(key, seed), number });
        // Those that are drawn come out of the best, too: as many more are kept.
        let drawn = if strategy.samples_pool() { shortlist } else { for_dev };
        keep(&mut self.drawn, ByLot(Arc::clone(&offered)), drawn);
        if !strategy.samples_pool() {
            keep(&mut self.best, Reverse(ByValue(offered)), shortlist.saturating_add(for_dev));
        }
        Ok(())
    }

    /// Posts that were offered.
    pub fn n_offered(&self) -> usize {
        self.n_offered
    }

    /// Those of them that said what an earlier one had said.
    pub fn n_duplicates(&self) -> usize {
        self.n_duplicates
    }

    /// Those of them that said what a post had said that is labelled already.
    pub fn n_labelled(&self) -> usize {
        self.n_labelled
    }

    /// Those of them without a word.
    pub fn n_wordless(&self) -> usize {
        self.n_wordless
    }

    /// Chooses, in order; the posts for dev are spread evenly among the others, so that whoever
    /// labels a part has some of both. Without vectors posts are as alike as they share words.
    ///
    /// # Errors
    /// Those of the vectors; [`Error::Core`] with `Setting` for a strategy that needs some.
    pub fn choose(self, vectors: Option<&dyn PostVectors>) -> Result<Vec<Suggestion<P>>> {
        let chosen = self.choose_with(vectors, &mut |_, _| Flow::Continue)?;
        Ok(chosen.expect("nobody stops it"))
    }

    /// The same, telling a callback how many of the posts that are compared have their vectors, and
    /// of how many: that takes most of the time where a model makes them. `None` if it answers
    /// [`Flow::Stop`].
    ///
    /// # Errors
    /// As [`Shortlist::choose`].
    pub fn choose_with(
        self,
        vectors: Option<&dyn PostVectors>,
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<Option<Vec<Suggestion<P>>>> {
        let SuggestSettings { strategy, n, for_dev, .. } = self.settings;
        if strategy.needs_vectors() && vectors.is_none() {
            return Err(Error::setting("strategy", "one that needs no vectors, without a text encoder", strategy));
        }
        let mut drawn: Vec<Arc<Offered<P>>> = self.drawn.into_sorted_vec().into_iter().map(|kept| kept.0).collect();
        let rest = drawn.split_off(for_dev.min(drawn.len()));
        let mut others: Vec<Arc<Offered<P>>> = match strategy {
            Strategy::Random | Strategy::Typical => rest,
            _ => self.best.into_sorted_vec().into_iter().map(|Reverse(kept)| kept.0).collect(),
        };
        let for_dev: HashSet<usize> = drawn.iter().map(|offered| offered.number).collect();
        others.retain(|offered| !for_dev.contains(&offered.number));
        let n = n.saturating_sub(drawn.len());
        let chosen: Vec<(usize, f32)> = if strategy == Strategy::Random {
            (0..n.min(others.len())).map(|i| (i, 1.0)).collect()
        } else {
            let makes = vectors.unwrap_or(&WordBags);
            let labelled = self.labelled.iter().map(|kept| &kept.0.post);
            let n_labelled = labelled.len();
            let posts: Vec<&Post> = labelled.chain(others.iter().map(|offered| offered.post.borrow())).collect();
            let mut labelled = Vec::with_capacity(posts.len());
            for part in posts.chunks(PART) {
                labelled.extend(makes.vectors(part)?);
                if on_progress(labelled.len(), posts.len()) == Flow::Stop {
                    return Ok(None);
                }
            }
            let vectors = labelled.split_off(n_labelled);
            if strategy == Strategy::Typical {
                covering(&vectors, &labelled, n)
            } else {
                let values: Vec<f32> = others.iter().map(|offered| offered.value).collect();
                apart(&values, &vectors, &labelled, n)
            }
        };
        let score_of = |&(place, distance): &(usize, f32)| others[place].value * distance;
        let mut score = chosen.first().map_or(0.0, score_of);
        let mut suggestions = Vec::with_capacity(chosen.len() + drawn.len());
        for (i, next) in spread(chosen, drawn).into_iter().enumerate() {
            let (offered, why, for_dev) = match next {
                Next::Chosen(chosen) => {
                    score = score_of(&chosen);
                    (Arc::clone(&others[chosen.0]), strategy, false)
                }
                Next::Drawn(offered) => (offered, Strategy::Random, true),
            };
            suggestions.push(Suggestion {
                post: offered.post.clone(),
                found: offered.found.clone(),
                rank: i + 1,
                score,
                reason: reason(why, offered.value, offered.post.borrow()),
                for_dev,
            });
        }
        Ok(Some(suggestions))
    }
}

/// One of two sequences that became one.
#[derive(Debug, PartialEq)]
enum Next<C, D> {
    /// Of those that were chosen.
    Chosen(C),
    /// Of those that were drawn.
    Drawn(D),
}

/// Both in their order, those that were drawn spread evenly among the others: of the first `m` of
/// all, as large a share is drawn as of all of them, to the nearest number.
fn spread<C, D>(chosen: Vec<C>, drawn: Vec<D>) -> Vec<Next<C, D>> {
    let (all, n_drawn) = (chosen.len() + drawn.len(), drawn.len());
    let (mut chosen, mut drawn) = (chosen.into_iter(), drawn.into_iter());
    let share = |m: usize| (2 * m * n_drawn + all - 1) / (2 * all);
    let next = |i: usize| {
        let is_drawn = share(i + 1) > share(i);
        if is_drawn { drawn.next().map(Next::Drawn) } else { chosen.next().map(Next::Chosen) }
    };
    (0..all).filter_map(next).collect()
}

/// Adds to a heap of at most `most`, whose greatest goes.
fn keep<T: Ord>(heap: &mut BinaryHeap<T>, new: T, most: usize) {
    if heap.len() < most {
        heap.push(new);
    } else if heap.peek().is_some_and(|greatest| new < *greatest) {
        heap.pop();
        heap.push(new);
    }
}

/// Of equal values, the post with the smaller lot is the greater: which posts are kept does not
/// depend on the order they come in.
impl<P> Ord for ByValue<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.value.total_cmp(&other.0.value).then(other.0.lot.cmp(&self.0.lot))
    }
}

impl<P> Ord for ByLot<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.lot.cmp(&other.0.lot)
    }
}

impl<P> PartialOrd for ByValue<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> PartialOrd for ByLot<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> PartialEq for ByValue<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<P> PartialEq for ByLot<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<P> Eq for ByValue<P> {}

impl<P> Eq for ByLot<P> {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both as letters: those that were chosen in lower case, those that were drawn in upper case.
    #[track_caller]
    fn check(chosen: &str, drawn: &str, want: &str) {
        let all = spread(chosen.chars().collect(), drawn.chars().collect());
        let letter = |next: &Next<char, char>| match next {
            Next::Chosen(letter) | Next::Drawn(letter) => *letter,
        };
        assert_eq!(all.iter().map(letter).collect::<String>(), want);
    }

    #[test]
    fn posts_for_dev_are_spread_evenly() {
        check("abcd", "XY", "aXbcYd");
        check("abcdef", "X", "abcXdef");
        check("ab", "XYZ", "XaYbZ");
        check("a", "X", "aX");
        check("", "XY", "XY");
        check("ab", "", "ab");
        check("", "", "");
    }
}
