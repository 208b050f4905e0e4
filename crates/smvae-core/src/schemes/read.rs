//! Tags read by a convention, and to the letter: what is not an entity as its scheme writes one is
//! no entity.
//!
//! Strictly, an entity begins at a tag that may begin one after the tag before it, goes as far as
//! tags may continue it, and counts if it may end there, before the tag after it. `B-PER I-PER O`
//! has no entity in IOBES, where `E` is missing, and `O I-PER` has none in IOB2.
//!
//! # Source
//! The behaviour of seqeval 1.2.2 with `mode="strict"`, against which all schemes but IOE1 are
//! tested. IOE1, of which seqeval says itself that it does not read all of it, is read here as the
//! table of [`schemes`](super) has it.

use super::{Scheme, split_tag};
use crate::bio::read_entities;
use crate::{Convention, Entity, Error, Result};

impl Scheme {
    /// Reads the entities of one text by a convention, ordered by first word: `conlleval` as
    /// [`Scheme::entities`], `strict` only what the scheme writes as an entity, `authors` as
    /// [`read_entities`], and BIO alone.
    ///
    /// ```
    /// use smvae_core::{Convention, schemes::Scheme};
    /// let tags = ["B-PER", "I-PER", "O", "S-LOC"];
    /// assert_eq!(Scheme::Iobes.read(&tags, Convention::Strict)?.len(), 1);
    /// assert_eq!(Scheme::Iobes.read(&tags, Convention::Conlleval)?.len(), 2);
    /// # Ok::<(), smvae_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::SchemeTag`] for a tag that the scheme does not have, which for the convention
    /// `authors` is [`Error::Tag`]; [`Error::Setting`] for that convention with a scheme that is
    /// not BIO.
    pub fn read<S: AsRef<str>>(self, tags: &[S], convention: Convention) -> Result<Vec<Entity>> {
        match (convention, self) {
            (Convention::Conlleval, _) => self.entities(tags),
            (Convention::Strict, _) => entities(self, tags),
            (Convention::Authors, Self::Iob1 | Self::Iob2) => read_entities(tags, convention),
            (Convention::Authors, _) => {
                Err(Error::setting("convention", "conlleval or strict for tags that are not BIO", convention))
            }
        }
    }
}

/// A tag's prefix and label.
type Cut<'a> = (char, &'a str);

/// Reads the entities of one text, ordered by first word.
fn entities<S: AsRef<str>>(scheme: Scheme, tags: &[S]) -> Result<Vec<Entity>> {
    let mut cut: Vec<Cut<'_>> = Vec::with_capacity(tags.len() + 1);
    for tag in tags {
        let (prefix, label) = split_tag(tag.as_ref())?;
        if !scheme.has(prefix) {
            return Err(Error::SchemeTag { tag: tag.as_ref().to_owned(), scheme: Some(scheme.name()) });
        }
        cut.push((prefix, label));
    }
    // As if `O` stood before and after the text.
    const OUTSIDE: Cut<'static> = ('O', "");
    cut.push(OUTSIDE);
    let (mut entities, mut at) = (Vec::new(), 0);
    while at < tags.len() {
        let before = at.checked_sub(1).map_or(OUTSIDE, |before| cut[before]);
        if !begins(scheme, before, cut[at]) {
            at += 1;
            continue;
        }
        let mut end = at + 1;
        while continues(scheme, cut[end - 1], cut[end]) {
            end += 1;
        }
        if ends(scheme, cut[end - 1], cut[end]) {
            entities.push(Entity::new(at, end, cut[at].1));
        }
        at = end;
    }
    Ok(entities)
}

/// Whether a tag begins an entity after the one before it.
fn begins(scheme: Scheme, before: Cut<'_>, tag: Cut<'_>) -> bool {
    let (is_same, before, prefix) = (before.1 == tag.1, before.0, tag.0);
    match (scheme, prefix) {
        (Scheme::Iob2 | Scheme::Iobes | Scheme::Bilou, 'B' | 'S' | 'U') => true,
        // Only between entities of one label.
        (Scheme::Iob1, 'B') => is_same && before != 'O',
        (Scheme::Iob1, 'I') => before != 'I' || !is_same,
        (Scheme::Ioe1 | Scheme::Ioe2, 'I' | 'E') => before != 'I' || !is_same,
        _ => false,
    }
}

/// Whether a tag continues the entity of the one before it.
fn continues(scheme: Scheme, before: Cut<'_>, tag: Cut<'_>) -> bool {
    let may = match scheme {
        Scheme::Iob1 | Scheme::Iob2 | Scheme::Iobes | Scheme::Bilou => matches!(before.0, 'B' | 'I'),
        Scheme::Ioe1 | Scheme::Ioe2 => before.0 == 'I',
    };
    may && matches!(tag.0, 'I' | 'E' | 'L') && before.1 == tag.1
}

/// Whether an entity may end with a tag, before the one after it, which does not continue it.
fn ends(scheme: Scheme, tag: Cut<'_>, after: Cut<'_>) -> bool {
    let is_same = tag.1 == after.1;
    match (scheme, tag.0) {
        (Scheme::Iob2, _) => true,
        // After `B` there is no `B` of another label, which would not be written so.
        (Scheme::Iob1, 'B') => after.0 != 'B' || is_same,
        (Scheme::Iob1, _) => true,
        // `E` only between entities of one label.
        (Scheme::Ioe1, 'E') => is_same && after.0 != 'O',
        (Scheme::Ioe1, _) => true,
        (Scheme::Ioe2 | Scheme::Iobes | Scheme::Bilou, prefix) => matches!(prefix, 'E' | 'L' | 'S' | 'U'),
    }
}
