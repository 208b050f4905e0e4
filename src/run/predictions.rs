//! What a model found in a split with gold labels, as a file of a run folder: one line a tweet.
//!
//! ```text
//! predictions-valid.jsonl   {"image_id", "words", "gold": [{"start", "end", "label"}],
//!                            "predicted": [{"start", "end", "label", "score", "probabilities"}]}
//! ```
//! Spans are half-open and count all words of the tweet. `probabilities` has a number a class of the run's `labels.json`,
//! `O` first. The file holds the text of tweets, as the corpus does.

use crate::error::{Error, Result};
use crate::files::{read_json_lines, write_json_lines};
use crate::scoring::decision::ScoredEntity;
use serde::{Deserialize, Serialize};
use smvae_core::{Convention, Entity};
use smvae_data::{Sample, Split, gold_entities};
use std::path::Path;

/// A tweet with what it holds and what was found in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TweetPrediction {
    /// Id of its image.
    pub image_id: String,
    /// Its words.
    pub words: Vec<String>,
    /// Its gold entities, as the run's convention reads them.
    pub gold: Vec<GoldEntity>,
    /// The entities that were found.
    pub predicted: Vec<ScoredEntity>,
}

/// An entity that the corpus marks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldEntity {
    /// First word.
    pub start: usize,
    /// One past the last word.
    pub end: usize,
    /// Its type.
    pub label: String,
}

impl TweetPrediction {
    /// Joins tweets, their gold entities and what was found in them, all in one order.
    pub fn join(samples: &[Sample], gold: &[Vec<Entity>], predicted: &[Vec<ScoredEntity>]) -> Vec<Self> {
        let gold_entity = |e: &Entity| GoldEntity { start: e.span.start, end: e.span.end, label: e.label.clone() };
        let tweet = |((sample, gold), predicted): ((&Sample, &Vec<Entity>), &Vec<ScoredEntity>)| Self {
            image_id: sample.image_id.clone(),
            words: sample.words.clone(),
            gold: gold.iter().map(gold_entity).collect(),
            predicted: predicted.clone(),
        };
        samples.iter().zip(gold).zip(predicted).map(tweet).collect()
    }

    /// Its gold entities.
    pub fn gold_entities(&self) -> Vec<Entity> {
        self.gold.iter().map(|e| Entity::new(e.start, e.end, e.label.as_str())).collect()
    }

    /// The entities that were found, without scores.
    pub fn predicted_entities(&self) -> Vec<Entity> {
        self.predicted.iter().map(Entity::from).collect()
    }

    /// What is wrong with it.
    fn fault(&self, n_classes: usize) -> Option<String> {
        let n = self.words.len();
        let spans = self.gold.iter().map(|e| (e.start, e.end)).chain(self.predicted.iter().map(|e| (e.start, e.end)));
        if let Some((start, end)) = spans.into_iter().find(|(start, end)| start >= end || *end > n) {
            return Some(format!("the entity {start}..{end} does not fit a tweet of {n} words"));
        }
        let got = self.predicted.iter().map(|e| e.probabilities.len()).find(|got| *got != n_classes)?;
        Some(format!("an entity has {got} probabilities, the run has {n_classes} classes"))
    }
}

/// Name of a split's file in a run folder.
pub const fn file_name(split: Split) -> &'static str {
    match split {
        Split::Train => "predictions-train.jsonl",
        Split::Dev => "predictions-valid.jsonl",
        Split::Test => "predictions-test.jsonl",
    }
}

/// Writes what was found in a split into a run folder, whole or not at all; gold entities are read by `convention`.
///
/// # Errors
/// [`Error::Data`] for tags that are none, or if the file cannot be written.
pub fn save(
    run: &Path,
    split: Split,
    samples: &[Sample],
    convention: Convention,
    found: &[Vec<ScoredEntity>],
) -> Result<()> {
    write(&run.join(file_name(split)), &TweetPrediction::join(samples, &gold_entities(samples, convention)?, found))
}

/// Writes a file, whole or not at all.
///
/// # Errors
/// [`Error::Data`] if it cannot be written.
pub fn write(path: &Path, predictions: &[TweetPrediction]) -> Result<()> {
    write_json_lines(path, predictions)
}

/// Reads a file of a run with this many classes, `O` included.
///
/// # Errors
/// [`Error::Read`]; [`Error::JsonLine`] naming the line that is no prediction, or none of such a run; [`Error::Inconsistent`]
/// for a file without a line, since no split is empty.
pub fn read(path: &Path, n_classes: usize) -> Result<Vec<TweetPrediction>> {
    let tweets: Vec<TweetPrediction> = read_json_lines(path, WHAT)?;
    if tweets.is_empty() {
        return Err(Error::Inconsistent { path: path.to_owned(), why: "it is empty".to_owned() });
    }
    for (i, tweet) in tweets.iter().enumerate() {
        if let Some(why) = tweet.fault(n_classes) {
            return Err(Error::JsonLine { path: path.to_owned(), line: i + 1, what: WHAT, why });
        }
    }
    Ok(tweets)
}

const WHAT: &str = "tweet with predictions";

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"image_id":"1","words":["a","b"],"gold":[{"start":0,"end":1,"label":"X"}],"predicted":[{"start":0,"end":2,"label":"X","score":0.75,"probabilities":[0.25,0.75]}]}"#;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(file_name(Split::Dev));
        let tweet: TweetPrediction = serde_json::from_str(LINE).expect("valid");
        write(&path, &[tweet.clone(), tweet.clone()]).expect("writable");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), format!("{LINE}\n{LINE}\n"));
        assert_eq!(read(&path, 2).expect("its own text"), [tweet.clone(), tweet.clone()]);
        assert_eq!(tweet.gold_entities(), [Entity::new(0, 1, "X")]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("predictions-valid.jsonl");
        let check = |line: &str, n_classes, want: &str| {
            std::fs::write(&path, format!("{LINE}\n{line}\n")).expect("writable");
            let message = read(&path, n_classes).expect_err(want).to_string();
            assert!(message.contains("predictions-valid.jsonl, line "), "{message}");
            assert!(message.contains(want), "{message:?} does not say {want:?}");
        };
        check("{\"words\": 1}", 2, "line 2");
        check("half a li", 2, "line 2");
        check(&LINE.replace("\"end\":2", "\"end\":3"), 2, "0..3 does not fit a tweet of 2 words");
        check(&LINE.replace("\"start\":0,\"end\":1", "\"start\":1,\"end\":1"), 2, "1..1 does not fit");
        check(LINE, 3, "2 probabilities, the run has 3 classes");
        assert!(matches!(read(&folder.path().join("none"), 2), Err(Error::Read { .. })));
        std::fs::write(&path, "").expect("writable");
        assert!(matches!(read(&path, 2), Err(Error::Inconsistent { .. })));
    }
}
