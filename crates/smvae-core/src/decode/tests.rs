//! Greedy decoding: cases by hand, and against the quadratic definition.

use super::*;
use proptest::prelude::*;

type Row = (usize, usize, usize, f32);

fn candidates(rows: &[Row]) -> Vec<Candidate> {
    rows.iter().map(|&(a, b, class, score)| Candidate { span: Span::new(a, b), class, score }).collect()
}

#[track_caller]
fn check(rows: &[Row], want: &[usize]) {
    let all = candidates(rows);
    let want: Vec<String> = want.iter().map(|&i| format!("{:?}", all[i])).collect();
    let got: Vec<String> = decode(&all).iter().map(|c| format!("{c:?}")).collect();
    assert_eq!(got, want, "{rows:?}");
}

#[test]
fn the_best_of_overlapping_spans_is_kept() {
    check(&[], &[]);
    check(&[(0, 1, 0, 0.9)], &[]);
    check(&[(0, 2, 1, 0.5), (1, 3, 1, 0.6)], &[1]);
    check(&[(0, 2, 1, 0.5), (2, 3, 1, 0.6)], &[0, 1]);
    check(&[(0, 9, 1, 0.5), (4, 5, 2, 0.6), (7, 9, 1, 0.4), (0, 4, 1, 0.1)], &[3, 1, 2]);
    // `O` takes no words, however sure it is.
    check(&[(0, 2, 0, 0.99), (0, 2, 1, 0.3)], &[1]);
}

#[test]
fn ties_go_to_the_earlier_candidate() {
    check(&[(0, 2, 1, 0.5), (1, 3, 2, 0.5), (2, 4, 1, 0.5)], &[0, 2]);
    check(&[(1, 3, 2, 0.5), (0, 2, 1, 0.5), (2, 4, 1, 0.5)], &[0]);
    check(&[(0, 1, 1, -0.0), (0, 1, 2, 0.0)], &[0]);
}

#[test]
fn odd_input_is_no_panic() {
    for nan in [f32::NAN, -f32::NAN] {
        check(&[(0, 2, 1, nan), (1, 3, 1, 0.1), (5, 6, 1, nan)], &[1, 2]);
        check(&[(0, 1, 1, nan), (0, 1, 2, nan), (0, 1, 3, f32::NEG_INFINITY)], &[2]);
    }
    check(&[(3, 3, 1, 0.9), (4, 2, 1, 0.9), (2, 5, 1, 0.1), (0, usize::MAX, 1, 0.05)], &[2]);
}

proptest! {
    #[test]
    fn equals_the_quadratic_definition(
        rows in prop::collection::vec((0usize..12, 1usize..5, 0usize..3, 0u8..4), 0..40)
    ) {
        let rows: Vec<Row> = rows.iter().map(|&(a, w, class, s)| (a, a + w, class, f32::from(s))).collect();
        let all = candidates(&rows);
        let mut ranked = all.clone();
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut want: Vec<Candidate> = Vec::new();
        for c in ranked {
            if c.class != 0 && want.iter().all(|k| !k.span.overlaps(c.span)) {
                want.push(c);
            }
        }
        want.sort_by_key(|c| c.span);
        prop_assert_eq!(decode(&all), want);
    }
}

#[test]
fn a_hundred_thousand_candidates_are_no_trouble() {
    let rows: Vec<Row> = (0..100_000).map(|i| (i, i + 2, 1, (i % 2) as f32)).collect();
    assert_eq!(decode(&candidates(&rows)).len(), 50_000);
}
