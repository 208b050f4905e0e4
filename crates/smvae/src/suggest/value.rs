//! What a post is worth by itself.

use crate::error::{Error, Result};
use crate::inference::prediction::Prediction;
use crate::input::post::Post;
use crate::scoring::entity::ScoredEntity;
use crate::suggest::strategy::Strategy;
use smvae_data::duplicates::is_retweet;
use smvae_data::is_url;
use std::collections::BTreeMap;

/// Checks that enough was found in a post for its value: without it, all posts would be worth 0.
pub(super) fn check(strategy: Strategy, found: &[Prediction]) -> Result<()> {
    let has_all = |found: &Prediction| match strategy {
        // Of a post in which the model reads no span there is nothing to tell.
        Strategy::Surprise => found.surprise.is_some() || found.candidates.as_ref().is_some_and(Vec::is_empty),
        _ => found.candidates.is_some(),
    };
    let n = strategy.models();
    if found.len() < n || (n > 0 && !found.iter().all(has_all)) {
        let want = "one that needs no more than was found: models are loaded with `Strategy::prediction`";
        return Err(Error::setting("strategy", want, strategy));
    }
    Ok(())
}

/// The value of a post by a strategy; at least 0.
pub(super) fn value(strategy: Strategy, post: &Post, found: &[Prediction]) -> f32 {
    match strategy {
        Strategy::Random | Strategy::Typical => 1.0,
        Strategy::Names => names(post) as f32,
        Strategy::Entities => mean(found.iter().map(|found| candidates(found).map(|span| span.score).sum())),
        Strategy::Entropy => mean(found.iter().map(|found| mean(candidates(found).map(|span| entropy(span.score))))),
        Strategy::Surprise => mean(found.iter().filter_map(|found| found.surprise)),
        Strategy::Disagreement => disagreement(found),
    }
}

/// Why a post was chosen, by its value.
pub(super) fn reason(strategy: Strategy, value: f32, post: &Post) -> String {
    match strategy {
        Strategy::Random => "at random".to_owned(),
        Strategy::Typical => "stands for others of the pool".to_owned(),
        Strategy::Names if names(post) == 1 => "1 word looks like a name".to_owned(),
        Strategy::Names => format!("{} words look like names", names(post)),
        Strategy::Entities => format!("{value:.1} entities expected"),
        Strategy::Entropy => format!("spans of {value:.2} bits on average"),
        Strategy::Surprise => format!("a VAE loss of {value:.2} on average"),
        Strategy::Disagreement => format!("models differ by {value:.2} bits"),
    }
}

/// Spans that may be entities, each with each label that it may have.
fn candidates(found: &Prediction) -> impl Iterator<Item = &ScoredEntity> {
    found.candidates.iter().flatten()
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    sum / n.max(1) as f32
}

/// Of something of this probability, in bits.
fn entropy(p: f32) -> f32 {
    let part = |p: f32| if p > 0.0 { -p * p.log2() } else { 0.0 };
    part(p) + part(1.0 - p)
}

/// The entropy of the models' mean less the mean of their entropies, summed over spans and labels.
/// What a model does not tell has no probability there.
fn disagreement(found: &[Prediction]) -> f32 {
    let mut of_span: BTreeMap<(usize, usize, &str), Vec<f32>> = BTreeMap::new();
    for span in found.iter().flat_map(candidates) {
        of_span.entry((span.words.start, span.words.end, &span.label)).or_default().push(span.score);
    }
    let n = found.len() as f32;
    let of = |scores: &Vec<f32>| {
        let together = entropy(scores.iter().sum::<f32>() / n);
        together - scores.iter().map(|p| entropy(*p)).sum::<f32>() / n
    };
    // Rounding makes a little less than nothing.
    of_span.values().map(of).sum::<f32>().max(0.0)
}

/// Posts of fewer words are no headlines.
const HEADLINE: usize = 6;

/// Words that look like names: mentions, hashtags, and words with a capital that do not begin a
/// sentence. Where most words are in capitals, or begin with one as in a headline, those are not
/// looked at.
fn names(post: &Post) -> usize {
    let words = post.words();
    let is_word = |word: &&String| word.chars().any(char::is_alphabetic);
    let shouts = |word: &&String| word.chars().filter(|c| c.is_alphabetic()).all(char::is_uppercase);
    let starts = |word: &String, with: fn(char) -> bool| word.chars().next().is_some_and(with);
    let count = |is: &dyn Fn(&&String) -> bool| words.iter().filter(is_word).filter(|word| is(word)).count();
    let n_words = count(&|_| true);
    let is_headline = n_words >= HEADLINE && 3 * count(&|word| starts(word, char::is_uppercase)) > 2 * n_words;
    let has_capitals = 2 * count(&shouts) <= n_words && !is_headline;
    let is_sign = |word: &String| word == "@" || word == "#";
    let is_name = |(i, word): &(usize, &String)| {
        let before = i.checked_sub(1).map(|i| &words[i]);
        // Some corpora have the sign as a word of its own.
        if before.is_some_and(is_sign) || (starts(word, |c| matches!(c, '@' | '#')) && !is_sign(word)) {
            return true;
        }
        let begins = before.is_none_or(|before| is_retweet(before) || before.ends_with(['.', '!', '?', ':']));
        // A word at the beginning counts where the next one has a capital, too: "Lady Gaga lands".
        let next_is = words.get(i + 1).is_some_and(|next| starts(next, char::is_uppercase));
        has_capitals && starts(word, char::is_uppercase) && !is_retweet(word) && (!begins || next_is)
    };
    words.iter().enumerate().filter(|(_, word)| !is_url(word)).filter(is_name).count()
}

#[cfg(test)]
mod tests {
    use super::check as check_found;
    use super::*;
    use smvae_core::Span;
    use smvae_data::words::WordConvention;

    fn post(text: &str) -> Post {
        Post::split(text, &WordConvention::default())
    }

    #[test]
    fn names_are_counted() {
        for (text, want) in [
            ("", 0),
            ("What a day", 0),
            ("Lady Gaga lands in Oslo", 3),
            ("so. What now? Oslo it is", 0),
            ("with @fan and #oslo , @", 2),
            ("NASA and Ana", 1),
            ("Wife Calls Hubby From Ellen Show As Prank", 0),
            ("BUY NOW IN OSLO", 0),
            ("RT Hello", 0),
            ("see https://Oslo.no", 0),
        ] {
            assert_eq!(names(&post(text)), want, "{text}");
        }
    }

    fn found(scores: &[(usize, &str, f32)]) -> Prediction {
        let post = post("a b c");
        let span = |&(start, label, score): &(usize, &str, f32)| {
            ScoredEntity::new(&post, Span::new(start, start + 1), label.to_owned(), score, Vec::new())
        };
        Prediction { candidates: Some(scores.iter().map(span).collect()), ..Prediction::default() }
    }

    #[track_caller]
    fn check(strategy: Strategy, found: &[Prediction], want: f32) {
        let got = value(strategy, &post("a b c"), found);
        assert!((got - want).abs() < 1e-4, "{strategy}: {got}");
    }

    #[test]
    fn what_is_not_found_is_told() {
        let (with, with_a_span) = (found(&[]), found(&[(0, "PER", 0.5)]));
        let surprised = Prediction { surprise: Some(1.0), ..Prediction::default() };
        let fails = |strategy, found: &[Prediction]| check_found(strategy, found).is_err();
        assert!(!fails(Strategy::Names, &[]) && !fails(Strategy::Names, &[Prediction::default()]));
        assert!(fails(Strategy::Entities, &[]) && fails(Strategy::Entities, &[Prediction::default()]));
        assert!(!fails(Strategy::Entities, std::slice::from_ref(&with)));
        assert!(fails(Strategy::Disagreement, std::slice::from_ref(&with)));
        assert!(fails(Strategy::Surprise, &[with_a_span]) && !fails(Strategy::Surprise, &[surprised]));
        assert!(!fails(Strategy::Surprise, &[with]), "a post without words that are read");
    }

    #[test]
    fn values_are_those_of_the_books() {
        let one = found(&[(0, "PER", 0.5), (1, "LOC", 0.25), (1, "PER", 0.25)]);
        check(Strategy::Entities, std::slice::from_ref(&one), 1.0);
        check(Strategy::Entities, &[Prediction::default()], 0.0);
        // Of 1/2 one bit, of 1/4 0.8113 bits.
        check(Strategy::Entropy, std::slice::from_ref(&one), (1.0 + 2.0 * 0.811_278) / 3.0);
        check(Strategy::Entropy, &[Prediction::default()], 0.0);
        check(Strategy::Disagreement, &[one.clone(), one.clone()], 0.0);
        // Two that are certain of the contrary differ by one bit.
        check(Strategy::Disagreement, &[found(&[(0, "PER", 1.0)]), found(&[])], 1.0);
        check(Strategy::Disagreement, &[found(&[(0, "PER", 1.0)]), found(&[(0, "LOC", 1.0)])], 2.0);
    }
}
