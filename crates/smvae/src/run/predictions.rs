//! What a model found in a split with gold labels, as a file of a run folder and of `smvae eval`:
//! one line per post.
//!
//! ```text
//! predictions-valid.jsonl   {"image_id", "text", "words": ["Lady", ...], "caption",
//!                            "gold":     [{"start", "end", "text", "label", "words": [from, to]}],
//!                            "entities": [{the same, "score", "probabilities"}]}
//! ```
//! `start` and `end` count characters of `text`; `words` are half-open and count all words of the
//! post. `caption` is what the model read with the post, where it read one. `probabilities` has one
//! number per class of the run's `labels.json`, `O` first. The file holds the text of posts, as the
//! corpus does. Files of earlier versions, whose `start` and `end` count words and whose list is
//! called `predicted`, are read as well.

use crate::error::{Error, Result};
use crate::files::{read_json_lines, write_json_lines};
use crate::input::post::Post;
use crate::scoring::entity::{GoldEntity, ScoredEntity};
use serde::{Deserialize, Serialize};
use smvae_core::{Entity, Span};
use smvae_data::{Sample, Split};
use std::path::Path;

/// A post with what it holds and what was found in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Line")]
#[non_exhaustive]
pub struct PostPrediction {
    /// Id of its image.
    pub image_id: String,
    /// Its text: its words, joined by single spaces.
    pub text: String,
    /// Its words.
    pub words: Vec<String>,
    /// The caption that the model read with it. `None` if it read none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Its gold entities, as the run's convention reads them.
    pub gold: Vec<GoldEntity>,
    /// The entities that were found.
    pub entities: Vec<ScoredEntity>,
}

impl PostPrediction {
    /// Joins posts, their gold entities and what was found in them, all in one order; `caption_of`
    /// says which caption the model read with a post, if it read one.
    pub fn join(
        samples: &[Sample],
        gold: &[Vec<Entity>],
        found: &[Vec<ScoredEntity>],
        caption_of: impl Fn(&Sample) -> Option<String>,
    ) -> Vec<Self> {
        let joined = |((sample, gold), found): ((&Sample, &Vec<Entity>), &Vec<ScoredEntity>)| {
            let post = Post::from(sample);
            Self {
                image_id: sample.image_id.clone(),
                text: post.text().to_owned(),
                words: sample.words.clone(),
                caption: caption_of(sample),
                gold: gold.iter().map(|entity| GoldEntity::new(&post, entity)).collect(),
                entities: found.clone(),
            }
        };
        samples.iter().zip(gold).zip(found).map(joined).collect()
    }

    /// Its gold entities, in words.
    pub fn gold_entities(&self) -> Vec<Entity> {
        self.gold.iter().map(Entity::from).collect()
    }

    /// The entities that were found, in words and without scores.
    pub fn found_entities(&self) -> Vec<Entity> {
        self.entities.iter().map(Entity::from).collect()
    }
}

/// A line as this version or an earlier one writes it.
#[derive(Deserialize)]
struct Line {
    image_id: String,
    words: Vec<String>,
    caption: Option<String>,
    gold: Vec<EntityFields>,
    #[serde(alias = "predicted")]
    entities: Vec<EntityFields>,
}

/// An entity of such a line: `words` is new, and `start` and `end` counted words before.
#[derive(Deserialize)]
struct EntityFields {
    start: usize,
    end: usize,
    label: String,
    #[serde(default)]
    score: f32,
    words: Option<(usize, usize)>,
    #[serde(default)]
    probabilities: Vec<f32>,
}

impl EntityFields {
    /// Its words, if the post has them.
    fn span(&self, n_words: usize) -> Result<Span, String> {
        let (start, end) = self.words.unwrap_or((self.start, self.end));
        if start >= end || end > n_words {
            return Err(format!("the entity {start}..{end} does not fit a post of {n_words} words"));
        }
        Ok(Span::new(start, end))
    }
}

impl TryFrom<Line> for PostPrediction {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let post = Post::from_words(line.words);
        let n_words = post.words().len();
        let gold = line.gold.into_iter().map(|fields| {
            let span = fields.span(n_words)?;
            Ok(GoldEntity::new(&post, &Entity { span, label: fields.label }))
        });
        let found = line.entities.into_iter().map(|fields| {
            let span = fields.span(n_words)?;
            Ok(ScoredEntity::new(&post, span, fields.label, fields.score, fields.probabilities))
        });
        Ok(Self {
            image_id: line.image_id,
            caption: line.caption,
            gold: gold.collect::<Result<_, String>>()?,
            entities: found.collect::<Result<_, String>>()?,
            text: post.text().to_owned(),
            words: post.words().to_vec(),
        })
    }
}

/// Name of a split's file in a run folder.
pub(crate) const fn file_name(split: Split) -> &'static str {
    match split {
        Split::Train => "predictions-train.jsonl",
        Split::Dev => "predictions-valid.jsonl",
        Split::Test => "predictions-test.jsonl",
    }
}

/// Name of the file of what the model finds from the text alone, where it reads more.
pub(crate) const fn text_file_name(split: Split) -> &'static str {
    match split {
        Split::Train => "predictions-train-text.jsonl",
        Split::Dev => "predictions-valid-text.jsonl",
        Split::Test => "predictions-test-text.jsonl",
    }
}

/// Whether two files are of the same posts with the same gold entities, in one order.
pub(crate) fn are_of_same_posts(these: &[PostPrediction], those: &[PostPrediction]) -> bool {
    let is_same = |(a, b): (&PostPrediction, &PostPrediction)| a.words == b.words && a.gold == b.gold;
    these.len() == those.len() && these.iter().zip(those).all(is_same)
}

/// Writes a file, whole or not at all.
///
/// # Errors
/// [`Error::Data`] if it cannot be written.
pub(crate) fn write(path: &Path, predictions: &[PostPrediction]) -> Result<()> {
    write_json_lines(path, predictions)
}

/// Reads a file of a run with this many classes, `O` included.
///
/// # Errors
/// [`Error::Read`]; [`Error::JsonLine`] naming a line that is not a prediction, or not one of such
/// a run; [`Error::Inconsistent`] for a file without a line, since no split is empty.
pub(crate) fn read(path: &Path, n_classes: usize) -> Result<Vec<PostPrediction>> {
    let posts: Vec<PostPrediction> = read_json_lines(path, WHAT)?;
    if posts.is_empty() {
        return Err(Error::Inconsistent { path: path.to_owned(), why: "it is empty".to_owned() });
    }
    for (i, post) in posts.iter().enumerate() {
        let wrong = post.entities.iter().map(|entity| entity.probabilities.len()).find(|got| *got != n_classes);
        if let Some(got) = wrong {
            let why = format!("an entity has {got} probabilities, the run has {n_classes} classes");
            return Err(Error::JsonLine { path: path.to_owned(), line: i + 1, what: WHAT, why });
        }
    }
    Ok(posts)
}

const WHAT: &str = "post with predictions";

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"image_id":"1","text":"ä b","words":["ä","b"],"gold":[{"start":2,"end":3,"text":"b","label":"X","words":[1,2]}],"entities":[{"start":0,"end":3,"text":"ä b","label":"X","score":0.75,"words":[0,2],"probabilities":[0.25,0.75]}]}"#;
    /// The same as version 0.1.0 wrote it before it had the form of today.
    const OLD: &str = r#"{"image_id":"1","words":["ä","b"],"gold":[{"start":1,"end":2,"label":"X"}],"predicted":[{"start":0,"end":2,"label":"X","score":0.75,"probabilities":[0.25,0.75]}]}"#;

    #[test]
    fn what_was_written_is_read_and_so_are_files_of_earlier_versions() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(file_name(Split::Dev));
        let post: PostPrediction = serde_json::from_str(LINE).expect("valid");
        write(&path, &[post.clone(), post.clone()]).expect("writable");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), format!("{LINE}\n{LINE}\n"));
        assert_eq!(read(&path, 2).expect("its own text"), [post.clone(), post.clone()]);
        assert_eq!(post.gold_entities(), [Entity::new(1, 2, "X")]);
        assert_eq!(serde_json::from_str::<PostPrediction>(OLD).expect("valid"), post);
        let captioned =
            serde_json::to_string(&PostPrediction { caption: Some("a <b>".to_owned()), ..post }).expect("JSON");
        let again: PostPrediction = serde_json::from_str(&captioned).expect("its own text");
        assert_eq!(again.caption.as_deref(), Some("a <b>"));
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
        check(&LINE.replace("[0,2]", "[0,3]"), 2, "0..3 does not fit a post of 2 words");
        check(&LINE.replace("[1,2]", "[1,1]"), 2, "1..1 does not fit");
        check(&OLD.replace("\"end\":2", "\"end\":3"), 2, "1..3 does not fit a post of 2 words");
        check(LINE, 3, "2 probabilities, the run has 3 classes");
        assert!(matches!(read(&folder.path().join("none"), 2), Err(Error::Read { .. })));
        std::fs::write(&path, "").expect("writable");
        assert!(matches!(read(&path, 2), Err(Error::Inconsistent { .. })));
    }
}
