//! Several trained models as one.
//!
//! ```text
//! p(class | span) = mean over models of p(class | span)        each with its own decision bias, if that is tuned
//! ```
//! Models of one corpus that differ in their seed alone err in different places. Three of them take
//! three times as long; what teachers do for a student (`training/teachers.rs`) costs nothing when
//! posts are read.

use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::inference::predictor::Predictor;
use crate::inference::reading::ReadPost;
use crate::input::post::Words;
use crate::scoring::answer::Answer;
use crate::scoring::scorer::ScoredSpans;
use smvae_core::Span;
use std::collections::BTreeMap;

/// Posts that all models read before the next ones: the spans of so many are in memory at most.
const PART: usize = 1024;

impl Predictor {
    /// Several models as one, an ensemble: it answers with the mean of their probabilities. Each
    /// applies its own decision bias first, so that the mean has none. Give each its image vectors
    /// and captions before.
    ///
    /// The first says how text is split into words, whether long posts are read in windows and what
    /// is told. It also stands for all where the vector of a post is wanted.
    ///
    /// # Errors
    /// [`Error::OtherLabels`] for models whose labels differ; [`Error::Core`] with `Setting` for no
    /// model, for one whose scores are calibrated, since the mean's are not, for models of which
    /// only some tell surprise, and for one that is several itself.
    pub fn together(models: impl IntoIterator<Item = Self>) -> Result<Self> {
        let mut models = models.into_iter();
        let mut first = models.next().ok_or_else(|| Error::setting("models", "at least one", 0))?;
        let mut others: Vec<Self> = models.collect();
        // One alone stays what it is.
        let all = [&first].into_iter().chain(&others).filter(|_| !others.is_empty());
        for model in all {
            first.check_labels(model)?;
            if model.temperature.is_some() {
                return Err(Error::setting("calibrated", "false for several models together", true));
            }
            if model.settings.surprise != first.settings.surprise {
                return Err(Error::setting("surprise", "the same for models together", model.settings.surprise));
            }
            if model.n_models() > 1 {
                return Err(Error::setting("models", "single ones", "several that are together already"));
            }
        }
        others.iter_mut().for_each(|model| model.settings.windows = first.settings.windows);
        first.others = others;
        Ok(first)
    }

    /// Whether another model has the same labels, so that both can be compared.
    ///
    /// # Errors
    /// [`Error::OtherLabels`] if not.
    pub fn check_labels(&self, other: &Self) -> Result<()> {
        let names = |model: &Self| model.labels().names().join(" ");
        if self.labels() == other.labels() {
            return Ok(());
        }
        Err(Error::OtherLabels { want: names(self), got: names(other) })
    }

    /// How many models answer [together](Predictor::together); 1 for a single one.
    pub fn n_models(&self) -> usize {
        1 + self.others.len()
    }

    /// Itself, and those that answer with it.
    pub(super) fn models(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    /// Posts with the mean of what the models say of their spans, of which those are kept that the
    /// answer needs. `None` if the callback ended it.
    pub(super) fn read_together<P: Words + Sync>(
        &self,
        posts: &[P],
        answer: &Answer<'_>,
        on_progress: &mut dyn FnMut(usize, usize) -> Flow,
    ) -> Result<Option<Vec<ReadPost>>> {
        let (n, mut read, mut stopped) = (self.n_models(), Vec::with_capacity(posts.len()), false);
        for part in posts.chunks(PART) {
            let mut of_models = Vec::with_capacity(n);
            for (before, model) in self.models().enumerate() {
                // A model that has just read its last post is told too late to stop.
                if stopped {
                    return Ok(None);
                }
                let mut tell = |done, total| {
                    let flow = on_progress(read.len() + (before * total + done) / n, posts.len());
                    stopped |= flow == Flow::Stop;
                    flow
                };
                let keep = |item: &_, scored: &ScoredSpans| scored.of_post(item, |_| true);
                let Some(its) = model.read_alone(part, &keep, &mut tell)? else { return Ok(None) };
                of_models.push(its);
            }
            read.extend(self.means(of_models, answer));
        }
        Ok(Some(read))
    }

    /// The posts of a part, as each model has read them, as one.
    fn means(&self, of_models: Vec<Vec<ReadPost>>, answer: &Answer<'_>) -> Vec<ReadPost> {
        let (n, mut of_models) = (self.n_models(), self.models().zip(of_models));
        let shifted = |model: &Self, read: &ReadPost| model.decision.shift(&read.kept);
        let (first, mut together) = of_models.next().expect("at least one model");
        let mut scored: Vec<_> = together.iter().map(|read| vec![shifted(first, read)]).collect();
        for (model, its) in of_models {
            for ((read, scored), other) in together.iter_mut().zip(&mut scored).zip(its) {
                scored.push(shifted(model, &other));
                read.include(other);
            }
        }
        for (read, scored) in together.iter_mut().zip(&scored) {
            read.kept = answer.told(&mean(scored));
            read.surprise = read.surprise.map(|sum| sum / n as f32);
        }
        together
    }
}

/// The mean of what several models say of the spans of a post, in order. A span that a model has no
/// room for is `O` to it.
fn mean(of_models: &[ScoredSpans]) -> ScoredSpans {
    let mut sums: BTreeMap<Span, Vec<f32>> = BTreeMap::new();
    for (span, row) in of_models.iter().flat_map(ScoredSpans::rows) {
        let sum = sums.entry(span).or_insert_with(|| vec![0.0; row.len()]);
        sum.iter_mut().zip(row).for_each(|(sum, p)| *sum += p / of_models.len() as f32);
    }
    for row in sums.values_mut() {
        row[0] = (1.0 - row[1..].iter().sum::<f32>()).max(0.0);
    }
    let (spans, rows): (Vec<Span>, Vec<Vec<f32>>) = sums.into_iter().unzip();
    ScoredSpans::new(spans, rows.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_that_a_model_has_no_room_for_is_outside_to_it() {
        let [short, long] = [Span::new(0, 1), Span::new(0, 2)];
        let narrow = ScoredSpans::new(vec![short], vec![0.5, 0.25, 0.25]);
        let wide = ScoredSpans::new(vec![short, long], vec![0.25, 0.75, 0.0, 0.0, 0.5, 0.5]);
        let want = ScoredSpans::new(vec![short, long], vec![0.375, 0.5, 0.125, 0.5, 0.25, 0.25]);
        assert_eq!(mean(&[narrow.clone(), wide.clone()]), want);
        assert_eq!(mean(&[wide, narrow]), want);
        assert_eq!(mean(&[ScoredSpans::default(), ScoredSpans::default()]), ScoredSpans::default());
    }
}
