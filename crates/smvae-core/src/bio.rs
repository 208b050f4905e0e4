//! BIO tags to entities and back.
//!
//! Well-formed tags mean the same under every [`Convention`]; they differ on an `I-` that continues
//! nothing (`O I-PER`) or another type (`B-PER I-LOC`). Twitter2015's test split has 5072 entities
//! under `Strict`, 5201 under `Authors` and 5207 under `Conlleval`.

use crate::{Entity, Error, Result};
use serde::{Deserialize, Serialize};

/// How malformed sequences of BIO tags are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// As the script `conlleval` does: an `I-` after `O`, or after another type, starts an entity.
    #[default]
    Conlleval,
    /// Only `B-` starts an entity; an `I-` that continues nothing is ignored.
    Strict,
    /// As the authors' program does: `B-` starts, `I-` after `O` starts, any other `I-` continues
    /// whatever its type; the entity has the type of its first tag.
    Authors,
}

impl Convention {
    /// All conventions, in the order they are documented.
    pub const ALL: [Self; 3] = [Self::Conlleval, Self::Strict, Self::Authors];

    /// The name used in configs and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conlleval => "conlleval",
            Self::Strict => "strict",
            Self::Authors => "authors",
        }
    }
}

impl std::str::FromStr for Convention {
    type Err = Error;

    /// Reads a [`Convention::name`] in any case.
    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|convention| convention.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| Error::setting("convention", "conlleval, strict or authors", text))
    }
}

impl std::fmt::Display for Convention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One parsed tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag<'a> {
    /// Outside of any entity.
    O,
    /// First word of an entity of this type.
    B(&'a str),
    /// Inside an entity of this type.
    I(&'a str),
}

impl<'a> Tag<'a> {
    /// Parses `O`, `B-type` or `I-type`.
    ///
    /// # Errors
    /// [`Error::Tag`] for anything else, an empty type included, and one with white space at an
    /// end, which would look like another type.
    pub fn parse(text: &'a str) -> Result<Self> {
        match text.split_once('-') {
            Some(("B", label)) if is_type(label) => Ok(Self::B(label)),
            Some(("I", label)) if is_type(label) => Ok(Self::I(label)),
            None if text == "O" => Ok(Self::O),
            _ => Err(Error::Tag { tag: text.to_owned() }),
        }
    }
}

/// Reads entities from the tags of one text, ordered by first word.
///
/// ```
/// use smvae_core::{Convention, Entity, bio::read_entities};
/// let tags = ["B-PER", "I-PER", "O", "I-LOC"];
/// assert_eq!(read_entities(&tags, Convention::Strict)?, [Entity::new(0, 2, "PER")]);
/// assert_eq!(read_entities(&tags, Convention::Conlleval)?.len(), 2);
/// # Ok::<(), smvae_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Tag`] for a malformed tag.
pub fn read_entities<S: AsRef<str>>(tags: &[S], convention: Convention) -> Result<Vec<Entity>> {
    let mut entities: Vec<Entity> = Vec::new();
    let mut open: Option<(usize, &str)> = None;
    let mut close = |open: Option<(usize, &str)>, end| {
        if let Some((start, label)) = open {
            entities.push(Entity::new(start, end, label));
        }
    };
    for (i, tag) in tags.iter().enumerate() {
        let tag = Tag::parse(tag.as_ref())?;
        let (continues, starts) = match (tag, open) {
            (Tag::O, _) => (false, None),
            (Tag::B(label), _) => (false, Some(label)),
            (Tag::I(label), Some((_, of))) if of == label || convention == Convention::Authors => (true, None),
            (Tag::I(_), _) if convention == Convention::Strict => (false, None),
            (Tag::I(label), _) => (false, Some(label)),
        };
        if !continues {
            close(open, i);
            open = starts.map(|label| (i, label));
        }
    }
    close(open, tags.len());
    Ok(entities)
}

/// Whether a text can name a type of entities: it is there, and has no white space at an end.
pub(crate) fn is_type(label: &str) -> bool {
    !label.is_empty() && label.trim() == label
}

/// Writes entities as the BIO tags of a text of `n_words` words.
///
/// # Errors
/// [`Error::Entity`] if one is empty, reaches past the last word, overlaps another, or has a label
/// that is empty or has white space at an end.
pub fn write_tags(entities: &[Entity], n_words: usize) -> Result<Vec<String>> {
    let mut tags = vec!["O".to_owned(); n_words];
    for Entity { span, label } in entities {
        let fail = |why| Error::Entity { start: span.start, end: span.end, why };
        if span.width() == 0 {
            return Err(fail("it has no words"));
        }
        if !is_type(label) {
            return Err(fail("its label has no text, or white space at an end"));
        }
        let words = tags.get_mut(span.start..span.end).ok_or_else(|| fail("it reaches past the last word"))?;
        if words.iter().any(|tag| tag != "O") {
            return Err(fail("it overlaps another entity"));
        }
        for (i, word) in words.iter_mut().enumerate() {
            *word = format!("{}-{label}", if i == 0 { "B" } else { "I" });
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(tags: &str, convention: Convention, want: &[(usize, usize, &str)]) {
        let tags: Vec<&str> = tags.split(' ').collect();
        let want: Vec<Entity> = want.iter().map(|&(a, b, label)| Entity::new(a, b, label)).collect();
        assert_eq!(read_entities(&tags, convention).expect("well-formed tags"), want, "{tags:?} {convention}");
    }

    #[test]
    fn conventions_differ_on_ill_formed_tags_only() {
        use Convention::{Authors, Conlleval, Strict};
        for convention in Convention::ALL {
            check("B-PER I-PER O B-LOC B-LOC", convention, &[(0, 2, "PER"), (3, 4, "LOC"), (4, 5, "LOC")]);
            check("O O", convention, &[]);
        }
        check("O I-PER I-PER", Conlleval, &[(1, 3, "PER")]);
        check("O I-PER I-PER", Strict, &[]);
        check("O I-PER I-PER", Authors, &[(1, 3, "PER")]);
        check("B-PER I-LOC I-PER", Conlleval, &[(0, 1, "PER"), (1, 2, "LOC"), (2, 3, "PER")]);
        check("B-PER I-LOC I-PER", Strict, &[(0, 1, "PER")]);
        check("B-PER I-LOC I-PER", Authors, &[(0, 3, "PER")]);
    }

    #[test]
    fn names_are_read_in_any_case() {
        for convention in Convention::ALL {
            let written = convention.name().to_uppercase();
            assert_eq!(written.parse::<Convention>().expect("its own name"), convention);
        }
        assert!("conll".parse::<Convention>().is_err());
    }

    #[test]
    fn tags_that_are_none_are_errors() {
        for tag in ["", "B", "B-", "I-", "X-PER", "b-PER", "O-", "O ", "B-PER ", "I- PER"] {
            assert!(matches!(read_entities(&[tag], Convention::Strict), Err(Error::Tag { .. })), "{tag:?}");
        }
        assert_eq!(Tag::parse("B-a-b").expect("a type may hold a hyphen"), Tag::B("a-b"));
    }

    #[test]
    fn entities_that_do_not_fit_are_errors() {
        for bad in [vec![(0, 0)], vec![(1, 4)], vec![(0, 2), (1, 3)], vec![(2, 1)]] {
            let entities: Vec<Entity> = bad.iter().map(|&(a, b)| Entity::new(a, b, "X")).collect();
            assert!(matches!(write_tags(&entities, 3), Err(Error::Entity { .. })), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(widths in prop::collection::vec((0usize..3, 1usize..4, 0usize..3), 0..6)) {
            let (mut entities, mut at) = (Vec::new(), 0);
            for (gap, width, label) in widths {
                entities.push(Entity::new(at + gap, at + gap + width, ["PER", "LOC", "X-Y"][label]));
                at += gap + width;
            }
            let tags = write_tags(&entities, at).expect("disjoint by construction");
            for convention in Convention::ALL {
                prop_assert_eq!(&read_entities(&tags, convention).expect("written by us"), &entities);
            }
        }
    }
}
