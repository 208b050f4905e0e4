//! What is worth telling of a folder's tokenizer: where its files contradict each other, and what
//! was taken.

use std::fmt;

/// Something to tell about a folder's tokenizer. Its `Display` is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// `tokenizer.json` treats characters otherwise than `tokenizer_config.json` says, and the
    /// class of tokenizer that the folder names goes by the latter.
    Casing {
        /// What differs.
        difference: String,
        /// Whether `tokenizer_config.json` says it; else it is a default.
        said: bool,
    },
    /// The same, where `tokenizer.json` decides.
    CasingIgnored {
        /// What differs.
        difference: String,
    },
    /// A vocabulary with capitals, of a folder that does not say whether text is lower-cased.
    LowerCased {
        /// A piece that no text will have.
        piece: String,
    },
    /// A class of tokenizer that is not built here, so that `tokenizer.json` is taken as it is.
    Class {
        /// Its name.
        name: String,
    },
    /// A `tokenizer.json` of another kind than its class; it is taken as it is.
    Kind {
        /// The name of the class.
        class: String,
    },
    /// An added token has another id in the file than in the tokenizer.
    Id {
        /// The token.
        token: String,
        /// The id it was given in a file; transformers takes any integer there.
        said: i64,
        /// The id it has.
        has: u32,
    },
    /// BERTweet's normalisation is asked for, of which a part is done.
    Tweets,
    /// Added tokens of `tokenizer.json` that `tokenizer_config.json` does not know: they are text.
    Dropped {
        /// The tokens.
        tokens: Vec<String>,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Casing { difference, said: true } => {
                write!(f, "{difference}; the latter is taken, as transformers does")
            }
            Self::Casing { difference, said: false } => {
                write!(
                    f,
                    "{difference}, where that is the default; the latter is taken, as transformers does: write the \
                     setting into tokenizer_config.json"
                )
            }
            Self::CasingIgnored { difference } => {
                write!(f, "{difference}; the former is taken, as transformers does for this class of tokenizer")
            }
            Self::LowerCased { piece } => {
                write!(
                    f,
                    "the vocabulary has capitals ({piece:?}), and text is lower-cased, as transformers does where nothing \
                     is said: for a cased encoder, write {{\"do_lower_case\": false}} into tokenizer_config.json"
                )
            }
            Self::Class { name } => write!(f, "{name} is not built here: tokenizer.json is taken as it is"),
            Self::Kind { class } => {
                write!(f, "tokenizer.json has another kind of pieces than {class}: it is taken as it is")
            }
            Self::Id { token, said, has } => {
                write!(f, "the added token {token:?} has the id {said} in a file, and is read with the id {has}")
            }
            Self::Tweets => write!(
                f,
                "of BERTweet's normalisation, users become @USER, links HTTPURL, and emoji are spelled out; words are not \
                 split further, as transformers does"
            ),
            Self::Dropped { tokens } => write!(
                f,
                "tokenizer.json has added tokens that tokenizer_config.json does not have, which are split like any \
                 text, as in transformers 5: {}",
                tokens.join(", ")
            ),
        }
    }
}
