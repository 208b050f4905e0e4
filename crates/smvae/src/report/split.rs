//! What a run finds in one split: scores by label, confusion, kinds of mistakes, calibration, and
//! the posts themselves.

use crate::run::calibration::Calibration as RunCalibration;
use crate::run::predictions::{PostPrediction, are_of_same_posts};
use crate::scoring::entity::ScoredEntity;
use serde::Serialize;
use smvae_core::calibration::{Bin, expected_calibration_error, reliability, tempered};
use smvae_core::confusion::{Confusion, Judged, Outcome, judge};
use smvae_core::metrics::{Counts, Scores};
use smvae_core::{Entity, LabelSet};
use smvae_data::Split;
use std::collections::HashSet;

/// Bins of the reliability plot.
const BINS: usize = 10;

/// A split that was evaluated.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SplitReport {
    /// Which.
    pub split: Split,
    /// Scores by label, `overall` last.
    pub types: Vec<TypeRow>,
    /// Labels of the confusion table, `O` first.
    pub labels: Vec<String>,
    /// Rows of the confusion table: gold label by predicted label.
    pub confusion: Vec<Vec<usize>>,
    /// How many entities had which outcome.
    pub outcomes: Vec<OutcomeRow>,
    /// Scores against precision. `None` if nothing was found.
    pub calibration: Option<Calibration>,
    /// The posts.
    #[serde(skip)]
    pub posts: Vec<PostPrediction>,
    /// The outcome of the entities of each post.
    #[serde(skip)]
    pub judged: Vec<Judged>,
    /// What the model finds without the images and captions that it was trained with. `None` if
    /// nobody saved it.
    pub text_alone: Option<TextAlone>,
    /// Of a model that reads captions, the posts whose caption names a word of an entity, and the
    /// others. `None` if there are none of the former.
    pub captions: Option<[Slice; 2]>,
}

/// Some of the posts of a split.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Slice {
    /// How many.
    pub posts: usize,
    /// F1 in them, in percent.
    pub f1: f64,
    /// The same from the text alone. `None` if nobody saved it.
    pub text_alone: Option<f64>,
}

/// A model with its images and captions against the same model without.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TextAlone {
    /// F1 from the text alone, in percent.
    pub f1: f64,
    /// Posts with fewer mistakes with images and captions.
    pub better: usize,
    /// Posts with more.
    pub worse: usize,
    /// Each post from the text alone.
    #[serde(skip)]
    pub posts: Vec<TextPost>,
}

/// A post from the text alone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TextPost {
    /// What was found.
    pub entities: Vec<ScoredEntity>,
    /// The outcome of each of these.
    pub outcomes: Vec<Outcome>,
    /// How many mistakes fewer there are with images and captions; negative where there are more.
    pub gain: i64,
}

/// Scores of a label, in percent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are those of `Counts`")]
#[non_exhaustive]
pub struct TypeRow {
    pub name: String,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub gold: usize,
    pub predicted: usize,
    pub correct: usize,
}

/// How many gold and how many predicted entities had an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OutcomeRow {
    /// The outcome.
    pub outcome: Outcome,
    /// Gold entities.
    pub gold: usize,
    /// Predicted entities.
    pub predicted: usize,
}

/// The scores of found entities against their precision, before and after temperature scaling.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Calibration {
    /// The run's temperature, which was fitted on dev, for test as well; without one, that which
    /// fits this split.
    pub temperature: f64,
    /// The split on which it was fitted.
    pub fitted_on: Split,
    /// Expected calibration error of the scores as they are, 0 to 1.
    pub error_before: f64,
    /// The same of the scores at that temperature.
    pub error_after: f64,
    /// Bins of the scores as they are.
    pub before: Vec<Bin>,
    /// Bins of the scores at that temperature.
    pub after: Vec<Bin>,
}

impl SplitReport {
    /// Evaluates what was found. `temperature` is that of the run; `None` fits one on this split.
    pub(super) fn new(split: Split, labels: &LabelSet, posts: Vec<PostPrediction>, temperature: Option<f64>) -> Self {
        let (mut scores, mut confusion, mut judged) = (Scores::default(), Confusion::default(), Vec::new());
        for post in &posts {
            let (gold, predicted) = (post.gold_entities(), post.found_entities());
            scores.add(&gold, &predicted);
            confusion.add(&gold, &predicted);
            judged.push(judge(&gold, &predicted));
        }
        let captions = slices(&posts, posts.iter().map(PostPrediction::found_entities));
        let captions = captions.map(|slices| slices.map(|(posts, f1)| Slice { posts, f1, text_alone: None }));
        let names = confusion.labels();
        let row = |gold: &String| names.iter().map(|predicted| confusion.count(gold, predicted)).collect();
        Self {
            split,
            types: scores
                .types
                .iter()
                .map(|(name, c)| TypeRow::new(name, *c))
                .chain([TypeRow::new("overall", scores.overall)])
                .collect(),
            confusion: names.iter().map(row).collect(),
            labels: names,
            outcomes: outcomes(&judged),
            calibration: Calibration::new(split, labels, &posts, &judged, temperature),
            posts,
            judged,
            text_alone: None,
            captions,
        }
    }

    /// The same with what the model finds from the text alone. `None` if those are other posts.
    pub(super) fn with_text_alone(mut self, found: Vec<PostPrediction>) -> Option<Self> {
        if !are_of_same_posts(&self.posts, &found) {
            return None;
        }
        if let Some((slices, alone)) =
            self.captions.as_mut().zip(slices(&self.posts, found.iter().map(PostPrediction::found_entities)))
        {
            slices.iter_mut().zip(alone).for_each(|(slice, (_, f1))| slice.text_alone = Some(f1));
        }
        let mut scores = Scores::default();
        let text_post = |(post, with): (PostPrediction, &Judged)| {
            let (gold, predicted) = (post.gold_entities(), post.found_entities());
            scores.add(&gold, &predicted);
            let alone = judge(&gold, &predicted);
            let gain = mistakes(&alone) - mistakes(with);
            TextPost { entities: post.entities, outcomes: alone.predicted, gain }
        };
        let posts: Vec<TextPost> = found.into_iter().zip(&self.judged).map(text_post).collect();
        let count = |is: fn(i64) -> bool| posts.iter().filter(|post| is(post.gain)).count();
        let (better, worse) = (count(|gain| gain > 0), count(|gain| gain < 0));
        self.text_alone = Some(TextAlone { f1: scores.overall.f1(), better, worse, posts });
        Some(self)
    }

    /// All labels together.
    pub fn overall(&self) -> &TypeRow {
        self.types.last().expect("made with a row `overall`")
    }
}

/// Number and F1 of the posts whose caption names a word of an entity, and of the others, by what
/// was found in each. `None` if no caption names one.
fn slices(posts: &[PostPrediction], found: impl Iterator<Item = Vec<Entity>>) -> Option<[(usize, f64); 2]> {
    posts.iter().find(|post| post.caption.is_some())?;
    let mut slices = [(0, Scores::default()), (0, Scores::default())];
    for (post, found) in posts.iter().zip(found) {
        let (n, scores) = &mut slices[usize::from(!caption_names_entity(post))];
        *n += 1;
        scores.add(&post.gold_entities(), &found);
    }
    (slices[0].0 > 0).then(|| slices.map(|(n, scores)| (n, scores.overall.f1())))
}

/// Whether a word of a gold entity, of three letters at least, stands in the caption.
fn caption_names_entity(post: &PostPrediction) -> bool {
    let Some(caption) = &post.caption else { return false };
    let words = |text: &str| -> HashSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
        words.map(str::to_lowercase).collect()
    };
    let named = words(caption);
    post.gold.iter().any(|entity| words(&entity.text).iter().any(|word| named.contains(word)))
}

/// Entities that are missed, and those that are found and wrong; one of a wrong type or boundary is
/// both.
fn mistakes(judged: &Judged) -> i64 {
    judged.gold.iter().chain(&judged.predicted).filter(|outcome| **outcome != Outcome::Correct).count() as i64
}

impl TypeRow {
    fn new(name: &str, c: Counts) -> Self {
        let (precision, recall, f1) = (c.precision(), c.recall(), c.f1());
        Self { name: name.to_owned(), precision, recall, f1, gold: c.gold, predicted: c.predicted, correct: c.correct }
    }
}

impl Calibration {
    fn new(
        split: Split,
        labels: &LabelSet,
        posts: &[PostPrediction],
        judged: &[Judged],
        temperature: Option<f64>,
    ) -> Option<Self> {
        // Of each found entity: its probabilities, its class, and whether it is right. One whose
        // label the run does not know, or whose probabilities were not kept, has no score here.
        let mut found = Vec::new();
        for (post, judged) in posts.iter().zip(judged) {
            for (entity, outcome) in post.entities.iter().zip(&judged.predicted) {
                let class = labels.index(&entity.label).filter(|class| *class < entity.probabilities.len());
                if let Some(class) = class {
                    found.push((entity.probabilities.as_slice(), class, *outcome == Outcome::Correct));
                }
            }
        }
        if found.is_empty() {
            return None;
        }
        let fitted_on = if temperature.is_some() { Split::Dev } else { split };
        let fitted = || RunCalibration::fit(posts, labels).map(|calibration| calibration.temperature);
        let temperature = temperature.or_else(fitted)?;
        let bins = |t: f64| reliability(found.iter().map(|(p, class, right)| (tempered(p, t)[*class], *right)), BINS);
        let (before, after) = (bins(1.0), bins(temperature));
        Some(Self {
            temperature,
            fitted_on,
            error_before: expected_calibration_error(&before),
            error_after: expected_calibration_error(&after),
            before,
            after,
        })
    }
}

fn outcomes(judged: &[Judged]) -> Vec<OutcomeRow> {
    let count =
        |of: fn(&Judged) -> &Vec<Outcome>, outcome| judged.iter().flat_map(of).filter(|o| **o == outcome).count();
    [Outcome::Correct, Outcome::Missed, Outcome::Spurious, Outcome::WrongType, Outcome::WrongBoundary]
        .into_iter()
        .map(|outcome| OutcomeRow {
            outcome,
            gold: count(|j| &j.gold, outcome),
            predicted: count(|j| &j.predicted, outcome),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A post of four words, its gold entities as (start, end, label), the found ones as (start,
    /// end, label, probabilities).
    fn post(gold: &[(usize, usize, &str)], predicted: &[(usize, usize, &str, [f32; 3])]) -> PostPrediction {
        let gold: Vec<_> = gold.iter().map(|(a, b, l)| serde_json::json!({"start": a, "end": b, "label": l})).collect();
        let predicted: Vec<_> = predicted
            .iter()
            .map(|(a, b, l, p)| {
                let score = p.iter().copied().fold(0.0, f32::max);
                serde_json::json!({"start": a, "end": b, "label": l, "score": score, "probabilities": p})
            })
            .collect();
        let json =
            serde_json::json!({"image_id": "1", "words": ["a", "b", "c", "d"], "gold": gold, "predicted": predicted});
        serde_json::from_value(json).expect("a post")
    }

    fn labels() -> LabelSet {
        LabelSet::new(["LOC", "PER"]).expect("two types")
    }

    #[test]
    fn a_split_is_counted_in_every_way() {
        let posts = vec![
            post(&[(0, 1, "PER"), (2, 3, "LOC")], &[(0, 1, "PER", [0.1, 0.1, 0.8]), (2, 4, "LOC", [0.2, 0.7, 0.1])]),
            post(&[(0, 2, "LOC")], &[(0, 2, "PER", [0.1, 0.4, 0.5])]),
            post(&[], &[(3, 4, "PER", [0.3, 0.1, 0.6])]),
        ];
        let report = SplitReport::new(Split::Dev, &labels(), posts, None);
        assert_eq!((report.overall().gold, report.overall().predicted, report.overall().correct), (3, 4, 1));
        assert_eq!(report.labels, ["O", "LOC", "PER"]);
        assert_eq!(report.confusion, [[0, 1, 1], [1, 0, 1], [0, 0, 1]]);
        let counts: Vec<_> = report.outcomes.iter().map(|row| (row.gold, row.predicted)).collect();
        assert_eq!(counts, [(1, 1), (0, 0), (0, 1), (1, 1), (1, 1)]);
        let calibration = report.calibration.expect("something was found");
        assert_eq!(calibration.fitted_on, Split::Dev);
        assert!(calibration.temperature > 1.0, "three of four are wrong: {}", calibration.temperature);
        assert!(calibration.error_after < calibration.error_before);
    }

    #[test]
    fn labels_that_the_run_does_not_know_take_nothing_from_the_others() {
        let known = || post(&[(0, 1, "PER")], &[(0, 1, "PER", [0.1, 0.1, 0.8]), (2, 3, "LOC", [0.3, 0.6, 0.1])]);
        let entities = |post: PostPrediction| {
            let report = SplitReport::new(Split::Dev, &labels(), vec![known(), post], None);
            let calibration = report.calibration.expect("something was found");
            (calibration.temperature, calibration.before.iter().map(|bin| bin.n).sum::<usize>())
        };
        let (temperature, n) = entities(post(&[], &[]));
        assert_eq!(n, 2);
        // One that was found has no class, a gold one no part in the fit.
        assert_eq!(entities(post(&[], &[(0, 1, "X", [0.1, 0.1, 0.8])])).1, 2);
        assert_eq!(entities(post(&[(0, 1, "X")], &[(0, 1, "PER", [0.1, 0.1, 0.8])])), (temperature, 3));
    }

    #[test]
    fn test_is_judged_at_the_temperature_of_dev() {
        let posts = || vec![post(&[(0, 1, "PER")], &[(0, 1, "PER", [0.1, 0.1, 0.8])])];
        let report = SplitReport::new(Split::Test, &labels(), posts(), Some(2.0));
        let calibration = report.calibration.expect("something was found");
        assert_eq!((calibration.temperature, calibration.fitted_on), (2.0, Split::Dev));
        let report = SplitReport::new(Split::Test, &labels(), posts(), None);
        assert_eq!(report.calibration.expect("something was found").fitted_on, Split::Test);
        assert!(SplitReport::new(Split::Dev, &labels(), vec![post(&[(0, 1, "X")], &[])], None).calibration.is_none());
    }
}
