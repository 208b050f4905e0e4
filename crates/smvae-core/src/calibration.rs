//! Calibration: whether the score of a found entity is the share of such entities that are right.
//!
//! ```text
//! bin b of B:     entities with a score in (b/B, (b+1)/B]
//! ECE             = sum over bins of n_b / n * |precision_b - mean score_b|
//! temperature T   p_T = softmax(log p / T),   T minimises the mean of -log p_T[gold class]
//! ```
//! The rows are those of the entities a model found, each the probabilities of all classes for its
//! span; the gold class is `O` where no gold entity has these words. T changes scores alone: the
//! class of a span stays the most probable one, and which entities are found is not decided again.
//! What this does not do: it says nothing about entities that were not found.
//!
//! # Source
//! Guo, Pleiss, Sun & Weinberger (2017), On Calibration of Modern Neural Networks, sections 2 and
//! 4.2.

use serde::Serialize;

/// Found entities whose scores are alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// Scores are above this, or equal in the first bin.
    pub low: f64,
    /// Scores are at most this.
    pub high: f64,
    /// Number of entities.
    pub n: usize,
    /// Mean of their scores, 0 to 1; 0 without entities.
    pub mean_score: f64,
    /// Share of them that are right, 0 to 1; 0 without entities.
    pub precision: f64,
}

/// Sorts entities, each a score in 0 to 1 and whether it is right, into `n_bins` bins of equal
/// width. A score that is not a number is in no bin.
///
/// ```
/// use smvae_core::calibration::{expected_calibration_error, reliability};
/// let bins = reliability([(0.9, true), (0.9, false), (0.2, false)], 2);
/// assert_eq!((bins[1].n, bins[1].precision), (2, 0.5));
/// // 2/3 of the entities are 0.4 off, 1/3 is 0.2 off.
/// assert!((expected_calibration_error(&bins) - 1.0 / 3.0).abs() < 1e-12);
/// ```
pub fn reliability(outcomes: impl IntoIterator<Item = (f64, bool)>, n_bins: usize) -> Vec<Bin> {
    let width = 1.0 / n_bins as f64;
    let edge = |b: usize| b as f64 * width;
    let mut bins: Vec<Bin> = (0..n_bins).map(|b| Bin { low: edge(b), high: edge(b + 1), ..Bin::default() }).collect();
    for (score, right) in outcomes.into_iter().filter(|(score, _)| !score.is_nan()) {
        let index = (score * n_bins as f64).ceil() as usize;
        // Sums, until they are divided below.
        if let Some(bin) = bins.get_mut(index.saturating_sub(1).min(n_bins.saturating_sub(1))) {
            bin.n += 1;
            bin.mean_score += score;
            bin.precision += f64::from(u8::from(right));
        }
    }
    for bin in bins.iter_mut().filter(|bin| bin.n > 0) {
        bin.mean_score /= bin.n as f64;
        bin.precision /= bin.n as f64;
    }
    bins
}

/// The expected calibration error of some bins, 0 (the scores are precisions) to 1; 0 without
/// entities.
pub fn expected_calibration_error(bins: &[Bin]) -> f64 {
    let n: usize = bins.iter().map(|bin| bin.n).sum();
    let gap = |bin: &Bin| bin.n as f64 * (bin.precision - bin.mean_score).abs();
    // From 0, since the sum of an empty iterator is -0.
    bins.iter().map(gap).fold(0.0, |sum, gap| sum + gap) / n.max(1) as f64
}

/// Probabilities at a temperature above 0: `softmax(log p / T)`. Above 1 they come closer to each
/// other.
pub fn tempered(probabilities: &[f32], temperature: f64) -> Vec<f64> {
    let logs: Vec<f64> = probabilities.iter().map(|p| log(*p) / temperature).collect();
    let log_sum = log_sum_exp(&logs);
    logs.iter().map(|log| (log - log_sum).exp()).collect()
}

/// The temperature that makes the gold classes most likely, between 1/20 and 20; `None` without
/// rows. A row is the probabilities of all classes, and the index of the gold class; a row with an
/// index that is not a class, or with a probability that is not a number, is left out.
///
/// The mean of `-log p_T` is convex in `1/T`, so that it has one minimum in `log T`, which golden
/// section search finds. Rows that are all right have it at `T = 0`; the least temperature is
/// returned then.
pub fn fit_temperature<P: AsRef<[f32]>>(rows: &[(P, usize)]) -> Option<f64> {
    let logs = |(p, gold): &(P, usize)| {
        let p = p.as_ref();
        (*gold < p.len() && !p.iter().any(|p| p.is_nan()))
            .then(|| (p.iter().copied().map(log).collect::<Vec<f64>>(), *gold))
    };
    let rows: Vec<(Vec<f64>, usize)> = rows.iter().filter_map(logs).collect();
    if rows.is_empty() {
        return None;
    }
    let loss = |log_temperature: f64| -> f64 {
        let scale = (-log_temperature).exp();
        let loss = |(logs, gold): &(Vec<f64>, usize)| {
            let logs: Vec<f64> = logs.iter().map(|log| log * scale).collect();
            log_sum_exp(&logs) - logs[*gold]
        };
        rows.iter().map(loss).sum()
    };
    let bound = 20f64.ln();
    Some(golden_section(loss, -bound, bound).exp())
}

/// Where a function with one minimum has it, between two ends, to 1e-6.
fn golden_section(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let inner = |low: f64, high: f64| (high - ratio * (high - low), low + ratio * (high - low));
    let (mut a, mut b) = inner(low, high);
    let (mut f_a, mut f_b) = (f(a), f(b));
    while high - low > 1e-6 {
        if f_a <= f_b {
            (high, b, f_b) = (b, a, f_a);
            a = inner(low, high).0;
            f_a = f(a);
        } else {
            (low, a, f_a) = (a, b, f_b);
            b = inner(low, high).1;
            f_b = f(b);
        }
    }
    (low + high) / 2.0
}

/// A probability that underflowed to 0 counts as the smallest that is not 0.
fn log(probability: f32) -> f64 {
    f64::from(probability.max(f32::MIN_POSITIVE)).ln()
}

fn log_sum_exp(logs: &[f64]) -> f64 {
    let max = logs.iter().copied().fold(f64::MIN, f64::max);
    max + logs.iter().map(|log| (log - max).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance, "{got}, not {want}");
    }

    #[test]
    fn a_hand_worked_error() {
        // Ten bins; (0.8, 0.9]: 4 entities of mean 0.86, 3 right; (0.3, 0.4]: 1 of 0.35, wrong;
        // (0.9, 1.0]: 5 of mean 0.98, 4 right. ECE = 4/10 * 0.11 + 1/10 * 0.35 + 5/10 * 0.18.
        let eights = [(0.85, true), (0.85, true), (0.86, true), (0.88, false)];
        let nines = [(0.97, true), (0.97, true), (0.98, true), (0.99, true), (0.99, false)];
        let bins = reliability(eights.into_iter().chain([(0.35, false)]).chain(nines), 10);
        assert_eq!(bins.iter().map(|bin| bin.n).collect::<Vec<_>>(), [0, 0, 0, 1, 0, 0, 0, 0, 4, 5]);
        close(bins[8].mean_score, 0.86, 1e-12);
        close(bins[8].precision, 0.75, 1e-12);
        close(expected_calibration_error(&bins), 0.4 * 0.11 + 0.1 * 0.35 + 0.5 * 0.18, 1e-12);
    }

    #[test]
    fn edges_of_bins_and_odd_scores() {
        let check = |score: f64, want: usize| {
            let bins = reliability([(score, true)], 4);
            assert_eq!(bins.iter().position(|bin| bin.n == 1), Some(want), "{score}");
        };
        check(0.0, 0);
        check(0.25, 0);
        check(0.2501, 1);
        check(0.5, 1);
        check(1.0, 3);
        // Rounding may put a probability above 1.
        check(1.0001, 3);
        check(-1.0, 0);
        assert_eq!(reliability([(f64::NAN, true)], 4).iter().map(|bin| bin.n).sum::<usize>(), 0);
        assert!(reliability([(0.5, true)], 0).is_empty());
        assert_eq!(expected_calibration_error(&[]), 0.0);
    }

    #[test]
    fn temperature_sharpens_and_flattens() {
        let p = [0.7f32, 0.2, 0.1];
        for (t, p) in tempered(&p, 1.0).iter().zip(p) {
            close(*t, f64::from(p), 1e-6);
        }
        // At 1/2 probabilities are squared: 0.49, 0.04, 0.01 of 0.54.
        close(tempered(&p, 0.5)[0], 0.49 / 0.54, 1e-6);
        close(tempered(&p, 1e6)[0], 1.0 / 3.0, 1e-5);
        assert!(tempered(&[1.0, 0.0], 0.05).iter().all(|p| p.is_finite()));
    }

    #[test]
    fn the_temperature_of_an_over_confident_model_is_recovered() {
        // Gold classes come as often as the true probabilities say; the model's are those at a
        // temperature of 1/T.
        let truth = [[0.5f32, 0.3, 0.2], [0.8, 0.1, 0.1], [0.6, 0.2, 0.2]];
        for want in [0.5, 1.0, 2.5] {
            let mut rows = Vec::new();
            for p in &truth {
                let claimed: Vec<f32> = tempered(p, 1.0 / want).iter().map(|p| *p as f32).collect();
                for (gold, p) in p.iter().enumerate() {
                    rows.extend((0..(p * 100.0).round() as usize).map(|_| (claimed.clone(), gold)));
                }
            }
            close(fit_temperature(&rows).expect("rows"), want, 1e-3);
        }
    }

    #[test]
    fn extremes_end_at_the_bounds() {
        assert_eq!(fit_temperature::<Vec<f32>>(&[]), None);
        assert_eq!(fit_temperature(&[(vec![0.5, 0.5], 2)]), None);
        close(fit_temperature(&[(vec![0.1, 0.9], 1)]).expect("a row"), 0.05, 1e-4);
        close(fit_temperature(&[(vec![0.1, 0.9], 0)]).expect("a row"), 20.0, 1e-2);
    }
}
