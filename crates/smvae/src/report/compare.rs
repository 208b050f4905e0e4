//! Compares the methods of a folder's runs.
//!
//! ```text
//! runs of one place (corpus, labels, size of dev)   --> a Comparison: the best method against the baseline, or,
//!                                                       where there is none, against the next best
//! best = the largest mean of paired differences among the methods with at least half as many pairs as any has;
//!        without pairs, the largest mean
//! ```
//! Differences and intervals are those of `experiment::statistics`; the sentences are in
//! `sentence.rs`. What it does not do: correct for the number of methods, which is named instead.

use crate::experiment::statistics::{Difference, independent, mean_and_sd};
use crate::report::answer::{Answer, Comparison, Verdict};
use crate::report::place::Place;
use crate::report::scores::Score;
use crate::report::sentence;
use std::cmp::Ordering;

/// The answer of scores, with the baseline of the experiment.
pub(super) fn answer(scores: &[Score], baseline: Option<&str>) -> Answer {
    let mut comparisons: Vec<Comparison> =
        places(scores).iter().filter_map(|scores| compare(scores, baseline)).collect();
    comparisons.sort_by_key(|comparison| match (comparison.verdict, &comparison.difference) {
        (Verdict::More | Verdict::Less, _) => 0,
        (_, Some(difference)) if difference.n > 1 => 1,
        _ => 2,
    });
    let headline = match comparisons.as_slice() {
        [] => sentence::of_one_method(scores),
        [one] => one.headline.clone(),
        many => sentence::of_comparisons(many, baseline),
    };
    Answer { headline, notes: sentence::notes(&comparisons), comparisons }
}

/// Scores by place, in the order in which places come.
fn places(scores: &[Score]) -> Vec<Vec<&Score>> {
    let mut places: Vec<(&Place, Vec<&Score>)> = Vec::new();
    for score in scores {
        match places.iter_mut().find(|(place, _)| *place == &score.place) {
            Some((_, of_place)) => of_place.push(score),
            None => places.push((&score.place, vec![score])),
        }
    }
    places.into_iter().map(|(_, scores)| scores).collect()
}

/// The runs of a method in a place.
struct Method<'a> {
    name: &'a str,
    runs: Vec<&'a Score>,
}

impl Method<'_> {
    fn mean(&self, on_test: bool) -> f64 {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| f1(run, on_test)).collect();
        mean_and_sd(&values).map_or(0.0, |(mean, _)| mean)
    }

    /// Paired differences from another method.
    fn minus(&self, other: &Self, on_test: bool) -> Option<Difference> {
        let of_other = |run: &Score| other.runs.iter().find(|o| o.pair == run.pair).and_then(|o| f1(o, on_test));
        let differences = self.runs.iter().filter_map(|run| Some((&run.pair.0, f1(run, on_test)? - of_other(run)?)));
        Difference::of(&independent(differences))
    }
}

fn f1(score: &Score, on_test: bool) -> Option<f64> {
    if on_test { score.test } else { Some(score.dev) }
}

/// `None` for a place with a single method.
fn compare(scores: &[&Score], baseline: Option<&str>) -> Option<Comparison> {
    let on_test = scores.iter().all(|score| score.test.is_some());
    let mut methods: Vec<Method<'_>> = Vec::new();
    for score in scores {
        match methods.iter_mut().find(|method| method.name == score.method) {
            Some(method) => method.runs.push(score),
            None => methods.push(Method { name: &score.method, runs: vec![score] }),
        }
    }
    methods.sort_by(|a, b| b.mean(on_test).total_cmp(&a.mean(on_test)));
    // Without a baseline, the best is compared with the next best.
    let base = baseline.and_then(|name| methods.iter().position(|method| method.name == name)).unwrap_or(1);
    let against = methods.get(base)?;
    let others = methods.iter().enumerate().filter(|(i, _)| *i != base).map(|(_, method)| method);
    let (best, difference) = if baseline == Some(against.name) {
        best_of(others.map(|other| (other, other.minus(against, on_test))).collect())?
    } else {
        (&methods[0], methods[0].minus(against, on_test))
    };
    let verdict = verdict(difference.as_ref());
    let mut comparison = Comparison {
        place: scores[0].place.words(),
        split: if on_test { "test" } else { "dev" },
        best: best.name.to_owned(),
        best_mean: best.mean(on_test),
        against: against.name.to_owned(),
        against_mean: against.mean(on_test),
        methods: methods.len(),
        difference,
        verdict,
        headline: Vec::new(),
        explanation: String::new(),
    };
    comparison.headline = sentence::of_comparison(&comparison, baseline == Some(against.name));
    comparison.explanation = sentence::explanation(&comparison);
    Some(comparison)
}

/// What the interval says.
fn verdict(difference: Option<&Difference>) -> Verdict {
    match difference.and_then(Difference::sign) {
        Some(Ordering::Greater) => Verdict::More,
        Some(_) => Verdict::Less,
        None => Verdict::CannotTell,
    }
}

/// The largest difference among methods with many pairs; without pairs the first, whose mean is the
/// largest.
fn best_of<'a, 'b>(others: Vec<(&'a Method<'b>, Option<Difference>)>) -> Option<(&'a Method<'b>, Option<Difference>)> {
    let pairs = |difference: &Option<Difference>| difference.as_ref().map_or(0, |difference| difference.n);
    let most = others.iter().map(|(_, difference)| pairs(difference)).max()?;
    if most == 0 {
        return others.into_iter().next();
    }
    let mean = |difference: &Option<Difference>| difference.as_ref().map_or(f64::MIN, |difference| difference.mean);
    let often = others.into_iter().filter(|(_, difference)| 2 * pairs(difference) >= most);
    often.max_by(|(_, a), (_, b)| mean(a).total_cmp(&mean(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::spec::LabelCount;
    use crate::report::answer::text;

    /// Scores on test of a method, one per draw.
    fn runs(method: &str, labels: usize, f1: &[f64]) -> Vec<Score> {
        let place = Place { corpus: "c".to_owned(), labels: LabelCount::Count(labels), dev_labels: None };
        let score = |(draw, f1): (usize, &f64)| Score {
            place: place.clone(),
            method: method.to_owned(),
            pair: (draw.to_string(), 0),
            posts: Some(labels),
            dev: 1.0,
            test: Some(*f1),
        };
        f1.iter().enumerate().map(score).collect()
    }

    #[track_caller]
    fn check(scores: &[Vec<Score>], baseline: Option<&str>, headline: &str, explanations: &[&str]) {
        let answer = answer(&scores.concat(), baseline);
        assert_eq!(text(&answer.headline), headline);
        let told: Vec<&str> = answer.comparisons.iter().map(|c| c.explanation.as_str()).collect();
        assert_eq!(told, explanations);
    }

    #[test]
    fn the_answer_names_method_difference_and_whether_the_data_can_tell() {
        let base = runs("base", 50, &[60.0, 61.0, 62.0]);
        check(
            &[base.clone(), runs("new", 50, &[62.0, 64.0, 63.5])],
            Some("base"),
            "new finds more than base: +2.17 F1 on test",
            &["95 % interval +0.27 to +4.06, over 3 pairs of the same draw and seed. The data can tell: the \
               interval is above 0."],
        );
        check(
            &[base.clone(), runs("new", 50, &[62.0, 60.0, 63.5])],
            Some("base"),
            "new is ahead of base: +0.83 F1 on test",
            &["95 % interval -3.16 to +4.83, over 3 pairs of the same draw and seed. The data cannot tell: \
               the interval holds 0. If difference and spread stay as they are, 17 pairs would tell."],
        );
        check(
            &[base.clone(), runs("new", 50, &[52.0, 54.0, 53.5])],
            Some("base"),
            "No method finds more than base; new comes closest: -7.83 F1 on test",
            &["95 % interval -9.73 to -5.94, over 3 pairs of the same draw and seed. The data can tell: the \
               interval is below 0."],
        );
        // Without a baseline the two best are compared; one pair has no interval.
        check(
            &[runs("a", 50, &[1.0]), runs("b", 50, &[3.0]), runs("c", 50, &[2.0])],
            None,
            "b is ahead of c, the next best: +1.00 F1 on test",
            &["The data cannot tell: there is one pair of runs, and one has no interval."],
        );
        // What was run once is not the best of what was run three times.
        check(
            &[base, runs("once", 50, &[99.0]), runs("new", 50, &[60.1, 61.1, 62.1])],
            Some("base"),
            "new finds more than base: +0.10 F1 on test",
            &["95 % interval +0.10 to +0.10, over 3 pairs of the same draw and seed. The data can tell: the \
               interval is above 0."],
        );
    }

    #[test]
    fn several_places_are_summed_up() {
        let scores = [
            runs("base", 50, &[60.0, 61.0]),
            runs("new", 50, &[61.0, 66.0]),
            runs("base", 100, &[60.0, 61.0]),
            runs("new", 100, &[63.0, 64.1]),
        ]
        .concat();
        let got = answer(&scores, Some("base"));
        assert_eq!(
            text(&got.headline),
            "In 1 of 2 comparisons the data can tell that new finds more than base, by +3.05 F1"
        );
        // What the data can tell comes first.
        assert_eq!(got.comparisons[0].place, "100 labelled posts of c");
        assert_eq!(got.comparisons[1].verdict, Verdict::CannotTell);
        let one = answer(&runs("only", 50, &[60.0, 62.0]), None);
        assert!(one.comparisons.is_empty());
        assert_eq!(text(&one.headline), "only finds 61.00 F1 on test: the mean of 2 runs, from 60.00 to 62.00");
        assert_eq!(
            text(&answer(&runs("only", 50, &[60.0]), None).headline),
            "only finds 60.00 F1 on test, in a single run"
        );
        assert_eq!(answer(&[], None), Answer::default());
    }

    #[test]
    fn the_headline_names_the_baseline_only_as_far_as_it_was_run() {
        let new = |labels| runs("new", labels, &[63.0, 64.1]);
        #[track_caller]
        fn check(scores: &[Vec<Score>], headline: &str) {
            assert_eq!(text(&answer(&scores.concat(), Some("base")).headline), headline);
        }
        let (base, other) = (runs("base", 50, &[60.0, 61.0]), runs("other", 100, &[60.0, 61.0]));
        check(
            &[base, new(50), other.clone(), new(100)],
            "In 2 of 2 comparisons the data can tell that new finds more than base or, where that is absent, than the \
             next best, by +3.05 to +3.05 F1",
        );
        check(
            &[other, new(100), runs("other", 50, &[60.0]), new(50)],
            "In 1 of 2 comparisons the data can tell that new finds more than the next best, by +3.05 F1",
        );
    }

    #[test]
    fn runs_of_other_posts_are_no_pairs() {
        let mut new = runs("new", 50, &[70.0]);
        new[0].pair.0 = "other posts".to_owned();
        check(
            &[runs("base", 50, &[60.0]), new],
            Some("base"),
            "new is ahead of base: 70.00 F1 on test, not 60.00",
            &["The data cannot tell: no draw and seed were run with both, so that there are no pairs."],
        );
    }
}
