//! Labels of entities that spans nearby have a part of, since annotators disagree about borders
//! more than about types.

use super::losses::expect_targets;
use crate::Result;
use crate::model::BatchSpan;
use std::collections::HashMap;

/// Class probabilities of spans with these classes (0 is `O`), `spans x n_classes` row by row:
/// those whose first or last word is off by one from that of an entity get `share` of its
/// probability, in equal parts, and the entity keeps the rest. What is left of each row is the
/// probability of `O`. An entity without such spans keeps all of its own.
///
/// Of spans that lie next to several entities the parts are added, and scaled down if they are more
/// than 1.
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) if there is not one target for each span, or a target is
/// not a class.
///
/// # Source
/// Zhu & Li (2022), "Boundary Smoothing for Named Entity Recognition", with D = 1.
pub fn smooth_boundaries(spans: &[BatchSpan], targets: &[u32], n_classes: usize, share: f64) -> Result<Vec<f32>> {
    expect_targets("smooth_boundaries", targets, spans.len(), n_classes)?;
    let key = |span: &BatchSpan| (span.text, span.words.start, span.words.end);
    let rows: HashMap<_, usize> = spans.iter().enumerate().map(|(row, span)| (key(span), row)).collect();
    let mut probabilities = vec![0.0; spans.len() * n_classes];
    for (row, (span, &class)) in spans.iter().zip(targets).enumerate().filter(|(_, (_, class))| **class != 0) {
        let (text, start, end) = key(span);
        // What would be outside of any text is the place of no span.
        let nearby = [(start.wrapping_sub(1), end), (start + 1, end), (start, end.wrapping_sub(1)), (start, end + 1)];
        let nearby: Vec<usize> = nearby.iter().filter_map(|(a, b)| rows.get(&(text, *a, *b)).copied()).collect();
        let shared = if nearby.is_empty() { 0.0 } else { share };
        probabilities[row * n_classes + class as usize] += (1.0 - shared) as f32;
        for near in &nearby {
            probabilities[near * n_classes + class as usize] += (shared / nearby.len() as f64) as f32;
        }
    }
    for row in probabilities.chunks_exact_mut(n_classes.max(1)) {
        let of_entities: f32 = row.iter().sum();
        if of_entities > 1.0 {
            row.iter_mut().for_each(|p| *p /= of_entities);
        }
        row[0] = (1.0 - of_entities).max(0.0);
    }
    Ok(probabilities)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    /// All spans of two texts of `lengths` words.
    fn spans(lengths: [usize; 2]) -> Vec<BatchSpan> {
        let texts = [0..lengths[0], lengths[0]..lengths[0] + lengths[1]];
        let of_text = |(text, words): (usize, &std::ops::Range<usize>)| -> Vec<BatchSpan> {
            let end = words.end;
            let from = move |a: usize| (a + 1..=end).map(move |b| BatchSpan { text, words: Span::new(a, b) });
            words.clone().flat_map(from).collect()
        };
        texts.iter().enumerate().flat_map(of_text).collect()
    }

    /// The probabilities of the spans that are not plainly `O`, with entities given as words and
    /// class.
    #[track_caller]
    fn check(lengths: [usize; 2], entities: &[(usize, usize, u32)], want: &[(usize, usize, [f32; 3])]) {
        let spans = spans(lengths);
        let class = |span: &BatchSpan| {
            let its = entities.iter().find(|(a, b, _)| (*a, *b) == (span.words.start, span.words.end));
            its.map_or(0, |(_, _, class)| *class)
        };
        let targets: Vec<u32> = spans.iter().map(class).collect();
        let got = smooth_boundaries(&spans, &targets, 3, 0.2).expect("a class for each span");
        for (span, got) in spans.iter().zip(got.chunks(3)) {
            let its = want.iter().find(|(a, b, _)| (*a, *b) == (span.words.start, span.words.end));
            let want = its.map_or([1.0, 0.0, 0.0], |(_, _, p)| *p);
            assert!(got.iter().zip(&want).all(|(p, q)| (p - q).abs() < 1e-6), "{span:?}: {got:?}, not {want:?}");
        }
    }

    #[test]
    fn spans_that_are_off_by_one_word_share_a_label() {
        // Inside of a text there are four of them; the second text begins where the first ends.
        let near = [0.95, 0.05, 0.0];
        let around = [(0, 3, near), (2, 3, near), (1, 2, near), (1, 4, near)];
        check([5, 2], &[(1, 3, 1)], &[&around[..], &[(1, 3, [0.2, 0.8, 0.0])]].concat());
        let near = [0.9, 0.0, 0.1];
        check([3, 2], &[(3, 5, 2)], &[(3, 5, [0.2, 0.0, 0.8]), (3, 4, near), (4, 5, near)]);
    }

    #[test]
    fn an_entity_alone_keeps_its_label_and_neighbours_add_up() {
        check([1, 1], &[(0, 1, 1)], &[(0, 1, [0.0, 1.0, 0.0])]);
        check(
            [2, 1],
            &[(0, 1, 1), (1, 2, 2)],
            &[(0, 1, [0.2, 0.8, 0.0]), (1, 2, [0.2, 0.0, 0.8]), (0, 2, [0.6, 0.2, 0.2])],
        );
        // Entities inside of each other: the outer one would get more than there is.
        let inner = [0.1, 0.9, 0.0];
        check([2, 1], &[(0, 1, 1), (0, 2, 1), (1, 2, 1)], &[(0, 1, inner), (0, 2, [0.0, 1.0, 0.0]), (1, 2, inner)]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let spans = spans([2, 1]);
        assert!(smooth_boundaries(&spans, &[0; 3], 3, 0.1).is_err());
        assert!(smooth_boundaries(&spans, &[0, 3, 0, 0], 3, 0.1).is_err());
        assert!(smooth_boundaries(&[], &[], 0, 0.1).expect("nothing to share").is_empty());
        let empty = [BatchSpan { text: 0, words: Span::new(0, 0) }];
        assert_eq!(smooth_boundaries(&empty, &[1], 2, 0.1).expect("it has no neighbours"), [0.0, 1.0]);
    }
}
