//! One post after another, among those that are compared.

use rayon::prelude::*;

/// Posts that are all alike are still told apart by their value.
const LEAST_DISTANCE: f32 = 1e-3;
/// Posts whose gains are computed at once.
const PART: usize = 64;
/// Sums side by side in a product of two vectors, which a compiler makes one instruction of.
const LANES: usize = 16;

/// Takes `n` posts, each the one whose value times its distance to the nearest post that was taken
/// before, or is labelled, is greatest; with that distance (1 less the cosine, or 1 where there is
/// nothing to be near to). Of equal ones the first is taken.
pub(super) fn apart(values: &[f32], vectors: &[Vec<f32>], labelled: &[Vec<f32>], n: usize) -> Vec<(usize, f32)> {
    let mut distance = vec![1f32; values.len()];
    let mut is_free = vec![true; values.len()];
    let come_near = |distance: &mut [f32], to: &[f32]| {
        distance.par_iter_mut().zip(vectors).with_min_len(PART).for_each(|(distance, vector)| {
            *distance = distance.min((1.0 - dot(vector, to)).max(LEAST_DISTANCE));
        });
    };
    labelled.iter().for_each(|vector| come_near(&mut distance, vector));
    let mut taken = Vec::with_capacity(n.min(values.len()));
    while taken.len() < n {
        let worth = |i: usize| values[i] * distance[i];
        let better = |best: Option<usize>, i: usize| match best {
            Some(best) if worth(best) >= worth(i) => Some(best),
            _ => Some(i),
        };
        let Some(i) = (0..values.len()).filter(|i| is_free[*i]).fold(None, better) else { break };
        taken.push((i, distance[i]));
        is_free[i] = false;
        come_near(&mut distance, &vectors[i]);
    }
    taken
}

/// Takes `n` posts, each the one that brings all of them nearest to what is taken or labelled:
/// greatest sum of how much its cosine to each post exceeds the greatest so far. With that sum over
/// the number of posts: the mean gain of a post.
pub(super) fn covering(vectors: &[Vec<f32>], labelled: &[Vec<f32>], n: usize) -> Vec<(usize, f32)> {
    let mut near = vec![0f32; vectors.len()];
    let come_near = |near: &mut [f32], to: &[f32]| {
        near.iter_mut().zip(vectors).for_each(|(near, vector)| *near = near.max(dot(vector, to)));
    };
    labelled.iter().for_each(|vector| come_near(&mut near, vector));
    let mut is_free = vec![true; vectors.len()];
    // A gain only shrinks while others are taken, so that an old one is a bound: most posts need
    // not be looked at again.
    let gain = |near: &[f32], i: usize| -> f32 {
        near.iter().zip(vectors).map(|(near, vector)| (dot(vector, &vectors[i]) - near).max(0.0)).sum()
    };
    let mut bounds = vec![f32::INFINITY; vectors.len()];
    let mut taken = Vec::with_capacity(n.min(vectors.len()));
    while taken.len() < n.min(vectors.len()) {
        let mut order: Vec<usize> = (0..vectors.len()).filter(|i| is_free[*i]).collect();
        order.sort_by(|a, b| bounds[*b].total_cmp(&bounds[*a]).then(a.cmp(b)));
        let mut best: Option<usize> = None;
        for part in order.chunks(PART) {
            if best.is_some_and(|best| bounds[best] >= bounds[part[0]]) {
                break;
            }
            let gains: Vec<f32> = part.par_iter().map(|i| gain(&near, *i)).collect();
            for (i, gain) in part.iter().zip(gains) {
                bounds[*i] = gain;
                let is_better = |best: usize| gain > bounds[best] || (gain == bounds[best] && *i < best);
                if best.is_none_or(is_better) {
                    best = Some(*i);
                }
            }
        }
        let Some(best) = best else { break };
        taken.push((best, bounds[best] / vectors.len() as f32));
        is_free[best] = false;
        come_near(&mut near, &vectors[best]);
    }
    taken
}

/// The product of two vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vector of length 1 at this angle, in degrees.
    fn at(angle: f32) -> Vec<f32> {
        let angle = angle.to_radians();
        vec![angle.cos(), angle.sin()]
    }

    fn unit(x: [f32; 4]) -> Vec<f32> {
        let length = dot(&x, &x).sqrt();
        x.iter().map(|x| x / length).collect()
    }

    fn positions(taken: &[(usize, f32)]) -> Vec<usize> {
        taken.iter().map(|(i, _)| *i).collect()
    }

    #[test]
    fn a_valuable_post_that_is_like_another_comes_later() {
        let vectors = [at(0.0), at(1.0), at(90.0), at(45.0)];
        let values = [1.0, 0.99, 0.5, 0.0];
        assert_eq!(positions(&apart(&values, &vectors, &[], 3)), [0, 2, 1]);
        assert_eq!(positions(&apart(&values, &vectors, &[], usize::MAX)), [0, 2, 1, 3]);
        // What is labelled counts as taken.
        assert_eq!(positions(&apart(&values, &vectors, &[at(0.5)], 1)), [2]);
        // Of equal posts the first, and all of them in the end.
        assert_eq!(positions(&apart(&[1.0; 3], &[at(3.0), at(3.0), at(3.0)], &[], 3)), [0, 1, 2]);
        assert!(apart(&[], &[], &[], 3).is_empty());
        let distances: Vec<f32> = apart(&values, &vectors, &[], 2).iter().map(|(_, d)| *d).collect();
        assert!((distances[0] - 1.0).abs() < 1e-6 && (distances[1] - 1.0).abs() < 1e-6, "{distances:?}");
    }

    #[test]
    fn posts_that_stand_for_many_come_first() {
        // One alone, three that are alike, two that are alike.
        let vectors = [
            unit([0.0, 0.0, 1.0, 0.0]),
            unit([1.0, 0.0, 0.0, 0.1]),
            unit([1.0, 0.0, 0.0, 0.0]),
            unit([1.0, 0.0, 0.0, -0.1]),
            unit([0.0, 1.0, 0.0, 0.1]),
            unit([0.0, 1.0, 0.0, -0.1]),
        ];
        assert_eq!(positions(&covering(&vectors, &[], 3)), [2, 4, 0]);
        assert_eq!(positions(&covering(&vectors, &[unit([1.0, 0.0, 0.0, 0.0])], 1)), [4]);
        assert_eq!(covering(&vectors, &[], 9).len(), 6);
        assert!(covering(&[], &[], 2).is_empty());
    }

    proptest::proptest! {
        /// Old gains as bounds change nothing.
        #[test]
        fn covering_is_greedy(angles in proptest::collection::vec(0f32..360.0, 1..40), n in 1usize..8) {
            let vectors: Vec<Vec<f32>> = angles.into_iter().map(at).collect();
            let mut near = vec![0f32; vectors.len()];
            let mut want = Vec::new();
            for _ in 0..n.min(vectors.len()) {
                let gain = |i: usize| -> f32 {
                    near.iter().zip(&vectors).map(|(near, v)| (dot(v, &vectors[i]) - near).max(0.0)).sum()
                };
                let best = (0..vectors.len()).filter(|i| !want.contains(i)).reduce(|best, i| {
                    if gain(i) > gain(best) { i } else { best }
                });
                let best = best.expect("one is left");
                want.push(best);
                near.iter_mut().zip(&vectors).for_each(|(near, v)| *near = near.max(dot(v, &vectors[best])));
            }
            proptest::prop_assert_eq!(positions(&covering(&vectors, &[], n)), want);
        }

        #[test]
        fn lanes_sum_everything(a in proptest::collection::vec(-8i16..8, 0..70)) {
            let a: Vec<f32> = a.into_iter().map(f32::from).collect();
            proptest::prop_assert_eq!(dot(&a, &a), a.iter().map(|x| x * x).sum::<f32>());
        }
    }
}
