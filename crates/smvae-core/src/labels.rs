//! The label set: entity types in a fixed order with `O` explicit and first.

use crate::bio::is_type;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The label of a span that is not an entity.
pub const OUTSIDE: &str = "O";

/// Entity types in a fixed order; class 0 is `O`. Saved with a model, so that a class index keeps
/// its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct LabelSet(Vec<String>);

impl LabelSet {
    /// `O` followed by these entity types, in this order.
    ///
    /// # Errors
    /// [`Error::Label`] if a type is empty, has white space at an end, is `O`, or comes twice.
    pub fn new<S: Into<String>>(types: impl IntoIterator<Item = S>) -> Result<Self> {
        let names = std::iter::once(OUTSIDE.to_owned()).chain(types.into_iter().map(Into::into));
        Self::try_from(names.collect::<Vec<_>>())
    }

    /// All names, `O` first.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The entity types: all names but `O`.
    pub fn types(&self) -> &[String] {
        &self.0[1..]
    }

    /// Number of classes, `O` included.
    pub fn n_classes(&self) -> usize {
        self.0.len()
    }

    /// Class index of a name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|n| n == name)
    }

    /// Name of a class index.
    pub fn name(&self, class: usize) -> Option<&str> {
        self.0.get(class).map(String::as_str)
    }
}

impl TryFrom<Vec<String>> for LabelSet {
    type Error = Error;

    fn try_from(names: Vec<String>) -> Result<Self> {
        let fail = |label: &String, why| Err(Error::Label { label: label.clone(), why });
        match names.first() {
            Some(first) if first == OUTSIDE => {}
            _ => return fail(names.first().unwrap_or(&String::new()), "must be `O`, the first label of a set"),
        }
        let mut seen = BTreeSet::new();
        for name in &names {
            if !is_type(name) {
                return fail(name, "has no text, or white space at an end");
            }
            if !seen.insert(name) {
                let why = if name == OUTSIDE { "is there without being given" } else { "comes twice" };
                return fail(name, why);
            }
        }
        Ok(Self(names))
    }
}

impl From<LabelSet> for Vec<String> {
    fn from(labels: LabelSet) -> Self {
        labels.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_o_is_class_zero() {
        let labels = LabelSet::new(["PER", "LOC"]).expect("two types");
        assert_eq!(labels.names(), ["O", "PER", "LOC"]);
        assert_eq!((labels.index("LOC"), labels.name(0), labels.index("X")), (Some(2), Some("O"), None));
        let text = serde_json::to_string(&labels).expect("serialises");
        assert_eq!(serde_json::from_str::<LabelSet>(&text).expect("its own text"), labels);
    }

    #[test]
    fn bad_sets_are_errors() {
        for bad in [r#"[]"#, r#"["PER"]"#, r#"["O","PER","PER"]"#, r#"["O",""]"#] {
            assert!(serde_json::from_str::<LabelSet>(bad).is_err(), "{bad}");
        }
    }
}
