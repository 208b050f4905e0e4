//! From posts to entities, in input order: reading, scoring, deciding.
//!
//! Posts are tokenised in parallel and encoded in batches of similar length, one per thread (on a
//! GPU, one after another); their spans are scored in chunks of bounded memory. A post over the
//! piece limit is several items, its windows. No gradient is tracked. What this does not do: load
//! a model (`predictor.rs`).

use crate::error::Result;
use crate::flow::Flow;
use crate::inference::prediction::Prediction;
use crate::inference::predictor::Predictor;
use crate::input::collate::Item;
use crate::input::post::{Post, Words};
use crate::scoring::answer::Answer;
use crate::scoring::scorer::ScoredSpans;
use rayon::prelude::*;
use std::cell::Cell;

/// Where a post of many cannot be computed, they are computed again in parts of as many.
const PART: usize = 64;

impl Predictor {
    /// Finds the entities of a text, split into words as the model's corpus was, without an image.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn predict_text(&self, text: impl Into<String>) -> Result<Prediction> {
        self.predict_one(&self.post(text))
    }

    /// Finds the entities of one post.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn predict_one(&self, post: &Post) -> Result<Prediction> {
        let found = self.predict(std::slice::from_ref(post))?;
        Ok(found.into_iter().next().expect("a prediction for each post"))
    }

    /// Finds the entities of each post, in the order of the posts. The word pieces of all posts are
    /// in memory at once: give a million posts in parts.
    ///
    /// # Errors
    /// Those of tokenisation and the networks.
    pub fn predict(&self, posts: &[Post]) -> Result<Vec<Prediction>> {
        let found = self.predict_with(posts, &mut |_, _| Flow::Continue)?;
        Ok(found.expect("the callback ends nothing"))
    }

    /// The same, telling a callback how many posts are done, and of how many. `None` if it answers
    /// [`Flow::Stop`] before the last.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn predict_with(
        &self,
        posts: &[Post],
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<Option<Vec<Prediction>>> {
        self.predict_of(&posts.iter().collect::<Vec<_>>(), on_progress)
    }

    pub(crate) fn predict_of(
        &self,
        posts: &[&Post],
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<Option<Vec<Prediction>>> {
        let answer = Answer {
            labels: self.labels(),
            decision: self.decision(),
            temperature: self.temperature,
            all_above: self.settings.all_above,
        };
        let Some(read) = self.read(posts, &answer, on_progress)? else { return Ok(None) };
        let prediction = |(post, read): (&&Post, &ReadPost)| Prediction {
            entities: answer.entities(post, &read.kept),
            candidates: answer.candidates(post, &read.kept),
            words_cut: read.words_cut,
            caption_missing: read.caption_missing,
            image_missing: post.image_id.is_some() && read.image_missing,
            surprise: read.surprise,
        };
        Ok(Some(posts.iter().zip(&read).map(prediction).collect()))
    }

    /// Finds the entities of each post, where that is possible: a post that cannot be tokenised or
    /// computed gives an error in its place, and the others are predicted all the same.
    pub fn predict_each(&self, posts: &[Post]) -> Vec<Result<Prediction>> {
        self.predict_each_of(&posts.iter().collect::<Vec<_>>())
    }

    pub(crate) fn predict_each_of(&self, posts: &[&Post]) -> Vec<Result<Prediction>> {
        match self.predict_of(posts, &mut |_, _| Flow::Continue) {
            Ok(found) => found.expect("the callback ends nothing").into_iter().map(Ok).collect(),
            Err(error) if posts.len() <= 1 => vec![Err(error)],
            // Computed again: all of them once, in small parts, and of the part that fails its
            // halves.
            Err(_) => {
                let part = if posts.len() > PART { PART } else { posts.len().div_ceil(2) };
                posts.chunks(part).flat_map(|part| self.predict_each_of(part)).collect()
            }
        }
    }

    /// The one way from posts to scored spans: tokenised, collated, in windows where they are long,
    /// through the networks. Spans that the answer does not need are forgotten at once; in an
    /// ensemble, once all models have read a part of the posts. `None` if the callback ended it.
    pub(crate) fn read<P: Words + Sync>(
        &self,
        posts: &[P],
        answer: &Answer<'_>,
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<Option<Vec<ReadPost>>> {
        if self.n_models() > 1 {
            return self.read_together(posts, answer, on_progress);
        }
        self.read_alone(posts, &|item, scored| answer.keep(item, scored), on_progress)
    }

    /// The same by this model alone, which keeps what `keep` makes of the spans of an item.
    pub(super) fn read_alone<P: Words + Sync>(
        &self,
        posts: &[P],
        keep: &dyn Fn(&Item, &ScoredSpans) -> ScoredSpans,
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<Option<Vec<ReadPost>>> {
        let collator = self.collator();
        let items = |post: &P| -> Result<Vec<Item>> {
            if self.settings.windows { collator.in_windows(post) } else { Ok(vec![collator.item(post)?]) }
        };
        let items: Vec<Vec<Item>> = posts.par_iter().map(items).collect::<Result<_>>()?;
        let post_of: Vec<usize> =
            items.iter().enumerate().flat_map(|(post, items)| std::iter::repeat_n(post, items.len())).collect();
        let parts: Vec<&Item> = items.iter().flatten().collect();
        // Items without words are not scored.
        let mut left: Vec<usize> =
            items.iter().map(|items| items.iter().filter(|item| !item.words.is_empty()).count()).collect();
        let done = Cell::new(left.iter().filter(|left| **left == 0).count());
        let mut kept = vec![ScoredSpans::default(); posts.len()];
        let mut surprise: Vec<Vec<f32>> = vec![Vec::new(); posts.len()];
        let mut take = |i: usize, scored: ScoredSpans, of_spans: Vec<f32>| {
            let post = post_of[i];
            surprise[post].extend(of_spans);
            kept[post].extend(&keep(parts[i], &scored));
            left[post] -= 1;
            done.set(done.get() + usize::from(left[post] == 0));
        };
        let mut tell = |_, _| on_progress(done.get(), posts.len());
        if !self.scorer().score_each(&parts, &mut take, &mut tell)? {
            return Ok(None);
        }
        let read = |((items, kept), surprise): ((_, ScoredSpans), Vec<f32>)| {
            let surprise = (!surprise.is_empty()).then(|| surprise.iter().sum::<f32>() / surprise.len() as f32);
            ReadPost { surprise, ..self.read_post(items, kept.sorted()) }
        };
        Ok(Some(items.into_iter().zip(kept).zip(surprise).map(read).collect()))
    }

    /// Posts as the networks take them, cut at the piece limit.
    pub(crate) fn items<P: Words + Sync>(&self, posts: &[P]) -> Result<Vec<Item>> {
        let collator = self.collator();
        posts.par_iter().map(|post| collator.item(post)).collect()
    }

    fn read_post(&self, items: Vec<Item>, kept: ScoredSpans) -> ReadPost {
        // All windows of a post have the same image.
        let [has_image, has_caption] =
            [items.iter().any(|item| item.image.is_some()), items.iter().any(|item| !item.caption.is_empty())];
        ReadPost {
            words_cut: items.iter().map(|item| item.n_cut).sum(),
            image_missing: self.identity.is_some() && !has_image,
            caption_missing: self.caption_identity.is_some() && !has_caption,
            by_others: Vec::new(),
            surprise: None,
            items,
            kept,
        }
    }
}

/// A post that the networks have read.
pub(crate) struct ReadPost {
    /// The post, or its windows: one item at least.
    pub items: Vec<Item>,
    /// The same for each other model of an ensemble.
    pub by_others: Vec<Vec<Item>>,
    /// The spans that its answer needs, in order and in words of the post.
    pub kept: ScoredSpans,
    /// Words that the piece limit cut.
    pub words_cut: usize,
    /// Whether a model that uses images read it without an image vector.
    pub image_missing: bool,
    /// Whether a model that reads captions read it without one.
    pub caption_missing: bool,
    /// How little its spans were expected, on average. `None` if nobody asked, or without spans.
    pub surprise: Option<f32>,
}

impl ReadPost {
    /// Counts what another model missed in the same post as missed, and adds its surprise.
    pub(super) fn include(&mut self, other: Self) {
        self.surprise = self.surprise.zip(other.surprise).map(|(sum, surprise)| sum + surprise);
        self.words_cut = self.words_cut.max(other.words_cut);
        self.image_missing |= other.image_missing;
        self.caption_missing |= other.caption_missing;
        self.by_others.push(other.items);
    }
}
