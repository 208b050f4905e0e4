//! The candidate spans of the authors' program, for parity with it; our own never see labels.
//!
//! For each post: words with `http` are dropped; entities are read by [`Convention::Authors`];
//! every span of the words left is a candidate, by start, then by end; [`Filter::Authors`] then
//! leaves out spans that are not entities and are wider than 5 words or in a post of under 3 words.
//! Spans here count the *words left*, the only place in this workspace where they do not count the
//! file's words; [`kept_words`] maps back.
//!
//! A listing writes a candidate as `imgid TAB start TAB end TAB label LF`, indices inclusive, in
//! file order; the SHA-256 of the listing is compared with that of the authors' own run. Not done
//! here: their program also loses the last post of a file without a final blank line (Twitter2015),
//! which a caller who wants it leaves off.

use crate::{Convention, Entity, Result, Sample, Span, is_url};
use serde::Serialize;
use sha2::{Digest, Sha256};
use smvae_core::bio::read_entities;
use smvae_core::labels::OUTSIDE;
use smvae_core::spans::candidate_spans;
use std::collections::BTreeMap;

/// Widest span, in words, that [`Filter::Authors`] keeps although it is not an entity.
pub const MAX_WIDTH: usize = 5;
/// Shortest post, in words left, whose other spans [`Filter::Authors`] keeps.
pub const MIN_WORDS: usize = 3;

/// One candidate span of a post.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Half-open, in words left after URL words are dropped.
    pub span: Span,
    /// Entity type, or `O`.
    pub label: String,
}

/// Which candidates stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    None,
    /// Entities, and spans of at most [`MAX_WIDTH`] words in posts of at least [`MIN_WORDS`]: it
    /// reads gold labels, on the test split too.
    Authors,
}

/// Candidates of a post, by start, then by end. A post of URLs alone has no candidates.
///
/// # Errors
/// [`Error::Tags`](crate::Error::Tags) for a malformed tag.
pub fn candidates(sample: &Sample, filter: Filter) -> Result<Vec<Candidate>> {
    let kept = kept_words(sample);
    let labels: BTreeMap<Span, String> =
        entities(sample, &kept)?.into_iter().map(|entity| (entity.span, entity.label)).collect();
    let stays = |span: Span| match filter {
        Filter::None => true,
        Filter::Authors => labels.contains_key(&span) || (span.width() <= MAX_WIDTH && kept.len() >= MIN_WORDS),
    };
    let label = |span| labels.get(&span).map_or(OUTSIDE, String::as_str).to_owned();
    let spans = candidate_spans(kept.len(), kept.len()).filter(|&span| stays(span));
    Ok(spans.map(|span| Candidate { span, label: label(span) }).collect())
}

/// Positions, in the file's words, of the words that the authors keep.
pub fn kept_words(sample: &Sample) -> Vec<usize> {
    (0..sample.words.len()).filter(|&i| !is_url(&sample.words[i])).collect()
}

/// Counts and digest of the candidates of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// Candidates by label, `O` among them.
    pub label_counts: BTreeMap<String, usize>,
    /// Number of candidates.
    pub rows: usize,
    /// Posts that have a candidate.
    #[serde(rename = "tweets")]
    pub posts: usize,
    /// SHA-256 of the listing, in hexadecimal.
    pub sha256: String,
}

/// Lists the candidates of a split.
///
/// # Errors
/// As [`candidates`].
pub fn listing(samples: &[Sample], filter: Filter) -> Result<Listing> {
    let mut hasher = Sha256::new();
    let mut listing = Listing { label_counts: BTreeMap::new(), rows: 0, posts: 0, sha256: String::new() };
    for sample in samples {
        let candidates = candidates(sample, filter)?;
        listing.posts += usize::from(!candidates.is_empty());
        listing.rows += candidates.len();
        for Candidate { span, label } in candidates {
            hasher.update(format!("{}\t{}\t{}\t{label}\n", sample.image_id, span.start, span.end - 1));
            *listing.label_counts.entry(label).or_default() += 1;
        }
    }
    listing.sha256 = format!("{:x}", hasher.finalize());
    Ok(listing)
}

/// Entities in words left: an entity that a URL word parts is read as if the word were not there.
fn entities(sample: &Sample, kept: &[usize]) -> Result<Vec<Entity>> {
    let tags: Vec<&str> = kept.iter().filter_map(|&i| sample.tags.get(i)).map(String::as_str).collect();
    read_entities(&tags, Convention::Authors)
        .map_err(|source| crate::Error::Tags { image_id: sample.image_id.clone(), source: source.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Candidates that are entities as `start..end label`, and the numbers of candidates before and
    /// after the filter.
    #[track_caller]
    fn check(words: &str, want: &[&str], counts: (usize, usize)) {
        let (words, tags) =
            words.split(' ').map(|w| w.split_once('/').expect("word/tag")).map(|(w, t)| (w.into(), t.into())).unzip();
        let sample = Sample { image_id: "1".to_owned(), words, tags, caption: None };
        let get = |filter| candidates(&sample, filter).expect("well-formed tags");
        let (all, filtered) = (get(Filter::None), get(Filter::Authors));
        let gold = filtered.iter().filter(|c| c.label != OUTSIDE);
        let shown: Vec<String> = gold.map(|c| format!("{}..{} {}", c.span.start, c.span.end, c.label)).collect();
        assert_eq!(shown, want);
        assert_eq!((all.len(), filtered.len()), counts);
    }

    #[test]
    fn candidates_are_the_authors() {
        check("a/O b/B-PER c/I-LOC", &["1..3 PER"], (6, 6));
        check("a/O b/I-PER", &["1..2 PER"], (3, 1));
        check("a/O b/O", &[], (3, 0));
        check("a/B-X b/I-X c/I-X d/I-X e/I-X f/I-X g/O", &["0..6 X"], (28, 26));
        check("http://t.co/O a/O b/O c/B-X", &["2..3 X"], (6, 6));
        check("a/B-X https/O b/I-X c/O", &["0..2 X"], (6, 6));
        check("http/O", &[], (0, 0));
    }
}
