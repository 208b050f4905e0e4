//! How well the words of the real corpora come back from text: test posts rejoined as a person
//! writes them, split with the convention that the training split tells. Skipped where the corpora
//! are not, see `real_corpora.rs`.
//!
//! The table of `docs/words.md` is printed by
//!
//! ```text
//! cargo test -p smvae-data --test words_of_corpora -- --nocapture
//! ```
//!
//! `SMVAE_WORDS_LOST=1` adds the words that are lost, by shape.

use smvae_data::words::{Rejoined, WordConvention, rejoin, split};
use smvae_data::{Convention, Sample, reader};
use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Shares of what is found, in percent.
#[derive(Debug)]
struct Measured {
    precision: f64,
    recall: f64,
    /// Entities whose first and last characters are at borders of words.
    entities: f64,
    /// Entities whose words all come back.
    entities_by_words: f64,
    /// Corpus words that do not come back.
    lost: BTreeMap<String, usize>,
}

#[track_caller]
fn check(corpus: &str, convention: &WordConvention) {
    let Some([train, test]) = splits(corpus) else { return };
    let few = WordConvention::of_corpus(train.iter().take(10).map(|sample| &sample.words));
    let told = WordConvention::of_corpus(train.iter().map(|sample| &sample.words));
    assert_eq!((&few, &told), (convention, convention), "{few} by 10 posts, {told} by all");

    let whitespace = WordConvention::WHITESPACE;
    let words = |sample: &Sample| rejoin(&sample.words, &told);
    let tight = |sample: &Sample| tight(&sample.words);
    let ours = measure(&test, words, &told);
    print(corpus, "as a person writes", &told, &ours);
    print(corpus, "as a person writes", &whitespace, &measure(&test, words, &whitespace));
    print(corpus, "without white space at marks", &told, &measure(&test, tight, &told));
    if std::env::var_os("SMVAE_WORDS_LOST").is_some() {
        let mut lost: Vec<_> = ours.lost.iter().collect();
        lost.sort_by_key(|(shape, count)| (std::cmp::Reverse(**count), shape.len()));
        lost.iter().for_each(|(shape, count)| println!("{count:6} {shape}"));
    }
    assert!(ours.entities > 99.0 && ours.entities_by_words > 99.0 && ours.recall > 99.0, "{ours:?}");
}

/// A row of the table.
fn print(corpus: &str, text: &str, convention: &WordConvention, got: &Measured) {
    let f1 = 2.0 * got.precision * got.recall / (got.precision + got.recall);
    println!(
        "| {corpus} | {text} | `{convention}` | {:.2} | {:.2} | {f1:.2} | {:.2} | {:.2} |",
        got.precision, got.recall, got.entities, got.entities_by_words
    );
}

#[test]
fn the_words_of_twitter2015_come_back() {
    check("twitter2015", &WordConvention::TWITTER2015);
}

#[test]
fn the_words_of_twitter2017_come_back() {
    check("twitter2017", &WordConvention::TWITTER2017);
}

/// Splitting returns the words of a corpus that was split at white space alone.
#[test]
fn a_corpus_split_at_white_space_is_told_and_reproduced() {
    for (corpus, convention) in
        [("twitter2015", WordConvention::TWITTER2015), ("twitter2017", WordConvention::TWITTER2017)]
    {
        let Some([train, _]) = splits(corpus) else { return };
        let texts: Vec<String> = train.iter().map(|sample| rejoin(&sample.words, &convention).text).collect();
        let posts: Vec<Vec<&str>> = texts.iter().map(|text| text.split_whitespace().collect()).collect();
        let told = WordConvention::of_corpus(&posts);
        assert_eq!(told, WordConvention::WHITESPACE);
        for (text, words) in texts.iter().zip(&posts) {
            let again: Vec<_> = split(text, &told).iter().map(|word| word.text).collect();
            assert_eq!(&again, words);
        }
    }
}

/// The hardest text that has the words: white space only where letters or digits would run
/// together.
fn tight(words: &[String]) -> Rejoined {
    let mut post = Rejoined::default();
    for word in words {
        let runs_together = post.text.ends_with(char::is_alphanumeric) && word.starts_with(char::is_alphanumeric);
        post.push(word, !runs_together);
    }
    post
}

fn measure(posts: &[Sample], text: impl Fn(&Sample) -> Rejoined, convention: &WordConvention) -> Measured {
    let [mut gold, mut found, mut right, mut entities, mut bordered, mut by_words] = [0; 6];
    let mut lost = BTreeMap::new();
    for post in posts {
        let text = text(post);
        let words: Vec<_> = split(&text.text, convention).into_iter().map(|word| word.chars).collect();
        let ranges: HashSet<_> = words.iter().cloned().collect();
        let starts: HashSet<_> = words.iter().map(|word| word.start).collect();
        let ends: HashSet<_> = words.iter().map(|word| word.end).collect();
        gold += text.chars.len();
        found += words.len();
        for (range, word) in text.chars.iter().zip(&post.words) {
            if ranges.contains(range) {
                right += 1;
            } else {
                *lost.entry(shape(word)).or_default() += 1;
            }
        }
        for entity in post.entities(Convention::Conlleval).expect("well-formed tags") {
            let of = &text.chars[entity.span.start..entity.span.end];
            entities += 1;
            bordered += usize::from(starts.contains(&of[0].start) && ends.contains(&of[of.len() - 1].end));
            by_words += usize::from(of.iter().all(|word| ranges.contains(word)));
        }
    }
    let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole as f64;
    Measured {
        precision: percent(right, found),
        recall: percent(right, gold),
        entities: percent(bordered, entities),
        entities_by_words: percent(by_words, entities),
        lost,
    }
}

/// Letters as `a`, digits as `9`, other characters as they are: no text of a post is printed.
fn shape(word: &str) -> String {
    let mut shape = String::new();
    for c in word.chars() {
        let class = if c.is_numeric() {
            '9'
        } else if c.is_alphabetic() {
            'a'
        } else {
            c
        };
        if !(class.is_ascii_alphanumeric() && shape.ends_with(class)) {
            shape.push(class);
        }
    }
    shape
}

/// The training and the test split of a corpus, or `None` and a line that says so.
fn splits(corpus: &str) -> Option<[Vec<Sample>; 2]> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("SMVAE_SHARED").map_or_else(|| workspace.join("../shared"), PathBuf::from);
    let dir = shared.join("data").join(corpus);
    if !dir.exists() {
        // Past libtest, which keeps what a test that passes prints with `eprintln!`.
        let _ = writeln!(std::io::stderr(), "skipped: data/{corpus} is not in {}", shared.display());
        return None;
    }
    Some(["train.txt", "test.txt"].map(|file| reader::read_file(dir.join(file)).expect("a well-formed corpus")))
}
