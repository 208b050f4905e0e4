//! Tag schemes other than BIO: read into entities, written from them, told from the tags.
//!
//! | scheme | first word | inside | last word | a single word |
//! |---|---|---|---|---|
//! | IOB1 | `I`, but `B` right after an entity of the same label | `I` | `I` | as a first word |
//! | IOB2 (BIO) | `B` | `I` | `I` | `B` |
//! | IOE1 | `I` | `I` | `I`, but `E` right before an entity of the same label | as a last word |
//! | IOE2 | `I` | `I` | `E` | `E` |
//! | IOBES | `B` | `I` | `E` | `S` |
//! | BILOU | `B` | `I` | `L` | `U` |
//!
//! A span model does not care which one a corpus has: all of them read into the same spans.
//! Ill-formed tags are read as `conlleval` reads them, in every scheme: words of one label that
//! follow each other are one entity, unless a tag says that one begins or ends between them.
//! [`Scheme::read`] has the other readings.
//!
//! ```
//! use smvae_core::{Entity, schemes::Scheme};
//! let tags = ["B-PER", "E-PER", "O", "S-LOC"];
//! let told = Scheme::of_posts([&tags[..]])?;
//! assert_eq!(told.scheme, Scheme::Iobes);
//! let entities = told.scheme.entities(&tags)?;
//! assert_eq!(entities, [Entity::new(0, 2, "PER"), Entity::new(3, 4, "LOC")]);
//! assert_eq!(Scheme::Iob2.tags(&entities, 4)?, ["B-PER", "I-PER", "O", "B-LOC"]);
//! # Ok::<(), smvae_core::Error>(())
//! ```

mod read;

use crate::bio::{Tag, is_type, write_tags};
use crate::{Entity, Error, Result};
use serde::{Deserialize, Serialize};

/// How tags mark where entities begin and end; see the table of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `B` only between entities that touch; CoNLL-2003 has it.
    Iob1,
    /// BIO: `B` begins every entity.
    Iob2,
    /// `E` only between entities that touch.
    Ioe1,
    /// `E` ends every entity.
    Ioe2,
    /// `B` begins, `E` ends, `S` is an entity of one word.
    Iobes,
    /// `B` begins, `L` ends, `U` is an entity of one word.
    Bilou,
}

/// The prefixes that tags have in some scheme.
const PREFIXES: [char; 7] = ['B', 'I', 'E', 'S', 'L', 'U', 'O'];

impl Scheme {
    /// All schemes; of several that fit some tags, [`Scheme::of_posts`] takes the first.
    pub const ALL: [Self; 6] = [Self::Iob2, Self::Iobes, Self::Bilou, Self::Ioe2, Self::Iob1, Self::Ioe1];

    /// The name used in configs and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iob1 => "iob1",
            Self::Iob2 => "iob2",
            Self::Ioe1 => "ioe1",
            Self::Ioe2 => "ioe2",
            Self::Iobes => "iobes",
            Self::Bilou => "bilou",
        }
    }

    /// The scheme of some posts, told from the tags of each.
    ///
    /// # Errors
    /// [`Error::SchemeTag`] for a text that is a tag in no scheme, [`Error::NoScheme`] if no scheme
    /// has all the prefixes.
    pub fn of_posts<'a, S: AsRef<str> + 'a>(posts: impl IntoIterator<Item = &'a [S]>) -> Result<Told> {
        let (mut prefixes, mut fitting) = (Vec::new(), Self::ALL.to_vec());
        for tags in posts {
            for tag in tags {
                let (prefix, _) = split_tag(tag.as_ref())?;
                if !prefixes.contains(&prefix) {
                    prefixes.push(prefix);
                }
            }
            fitting.retain(|scheme| scheme.fits(tags));
        }
        let has_all = |scheme: &Self| prefixes.iter().all(|&prefix| scheme.has(prefix));
        match fitting.first().copied().or_else(|| Self::ALL.into_iter().find(has_all)) {
            Some(scheme) => Ok(Told { scheme, fitting }),
            None => {
                prefixes.sort_unstable();
                Err(Error::NoScheme { prefixes: prefixes.iter().map(char::to_string).collect() })
            }
        }
    }

    /// Reads the entities of one text, ordered by first word.
    ///
    /// # Errors
    /// [`Error::SchemeTag`] for a tag that the scheme does not have.
    pub fn entities<S: AsRef<str>>(self, tags: &[S]) -> Result<Vec<Entity>> {
        let mut entities: Vec<Entity> = Vec::new();
        // Whether the last word's tag leaves its entity open.
        let mut is_open = false;
        for (i, tag) in tags.iter().enumerate() {
            let (prefix, label) = split_tag(tag.as_ref())?;
            if !self.has(prefix) {
                return Err(Error::SchemeTag { tag: tag.as_ref().to_owned(), scheme: Some(self.name()) });
            }
            let begins = matches!(prefix, 'B' | 'S' | 'U');
            match entities.last_mut().filter(|last| is_open && !begins && last.label == label) {
                Some(last) => last.span.end = i + 1,
                None if prefix == 'O' => (),
                None => entities.push(Entity::new(i, i + 1, label)),
            }
            is_open = !matches!(prefix, 'O' | 'E' | 'S' | 'L' | 'U');
        }
        Ok(entities)
    }

    /// Writes entities as the tags of a text of `n_words` words.
    ///
    /// # Errors
    /// [`Error::Entity`] if one is empty, reaches past the last word, overlaps another, or has a
    /// label that is empty or has white space at an end.
    pub fn tags(self, entities: &[Entity], n_words: usize) -> Result<Vec<String>> {
        let bio = write_tags(entities, n_words)?;
        let parsed: Vec<Tag<'_>> = bio.iter().map(|tag| Tag::parse(tag).expect("written just now")).collect();
        let tags = parsed.iter().enumerate().map(|(i, &tag)| {
            let (Tag::B(label) | Tag::I(label)) = tag else { return "O".to_owned() };
            let before = i.checked_sub(1).map(|before| parsed[before]);
            let after = parsed.get(i + 1).copied();
            let place = Place {
                begins: matches!(tag, Tag::B(_)),
                ends: !matches!(after, Some(Tag::I(_))),
                touches_before: matches!(before, Some(Tag::B(l) | Tag::I(l)) if l == label),
                touches_after: after == Some(Tag::B(label)),
            };
            format!("{}-{label}", self.prefix(place))
        });
        Ok(tags.collect())
    }

    /// Whether the tags of one text are well-formed: they are what the scheme writes for the
    /// entities they mean.
    pub fn fits<S: AsRef<str>>(self, tags: &[S]) -> bool {
        let written = self.entities(tags).and_then(|entities| self.tags(&entities, tags.len()));
        written.is_ok_and(|written| written.iter().zip(tags).all(|(a, b)| a == b.as_ref()))
    }

    fn has(self, prefix: char) -> bool {
        let own = match self {
            Self::Iob1 | Self::Iob2 => "OIB",
            Self::Ioe1 | Self::Ioe2 => "OIE",
            Self::Iobes => "OIBES",
            Self::Bilou => "OIBLU",
        };
        own.contains(prefix)
    }

    fn prefix(self, place: Place) -> char {
        let Place { begins, ends, touches_before, touches_after } = place;
        match self {
            Self::Iob1 if begins && touches_before => 'B',
            Self::Iob2 if begins => 'B',
            Self::Ioe1 if ends && touches_after => 'E',
            Self::Ioe2 if ends => 'E',
            Self::Iobes | Self::Bilou => match (begins, ends, self == Self::Iobes) {
                (true, true, true) => 'S',
                (true, true, false) => 'U',
                (true, false, _) => 'B',
                (false, true, true) => 'E',
                (false, true, false) => 'L',
                (false, false, _) => 'I',
            },
            _ => 'I',
        }
    }
}

/// Where a word stands in its entity.
#[derive(Clone, Copy)]
struct Place {
    begins: bool,
    ends: bool,
    /// The word before belongs to an entity of the same label.
    touches_before: bool,
    /// An entity of the same label begins with the word after.
    touches_after: bool,
}

impl std::str::FromStr for Scheme {
    type Err = Error;

    /// Reads a [`Scheme::name`] in any case; `bio` is `iob2`, `bioes` is `iobes`.
    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "bio" => Ok(Self::Iob2),
            "bioes" => Ok(Self::Iobes),
            name => Self::ALL
                .into_iter()
                .find(|scheme| scheme.name() == name)
                .ok_or_else(|| Error::setting("scheme", "iob1, iob2 (or bio), ioe1, ioe2, iobes or bilou", text)),
        }
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What [`Scheme::of_posts`] found. `Display` says it in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The scheme the tags are read by.
    pub scheme: Scheme,
    /// The schemes in which all tags are well-formed. Several: the tags do not tell which one it
    /// is. None: the tags are ill-formed in each, and the scheme is the first that has all their
    /// prefixes.
    pub fitting: Vec<Scheme>,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let others: Vec<&str> = self.fitting.iter().filter(|s| **s != self.scheme).map(|s| s.name()).collect();
        match self.fitting.len() {
            0 => write!(f, "{}, ill-formed in places", self.scheme),
            1 => write!(f, "{}", self.scheme),
            _ => write!(f, "{} (or {}: the tags do not tell)", self.scheme, others.join(" or ")),
        }
    }
}

/// Whether a text is a tag of some scheme: `O`, or `B`, `I`, `E`, `S`, `L` or `U`, a hyphen and a
/// label.
pub fn is_tag(text: &str) -> bool {
    split_tag(text).is_ok()
}

/// A tag's prefix and label; `O` has no label.
fn split_tag(tag: &str) -> Result<(char, &str)> {
    let parts = match tag.split_once('-') {
        None if tag == "O" => Some(('O', "")),
        Some((prefix, label)) if is_type(label) && prefix != "O" => {
            PREFIXES.into_iter().find(|p| prefix.chars().eq([*p])).map(|prefix| (prefix, label))
        }
        _ => None,
    };
    parts.ok_or_else(|| Error::SchemeTag { tag: tag.to_owned(), scheme: None })
}

#[cfg(test)]
mod tests;
