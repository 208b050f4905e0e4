//! The part of the text encoder that is not trained.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The part of the text encoder that is not trained: in JSON `"none"`, `"all"`, or a number of
/// layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FreezeField", into = "FreezeField")]
pub enum Freeze {
    /// Everything is trained.
    #[default]
    None,
    /// The embeddings and this many layers from below.
    Lowest(usize),
    /// The whole encoder is as it came.
    All,
}

impl FromStr for Freeze {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "none" => Ok(Self::None),
            "all" => Ok(Self::All),
            _ => text
                .parse()
                .map(Self::Lowest)
                .map_err(|_| Error::setting("freeze", "none, all, or a number of layers", text)),
        }
    }
}

/// [`Freeze`] in JSON.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FreezeField {
    Layers(usize),
    Word(String),
}

impl TryFrom<FreezeField> for Freeze {
    type Error = Error;

    fn try_from(field: FreezeField) -> Result<Self> {
        match field {
            FreezeField::Layers(n) => Ok(Self::Lowest(n)),
            FreezeField::Word(word) => word.parse(),
        }
    }
}

impl From<Freeze> for FreezeField {
    fn from(freeze: Freeze) -> Self {
        match freeze {
            Freeze::None => Self::Word("none".to_owned()),
            Freeze::Lowest(n) => Self::Layers(n),
            Freeze::All => Self::Word("all".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frozen_is_a_word_or_a_number() {
        let check = |json: &str, want: Option<Freeze>| {
            let got = serde_json::from_str(json).ok();
            assert_eq!(got, want, "{json}");
            if let Some(freeze) = want {
                assert_eq!(serde_json::to_string(&freeze).expect("serialises"), json);
            }
        };
        check("\"none\"", Some(Freeze::None));
        check("\"all\"", Some(Freeze::All));
        check("0", Some(Freeze::Lowest(0)));
        check("6", Some(Freeze::Lowest(6)));
        for json in ["-1", "1.5", "\"most\"", "null"] {
            check(json, None);
        }
    }
}
