//! Scores of predicted entities: micro precision, recall and F1, overall and per type, as
//! `conlleval` defines them.
//!
//! `precision = 100 correct / predicted`, `recall = 100 correct / gold`,
//! `f1 = 2 precision recall / (precision + recall)`, in percent and 0 where undefined. An entity is
//! correct if its words and its type are.
//!
//! What it does not do: it never merges or drops a text; every call of `add` is one text.

use crate::{Convention, Entity, Error, Result, bio::read_entities};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::AddAssign;

/// Scores over any number of texts.
///
/// Serialises to one flat object: `precision`, `recall`, `f1`, `gold`, `predicted`, `correct`, and
/// `types` with the same keys for each type. `Display` writes a table for people to read.
///
/// ```
/// use smvae_core::{Entity, metrics::Scores};
/// let mut scores = Scores::default();
/// scores.add(&[Entity::new(0, 2, "PER"), Entity::new(4, 5, "LOC")], &[Entity::new(0, 2, "PER")]);
/// assert_eq!((scores.overall.precision(), scores.overall.recall()), (100.0, 50.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scores {
    /// All types together (micro average).
    #[serde(flatten)]
    pub overall: Counts,
    /// Each type that was seen in gold or predicted entities, in alphabetical order.
    pub types: BTreeMap<String, Counts>,
}

impl Scores {
    /// Counts the entities of one text. An entity that is predicted twice is correct once.
    pub fn add(&mut self, gold: &[Entity], predicted: &[Entity]) {
        let mut open: HashMap<&Entity, usize> = HashMap::new();
        for entity in gold {
            *open.entry(entity).or_default() += 1;
            self.count(&entity.label, Counts { gold: 1, ..Counts::default() });
        }
        for entity in predicted {
            let left = open.get_mut(entity).filter(|left| **left > 0);
            let correct = usize::from(left.map(|left| *left -= 1).is_some());
            self.count(&entity.label, Counts { predicted: 1, correct, ..Counts::default() });
        }
    }

    fn count(&mut self, label: &str, counts: Counts) {
        self.overall += counts;
        match self.types.get_mut(label) {
            Some(of_type) => *of_type += counts,
            None => drop(self.types.insert(label.to_owned(), counts)),
        }
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.types.keys().map(|name| name.chars().count()).max().unwrap_or(0).max("overall".len());
        writeln!(f, "{:width$}  precision  recall      f1    gold  predicted  correct", "type")?;
        let types = self.types.iter().map(|(name, counts)| (name.as_str(), counts));
        for (name, c) in types.chain([("overall", &self.overall)]) {
            let (p, r, f1) = (c.precision(), c.recall(), c.f1());
            write!(f, "{name:width$}  {p:9.2}  {r:6.2}  {f1:6.2}  ")?;
            writeln!(f, "{:6}  {:9}  {:7}", c.gold, c.predicted, c.correct)?;
        }
        Ok(())
    }
}

/// How many entities there are, were predicted, and were predicted correctly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "CountsObject", into = "CountsObject")]
pub struct Counts {
    /// Gold entities.
    pub gold: usize,
    /// Predicted entities.
    pub predicted: usize,
    /// Predicted entities that are gold entities.
    pub correct: usize,
}

impl Counts {
    /// Share of the predicted entities that are correct, in percent; 0 if no entity was predicted.
    pub fn precision(self) -> f64 {
        percent(self.correct, self.predicted)
    }

    /// Share of the gold entities that were predicted, in percent; 0 without gold entities.
    pub fn recall(self) -> f64 {
        percent(self.correct, self.gold)
    }

    /// Harmonic mean of precision and recall, in percent; 0 if both are.
    pub fn f1(self) -> f64 {
        // Written as conlleval does it, so that the printed digits are the same on the edge of
        // rounding.
        let (p, r) = (self.precision(), self.recall());
        if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.gold += other.gold;
        self.predicted += other.predicted;
        self.correct += other.correct;
    }
}

/// `part` of `whole` in percent; 0 if `whole` is 0.
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// What [`Counts`] are in JSON: the ratios are written for the reader and ignored when read back.
#[derive(Serialize, Deserialize)]
struct CountsObject {
    #[serde(skip_deserializing)]
    precision: f64,
    #[serde(skip_deserializing)]
    recall: f64,
    #[serde(skip_deserializing)]
    f1: f64,
    gold: usize,
    predicted: usize,
    correct: usize,
}

impl From<Counts> for CountsObject {
    fn from(c: Counts) -> Self {
        let Counts { gold, predicted, correct } = c;
        Self { precision: c.precision(), recall: c.recall(), f1: c.f1(), gold, predicted, correct }
    }
}

impl From<CountsObject> for Counts {
    fn from(o: CountsObject) -> Self {
        Self { gold: o.gold, predicted: o.predicted, correct: o.correct }
    }
}

/// What the script `conlleval` computes from gold and predicted tags.
///
/// ```
/// use smvae_core::metrics::Conlleval;
/// let mut eval = Conlleval::default();
/// eval.add(&["B-PER", "I-PER", "O"], &["B-PER", "I-PER", "B-LOC"])?;
/// let report = eval.report();
/// assert!(report.starts_with("processed 3 tokens with 1 phrases; found: 2 phrases; correct: 1."));
/// # Ok::<(), smvae_core::Error>(())
/// ```
///
/// # Source
/// `conlleval` of 2004-01-26, Erik Tjong Kim Sang, for tags `O`, `B-type` and `I-type`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conlleval {
    /// Scores of the entities, read with [`Convention::Conlleval`].
    pub scores: Scores,
    /// Number of words.
    pub tokens: usize,
    /// Number of words whose predicted tag is the gold tag.
    pub correct_tokens: usize,
}

impl Conlleval {
    /// Counts one sentence.
    ///
    /// # Errors
    /// [`Error::Length`] if the numbers of predicted and of gold tags differ, [`Error::Tag`] for a
    /// malformed tag; nothing is counted then.
    pub fn add(&mut self, gold: &[impl AsRef<str>], predicted: &[impl AsRef<str>]) -> Result<()> {
        if gold.len() != predicted.len() {
            let (got, want) = (predicted.len(), gold.len());
            return Err(Error::Length { op: "Conlleval::add", what: "predicted tags", got, want });
        }
        let convention = Convention::Conlleval;
        self.scores.add(&read_entities(gold, convention)?, &read_entities(predicted, convention)?);
        self.tokens += gold.len();
        self.correct_tokens += gold.iter().zip(predicted).filter(|(g, p)| g.as_ref() == p.as_ref()).count();
        Ok(())
    }

    /// Share of the words with the right tag, `O` included, in percent; 0 without words.
    pub fn accuracy(&self) -> f64 {
        percent(self.correct_tokens, self.tokens)
    }

    /// The report of the script, byte for byte.
    pub fn report(&self) -> String {
        let Counts { gold, predicted, correct } = self.scores.overall;
        let tokens = self.tokens;
        let mut text = format!("processed {tokens} tokens with {gold} phrases; ");
        text += &format!("found: {predicted} phrases; correct: {correct}.\n");
        if tokens > 0 {
            text += &format!("accuracy: {:6.2}%; {}\n", self.accuracy(), report_ratios(self.scores.overall));
        }
        for (name, &counts) in &self.scores.types {
            text += &format!("{name:>17}: {}  {}\n", report_ratios(counts), counts.predicted);
        }
        text
    }
}

/// The part that all lines of the report have in common.
fn report_ratios(c: Counts) -> String {
    format!("precision: {:6.2}%; recall: {:6.2}%; FB1: {:6.2}", c.precision(), c.recall(), c.f1())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Entities written as `label:start-end`, with blanks between them.
    pub(crate) fn entities(text: &str) -> Vec<Entity> {
        let entity = |e: &str| {
            let (label, span) = e.split_once(':').expect("label:start-end");
            let (start, end) = span.split_once('-').expect("start-end");
            Entity::new(start.parse().expect("a number"), end.parse().expect("a number"), label)
        };
        text.split_whitespace().map(entity).collect()
    }

    #[track_caller]
    fn check(gold: &str, predicted: &str, want: (usize, usize, usize)) -> Scores {
        let mut scores = Scores::default();
        scores.add(&entities(gold), &entities(predicted));
        let Counts { gold: g, predicted: p, correct } = scores.overall;
        assert_eq!((g, p, correct), want, "{gold} / {predicted}");
        scores
    }

    #[test]
    fn words_and_type_must_be_right() {
        check("", "", (0, 0, 0));
        check("PER:0-1", "", (1, 0, 0));
        check("", "PER:0-1", (0, 1, 0));
        check("PER:0-1 LOC:2-4", "LOC:2-4 PER:0-1", (2, 2, 2));
        check("PER:0-2", "PER:0-1 PER:1-2 LOC:0-2", (1, 3, 0));
        check("PER:0-1", "PER:0-1 PER:0-1", (1, 2, 1));
        let scores = check("PER:0-1 LOC:2-4", "LOC:0-1 LOC:2-4", (2, 2, 1));
        assert_eq!(scores.types["LOC"], Counts { gold: 1, predicted: 2, correct: 1 });
        assert_eq!(scores.types["PER"], Counts { gold: 1, predicted: 0, correct: 0 });
    }

    #[test]
    fn undefined_ratios_are_zero() {
        for counts in [(0, 0, 0), (3, 0, 0), (0, 3, 0), (3, 3, 0)] {
            let counts = Counts { gold: counts.0, predicted: counts.1, correct: counts.2 };
            assert_eq!((counts.precision(), counts.recall(), counts.f1()), (0.0, 0.0, 0.0), "{counts:?}");
        }
    }

    #[test]
    fn json_is_flat_and_is_read_back() {
        let scores = check("PER:0-1 PER:2-4", "PER:0-1", (2, 1, 1));
        let text = serde_json::to_string(&scores).expect("serialises");
        let numbers = r#""precision":100.0,"recall":50.0,"f1":66.66666666666667,"gold":2,"predicted":1,"correct":1"#;
        assert_eq!(text, format!(r#"{{{numbers},"types":{{"PER":{{{numbers}}}}}}}"#));
        assert_eq!(serde_json::from_str::<Scores>(&text).expect("its own text"), scores);
    }

    #[test]
    fn table_lines_up() {
        let table = check("PER:0-1 PER:2-4", "PER:0-1", (2, 1, 1)).to_string();
        let want = "type     precision  recall      f1    gold  predicted  correct\n\
                    PER         100.00   50.00   66.67       2          1        1\n\
                    overall     100.00   50.00   66.67       2          1        1\n";
        assert_eq!(table, want);
    }

    #[test]
    fn report_has_the_bytes_of_the_script() {
        let mut eval = Conlleval::default();
        assert_eq!(eval.report(), "processed 0 tokens with 0 phrases; found: 0 phrases; correct: 0.\n");
        eval.add(&["B-PER", "I-PER", "O", "B-LOC"], &["B-PER", "I-PER", "O", "I-ORG"]).expect("well-formed");
        eval.add(&["O", "I-PER"], &["O", "B-PER"]).expect("well-formed");
        let want = "processed 6 tokens with 3 phrases; found: 3 phrases; correct: 2.\n\
                    accuracy:  66.67%; precision:  66.67%; recall:  66.67%; FB1:  66.67\n\
                    \x20             LOC: precision:   0.00%; recall:   0.00%; FB1:   0.00  0\n\
                    \x20             ORG: precision:   0.00%; recall:   0.00%; FB1:   0.00  1\n\
                    \x20             PER: precision: 100.00%; recall: 100.00%; FB1: 100.00  2\n";
        assert_eq!(eval.report(), want);
    }

    #[test]
    fn what_fails_counts_nothing() {
        let mut eval = Conlleval::default();
        assert!(matches!(eval.add(&["O"], &[""; 0]), Err(Error::Length { got: 0, want: 1, .. })));
        assert!(matches!(eval.add(&["B-X"], &["X"]), Err(Error::Tag { .. })));
        assert_eq!(eval, Conlleval::default());
    }
}
