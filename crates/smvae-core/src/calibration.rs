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
        // By the edges that are told: a product with the number of bins may be rounded over one.
        let index = bins.partition_point(|bin| bin.high < score);
        // Sums, until they are divided below.
        if let Some(bin) = bins.get_mut(index.min(n_bins.saturating_sub(1))) {
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
/// The mean of `-log p_T` of the gold classes is convex in `1/T`, so that it has one minimum in
/// `log T`, which golden-section search finds. If the gold class is the most probable one in every
/// row, the minimum is at `T = 0`, and the least temperature is returned.
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
mod tests;
