//! How the files of a corpus are read, where neither their names nor their content tell it: what a
//! person said, kept beside a run as it was said.

use crate::formats::conll::{Columns, Separator};
use crate::formats::{Format, LabelUse, Settings};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use smvae_core::schemes::{Scheme, is_tag};

/// How the files of a corpus are read. What is `None` is told from each file; the default tells
/// everything.
///
/// ```
/// use smvae_data::corpus::{CorpusFormat, load_file_with};
/// let mut format = CorpusFormat::default();
/// format.columns = Some("1,4".parse()?);
/// format.scheme = Some("iob1".parse()?);
/// assert_eq!(serde_json::to_string(&format)?, r#"{"columns":"1,4","scheme":"iob1"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CorpusFormat {
    /// The format of every file; `None` means that the name of each tells it, and that it is words
    /// in columns if the extension is `txt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Words in columns: what stands between two columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<Separator>,
    /// Words in columns: which columns are read. In JSON they are counted from 1, as in `1,4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    /// The scheme of the tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// The tags by their numbers, for files whose tags are numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_names: Option<LabelNames>,
}

impl CorpusFormat {
    /// Whether everything is told from the files.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The same with what `other` says in the place of what this one says.
    pub fn with(self, other: &Self) -> Self {
        Self {
            format: other.format.or(self.format),
            separator: other.separator.or(self.separator),
            columns: other.columns.or(self.columns),
            scheme: other.scheme.or(self.scheme),
            label_names: other.label_names.clone().or(self.label_names),
        }
    }

    /// The settings of a reader that reads labels so.
    pub fn settings(&self, labels: LabelUse) -> Settings {
        Settings { format: self.format, separator: self.separator, columns: self.columns, labels }
    }
}

/// Tags by their numbers, from 0: the `names` that a data set of Hugging Face has for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct LabelNames(Vec<String>);

impl LabelNames {
    /// These tags.
    ///
    /// # Errors
    /// [`Error::Setting`] for no name, one that is not a tag of any scheme, or one that is there
    /// twice.
    pub fn new(names: Vec<String>) -> Result<Self> {
        let twice = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)).map(|(_, name)| name);
        match names.iter().find(|name| !is_tag(name)).or(twice) {
            None if !names.is_empty() => Ok(Self(names)),
            bad => Err(Error::setting(
                "label_names",
                "different tags in the order of their numbers, such as O,B-PER,I-PER",
                format!("{:?}", bad.map_or("", |name| name)),
            )),
        }
    }

    /// All names, by number.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl std::str::FromStr for LabelNames {
    type Err = Error;

    /// Reads the names with commas between them.
    fn from_str(text: &str) -> Result<Self> {
        Self::new(text.split(',').map(|name| name.trim().to_owned()).collect())
    }
}

impl TryFrom<Vec<String>> for LabelNames {
    type Error = Error;

    fn try_from(names: Vec<String>) -> Result<Self> {
        Self::new(names)
    }
}

impl From<LabelNames> for Vec<String> {
    fn from(names: LabelNames) -> Self {
        names.0
    }
}

/// A type in JSON as it is on the command line.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Format, Columns, Separator);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_survives_json() {
        let format = CorpusFormat {
            format: Some(Format::Conll),
            separator: Some(Separator::Tab),
            columns: Some(Columns { word: 1, tag: Some(3) }),
            scheme: Some(Scheme::Iobes),
            label_names: Some("O, B-X,I-X".parse().expect("three tags")),
        };
        let text = serde_json::to_string(&format).expect("strings");
        assert_eq!(
            text,
            r#"{"format":"conll","separator":"tab","columns":"2,4","scheme":"iobes","label_names":["O","B-X","I-X"]}"#
        );
        assert_eq!(serde_json::from_str::<CorpusFormat>(&text).expect("its own text"), format);
        assert_eq!(CorpusFormat::default().with(&format), format);
        assert_eq!(format.clone().with(&CorpusFormat::default()), format);
        assert_eq!(serde_json::to_string(&CorpusFormat::default()).expect("nothing"), "{}");
    }

    #[test]
    fn names_that_are_not_tags_are_errors() {
        for (text, got) in [("O,PER", "\"PER\""), ("", "\"\""), ("O,B-X,O", "\"O\""), ("O;B-X", "\"O;B-X\"")] {
            let error = text.parse::<LabelNames>().expect_err(text).to_string();
            assert!(error.ends_with(&format!("got {got}")), "{error}");
        }
    }
}
