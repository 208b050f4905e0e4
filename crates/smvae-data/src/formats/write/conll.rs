//! Words in columns with the tags of what was found: `word TAB tag`, and a blank line after each
//! post.
//!
//! Posts have `IMGID:` lines if the first one has the id of an image, or one of its own; a later
//! post without has its line's number. A post that could not be computed has its words, all of them
//! `O`. One that could not be read is a comment, `# line 3: ...`, in files without `IMGID:` lines;
//! those with them have no comments. Lost: text and the places of words in it, scores, other
//! fields.

use super::found::FoundEntity;
use smvae_core::Entity;
use smvae_core::schemes::Scheme;

/// The lines of a post but for the last line end, or why they could not be read back.
pub(super) fn block(
    id: Option<&str>,
    words: &[String],
    entities: &[FoundEntity<'_>],
    scheme: Scheme,
) -> Result<String, String> {
    let is_mark = |word: &str| {
        let marks = ["-DOCSTART-", "-X-"];
        word.starts_with("IMGID:") || word.starts_with('\u{feff}') || marks.contains(&word)
    };
    if words.is_empty() {
        return Err("a post without words has no place in columns".to_owned());
    }
    if let Some(word) = words.iter().find(|word| word.is_empty() || word.contains(['\t', '\n']) || is_mark(word)) {
        return Err(format!("the word {word:?} would not be read back from columns"));
    }
    if let Some(id) = id.filter(|id| id.is_empty() || id.contains(['\t', '\n']) || id.ends_with('\r')) {
        return Err(format!("the id {id:?} would not be read back from an `IMGID:` line"));
    }
    let entities: Vec<Entity> =
        entities.iter().map(|found| Entity::new(found.words.start, found.words.end, found.label)).collect();
    let tags = scheme.tags(&entities, words.len()).map_err(|error| error.to_string())?;
    if let Some(tag) = tags.iter().find(|tag| tag.contains(['\t', '\n']) || tag.ends_with('\r')) {
        return Err(format!("the tag {tag:?} would not be read back from columns"));
    }
    let header = id.map(|id| format!("IMGID:{id}\n")).unwrap_or_default();
    Ok(words.iter().zip(&tags).fold(header, |text, (word, tag)| text + word + "\t" + tag + "\n"))
}

/// The line of a post that could not be read.
pub(super) fn comment(line: usize, error: &str) -> String {
    format!("# line {line}: {}\n\n", error.replace(['\n', '\r', '\t'], " "))
}
