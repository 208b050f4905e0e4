//! Reliability, its error, and temperatures: cases computed by hand.

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
    // Here 0.07 * 100 is more than 7.
    let bins = reliability([(0.07, true)], 100);
    let bin = bins.iter().find(|bin| bin.n == 1).expect("a bin");
    assert!(bin.low < 0.07 && 0.07 <= bin.high, "{bin:?}");
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
