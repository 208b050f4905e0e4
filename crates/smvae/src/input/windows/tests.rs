//! What windows guarantee, on random posts, against a slow oracle.

use super::*;
use proptest::prelude::*;

/// Words of these many pieces, from some piece on.
fn words(first: u32, pieces: &[u32]) -> Vec<Range<u32>> {
    let mut end = first;
    let word = |n: &u32| {
        end += n;
        end - n..end
    };
    pieces.iter().map(word).collect()
}

/// Of all windows that hold a span, the one in which it lies deepest, with its depth: the distance
/// to the nearer border where the post goes on. `None` means that no window holds it.
fn deepest(words: &[Range<u32>], found: &[Window], span: &Range<usize>) -> Option<(usize, usize)> {
    let distance = |is_end: bool, from: u32, to: u32| if is_end { usize::MAX } else { (to - from) as usize };
    let depth = |run: &Range<usize>| {
        let left = distance(run.start == 0, words[run.start].start, words[span.start].start);
        left.min(distance(run.end == words.len(), words[span.end - 1].end, words[run.end - 1].end))
    };
    let holding = found.iter().enumerate().filter(|(_, w)| w.words.start <= span.start && span.end <= w.words.end);
    let depths = holding.map(|(i, window)| (i, depth(&window.words)));
    depths.reduce(|best, other| if other.1 > best.1 { other } else { best })
}

/// Checks what holds for any words, and returns the least depth at which a span is scored.
fn check(words: &[Range<u32>], room: usize, max_width: usize) -> Result<usize, TestCaseError> {
    let found = windows(words, room, max_width);
    let pieces = |run: &Range<usize>| (words[run.end - 1].end - words[run.start].start) as usize;
    prop_assert_eq!(found[0].words.start, 0);
    prop_assert_eq!(found[found.len() - 1].words.end, words.len());
    for pair in found.windows(2) {
        let (a, b) = (&pair[0].words, &pair[1].words);
        prop_assert!(a.start < b.start && a.end < b.end && b.start <= a.end, "{:?} {:?}", a, b);
    }
    prop_assert!(found.iter().all(|window| pieces(&window.words) <= room && window.ends.len() == window.words.len()));
    let mut least = usize::MAX;
    for start in 0..words.len() {
        for end in start + 1..=words.len().min(start + max_width) {
            let span = start..end;
            let scored: Vec<usize> = (0..found.len())
                .filter(|i| {
                    found[*i].words.contains(&start) && found[*i].ends[start - found[*i].words.start].contains(&end)
                })
                .collect();
            match deepest(words, &found, &span) {
                Some((window, depth)) => {
                    prop_assert_eq!(scored, vec![window], "the span {:?}", &span);
                    least = least.min(depth);
                }
                None => {
                    prop_assert!(pieces(&span) > room, "{:?} is in no window", &span);
                    prop_assert!(scored.is_empty());
                }
            }
        }
    }
    Ok(least)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_span_that_has_room_is_scored_once_where_it_lies_deepest(
        first in 0u32..3,
        room in 1usize..60,
        max_width in 1usize..9,
        pieces in prop::collection::vec(prop_oneof![4 => 1u32..4, 1 => 1u32..60], 1..80),
    ) {
        let pieces: Vec<u32> = pieces.into_iter().map(|n| n.min(room as u32)).collect();
        check(&words(first, &pieces), room, max_width)?;
    }

    #[test]
    fn spans_of_ordinary_words_see_sixty_four_pieces_on_each_side(
        room in prop::sample::select(vec![254usize, 510]),
        pieces in prop::collection::vec(prop_oneof![6 => 1u32..4, 1 => 4u32..12], 200..700),
    ) {
        let least = check(&words(1, &pieces), room, 8)?;
        prop_assert!(least >= CONTEXT, "{} pieces", least);
    }

    #[test]
    fn a_third_of_a_small_room_is_enough(room in 40usize..192, pieces in prop::collection::vec(1u32..3, 100..300)) {
        let least = check(&words(1, &pieces), room, 3)?;
        prop_assert!(least >= room / 3, "{} pieces", least);
    }

    #[test]
    fn windows_are_not_many(pieces in prop::collection::vec(1u32..120, 200..600)) {
        let words = words(1, &pieces);
        let read: usize = windows(&words, 254, 8)
            .iter()
            .map(|window| (words[window.words.end - 1].end - words[window.words.start].start) as usize)
            .sum();
        // A window begins an eighth of the room after the one before it unless a word is wider.
        prop_assert!(read <= 9 * words[words.len() - 1].end as usize, "{} pieces are read", read);
    }
}

#[test]
fn a_post_that_has_room_is_one_window() {
    let found = windows(&words(1, &[2, 1, 3]), 6, 2);
    assert_eq!(found, [Window { words: 0..3, ends: vec![1..3, 2..4, 3..4] }]);
    assert_eq!(windows(&[], 6, 2), []);
}

#[test]
fn windows_overlap_by_what_their_spans_see() {
    // Room for nine pieces, so that three are enough on each side.
    let found = windows(&words(1, &[1; 15]), 9, 1);
    let runs: Vec<Range<usize>> = found.iter().map(|window| window.words.clone()).collect();
    assert_eq!(runs, [0..9, 3..12, 6..15]);
    // Word 5 lies 3 pieces from the end of the first window, and 2 from the start of the second.
    assert_eq!(found[0].ends[5], 6..7);
    assert_eq!(found[1].ends[5 - 3], 6..6);
    assert_eq!(found[1].ends[6 - 3], 7..8);
}
